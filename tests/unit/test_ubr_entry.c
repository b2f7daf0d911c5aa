/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "scenarios.h"
#include "ubr/device.h"
#include "ubr/view.h"

/* Bytes of entries and records: one form each. */

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

/* Every good body of the vectors: written again it is the same, and no part or longer form of it is
 * an entry. */
static void test_good_bodies_have_one_form(void **state)
{
    (void)state;
    size_t bodies = 0;
    size_t types[UBR_ENTRY_TYPES_END] = {0};
    for (size_t i = 0; i < LOG_VECTORS; i++) {
        const json_t *vector = vectors_at(&vectors, i);
        struct ubr_entry entry;
        struct ubr_entry_body again;
        uint8_t longer[UBR_ENTRY_BODY_MAX + 1];
        if (vector_expect(vector) != UBR_OK || !json_object_get(vector_inputs(vector), "body")) {
            continue;
        }
        struct ubr_bytes body = vectors_hex(&vectors, vector_inputs(vector), "body");
        assert_int_equal(ubr_entry_parse(body, &entry), UBR_OK);
        assert_int_equal(ubr_entry_write(&entry, &again), UBR_OK);
        assert_true(ubr_bytes_are_equal(body, ubr_entry_body_bytes(&again)));
        for (size_t len = 0; len < body.len; len++) {
            assert_int_equal(ubr_entry_parse(ubr_bytes_of(body.ptr, len), &entry), UBR_E_PARSE);
        }
        memcpy(longer, body.ptr, body.len);
        longer[body.len] = 0;
        assert_int_equal(ubr_entry_parse(ubr_bytes_of(longer, body.len + 1), &entry), UBR_E_PARSE);
        types[again.buf[1]]++;
        bodies++;
    }
    assert_int_equal(bodies, 44);
    for (size_t type = UBR_ENTRY_CREATE; type < UBR_ENTRY_TYPES_END; type++) {
        assert_int_not_equal(types[type], 0);
    }
}

static struct ubr_entry made(enum ubr_entry_type type)
{
    static const uint8_t link[UBR_LINK_LEN] = {7};
    return (struct ubr_entry){
        .type = type,
        .suite = UBR_SUITE_1,
        .policy = UBR_HISTORY_ALL | UBR_POLICY_UNSIGNED,
        .rotate_secs = 3600,
        .rotate_msgs = 1000,
        .name = ubr_bytes_of_text("w\xc3\xb6rld"),
        .handle = ubr_bytes_of_text("alice"),
        .role = UBR_ROLE_ADMIN,
        .reason = UBR_REMOVE_REMOVED,
        .epoch = 5,
        .recipients = 3,
        .cause = UBR_CAUSE_MANUAL,
        .link = ubr_bytes_of(link, sizeof link),
    };
}

static enum ubr_error write_made(const struct ubr_entry *entry)
{
    struct ubr_entry_body body;
    return ubr_entry_write(entry, &body);
}

static void test_values_are_checked(void **state)
{
    (void)state;
    struct ubr_entry entry;
#define EXPECT(entry_type, member, value, code)                                                    \
    do {                                                                                           \
        entry = made(entry_type);                                                                  \
        entry.member = (value);                                                                    \
        assert_int_equal(write_made(&entry), code);                                                \
    } while (0)
    EXPECT(UBR_ENTRY_CREATE, suite, 2, UBR_E_UPGRADE);
    EXPECT(UBR_ENTRY_CREATE, suite, 0, UBR_E_UPGRADE);
    EXPECT(UBR_ENTRY_CREATE, policy, 0x08, UBR_E_UPGRADE);
    EXPECT(UBR_ENTRY_CREATE, policy, 0x0b, UBR_E_UPGRADE);
    EXPECT(UBR_ENTRY_CREATE, policy, 0x03, UBR_E_POLICY);
    EXPECT(UBR_ENTRY_CREATE, rotate_secs, 0, UBR_OK);
    EXPECT(UBR_ENTRY_CREATE, rotate_secs, 3599, UBR_E_POLICY);
    EXPECT(UBR_ENTRY_CREATE, rotate_secs, UINT32_C(1) << 31, UBR_OK);
    EXPECT(UBR_ENTRY_CREATE, rotate_secs, (UINT32_C(1) << 31) + 1, UBR_E_POLICY);
    EXPECT(UBR_ENTRY_CREATE, rotate_msgs, 0, UBR_OK);
    EXPECT(UBR_ENTRY_CREATE, rotate_msgs, 999, UBR_E_POLICY);
    EXPECT(UBR_ENTRY_CREATE, rotate_msgs, UINT32_MAX, UBR_OK);
    EXPECT(UBR_ENTRY_CREATE, handle, ubr_bytes_of_text(""), UBR_E_PARSE);
    EXPECT(UBR_ENTRY_CREATE, name, ubr_bytes_of_text(""), UBR_OK);
    EXPECT(UBR_ENTRY_CREATE, name, ubr_bytes_of_text("a\x7f"), UBR_E_PARSE);
    EXPECT(UBR_ENTRY_POLICY, policy, 0xff, UBR_E_UPGRADE);
    EXPECT(UBR_ENTRY_ADD, role, 0, UBR_E_RANGE);
    EXPECT(UBR_ENTRY_ADD, role, 5, UBR_E_RANGE);
    EXPECT(UBR_ENTRY_ROLE, role, 0, UBR_E_RANGE);
    EXPECT(UBR_ENTRY_REMOVE, reason, 0, UBR_E_RANGE);
    EXPECT(UBR_ENTRY_REMOVE, reason, 4, UBR_E_RANGE);
    EXPECT(UBR_ENTRY_CLOSE, reason, 0, UBR_E_RANGE);
    EXPECT(UBR_ENTRY_CLOSE, reason, 3, UBR_E_RANGE);
    EXPECT(UBR_ENTRY_EPOCH, epoch, UINT32_C(1) << 31, UBR_E_RANGE);
    EXPECT(UBR_ENTRY_EPOCH, cause, 0, UBR_E_RANGE);
    EXPECT(UBR_ENTRY_EPOCH, cause, 7, UBR_E_RANGE);
    EXPECT(UBR_ENTRY_EPOCH, link.len, 71, UBR_E_RANGE);
    EXPECT(UBR_ENTRY_EPOCH, link.len, 0, UBR_OK);
    EXPECT(UBR_ENTRY_EPOCH, time_ms, UBR_U53_END, UBR_E_RANGE);
    EXPECT(UBR_ENTRY_EPOCH, seq, UBR_U53_END, UBR_E_RANGE);
    EXPECT(0, time_ms, 0, UBR_E_UPGRADE);
    EXPECT(UBR_ENTRY_TYPES_END, time_ms, 0, UBR_E_UPGRADE);
#undef EXPECT
}

