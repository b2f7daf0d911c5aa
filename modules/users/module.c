/* SPDX-License-Identifier: Apache-2.0
 *
 * users: ub.authz from the config. The descriptor, the settings and the life cycle. */
#include <stdlib.h>

#include <sodium.h>

#include "users.h"

#define R struct users_record
#define S struct users_settings

/* A field of the struct users_permissions that is `m` in T. */
#define PERMISSION(T, m, name_, path, kind_, ctype, fl, text)                                      \
    .size = sizeof(struct ub_field), .name = #m "." name_, .kind = (kind_), .flags = (fl),         \
    .offset = UB_FIELD_OF_(T, m, struct users_permissions) +                                       \
              UB_FIELD_OF_(struct users_permissions, path, ctype),                                 \
    .doc = (text)
#define LIST(T, m, name_, path, fl, text)                                                          \
    {                                                                                              \
        PERMISSION(T, m, name_, path, UB_KIND_STRINGS, struct ub_strings, fl, text)                \
    }

/* The same for one user and for default_permissions. */
#define PERMISSIONS(T, m, fl)                                                                      \
    LIST(T, m, "publish", publish.all, fl, "short for publish.allow"),                             \
        LIST(T, m, "publish.allow", publish.allow, fl, "subjects to publish on; left out: all"),   \
        LIST(T, m, "publish.deny", publish.deny, fl, "but not on these"),                          \
        LIST(T, m, "subscribe", subscribe.all, fl, "short for subscribe.allow"),                   \
        LIST(T, m, "subscribe.allow", subscribe.allow, fl,                                         \
             "subjects to subscribe to, \"subject queue\" in that group only; left out: all"),     \
        LIST(T, m, "subscribe.deny", subscribe.deny, fl, "but not to these"),                      \
        {PERMISSION(T, m, "allow_responses", responses.is_on, UB_KIND_BOOL, bool, fl,              \
                    "may answer where a delivered message asked to, beyond the allow list: true "  \
                    "is max = 1, ttl = \"2 min\"")},                                               \
        {PERMISSION(T, m, "allow_responses.max", responses.max, UB_KIND_INT, int64_t, fl,          \
                    "answers to one message; 0 is 1, -1 is any number"),                           \
         .min = -1, .max = INT32_MAX},                                                             \
    {                                                                                              \
        PERMISSION(T, m, "allow_responses.ttl", responses.ttl_ms, UB_KIND_DURATION, int64_t, fl,   \
                   "how long after the message; \"0 s\" is \"2 min\""),                            \
            .max = 86400000                                                                        \
    }

static const struct ub_field record_fields[] = {
    UB_FIELD_STRING(R, user, NULL, 0, "who logs in by user and password"),
    UB_FIELD_SECRET(R, password, 0, "his password"),
    UB_FIELD_STRING(R, bcrypt, NULL, UB_HIDDEN, "or its hash; unibus passwd makes one"),
    UB_FIELD_STRING(R, nkey, NULL, 0, "who logs in by this public key (\"U…\")"),
    UB_FIELD_SECRET(R, token, 0, "who logs in by this token"),
    UB_FIELD_STRING(R, cert_subject, NULL, 0,
                    "who shows a verified certificate of this subject (RFC 2253)"),
    UB_FIELD_STRING(R, name, NULL, 0, "name of a user without user, for logs and reloads"),
    UB_FIELD_CHOICE(R, role, "none", "none|member|service|auditor", 0,
                    "role on the node; admins and operators have identities"),
    PERMISSIONS(R, permissions, 0),
    UB_FIELD_INT(R, max_subscriptions, "0", 0, 1 << 30, 0,
                 "subscriptions of one connection; 0 = as the server allows"),
    UB_FIELD_SIZE(R, max_payload, "0", 0, 64 << 20, 0, "largest message; 0 = as the server allows"),
};

static const struct ub_record user_record = UB_RECORD(R, record_fields);

static const struct ub_field fields[] = {
    UB_FIELD_RECORDS(S, users, user_record, UB_LIVE, "the users"),
    PERMISSIONS(S, default_permissions, UB_LIVE),
    UB_FIELD_STRING(S, no_auth_user, NULL, UB_LIVE,
                    "user or name of whom clients on loopback are that show nothing; needs posture "
                    "dev"),
    UB_FIELD_CHOICE(S, guests, "loopback", "loopback|anywhere", UB_LIVE,
                    "where no_auth_user is for clients from; anywhere: as in nats-server"),
    UB_FIELD_CHOICE(S, room_subjects, "deny", "deny|allow", UB_LIVE,
                    "allow: users may be granted subjects of rooms; needs posture dev"),
    UB_FIELD_CHOICE(S, inboxes, "private", "private|open", UB_LIVE,
                    "open: as in nats-server, whoever may subscribe to _INBOX.> hears all answers"),
};
#undef R
#undef S

