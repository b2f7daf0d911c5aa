/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ubr/invite.h"
#include "ubr/recovery.h"
#include "vectors.h"

static void judge_recovery(struct vectors *vectors, const json_t *vector)
{
    const char *text = vectors_text(vector_inputs(vector), "recovery_key");
    uint8_t seed[UBR_RECOVERY_SEED_LEN];
    char again[UBR_RECOVERY_TEXT_LEN + 1];
    vector_assert_code(vector, ubr_recovery_decode(ubr_bytes_of_text(text), seed));
    if (vector_expect(vector) != UBR_OK) {
        assert_true(sodium_is_zero(seed, sizeof seed));
        return;
    }
    vector_assert_bytes(vectors, vector, "seed", ubr_bytes_of(seed, sizeof seed));
    ubr_recovery_encode(seed, again);
    assert_string_equal(again, text);
}

static void assert_nodes(const json_t *nodes, const struct ubr_invite *invite)
{
    assert_int_equal(invite->node_n, json_array_size(nodes));
    for (size_t i = 0; i < invite->node_n; i++) {
        const char *node = json_string_value(json_array_get(nodes, i));
        assert_true(ubr_bytes_are_equal(ubr_invite_node(invite, i), ubr_bytes_of_text(node)));
    }
}

static void judge_invite(struct vectors *vectors, const json_t *vector)
{
    const char *link = vectors_text(vector_inputs(vector), "link");
    struct ubr_invite invite;
    char again[UBR_INVITE_TEXT_MAX + 1];
    vector_assert_code(vector, ubr_invite_parse(ubr_bytes_of_text(link), &invite));
    if (vector_expect(vector) != UBR_OK) {
        return;
    }
    vector_assert_bytes(vectors, vector, "room",
                        ubr_bytes_of(invite.room_id, sizeof invite.room_id));
    vector_assert_bytes(vectors, vector, "head", ubr_bytes_of(invite.head, sizeof invite.head));
    vector_assert_bytes(vectors, vector, "founder",
                        ubr_bytes_of(invite.founder, sizeof invite.founder));
    assert_int_equal(invite.seq, vectors_int(vector_outputs(vector), "seq"));
    assert_nodes(json_object_get(vector_outputs(vector), "nodes"), &invite);
    assert_int_equal(ubr_invite_format(&invite, again), UBR_OK);
    assert_string_equal(again, link);
}

static void judge_room_text(struct vectors *vectors, const json_t *vector)
{
    const json_t *outputs = vector_outputs(vector);
    char room32[UBR_ROOM32_LEN + 1];
    char text[64];
    ubr_room32(vectors_hex(vectors, vector_inputs(vector), "room_id").ptr, room32);
    assert_string_equal(room32, vectors_text(outputs, "room32"));
    snprintf(text, sizeof text, "ub.r.%s.chat", room32);
    assert_string_equal(text, vectors_text(outputs, "subject"));
}

static const struct {
    const char *prefix;
    size_t expected;
    void (*judge)(struct vectors *vectors, const json_t *vector);
} kinds[] = {
    {"recovery/", 6, judge_recovery},
    {"invite/", 10, judge_invite},
    {"room text", 1, judge_room_text},
};

static void test_vectors(void **state)
{
    (void)state;
    struct vectors vectors;
    vectors_open(&vectors, "texts", 17, 13);
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        size_t judged = 0;
        for (size_t i = 0; i < 17; i++) {
            const json_t *vector = vectors_at(&vectors, i);
            const char *prefix = kinds[kind].prefix;
            if (strncmp(vector_name(vector), prefix, strlen(prefix)) == 0) {
                kinds[kind].judge(&vectors, vector);
                judged++;
            }
        }
        assert_int_equal(judged, kinds[kind].expected);
    }
    vectors_close(&vectors);
}

static void test_recovery_round_trip(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        uint8_t seed[UBR_RECOVERY_SEED_LEN];
        uint8_t back[UBR_RECOVERY_SEED_LEN];
        char text[UBR_RECOVERY_TEXT_LEN + 1];
        randombytes_buf(seed, sizeof seed);
        ubr_recovery_encode(seed, text);
        assert_int_equal(ubr_recovery_decode(ubr_bytes_of_text(text), back), UBR_OK);
        assert_memory_equal(seed, back, sizeof seed);
    }
}

