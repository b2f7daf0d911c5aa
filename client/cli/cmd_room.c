/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd_room.h"

#include <string.h>

#include "output.h"
#include "room_view.h"

static const struct out_column room_fields[] = {
    {"name", "name"},          {"id", "id"},
    {"encryption", "content"}, {"verified", "verified"},
    {"role", "your role"},     {"members", "members"},
    {"epoch", "epoch"},        {"has_key", "key held"},
    {"stale", "stale"},        {"closed", "closed"},
    {"history", "history"},    {"founder", "founder"},
    {"seq", "head, entry"},    {"head", "head, hash"},
    {"note", "note"},          {NULL, NULL},
};

enum unibus_status cli_room_open(struct cli *cli, struct unibus_room **room_out,
                                 struct unibus_err *err)
{
    char room32[UBR_ROOM32_LEN + 1];
    enum unibus_status status = cli_open(cli, err);
    if (status == UNIBUS_OK) {
        status = unibus_room_find(cli->client, cli->args[0], room32, err);
    }
    return status == UNIBUS_OK ? unibus_room_open(cli->client, room32, room_out, err) : status;
}

enum unibus_status cli_room_open_fresh(struct cli *cli, struct unibus_room **room_out,
                                       struct unibus_err *err)
{
    struct unibus_room *room;
    enum unibus_status status = cli_room_open(cli, &room, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    status = unibus_room_sync(room, err);
    if (status == UNIBUS_OK) {
        status = unibus_room_fetch_secrets(room, err);
    }
    if (status != UNIBUS_OK) {
        unibus_room_close(&room);
        return status;
    }
    *room_out = room;
    return UNIBUS_OK;
}

/* For views: what is verified is shown even when the node does not answer. */
static enum unibus_status open_to_look(struct cli *cli, struct unibus_room **room_out,
                                       struct unibus_err *err)
{
    enum unibus_status status = cli_room_open(cli, room_out, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    status = unibus_room_sync(*room_out, err);
    bool is_away = status == UNIBUS_UNREACHABLE || status == UNIBUS_TIMEOUT ||
                   status == UNIBUS_NOT_FOUND || status == UNIBUS_DENIED;
    if (is_away && ubr_log_state(unibus_room_log(*room_out))->entries > 0) {
        unibus_client_notice(cli->client, "as verified before: %s", err->message);
        return UNIBUS_OK;
    }
    if (status != UNIBUS_OK) {
        unibus_room_close(room_out);
    }
    return status;
}

static void warn_unverified(const struct cli *cli, const struct unibus_room *room)
{
    if (unibus_room_trust(room) != UNIBUS_CONFIRMED) {
        char founder[33];
        unibus_room_founder(room, founder);
        unibus_client_notice(cli->client,
                             "this room is unverified: only the node says that it is the one you "
                             "mean (founder %s); nothing is sent before `unibus room join INVITE`",
                             founder);
    }
}

static void add_invite(const struct unibus_room *room, json_t *view)
{
    char invite[UBR_INVITE_TEXT_MAX + 1];
    struct unibus_err err = UNIBUS_ERR_INIT;
    if (unibus_room_invite(room, invite, &err) == UNIBUS_OK) {
        json_object_set_new(view, "invite", json_string(invite));
    }
}

/* The room after a change: all of it as JSON, one sentence and the invite for people. */
static void show_change(const struct cli *cli, struct unibus_room *room, bool has_invite,
                        const char *sentence)
{
    if (out_is_json(cli)) {
        static const struct out_column none[] = {{NULL, NULL}};
        json_t *view = room_view(room);
        add_invite(room, view);
        out_fields(cli, view, none);
        return;
    }
    if (sentence[0] != '\0') {
        out_say(cli, "%s%s", sentence,
                unibus_room_is_plain(room) ? " (this room is NOT encrypted)" : "");
    }
    if (has_invite) {
        json_t *view = json_object();
        add_invite(room, view);
        out_say(cli, "%s", json_string_value(json_object_get(view, "invite")));
        json_decref(view);
    }
}

static bool parse_history(const char *text, enum ubr_history *history_out)
{
    static const char *const names[] = {"next", "join", "all"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            *history_out = (enum ubr_history)i;
            return true;
        }
    }
    return false;
}

static void note_same_name(const struct cli *cli)
{
    char room32[UBR_ROOM32_LEN + 1];
    struct unibus_err err = UNIBUS_ERR_INIT;
    if (unibus_room_find(cli->client, cli->args[0], room32, &err) == UNIBUS_USAGE) {
        unibus_client_notice(cli->client, "another room here is called \"%s\": use the ids",
                             cli->args[0]);
    }
}

enum unibus_status cli_room_new(struct cli *cli, struct unibus_err *err)
{
    struct unibus_room_draft draft = {
        .name = cli->args[0],
        .is_plain = cli_option(cli, "plain") != NULL,
        .history = UBR_HISTORY_JOINING,
        .rotate_secs = UNIBUS_ROTATE_SECS,
        .rotate_msgs = UNIBUS_ROTATE_MSGS,
    };
    const char *history = cli_option(cli, "history");
    if (draft.name[0] == '\0') {
        return unibus_fail(err, UNIBUS_USAGE, "a room needs a name");
    }
    if (history != NULL && !parse_history(history, &draft.history)) {
        unibus_fail(err, UNIBUS_USAGE, "there is no history mode \"%s\"", history);
        return unibus_fix(err, "--history next, join or all");
    }
    struct unibus_room *room;
    enum unibus_status status = cli_open(cli, err);
    if (status == UNIBUS_OK) {
        status = unibus_room_create(cli->client, &draft, &room, err);
    }
    if (status == UNIBUS_OK) {
        char sentence[160];
        snprintf(sentence, sizeof(sentence), "room \"%s\": %s", draft.name, unibus_room_id(room));
        show_change(cli, room, true, sentence);
        unibus_room_close(&room);
        note_same_name(cli);
    }
    return status;
}

static enum unibus_status parse_role(const char *text, enum ubr_role *role_out,
                                     struct unibus_err *err)
{
    *role_out = ubr_role_from_name(ubr_bytes_of_text(text));
    if (*role_out != UBR_ROLE_NONE) {
        return UNIBUS_OK;
    }
    unibus_fail(err, UNIBUS_USAGE, "there is no role \"%s\"", text);
    return unibus_fix(err, "reader, writer, admin or owner");
}

/* A change of args[0]'s log by fn, told in a sentence. */
typedef enum unibus_status (*change_fn)(const struct cli *cli, struct unibus_room *room,
                                        enum ubr_role role, struct unibus_err *err);

static enum unibus_status change(struct cli *cli, change_fn fn, enum ubr_role role, bool has_invite,
                                 const char *sentence, struct unibus_err *err)
{
    struct unibus_room *room;
    enum unibus_status status = cli_room_open(cli, &room, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    status = fn(cli, room, role, err);
    if (status == UNIBUS_OK) {
        show_change(cli, room, has_invite, sentence);
    }
    unibus_room_close(&room);
    return status;
}

static enum unibus_status do_add(const struct cli *cli, struct unibus_room *room,
                                 enum ubr_role role, struct unibus_err *err)
{
    return unibus_room_add(room, cli->args[1], role, err);
}

enum unibus_status cli_room_add(struct cli *cli, struct unibus_err *err)
{
    enum ubr_role role = UBR_ROLE_WRITER;
    const char *given = cli_option(cli, "role");
    enum unibus_status status = given != NULL ? parse_role(given, &role, err) : UNIBUS_OK;
    return status == UNIBUS_OK ? change(cli, do_add, role, true, "", err) : status;
}

static enum unibus_status do_role(const struct cli *cli, struct unibus_room *room,
                                  enum ubr_role role, struct unibus_err *err)
{
    return unibus_room_set_role(room, cli->args[1], role, err);
}

enum unibus_status cli_room_role(struct cli *cli, struct unibus_err *err)
{
    enum ubr_role role;
    char sentence[160];
    enum unibus_status status = parse_role(cli->args[2], &role, err);
    snprintf(sentence, sizeof(sentence), "%.64s is %s now", cli->args[1], cli->args[2]);
    return status == UNIBUS_OK ? change(cli, do_role, role, false, sentence, err) : status;
}

static enum unibus_status do_remove(const struct cli *cli, struct unibus_room *room,
                                    enum ubr_role role, struct unibus_err *err)
{
    (void)role;
    return unibus_room_remove(room, cli->args[1], err);
}

enum unibus_status cli_room_remove(struct cli *cli, struct unibus_err *err)
{
    char sentence[160];
    snprintf(sentence, sizeof(sentence), "%.64s is removed, and the room has a new key",
             cli->args[1]);
    return change(cli, do_remove, UBR_ROLE_NONE, false, sentence, err);
}

static enum unibus_status do_leave(const struct cli *cli, struct unibus_room *room,
                                   enum ubr_role role, struct unibus_err *err)
{
    (void)cli;
    (void)role;
    return unibus_room_leave(room, err);
}

enum unibus_status cli_room_leave(struct cli *cli, struct unibus_err *err)
{
    return change(cli, do_leave, UBR_ROLE_NONE, false, "you left the room", err);
}

static enum unibus_status do_rotate(const struct cli *cli, struct unibus_room *room,
                                    enum ubr_role role, struct unibus_err *err)
{
    (void)cli;
    (void)role;
    return unibus_room_rotate(room, err);
}

enum unibus_status cli_room_rotate(struct cli *cli, struct unibus_err *err)
{
    return change(cli, do_rotate, UBR_ROLE_NONE, false, "the room has a new key", err);
}

static enum unibus_status do_trust(const struct cli *cli, struct unibus_room *room,
                                   enum ubr_role role, struct unibus_err *err)
{
    (void)cli;
    (void)role;
    enum unibus_status status = unibus_room_sync(room, err);
    return status == UNIBUS_OK ? unibus_room_trust_head(room, err) : status;
}

enum unibus_status cli_room_trust_head(struct cli *cli, struct unibus_err *err)
{
    return change(cli, do_trust, UBR_ROLE_NONE, false, "the head of the room is trusted", err);
}

/* The rooms of the home, then those that only the node knows of. */
static void list_known(struct cli *cli, json_t *rows)
{
    json_t *ids = unibus_home_list(unibus_client_home(cli->client), "rooms");
    for (size_t i = 0; i < json_array_size(ids); i++) {
        struct unibus_room *room;
        struct unibus_err err = UNIBUS_ERR_INIT;
        const char *id = json_string_value(json_array_get(ids, i));
        if (unibus_room_open(cli->client, id, &room, &err) == UNIBUS_OK) {
            json_array_append_new(rows, room_view(room));
            unibus_room_close(&room);
        } else {
            unibus_client_notice(cli->client, "%s: %s", id, err.message);
        }
    }
    json_decref(ids);
}

static bool is_listed(const json_t *rows, const char *id)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const char *one = json_string_value(json_object_get(json_array_get(rows, i), "id"));
        if (one != NULL && strcmp(one, id) == 0) {
            return true;
        }
    }
    return false;
}

