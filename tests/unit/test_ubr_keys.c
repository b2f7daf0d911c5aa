/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ubr/name.h"
#include "ubr/nkey.h"
#include "ubr/text.h"
#include "vectors.h"

/* keys.json: derivations and names; and the text form of NATS keys, which has no vector there. */

static struct vectors vectors;

static void assert_field(const json_t *vector, const char *field, const uint8_t *bytes, size_t len)
{
    vector_assert_bytes(&vectors, vector, field, ubr_bytes_of(bytes, len));
}

static void assert_key_seed(const json_t *vector, const char *field, const struct ubr_sign_key *key)
{
    uint8_t seed[UBR_SEED_LEN];
    ubr_sign_key_seed(key, seed);
    assert_field(vector, field, seed, sizeof seed);
}

static void assert_text(const json_t *vector, const char *field, const char *text)
{
    assert_string_equal(vectors_text(vector_outputs(vector), field), text);
}

static void assert_names(const json_t *vector, const struct ubr_service_keys *keys)
{
    uint8_t bytes[UBR_FINGERPRINT_LEN];
    char text[UBR_ROOM32_LEN + 1];
    ubr_kid(keys->sign.pk, bytes);
    assert_field(vector, "kid", bytes, UBR_KID_LEN);
    ubr_fingerprint(keys->sign.pk, bytes);
    assert_field(vector, "fingerprint", bytes, UBR_FINGERPRINT_LEN);
    ubr_fingerprint_text(keys->sign.pk, text);
    assert_text(vector, "fingerprint_text", text);
    ubr_inbox_token(keys->nats.pk, text);
    assert_text(vector, "inbox_token", text);
}

static void run_derive(const json_t *vector, const uint8_t seed[UBR_SEED_LEN])
{
    struct ubr_service_keys keys;
    struct ubr_account_keys account;
    uint8_t box_seed[UBR_KDF_LEN];
    ubr_service_keys_derive(seed, 0, &keys);
    assert_key_seed(vector, "account_seed", &keys.sign);
    assert_key_seed(vector, "nats_seed", &keys.nats);
    assert_field(vector, "sign_pk", keys.sign.pk, UBR_KEY_LEN);
    assert_field(vector, "nats_pk", keys.nats.pk, UBR_KEY_LEN);
    assert_field(vector, "box_pk", keys.box.pk, UBR_KEY_LEN);
    assert_field(vector, "backup_key", keys.backup, UBR_KEY_LEN);
    ubr_kdf(seed, UBR_KDF_IDENT, 1000, box_seed);
    assert_field(vector, "box_seed_0", box_seed, sizeof box_seed);
    ubr_account_keys_derive(seed, &account);
    assert_field(vector, "sign_pk", account.account.pk, UBR_KEY_LEN);
    assert_field(vector, "backup_key", account.backup, UBR_KEY_LEN);
    assert_names(vector, &keys);
    ubr_service_keys_wipe(&keys);
    ubr_account_keys_wipe(&account);
}

static void run_box_generation(const json_t *vector, const uint8_t seed[UBR_SEED_LEN])
{
    struct ubr_service_keys keys;
    struct ubr_box_key again;
    json_int_t id = vectors_int(vector_inputs(vector), "id");
    ubr_service_keys_derive(seed, (uint32_t)(id - 1000), &keys);
    assert_field(vector, "box_pk", keys.box.pk, UBR_KEY_LEN);
    ubr_box_key_from_secret(keys.box.sk, &again);
    assert_field(vector, "box_pk", again.pk, UBR_KEY_LEN);
    ubr_box_key_wipe(&again);
}

static void run_safety(const json_t *vector)
{
    struct ubr_bytes a = vectors_hex(&vectors, vector_inputs(vector), "a");
    struct ubr_bytes b = vectors_hex(&vectors, vector_inputs(vector), "b");
    char number[UBR_SAFETY_LEN + 1];
    char link[UBR_SAFETY_LINK_LEN + 1];
    ubr_safety_number(a.ptr, b.ptr, number);
    assert_text(vector, "text", number);
    ubr_safety_number(b.ptr, a.ptr, number);
    assert_text(vector, "text", number);
    ubr_safety_link(a.ptr, b.ptr, link);
    assert_text(vector, "link", link);
    assert_int_equal(strlen(link), UBR_SAFETY_LINK_LEN);
}

