/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include <modules/http/digest.h>
#include <modules/http/profile.h>
#include <modules/http/reader.h>

#define ALWAYS "(\"@method\" \"@path\" \"@query\" \"unibus-audience\""
#define TIMES  ";created=1700000000;expires=1700000060"
#define NONCE  ";nonce=\"BwcHBwcHBwcHBwcHBwcHBw\""
#define KEYID  ";keyid=\"000102030405060708090a0b0c0d0e0f\""
#define TAIL   ";alg=\"ed25519\";tag=\"unibus-v1\""
#define PARAMS TIMES NONCE KEYID TAIL
#define A20    "AAAAAAAAAAAAAAAAAAAA"
#define BYTES  "ub=:" A20 A20 A20 A20 "AAAAAA==:"
#define DIGEST "Content-Digest: sha-512=:" A20 A20 A20 A20 "AAAAAA==:\r\n"

/* Reads a head with these lines and judges it. */
static enum http_profile judge(const char *lines, char *why, char **base_out)
{
    char text[4096];
    struct http_reader reader;
    struct http_signature signature;
    size_t used;
    struct ub_bytes body;
    static const struct http_limits limits = {8192, 16384, 100};
    snprintf(text, sizeof(text), "POST /v1/rooms/a%%2Fb?x=%%41 HTTP/1.1\r\nHost: x\r\n%s\r\n",
             lines);
    http_reader_init(&reader, &limits);
    assert_int_equal(http_reader_next(&reader, (uint8_t *)text, strlen(text), &used, &body),
                     HTTP_EVENT_HEAD);
    http_head_seal(&reader.head);
    why[0] = '\0';
    enum http_profile profile = http_profile_check(&reader.head, &signature, why);
    if (base_out != NULL && profile == HTTP_SIGNED) {
        *base_out = http_base_new(&reader.head, &signature);
    }
    http_reader_fini(&reader);
    return profile;
}

#define LINES(input, bytes, more)                                                                  \
    "Unibus-Audience: c.e\r\nSignature-Input: " input "\r\nSignature: " bytes "\r\n" more

