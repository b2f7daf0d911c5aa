/* SPDX-License-Identifier: Apache-2.0
 *
 * Rooms: appends under compare-and-set, the server's own rules, boxes, and what the data plane is
 * told before the answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/kit.h"
#include "test_membership_rig.h"
#include "ubr/history.h"
#include "ubr/text.h"

static char room[33];

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct ub_err err = UB_ERR_INIT;
    rig_init(rig, 6);
    if (rig_start(rig, &err) != UB_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(rig_enlist(rig, 0, "operator"), 201);
    for (size_t i = 1; i < 6; i++) {
        assert_int_equal(rig_enlist(rig, i, i == 5 ? "auditor" : "member"), 201);
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

static int get(struct rig *rig, size_t who, const char *tail)
{
    char path[256];
    snprintf(path, sizeof path, "/v1/rooms/%s%s", room, tail);
    return rig_call(rig, who, "GET", path, NULL);
}

static void hash_of_state(const struct ubr_log *log, char out[65])
{
    uint8_t hash[32];
    ubr_log_state_hash(log, hash);
    ubr_hex_encode(ubr_bytes_of(hash, 32), out);
}

/* The server's log, replayed from what it serves, gives the state of the maker's log. */
static void check_same_log(struct rig *rig)
{
    struct ubr_entry_body body;
    char head[65];
    assert_int_equal(get(rig, 0, "/log?limit=500"), 200);
    json_t *items = json_object_get(rig->answer.json, "items");
    const struct ubr_log_state *state = ubr_log_state(rig->maker.log);
    assert_int_equal(json_array_size(items), state->entries);
    for (size_t i = 0; i < json_array_size(items); i++) {
        const char *text = json_string_value(json_object_get(json_array_get(items, i), "body"));
        uint8_t hash[32];
        assert_true(
            ubr_base64_decode(ubr_bytes_of_text(text), body.buf, sizeof body.buf, &body.len));
        ubr_entry_hash(ubr_bytes_of(body.buf, body.len), hash);
        assert_memory_equal(hash, ubr_log_hash_at(rig->maker.log, i), 32);
    }
    ubr_hex_encode(ubr_bytes_of(state->head, 32), head);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(rig->answer.json, "head"), "hash")),
        head);
    hash_of_state(rig->maker.log, head);
}

static json_t *member_of(const struct rig *rig, const char *name)
{
    return json_object_get(rig->answer.json, name);
}

static void makes_a_room(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_found(rig, 1, false, room), 201);
    assert_string_equal(rig_text(rig, "id"), room);
    assert_true(json_integer_value(member_of(rig, "generation")) > 0);
    assert_int_equal(json_integer_value(json_object_get(member_of(rig, "head"), "seq")), 1);
    assert_int_equal(get(rig, 0, ""), 200);
    assert_string_equal(rig_text(rig, "mode"), "sealed");
    assert_string_equal(rig_text(rig, "name"), "ops");
    assert_string_equal(rig_text(rig, "role"), "owner");
    assert_int_equal(json_integer_value(member_of(rig, "epoch")), 1);
    assert_int_equal(get(rig, 1, ""), 404); /* not a member */
    assert_int_equal(get(rig, RIG_ADMIN, ""), 200);
    assert_int_equal(rig_call(rig, 0, "GET", "/v1/rooms", NULL), 200);
    assert_int_equal(json_array_size(member_of(rig, "items")), 1);
    assert_int_equal(rig_call(rig, 1, "GET", "/v1/rooms", NULL), 200);
    assert_int_equal(json_array_size(member_of(rig, "items")), 0);
    check_same_log(rig);
    assert_int_equal(get(rig, 0, "/log?from=2"), 200);
    assert_int_equal(json_array_size(member_of(rig, "items")), 0);
    assert_int_equal(get(rig, 0, "/log?from=3"), 416);
    assert_int_equal(get(rig, 0, "/log?from=x"), 400);
    assert_int_equal(get(rig, 0, "/permissions"), 200);
    assert_int_equal(json_array_size(json_object_get(member_of(rig, "roles"), "reader")), 3);
}

static void needs_an_epoch_in_a_new_room(void **state)
{
    struct rig *rig = *state;
    struct ubr_entry entry = maker_draft(&rig->maker, UBR_ENTRY_CREATE, 0, 0, 0);
    entry.suite = UBR_SUITE_1;
    rig_entry(rig, entry, 0);
    assert_int_equal(
        rig_call(rig, 0, "POST", "/v1/rooms", json_pack("{s:O}", "entries", rig->entries)), 409);
    assert_string_equal(rig->answer.code, "needs-epoch");
    assert_int_equal(rig_call(rig, 1, "POST", "/v1/rooms",
                              json_pack("{s:O,s:s}", "entries", rig->entries, "mode", "plain")),
                     403); /* by another than the signer */
    assert_int_equal(rig_call(rig, 0, "POST", "/v1/rooms",
                              json_pack("{s:O,s:s}", "entries", rig->entries, "mode", "plain")),
                     201);
    assert_int_equal(rig_call(rig, 0, "POST", "/v1/rooms",
                              json_pack("{s:O,s:s}", "entries", rig->entries, "mode", "plain")),
                     200);
}

