/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../rooms/log_state.h"
#include "room_maker.h"

/* Limits and corners of 5.5 that no vector reaches. */

static void test_a_room_has_4096_members(void **state)
{
    (void)state;
    struct maker maker;
    uint8_t hash[UBR_HASH_LEN];
    uint32_t recipients;
    maker_init(&maker, UBR_LOG_MEMBERS_MAX + 1);
    maker_found(&maker, UBR_HISTORY_JOINING);
    for (size_t i = 1; i < UBR_LOG_MEMBERS_MAX; i++) {
        assert_int_equal(maker_add(&maker, 0, i, UBR_ROLE_WRITER), UBR_OK);
    }
    assert_int_equal(maker_add(&maker, 0, UBR_LOG_MEMBERS_MAX, UBR_ROLE_WRITER), UBR_E_LIMIT);
    assert_int_equal(maker_epoch(&maker, 0, UBR_CAUSE_FIRST), UBR_OK);
    ubr_log_recipients_hash(maker.log, hash, &recipients);
    assert_int_equal(recipients, UBR_LOG_MEMBERS_MAX);
    assert_int_equal(ubr_log_state(maker.log)->members, UBR_LOG_MEMBERS_MAX);
    assert_int_equal(maker_remove(&maker, 0, 1), UBR_OK);
    assert_int_equal(maker_add(&maker, 0, UBR_LOG_MEMBERS_MAX, UBR_ROLE_WRITER), UBR_OK);
    maker_fini(&maker);
}

static void test_ten_thousand_entries(void **state)
{
    (void)state;
    struct maker maker;
    maker_init(&maker, 2);
    maker_found(&maker, UBR_HISTORY_JOINING);
    assert_int_equal(maker_add(&maker, 0, 1, UBR_ROLE_READER), UBR_OK);
    for (size_t i = 2; i < 10000; i++) {
        enum ubr_role role = i % 2 ? UBR_ROLE_READER : UBR_ROLE_WRITER;
        assert_int_equal(maker_role(&maker, 0, 1, role), UBR_OK);
    }
    for (uint32_t h = 2; h < 10000; h++) {
        assert_int_equal(ubr_log_role_at(maker.log, maker.people[1].account.pk, h),
                         h % 2 ? UBR_ROLE_READER : UBR_ROLE_WRITER);
    }
    assert_int_equal(ubr_log_state(maker.log)->entries, 10000);
    maker_fini(&maker);
}

/* As if seq − 1 entries had been appended; they would take a minute. */
static void jump_to(struct maker *maker, uint32_t seq)
{
    maker->log->state.entries = seq;
}

static void test_from_990000_only_who_may_remove(void **state)
{
    (void)state;
    struct maker maker;
    maker_init(&maker, 4);
    maker_found(&maker, UBR_HISTORY_JOINING);
    assert_int_equal(maker_add(&maker, 0, 1, UBR_ROLE_WRITER), UBR_OK);
    assert_int_equal(maker_add(&maker, 0, 2, UBR_ROLE_ADMIN), UBR_OK);
    assert_int_equal(maker_add(&maker, 0, 3, UBR_ROLE_READER), UBR_OK);
    jump_to(&maker, UBR_LOG_SEQ_FLOOD - 1);
    assert_int_equal(maker_epoch(&maker, 1, UBR_CAUSE_FIRST), UBR_OK);
    assert_int_equal(maker_epoch(&maker, 1, UBR_CAUSE_MANUAL), UBR_E_LIMIT);
    assert_int_equal(maker_remove(&maker, 1, 3), UBR_E_LIMIT);
    assert_int_equal(maker_remove(&maker, 1, 1), UBR_OK);
    assert_int_equal(maker_remove(&maker, 2, 3), UBR_OK);
    jump_to(&maker, UBR_LOG_SEQ_END - 1);
    assert_int_equal(maker_remove(&maker, 2, 2), UBR_OK);
    assert_int_equal(maker_epoch(&maker, 0, UBR_CAUSE_MANUAL), UBR_E_LIMIT);
    assert_int_equal(ubr_log_state(maker.log)->entries, UBR_LOG_SEQ_END);
    maker_fini(&maker);
}

/* Device records of a chain, kept aside so that a store can lie. */
struct liar {
    struct maker *maker;
    const struct maker_record *given; /* for every question */
    size_t cut;                       /* bytes off the end of the body */
};