/* The recovery key of 32 × A1, but for the lowest of the four bits after the seed. */
static void test_recovery_padding_bits(void **state)
{
    (void)state;
    static const char text[] = "ubsec15xs6rgdp5xs6rgdp5xs6rgdp5xs6rgdp5xs6rgdp5xs6rgdp5xs3pvm9f3";
    uint8_t seed[UBR_RECOVERY_SEED_LEN];
    assert_int_equal(ubr_recovery_decode(ubr_bytes_of_text(text), seed), UBR_E_RECOVERY_KEY);
}

#define LINK                                                                                       \
    "unibus:room/1/ap7f3qzlbiwvi7s6gbwm7e6ps4xm7nxw?h=%s."                                         \
    "7a3bb963e94eec0db9609771f28bda755c2ccdf297503a2bf42f0bf58beac696&f="                          \
    "dn76d37k5m7ggmnji67fziw734twilcr%s"

static enum ubr_error parse(const char *seq, const char *tail)
{
    char link[4096];
    struct ubr_invite invite;
    snprintf(link, sizeof link, LINK, seq, tail);
    return ubr_invite_parse(ubr_bytes_of_text(link), &invite);
}

static void test_invite_strictness(void **state)
{
    (void)state;
    char tail[2048] = "&n=";
    assert_int_equal(parse("0", ""), UBR_OK);
    assert_int_equal(parse("999999", ""), UBR_OK);
    assert_int_equal(parse("1000000", ""), UBR_E_INVITE);
    assert_int_equal(parse("", ""), UBR_E_INVITE);
    assert_int_equal(parse("00", ""), UBR_E_INVITE);
    assert_int_equal(parse("+1", ""), UBR_E_INVITE);
    assert_int_equal(parse("2", "&"), UBR_E_INVITE);
    assert_int_equal(parse("2", "&n="), UBR_E_INVITE);
    assert_int_equal(parse("2", "&n=a&n="), UBR_E_INVITE);
    assert_int_equal(parse("2", "&n=%4"), UBR_E_INVITE);
    assert_int_equal(parse("2", "&n=%4G"), UBR_E_INVITE);
    assert_int_equal(parse("2", "&n=a:b"), UBR_E_INVITE);
    assert_int_equal(parse("2", "&n=%00"), UBR_E_INVITE); /* a control character */
    assert_int_equal(parse("2", "&n=%C3"), UBR_E_INVITE); /* half a character */
    assert_int_equal(parse("2", "&n=%C3%B6"), UBR_OK);
    memset(tail + 3, 'a', sizeof tail - 4);
    assert_int_equal(parse("2", tail), UBR_E_INVITE); /* longer than 2,048 */
    tail[2048 - (sizeof LINK - 4)] = '\0';
    assert_int_equal(parse("2", tail), UBR_OK);
    tail[2048 - (sizeof LINK - 4)] = 'a';
    tail[2048 - (sizeof LINK - 4) + 1] = '\0';
    assert_int_equal(parse("2", tail), UBR_E_INVITE);
}

static void test_invite_building(void **state)
{
    (void)state;
    struct ubr_invite invite;
    char link[UBR_INVITE_TEXT_MAX + 1];
    char slashes[1025];
    ubr_invite_init(&invite);
    for (size_t i = 0; i < UBR_INVITE_NODES_MAX; i++) {
        assert_int_equal(ubr_invite_add_node(&invite, ubr_bytes_of_text("[::1]:8470")), UBR_OK);
    }
    assert_int_equal(ubr_invite_add_node(&invite, ubr_bytes_of_text("x")), UBR_E_INVITE);
    assert_int_equal(ubr_invite_format(&invite, link), UBR_OK);
    assert_non_null(strstr(link, "&n=%5B%3A%3A1%5D%3A8470&n="));

    ubr_invite_init(&invite);
    assert_int_equal(ubr_invite_add_node(&invite, ubr_bytes_of_text("")), UBR_E_INVITE);
    assert_int_equal(ubr_invite_add_node(&invite, ubr_bytes_of_text("a\nb")), UBR_E_INVITE);
    memset(slashes, '/', sizeof slashes - 1);
    slashes[sizeof slashes - 1] = '\0';
    assert_int_equal(ubr_invite_add_node(&invite, ubr_bytes_of_text(slashes)), UBR_OK);
    assert_int_equal(ubr_invite_format(&invite, link), UBR_E_INVITE); /* 3 × 1,024 characters */
    assert_string_equal(link, "");
    ubr_invite_init(&invite);
    invite.seq = 1000000;
    assert_int_equal(ubr_invite_format(&invite, link), UBR_E_INVITE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_recovery_round_trip),
        cmocka_unit_test(test_recovery_padding_bits),
        cmocka_unit_test(test_invite_strictness),
        cmocka_unit_test(test_invite_building),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
