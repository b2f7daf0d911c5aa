/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may log in: authorization, accounts and the flags, as the users of module `users`. There is
 * one account beside the system's: whatever it is called, it is the node. */
#include <string.h>

#include "into.h"

#define SYSTEM_ACCOUNT "$SYS"
#define HASH_LEN       60

/* One user, as his map says it. */
struct user {
    struct conf_place place;
    const struct conf_value *name, *password, *nkey, *permissions;
    bool is_system;
};

/* ---- records ----------------------------------------------------------------------------------
 */

static struct config_block *add_record(struct into *into, struct conf_place place)
{
    struct arena *arena = &into->config->arena;
    if (into->record_count == into->record_room) {
        into->record_room = into->record_room == 0 ? 8 : into->record_room * 2;
        struct config_block *bigger = arena_alloc(arena, into->record_room, sizeof(*bigger));
        if (into->record_count > 0) {
            memcpy(bigger, into->records, into->record_count * sizeof(*bigger));
        }
        into->records = bigger;
    }
    struct config_block *record = &into->records[into->record_count++];
    record->name = arena_printf(arena, "users[%zu]", into->record_count);
    record->title = arena_printf(arena, "module \"users\": %s", record->name);
    record->where = into_where(into, place);
    record->is_read = record->is_whole = true;
    return record;
}

static bool is_hash(const char *password)
{
    return strlen(password) == HASH_LEN && strncmp(password, "$2", 2) == 0 && password[3] == '$';
}

static void put_password(struct into *into, struct config_block *record, struct conf_place place,
                         const char *password)
{
    if (password[0] == '\0') {
        conf_fault(into->report, ERROR_FRONT_ACCESS, place,
                   "an empty password lets everybody in: give this user one, or an nkey");
    } else if (is_hash(password)) {
        into_put_text(into, record, "bcrypt", place, password);
    } else {
        into_put_secret(into, record, "password", place, password);
        into->has_plain = true;
    }
}

static void put_token(struct into *into, struct conf_place place, const char *token)
{
    struct config_block *record = add_record(into, place);
    if (token[0] == '\0') {
        conf_fault(into->report, ERROR_FRONT_ACCESS, place, "the token is empty");
    } else if (is_hash(token)) {
        into_unsupported(into, place,
                         "a token as a bcrypt hash is not supported: write the token, or make it a "
                         "user with this hash as password");
    } else {
        into_put_secret(into, record, "token", place, token);
        into_put_text(into, record, "name", place, "(token)");
        into->has_plain = true;
    }
}

/* A user of the system account reaches $SYS, and what answers come to; nothing else. */
static void put_system_list(struct into *into, struct config_block *record, const char *name)
{
    static const char *const lists[] = {"$SYS.>", "_INBOX.>"};
    if (block_find(record, name) == NULL) {
        struct config_value *value = into_put(into, record, name, (struct conf_place){NULL, 0, 0});
        value->where = record->where;
        value->kind = VALUE_LIST;
        value->items = lists;
        value->item_count = 2;
    }
}

static void put_user(struct into *into, const struct user *user)
{
    struct config_block *record = add_record(into, user->place);
    const char *name = NULL, *password = NULL, *nkey = NULL;
    if (user->nkey != NULL && into_text(into, user->nkey, &nkey)) {
        into_put_text(into, record, "nkey", user->nkey->place, nkey);
    }
    if (user->name != NULL && into_text(into, user->name, &name)) {
        into_put_text(into, record, "user", user->name->place, name);
    }
    if (user->password != NULL && into_text(into, user->password, &password)) {
        put_password(into, record, user->password->place, password);
    }
    bool has_way = user->nkey != NULL || (user->name != NULL && user->password != NULL);
    if (!has_way || (user->nkey != NULL && user->name != NULL)) {
        conf_fault(into->report, ERROR_FRONT_ACCESS, user->place,
                   has_way ? "a user has an nkey or a name with a password, not both"
                           : "a user needs user and password, or nkey");
    }
    if (user->permissions != NULL) {
        into_permissions(into, record, "permissions.", user->permissions, user->is_system);
    }
    if (user->is_system) {
        put_system_list(into, record, "permissions.publish.allow");
        put_system_list(into, record, "permissions.subscribe.allow");
    }
}

