/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/keyfile.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vectors.h"

static void open_one(struct vectors *vectors, const json_t *vector)
{
    const json_t *inputs = vector_inputs(vector);
    uint8_t secret[UBR_KEYFILE_SECRET_LEN];
    vector_assert_code(vector,
                       ubr_keyfile_open(vectors_hex(vectors, inputs, "file"),
                                        vectors_hex(vectors, inputs, "passphrase"), secret));
    if (vector_expect(vector) == UBR_OK) {
        vector_assert_bytes(vectors, vector, "secret", ubr_bytes_of(secret, sizeof secret));
    } else {
        assert_true(sodium_is_zero(secret, sizeof secret));
    }
}

static void seal_one(struct vectors *vectors, const json_t *vector)
{
    const json_t *inputs = vector_inputs(vector);
    struct ubr_keyfile_params params = {
        .ops = (uint32_t)vectors_int(inputs, "ops"),
        .mem_bytes = (uint64_t)vectors_int(inputs, "mem"),
    };
    uint8_t file[UBR_KEYFILE_LEN];
    memcpy(params.salt, vectors_hex(vectors, inputs, "salt").ptr, sizeof params.salt);
    memcpy(params.nonce, vectors_hex(vectors, inputs, "nonce").ptr, sizeof params.nonce);
    assert_int_equal(ubr_keyfile_seal(&params, vectors_hex(vectors, inputs, "passphrase"),
                                      vectors_hex(vectors, inputs, "secret").ptr, file),
                     UBR_OK);
    assert_true(
        ubr_bytes_are_equal(ubr_bytes_of(file, sizeof file), vectors_hex(vectors, inputs, "file")));
}

static void test_vectors(void **state)
{
    (void)state;
    struct vectors vectors;
    vectors_open(&vectors, "keyfile", 9, 7);
    for (size_t i = 0; i < 9; i++) {
        const json_t *vector = vectors_at(&vectors, i);
        open_one(&vectors, vector);
        if (vector_expect(vector) == UBR_OK) {
            seal_one(&vectors, vector);
        }
    }
    vectors_close(&vectors);
}

static void assert_refused(uint32_t ops, uint64_t mem_bytes)
{
    struct ubr_keyfile_params params = {.ops = ops, .mem_bytes = mem_bytes};
    uint8_t secret[UBR_KEYFILE_SECRET_LEN] = {0};
    uint8_t file[UBR_KEYFILE_LEN];
    assert_int_equal(ubr_keyfile_seal(&params, ubr_bytes_of_text("x"), secret, file),
                     UBR_E_KEYFILE_PARAMS);
}

static void test_cost_out_of_bounds(void **state)
{
    (void)state;
    assert_refused(0, UBR_KEYFILE_MEM_MIN);
    assert_refused(UBR_KEYFILE_OPS_MAX + 1, UBR_KEYFILE_MEM_MIN);
    assert_refused(1, UBR_KEYFILE_MEM_MIN - 1024);
    assert_refused(1, UBR_KEYFILE_MEM_MIN + 1);
    assert_refused(1, UBR_KEYFILE_MEM_MAX + 1024);
}

static void test_defaults_and_empty_passphrase(void **state)
{
    (void)state;
    struct ubr_keyfile_params a;
    struct ubr_keyfile_params b;
    ubr_keyfile_params_init(&a);
    ubr_keyfile_params_init(&b);
    assert_int_equal(a.ops, 3);
    assert_int_equal(a.mem_bytes, 268435456);
    assert_memory_not_equal(a.salt, b.salt, sizeof a.salt);
    assert_memory_not_equal(a.nonce, b.nonce, sizeof a.nonce);

    uint8_t secret[UBR_KEYFILE_SECRET_LEN] = "thirty-two bytes that are secret";
    uint8_t opened[UBR_KEYFILE_SECRET_LEN];
    uint8_t file[UBR_KEYFILE_LEN];
    a.ops = 1;
    a.mem_bytes = UBR_KEYFILE_MEM_MIN;
    struct ubr_bytes empty = {NULL, 0};
    assert_int_equal(ubr_keyfile_seal(&a, empty, secret, file), UBR_OK);
    assert_int_equal(ubr_keyfile_open(ubr_bytes_of(file, sizeof file), empty, opened), UBR_OK);
    assert_memory_equal(opened, secret, sizeof secret);
}

/* Every bit of the file is under the authentication tag or checked before it. */
static void test_each_byte_counts(void **state)
{
    (void)state;
    struct ubr_keyfile_params params;
    uint8_t secret[UBR_KEYFILE_SECRET_LEN] = {1};
    uint8_t file[UBR_KEYFILE_LEN];
    ubr_keyfile_params_init(&params);
    params.ops = 1;
    params.mem_bytes = UBR_KEYFILE_MEM_MIN;
    assert_int_equal(ubr_keyfile_seal(&params, ubr_bytes_of_text("p"), secret, file), UBR_OK);
    for (size_t i = 0; i < sizeof file; i++) {
        file[i] ^= 1;
        assert_int_not_equal(
            ubr_keyfile_open(ubr_bytes_of(file, sizeof file), ubr_bytes_of_text("p"), secret),
            UBR_OK);
        file[i] ^= 1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_cost_out_of_bounds),
        cmocka_unit_test(test_defaults_and_empty_passphrase),
        cmocka_unit_test(test_each_byte_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
