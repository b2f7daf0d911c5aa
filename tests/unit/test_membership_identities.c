/* SPDX-License-Identifier: Apache-2.0
 *
 * The allowlist: who may be on it, with which keys, and what happens when somebody goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test_membership_rig.h"

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct ub_err err = UB_ERR_INIT;
    rig_init(rig, 4);
    if (rig_start(rig, &err) != UB_OK) {
        fail_msg("%s", err.message);
    }
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    rig_fini(*state);
    free(*state);
    return 0;
}

static void creates_and_shows(void **state)
{
    struct rig *rig = *state;
    char path[128];
    assert_int_equal(rig_enlist(rig, 0, "operator"), 201);
    assert_string_equal(rig_text(rig, "id"), rig_id(rig, 0));
    assert_string_equal(rig_text(rig, "handle"), "p0");
    snprintf(path, sizeof path, "/v1/identities/%s", rig_id(rig, 0));
    assert_string_equal(rig->answer.location, path);
    assert_int_equal(rig_call(rig, 0, "GET", path, NULL), 200);
    assert_string_equal(rig_text(rig, "role"), "operator");
    assert_int_equal(json_array_size(json_object_get(rig->answer.json, "devices")), 1);
    assert_true(rig->answer.etag[0] == '"');
    assert_true(atoll(rig->answer.generation) > 0);
    assert_int_equal(rig_call(rig, 0, "GET", "/v1/identities?handle=p0", NULL), 200);
    assert_int_equal(json_array_size(json_object_get(rig->answer.json, "items")), 1);
    assert_int_equal(rig_call(rig, 0, "GET", "/v1/identities?handle=nobody", NULL), 200);
    assert_int_equal(json_array_size(json_object_get(rig->answer.json, "items")), 0);
}

static void repeats_and_duplicates(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_enlist(rig, 0, "operator"), 201);
    assert_int_equal(rig_enlist(rig, 0, "operator"), 200); /* the same again */
    assert_int_equal(rig_enlist(rig, 0, "member"), 409);   /* the account, as something else */
    assert_string_equal(rig->answer.code, "exists");
    strcpy(rig->maker.people[1].handle, "p0");
    assert_int_equal(rig_enlist(rig, 1, "member"), 409);
    assert_string_equal(rig->answer.code, "handle-taken");
    strcpy(rig->maker.people[1].handle, "../x");
    assert_int_equal(rig_enlist(rig, 1, "member"), 400);
}

static void refuses_odd_bodies(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *body, *code, *pointer;
    } cases[] = {
        {"{\"handle\":\"a\",\"role\":\"member\",\"device\":{},\"x\":1}", "unknown-field", "/x"},
        {"{\"handle\":\"a\",\"role\":\"member\",\"role\":\"admin\",\"device\":{}}", "unknown-field",
         ""},
        {"{\"handle\":\"a\",\"role\":\"member\"}", "bad-request", "/device"},
        {"{\"handle\":\"a\",\"role\":\"member\",\"device\":{}}", "bad-request", "/device/body"},
        {"{\"handle\":\"a\",\"role\":\"member\",\"device\":{\"body\":\"A=\",\"sig\":\"\"}}",
         "bad-request", "/device/body"},
        {"{\"handle\":1,\"role\":\"member\",\"device\":{}}", "bad-request", "/handle"},
        {"[[[[[[[[[[[[[]]]]]]]]]]]]]", "bad-request", ""},
        {"{\"handle\":\"\\ud800\"}", "bad-request", ""},
        {"{\"handle\":", "bad-request", ""},
        {"", "bad-request", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int status = rig_call_bytes(rig, RIG_ADMIN, "POST", "/v1/identities", cases[i].body,
                                    strlen(cases[i].body));
        assert_int_equal(status, 400);
        assert_string_equal(rig->answer.code, cases[i].code);
        json_t *fault = json_array_get(json_object_get(rig->answer.json, "errors"), 0);
        assert_string_equal(json_string_value(json_object_get(fault, "pointer")), cases[i].pointer);
    }
}