static const struct {
    const char *lines, *why; /* why NULL = signed, "" = unsigned */
} rows[] = {
    {LINES("ub=" ALWAYS ")" PARAMS, BYTES, ""), NULL},
    {"Unibus-Audience: c.e\r\n", ""},
    {"If-Match: \"a\"\r\n", ""},
    {LINES("ub=" ALWAYS " \"if-match\")" PARAMS, BYTES, "If-Match: \"a\"\r\n"), NULL},
    {LINES("ub=" ALWAYS " \"content-digest\" \"content-type\" \"if-match\" \"if-none-match\" "
           "\"idempotency-key\" \"upload-offset\")" PARAMS,
           BYTES,
           "upload-offset: 5\r\nIdempotency-Key: k\r\nIf-None-Match: *\r\nIf-Match: \"a\"\r\n"
           "Content-Type: a/b\r\n" DIGEST),
     NULL},
    /* each listed header: there and not covered */
    {LINES("ub=" ALWAYS ")" PARAMS, BYTES, DIGEST), "header \"content-digest\" is there and not"},
    {LINES("ub=" ALWAYS ")" PARAMS, BYTES, "Content-Type: a/b\r\n"),
     "header \"content-type\" is there"},
    {LINES("ub=" ALWAYS ")" PARAMS, BYTES, "If-Match: *\r\n"),
     "header \"if-match\" is there and not"},
    {LINES("ub=" ALWAYS ")" PARAMS, BYTES, "If-None-Match: *\r\n"),
     "header \"if-none-match\" is there"},
    {LINES("ub=" ALWAYS ")" PARAMS, BYTES, "Idempotency-Key: k\r\n"),
     "header \"idempotency-key\" is there"},
    {LINES("ub=" ALWAYS ")" PARAMS, BYTES, "Upload-Offset: 0\r\n"),
     "header \"upload-offset\" is there"},
    /* covered and not there */
    {LINES("ub=" ALWAYS " \"if-match\")" PARAMS, BYTES, ""),
     "header \"if-match\" is covered and not"},
    {"Signature-Input: ub=" ALWAYS ")" PARAMS "\r\nSignature: " BYTES "\r\n",
     "header \"unibus-audience\" is covered and not there"},
    /* a body needs both */
    {LINES("ub=" ALWAYS " \"content-type\")" PARAMS, BYTES,
           "Content-Type: a/b\r\nContent-Length: 1\r\n"),
     "needs header \"content-digest\""},
    {LINES("ub=" ALWAYS " \"content-digest\")" PARAMS, BYTES,
           DIGEST "Transfer-Encoding: chunked\r\n"),
     "needs header \"content-type\""},
    {LINES("ub=" ALWAYS ")" PARAMS, BYTES, "Content-Length: 0\r\n"), NULL},
    /* components: missing, reordered, twice, foreign, with parameters */
    {LINES("ub=(\"@path\" \"@query\" \"unibus-audience\")" PARAMS, BYTES, ""),
     "\"@method\" is not covered"},
    {LINES("ub=(\"@method\" \"@query\" \"unibus-audience\")" PARAMS, BYTES, ""),
     "\"@path\" is not covered"},
    {LINES("ub=(\"@method\" \"@path\" \"unibus-audience\")" PARAMS, BYTES, ""),
     "\"@query\" is not covered"},
    {LINES("ub=(\"@method\" \"@path\" \"@query\")" PARAMS, BYTES, ""),
     "\"unibus-audience\" is not covered"},
    {LINES("ub=(\"@path\" \"@method\" \"@query\" \"unibus-audience\")" PARAMS, BYTES, ""),
     "\"@method\" is covered twice or out of order"},
    {LINES("ub=" ALWAYS " \"if-match\" \"content-type\")" PARAMS, BYTES,
           "If-Match: *\r\nContent-Type: a/b\r\n"),
     "\"content-type\" is covered twice or out of order"},
    {LINES("ub=" ALWAYS " \"@query\")" PARAMS, BYTES, ""),
     "\"@query\" is covered twice or out of order"},
    {LINES("ub=" ALWAYS " \"accept\")" PARAMS, BYTES, "Accept: a\r\n"),
     "\"accept\" is not in the profile"},
    {LINES("ub=" ALWAYS " \"@authority\")" PARAMS, BYTES, ""),
     "\"@authority\" is not in the profile"},
    {LINES("ub=(\"@method\";req \"@path\" \"@query\" \"unibus-audience\")" PARAMS, BYTES, ""),
     "has parameters"},
    {LINES("ub=()" PARAMS, BYTES, ""), "a component is not a plain quoted name"},
    {LINES("ub=(\"@method\"  \"@path\" \"@query\" \"unibus-audience\")" PARAMS, BYTES, ""),
     "plain quoted name"},
    /* parameters: missing, reordered, another form, too many */
    {LINES("ub=" ALWAYS ");expires=1700000060" NONCE KEYID TAIL, BYTES, ""),
     "\"created\" is missing"},
    {LINES("ub=" ALWAYS ");created=1700000000" NONCE KEYID TAIL, BYTES, ""),
     "\"expires\" is missing"},
    {LINES("ub=" ALWAYS ")" TIMES KEYID TAIL, BYTES, ""), "\"nonce\" is missing"},
    {LINES("ub=" ALWAYS ")" TIMES NONCE TAIL, BYTES, ""), "\"keyid\" is missing"},
    {LINES("ub=" ALWAYS ")" TIMES NONCE KEYID ";tag=\"unibus-v1\"", BYTES, ""),
     "\"alg\" is missing"},
    {LINES("ub=" ALWAYS ")" TIMES NONCE KEYID ";alg=\"ed25519\"", BYTES, ""), "\"tag\" is missing"},
    {LINES("ub=" ALWAYS ");expires=1700000060;created=1700000000" NONCE KEYID TAIL, BYTES, ""),
     "\"created\" is missing or out of order"},
    {LINES("ub=" ALWAYS ")" TIMES KEYID NONCE TAIL, BYTES, ""),
     "\"nonce\" is missing or out of order"},
    {LINES("ub=" ALWAYS ")" TIMES NONCE KEYID ";alg=\"hmac-sha256\";tag=\"unibus-v1\"", BYTES, ""),
     "\"alg\" must be \"ed25519\""},
    {LINES("ub=" ALWAYS ")" TIMES NONCE KEYID ";alg=\"ed25519\";tag=\"unibus-v2\"", BYTES, ""),
     "\"tag\" must be \"unibus-v1\""},
    {LINES("ub=" ALWAYS ")" PARAMS ";x=1", BYTES, ""), "a parameter too many"},
    {LINES("ub=" ALWAYS ");created=1700000000;expires=1700000121" NONCE KEYID TAIL, BYTES, ""),
     "\"expires\" must be 1 to 120 s"},
    {LINES("ub=" ALWAYS ");created=1700000000;expires=1700000120" NONCE KEYID TAIL, BYTES, ""),
     NULL},
    {LINES("ub=" ALWAYS ");created=1700000000;expires=1700000000" NONCE KEYID TAIL, BYTES, ""),
     "\"expires\" must be 1 to 120 s"},
    {LINES("ub=" ALWAYS ");created=-5;expires=1700000000" NONCE KEYID TAIL, BYTES, ""),
     "\"created\" is not"},
    {LINES("ub=" ALWAYS ");created=1.5;expires=1700000000" NONCE KEYID TAIL, BYTES, ""),
     "\"expires\" is missing"},
    {LINES("ub=" ALWAYS ");created=9999999999999999;expires=1" NONCE KEYID TAIL, BYTES, ""),
     "\"created\" is not"},
    {LINES("ub=" ALWAYS ")" TIMES ";nonce=\"BwcHBwcHBwcHBwcHBwcH\"" KEYID TAIL, BYTES, ""),
     "\"nonce\" is not 16"},
    {LINES("ub=" ALWAYS ")" TIMES ";nonce=\"BwcHBwcHBwcHBwcHBwcHB+\"" KEYID TAIL, BYTES, ""),
     "\"nonce\" is not 16"},
    {LINES("ub=" ALWAYS ")" TIMES ";nonce=\"BwcHBwcHBwcHBwcHBwcHBx\"" KEYID TAIL, BYTES, ""),
     "\"nonce\" is not 16"},
    {LINES("ub=" ALWAYS ")" TIMES NONCE ";keyid=\"000102030405060708090A0B0C0D0E0F\"" TAIL, BYTES,
           ""),
     "\"keyid\" is not a kid"},
    {LINES("ub=" ALWAYS ")" TIMES NONCE ";keyid=alice" TAIL, BYTES, ""),
     "\"keyid\" is not a quoted text"},
    /* labels and signatures */
    {LINES("sig1=" ALWAYS ")" PARAMS, BYTES, ""), "the label must be ub"},
    {LINES("ub=" ALWAYS ")" PARAMS ", x=()", BYTES, ""), "exactly one signature"},
    {LINES("ub=" ALWAYS ")" PARAMS, BYTES ", x=:AAAA:", ""), "Signature: exactly one signature"},
    {LINES("ub=" ALWAYS ")" PARAMS, BYTES ",x=:AA:", ""), "exactly one signature"},
    {LINES("ub=" ALWAYS ")" PARAMS, "ub=:AAAA:", ""), "Signature: not 64 bytes"},
    {LINES("ub=" ALWAYS ")" PARAMS, "sig=:AAAA:", ""), "Signature: the label must be ub"},
    {"Unibus-Audience: c.e\r\nSignature: " BYTES "\r\n", "header \"signature-input\" is missing"},
    {"Unibus-Audience: c.e\r\nSignature-Input: ub=" ALWAYS ")" PARAMS "\r\n",
     "header \"signature\" is missing"},
    /* doubled */
    {LINES("ub=" ALWAYS ")" PARAMS, BYTES, "Unibus-Audience: c.e\r\n"),
     "\"unibus-audience\" is there more"},
    {LINES("ub=" ALWAYS ")" PARAMS, BYTES, "Signature: " BYTES "\r\n"),
     "\"signature\" is there more"},
    {LINES("ub=" ALWAYS ")" PARAMS, BYTES, "Signature-Input: a\r\n"),
     "\"signature-input\" is there more"},
    {"If-Match: \"a\"\r\nif-match: \"b\"\r\n", "\"if-match\" is there more"},
};

