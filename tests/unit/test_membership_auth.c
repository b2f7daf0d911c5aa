/* SPDX-License-Identifier: Apache-2.0
 *
 * Signed requests: at most one effect for each, whatever happens in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/kit.h"
#include "test_membership_rig.h"
#include "ubr/text.h"

#define NOW_MS 1800000000000

static const uint8_t nonce[16] = "one nonce for it";

static int set_up(void **state)
{
    static const char *const sets[] = {"max_nonces_per_identity=20", NULL};
    struct rig *rig = calloc(1, sizeof *rig);
    struct ub_err err = UB_ERR_INIT;
    rig_init(rig, 4);
    kit_clock_set(rig->host, NOW_MS, 1000000000000);
    rig->memb_sets = sets;
    if (rig_start(rig, &err) != UB_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(rig_enlist(rig, 0, "operator"), 201);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    rig_fini(*state);
    free(*state);
    return 0;
}

static int enlist_signed(struct rig *rig, size_t person)
{
    return rig_call(rig, 0, "POST", "/v1/identities",
                    json_pack("{s:s,s:s,s:o}", "handle", rig->maker.people[person].handle, "role",
                              "member", "device", rig_record(rig, person, 0)));
}

static int is_refused(struct rig *rig, int status, const char *code)
{
    assert_int_equal(rig->answer.status, status);
    assert_string_equal(rig->answer.code, code);
    return 1;
}

static void checks_in_order(void **state)
{
    struct rig *rig = *state;
    char audience[80];
    rig->signing.audience = "00000000000000000000000000000000.11111111111111111111111111111111";
    rig_call(rig, 0, "GET", "/v1/rooms", NULL);
    is_refused(rig, 401, "wrong-cluster");
    assert_int_equal(rig_call(rig, RIG_ADMIN, "GET", "/v1/info", NULL), 200);
    assert_int_equal(strlen(rig_text(rig, "cluster_id")), 32);
    snprintf(audience, sizeof audience, "%s.%032d", rig_text(rig, "cluster_id"), 0);
    rig->signing.audience = audience;
    rig_call(rig, 0, "GET", "/v1/rooms", NULL);
    is_refused(rig, 401, "nonce-epoch");
    assert_int_equal(strlen(rig_text(rig, "nonce_epoch")), 32);
    static const int64_t wrong[] = {61, -61, 86400, -86400};
    for (size_t i = 0; i < 4; i++) {
        rig->signing.clock_off_s = wrong[i];
        rig->signing.is_bad = true; /* the clock comes first */
        rig_call(rig, 0, "GET", "/v1/rooms", NULL);
        is_refused(rig, 401, "clock-skew");
        assert_int_equal(json_integer_value(json_object_get(rig->answer.json, "skew_seconds")),
                         wrong[i]);
        assert_int_equal(json_integer_value(json_object_get(rig->answer.json, "server_time_ms")),
                         NOW_MS);
    }
    rig->signing.clock_off_s = -60;
    assert_int_equal(rig_call(rig, 0, "GET", "/v1/rooms", NULL), 200);
    rig->signing.clock_off_s = 60;
    assert_int_equal(rig_call(rig, 0, "GET", "/v1/rooms", NULL), 200);
    rig->signing.is_bad = true;
    rig_call(rig, 0, "GET", "/v1/rooms", NULL);
    is_refused(rig, 401, "unauthenticated");
    rig->signing.is_unknown_kid = true;
    rig_call(rig, 0, "GET", "/v1/rooms", NULL);
    is_refused(rig, 401, "unauthenticated");
    rig_call(rig, 1, "GET", "/v1/rooms", NULL); /* not on the allowlist */
    is_refused(rig, 401, "unauthenticated");
}

static void takes_a_request_once(void **state)
{
    struct rig *rig = *state;
    rig->signing.nonce = nonce;
    assert_int_equal(enlist_signed(rig, 1), 201);
    rig->signing.nonce = nonce;
    enlist_signed(rig, 2);
    is_refused(rig, 401, "nonce-replayed");
    rig_restart(rig);
    rig->signing.nonce = nonce;
    enlist_signed(rig, 2);
    is_refused(rig, 401, "nonce-replayed");
    assert_int_equal(enlist_signed(rig, 2), 201);
}

