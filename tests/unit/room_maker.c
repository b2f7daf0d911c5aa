/* SPDX-License-Identifier: Apache-2.0 */
#include "room_maker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#define TIME_MS UINT64_C(1700000000000)

static void seed_of(const char *what, size_t person, size_t device, uint32_t generation,
                    uint8_t seed_out[UBR_SEED_LEN])
{
    struct ubr_hasher hasher;
    ubr_hasher_begin_plain(&hasher, UBR_SEED_LEN);
    ubr_hasher_add_str8(&hasher, ubr_bytes_of_text(what));
    ubr_hasher_add_u64(&hasher, person);
    ubr_hasher_add_u64(&hasher, device);
    ubr_hasher_add_u32(&hasher, generation);
    ubr_hasher_end(&hasher, seed_out);
}

static void make_box(size_t person, size_t index, struct maker_device *device)
{
    uint8_t seed[UBR_SEED_LEN];
    seed_of("box", person, index, device->box_generation, seed);
    ubr_box_key_from_seed(seed, &device->box);
}

static struct maker_record *new_record(struct maker *maker)
{
    if (maker->records_len == maker->records_cap) {
        maker->records_cap = maker->records_cap * 2 + 64;
        maker->records = realloc(maker->records, maker->records_cap * sizeof *maker->records);
        assert_non_null(maker->records);
    }
    struct maker_record *record = &maker->records[maker->records_len++];
    memset(record, 0, sizeof *record);
    return record;
}

static struct ubr_device_record as_record(const struct maker_record *record)
{
    size_t proof_len = record->is_revocation ? 0 : UBR_SIG_LEN;
    return (struct ubr_device_record){
        .body = ubr_bytes_of(record->body, sizeof record->body),
        .sig = ubr_bytes_of(record->sig, sizeof record->sig),
        .pop = ubr_bytes_of(record->pop, proof_len),
        .nats_pop = ubr_bytes_of(record->nats_pop, proof_len),
    };
}

static void append_record(struct maker *maker, size_t person_index, size_t device_index,
                          uint8_t flags)
{
    struct maker_person *person = &maker->people[person_index];
    const struct maker_device *device = &person->devices[device_index];
    struct maker_record *record = new_record(maker);
    struct ubr_device_body body = {
        .flags = flags, .seq = (uint32_t)person->chain.records_len, .time_ms = TIME_MS};
    memcpy(body.prev, ubr_chain_head(&person->chain), UBR_HASH_LEN);
    memcpy(body.account_pk, person->account.pk, UBR_KEY_LEN);
    memcpy(body.sign_pk, device->sign.pk, UBR_KEY_LEN);
    memcpy(body.box_pk, device->box.pk, UBR_KEY_LEN);
    memcpy(body.nats_pk, device->nats.pk, UBR_KEY_LEN);
    record->is_revocation = flags != 0;
    ubr_device_write(&body, record->body);
    ubr_device_sign(&person->account, record->body, record->sig);
    ubr_device_prove(&device->sign, &device->nats, record->body, record->pop, record->nats_pop);
    ubr_device_hash(ubr_bytes_of(record->body, sizeof record->body), record->hash);
    struct ubr_device_record borrowed = as_record(record);
    assert_int_equal(ubr_chain_append(&person->chain, &borrowed), UBR_OK);
}

void maker_add_device(struct maker *maker, size_t person_index)
{
    struct maker_person *person = &maker->people[person_index];
    size_t index = person->devices_len++;
    struct maker_device *device = &person->devices[index];
    uint8_t seed[UBR_SEED_LEN];
    assert_in_range(index, 0, MAKER_DEVICES_MAX - 1);
    seed_of("sign", person_index, index, 0, seed);
    ubr_sign_key_from_seed(seed, &device->sign);
    seed_of("nats", person_index, index, 0, seed);
    ubr_sign_key_from_seed(seed, &device->nats);
    ubr_kid(device->sign.pk, device->kid);
    make_box(person_index, index, device);
    append_record(maker, person_index, index, 0);
}

void maker_rotate_box(struct maker *maker, size_t person, size_t device)
{
    maker->people[person].devices[device].box_generation++;
    make_box(person, device, &maker->people[person].devices[device]);
    append_record(maker, person, device, 0);
}

void maker_revoke(struct maker *maker, size_t person, size_t device)
{
    append_record(maker, person, device, UBR_DEVICE_REVOKED);
}

void maker_init(struct maker *maker, size_t people)
{
    assert_true(sodium_init() >= 0);
    memset(maker, 0, sizeof *maker);
    maker->people = calloc(people, sizeof *maker->people);
    maker->log = ubr_log_new();
    assert_true(maker->people && maker->log);
    maker->people_len = people;
    for (size_t i = 0; i < people; i++) {
        struct maker_person *person = &maker->people[i];
        uint8_t seed[UBR_SEED_LEN];
        seed_of("account", i, 0, 0, seed);
        ubr_sign_key_from_seed(seed, &person->account);
        ubr_chain_init(&person->chain, person->account.pk);
        snprintf(person->handle, sizeof person->handle, "p%zu", i);
        maker_add_device(maker, i);
    }
}