/* 4.7: a record of person 1 made of person 0's device key. */
static void claims_keys_for_ever(void **state)
{
    struct rig *rig = *state;
    struct maker *maker = &rig->maker;
    assert_int_equal(rig_enlist(rig, 0, "operator"), 201);
    struct maker_person *mallory = &maker->people[1];
    struct maker_device *device = &mallory->devices[0];
    struct maker_record *record = &maker->records[1];
    struct ubr_device_body body;
    assert_int_equal(ubr_device_parse(ubr_bytes_of(record->body, sizeof record->body), &body),
                     UBR_OK);
    memcpy(body.sign_pk, maker->people[0].devices[0].sign.pk, 32);
    ubr_device_write(&body, record->body);
    ubr_device_sign(&mallory->account, record->body, record->sig);
    ubr_device_prove(&maker->people[0].devices[0].sign, &device->nats, record->body, record->pop,
                     record->nats_pop);
    assert_int_equal(rig_enlist(rig, 1, "member"), 422);
    assert_string_equal(rig->answer.code, "record-invalid");
    assert_string_equal(rig_text(rig, "rule"), "E-KID-CLAIMED");
    /* a NATS key of another */
    memcpy(body.sign_pk, device->sign.pk, 32);
    memcpy(body.nats_pk, maker->people[0].devices[0].nats.pk, 32);
    ubr_device_write(&body, record->body);
    ubr_device_sign(&mallory->account, record->body, record->sig);
    ubr_device_prove(&device->sign, &maker->people[0].devices[0].nats, record->body, record->pop,
                     record->nats_pop);
    assert_int_equal(rig_enlist(rig, 1, "member"), 422);
    assert_string_equal(rig_text(rig, "rule"), "E-KEY-REUSE");
    /* the sign key of another as NATS key */
    memcpy(body.nats_pk, maker->people[0].devices[0].sign.pk, 32);
    ubr_device_write(&body, record->body);
    ubr_device_sign(&mallory->account, record->body, record->sig);
    ubr_device_prove(&device->sign, &maker->people[0].devices[0].sign, record->body, record->pop,
                     record->nats_pop);
    assert_int_equal(rig_enlist(rig, 1, "member"), 422);
    assert_string_equal(rig_text(rig, "rule"), "E-KEY-REUSE");
    /* a bad proof */
    record->pop[3] ^= 1;
    assert_int_equal(rig_enlist(rig, 1, "member"), 422);
    assert_string_equal(rig_text(rig, "rule"), "E-POP");
}

static int post_device(struct rig *rig, size_t who, size_t person, uint32_t seq, const char *head)
{
    char path[128], etag[80];
    snprintf(path, sizeof path, "/v1/identities/%s/devices", rig_id(rig, person));
    snprintf(etag, sizeof etag, "\"%s\"", head != NULL ? head : "");
    rig->if_match = head != NULL ? etag : NULL;
    return rig_call(rig, who, "POST", path, rig_record(rig, person, seq));
}

static void continues_chains(void **state)
{
    struct rig *rig = *state;
    char path[128], head[65];
    assert_int_equal(rig_enlist(rig, 0, "operator"), 201);
    assert_int_equal(rig_enlist(rig, 1, "member"), 201);
    assert_int_equal(rig_enlist(rig, 2, "member"), 201);
    maker_add_device(&rig->maker, 1);
    snprintf(path, sizeof path, "/v1/identities/%s/devices", rig_id(rig, 1));
    assert_int_equal(rig_call(rig, 1, "GET", path, NULL), 200);
    snprintf(head, sizeof head, "%s", rig_text(rig, "head"));
    assert_int_equal(post_device(rig, 1, 1, 1, NULL), 428);
    assert_int_equal(post_device(rig, 1, 1, 1, "00"), 412);
    assert_string_equal(rig->answer.code, "head-conflict");
    assert_int_equal(post_device(rig, 2, 1, 1, head), 403); /* not his */
    assert_int_equal(post_device(rig, 1, 1, 1, head), 201);
    assert_int_equal(json_integer_value(json_object_get(rig->answer.json, "seq")), 1);
    assert_int_equal(post_device(rig, 1, 1, 1, head), 200); /* the same again */
    /* another second record: a fork */
    struct maker_person *person = &rig->maker.people[1];
    snprintf(head, sizeof head, "%s", rig_text(rig, "head"));
    person->chain.records_len = 1;
    person->chain.devices_len = 1;
    person->chain.live_len = 1;
    maker_rotate_box(&rig->maker, 1, 0);
    assert_int_equal(post_device(rig, 1, 1, 1, head), 422);
    assert_string_equal(rig_text(rig, "rule"), "E-DEVICE-FORK");
}