static void adds_and_removes(void **state)
{
    struct rig *rig = *state;
    char head[65];
    assert_int_equal(rig_found(rig, 1, false, room), 201);
    snprintf(head, sizeof head, "%s",
             json_string_value(json_object_get(member_of(rig, "head"), "hash")));
    rig_add(rig, 0, 1, UBR_ROLE_WRITER);
    rig_add(rig, 0, 2, UBR_ROLE_READER);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
    assert_int_equal(get(rig, 1, ""), 200);
    assert_string_equal(rig_text(rig, "role"), "writer");
    assert_int_equal(get(rig, 2, "/members"), 200);
    assert_int_equal(json_array_size(member_of(rig, "items")), 3);
    /* a stale head */
    ubr_log_begin(rig->maker.log);
    rig_add(rig, 0, 3, UBR_ROLE_WRITER);
    json_t *again = json_deep_copy(rig->entries);
    assert_int_equal(rig_append(rig, 0, room, head), 412);
    assert_string_equal(rig->answer.code, "head-conflict");
    assert_int_equal(json_integer_value(json_object_get(member_of(rig, "head"), "seq")), 3);
    ubr_log_abort(rig->maker.log);
    json_decref(again);
    /* a removal without an epoch */
    ubr_log_begin(rig->maker.log);
    rig_remove(rig, 0, 1);
    assert_int_equal(rig_append(rig, 0, room, NULL), 409);
    assert_string_equal(rig->answer.code, "needs-epoch");
    ubr_log_abort(rig->maker.log);
    /* with one, but a box is missing, or doubled */
    ubr_log_begin(rig->maker.log);
    rig_remove(rig, 0, 1);
    rig_epoch(rig, 0, UBR_CAUSE_MEMBER_REMOVED);
    json_array_remove(rig->boxes, 0);
    assert_int_equal(rig_append(rig, 0, room, NULL), 422);
    assert_string_equal(rig->answer.code, "box-invalid");
    assert_string_equal(rig_text(rig, "rule"), "E-BOX-MISSING");
    ubr_log_abort(rig->maker.log);
    rig_remove(rig, 0, 1);
    rig_epoch(rig, 0, UBR_CAUSE_MEMBER_REMOVED);
    json_t *entries = json_incref(rig->entries), *boxes = json_incref(rig->boxes);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
    assert_int_equal(get(rig, 1, ""), 404);
    /* the identical entries again, under any head */
    json_decref(rig->entries), json_decref(rig->boxes);
    rig->entries = entries, rig->boxes = boxes;
    assert_int_equal(rig_append(rig, 0, room, head), 200);
    assert_int_equal(json_integer_value(json_object_get(member_of(rig, "head"), "seq")), 5);
    check_same_log(rig);
}

static void refuses_what_the_log_refuses(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_found(rig, 1, false, room), 201);
    rig_add(rig, 0, 1, UBR_ROLE_READER);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
    struct ubr_entry entry = maker_draft(&rig->maker, UBR_ENTRY_ADD, 1, 0, 2);
    struct ubr_entry_body body;
    uint8_t sig[64];
    char text[2048], sig_text[128], head[80], path[128];
    entry.role = UBR_ROLE_READER;
    assert_int_equal(ubr_entry_write(&entry, &body), UBR_OK);
    ubr_entry_sign(&rig->maker.people[1].devices[0].sign, ubr_entry_body_bytes(&body), sig);
    ubr_base64_encode(ubr_entry_body_bytes(&body), text);
    ubr_base64_encode(ubr_bytes_of(sig, 64), sig_text);
    head[0] = '"';
    ubr_hex_encode(ubr_bytes_of(ubr_log_state(rig->maker.log)->head, 32), head + 1);
    strcat(head, "\"");
    snprintf(path, sizeof path, "/v1/rooms/%s/log", room);
    rig->if_match = head;
    assert_int_equal(
        rig_call(rig, 1, "POST", path,
                 json_pack("{s:[{s:s,s:s}]}", "entries", "body", text, "sig", sig_text)),
        422);
    assert_string_equal(rig->answer.code, "entry-invalid");
    assert_string_equal(rig_text(rig, "rule"), "E-ROLE");
    assert_int_equal(json_integer_value(member_of(rig, "seq")), 3);
    /* without If-Match */
    assert_int_equal(
        rig_call(rig, 1, "POST", path,
                 json_pack("{s:[{s:s,s:s}]}", "entries", "body", text, "sig", sig_text)),
        428);
}