/* A request that was refused must not have its effect later. */
static void spends_the_nonce_of_a_refusal(void **state)
{
    struct rig *rig = *state;
    rig->signing.nonce = nonce;
    assert_int_equal(rig_call(rig, 0, "POST", "/v1/identities", json_pack("{s:i}", "x", 1)), 400);
    rig_restart(rig);
    rig->signing.nonce = nonce;
    enlist_signed(rig, 1);
    is_refused(rig, 401, "nonce-replayed");
}

static void knows_the_reads_of_this_run(void **state)
{
    struct rig *rig = *state;
    rig->signing.nonce = nonce;
    assert_int_equal(rig_call(rig, 0, "GET", "/v1/rooms", NULL), 200);
    rig->signing.nonce = nonce;
    rig_call(rig, 0, "GET", "/v1/rooms", NULL);
    is_refused(rig, 401, "nonce-replayed");
    kit_clock_advance(rig->host, 241000); /* forgotten, and dead by its own clock */
    rig->signing.nonce = nonce;
    assert_int_equal(rig_call(rig, 0, "GET", "/v1/rooms", NULL), 200);
}

static void limits_open_nonces(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(rig_call(rig, 0, "GET", "/v1/rooms", NULL), 200);
    }
    rig_call(rig, 0, "GET", "/v1/rooms", NULL);
    is_refused(rig, 429, "nonce-quota");
    kit_clock_advance(rig->host, 241000);
    assert_int_equal(rig_call(rig, 0, "GET", "/v1/rooms", NULL), 200);
}

static void old_audience(struct rig *rig, char out[80])
{
    assert_int_equal(rig_call(rig, RIG_ADMIN, "GET", "/v1/info", NULL), 200);
    snprintf(out, 80, "%s.%s", rig_text(rig, "cluster_id"), rig_text(rig, "nonce_epoch"));
}

/* The bucket's TTL took the nonces while the node was down: their epoch went with them. */
static void changes_the_epoch_when_nonces_are_lost(void **state)
{
    struct rig *rig = *state;
    struct ub_err err = UB_ERR_INIT;
    char audience[80];
    old_audience(rig, audience);
    rig->signing.nonce = nonce;
    assert_int_equal(enlist_signed(rig, 1), 201);
    rig_stop(rig);
    kit_clock_advance(rig->host, 301000);
    assert_int_equal(rig_start(rig, &err), UB_OK);
    rig->signing.nonce = nonce;
    rig->signing.audience = audience;
    enlist_signed(rig, 2);
    is_refused(rig, 401, "nonce-epoch");
    rig->signing.nonce = nonce; /* signed anew it is another request */
    assert_int_equal(enlist_signed(rig, 2), 201);
}

static bool has_run(void *arg)
{
    (void)arg;
    return false;
}

static void keeps_the_epoch_alive(void **state)
{
    struct rig *rig = *state;
    char audience[80], later[80];
    old_audience(rig, audience);
    for (int i = 0; i < 8; i++) {
        kit_clock_advance(rig->host, 60000);
        kit_fire_timers(rig->host);
        kit_run_until(rig->host, has_run, NULL, 100);
    }
    rig_restart(rig);
    old_audience(rig, later);
    assert_string_equal(audience, later);
}

static void write_epoch(struct rig *rig, const char *epoch)
{
    struct ub_err err = UB_ERR_INIT;
    struct ub_kv_bucket *bucket = NULL;
    const struct ub_kv_bucket_options options = {.size = sizeof options, .ttl_ms = 300000};
    assert_int_equal(rig->kv_ops.bucket_open(rig->kv.self, "nonces", &options, &bucket, &err),
                     UB_OK);
    struct ub_kv_write write = {bucket, UB_KV_PUT, {.count = 1}, {(const uint8_t *)epoch, 32}, 0};
    write.key.segments[0] = (struct ub_bytes){(const uint8_t *)"epoch", 5};
    assert_int_equal(rig->kv_ops.write(bucket, &write, NULL, &err), UB_OK);
    rig->kv_ops.bucket_close(rig->kv.self, &bucket);
}