static void patches_with_care(void **state)
{
    struct rig *rig = *state;
    char path[128], etag[128];
    assert_int_equal(rig_enlist(rig, 0, "operator"), 201);
    assert_int_equal(rig_enlist(rig, 1, "admin"), 201);
    assert_int_equal(rig_enlist(rig, 2, "member"), 201);
    snprintf(etag, sizeof etag, "%s", rig->answer.etag);
    snprintf(path, sizeof path, "/v1/identities/%s", rig_id(rig, 2));
    assert_int_equal(rig_call(rig, 1, "PATCH", path, json_pack("{s:s}", "note", "x")), 428);
    rig->if_match = "\"999\"";
    assert_int_equal(rig_call(rig, 1, "PATCH", path, json_pack("{s:s}", "note", "x")), 412);
    rig->if_match = etag;
    assert_int_equal(rig_call(rig, 2, "PATCH", path, json_pack("{s:s}", "note", "x")), 403);
    rig->if_match = etag;
    assert_int_equal(rig_call(rig, 1, "PATCH", path, json_pack("{s:s}", "role", "admin")), 403);
    rig->if_match = etag;
    assert_int_equal(rig_call(rig, 1, "PATCH", path, json_pack("{s:b}", "disabled", 1)), 200);
    assert_true(json_is_true(json_object_get(rig->answer.json, "disabled")));
    assert_int_equal(rig_call(rig, 2, "GET", path, NULL), 401); /* disabled: cannot sign */
    assert_string_equal(rig->answer.code, "unauthenticated");
}

static void keeps_an_admin(void **state)
{
    struct rig *rig = *state;
    char path[128];
    assert_int_equal(rig_enlist(rig, 0, "admin"), 201);
    assert_int_equal(rig_enlist(rig, 1, "member"), 201);
    snprintf(path, sizeof path, "/v1/identities/%s", rig_id(rig, 0));
    rig->if_match = "\"1\"";
    assert_int_equal(rig_call(rig, RIG_ADMIN, "PATCH", path, json_pack("{s:s}", "role", "member")),
                     409);
    assert_string_equal(rig->answer.code, "last-admin");
    rig->if_match = "\"1\"";
    assert_int_equal(rig_call(rig, RIG_ADMIN, "DELETE", path, NULL), 409);
    assert_int_equal(rig_enlist(rig, 2, "operator"), 201);
    rig->if_match = "\"1\"";
    assert_int_equal(rig_call(rig, RIG_ADMIN, "DELETE", path, NULL), 200);
    assert_true(
        json_is_true(json_object_get(json_object_get(rig->answer.json, "identity"), "removed")));
    assert_int_equal(rig_call(rig, 0, "GET", path, NULL), 401);
    /* its keys are claimed for ever; its handle is free for a new account */
    assert_int_equal(rig_enlist(rig, 0, "member"), 409);
    strcpy(rig->maker.people[3].handle, "p0");
    assert_int_equal(rig_enlist(rig, 3, "member"), 201);
}

static void survives_a_restart(void **state)
{
    struct rig *rig = *state;
    char path[128];
    assert_int_equal(rig_enlist(rig, 0, "operator"), 201);
    assert_int_equal(rig_enlist(rig, 1, "member"), 201);
    snprintf(path, sizeof path, "/v1/identities/%s", rig_id(rig, 1));
    rig->if_match = "\"2\"";
    assert_int_equal(rig_call(rig, 0, "PATCH", path, json_pack("{s:s}", "note", "hello")), 200);
    rig_restart(rig);
    assert_int_equal(rig_call(rig, 1, "GET", path, NULL), 200);
    assert_string_equal(rig_text(rig, "note"), "hello");
    assert_string_equal(rig->answer.etag, "\"3\"");
    assert_int_equal(rig_call(rig, 1, "GET", "/v1/identities?limit=1", NULL), 200);
    assert_string_equal(rig_text(rig, "next"), "1");
    assert_int_equal(rig_call(rig, 1, "GET", "/v1/identities?limit=1&cursor=1", NULL), 200);
    assert_true(json_is_null(json_object_get(rig->answer.json, "next")));
    assert_int_equal(rig_call(rig, 1, "GET", "/v1/identities?limit=501", NULL), 400);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(creates_and_shows),    CASE(repeats_and_duplicates), CASE(refuses_odd_bodies),
        CASE(claims_keys_for_ever), CASE(continues_chains),       CASE(patches_with_care),
        CASE(keeps_an_admin),       CASE(survives_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
