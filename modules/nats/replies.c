/* SPDX-License-Identifier: Apache-2.0
 *
 * A ring of entries by age, and an open-addressed table from hash to place in the ring. */
#include "replies.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define REPLIES_FIRST 64
#define REPLIES_NONE  UINT32_MAX
#define REPLIES_SPENT UINT32_MAX /* uses: none left */

struct reply_entry {
    uint64_t hash;
    int64_t until_ms;
    uint32_t uses; /* 0 = any number */
};

struct nats_replies {
    struct reply_entry *ring;
    uint32_t room, first, count;
    uint32_t *index; /* of 2 * room slots */
};

static uint64_t reply_hash(const uint8_t *key, struct ub_bytes subject)
{
    uint8_t out[crypto_shorthash_BYTES];
    uint64_t hash;
    crypto_shorthash(out, subject.ptr, subject.len, key);
    memcpy(&hash, out, sizeof(hash));
    return hash;
}

static uint32_t index_mask(const struct nats_replies *replies)
{
    return replies->room * 2 - 1;
}

static uint32_t index_slot(const struct nats_replies *replies, uint64_t hash)
{
    uint32_t slot = (uint32_t)hash & index_mask(replies);
    while (replies->index[slot] != REPLIES_NONE &&
           replies->ring[replies->index[slot]].hash != hash) {
        slot = (slot + 1) & index_mask(replies);
    }
    return slot;
}

/* Closes the hole, so that no search stops short of an entry. */
static void index_erase(struct nats_replies *replies, uint32_t hole)
{
    uint32_t mask = index_mask(replies);
    replies->index[hole] = REPLIES_NONE;
    for (uint32_t slot = (hole + 1) & mask; replies->index[slot] != REPLIES_NONE;
         slot = (slot + 1) & mask) {
        uint32_t home = (uint32_t)replies->ring[replies->index[slot]].hash & mask;
        if (((slot - home) & mask) >= ((slot - hole) & mask)) {
            replies->index[hole] = replies->index[slot];
            replies->index[slot] = REPLIES_NONE;
            hole = slot;
        }
    }
}

static void replies_drop_oldest(struct nats_replies *replies)
{
    uint32_t slot = index_slot(replies, replies->ring[replies->first].hash);
    /* A reply seen again has a newer entry; the index points there. */
    if (replies->index[slot] == replies->first) {
        index_erase(replies, slot);
    }
    replies->first = (replies->first + 1) & (replies->room - 1);
    replies->count--;
}

static void replies_push(struct nats_replies *replies, struct reply_entry entry)
{
    uint32_t at = (replies->first + replies->count) & (replies->room - 1);
    replies->ring[at] = entry;
    replies->count++;
    replies->index[index_slot(replies, entry.hash)] = at;
}

static struct nats_replies *replies_new(uint32_t room)
{
    struct nats_replies *replies = room == 0 ? NULL : calloc(1, sizeof(*replies));
    if (replies == NULL) {
        return NULL;
    }
    replies->room = room;
    replies->ring = calloc(room, sizeof(*replies->ring));
    replies->index = malloc(sizeof(*replies->index) * room * 2);
    if (replies->ring == NULL || replies->index == NULL) {
        nats_replies_free(&replies);
        return NULL;
    }
    memset(replies->index, 0xff, sizeof(*replies->index) * room * 2);
    return replies;
}

/* Twice the room, when there is memory for it and it is not the most. */
static void replies_grow(struct nats_replies **replies)
{
    struct nats_replies *old = *replies;
    struct nats_replies *fresh = old->room < NATS_REPLIES_MAX ? replies_new(old->room * 2) : NULL;
    if (fresh == NULL) {
        return;
    }
    for (uint32_t i = 0; i < old->count; i++) {
        uint32_t at = (old->first + i) & (old->room - 1);
        if (old->index[index_slot(old, old->ring[at].hash)] == at) {
            replies_push(fresh, old->ring[at]);
        }
    }
    nats_replies_free(&old);
    *replies = fresh;
}

bool nats_replies_add(struct nats_replies **replies, const uint8_t *key, struct ub_bytes reply,
                      int64_t now_ms, int64_t until_ms, uint32_t uses)
{
    if (*replies == NULL && (*replies = replies_new(REPLIES_FIRST)) == NULL) {
        return false;
    }
    if ((*replies)->count == (*replies)->room) {
        while ((*replies)->count > 0 && (*replies)->ring[(*replies)->first].until_ms <= now_ms) {
            replies_drop_oldest(*replies);
        }
    }
    if ((*replies)->count == (*replies)->room) {
        replies_grow(replies);
    }
    if ((*replies)->count == (*replies)->room) {
        replies_drop_oldest(*replies);
    }
    replies_push(*replies, (struct reply_entry){reply_hash(key, reply), until_ms, uses});
    return true;
}

static struct reply_entry *replies_find(struct nats_replies *replies, const uint8_t *key,
                                        struct ub_bytes subject, int64_t now_ms)
{
    if (replies == NULL) {
        return NULL;
    }
    uint32_t at = replies->index[index_slot(replies, reply_hash(key, subject))];
    struct reply_entry *entry = at == REPLIES_NONE ? NULL : &replies->ring[at];
    return entry != NULL && entry->until_ms > now_ms && entry->uses != REPLIES_SPENT ? entry : NULL;
}

bool nats_replies_has(struct nats_replies *replies, const uint8_t *key, struct ub_bytes subject,
                      int64_t now_ms)
{
    return replies_find(replies, key, subject, now_ms) != NULL;
}

bool nats_replies_use(struct nats_replies *replies, const uint8_t *key, struct ub_bytes subject,
                      int64_t now_ms)
{
    struct reply_entry *entry = replies_find(replies, key, subject, now_ms);
    if (entry != NULL && entry->uses != 0 && --entry->uses == 0) {
        entry->uses = REPLIES_SPENT;
    }
    return entry != NULL;
}

void nats_replies_free(struct nats_replies **replies)
{
    if (*replies != NULL) {
        free((*replies)->ring);
        free((*replies)->index);
        free(*replies);
        *replies = NULL;
    }
}