void maker_fini(struct maker *maker)
{
    for (size_t i = 0; i < maker->people_len; i++) {
        ubr_chain_fini(&maker->people[i].chain);
    }
    free(maker->people);
    free(maker->records);
    ubr_log_free(&maker->log);
}

const uint8_t *maker_head(const struct maker *maker, size_t person)
{
    return ubr_chain_head(&maker->people[person].chain);
}

struct ubr_entry maker_draft(const struct maker *maker, enum ubr_entry_type type, size_t author,
                             size_t device, size_t target)
{
    const struct maker_person *person = &maker->people[author];
    const struct maker_person *named = &maker->people[target];
    struct ubr_author by;
    struct ubr_entry entry;
    memcpy(by.account_pk, person->account.pk, UBR_KEY_LEN);
    memcpy(by.kid, person->devices[device].kid, UBR_KID_LEN);
    if (type == UBR_ENTRY_EPOCH) {
        ubr_log_draft_epoch(maker->log, &by, TIME_MS, &entry);
        return entry;
    }
    ubr_log_draft(maker->log, type, &by, TIME_MS, &entry);
    memcpy(entry.account_pk, named->account.pk, UBR_KEY_LEN);
    memcpy(entry.device_head, ubr_chain_head(&named->chain), UBR_HASH_LEN);
    entry.handle = ubr_bytes_of_text(named->handle);
    return entry;
}

/* The newest first: a test that goes on works with the end of the list. */
static bool find_record(void *context, const uint8_t account_pk[UBR_KEY_LEN],
                        const uint8_t hash[UBR_HASH_LEN], struct ubr_device_record *record_out)
{
    const struct maker *maker = context;
    (void)account_pk;
    for (size_t i = maker->records_len; i-- > 0;) {
        if (memcmp(maker->records[i].hash, hash, UBR_HASH_LEN) == 0) {
            *record_out = as_record(&maker->records[i]);
            return true;
        }
    }
    return false;
}

enum ubr_error maker_append(struct maker *maker, const struct ubr_entry *entry, size_t author,
                            size_t device)
{
    struct ubr_record_store store = {.find = find_record, .context = maker};
    struct ubr_entry_body body;
    uint8_t sig[UBR_SIG_LEN];
    assert_int_equal(ubr_entry_write(entry, &body), UBR_OK);
    ubr_entry_sign(&maker->people[author].devices[device].sign, ubr_entry_body_bytes(&body), sig);
    return ubr_log_append(maker->log, &store, ubr_entry_body_bytes(&body), sig);
}

void maker_found(struct maker *maker, uint8_t policy)
{
    struct ubr_entry entry = maker_draft(maker, UBR_ENTRY_CREATE, 0, 0, 0);
    entry.suite = UBR_SUITE_1;
    entry.policy = policy;
    assert_int_equal(maker_append(maker, &entry, 0, 0), UBR_OK);
}

enum ubr_error maker_add(struct maker *maker, size_t author, size_t target, enum ubr_role role)
{
    struct ubr_entry entry = maker_draft(maker, UBR_ENTRY_ADD, author, 0, target);
    entry.role = (uint8_t)role;
    return maker_append(maker, &entry, author, 0);
}

enum ubr_error maker_remove(struct maker *maker, size_t author, size_t target)
{
    struct ubr_entry entry = maker_draft(maker, UBR_ENTRY_REMOVE, author, 0, target);
    entry.reason = author == target ? UBR_REMOVE_LEFT : UBR_REMOVE_REMOVED;
    return maker_append(maker, &entry, author, 0);
}

enum ubr_error maker_role(struct maker *maker, size_t author, size_t target, enum ubr_role role)
{
    struct ubr_entry entry = maker_draft(maker, UBR_ENTRY_ROLE, author, 0, target);
    entry.role = (uint8_t)role;
    return maker_append(maker, &entry, author, 0);
}

enum ubr_error maker_pin(struct maker *maker, size_t author, size_t target)
{
    struct ubr_entry entry = maker_draft(maker, UBR_ENTRY_DEVICE, author, 0, target);
    return maker_append(maker, &entry, author, 0);
}

enum ubr_error maker_policy(struct maker *maker, size_t author, uint8_t policy)
{
    struct ubr_entry entry = maker_draft(maker, UBR_ENTRY_POLICY, author, 0, author);
    entry.policy = policy;
    return maker_append(maker, &entry, author, 0);
}

enum ubr_error maker_epoch(struct maker *maker, size_t author, enum ubr_cause cause)
{
    static const uint8_t broken_link[UBR_LINK_LEN];
    struct ubr_entry entry = maker_draft(maker, UBR_ENTRY_EPOCH, author, 0, author);
    entry.cause = (uint8_t)cause;
    entry.commit[0] = (uint8_t)entry.epoch;
    if (ubr_log_state(maker->log)->is_link_due) {
        entry.link = ubr_bytes_of(broken_link, sizeof broken_link);
    }
    return maker_append(maker, &entry, author, 0);
}