static void destroy(void *self)
{
    struct users *users = self;
    users_table_unref(&users->table);
    users_changes_drop(users);
    users_attempts_fini(&users->attempts);
    pthread_rwlock_destroy(&users->watch_lock);
    pthread_mutex_destroy(&users->lock);
    sodium_memzero(users->key, sizeof(users->key));
    free(users);
}

static enum ub_status create(const struct ub_host *host, const void *settings, void **self_out,
                             struct ub_err *err)
{
    struct users *users = calloc(1, sizeof(*users));
    uint8_t attempts_key[16];
    if (users == NULL || sodium_init() < 0) {
        free(users);
        return ub_fail(err, UB_ENOMEM, "no memory for users");
    }
    users->host = host;
    host->clock->random(host, users->key, sizeof(users->key));
    host->clock->random(host, attempts_key, sizeof(attempts_key));
    users_anonymous_mark(users->key, users->anonymous_mark);
    pthread_mutex_init(&users->lock, NULL);
    pthread_rwlock_init(&users->watch_lock, NULL);
    users_attempts_init(&users->attempts, attempts_key);
    enum ub_status status = users_table_new(host, settings, users->key, NULL, &users->table, err);
    if (status != UB_OK) {
        destroy(users);
        return status;
    }
    *self_out = users;
    return UB_OK;
}

/* The queue holds the one job that waits while another runs: a job tells of all that came before.
 */
static enum ub_status start(void *self, struct ub_err *err)
{
    struct users *users = self;
    return users->host->pool->open(users->host, "users", 1, 64, &users->pool, err);
}

static void stop(void *self)
{
    struct users *users = self;
    users->host->pool->close(&users->pool);
}

static enum ub_status prepare(void *self, const void *settings, void **token_out,
                              struct ub_err *err)
{
    struct users *users = self;
    struct users_table *table;
    enum ub_status status =
        users_table_new(users->host, settings, users->key, users->table, &table, err);
    *token_out = table;
    return status;
}

static void commit(void *self, void *token)
{
    users_replace(self, token);
}

static void abort_(void *self, void *token)
{
    struct users_table *table = token;
    (void)self;
    users_table_unref(&table);
}

static void posture(void *self, const struct ub_posture_sink *sink)
{
    struct users *users = self;
    struct users_table *table = users_table_now(users);
    if (table->anonymous != NULL) {
        bool is_open = table->policy.guests == USERS_GUESTS_ANYWHERE;
        sink->fact(sink->ctx, "auth", is_open ? "off" : "observe",
                   is_open ? "guests" : "no_auth_user");
    }
    if (table->policy.rooms == USERS_ROOMS_ALLOW) {
        sink->fact(sink->ctx, "acl", "off", "room_subjects");
    }
    sink->fact(sink->ctx, "inboxes",
               table->policy.inboxes == USERS_INBOXES_OPEN ? "open" : "private", "inboxes");
    users_table_unref(&table);
}

static void health(void *self, const struct ub_health_sink *sink)
{
    struct users *users = self;
    struct users_table *table = users_table_now(users);
    sink->number(sink->ctx, "users", (int64_t)table->count);
    sink->number(sink->ctx, "logins", users->logins);
    sink->number(sink->ctx, "wrong_passwords", users->wrong);
    sink->number(sink->ctx, "throttled_logins", users->throttled);
    users_table_unref(&table);
}

static const struct ub_module_ops ops = {
    .size = sizeof(struct ub_module_ops),
    .create = create,
    .start = start,
    .stop = stop,
    .destroy = destroy,
    .prepare = prepare,
    .commit = commit,
    .abort = abort_,
    .posture = posture,
    .health = health,
};

static const struct ub_provide provides[] = {
    {sizeof(struct ub_provide), UB_AUTHZ_IFACE, UB_AUTHZ_MAJOR, UB_AUTHZ_MINOR, &users_authz_ops},
};

UB_MODULE = {
    .size = sizeof(struct ub_module),
    .abi_major = 1,
    .abi_minor = 1,
    .name = "users",
    .version = "0.1.0",
    .summary = "users, tokens, nkeys and their permissions, from the config",
    .ops = &ops,
    .settings_size = sizeof(struct users_settings),
    UB_TABLE(fields, field, fields),
    UB_TABLE(provides, provide, provides),
};