static void test_long_texts_do_not_fit(void **state)
{
    (void)state;
    uint8_t text[256];
    struct ubr_entry entry = made(UBR_ENTRY_POLICY);
    memset(text, 'a', sizeof text);
    entry.name = ubr_bytes_of(text, 64);
    assert_int_equal(write_made(&entry), UBR_OK);
    entry.name = ubr_bytes_of(text, 65);
    assert_int_equal(write_made(&entry), UBR_E_PARSE);
    entry.name = ubr_bytes_of(text, 256);
    assert_int_equal(write_made(&entry), UBR_E_PARSE);
}

static void test_view_names_every_field(void **state)
{
    (void)state;
    static const size_t expected[UBR_ENTRY_TYPES_END] = {0, 8, 4, 2, 2, 7, 2, 4, 1};
    struct ubr_view_field fields[UBR_VIEW_FIELDS_MAX];
    for (unsigned type = UBR_ENTRY_CREATE; type < UBR_ENTRY_TYPES_END; type++) {
        struct ubr_entry entry = made((enum ubr_entry_type)type);
        assert_int_equal(ubr_entry_view(&entry, fields), expected[type]);
        assert_non_null(ubr_entry_type_name(type));
    }
    struct ubr_entry entry = made(UBR_ENTRY_ADD);
    ubr_entry_view(&entry, fields);
    assert_string_equal(fields[0].name, "role");
    assert_int_equal(fields[0].kind, UBR_VIEW_ROLE);
    assert_string_equal(ubr_role_name((unsigned)fields[0].number), "admin");
    assert_string_equal(fields[1].name, "account_pk");
    assert_ptr_equal(fields[1].bytes.ptr, entry.account_pk);
    assert_int_equal(fields[2].kind, UBR_VIEW_TEXT);
    assert_true(ubr_bytes_are_equal(fields[2].bytes, ubr_bytes_of_text("alice")));
    entry.type = 0;
    assert_int_equal(ubr_entry_view(&entry, fields), 0);
    assert_null(ubr_entry_type_name(0));
    assert_null(ubr_entry_type_name(UBR_ENTRY_TYPES_END));
}

static void test_role_names(void **state)
{
    (void)state;
    for (unsigned role = UBR_ROLE_READER; role <= UBR_ROLE_OWNER; role++) {
        assert_int_equal(ubr_role_from_name(ubr_bytes_of_text(ubr_role_name(role))), role);
    }
    assert_int_equal(ubr_role_from_name(ubr_bytes_of_text("Owner")), UBR_ROLE_NONE);
    assert_null(ubr_role_name(UBR_ROLE_NONE));
    assert_null(ubr_role_name(5));
}

static void test_device_bodies_have_one_form(void **state)
{
    (void)state;
    struct scenario scenario;
    scenario_init(&scenario, &vectors, "S");
    for (size_t i = 0; i < scenario.records.len; i++) {
        struct ubr_bytes body = scenario.records.records[i].body;
        struct ubr_device_body parsed;
        uint8_t again[UBR_DEVICE_BODY_LEN];
        assert_int_equal(ubr_device_parse(body, &parsed), UBR_OK);
        ubr_device_write(&parsed, again);
        assert_true(ubr_bytes_are_equal(body, ubr_bytes_of(again, sizeof again)));
    }
    scenario_fini(&scenario);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_bodies_have_one_form),
        cmocka_unit_test(test_values_are_checked),
        cmocka_unit_test(test_long_texts_do_not_fit),
        cmocka_unit_test(test_view_names_every_field),
        cmocka_unit_test(test_role_names),
        cmocka_unit_test(test_device_bodies_have_one_form),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
