/* SPDX-License-Identifier: Apache-2.0
 *
 * Blobs: only a complete upload by a writer of the room lets its members read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/kit.h"
#include "test_membership_rig.h"
#include "ubr/blob.h"

static char room[33], other_room[33];

static int set_up(void **state)
{
    static const char *const sets[] = {"max_blob=100 KiB", "max_room_blobs=150 KiB", NULL};
    struct rig *rig = calloc(1, sizeof *rig);
    struct ub_err err = UB_ERR_INIT;
    rig_init(rig, 4);
    rig->memb_sets = sets;
    if (rig_start(rig, &err) != UB_OK) {
        fail_msg("%s", err.message);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(rig_enlist(rig, i, "member"), 201);
    }
    assert_int_equal(rig_found(rig, 1, false, room), 201);
    rig_add(rig, 0, 1, UBR_ROLE_WRITER);
    rig_add(rig, 0, 2, UBR_ROLE_READER);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    rig_fini(*state);
    free(*state);
    return 0;
}

static void address_of(const uint8_t *bytes, size_t len, char out[UBR_BLOB_ADDRESS_LEN + 1])
{
    uint8_t hash[32];
    ubr_hash_plain(ubr_bytes_of(bytes, len), hash);
    ubr_blob_address(hash, out);
}

static int put(struct rig *rig, size_t who, const char *in, const char *address,
               const uint8_t *bytes, size_t len)
{
    char path[256];
    snprintf(path, sizeof path, "/v1/rooms/%s/blobs/%s", in, address);
    return rig_call_bytes(rig, who, "PUT", path, bytes, len);
}

static int get(struct rig *rig, size_t who, const char *address)
{
    char path[256];
    snprintf(path, sizeof path, "/v1/blobs/%s", address);
    return rig_call(rig, who, "GET", path, NULL);
}

static int drop(struct rig *rig, size_t who, const char *in, const char *address)
{
    char path[256];
    snprintf(path, sizeof path, "/v1/rooms/%s/blobs/%s", in, address);
    return rig_call(rig, who, "DELETE", path, NULL);
}

static void fill(uint8_t *bytes, size_t len, uint8_t seed)
{
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)(i * 7 + seed);
    }
}

static void keeps_what_writers_bring(void **state)
{
    struct rig *rig = *state;
    static uint8_t bytes[90000];
    char address[UBR_BLOB_ADDRESS_LEN + 1];
    fill(bytes, sizeof bytes, 1);
    address_of(bytes, sizeof bytes, address);
    assert_int_equal(get(rig, 0, address), 404);
    assert_int_equal(put(rig, 2, room, address, bytes, sizeof bytes), 403); /* a reader */
    assert_int_equal(put(rig, 3, room, address, bytes, sizeof bytes), 404); /* nobody there */
    bytes[5] ^= 1;
    assert_int_equal(put(rig, 1, room, address, bytes, sizeof bytes), 422);
    assert_string_equal(rig->answer.code, "hash-mismatch");
    bytes[5] ^= 1;
    assert_int_equal(put(rig, 1, room, address, bytes, sizeof bytes), 201);
    assert_int_equal(put(rig, 1, room, address, bytes, sizeof bytes), 200);
    rig_restart(rig);
    assert_int_equal(get(rig, 2, address), 200); /* a reader reads */
    assert_int_equal(rig->answer.bytes_len, sizeof bytes);
    assert_memory_equal(rig->answer.bytes, bytes, sizeof bytes);
    assert_int_equal(get(rig, 3, address), 404);
    assert_int_equal(get(rig, 2, "b2-00"), 404);
    /* the quota of the room: 90 kB are there */
    fill(bytes, 80000, 2);
    address_of(bytes, 80000, address);
    assert_int_equal(put(rig, 1, room, address, bytes, 80000), 507);
}

static void answers_ranges(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *range;
        int status;
        size_t first, len;
    } cases[] = {
        {"bytes=0-9", 206, 0, 10},
        {"bytes=990-", 206, 990, 10},
        {"bytes=-10", 206, 990, 10},
        {"bytes=5-5", 206, 5, 1},
        {"bytes=0-5000", 206, 0, 1000},
        {"bytes=1000-", 416, 0, 0},
        {"bytes=-0", 416, 0, 0},
        {"bytes=1-2,4-5", 200, 0, 1000},
        {"bytes=9-1", 200, 0, 1000},
        {"lines=1-2", 200, 0, 1000},
        {"bytes=x-", 200, 0, 1000},
        {"bytes=-5000", 206, 0, 1000},
        {"bytes=99999999999999999999-", 200, 0, 1000},
    };
    uint8_t bytes[1000];
    char address[UBR_BLOB_ADDRESS_LEN + 1];
    fill(bytes, sizeof bytes, 3);
    address_of(bytes, sizeof bytes, address);
    assert_int_equal(put(rig, 0, room, address, bytes, sizeof bytes), 201);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rig->range = cases[i].range;
        assert_int_equal(get(rig, 1, address), cases[i].status);
        assert_int_equal(rig->answer.bytes_len, cases[i].len);
        if (cases[i].len > 0) {
            assert_memory_equal(rig->answer.bytes, bytes + cases[i].first, cases[i].len);
        }
    }
}