/* ---- one user of a list -----------------------------------------------------------------------
 */

static void judge_types(struct into *into, const struct conf_value *value)
{
    bool is_standard = value->kind == CONF_LIST && value->count == 0;
    for (size_t i = 0; value->kind == CONF_LIST && i < value->count; i++) {
        const char *text;
        is_standard |=
            into_text(into, &value->items[i], &text) && strcasecmp(text, "STANDARD") == 0;
    }
    if (!is_standard) {
        into_unsupported(into, value->place,
                         "%s: only STANDARD connections are built, so this user could never log in",
                         value->key);
    }
}

static bool is_one_of(const char *key, const char *a, const char *b)
{
    return strcasecmp(key, a) == 0 || strcasecmp(key, b) == 0;
}

static void take_user(struct into *into, const struct conf_value *map, bool is_system)
{
    struct user user = {.place = map->place, .is_system = is_system};
    if (!into_is(into, map, CONF_MAP)) {
        return;
    }
    for (size_t i = 0; i < map->count; i++) {
        const struct conf_value *value = &map->items[i];
        if (is_one_of(value->key, "user", "username")) {
            user.name = value;
        } else if (is_one_of(value->key, "pass", "password")) {
            user.password = value;
        } else if (strcasecmp(value->key, "nkey") == 0) {
            user.nkey = value;
        } else if (is_one_of(value->key, "permission", "permissions") ||
                   strcasecmp(value->key, "authorization") == 0) {
            user.permissions = value;
        } else if (is_one_of(value->key, "allowed_connection_types", "connection_types")) {
            judge_types(into, value);
        } else if (!value->is_used) {
            conf_fault(into->report, ERROR_CONFIG_UNKNOWN, value->place,
                       "unknown field \"%.100s\": a user has user, password, nkey and permissions",
                       value->key);
        }
    }
    put_user(into, &user);
}

static void take_users(struct into *into, const struct conf_value *list, bool is_system)
{
    if (!into_is(into, list, CONF_LIST)) {
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        take_user(into, &list->items[i], is_system);
    }
}

/* ---- authorization ----------------------------------------------------------------------------
 */

struct single {
    const struct conf_value *user, *password, *token, *users;
};

static void put_single(struct into *into, const struct conf_value *value,
                       const struct single *single)
{
    const char *token;
    bool has_user = single->user != NULL || single->password != NULL;
    if (has_user && single->token != NULL) {
        conf_fault(into->report, ERROR_FRONT_ACCESS, value->place,
                   "a token and a single user exclude each other: make them a list of users");
    }
    if ((has_user || single->token != NULL) && single->users != NULL) {
        conf_fault(into->report, ERROR_FRONT_ACCESS, value->place,
                   "%s and a list of users exclude each other: add it to the list",
                   has_user ? "a single user" : "a token");
    }
    into->has_single = has_user || single->token != NULL;
    if (has_user) {
        const struct user user = {
            .place = value->place, .name = single->user, .password = single->password};
        put_user(into, &user);
    }
    if (single->token != NULL && into_text(into, single->token, &token)) {
        put_token(into, single->token->place, token);
    }
}

