/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "../../client/lib/signature.h"

static const uint8_t nonce[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static struct ubr_sign_key test_key(void)
{
    struct ubr_sign_key key;
    uint8_t seed[UBR_SEED_LEN];
    memset(seed, 0xa1, sizeof(seed));
    ubr_sign_key_from_seed(seed, &key);
    return key;
}

static void check(const struct signature_input *input, const char *wanted_base)
{
    struct ubr_sign_key key = test_key();
    char *params, *signature, *base;
    uint8_t sig[64];
    size_t len;
    assert_true(signature_make(input, &key, &params, &signature, &base));
    assert_string_equal(base, wanted_base);
    /* Signature-Input repeats the last line of the base. */
    const char *last = strstr(base, "\"@signature-params\": ") + strlen("\"@signature-params\": ");
    assert_memory_equal(params, "ub=", 3);
    assert_string_equal(params + 3, last);
    assert_memory_equal(signature, "ub=:", 4);
    assert_int_equal(sodium_base642bin(sig, sizeof(sig), signature + 4, strlen(signature) - 5, NULL,
                                       &len, NULL, sodium_base64_VARIANT_ORIGINAL),
                     0);
    assert_true(ubr_plain_signature_is_good(key.pk, ubr_bytes_of_text(base), sig));
    free(params);
    free(signature);
    free(base);
}

static char *kid_text(void)
{
    static char text[33];
    uint8_t kid[UBR_KID_LEN];
    struct ubr_sign_key key = test_key();
    ubr_kid(key.pk, kid);
    sodium_bin2hex(text, sizeof(text), kid, sizeof(kid));
    return text;
}

static void a_get_covers_four_things(void **state)
{
    (void)state;
    char wanted[1024];
    snprintf(wanted, sizeof(wanted),
             "\"@method\": GET\n\"@path\": /v1/rooms\n\"@query\": ?limit=10\n"
             "\"unibus-audience\": c.n\n"
             "\"@signature-params\": (\"@method\" \"@path\" \"@query\" \"unibus-audience\")"
             ";created=1700000000;expires=1700000060;nonce=\"AAECAwQFBgcICQoLDA0ODw\""
             ";keyid=\"%s\";alg=\"ed25519\";tag=\"unibus-v1\"",
             kid_text());
    const struct signature_input input = {.method = "GET",
                                          .path = "/v1/rooms",
                                          .query = "limit=10",
                                          .audience = "c.n",
                                          .created_s = 1700000000,
                                          .nonce = nonce};
    check(&input, wanted);
}

static void a_post_covers_body_and_precondition(void **state)
{
    (void)state;
    char wanted[1024];
    snprintf(wanted, sizeof(wanted),
             "\"@method\": POST\n\"@path\": /v1/rooms/x/log\n\"@query\": ?\n"
             "\"unibus-audience\": c.n\n\"content-digest\": sha-512=:AA==:\n"
             "\"content-type\": application/json\n\"if-match\": \"00ff\"\n"
             "\"idempotency-key\": k\n"
             "\"@signature-params\": (\"@method\" \"@path\" \"@query\" \"unibus-audience\" "
             "\"content-digest\" \"content-type\" \"if-match\" \"idempotency-key\")"
             ";created=1700000000;expires=1700000060;nonce=\"AAECAwQFBgcICQoLDA0ODw\""
             ";keyid=\"%s\";alg=\"ed25519\";tag=\"unibus-v1\"",
             kid_text());
    const struct signature_input input = {.method = "POST",
                                          .path = "/v1/rooms/x/log",
                                          .audience = "c.n",
                                          .content_digest = "sha-512=:AA==:",
                                          .content_type = "application/json",
                                          .if_match = "\"00ff\"",
                                          .idempotency_key = "k",
                                          .created_s = 1700000000,
                                          .nonce = nonce};
    check(&input, wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_get_covers_four_things),
        cmocka_unit_test(a_post_covers_body_and_precondition),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
