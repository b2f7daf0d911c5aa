/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_NONCES_H
#define MEMB_NONCES_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <unibus/kv.h>
#include <unibus/problem.h>

#include "map.h"
#include "model.h"

/* Nonces of signed requests: (kid, nonce) is good for one request. All that were seen lately are
 * held here; those of requests with an effect are also in the store, in one transaction with the
 * effect, so that a restart forgets none of them. Full refuses, never evicts. */

struct memb;

#define MEMB_NONCE_KEY_LEN   32 /* kid ‖ nonce */
#define MEMB_NONCE_EPOCH_LEN 32 /* hex characters */

struct memb_nonce; /* one that is held */

struct memb_nonces {
    pthread_mutex_t lock;
    struct memb_map *held;
    struct memb_nonce *oldest, *newest; /* in the order of their expiry */
    uint32_t count;
    int64_t hold_ms; /* how long a signed request can be repeated */
    uint32_t max, max_per_identity;
    char epoch[MEMB_NONCE_EPOCH_LEN + 1];
    int64_t epoch_revision;
    bool is_away; /* the last look at the store failed */
};

bool memb_nonces_init(struct memb_nonces *nonces, int64_t hold_ms, int64_t max,
                      int64_t max_per_identity);
void memb_nonces_fini(struct memb_nonces *nonces);

/* UB_P_NONE: held from now on. UB_P_NONCE_REPLAYED, UB_P_NONCE_QUOTA (the last tenth is for
 * admins), UB_P_INTERNAL (no memory). */
enum ub_problem memb_nonces_hold(struct memb_nonces *nonces, struct memb_identity *identity,
                                 bool is_admin, const uint8_t key[MEMB_NONCE_KEY_LEN],
                                 int64_t mono_ms);
/* Lets go of one that was not used after all: the store could not be asked about it. */
void memb_nonces_release(struct memb_nonces *nonces, const uint8_t key[MEMB_NONCE_KEY_LEN]);

/* The nonce epoch as it is known here; revision_out may be NULL. */
void memb_nonce_epoch(struct memb *memb, char epoch_out[MEMB_NONCE_EPOCH_LEN + 1],
                      int64_t *revision_out);
/* Reads it from the store, makes one when there is none. UB_OK and memory is up to date. */
enum ub_status memb_nonce_epoch_read(struct memb *memb, struct ub_err *err);
/* Writes it again unchanged, so that it outlives the bucket's TTL; makes a new one when it is gone.
 * Every 60 s, on the pool. */
void memb_nonce_epoch_refresh(struct memb *memb);

/* Whether the store has this nonce: UB_P_NONE (not), UB_P_NONCE_REPLAYED, UB_P_STORE_AWAY. */
enum ub_problem memb_nonce_look_up(struct memb *memb, const uint8_t key[MEMB_NONCE_KEY_LEN]);

#endif
