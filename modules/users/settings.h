/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USERS_SETTINGS_H
#define USERS_SETTINGS_H

#include <unibus/module.h>

/* `items` NULL = not said; said and empty = nothing is allowed. */
struct users_subjects {
    struct ub_strings allow, deny;
    struct ub_strings all; /* publish = { … } is short for publish = { allow = { … } } */
};

struct users_responses {
    bool is_on;     /* allow_responses = true */
    int64_t max;    /* 0 = not said, -1 = any number */
    int64_t ttl_ms; /* 0 = not said */
};

struct users_permissions {
    struct users_subjects publish, subscribe;
    struct users_responses responses;
};

enum users_rooms { USERS_ROOMS_DENY = 0, USERS_ROOMS_ALLOW };
enum users_inboxes { USERS_INBOXES_PRIVATE = 0, USERS_INBOXES_OPEN };
enum users_guests { USERS_GUESTS_LOOPBACK = 0, USERS_GUESTS_ANYWHERE };

struct users_record {
    const char *user, *bcrypt, *nkey, *cert_subject, *name;
    struct ub_secret *password, *token;
    int role; /* enum ub_role, up to auditor */
    struct users_permissions permissions;
    int64_t max_subscriptions, max_payload;
};

struct users_settings {
    struct ub_records users;
    struct users_permissions default_permissions;
    const char *no_auth_user;
    int guests;        /* enum users_guests */
    int room_subjects; /* enum users_rooms */
    int inboxes;       /* enum users_inboxes */
};

#endif