static bool find_lie(void *context, const uint8_t account_pk[UBR_KEY_LEN],
                     const uint8_t hash[UBR_HASH_LEN], struct ubr_device_record *record_out)
{
    const struct liar *liar = context;
    const struct maker_record *record = liar->given;
    (void)account_pk;
    (void)hash;
    *record_out = (struct ubr_device_record){
        .body = ubr_bytes_of(record->body, UBR_DEVICE_BODY_LEN - liar->cut),
        .sig = ubr_bytes_of(record->sig, UBR_SIG_LEN),
        .pop = ubr_bytes_of(record->pop, UBR_SIG_LEN),
        .nats_pop = ubr_bytes_of(record->nats_pop, UBR_SIG_LEN),
    };
    return true;
}

static enum ubr_error add_with_lie(struct maker *maker, struct liar *liar)
{
    struct ubr_record_store store = {.find = find_lie, .context = liar};
    struct ubr_entry entry = maker_draft(maker, UBR_ENTRY_ADD, 0, 0, 1);
    struct ubr_entry_body body;
    uint8_t sig[UBR_SIG_LEN];
    entry.role = UBR_ROLE_WRITER;
    assert_int_equal(ubr_entry_write(&entry, &body), UBR_OK);
    ubr_entry_sign(&maker->people[0].devices[0].sign, ubr_entry_body_bytes(&body), sig);
    return ubr_log_append(maker->log, &store, ubr_entry_body_bytes(&body), sig);
}

static void test_a_lying_store_is_noticed(void **state)
{
    (void)state;
    struct maker maker;
    maker_init(&maker, 3);
    maker_found(&maker, UBR_HISTORY_JOINING);
    struct liar liar = {.maker = &maker};
    struct maker_record changed = maker.records[1];
    liar.given = &maker.records[2]; /* of another account */
    assert_int_equal(add_with_lie(&maker, &liar), UBR_E_DEVICE_CHAIN);
    liar.given = &changed; /* same account, other head: the time is not what was hashed */
    changed.body[UBR_DEVICE_BODY_LEN - 1] ^= 1;
    assert_int_equal(add_with_lie(&maker, &liar), UBR_E_SIG);
    ubr_device_sign(&maker.people[1].account, changed.body, changed.sig);
    ubr_device_prove(&maker.people[1].devices[0].sign, &maker.people[1].devices[0].nats,
                     changed.body, changed.pop, changed.nats_pop);
    assert_int_equal(add_with_lie(&maker, &liar), UBR_E_DEVICE_CHAIN);
    changed.body[0] = 2;
    assert_int_equal(add_with_lie(&maker, &liar), UBR_E_UPGRADE);
    changed.body[0] = 1;
    changed.body[1] = 0x80;
    assert_int_equal(add_with_lie(&maker, &liar), UBR_E_UPGRADE);
    liar.cut = 1;
    assert_int_equal(add_with_lie(&maker, &liar), UBR_E_PARSE);
    liar.cut = 0;
    changed.body[1] = 0;
    changed.body[6] = 1; /* prev is never zero: a loop of records without end */
    assert_int_equal(add_with_lie(&maker, &liar), UBR_E_LIMIT);
    liar.given = &maker.records[1];
    assert_int_equal(add_with_lie(&maker, &liar), UBR_OK);
    maker_fini(&maker);
}

/* The founder's first entry fails: nothing of the room may stay. */
static void test_failed_create_leaves_an_empty_log(void **state)
{
    (void)state;
    struct maker maker;
    maker_init(&maker, 1);
    struct ubr_entry entry = maker_draft(&maker, UBR_ENTRY_CREATE, 0, 0, 0);
    entry.suite = UBR_SUITE_1;
    entry.author_kid[0] ^= 1;
    assert_int_equal(maker_append(&maker, &entry, 0, 0), UBR_E_KID_UNKNOWN);
    assert_int_equal(ubr_log_state(maker.log)->entries, 0);
    ubr_log_begin(maker.log);
    maker_found(&maker, UBR_HISTORY_ALL);
    ubr_log_abort(maker.log);
    assert_int_equal(ubr_log_state(maker.log)->entries, 0);
    assert_null(ubr_log_pinned_chain(maker.log, maker.people[0].account.pk));
    maker_found(&maker, UBR_HISTORY_ALL);
    maker_fini(&maker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_room_has_4096_members),
        cmocka_unit_test(test_ten_thousand_entries),
        cmocka_unit_test(test_from_990000_only_who_may_remove),
        cmocka_unit_test(test_a_lying_store_is_noticed),
        cmocka_unit_test(test_failed_create_leaves_an_empty_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