static void take_any_authorization(struct into *into, const struct conf_value *map)
{
    static const struct into_row rows[] = {
        {"timeout", into_take_duration, "auth_timeout"},
        {"auth_callout", into_refuse, "there is no callout; module policy is asked by membershipd"},
        {"proxy_required", into_refuse, "there are no proxies that sign"},
    };
    static const char *const own[] = {"user",
                                      "username",
                                      "pass",
                                      "password",
                                      "token",
                                      "users",
                                      "default_permission",
                                      "default_permissions",
                                      "permissions"};
    struct conf_value rest = {.kind = CONF_MAP, .place = map->place};
    rest.items = arena_alloc(&into->config->arena, map->count + 1, sizeof(*rest.items));
    struct single single = {NULL, NULL, NULL, NULL};
    const struct conf_value **const places[] = {&single.user,
                                                &single.user,
                                                &single.password,
                                                &single.password,
                                                &single.token,
                                                &single.users,
                                                &into->default_permissions,
                                                &into->default_permissions,
                                                &into->default_permissions};
    for (size_t i = 0; i < map->count; i++) {
        size_t k = 0;
        while (k < sizeof(own) / sizeof(own[0]) && strcasecmp(own[k], map->items[i].key) != 0) {
            k++;
        }
        if (k < sizeof(own) / sizeof(own[0])) {
            *places[k] = &map->items[i];
        } else {
            rest.items[rest.count++] = map->items[i];
        }
    }
    into_map(into, &rest, rows, sizeof(rows) / sizeof(rows[0]),
             "user, password, token, users, timeout and default_permissions");
    put_single(into, map, &single);
    if (single.users != NULL) {
        take_users(into, single.users, false);
    }
}

void into_take_authorization(struct into *into, const struct into_row *row,
                             const struct conf_value *value)
{
    (void)row;
    if (into_is(into, value, CONF_MAP)) {
        take_any_authorization(into, value);
    }
}

/* ---- accounts ---------------------------------------------------------------------------------
 */

static void refuse_unless_empty(struct into *into, const struct into_row *row,
                                const struct conf_value *value)
{
    bool is_empty = (value->kind == CONF_LIST || value->kind == CONF_MAP) && value->count == 0;
    if (!is_empty) {
        into_refuse(into, row, value);
    }
}

static void take_default(struct into *into, const struct into_row *row,
                         const struct conf_value *value)
{
    (void)row;
    into->default_permissions = value;
}

static void take_own_users(struct into *into, const struct into_row *row,
                           const struct conf_value *value)
{
    (void)row;
    take_users(into, value, false);
}

static void take_system_users(struct into *into, const struct into_row *row,
                              const struct conf_value *value)
{
    (void)row;
    take_users(into, value, true);
}

static bool is_system(const struct into *into, const char *name)
{
    return strcmp(name, into->system_account != NULL ? into->system_account : SYSTEM_ACCOUNT) == 0;
}

static void take_account(struct into *into, const struct conf_value *account)
{
    static const char one[] = "there is one account beside the system's, so nothing goes between "
                              "accounts: take it out";
    static const struct into_row own[] = {
        {"users", take_own_users, NULL},
        {"default_permissions", take_default, NULL},
        {"jetstream", into_take_note, "is accepted and has no effect: JetStream is not built yet"},
        {"exports", refuse_unless_empty, one},
        {"imports", refuse_unless_empty, one},
        {"mappings|maps", refuse_unless_empty, "subjects are not mapped"},
        {"limits", refuse_unless_empty, "use max_connections and the like of the server"},
        {"nkey", into_refuse, "accounts have no keys here"},
    };
    static const struct into_row system[] = {
        {"users", take_system_users, NULL},
        {"exports", refuse_unless_empty, one},
        {"imports", refuse_unless_empty, one},
    };
    bool is_own = !is_system(into, account->key);
    if (is_own && into->account_name != NULL && strcmp(into->account_name, account->key) != 0) {
        into_unsupported(into, account->place,
                         "account \"%.100s\" is one too many: there is \"%.100s\" already, and "
                         "unibus has one account beside the system's; start one server for each",
                         account->key, into->account_name);
        return;
    }
    if (is_own) {
        into->account_name = account->key;
    }
    if (into_is(into, account, CONF_MAP)) {
        into_map(into, account, is_own ? own : system,
                 is_own ? sizeof(own) / sizeof(own[0]) : sizeof(system) / sizeof(system[0]),
                 "users, default_permissions");
    }
}