static void list_offered(struct cli *cli, json_t *rows)
{
    json_t *items;
    struct unibus_err err = UNIBUS_ERR_INIT;
    if (unibus_client_list(cli->client, "/v1/rooms", &items, &err) != UNIBUS_OK) {
        unibus_client_notice(cli->client, "only the rooms that are known here: %s", err.message);
        return;
    }
    for (size_t i = 0; i < json_array_size(items); i++) {
        json_t *item = json_array_get(items, i);
        const char *id = json_string_value(json_object_get(item, "id"));
        if (id != NULL && !is_listed(rows, id)) {
            json_array_append_new(rows, json_pack("{s:s, s:O?, s:b, s:O?, s:O?, s:s}", "id", id,
                                                  "name", json_object_get(item, "name"), "verified",
                                                  0, "role", json_object_get(item, "role"),
                                                  "members", json_object_get(item, "members"),
                                                  "note", "by the node's word"));
        }
    }
    json_decref(items);
}

enum unibus_status cli_room_ls(struct cli *cli, struct unibus_err *err)
{
    static const struct out_column columns[] = {
        {"name", "NAME"},         {"id", "ID"},       {"encryption", "CONTENT"},
        {"verified", "VERIFIED"}, {"role", "ROLE"},   {"members", "MEMBERS"},
        {"epoch", "EPOCH"},       {"stale", "STALE"}, {NULL, NULL}};
    enum unibus_status status = cli_open(cli, err);
    if (status == UNIBUS_OK) {
        json_t *rows = json_array();
        list_known(cli, rows);
        list_offered(cli, rows);
        out_table(cli, rows, columns);
    }
    return status;
}