static uint32_t count_changed(void *arg, const char *id, int64_t wait_ms)
{
    char *told = arg;
    assert_true(wait_ms <= 100);
    strcat(told, id);
    strcat(told, " ");
    return 2;
}

/* The holder of permission sets is told before the answer, and by then permissions() says the new.
 */
static void tells_before_it_answers(void **state)
{
    struct rig *rig = *state;
    char told[512] = "";
    struct ub_err err = UB_ERR_INIT;
    const struct ub_authz_ops *authz = rig_authz(rig);
    assert_int_equal(authz->watch(rig->memb.self, count_changed, told, &err), UB_OK);
    assert_int_equal(rig_found(rig, 1, false, room), 201);
    assert_non_null(strstr(told, rig_id(rig, 0)));
    told[0] = '\0';
    rig_add(rig, 0, 1, UBR_ROLE_WRITER);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
    assert_non_null(strstr(told, rig_id(rig, 1)));
    assert_null(strstr(told, rig_id(rig, 0)));
    json_t *applied = member_of(rig, "applied");
    assert_int_equal(json_integer_value(json_object_get(applied, "connections_changed")), 2);
    told[0] = '\0';
    rig_remove(rig, 0, 1);
    rig_epoch(rig, 0, UBR_CAUSE_MEMBER_REMOVED);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
    assert_ptr_equal(strstr(told, rig_id(rig, 1)), told); /* who lost something comes first */
    assert_non_null(strstr(told, rig_id(rig, 0)));        /* the guard has a new epoch */
    told[0] = '\0';
    char path[128];
    snprintf(path, sizeof path, "/v1/identities/%s", rig_id(rig, 2));
    rig->if_match = "\"3\"";
    assert_int_equal(rig_call(rig, 0, "DELETE", path, NULL), 200);
    assert_non_null(strstr(told, rig_id(rig, 2)));
    assert_int_equal(json_integer_value(member_of(rig, "connections_cut")), 2);
    authz->unwatch(rig->memb.self, count_changed, told);
    told[0] = '\0';
    rig_add(rig, 0, 3, UBR_ROLE_WRITER);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
    assert_string_equal(told, "");
}

static void limits_the_rate(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_found(rig, 1, false, room), 201);
    rig_add(rig, 0, 1, UBR_ROLE_WRITER);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
    for (int i = 0; i < 60; i++) {
        rig_epoch(rig, 1, UBR_CAUSE_MANUAL);
        assert_int_equal(rig_append(rig, 1, room, NULL), 200);
    }
    ubr_log_begin(rig->maker.log);
    rig_epoch(rig, 1, UBR_CAUSE_MANUAL);
    assert_int_equal(rig_append(rig, 1, room, NULL), 429);
    assert_string_equal(rig->answer.code, "rate-limited");
    ubr_log_abort(rig->maker.log);
    rig_epoch(rig, 0, UBR_CAUSE_MANUAL); /* admins are free */
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
}

static void keeps_plain_rooms_plain(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_found(rig, 1, true, room), 201);
    assert_int_equal(get(rig, 0, ""), 200);
    assert_string_equal(rig_text(rig, "mode"), "plain");
    rig_add(rig, 0, 1, UBR_ROLE_WRITER);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
    rig_remove(rig, 0, 1);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200); /* no epoch needed */
    ubr_log_begin(rig->maker.log);
    rig_epoch(rig, 0, UBR_CAUSE_FIRST);
    assert_int_equal(rig_append(rig, 0, room, NULL), 422);
    assert_string_equal(rig_text(rig, "rule"), "E-POLICY");
    ubr_log_abort(rig->maker.log);
    rig_restart(rig);
    assert_int_equal(get(rig, 0, ""), 200);
    assert_string_equal(rig_text(rig, "mode"), "plain");
}

static void refuses_auditors(void **state)
{
    struct rig *rig = *state;
    struct ubr_entry entry = maker_draft(&rig->maker, UBR_ENTRY_CREATE, 5, 0, 5);
    entry.suite = UBR_SUITE_1;
    rig_entry(rig, entry, 5);
    assert_int_equal(rig_call(rig, 5, "POST", "/v1/rooms",
                              json_pack("{s:O,s:s}", "entries", rig->entries, "mode", "plain")),
                     403);
}

