/* SPDX-License-Identifier: Apache-2.0
 *
 * What is stored: the records' encoding, and that start refuses a store that was tampered with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "modules/membership/map.h"
#include "modules/membership/generation.h"
#include "modules/membership/record.h"
#include "test_membership_rig.h"

static char room[33];

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct ub_err err = UB_ERR_INIT;
    rig_init(rig, 4);
    if (rig_start(rig, &err) != UB_OK) {
        fail_msg("%s", err.message);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(rig_enlist(rig, i, "member"), 201);
    }
    assert_int_equal(rig_found(rig, 1, false, room), 201);
    rig_add(rig, 0, 1, UBR_ROLE_WRITER);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
    rig_remove(rig, 0, 1);
    rig_epoch(rig, 0, UBR_CAUSE_MEMBER_REMOVED);
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

/* The nth record of a key space, to be changed. */
struct found {
    size_t skip;
    bool is_there;
    size_t segments;
    uint8_t key[8][64];
    size_t key_len[8];
    uint8_t value[8192];
    size_t len;
};

static bool find(void *arg, const struct ub_kv_entry *entry)
{
    struct found *found = arg;
    if (found->skip-- > 0) {
        return true;
    }
    found->is_there = true;
    found->segments = entry->key.count;
    for (size_t i = 0; i < found->segments; i++) {
        found->key_len[i] = entry->key.segments[i].len;
        memcpy(found->key[i], entry->key.segments[i].ptr, found->key_len[i]);
    }
    found->len = entry->value.len;
    memcpy(found->value, entry->value.ptr, found->len);
    return false;
}

static struct ub_kv_bucket *open_control(struct rig *rig)
{
    struct ub_err err = UB_ERR_INIT;
    struct ub_kv_bucket *bucket = NULL;
    const struct ub_kv_bucket_options options = {.size = sizeof options};
    assert_int_equal(rig->kv_ops.bucket_open(rig->kv.self, "control", &options, &bucket, &err),
                     UB_OK);
    return bucket;
}

static void find_record(struct rig *rig, const char *word, size_t index, struct found *found)
{
    struct ub_err err = UB_ERR_INIT;
    struct ub_kv_bucket *bucket = open_control(rig);
    struct ub_kv_key prefix = {.count = 1};
    memset(found, 0, sizeof *found);
    found->skip = index;
    prefix.segments[0] = (struct ub_bytes){(const uint8_t *)word, strlen(word)};
    assert_int_equal(rig->kv_ops.list(bucket, &prefix, NULL, 0, find, found, &err), UB_OK);
    rig->kv_ops.bucket_close(rig->kv.self, &bucket);
    assert_true(found->is_there);
}

static void write_record(struct rig *rig, const struct found *found, enum ub_kv_verb verb)
{
    struct ub_err err = UB_ERR_INIT;
    struct ub_kv_bucket *bucket = open_control(rig);
    struct ub_kv_write write = {bucket,
                                verb,
                                {.count = (uint32_t)found->segments},
                                {found->value, verb == UB_KV_DELETE ? 0 : found->len},
                                0};
    for (size_t i = 0; i < found->segments; i++) {
        write.key.segments[i] = (struct ub_bytes){found->key[i], found->key_len[i]};
    }
    assert_int_equal(rig->kv_ops.write(bucket, &write, NULL, &err), UB_OK);
    rig->kv_ops.bucket_close(rig->kv.self, &bucket);
}

static void refuses_with(struct rig *rig, const char *name, const char *why)
{
    struct ub_err err = UB_ERR_INIT;
    rig_stop(rig);
    assert_int_equal(rig_start(rig, &err), UB_EDAMAGED);
    assert_string_equal(err.code, "E-MEMB-DAMAGED");
    if (strstr(err.message, name) == NULL || strstr(err.message, why) == NULL) {
        fail_msg("\"%s\" lacks \"%s\" or \"%s\"", err.message, name, why);
    }
}

static void names_a_missing_step(void **state)
{
    struct found found;
    find_record(*state, "allow", 1, &found);
    write_record(*state, &found, UB_KV_DELETE);
    refuses_with(*state, "allow/1", "missing");
}

static void names_a_broken_step(void **state)
{
    struct found found;
    find_record(*state, "allow", 2, &found);
    found.value[found.len - 1] ^= 1; /* in a proof of possession */
    write_record(*state, &found, UB_KV_PUT);
    refuses_with(*state, "allow/2", "contradicts");
}

static void names_a_cut_step(void **state)
{
    struct found found;
    find_record(*state, "allow", 0, &found);
    found.len--;
    write_record(*state, &found, UB_KV_PUT);
    refuses_with(*state, "allow/0", "cannot be read");
}