/* Another room has the same bytes: neither gives the other a right, and the last one to let go
 * takes the object with it. */
static void counts_references(void **state)
{
    struct rig *rig = *state;
    uint8_t bytes[1000];
    char address[UBR_BLOB_ADDRESS_LEN + 1];
    fill(bytes, sizeof bytes, 4);
    address_of(bytes, sizeof bytes, address);
    assert_int_equal(put(rig, 1, room, address, bytes, sizeof bytes), 201);
    struct maker maker = rig->maker; /* a room of person 3 on a log of its own */
    rig->maker.log = ubr_log_new();
    struct ubr_entry entry = maker_draft(&rig->maker, UBR_ENTRY_CREATE, 3, 0, 3);
    entry.suite = UBR_SUITE_1;
    rig_entry(rig, entry, 3);
    ubr_room32(ubr_log_state(rig->maker.log)->room_id, other_room);
    assert_int_equal(rig_call(rig, 3, "POST", "/v1/rooms",
                              json_pack("{s:O,s:s}", "entries", rig->entries, "mode", "plain")),
                     201);
    ubr_log_free(&rig->maker.log);
    rig->maker.log = maker.log;
    assert_int_equal(get(rig, 3, address), 404);
    assert_int_equal(put(rig, 3, other_room, address, bytes, sizeof bytes), 201);
    assert_int_equal(get(rig, 3, address), 200);
    assert_int_equal(drop(rig, 2, room, address), 403); /* neither uploader nor admin */
    assert_int_equal(drop(rig, 3, room, address), 404);
    assert_int_equal(drop(rig, 0, room, address), 204); /* the owner */
    assert_int_equal(drop(rig, 0, room, address), 404);
    assert_int_equal(get(rig, 1, address), 404);
    assert_int_equal(get(rig, 3, address), 200);
    assert_int_equal(drop(rig, 3, other_room, address), 204);
    assert_int_equal(get(rig, 3, address), 404);
}

static int announce(struct rig *rig, size_t who, json_int_t osize)
{
    char path[128], address[UBR_BLOB_ADDRESS_LEN + 1];
    uint8_t hash[32] = {0};
    ubr_blob_address(hash, address);
    snprintf(path, sizeof path, "/v1/rooms/%s/blobs", room);
    return rig_call(rig, who, "POST", path,
                    json_pack("{s:s,s:I}", "addr", address, "osize", osize));
}

static void judges_announcements(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(announce(rig, 1, 24 + 17), 200); /* an empty blob */
    assert_int_equal(json_integer_value(json_object_get(rig->answer.json, "offset")), 0);
    assert_int_equal(announce(rig, 1, 24 + 17 + 65536), 200);
    assert_int_equal(announce(rig, 1, 24 + 17 + 65536 + 17), 400); /* an empty second chunk */
    assert_int_equal(announce(rig, 1, 24 + 17 + 65536 + 17 + 1), 200);
    assert_int_equal(announce(rig, 1, 24 + 16), 400);
    assert_int_equal(announce(rig, 1, 0), 400);
    assert_int_equal(announce(rig, 1, 100 * 1024 + 1), 413);
    assert_int_equal(announce(rig, 1, ((json_int_t)1 << 53)), 400);
    assert_int_equal(announce(rig, 2, 41), 403);
}

/* A removal takes the right to read at once. */
static void follows_membership(void **state)
{
    struct rig *rig = *state;
    uint8_t bytes[100];
    char address[UBR_BLOB_ADDRESS_LEN + 1];
    fill(bytes, sizeof bytes, 5);
    address_of(bytes, sizeof bytes, address);
    assert_int_equal(put(rig, 1, room, address, bytes, sizeof bytes), 201);
    rig_remove(rig, 0, 1);
    rig_epoch(rig, 0, UBR_CAUSE_MEMBER_REMOVED);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
    assert_int_equal(get(rig, 1, address), 404);
    assert_int_equal(get(rig, 2, address), 200); /* his blobs stay */
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(keeps_what_writers_bring), CASE(answers_ranges),     CASE(counts_references),
        CASE(judges_announcements),     CASE(follows_membership),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