enum unibus_status cli_room_show(struct cli *cli, struct unibus_err *err)
{
    struct unibus_room *room;
    enum unibus_status status = open_to_look(cli, &room, err);
    if (status == UNIBUS_OK) {
        warn_unverified(cli, room);
        out_fields(cli, room_view(room), room_fields);
        unibus_room_close(&room);
    }
    return status;
}

enum unibus_status cli_room_members(struct cli *cli, struct unibus_err *err)
{
    static const struct out_column columns[] = {
        {"handle", "HANDLE"}, {"role", "ROLE"}, {"id", "ID"}, {"devices", "DEVICES"}, {NULL, NULL}};
    struct unibus_room *room;
    enum unibus_status status = open_to_look(cli, &room, err);
    if (status == UNIBUS_OK) {
        warn_unverified(cli, room);
        out_table(cli, room_view_members(room), columns);
        unibus_room_close(&room);
    }
    return status;
}

enum unibus_status cli_room_log(struct cli *cli, struct unibus_err *err)
{
    static const struct out_column columns[] = {{"seq", "SEQ"},      {"time", "TIME"},
                                                {"type", "TYPE"},    {"author", "AUTHOR"},
                                                {"details", "WHAT"}, {NULL, NULL}};
    struct unibus_room *room;
    bool is_whole = cli_option(cli, "verify") != NULL;
    enum unibus_status status =
        is_whole ? cli_room_open(cli, &room, err) : open_to_look(cli, &room, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    if (is_whole) {
        status = unibus_room_verify(room, err);
    }
    if (status == UNIBUS_OK) {
        warn_unverified(cli, room);
        out_table(cli, room_view_entries(room), columns);
        if (is_whole) {
            out_say(cli, "verified from the first entry: %u entries, all signatures good",
                    ubr_log_state(unibus_room_log(room))->entries);
        }
    }
    unibus_room_close(&room);
    return status;
}

static void add_rules(json_t *rows, const char *role, const json_t *rules)
{
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *rule = json_array_get(rules, i);
        json_array_append_new(rows, json_pack("{s:s, s:O?, s:O?, s:O?}", "role", role, "actions",
                                              json_object_get(rule, "actions"), "subject",
                                              json_object_get(rule, "subject"), "guard",
                                              json_object_get(rule, "guard")));
    }
}