/* Written again unchanged by somebody else: nothing happened. Changed: the request is dead. */
static void compares_the_epoch_in_the_store(void **state)
{
    struct rig *rig = *state;
    char audience[80];
    old_audience(rig, audience);
    write_epoch(rig, audience + 33);
    assert_int_equal(enlist_signed(rig, 1), 201);
    write_epoch(rig, "0123456789abcdef0123456789abcdef");
    enlist_signed(rig, 2);
    is_refused(rig, 401, "nonce-epoch");
    assert_string_equal(rig_text(rig, "nonce_epoch"), "0123456789abcdef0123456789abcdef");
    assert_int_equal(rig_call(rig, 0, "GET", "/v1/identities?handle=p2", NULL), 200);
    assert_int_equal(json_array_size(json_object_get(rig->answer.json, "items")), 0);
    assert_int_equal(enlist_signed(rig, 2), 201);
}

static enum ub_status no_get(struct ub_kv_bucket *bucket, const struct ub_kv_key *key,
                             enum ub_kv_read read, struct ub_kv_value *value_out,
                             struct ub_err *err)
{
    (void)bucket, (void)key, (void)read, (void)value_out, (void)err;
    return UB_EUNAVAILABLE;
}

static enum ub_status no_batch(void *self, const struct ub_kv_write *writes, size_t count,
                               int64_t *revisions_out, size_t *failed_out, struct ub_err *err)
{
    (void)self, (void)writes, (void)count, (void)revisions_out, (void)failed_out, (void)err;
    return UB_EUNAVAILABLE;
}

static void refuses_without_a_store(void **state)
{
    struct rig *rig = *state;
    const struct ub_kv_ops good = rig->kv_ops;
    rig->kv_ops.get = no_get;
    rig->signing.nonce = nonce;
    enlist_signed(rig, 1);
    is_refused(rig, 503, "store-away");
    assert_int_equal(rig_call(rig, 0, "GET", "/v1/rooms", NULL),
                     200); /* reads do not wait for it */
    rig->kv_ops = good;
    rig->kv_ops.batch = no_batch;
    rig->signing.nonce = nonce; /* was not used: may be tried again */
    enlist_signed(rig, 1);
    is_refused(rig, 503, "store-away");
    rig->kv_ops = good;
    assert_int_equal(rig_call(rig, 0, "GET", "/v1/identities?handle=p1", NULL), 200);
    assert_int_equal(json_array_size(json_object_get(rig->answer.json, "items")), 0);
    assert_int_equal(enlist_signed(rig, 1), 201);
    assert_string_equal(kit_failed(rig->host), "");
}

static void answers_again(void **state)
{
    struct rig *rig = *state;
    rig->idem_key = "k1";
    assert_int_equal(enlist_signed(rig, 1), 201);
    assert_false(rig->answer.is_replay);
    char id[33];
    snprintf(id, sizeof id, "%s", rig_text(rig, "id"));
    rig->idem_key = "k1";
    enlist_signed(rig, 2);
    is_refused(rig, 422, "idempotency-mismatch");
    rig_restart(rig);
    rig->idem_key = "k1";
    assert_int_equal(enlist_signed(rig, 1), 201);
    assert_true(rig->answer.is_replay);
    assert_string_equal(rig_text(rig, "id"), id);
    rig->idem_key = "k2"; /* a refusal is not stored */
    assert_int_equal(rig_call(rig, 0, "POST", "/v1/identities", json_pack("{s:i}", "x", 1)), 400);
    rig->idem_key = "k2";
    assert_int_equal(enlist_signed(rig, 2), 201);
    kit_clock_advance(rig->host, 25 * 3600 * 1000);
    kit_fire_timers(rig->host);
    kit_run_until(rig->host, has_run, NULL, 200);
    rig->idem_key = "k1"; /* forgotten after a day: an ordinary repeat */
    assert_int_equal(enlist_signed(rig, 1), 200);
    assert_false(rig->answer.is_replay);
}

static enum ub_verdict deny(void *self, const struct ub_principal *principal,
                            const struct ub_action *action, struct ub_reason *reason_out)
{
    const char *denied = self;
    (void)principal;
    if (strcmp(action->name, denied) != 0) {
        return UB_ABSTAIN;
    }
    snprintf(reason_out->decision, sizeof reason_out->decision, "d-7");
    snprintf(reason_out->text, sizeof reason_out->text, "not on Sundays");
    return UB_DENY;
}

