/* SPDX-License-Identifier: Apache-2.0
 *
 * A NATS server in this process behind a real port, a fake ub.authz provider with users that tests
 * change, and raw clients on sockets. */
#ifndef TEST_NATS_RIG_H
#define TEST_NATS_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <core/kit.h>

#include "bus.h"
#include "server.h"
#include "settings.h"

#define RIG_RULES_MAX 16

/* ---- the fake provider ----------------------------------------------------------------------- */

/* A user logs in by user name and password "pw", or by the nkey that rig_user_nkey gave. */
struct rig_user {
    char name[32];
    char nkey[64];
    uint8_t public_key[32];
    const struct ub_perms *perms; /* NULL = may not connect */
    uint64_t serial;              /* of the principal at login */
    uint64_t serial_min;          /* sessions of an older one may not go on */
};

struct rig_authz {
    pthread_mutex_t lock;
    struct rig_user users[16];
    size_t user_count;
    enum ub_verdict stranger; /* what it says of those it does not know */
    int64_t delay_ms;
    /* The next user who logs in is answered with his set, and at once has this one. */
    const struct ub_perms *change_within;
    ub_authz_changed_fn changed;
    void *changed_arg;
    unsigned asked;
    char cert_subject[256]; /* of the last who asked to come in */
    bool has_tls;
};

extern const struct ub_authz_ops rig_authz_ops;

/* A set with one reference, that copies what it is given. limits_from may be NULL. */
const struct ub_perms *rig_perms(uint32_t flags, const struct ub_perm_rule *rules, size_t count,
                                 const struct ub_perms *limits_from);
/* Everything everywhere. */
const struct ub_perms *rig_perms_all(void);

/* Makes the user or replaces his set, of which it takes the reference; tells nobody. */
void rig_user_set(struct rig_authz *authz, const char *name, const struct ub_perms *perms);
/* Gives the user an nkey; returns the seed of 32 bytes in seed_out. */
void rig_user_nkey(struct rig_authz *authz, const char *name, uint8_t seed_out[32]);
/* Tells the server that the user's rights changed; how many connections did. */
uint32_t rig_user_changed(struct rig_authz *authz, const char *name);

/* ---- the server -------------------------------------------------------------------------------
 */

struct rig {
    struct ub_host *host;
    struct nats_settings settings;
    struct ub_listen listen;
    struct nats_server *server;
    struct rig_authz authz, second;
    bool has_second;
    uint16_t port;
    char url[64];
};

/* Settings with which rig_start works; a test may change them in between. */
void rig_init(struct rig *rig);
void rig_start(struct rig *rig);
void rig_stop(struct rig *rig);
/* cmocka's fixtures: a started server as the state, and its end with any rig as the state. */
int rig_set_up(void **state);
int rig_tear_down(void **state);
bool rig_log_has(struct rig *rig, const char *text);

/* ---- raw clients ------------------------------------------------------------------------------
 */

struct rig_client {
    int fd;
    char *bytes; /* what arrived and was not consumed, NUL-terminated */
    size_t len, room;
    char nonce[32];
};

/* Connects and reads nothing. */
void rig_dial(struct rig *rig, struct rig_client *client);
/* Connects and reads INFO. */
void rig_open(struct rig *rig, struct rig_client *client);
/* Connects and logs in quietly (verbose false, headers, no_responders); user NULL = without. */
void rig_login(struct rig *rig, struct rig_client *client, const char *user);
void rig_close(struct rig_client *client);

void rig_send(struct rig_client *client, const char *text);
void rig_send_bytes(struct rig_client *client, const void *bytes, size_t len);
/* Waits until text arrives and consumes all up to its end; fails the test otherwise. */
void rig_expect(struct rig_client *client, const char *text);
/* Waits until the server closes; fails the test when it does not within wait_ms. */
void rig_expect_closed_within(struct rig_client *client, int64_t wait_ms);
void rig_expect_closed(struct rig_client *client);
/* PING, PONG; nothing but `between` may have come before (NULL = anything, and it is dropped). */
void rig_sync(struct rig_client *client, const char *between);
/* Waits for more bytes, at most wait_ms; false: none came, or it was closed (*is_closed_out). */
bool rig_more(struct rig_client *client, int64_t wait_ms, bool *is_closed_out);

extern const struct ub_module unibus_module_nats;

int64_t rig_now_ms(void);

#endif