enum unibus_status cli_room_permissions(struct cli *cli, struct unibus_err *err)
{
    static const struct out_column columns[] = {{"role", "ROLE"},
                                                {"actions", "MAY"},
                                                {"subject", "SUBJECT"},
                                                {"guard", "ENVELOPES ONLY"},
                                                {NULL, NULL}};
    static const char *const roles[] = {"reader", "writer", "admin", "owner"};
    char room32[UBR_ROOM32_LEN + 1], path[96];
    json_t *json = NULL;
    enum unibus_status status = cli_open(cli, err);
    if (status == UNIBUS_OK) {
        status = unibus_room_find(cli->client, cli->args[0], room32, err);
    }
    if (status == UNIBUS_OK) {
        snprintf(path, sizeof(path), "/v1/rooms/%s/permissions", room32);
        status = unibus_client_get(cli->client, path, NULL, &json, err);
    }
    if (status == UNIBUS_OK) {
        json_t *rows = json_array();
        for (size_t i = 0; i < 4; i++) {
            add_rules(rows, roles[i], json_object_get(json_object_get(json, "roles"), roles[i]));
        }
        out_table(cli, rows, columns);
        json_decref(json);
    }
    return status;
}

enum unibus_status cli_room_invite(struct cli *cli, struct unibus_err *err)
{
    struct unibus_room *room;
    enum unibus_status status = cli_room_open_fresh(cli, &room, err);
    if (status == UNIBUS_OK) {
        warn_unverified(cli, room);
        show_change(cli, room, true, "");
        unibus_room_close(&room);
    }
    return status;
}

enum unibus_status cli_room_join(struct cli *cli, struct unibus_err *err)
{
    struct unibus_room *room;
    bool is_plain = cli_option(cli, "plain") != NULL;
    enum unibus_status status = cli_open(cli, err);
    if (status == UNIBUS_OK) {
        status = unibus_room_join(cli->client, cli->args[0], is_plain, &room, err);
    }
    if (status != UNIBUS_OK) {
        return status;
    }
    status = unibus_room_fetch_secrets(room, err);
    if (status == UNIBUS_OK) {
        out_fields(cli, room_view(room), room_fields);
    }
    unibus_room_close(&room);
    return status;
}
