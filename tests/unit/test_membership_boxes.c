/* SPDX-License-Identifier: Apache-2.0
 *
 * Sealed boxes: the epoch's own, late ones for those entitled, wishes, staged ones, erasure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/kit.h"
#include "test_membership_rig.h"
#include "ubr/text.h"

static char room[33];

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct ub_err err = UB_ERR_INIT;
    rig_init(rig, 4);
    kit_clock_set(rig->host, 1800000000000, 1000000000000);
    if (rig_start(rig, &err) != UB_OK) {
        fail_msg("%s", err.message);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(rig_enlist(rig, i, "member"), 201);
    }
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    assert_string_equal(kit_failed(((struct rig *)*state)->host), "");
    rig_fini(*state);
    free(*state);
    return 0;
}

static int box_call(struct rig *rig, size_t who, const char *method, uint32_t epoch, size_t of,
                    const char *suffix, json_t *take_body)
{
    char path[256], kid[33];
    ubr_hex_encode(ubr_bytes_of(rig->maker.people[of].devices[0].kid, 16), kid);
    snprintf(path, sizeof path, "/v1/rooms/%s/epochs/%u/boxes/%s%s", room, epoch, kid, suffix);
    return rig_call(rig, who, method, path, take_body);
}

static int get_boxes(struct rig *rig, size_t who, uint32_t epoch, size_t of)
{
    return box_call(rig, who, "GET", epoch, of, "", NULL);
}

static int put_box(struct rig *rig, size_t who, uint32_t epoch, size_t of, uint8_t fill)
{
    return box_call(rig, who, "PUT", epoch, of, "", json_pack("{s:o}", "box", rig_box(fill)));
}

static size_t items(const struct rig *rig)
{
    return json_array_size(json_object_get(rig->answer.json, "items"));
}

static size_t wishes(struct rig *rig, size_t who)
{
    char path[128];
    snprintf(path, sizeof path, "/v1/rooms/%s/boxes:requested", room);
    assert_int_equal(rig_call(rig, who, "GET", path, NULL), 200);
    return items(rig);
}

static void delivers_and_forgets(void **state)
{
    struct rig *rig = *state;
    char kid[33];
    assert_int_equal(rig_found(rig, 1, false, room), 201);
    assert_int_equal(get_boxes(rig, 0, 1, 0), 200);
    assert_int_equal(items(rig), 1);
    json_t *item = json_array_get(json_object_get(rig->answer.json, "items"), 0);
    ubr_hex_encode(ubr_bytes_of(rig->maker.people[0].devices[0].kid, 16), kid);
    assert_string_equal(json_string_value(json_object_get(item, "uploader")), kid);
    assert_int_equal(get_boxes(rig, 1, 1, 1), 404);
    assert_int_equal(get_boxes(rig, 0, 2, 0), 404); /* no such epoch */
    assert_int_equal(get_boxes(rig, 0, 1, 1), 403); /* not one's own */
    assert_int_equal(box_call(rig, 0, "DELETE", 1, 0, "", NULL), 204);
    assert_int_equal(get_boxes(rig, 0, 1, 0), 404);
    assert_string_equal(rig->answer.code, "box-missing");
    assert_int_equal(box_call(rig, 0, "DELETE", 1, 0, "", NULL), 404);
    rig_restart(rig);
    assert_int_equal(get_boxes(rig, 0, 1, 0), 404);
}

static bool find_box(void *arg, const struct ub_kv_entry *entry)
{
    bool *is_there = arg;
    uint8_t box[141];
    memset(box, 1, sizeof box);
    *is_there |= memmem(entry->value.ptr, entry->value.len, box, sizeof box) != NULL;
    return true;
}

static bool has_box_bytes(struct rig *rig)
{
    struct ub_err err = UB_ERR_INIT;
    struct ub_kv_bucket *bucket = NULL;
    const struct ub_kv_bucket_options options = {.size = sizeof options};
    const struct ub_kv_key all = {.count = 0};
    bool is_there = false;
    assert_int_equal(rig->kv_ops.bucket_open(rig->kv.self, "control", &options, &bucket, &err),
                     UB_OK);
    assert_int_equal(rig->kv_ops.list(bucket, &all, NULL, 0, find_box, &is_there, &err), UB_OK);
    rig->kv_ops.bucket_close(rig->kv.self, &bucket);
    return is_there;
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

static void erases_what_was_acknowledged(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_found(rig, 1, false, room), 201);
    assert_true(has_box_bytes(rig));
    assert_int_equal(box_call(rig, 0, "DELETE", 1, 0, "", NULL), 204);
    kit_fire_timers(rig->host);
    kit_run_until(rig->host, never, NULL, 300);
    assert_false(has_box_bytes(rig));
    rig_restart(rig); /* the log is as it was */
    assert_int_equal(get_boxes(rig, 0, 1, 0), 404);
    rig_add(rig, 0, 1, UBR_ROLE_READER);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
}