static void every_rule_of_the_profile(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char why[HTTP_WHY_MAX];
        enum http_profile profile = judge(rows[i].lines, why, NULL);
        enum http_profile wanted = rows[i].why == NULL      ? HTTP_SIGNED
                                   : rows[i].why[0] == '\0' ? HTTP_UNSIGNED
                                                            : HTTP_REFUSED;
        if (profile != wanted || (wanted == HTTP_REFUSED && strstr(why, rows[i].why) == NULL)) {
            fail_msg("row %zu: %d, \"%s\", wanted %d, \"%s\"", i, (int)profile, why, (int)wanted,
                     rows[i].why);
        }
    }
}

static void base_is_the_text_of_the_contract(void **state)
{
    (void)state;
    char why[HTTP_WHY_MAX], *base = NULL;
    judge(LINES("ub=" ALWAYS " \"content-type\" \"if-match\")" PARAMS, BYTES,
                "If-Match:   \"a b\"  \r\nContent-Type: a/b\r\n"),
          why, &base);
    assert_non_null(base);
    assert_string_equal(base, "\"@method\": POST\n\"@path\": /v1/rooms/a%2Fb\n\"@query\": ?x=%41\n"
                              "\"unibus-audience\": c.e\n\"content-type\": a/b\n"
                              "\"if-match\": \"a b\"\n\"@signature-params\": " ALWAYS
                              " \"content-type\" \"if-match\")" PARAMS);
    free(base);
}