static void names_a_missing_append(void **state)
{
    struct found found;
    char name[64];
    find_record(*state, "room", 1, &found);
    write_record(*state, &found, UB_KV_DELETE);
    snprintf(name, sizeof name, "room/%s/2", room);
    refuses_with(*state, name, "missing");
}

static void names_a_broken_append(void **state)
{
    struct found found;
    char name[64];
    find_record(*state, "room", 1, &found);
    found.value[100] ^= 1;
    write_record(*state, &found, UB_KV_PUT);
    snprintf(name, sizeof name, "room/%s/2", room);
    refuses_with(*state, name, "invalid entry 2");
}

static void names_a_strange_part(void **state)
{
    struct found found = {.is_there = true, .segments = 3, .len = 4};
    strcpy((char *)found.key[0], "blob");
    found.key_len[0] = 4;
    found.key_len[1] = 20;
    found.key_len[2] = 32;
    write_record(*state, &found, UB_KV_PUT);
    refuses_with(*state, "blob", "no such room");
}

/* ---- pure -------------------------------------------------------------------------------------
 */

static void writes_what_it_reads(void **state)
{
    (void)state;
    uint8_t account[32] = {1}, body[174] = {2}, sig[64] = {3}, buf[4096], again[4096];
    struct memb_allow allow = {.kind = MEMB_ALLOW_CREATE,
                               .time_ms = 5,
                               .account_pk = account,
                               .role = UB_ROLE_ADMIN,
                               .handle = ubr_bytes_of_text("alice"),
                               .note = ubr_bytes_of_text("a note"),
                               .device = {ubr_bytes_of(body, 174), ubr_bytes_of(sig, 64),
                                          ubr_bytes_of(sig, 64), ubr_bytes_of(sig, 64)}};
    struct memb_allow read;
    struct ubr_bytes value = memb_allow_write(&allow, buf, sizeof buf);
    assert_non_null(value.ptr);
    assert_true(memb_allow_parse((struct ub_bytes){value.ptr, value.len}, &read));
    struct ubr_bytes same = memb_allow_write(&read, again, sizeof again);
    assert_true(ubr_bytes_are_equal(value, same));
    for (size_t len = 0; len < value.len; len++) {
        assert_false(memb_allow_parse((struct ub_bytes){value.ptr, len}, &read));
    }
    assert_false(memb_allow_parse((struct ub_bytes){value.ptr, value.len + 1}, &read));
    assert_null(memb_allow_write(&allow, buf, value.len - 1).ptr);
}

static void sees_generations_in_order(void **state)
{
    (void)state;
    struct memb_generation generation;
    struct memb_flight first, second, third;
    assert_true(memb_generation_init(&generation, 5));
    memb_generation_begin(&generation, &first);
    memb_generation_begin(&generation, &second);
    memb_generation_end(&generation, &second, 7); /* 6 may be the first's, not yet published */
    assert_int_equal(memb_generation_now(&generation), 5);
    assert_false(memb_generation_wait(&generation, 7, 10));
    memb_generation_begin(&generation, &third);
    memb_generation_end(&generation, &first, 6);
    assert_int_equal(memb_generation_now(&generation), 7);
    memb_generation_end(&generation, &third, 0); /* failed */
    assert_true(memb_generation_wait(&generation, 7, 10));
    memb_generation_fini(&generation);
}

static bool keep_odd(void *arg, const uint8_t *key, void *value)
{
    (void)arg, (void)value;
    return key[0] % 2 == 1;
}

static void maps_keys(void **state)
{
    (void)state;
    struct memb_map *map = memb_map_new(4);
    int value;
    for (uint8_t i = 0; i < 200; i++) {
        assert_true(memb_map_put(map, (uint8_t[4]){i}, &value));
    }
    assert_true(memb_map_put(map, (uint8_t[4]){7}, map));
    assert_int_equal(memb_map_count(map), 200);
    assert_ptr_equal(memb_map_get(map, (uint8_t[4]){7}), map);
    memb_map_sweep(map, keep_odd, NULL);
    assert_int_equal(memb_map_count(map), 100);
    assert_null(memb_map_get(map, (uint8_t[4]){8}));
    assert_ptr_equal(memb_map_remove(map, (uint8_t[4]){9}), &value);
    assert_null(memb_map_remove(map, (uint8_t[4]){9}));
    memb_map_free(&map);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(names_a_missing_step),
        CASE(names_a_broken_step),
        CASE(names_a_cut_step),
        CASE(names_a_missing_append),
        CASE(names_a_broken_append),
        CASE(names_a_strange_part),
        cmocka_unit_test(writes_what_it_reads),
        cmocka_unit_test(sees_generations_in_order),
        cmocka_unit_test(maps_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
