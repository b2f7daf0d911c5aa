/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ubr/key.h"
#include "vectors.h"

/* ed25519.json: edge cases of verification, and validity of keys. */

static void run_signature(struct vectors *vectors, const json_t *vector)
{
    const json_t *inputs = vector_inputs(vector);
    struct ubr_bytes pk = vectors_hex(vectors, inputs, "pk");
    struct ubr_bytes sig = vectors_hex(vectors, inputs, "sig");
    struct ubr_bytes message = vectors_hex(vectors, inputs, "msg");
    assert_true(pk.len == UBR_KEY_LEN && sig.len == UBR_SIG_LEN);
    bool is_good = ubr_plain_signature_is_good(pk.ptr, message, sig.ptr);
    vector_assert_code(vector, is_good ? UBR_OK : UBR_E_SIG);
    const json_t *is_valid = json_object_get(vector_outputs(vector), "key_valid");
    assert_true(json_is_boolean(is_valid));
    assert_int_equal(ubr_sign_pk_is_valid(pk.ptr), json_is_true(is_valid));
}

static void run_box_key(struct vectors *vectors, const json_t *vector)
{
    struct ubr_bytes pk = vectors_hex(vectors, vector_inputs(vector), "box_pk");
    assert_int_equal(pk.len, UBR_KEY_LEN);
    vector_assert_code(vector, ubr_box_pk_is_valid(pk.ptr) ? UBR_OK : UBR_E_KEY_WEAK);
}

static void test_vectors(void **state)
{
    (void)state;
    struct vectors vectors;
    size_t signatures = 0;
    size_t box_keys = 0;
    vectors_open(&vectors, "ed25519", 17, 14);
    for (size_t i = 0; i < 17; i++) {
        const json_t *vector = vectors_at(&vectors, i);
        if (json_object_get(vector_inputs(vector), "box_pk")) {
            run_box_key(&vectors, vector);
            box_keys++;
        } else {
            run_signature(&vectors, vector);
            signatures++;
        }
    }
    print_message("ed25519: %zu signatures, %zu box keys\n", signatures, box_keys);
    assert_int_equal(signatures, 10);
    assert_int_equal(box_keys, 7);
    vectors_close(&vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
