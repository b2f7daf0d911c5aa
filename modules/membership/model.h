/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_MODEL_H
#define MEMB_MODEL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <ubr/chain.h>
#include <ubr/history.h>
#include <ubr/log.h>
#include <unibus/authz.h>

#include "map.h"

/* What this node knows, all of it in memory: the allowlist and the rooms. Loaded at start, changed
 * only by what has been written to the store.
 *
 * Locks, in the order in which they may be taken:
 *   memb_model.allowing   one writer of the allowlist at a time, across its commit
 *   memb_model.creating   one new room at a time, across its commit
 *   memb_room.writing     one writer of a room at a time, across its commit
 *   memb_room.lock        the room's contents; never across I/O
 *   memb_model.lock       everything else here; never across I/O
 * Identities, device records and rooms are never freed while the model lives, so their pointers,
 * ids and keys may be used without a lock. */

#define MEMB_ID_LEN 32 /* characters of an identity's or a room's id */

/* A device record; never changes. */
struct memb_device {
    uint64_t version; /* of the identity, with this record */
    bool has_pops;
    uint8_t hash[UBR_HASH_LEN];
    uint8_t body[UBR_DEVICE_BODY_LEN];
    uint8_t sig[UBR_SIG_LEN];
    uint8_t pop[UBR_SIG_LEN];
    uint8_t nats_pop[UBR_SIG_LEN];
};

struct memb_room;

struct memb_identity {
    /* never change */
    char id[MEMB_ID_LEN + 1];
    uint8_t account_pk[UBR_KEY_LEN];
    char handle[UBR_HANDLE_MAX + 1];
    int64_t created_ms;
    uint32_t number; /* in the order of creation */
    /* under memb_model.lock */
    enum ub_role role;
    bool is_disabled, is_removed;
    char *note;       /* never NULL */
    uint64_t version; /* number of the latest allowlist record about it: its ETag */
    struct ubr_chain chain;
    struct memb_device **records; /* chain.records_len of them */
    struct memb_room **rooms;     /* of which it is a member, in the order of their numbers */
    size_t rooms_len, rooms_cap;
    /* under memb_nonces.lock */
    uint32_t nonces_open;
    /* under memb_model.lock: how far its entries below admin are ahead of the rate (rate.c) */
    int64_t rate_until_ms;
    int64_t stage_until_ms; /* likewise, the records of boxes that it staged */
};

/* What a public key stands for, for ever (UBR1, 4.7). */
#define MEMB_CLAIM_ACCOUNT 0x1u
#define MEMB_CLAIM_SIGN    0x2u
#define MEMB_CLAIM_NATS    0x4u

struct memb_claim {
    struct memb_identity *identity;
    unsigned kinds;
    uint8_t kid[UBR_KID_LEN]; /* of the device, for SIGN and NATS */
};

struct memb_entry {
    uint16_t body_len;
    uint8_t sig[UBR_SIG_LEN];
    uint8_t body[];
};

struct memb_blob {
    uint8_t uploader_pk[UBR_KEY_LEN];
    int64_t length;
};

struct memb_request {
    uint32_t epoch;
    uint8_t kid[UBR_KID_LEN];
    bool is_answered;
    int64_t time_ms;
};

/* Key of requests and acks within a room. */
#define MEMB_EPOCH_KID_LEN (4 + UBR_KID_LEN)

struct memb_room {
    /* never change once published */
    uint8_t id[UBR_ROOM_ID_LEN];
    char id32[MEMB_ID_LEN + 1];
    uint32_t number;
    bool is_plain;
    int64_t created_ms;
    uint8_t founder_pk[UBR_KEY_LEN];

    pthread_mutex_t writing;
    pthread_rwlock_t lock;
    /* under lock */
    struct ubr_log *log;
    struct memb_entry **entries;
    size_t entries_len, entries_cap;
    uint64_t *epoch_records; /* epoch n − 1 → first seq of the append that brought it */
    size_t epochs_len;
    int64_t epoch_since_mono_ms; /* when the current epoch came */
    struct memb_map *blobs;      /* address(32) → struct memb_blob */
    int64_t blob_bytes;
    struct memb_map *requests; /* epoch ‖ kid → struct memb_request */
    struct memb_map *acks;     /* epoch ‖ kid → not NULL: its first box is to be erased */
};

struct memb_model {
    pthread_mutex_t allowing, creating;
    pthread_rwlock_t lock;
    uint64_t allow_next; /* number of the next allowlist record */
    struct memb_identity **identities;
    size_t identities_len, identities_cap;
    struct memb_room **rooms;
    size_t rooms_len, rooms_cap;
    struct memb_map *by_id;       /* fingerprint(20) → identity */
    struct memb_map *by_kid;      /* kid → identity, live devices and others */
    struct memb_map *by_handle;   /* handle, padded to 64 → identity that is not removed */
    struct memb_map *claims;      /* public key → struct memb_claim */
    struct memb_map *records;     /* device_hash → struct memb_device */
    struct memb_map *rooms_by_id; /* room id(20) → room */
};

bool memb_model_init(struct memb_model *model);
void memb_model_fini(struct memb_model *model);

void memb_model_read(struct memb_model *model);
void memb_model_write(struct memb_model *model);
void memb_model_unlock(struct memb_model *model);

/* All of these: under memb_model.lock; NULL when there is none. */
struct memb_identity *memb_model_identity(const struct memb_model *model, const char *id);
struct memb_identity *memb_model_account(const struct memb_model *model, const uint8_t *account_pk);
struct memb_identity *memb_model_by_handle(const struct memb_model *model, const char *handle);
struct memb_identity *memb_model_by_kid(const struct memb_model *model, const uint8_t *kid);
struct memb_room *memb_model_room(const struct memb_model *model, const uint8_t *id);
struct memb_room *memb_model_room32(const struct memb_model *model, const char *id32);

/* May sign and connect. Under the lock. */
bool memb_identity_is_enabled(const struct memb_identity *identity);
/* The live device, or NULL. Under the lock. */
const struct ubr_device *memb_identity_device(const struct memb_identity *identity,
                                              const uint8_t *kid);

/* Grows an array of pointers by one; false = no memory, nothing changed. */
bool memb_push(void *array_of_pointers, size_t *len, size_t *cap, void *pointer);

#endif
