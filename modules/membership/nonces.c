/* SPDX-License-Identifier: Apache-2.0 */
#include "nonces.h"

#include <stdlib.h>
#include <string.h>

struct memb_nonce {
    struct memb_nonce *next;
    struct memb_identity *identity; /* NULL: released */
    int64_t until_mono_ms;
    uint8_t key[MEMB_NONCE_KEY_LEN];
};

bool memb_nonces_init(struct memb_nonces *nonces, int64_t hold_ms, int64_t max,
                      int64_t max_per_identity)
{
    memset(nonces, 0, sizeof *nonces);
    pthread_mutex_init(&nonces->lock, NULL);
    nonces->hold_ms = hold_ms;
    nonces->max = (uint32_t)max;
    nonces->max_per_identity = (uint32_t)max_per_identity;
    nonces->held = memb_map_new(MEMB_NONCE_KEY_LEN);
    return nonces->held != NULL;
}

static void drop_oldest(struct memb_nonces *nonces)
{
    struct memb_nonce *nonce = nonces->oldest;
    nonces->oldest = nonce->next;
    if (nonces->oldest == NULL) {
        nonces->newest = NULL;
    }
    if (nonce->identity != NULL) {
        memb_map_remove(nonces->held, nonce->key);
        nonce->identity->nonces_open--;
        nonces->count--;
    }
    free(nonce);
}

void memb_nonces_fini(struct memb_nonces *nonces)
{
    while (nonces->oldest != NULL) {
        drop_oldest(nonces);
    }
    memb_map_free(&nonces->held);
    pthread_mutex_destroy(&nonces->lock);
}

static enum ub_problem judge(const struct memb_nonces *nonces, const struct memb_identity *identity,
                             bool is_admin, const uint8_t *key)
{
    if (memb_map_get(nonces->held, key) != NULL) {
        return UB_P_NONCE_REPLAYED;
    }
    uint32_t max = is_admin ? nonces->max : nonces->max - nonces->max / 10;
    bool is_full = nonces->count >= max || identity->nonces_open >= nonces->max_per_identity;
    return is_full ? UB_P_NONCE_QUOTA : UB_P_NONE;
}

static enum ub_problem hold(struct memb_nonces *nonces, struct memb_identity *identity,
                            const uint8_t *key, int64_t until_mono_ms)
{
    struct memb_nonce *nonce = calloc(1, sizeof *nonce);
    if (nonce == NULL || !memb_map_put(nonces->held, key, nonce)) {
        free(nonce);
        return UB_P_INTERNAL;
    }
    nonce->identity = identity;
    nonce->until_mono_ms = until_mono_ms;
    memcpy(nonce->key, key, MEMB_NONCE_KEY_LEN);
    if (nonces->newest != NULL) {
        nonces->newest->next = nonce;
    } else {
        nonces->oldest = nonce;
    }
    nonces->newest = nonce;
    nonces->count++;
    identity->nonces_open++;
    return UB_P_NONE;
}

enum ub_problem memb_nonces_hold(struct memb_nonces *nonces, struct memb_identity *identity,
                                 bool is_admin, const uint8_t key[MEMB_NONCE_KEY_LEN],
                                 int64_t mono_ms)
{
    pthread_mutex_lock(&nonces->lock);
    while (nonces->oldest != NULL && nonces->oldest->until_mono_ms <= mono_ms) {
        drop_oldest(nonces);
    }
    enum ub_problem problem = judge(nonces, identity, is_admin, key);
    if (problem == UB_P_NONE) {
        problem = hold(nonces, identity, key, mono_ms + nonces->hold_ms);
    }
    pthread_mutex_unlock(&nonces->lock);
    return problem;
}

void memb_nonces_release(struct memb_nonces *nonces, const uint8_t key[MEMB_NONCE_KEY_LEN])
{
    pthread_mutex_lock(&nonces->lock);
    struct memb_nonce *nonce = memb_map_remove(nonces->held, key);
    if (nonce != NULL) { /* its place in the queue stays until it would have expired */
        nonce->identity->nonces_open--;
        nonce->identity = NULL;
        nonces->count--;
    }
    pthread_mutex_unlock(&nonces->lock);
}