/* A tab or a byte above ASCII in a covered value gives no base at all. */
static void covered_values_are_printable(void **state)
{
    (void)state;
    static const char *const values[] = {"If-Match: \"a\tb\"\r\n", "If-Match: \"\xc3\xa9\"\r\n"};
    for (size_t i = 0; i < 2; i++) {
        char lines[2048], why[HTTP_WHY_MAX], *base = NULL;
        snprintf(lines, sizeof(lines), "%s%s",
                 LINES("ub=" ALWAYS " \"if-match\")" PARAMS, BYTES, ""), values[i]);
        assert_int_equal(judge(lines, why, &base), HTTP_SIGNED);
        assert_null(base);
    }
}

static void digest_has_one_form(void **state)
{
    (void)state;
    uint8_t digest[HTTP_DIGEST_SIZE];
    assert_true(http_digest_parse("sha-512=:" A20 A20 A20 A20 "AAAAAA==:", digest));
    assert_false(http_digest_parse("sha-512=:" A20 A20 A20 A20 "AAAAAB==:", digest));
    assert_false(http_digest_parse("sha-512=:" A20 A20 A20 A20 "AAAAAA==: ", digest));
    assert_false(http_digest_parse("sha-512=:" A20 A20 A20 A20 "AAAAA\xfe==:", digest));
    assert_false(http_digest_parse("sha-256=:" A20 A20 A20 A20 "AAAAAA==:", digest));
    assert_false(http_digest_parse("sha-512=:AAAA:", digest));
    assert_false(http_digest_parse("", digest));
}

static int setup(void **state)
{
    (void)state;
    return sodium_init() < 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_of_the_profile),
        cmocka_unit_test(base_is_the_text_of_the_contract),
        cmocka_unit_test(covered_values_are_printable),
        cmocka_unit_test(digest_has_one_form),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