static void takes_late_boxes_for_newcomers(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_found(rig, 1, false, room), 201);
    assert_int_equal(put_box(rig, 0, 1, 1, 7), 422); /* no member: the log does not know the kid */
    assert_string_equal(rig_text(rig, "rule"), "E-KID-UNKNOWN");
    rig_add(rig, 0, 1, UBR_ROLE_WRITER);
    rig_add(rig, 0, 2, UBR_ROLE_READER);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
    assert_int_equal(get_boxes(rig, 1, 1, 1), 404);
    assert_int_equal(put_box(rig, 0, 1, 1, 7), 201);
    assert_int_equal(put_box(rig, 0, 1, 1, 7), 200);
    assert_int_equal(put_box(rig, 0, 1, 1, 8), 409);
    assert_int_equal(put_box(rig, 2, 1, 1, 9), 201); /* any member */
    assert_int_equal(put_box(rig, 3, 1, 1, 9), 404); /* nobody else */
    rig_restart(rig);
    assert_int_equal(get_boxes(rig, 1, 1, 1), 200);
    assert_int_equal(items(rig), 2);
    assert_int_equal(box_call(rig, 1, "DELETE", 1, 1, "", NULL), 204);
    assert_int_equal(get_boxes(rig, 1, 1, 1), 404);
    /* one who had his box does not get others unasked */
    assert_int_equal(put_box(rig, 1, 1, 0, 5), 409);
}

static void answers_wishes(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_found(rig, 1, false, room), 201);
    rig_add(rig, 0, 1, UBR_ROLE_WRITER);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
    assert_int_equal(box_call(rig, 1, "POST", 1, 0, ":request", NULL), 403);
    assert_int_equal(box_call(rig, 0, "POST", 1, 0, ":request", NULL), 202);
    assert_int_equal(box_call(rig, 0, "POST", 1, 0, ":request", NULL), 202);
    assert_int_equal(wishes(rig, 1), 1);
    rig_restart(rig);
    assert_int_equal(wishes(rig, 1), 1);
    assert_int_equal(put_box(rig, 1, 1, 0, 5), 201);
    assert_int_equal(wishes(rig, 1), 0);
    assert_int_equal(get_boxes(rig, 0, 1, 0), 200);
    assert_int_equal(items(rig), 2);
    assert_int_equal(box_call(rig, 0, "POST", 1, 0, ":request", NULL), 429);
    kit_clock_advance(rig->host, 60000);
    assert_int_equal(box_call(rig, 0, "POST", 1, 0, ":request", NULL), 202);
    assert_int_equal(box_call(rig, 0, "DELETE", 1, 0, "", NULL), 204);
    assert_int_equal(wishes(rig, 1), 0);
}

static void keeps_history_closed(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_found(rig, 0, false, room), 201); /* history 0 */
    ubr_log_begin(rig->maker.log);
    rig_add(rig, 0, 1, UBR_ROLE_WRITER);
    assert_int_equal(rig_append(rig, 0, room, NULL), 409);
    assert_string_equal(rig->answer.code, "needs-epoch");
    ubr_log_abort(rig->maker.log);
    rig_add(rig, 0, 1, UBR_ROLE_WRITER);
    rig_epoch(rig, 0, UBR_CAUSE_MEMBER_ADDED);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
    assert_int_equal(put_box(rig, 0, 1, 1, 7), 422);
    assert_string_equal(rig_text(rig, "rule"), "E-BOX-HISTORY");
    assert_int_equal(box_call(rig, 1, "POST", 1, 1, ":request", NULL), 422);
    assert_int_equal(get_boxes(rig, 1, 2, 1), 200);
}

static int stage(struct rig *rig, size_t who, const char *commit, json_t *boxes)
{
    char path[256];
    snprintf(path, sizeof path, "/v1/rooms/%s/staged/%s", room, commit);
    return rig_call(rig, who, "PUT", path, json_pack("{s:O}", "boxes", boxes));
}

