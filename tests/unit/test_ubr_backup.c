/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/backup.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vectors.h"

static enum ubr_error open_inputs(struct vectors *vectors, const json_t *inputs,
                                  struct ubr_backup *backup_out)
{
    return ubr_backup_open(vectors_hex(vectors, inputs, "file"),
                           vectors_hex(vectors, inputs, "key").ptr,
                           vectors_hex(vectors, inputs, "account_pk").ptr,
                           (uint64_t)vectors_int(inputs, "seen_generation"), backup_out);
}

static void assert_item(struct ubr_bytes expected, const struct ubr_backup_item *item)
{
    uint8_t buf[96];
    struct ubr_writer writer;
    ubr_writer_init(&writer, buf, sizeof buf);
    ubr_put_copy(&writer, item->room_id, sizeof item->room_id);
    ubr_put_u64(&writer, item->seq);
    ubr_put_copy(&writer, item->head, sizeof item->head);
    ubr_put_u32(&writer, item->epoch);
    ubr_put_copy(&writer, item->secret, sizeof item->secret);
    assert_true(ubr_bytes_are_equal(expected, ubr_writer_bytes(&writer)));
}

static void seal_again(struct vectors *vectors, const json_t *inputs,
                       const struct ubr_backup *backup)
{
    struct ubr_backup_params params = {.generation = backup->generation};
    memcpy(params.key, vectors_hex(vectors, inputs, "key").ptr, sizeof params.key);
    memcpy(params.account_pk, vectors_hex(vectors, inputs, "account_pk").ptr,
           sizeof params.account_pk);
    memcpy(params.nonce, vectors_hex(vectors, inputs, "nonce").ptr, sizeof params.nonce);
    size_t len = ubr_backup_len(backup->item_n);
    uint8_t *file = malloc(len);
    assert_non_null(file);
    assert_int_equal(ubr_backup_seal(&params, backup->items, backup->item_n, file, len), UBR_OK);
    assert_true(ubr_bytes_are_equal(ubr_bytes_of(file, len), vectors_hex(vectors, inputs, "file")));
    free(file);
}

static void judge_one(struct vectors *vectors, const json_t *vector)
{
    struct ubr_backup backup;
    vector_assert_code(vector, open_inputs(vectors, vector_inputs(vector), &backup));
    if (vector_expect(vector) != UBR_OK) {
        assert_null(backup.items);
        return;
    }
    const json_t *items = json_object_get(vector_outputs(vector), "items");
    assert_int_equal(backup.item_n, json_array_size(items));
    for (size_t i = 0; i < backup.item_n; i++) {
        assert_item(vectors_hex_of(vectors, json_array_get(items, i)), &backup.items[i]);
    }
    assert_int_equal(backup.generation, vectors_int(vector_inputs(vector), "generation"));
    seal_again(vectors, vector_inputs(vector), &backup);
    ubr_backup_fini(&backup);
}

static void test_vectors(void **state)
{
    (void)state;
    struct vectors vectors;
    vectors_open(&vectors, "backup", 8, 6);
    for (size_t i = 0; i < 8; i++) {
        judge_one(&vectors, vectors_at(&vectors, i));
    }
    vectors_close(&vectors);
}

static struct ubr_backup_params params_of(uint64_t generation)
{
    struct ubr_backup_params params = {.key = {1}, .account_pk = {2}, .generation = generation};
    return params;
}

static enum ubr_error seal(const struct ubr_backup_item *items, size_t item_n)
{
    static uint8_t file[UBR_BACKUP_FILE_MAX];
    struct ubr_backup_params params = params_of(1);
    return ubr_backup_seal(&params, items, item_n, file, sizeof file);
}

static void test_rules_of_items(void **state)
{
    (void)state;
    struct ubr_backup_item two[2] = {{.room_id = {1}, .seq = 5, .epoch = 1, .secret = {9}},
                                     {.room_id = {1}, .seq = 5, .epoch = 2, .secret = {8}}};
    assert_int_equal(seal(two, 2), UBR_OK);
    two[1].epoch = 1;
    assert_int_equal(seal(two, 2), UBR_E_PARSE); /* repeated */
    two[1].epoch = 2;
    two[1].seq = 6;
    assert_int_equal(seal(two, 2), UBR_E_PARSE); /* two pins of one room */
    two[1].seq = 5;
    two[1].head[31] = 1;
    assert_int_equal(seal(two, 2), UBR_E_PARSE);
    two[1].head[31] = 0;
    two[0].epoch = 0;
    assert_int_equal(seal(two, 2), UBR_E_PARSE); /* epoch 0 with a secret */
    memset(two[0].secret, 0, sizeof two[0].secret);
    assert_int_equal(seal(two, 2), UBR_E_PARSE); /* epoch 0 beside another */
    assert_int_equal(seal(two, 1), UBR_OK);
    two[0].seq = 1000000;
    assert_int_equal(seal(two, 1), UBR_E_PARSE);
}

static void test_limits(void **state)
{
    (void)state;
    uint8_t small[64];
    struct ubr_backup_params params = params_of(UBR_U53_END);
    assert_int_equal(ubr_backup_seal(&params, NULL, 0, small, sizeof small), UBR_E_RANGE);
    params.generation = 1;
    assert_int_equal(ubr_backup_seal(&params, NULL, 0, small, sizeof small), UBR_E_RANGE);
    assert_int_equal(ubr_backup_seal(&params, NULL, UBR_BACKUP_ITEMS_MAX + 1, small, sizeof small),
                     UBR_E_LIMIT);
    assert_int_equal(ubr_backup_len(UBR_BACKUP_ITEMS_MAX), UBR_BACKUP_FILE_MAX);
}

static void test_largest_round_trip(void **state)
{
    (void)state;
    struct ubr_backup_item *items = calloc(UBR_BACKUP_ITEMS_MAX, sizeof *items);
    uint8_t *file = malloc(UBR_BACKUP_FILE_MAX);
    assert_true(items != NULL && file != NULL);
    for (size_t i = 0; i < UBR_BACKUP_ITEMS_MAX; i++) {
        items[i].epoch = (uint32_t)i + 1;
        randombytes_buf(items[i].secret, sizeof items[i].secret);
    }
    struct ubr_backup_params params = params_of(UBR_U53_END - 1);
    struct ubr_backup backup;
    struct ubr_bytes bytes = {file, UBR_BACKUP_FILE_MAX};
    assert_int_equal(
        ubr_backup_seal(&params, items, UBR_BACKUP_ITEMS_MAX, file, UBR_BACKUP_FILE_MAX), UBR_OK);
    assert_int_equal(ubr_backup_open(bytes, params.key, params.account_pk, 0, &backup), UBR_OK);
    assert_int_equal(backup.item_n, UBR_BACKUP_ITEMS_MAX);
    assert_memory_equal(backup.items, items, UBR_BACKUP_ITEMS_MAX * sizeof *items);
    ubr_backup_fini(&backup);
    assert_null(backup.items);

    params.account_pk[0] ^= 1; /* somebody else's back-up under the same key */
    assert_int_equal(ubr_backup_open(bytes, params.key, params.account_pk, 0, &backup),
                     UBR_E_BACKUP_OPEN);
    file[4] = 2;
    assert_int_equal(ubr_backup_open(bytes, params.key, params.account_pk, 0, &backup),
                     UBR_E_VERSION);
    file[4] = 1;
    file[5] = 0xff;
    assert_int_equal(ubr_backup_open(bytes, params.key, params.account_pk, 0, &backup),
                     UBR_E_RANGE);
    free(file);
    free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_rules_of_items),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_largest_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