static void run_key_rule(const json_t *vector)
{
    struct ubr_sign_key key;
    uint8_t seed[UBR_SEED_LEN];
    ubr_hash_plain(ubr_bytes_of_text(vectors_text(vector_inputs(vector), "text")), seed);
    assert_field(vector, "seed", seed, sizeof seed);
    ubr_sign_key_from_seed(seed, &key);
    assert_field(vector, "sign_pk", key.pk, UBR_KEY_LEN);
    ubr_sign_key_wipe(&key);
}

static void test_vectors(void **state)
{
    (void)state;
    vectors_open(&vectors, "keys", 5, 0);
    for (size_t i = 0; i < 5; i++) {
        const json_t *vector = vectors_at(&vectors, i);
        if (json_object_get(vector_outputs(vector), "kid")) {
            run_derive(vector, vectors_hex(&vectors, vector_inputs(vector), "seed").ptr);
        } else if (json_object_get(vector_inputs(vector), "id")) {
            run_box_generation(vector, vectors_hex(&vectors, vector_inputs(vector), "seed").ptr);
        } else if (json_object_get(vector_inputs(vector), "a")) {
            run_safety(vector);
        } else {
            run_key_rule(vector);
        }
    }
    print_message("keys: 5 vectors\n");
    vectors_close(&vectors);
}

/* A pair made by the nk tool of nats-io/nkeys, as the NATS documentation shows it. */
static const char known_seed[] = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
static const char known_public[] = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

static void test_nkey_matches_a_known_pair(void **state)
{
    (void)state;
    struct ubr_sign_key key;
    uint8_t seed[UBR_SEED_LEN];
    uint8_t pk[UBR_KEY_LEN];
    char text[UBR_NKEY_SEED_LEN + 1];
    assert_true(ubr_nkey_seed_decode(ubr_bytes_of_text(known_seed), seed));
    ubr_sign_key_from_seed(seed, &key);
    ubr_nkey_encode(key.pk, text);
    assert_string_equal(text, known_public);
    assert_true(ubr_nkey_decode(ubr_bytes_of_text(known_public), pk));
    assert_memory_equal(pk, key.pk, UBR_KEY_LEN);
    ubr_nkey_seed_encode(seed, text);
    assert_string_equal(text, known_seed);
}

/* Every change of one character to another spelling is refused. */
static void test_nkey_has_one_spelling(void **state)
{
    (void)state;
    uint8_t key[UBR_KEY_LEN];
    char text[UBR_NKEY_SEED_LEN + 1];
    for (size_t i = 0; i < UBR_NKEY_LEN; i++) {
        for (int c = 1; c < 256; c++) {
            memcpy(text, known_public, sizeof known_public);
            text[i] = (char)c;
            bool is_same = text[i] == known_public[i];
            assert_int_equal(ubr_nkey_decode(ubr_bytes_of(text, UBR_NKEY_LEN), key), is_same);
        }
    }
    for (size_t i = 0; i < UBR_NKEY_SEED_LEN; i++) {
        for (int c = 1; c < 256; c++) {
            memcpy(text, known_seed, sizeof known_seed);
            text[i] = (char)c;
            bool is_same = text[i] == known_seed[i];
            assert_int_equal(ubr_nkey_seed_decode(ubr_bytes_of(text, UBR_NKEY_SEED_LEN), key),
                             is_same);
        }
    }
    assert_false(ubr_nkey_decode(ubr_bytes_of(known_public, UBR_NKEY_LEN - 1), key));
    assert_false(ubr_nkey_decode(ubr_bytes_of(NULL, 0), key));
    assert_false(ubr_nkey_decode(ubr_bytes_of_text(known_seed), key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_nkey_matches_a_known_pair),
        cmocka_unit_test(test_nkey_has_one_spelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
