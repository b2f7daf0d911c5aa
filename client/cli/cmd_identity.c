/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ubr/text.h>

#include "output.h"

static const struct out_column list_columns[] = {
    {"handle", "HANDLE"},     {"role", "ROLE"}, {"id", "ID"},
    {"disabled", "DISABLED"}, {"note", "NOTE"}, {NULL, NULL},
};

static const struct out_column identity_fields[] = {
    {"handle", "handle"},     {"id", "id"},
    {"role", "role"},         {"account_pk", "account key"},
    {"disabled", "disabled"}, {"removed", "removed"},
    {"note", "note"},         {NULL, NULL},
};

/* A JSON document from a file or, for "-", stdin. */
static enum unibus_status read_json(const char *path, json_t **json_out, struct unibus_err *err)
{
    json_error_t fault;
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "r");
    if (file == NULL) {
        return unibus_fail(err, UNIBUS_NOT_FOUND, "cannot read %s: %s", path, strerror(errno));
    }
    *json_out = json_loadf(file, JSON_REJECT_DUPLICATES, &fault);
    if (!is_stdin) {
        fclose(file);
    }
    return *json_out != NULL
               ? UNIBUS_OK
               : unibus_fail(err, UNIBUS_FAILED, "%s:%d: %s", path, fault.line, fault.text);
}

/* What the node would refuse with less help. */
static enum unibus_status check_names(const struct cli *cli, struct unibus_err *err)
{
    static const char *const roles[] = {"operator", "admin", "auditor", "service", "member"};
    const char *role = cli_option(cli, "role");
    bool is_role = role == NULL;
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]) && !is_role; i++) {
        is_role = strcmp(roles[i], role) == 0;
    }
    if (!ubr_handle_is_valid(ubr_bytes_of_text(cli->args[0]))) {
        unibus_fail(err, UNIBUS_USAGE, "\"%s\" is not a handle", cli->args[0]);
        return unibus_fix(err, "1 to 63 characters: a-z, 0-9, and after the first also . _ -");
    }
    if (!is_role) {
        unibus_fail(err, UNIBUS_USAGE, "there is no role \"%s\"", role);
        return unibus_fix(err, "operator, admin, auditor, service or member");
    }
    return UNIBUS_OK;
}

static json_t *make_body(const struct cli *cli, const json_t *card)
{
    const char *role = cli_option(cli, "role"), *note = cli_option(cli, "note");
    bool is_service = json_is_true(json_object_get(card, "service"));
    json_t *record = json_array_get(json_object_get(card, "records"), 0);
    if (record == NULL) {
        return NULL;
    }
    json_t *body = json_object();
    json_object_set_new(body, "handle", json_string(cli->args[0]));
    json_object_set_new(body, "role",
                        json_string(role != NULL ? role
                                    : is_service ? "service"
                                                 : "member"));
    json_object_set(body, "device", record);
    if (note != NULL) {
        json_object_set_new(body, "note", json_string(note));
    }
    return body;
}

enum unibus_status cli_identity_add(struct cli *cli, struct unibus_err *err)
{
    json_t *card = NULL;
    enum unibus_status status = check_names(cli, err);
    status = status == UNIBUS_OK ? cli_open(cli, err) : status;
    if (status == UNIBUS_OK) {
        status = read_json(cli->args[1], &card, err);
    }
    if (status != UNIBUS_OK) {
        return status;
    }
    json_t *body = make_body(cli, card);
    json_decref(card);
    if (body == NULL) {
        unibus_fail(err, UNIBUS_USAGE, "%s holds no device record", cli->args[1]);
        return unibus_fix(err, "it must be the output of `unibus id show --json`");
    }
    const struct unibus_request request = {
        .method = "POST", .path = "/v1/identities", .body = body};
    struct unibus_reply reply;
    status = unibus_node_call(unibus_client_node(cli->client), &request, &reply, err);
    if (status == UNIBUS_OK) {
        out_fields(cli, json_incref(reply.json), identity_fields);
    }
    unibus_reply_clear(&reply);
    json_decref(body);
    return status;
}

enum unibus_status cli_identity_ls(struct cli *cli, struct unibus_err *err)
{
    json_t *items;
    enum unibus_status status = cli_open(cli, err);
    if (status == UNIBUS_OK) {
        status = unibus_client_list(cli->client, "/v1/identities", &items, err);
    }
    if (status == UNIBUS_OK) {
        out_table(cli, items, list_columns);
    }
    return status;
}

enum unibus_status cli_identity_show(struct cli *cli, struct unibus_err *err)
{
    json_t *identity;
    enum unibus_status status = cli_open(cli, err);
    if (status == UNIBUS_OK) {
        status = unibus_client_look_up(cli->client, cli->args[0], &identity, err);
    }
    if (status == UNIBUS_OK) {
        out_fields(cli, identity, identity_fields);
    }
    return status;
}

static enum unibus_status confirm(const struct cli *cli, const char *id, struct unibus_err *err)
{
    if (cli_option(cli, "yes") != NULL) {
        return UNIBUS_OK;
    }
    if (!isatty(STDIN_FILENO)) {
        unibus_fail(err, UNIBUS_USAGE, "this cannot be undone, and nobody is there to ask");
        return unibus_fix(err, "say --yes");
    }
    char answer[8] = "";
    fprintf(stderr, "Take %s (%s) off the allowlist, for ever? [y/N] ", cli->args[0], id);
    bool is_yes =
        fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
    return is_yes ? UNIBUS_OK : unibus_fail(err, UNIBUS_FAILED, "nothing was done");
}

/* DELETE under the entity tag that the identity has now. */
static enum unibus_status delete_identity(struct cli *cli, const char *id, json_t **answer_out,
                                          struct unibus_err *err)
{
    char path[64];
    struct unibus_reply reply;
    snprintf(path, sizeof(path), "/v1/identities/%.32s", id);
    const struct unibus_request get = {.method = "GET", .path = path};
    enum unibus_status status =
        unibus_node_call(unibus_client_node(cli->client), &get, &reply, err);
    char etag[sizeof(reply.etag)];
    snprintf(etag, sizeof(etag), "%s", reply.etag);
    unibus_reply_clear(&reply);
    if (status != UNIBUS_OK) {
        return status;
    }
    const struct unibus_request request = {.method = "DELETE", .path = path, .if_match = etag};
    status = unibus_node_call(unibus_client_node(cli->client), &request, &reply, err);
    *answer_out = status == UNIBUS_OK ? json_incref(reply.json) : NULL;
    unibus_reply_clear(&reply);
    return status;
}

enum unibus_status cli_identity_rm(struct cli *cli, struct unibus_err *err)
{
    static const struct out_column fields[] = {
        {"connections_cut", "connections cut"}, {"rooms", "still in rooms"}, {NULL, NULL}};
    json_t *identity, *answer;
    enum unibus_status status = cli_open(cli, err);
    if (status == UNIBUS_OK) {
        status = unibus_client_look_up(cli->client, cli->args[0], &identity, err);
    }
    if (status != UNIBUS_OK) {
        return status;
    }
    const char *id = json_string_value(json_object_get(identity, "id"));
    status = confirm(cli, id, err);
    if (status == UNIBUS_OK) {
        status = delete_identity(cli, id, &answer, err);
    }
    json_decref(identity);
    if (status == UNIBUS_OK) {
        out_fields(cli, answer != NULL ? answer : json_object(), fields);
    }
    return status;
}
