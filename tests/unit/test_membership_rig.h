/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_MEMBERSHIP_RIG_H
#define TEST_MEMBERSHIP_RIG_H

#include <jansson.h>

#include <unibus/blob.h>
#include <unibus/httpd.h>
#include <unibus/kv.h>
#include <unibus/module.h>

#include "room_maker.h"

/* The membership module on a real kv-sqlite and a real blob-fs, behind an HTTP server that is a
 * table of routes: requests are signed, authenticated and handled as by http, without sockets. */

#define RIG_ROUTES_MAX 64
#define RIG_BODY_MAX   (8 * 1024 * 1024)
#define RIG_ADMIN      SIZE_MAX /* who: the admin socket */

/* What a request was answered with; valid until the next one. */
struct rig_answer {
    int status;
    const char *code; /* of a problem, else "" */
    json_t *json;     /* NULL when the body is none */
    char etag[128], location[128], generation[32];
    bool is_replay; /* Idempotency-Replayed */
    uint8_t *bytes; /* a streamed body */
    size_t bytes_len;
};

struct rig_module {
    const struct ub_module *module;
    const void *settings;
    void *self;
};

/* How the next request is signed; zeros = well. */
struct rig_signing {
    const char *audience;
    int64_t clock_off_s;
    const uint8_t *nonce; /* 16 bytes; NULL = fresh */
    bool is_bad;
    bool is_unknown_kid;
    size_t device;
};

struct rig {
    struct ub_host *host;
    struct rig_module kv, blob, memb;
    struct ub_kv_ops kv_ops; /* may be changed by a test before rig_start */
    struct maker maker;
    const char *const *memb_sets;
    struct ub_http_route routes[RIG_ROUTES_MAX];
    size_t routes_len;
    const struct ub_httpd_auth_ops *auth;
    void *auth_arg;
    const struct ub_authz_ops *policy; /* another provider, or NULL */
    void *policy_self;
    struct rig_answer answer;
    struct rig_signing signing;
    const char *if_match, *idem_key, *range; /* headers of the next request */
    size_t body_sent;
    json_t *entries, *boxes; /* of the next append */
    uint64_t nonces;
};

void rig_init(struct rig *rig, size_t people);
void rig_fini(struct rig *rig);
/* Starts kv, blob and membership; the status of the latter. */
enum ub_status rig_start(struct rig *rig, struct ub_err *err);
void rig_stop(struct rig *rig);
/* Stops and starts; fails the test when it cannot. */
void rig_restart(struct rig *rig);

const struct ub_authz_ops *rig_authz(const struct rig *rig);

/* One request; body is taken, NULL = none. The answer is in rig->answer. Headers and signing are
 * for one request only. */
int rig_call(struct rig *rig, size_t who, const char *method, const char *path, json_t *take_body);
int rig_call_bytes(struct rig *rig, size_t who, const char *method, const char *path,
                   const void *body, size_t len);
const char *rig_text(const struct rig *rig, const char *member);

/* The device record of a person at seq as JSON. */
json_t *rig_record(const struct rig *rig, size_t person, uint32_t seq);
/* POST /v1/identities over the admin socket; the status. */
int rig_enlist(struct rig *rig, size_t person, const char *role);
/* The id of a person. */
const char *rig_id(const struct rig *rig, size_t person);

/* Adds an entry by a person's device 0 to the next append, and to maker.log. */
void rig_entry(struct rig *rig, struct ubr_entry entry, size_t author);
void rig_add(struct rig *rig, size_t author, size_t target, enum ubr_role role);
void rig_remove(struct rig *rig, size_t author, size_t target);
/* An epoch entry with a box for each recipient. */
void rig_epoch(struct rig *rig, size_t author, enum ubr_cause cause);
/* A box full of a byte, as base64url. */
json_t *rig_box(uint8_t fill);

/* POST /v1/rooms with a create entry by person 0 and, unless plain, epoch 1; the room id in out. */
int rig_found(struct rig *rig, uint8_t policy, bool is_plain, char room_out[33]);
/* POST …/log of what has been added, with If-Match `head` (NULL: the one before the entries). */
int rig_append(struct rig *rig, size_t author, const char *room, const char *head);
/* Forgets what was added, also in maker.log back to `entries` … which the log cannot: so only what
 * waits to be sent. */
void rig_clear(struct rig *rig);

#endif
