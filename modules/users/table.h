/* SPDX-License-Identifier: Apache-2.0
 *
 * The users of one config, judged and ready to be asked. Immutable and shared: a login that is on
 * its way keeps the table that it began with. */
#ifndef USERS_TABLE_H
#define USERS_TABLE_H

#include <stdatomic.h>

#include "bcrypt.h"
#include "nkey.h"
#include "perms.h"

enum users_kind {
    USERS_BY_PASSWORD,
    USERS_BY_BCRYPT,
    USERS_BY_NKEY,
    USERS_BY_TOKEN,
    USERS_BY_CERT
};

#define USERS_LABEL_MAX 58 /* bytes of a user or name: "user:" before it makes an id */
#define USERS_KEY_LEN   32
#define USERS_MARK_LEN  16

struct users_entry {
    enum users_kind kind;
    char id[UB_ID_MAX];                /* "user:alice", "nkey:UABC…" */
    char label[UB_HANDLE_MAX + 1];     /* user, name or nkey */
    uint8_t secret[32];                /* keyed hash of password, token or subject; nkey: the key */
    char bcrypt[USERS_BCRYPT_LEN + 1]; /* USERS_BY_BCRYPT */
    uint8_t mark[USERS_MARK_LEN];      /* of the credential: ub_principal.device of who used it */
    uint64_t serial;                   /* of the table in which it last changed */
    enum ub_role role;
    const struct ub_perms *perms;
};

struct users_table {
    atomic_uint refs;
    uint64_t serial;
    int cost_max;                        /* of all bcrypt hashes in it; 0 = there are none */
    const struct users_entry *anonymous; /* no_auth_user, or NULL */
    struct users_policy policy;
    size_t count;
    struct users_entry entries[];
};

/* Judges the settings. `key`: USERS_KEY_LEN random bytes, the same for all tables of a module, so
 * that their marks compare. `before` (may be NULL): the table that is to be replaced. Errors with
 * code, and with the place of the faulty record. */
enum ub_status users_table_new(const struct ub_host *host, const struct users_settings *settings,
                               const uint8_t key[USERS_KEY_LEN], const struct users_table *before,
                               struct users_table **table_out, struct ub_err *err);
struct users_table *users_table_ref(struct users_table *table);
void users_table_unref(struct users_table **table);

/* NULL when there is none. Takes the same time whether or not there is. */
const struct users_entry *users_table_find(const struct users_table *table, const char *id);

/* The keyed hash that entries carry. */
void users_hash(const uint8_t key[USERS_KEY_LEN], const char *what, const void *bytes, size_t len,
                uint8_t *out, size_t out_len);

/* The mark of those who came in without a credential. */
void users_anonymous_mark(const uint8_t key[USERS_KEY_LEN], uint8_t mark_out[USERS_MARK_LEN]);

#endif
