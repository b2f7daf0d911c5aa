/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "scenarios.h"
#include "ubr/history.h"

/* log.json: every entry on the state after its `after`, with its code; every state after the good
 * ones. A refused entry leaves the state hash as it was. */

static struct vectors vectors;

static int setup(void **state)
{
    (void)state;
    vectors_open(&vectors, "log", LOG_VECTORS, LOG_VECTORS_REFUSED);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vectors_close(&vectors);
    return 0;
}

static void assert_hash(const json_t *vector, const char *field, const uint8_t *hash)
{
    vector_assert_bytes(&vectors, vector, field, ubr_bytes_of(hash, UBR_HASH_LEN));
}

static void assert_state(const json_t *vector, const struct ubr_log *log)
{
    const struct ubr_log_state *state = ubr_log_state(log);
    const json_t *outputs = vector_outputs(vector);
    uint8_t hash[UBR_HASH_LEN];
    uint32_t recipients;
    assert_hash(vector, "entry_hash", state->head);
    ubr_log_state_hash(log, hash);
    assert_hash(vector, "state_hash", hash);
    ubr_log_members_hash(log, hash);
    assert_hash(vector, "members_hash", hash);
    ubr_log_recipients_hash(log, hash, &recipients);
    assert_hash(vector, "recipients_hash", hash);
    assert_int_equal(recipients, vectors_int(outputs, "recipients"));
    assert_int_equal(state->epoch, vectors_int(outputs, "epoch"));
    assert_int_equal(state->is_stale, vectors_int(outputs, "stale"));
    assert_int_equal(state->is_link_due, vectors_int(outputs, "link_due"));
}

static void fill_state_hash(const struct ubr_log *log, uint8_t hash_out[UBR_HASH_LEN])
{
    memset(hash_out, 0, UBR_HASH_LEN);
    if (ubr_log_state(log)->entries > 0) {
        ubr_log_state_hash(log, hash_out);
    }
}

/* A refused entry, tried on a log of its own. */
static void try_refused(struct scenario *scenario, const json_t *vector)
{
    json_int_t after = vectors_int(vector_inputs(vector), "after");
    struct ubr_log *log = scenario_play(scenario, (size_t)(after + 1));
    uint8_t before[UBR_HASH_LEN];
    uint8_t now[UBR_HASH_LEN];
    fill_state_hash(log, before);
    vector_assert_code(vector, scenario_append(scenario, log, vector));
    fill_state_hash(log, now);
    assert_memory_equal(before, now, UBR_HASH_LEN);
    assert_int_equal(ubr_log_state(log)->entries, after + 1);
    ubr_log_free(&log);
    assert_null(log);
}

static void run_scenario(const char *name, size_t entries, size_t refused)
{
    struct scenario scenario;
    size_t given = 0;
    size_t tried = 0;
    scenario_init(&scenario, &vectors, name);
    struct ubr_log *log = scenario_play(&scenario, 0);
    for (size_t i = 0; i < LOG_VECTORS; i++) {
        const json_t *vector = vectors_at(&vectors, i);
        if (!scenario_has(&scenario, vector)) {
            continue;
        }
        if (vector_expect(vector) != UBR_OK) {
            try_refused(&scenario, vector);
            tried++;
            continue;
        }
        vector_assert_code(vector, scenario_append(&scenario, log, vector));
        assert_state(vector, log);
        given++;
    }
    print_message("scenario %s: %zu entries taken, %zu refused\n", name, given, tried);
    assert_int_equal(given, entries);
    assert_int_equal(tried, refused);
    ubr_log_free(&log);
    scenario_fini(&scenario);
}

static void test_scenario_a(void **state)
{
    (void)state;
    run_scenario("A", 3, 0);
}

static void test_scenario_s(void **state)
{
    (void)state;
    run_scenario("S", 23, 61);
}

static void test_scenario_l(void **state)
{
    (void)state;
    run_scenario("L", 18, 9);
}