void into_take_accounts(struct into *into, const struct into_row *row,
                        const struct conf_value *value)
{
    (void)row;
    const struct conf_value *named = conf_find(&into->conf->root, "system_account");
    named = named != NULL ? named : conf_find(&into->conf->root, "system");
    if (named != NULL && named->kind == CONF_TEXT) {
        into->system_account = named->text;
    }
    if (value->kind == CONF_LIST && value->count <= 1) {
        return; /* a name without anybody in it */
    }
    if (!into_is(into, value, CONF_MAP)) {
        return;
    }
    for (size_t i = 0; i < value->count; i++) {
        if (!value->items[i].is_used) {
            take_account(into, &value->items[i]);
        }
    }
}

void into_take_no_auth_user(struct into *into, const struct into_row *row,
                            const struct conf_value *value)
{
    (void)row;
    if (into_text(into, value, &into->no_auth_user.text)) {
        into->no_auth_user.place = value->place;
    }
}

/* ---- the whole --------------------------------------------------------------------------------
 */

static void take_flags(struct into *into)
{
    const struct options *options = into->options;
    const struct conf_place nowhere = {"the command line", 0, 0};
    if (options->token != NULL) {
        put_token(into, nowhere, options->token);
    }
    if (options->user == NULL && options->password == NULL) {
        return;
    }
    if (options->user == NULL || options->password == NULL) {
        conf_fault(into->report, ERROR_FRONT_ACCESS, nowhere, "--user and --pass belong together");
        return;
    }
    struct config_block *record = add_record(into, nowhere);
    into_put_text(into, record, "user", nowhere, options->user);
    put_password(into, record, nowhere, options->password);
}

static void put_choice(struct into *into, const char *name, const char *value)
{
    into_put_text(into, into->users, name, (struct conf_place){NULL, 0, 0}, value);
    block_find(into->users, name)->where = into->users->where;
}

static void put_module(struct into *into)
{
    into->users = config_add_module(into->config, "users", into->nats->where);
    into->users->is_read = into->users->is_whole = true;
    struct config_value *list =
        into_put(into, into->users, "users", (struct conf_place){into->config->file, 0, 0});
    list->kind = VALUE_RECORDS;
    list->records = into->records;
    list->record_count = into->record_count;
    if (into->default_permissions != NULL) {
        into_permissions(into, into->users, "default_permissions.", into->default_permissions,
                         false);
    }
    /* As nats-server has them: there are no rooms here, and whoever may hear _INBOX.> does. */
    put_choice(into, "room_subjects", "allow");
    put_choice(into, "inboxes", "open");
    if (into->no_auth_user.text != NULL) {
        into_put_text(into, into->users, "no_auth_user", into->no_auth_user.place,
                      into->no_auth_user.text);
        put_choice(into, "guests", "anywhere");
    }
}

void into_users_end(struct into *into)
{
    take_flags(into);
    if (into->no_auth_user.text != NULL && into->has_single) {
        conf_fault(into->report, ERROR_FRONT_ACCESS, into->no_auth_user.place,
                   "no_auth_user names one of a list of users, and there is none");
    }
    into->settings->has_auth = into->record_count > 0;
    if (into->settings->has_auth) {
        put_module(into);
    } else {
        into_put_text(into, into->nats, "auth", (struct conf_place){"the default", 0, 0}, "off");
    }
    if (into->has_plain) {
        into_note(into, (struct conf_place){NULL, 0, 0},
                  "Plaintext passwords detected, use nkeys or bcrypt");
    }
    if (into->settings->is_open && (!into->settings->has_auth || into->no_auth_user.text != NULL)) {
        into_note(into, (struct conf_place){NULL, 0, 0},
                  "whoever reaches this address may use the server without logging in: listen on "
                  "127.0.0.1, or set authorization");
    }
}