static void loads_the_same_state(void **state)
{
    struct rig *rig = *state;
    char before[512], after[512];
    assert_int_equal(rig_found(rig, 2, false, room), 201);
    rig_add(rig, 0, 1, UBR_ROLE_ADMIN);
    rig_add(rig, 0, 2, UBR_ROLE_WRITER);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
    rig_remove(rig, 1, 2);
    rig_epoch(rig, 1, UBR_CAUSE_MEMBER_REMOVED);
    assert_int_equal(rig_append(rig, 1, room, NULL), 200);
    assert_int_equal(get(rig, 0, ""), 200);
    char *text = json_dumps(rig->answer.json, JSON_SORT_KEYS);
    snprintf(before, sizeof before, "%s %s", text, rig->answer.generation);
    free(text);
    rig_restart(rig);
    assert_int_equal(get(rig, 0, ""), 200);
    text = json_dumps(rig->answer.json, JSON_SORT_KEYS);
    snprintf(after, sizeof after, "%s %s", text, rig->answer.generation);
    free(text);
    assert_string_equal(before, after);
    check_same_log(rig);
    rig_add(rig, 1, 3, UBR_ROLE_READER); /* and goes on from there */
    assert_int_equal(rig_append(rig, 1, room, NULL), 200);
    check_same_log(rig);
}

/* Posting the first entries again answers with the present head, which is for members. */
static void tells_a_former_founder_nothing(void **state)
{
    struct rig *rig = *state;
    struct ubr_entry entry = maker_draft(&rig->maker, UBR_ENTRY_CREATE, 0, 0, 0);
    entry.suite = UBR_SUITE_1;
    rig_entry(rig, entry, 0);
    json_t *create = json_pack("{s:O,s:s}", "entries", rig->entries, "mode", "plain");
    assert_int_equal(rig_call(rig, 0, "POST", "/v1/rooms", json_incref(create)), 201);
    assert_int_equal(rig_call(rig, 0, "POST", "/v1/rooms", json_incref(create)), 200);
    snprintf(room, sizeof room, "%s", rig_text(rig, "id"));
    rig_clear(rig);
    rig_add(rig, 0, 1, UBR_ROLE_OWNER);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
    rig_remove(rig, 1, 0);
    assert_int_equal(rig_append(rig, 1, room, NULL), 200);
    assert_int_equal(rig_call(rig, 0, "POST", "/v1/rooms", create), 409);
    assert_null(member_of(rig, "head"));
}

/* An entry whose seq is near 2^64: seq + 1 wraps to a small number, and "is it in the log already?"
 * would look before the start of the log. */
static void refuses_wrapping_sequence_numbers(void **state)
{
    static const uint64_t seqs[] = {UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 4096, 1ULL << 53};
    struct rig *rig = *state;
    char path[128], text[UBR_ENTRY_BODY_MAX * 2], sig[128];
    uint8_t zeros[UBR_SIG_LEN] = {0};
    assert_int_equal(rig_found(rig, 1, false, room), 201);
    snprintf(path, sizeof path, "/v1/rooms/%s/log", room);
    ubr_base64_encode(ubr_bytes_of(zeros, sizeof zeros), sig);
    for (size_t i = 0; i < sizeof seqs / sizeof seqs[0]; i++) {
        struct ubr_entry entry = maker_draft(&rig->maker, UBR_ENTRY_ADD, 0, 0, 1);
        struct ubr_entry_body body;
        entry.role = UBR_ROLE_READER;
        assert_int_equal(ubr_entry_write(&entry, &body), UBR_OK);
        for (size_t at = 0; at < 8; at++) { /* the writer refuses to */
            body.buf[22 + at] = (uint8_t)(seqs[i] >> (56 - 8 * at));
        }
        ubr_base64_encode(ubr_entry_body_bytes(&body), text);
        json_t *entries = json_pack("[{s:s,s:s}]", "body", text, "sig", sig);
        rig->if_match = "\"x\"";
        assert_int_equal(rig_call(rig, 0, "POST", path, json_pack("{s:O}", "entries", entries)),
                         412);
        assert_int_equal(
            rig_call(rig, 0, "POST", "/v1/rooms", json_pack("{s:o}", "entries", entries)), 409);
        assert_string_equal(rig->answer.code, "exists");
    }
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(makes_a_room),
        CASE(needs_an_epoch_in_a_new_room),
        CASE(adds_and_removes),
        CASE(refuses_what_the_log_refuses),
        CASE(limits_the_rate),
        CASE(tells_before_it_answers),
        CASE(refuses_auditors),
        CASE(keeps_plain_rooms_plain),
        CASE(loads_the_same_state),
        CASE(refuses_wrapping_sequence_numbers),
        CASE(tells_a_former_founder_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