static void asks_the_site_policy(void **state)
{
    static const struct ub_authz_ops policy = {.size = sizeof policy, .action = deny};
    struct rig *rig = *state;
    struct ub_err err = UB_ERR_INIT;
    char denied[] = "identity.create";
    rig_stop(rig);
    rig->policy = &policy;
    rig->policy_self = denied;
    assert_int_equal(rig_start(rig, &err), UB_OK);
    enlist_signed(rig, 1);
    is_refused(rig, 403, "forbidden");
    assert_string_equal(rig_text(rig, "decision"), "d-7");
    assert_int_equal(rig_call(rig, 0, "GET", "/v1/rooms", NULL), 200);
    assert_int_equal(rig_enlist(rig, 1, "member"), 201); /* the machine's owner repairs */
}

static json_t *decision_of(struct rig *rig)
{
    char *text = rig->host->decision->find_json(rig->host, rig_text(rig, "decision"));
    json_t *json = text != NULL ? json_loads(text, 0, NULL) : NULL;
    assert_non_null(json);
    rig->host->node->free_text(rig->host, text);
    return json;
}

static void assert_decision(struct rig *rig, const char *action, const char *provider,
                            const char *code, const char *text)
{
    json_t *json = decision_of(rig);
    const struct {
        const char *name, *value;
    } rows[] = {{"action", action}, {"provider", provider}, {"code", code}, {"text", text}};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(json_string_value(json_object_get(json, rows[i].name)), rows[i].value);
    }
    assert_true(json_is_false(json_object_get(json, "allowed")));
    json_decref(json);
}

static enum ub_verdict deny_in_silence(void *self, const struct ub_principal *principal,
                                       const struct ub_action *action, struct ub_reason *reason_out)
{
    (void)self, (void)principal, (void)reason_out;
    return strcmp(action->name, "room.list") == 0 ? UB_DENY : UB_ABSTAIN;
}

/* Every 403 has an id, whoever refused: a rule of ours, a module without a word. */
static void refusals_are_decisions(void **state)
{
    static const struct ub_authz_ops policy = {.size = sizeof policy, .action = deny_in_silence};
    struct rig *rig = *state;
    struct ub_err err = UB_ERR_INIT;
    rig_stop(rig);
    rig->policy = &policy;
    assert_int_equal(rig_start(rig, &err), UB_OK);
    assert_int_equal(rig_enlist(rig, 1, "member"), 201);
    rig_call(rig, 1, "POST", "/v1/identities",
             json_pack("{s:s,s:s,s:o}", "handle", rig->maker.people[2].handle, "role", "member",
                       "device", rig_record(rig, 2, 0)));
    is_refused(rig, 403, "forbidden");
    assert_decision(rig, "identity.create", "membership", "role",
                    "only for an admin (for admins and operators: an operator)");
    rig_call(rig, 1, "GET", "/v1/rooms", NULL);
    is_refused(rig, 403, "forbidden");
    assert_decision(rig, "room.list", "rig", "", "module \"rig\" denies it");
}

static void waits_for_a_generation(void **state)
{
    struct rig *rig = *state;
    char path[64];
    assert_int_equal(rig_call(rig, 0, "GET", "/v1/rooms", NULL), 200);
    long long now = atoll(rig->answer.generation);
    snprintf(path, sizeof path, "/v1/rooms?min_generation=%lld", now);
    assert_int_equal(rig_call(rig, 0, "GET", path, NULL), 200);
    snprintf(path, sizeof path, "/v1/rooms?min_generation=%lld", now + 1);
    rig_call(rig, 0, "GET", path, NULL);
    is_refused(rig, 503, "behind");
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(checks_in_order),
        CASE(takes_a_request_once),
        CASE(spends_the_nonce_of_a_refusal),
        CASE(knows_the_reads_of_this_run),
        CASE(limits_open_nonces),
        CASE(changes_the_epoch_when_nonces_are_lost),
        CASE(keeps_the_epoch_alive),
        CASE(compares_the_epoch_in_the_store),
        CASE(refuses_without_a_store),
        CASE(answers_again),
        CASE(asks_the_site_policy),
        CASE(refusals_are_decisions),
        CASE(waits_for_a_generation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