static void counts_staged_boxes(void **state)
{
    struct rig *rig = *state;
    char commit[65] = "02";
    memset(commit + 2, '0', 62);
    assert_int_equal(rig_found(rig, 1, false, room), 201);
    rig_add(rig, 0, 1, UBR_ROLE_READER);
    rig_add(rig, 0, 2, UBR_ROLE_WRITER);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
    ubr_log_begin(rig->maker.log);
    rig_epoch(rig, 0, UBR_CAUSE_MANUAL);
    json_t *all = json_incref(rig->boxes);
    json_t *staged = json_array(), *rest = json_array();
    json_array_append(staged, json_array_get(all, 0));
    json_array_append(staged, json_array_get(all, 1));
    json_array_append(rest, json_array_get(all, 2));
    assert_int_equal(stage(rig, 1, commit, staged), 403); /* a reader */
    assert_int_equal(stage(rig, 0, "zz", staged), 404);
    assert_int_equal(stage(rig, 2, commit, staged), 204);
    assert_int_equal(stage(rig, 2, commit, staged), 204);  /* again: replaced */
    assert_int_equal(rig_append(rig, 0, room, NULL), 422); /* twice */
    assert_string_equal(rig_text(rig, "rule"), "E-BOX-MISSING");
    ubr_log_abort(rig->maker.log);
    rig_epoch(rig, 0, UBR_CAUSE_MANUAL);
    json_decref(rig->boxes);
    rig->boxes = json_incref(rest);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
    assert_int_equal(stage(rig, 2, commit, staged), 409);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(get_boxes(rig, i, 2, i), 200);
        assert_int_equal(items(rig), 1);
    }
    kit_clock_advance(rig->host, 12 * 60000);
    kit_fire_timers(rig->host);
    kit_run_until(rig->host, never, NULL, 300);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(get_boxes(rig, i, 2, i), 200); /* they are the epoch's now */
        assert_int_equal(box_call(rig, i, "DELETE", 2, i, "", NULL), 204);
    }
    kit_fire_timers(rig->host);
    kit_run_until(rig->host, never, NULL, 300);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(get_boxes(rig, i, 2, i), 404);
    }
    json_decref(all), json_decref(staged), json_decref(rest);
}

/* Boxes for epochs that never come lie in the store for 10 minutes: not any number of them. */
static void limits_staged_boxes(void **state)
{
    struct rig *rig = *state;
    char commit[65], kid[33];
    assert_int_equal(rig_found(rig, 1, false, room), 201);
    rig_add(rig, 0, 2, UBR_ROLE_WRITER);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
    memset(kid, 'a', 32), kid[32] = '\0';
    json_t *boxes = json_pack("[{s:s,s:o}]", "kid", kid, "box", rig_box(1));
    for (int i = 0; i < 64; i++) {
        snprintf(commit, sizeof commit, "%064x", i);
        assert_int_equal(stage(rig, 2, commit, boxes), 204);
    }
    assert_int_equal(stage(rig, 2, commit, boxes), 429);
    assert_int_equal(stage(rig, 0, commit, boxes), 204); /* each for himself */
    kit_clock_advance(rig->host, 10000);
    assert_int_equal(stage(rig, 2, commit, boxes), 204);
    assert_int_equal(stage(rig, 2, commit, boxes), 429);
    json_decref(boxes);
}

static void forgets_staged_boxes(void **state)
{
    struct rig *rig = *state;
    char commit[65] = "02";
    memset(commit + 2, '0', 62);
    assert_int_equal(rig_found(rig, 1, false, room), 201);
    ubr_log_begin(rig->maker.log);
    rig_epoch(rig, 0, UBR_CAUSE_MANUAL);
    assert_int_equal(stage(rig, 0, commit, rig->boxes), 204);
    kit_clock_advance(rig->host, 10 * 60000 + 1);
    json_array_clear(rig->boxes);
    assert_int_equal(rig_append(rig, 0, room, NULL), 422);
    ubr_log_abort(rig->maker.log);
    kit_clock_advance(rig->host, 60000);
    kit_fire_timers(rig->host);
    kit_run_until(rig->host, never, NULL, 300);
    rig_epoch(rig, 0, UBR_CAUSE_MANUAL);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(delivers_and_forgets),           CASE(erases_what_was_acknowledged),
        CASE(takes_late_boxes_for_newcomers), CASE(answers_wishes),
        CASE(keeps_history_closed),           CASE(counts_staged_boxes),
        CASE(forgets_staged_boxes),           CASE(limits_staged_boxes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
