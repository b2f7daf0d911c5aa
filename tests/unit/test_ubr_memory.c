/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "room_maker.h"

/* Every allocation of an append fails once (linked with --wrap): the code is E-MEMORY, nothing has
 * changed, and the same entry is taken when there is memory again. */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *ptr, size_t size);

/* Allocations until one fails; 0: none fails. */
static size_t countdown;

static bool fails_now(void)
{
    return countdown > 0 && --countdown == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *ptr, size_t size)
{
    return fails_now() ? NULL : __real_realloc(ptr, size);
}

static size_t failures;

static void fill_state_hash(const struct ubr_log *log, uint8_t hash_out[UBR_HASH_LEN])
{
    memset(hash_out, 0, UBR_HASH_LEN);
    if (ubr_log_state(log)->entries > 0) {
        ubr_log_state_hash(log, hash_out);
    }
}

/* Appends by person 0, after every possible failure. */
static void append_after_failures(struct maker *maker, const struct ubr_entry *entry)
{
    uint8_t before[UBR_HASH_LEN];
    uint8_t now[UBR_HASH_LEN];
    enum ubr_error error = UBR_E_MEMORY;
    fill_state_hash(maker->log, before);
    for (size_t nth = 1; error == UBR_E_MEMORY; nth++) {
        countdown = nth;
        error = maker_append(maker, entry, 0, 0);
        countdown = 0;
        if (error == UBR_E_MEMORY) {
            fill_state_hash(maker->log, now);
            assert_memory_equal(before, now, UBR_HASH_LEN);
            failures++;
        }
    }
    assert_int_equal(error, UBR_OK);
}

static void run_room(bool in_transaction)
{
    struct maker maker;
    maker_init(&maker, 3);
    if (in_transaction) {
        ubr_log_begin(maker.log);
    }
    struct ubr_entry entry = maker_draft(&maker, UBR_ENTRY_CREATE, 0, 0, 0);
    entry.suite = UBR_SUITE_1;
    append_after_failures(&maker, &entry);
    entry = maker_draft(&maker, UBR_ENTRY_EPOCH, 0, 0, 0);
    entry.cause = UBR_CAUSE_FIRST;
    append_after_failures(&maker, &entry);
    for (size_t person = 1; person < 3; person++) {
        entry = maker_draft(&maker, UBR_ENTRY_ADD, 0, 0, person);
        entry.role = UBR_ROLE_WRITER;
        append_after_failures(&maker, &entry);
        maker_add_device(&maker, person);
        maker_revoke(&maker, person, 0);
        entry = maker_draft(&maker, UBR_ENTRY_DEVICE, 0, 0, person);
        append_after_failures(&maker, &entry);
    }
    entry = maker_draft(&maker, UBR_ENTRY_REMOVE, 0, 0, 2);
    entry.reason = UBR_REMOVE_COMPROMISED;
    append_after_failures(&maker, &entry);
    if (in_transaction) {
        ubr_log_abort(maker.log);
        assert_int_equal(ubr_log_state(maker.log)->entries, 0);
    }
    maker_fini(&maker);
}

static void test_no_memory_changes_nothing(void **state)
{
    (void)state;
    run_room(false);
    run_room(true);
    print_message("%zu allocations failed\n", failures);
    assert_in_range(failures, 60, 1000);
}

static void test_no_memory_for_a_log(void **state)
{
    (void)state;
    countdown = 1;
    struct ubr_log *log = ubr_log_new();
    countdown = 0;
    assert_null(log);
    ubr_log_free(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_memory_changes_nothing),
        cmocka_unit_test(test_no_memory_for_a_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