/* The hashes of a scenario's records, in the records vector itself. */
static void test_record_hashes(void **state)
{
    (void)state;
    size_t checked = 0;
    for (size_t i = 0; i < LOG_VECTORS; i++) {
        const json_t *vector = vectors_at(&vectors, i);
        const json_t *hashes = json_object_get(vector_outputs(vector), "hashes");
        if (!hashes) {
            continue;
        }
        struct record_list list;
        record_list_init(&list, &vectors, json_object_get(vector_inputs(vector), "records"));
        assert_int_equal(json_array_size(hashes), list.len);
        for (size_t k = 0; k < list.len; k++) {
            struct ubr_bytes hash = vectors_hex_of(&vectors, json_array_get(hashes, k));
            assert_memory_equal(hash.ptr, list.hashes[k], UBR_HASH_LEN);
        }
        record_list_fini(&list);
        checked++;
    }
    assert_int_equal(checked, 3);
}

/* Everything a log can be asked, as one hash: what an abort must bring back. */
static void hash_all_answers(const struct ubr_log *log, uint8_t hash_out[UBR_HASH_LEN])
{
    const struct ubr_log_state *state = ubr_log_state(log);
    struct ubr_hasher hasher;
    struct ubr_recipient recipient;
    uint8_t hash[UBR_HASH_LEN];
    ubr_hasher_begin_plain(&hasher, UBR_HASH_LEN);
    fill_state_hash(log, hash);
    ubr_hasher_add(&hasher, hash, sizeof hash);
    ubr_hasher_add_u8(&hasher, state->is_link_due);
    for (size_t cursor = 0; ubr_log_recipient_next(log, &cursor, &recipient);) {
        ubr_hasher_add(&hasher, &recipient, sizeof recipient);
        for (uint32_t h = 0; h < state->entries; h++) {
            ubr_hasher_add_u8(&hasher, (uint8_t)ubr_log_sender_at(log, recipient.kid, h, NULL));
            ubr_hasher_add_u8(&hasher, ubr_log_lost_someone(log, h, state->entries - 1));
            ubr_hasher_add_u8(&hasher, ubr_log_allowed_unsigned(log, h, state->entries - 1));
            ubr_hasher_add_u32(&hasher, ubr_log_epoch_at(log, h));
        }
        for (uint32_t epoch = 1; epoch <= state->epoch; epoch++) {
            ubr_hasher_add_u8(&hasher, (uint8_t)ubr_log_check_entitled(log, recipient.kid, epoch));
        }
    }
    ubr_hasher_end(&hasher, hash_out);
}

/* From every place in a scenario: the rest in a transaction, taken back, then for good. */
static void abort_everywhere(const char *name, size_t entries)
{
    struct scenario scenario;
    scenario_init(&scenario, &vectors, name);
    for (size_t kept = 0; kept < entries; kept++) {
        struct ubr_log *log = scenario_play(&scenario, kept);
        uint8_t before[UBR_HASH_LEN];
        uint8_t now[UBR_HASH_LEN];
        hash_all_answers(log, before);
        for (int round = 0; round < 2; round++) {
            size_t taken = 0;
            ubr_log_begin(log);
            for (size_t i = 0; i < LOG_VECTORS; i++) {
                const json_t *vector = vectors_at(&vectors, i);
                if (scenario_has(&scenario, vector) && vector_expect(vector) == UBR_OK &&
                    vectors_int(vector_inputs(vector), "after") + 1 ==
                        (json_int_t)ubr_log_state(log)->entries) {
                    vector_assert_code(vector, scenario_append(&scenario, log, vector));
                    assert_state(vector, log);
                    taken++;
                }
            }
            assert_int_equal(taken, entries - kept);
            if (round == 0) {
                ubr_log_abort(log);
                hash_all_answers(log, now);
                assert_memory_equal(before, now, UBR_HASH_LEN);
            } else {
                ubr_log_commit(log);
                assert_int_equal(ubr_log_state(log)->entries, entries);
            }
        }
        ubr_log_free(&log);
    }
    scenario_fini(&scenario);
}

static void test_abort_takes_everything_back(void **state)
{
    (void)state;
    abort_everywhere("A", 3);
    abort_everywhere("S", 23);
    abort_everywhere("L", 18);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scenario_a),
        cmocka_unit_test(test_scenario_s),
        cmocka_unit_test(test_scenario_l),
        cmocka_unit_test(test_record_hashes),
        cmocka_unit_test(test_abort_takes_everything_back),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
