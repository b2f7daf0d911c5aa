/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROOM_MAKER_H
#define ROOM_MAKER_H

#include "ubr/log.h"

/* People with devices and a room to act in, made from nothing but numbers: for tests of rules that
 * the vectors do not reach. Functions without a result fail the running test when they cannot. */

#define MAKER_DEVICES_MAX 4

struct maker_device {
    struct ubr_sign_key sign, nats;
    struct ubr_box_key box;
    uint8_t kid[UBR_KID_LEN];
    uint32_t box_generation;
};

struct maker_person {
    struct ubr_sign_key account;
    char handle[UBR_HANDLE_MAX + 1];
    struct maker_device devices[MAKER_DEVICES_MAX];
    size_t devices_len;
    struct ubr_chain chain; /* all records, pinned or not */
};

struct maker_record {
    uint8_t hash[UBR_HASH_LEN];
    uint8_t body[UBR_DEVICE_BODY_LEN];
    uint8_t sig[UBR_SIG_LEN], pop[UBR_SIG_LEN], nats_pop[UBR_SIG_LEN];
    bool is_revocation;
};

struct maker {
    struct maker_person *people;
    size_t people_len;
    struct maker_record *records;
    size_t records_len, records_cap;
    struct ubr_log *log;
};

/* People 0 … people − 1, each with one device, and an empty log. */
void maker_init(struct maker *maker, size_t people);
void maker_fini(struct maker *maker);

/* Records in a person's chain; the room learns of them by a device entry. */
void maker_add_device(struct maker *maker, size_t person);
void maker_rotate_box(struct maker *maker, size_t person, size_t device);
void maker_revoke(struct maker *maker, size_t person, size_t device);

/* The newest record's hash of a person's chain. */
const uint8_t *maker_head(const struct maker *maker, size_t person);

/* A draft of the next entry by a person's device, its account (where the type has one), handle and
 * device head being those of target. */
struct ubr_entry maker_draft(const struct maker *maker, enum ubr_entry_type type, size_t author,
                             size_t device, size_t target);
/* Writes, signs, appends. */
enum ubr_error maker_append(struct maker *maker, const struct ubr_entry *entry, size_t author,
                            size_t device);

/* Creates the room by person 0 with this policy. */
void maker_found(struct maker *maker, uint8_t policy);
/* Entries by device 0 of an author. */
enum ubr_error maker_add(struct maker *maker, size_t author, size_t target, enum ubr_role role);
enum ubr_error maker_remove(struct maker *maker, size_t author, size_t target);
enum ubr_error maker_role(struct maker *maker, size_t author, size_t target, enum ubr_role role);
enum ubr_error maker_pin(struct maker *maker, size_t author, size_t target);
enum ubr_error maker_policy(struct maker *maker, size_t author, uint8_t policy);
enum ubr_error maker_epoch(struct maker *maker, size_t author, enum ubr_cause cause);

#endif
