/* SPDX-License-Identifier: Apache-2.0
 *
 * Many at once: authentication, permission sets and appends from several threads, for TSan, and for
 * the one thing that must hold: an append takes effect once. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "core/kit.h"
#include "modules/membership/call.h"
#include "modules/membership/chores.h"
#include "test_membership_rig.h"
#include "ubr/nkey.h"
#include "ubr/text.h"

#define THREADS 4
#define ROUNDS  20

static char room[33];
static _Thread_local int answered; /* status */
static _Thread_local const char *if_match;

static void count_reply(const struct ub_http_request *request, int status,
                        const struct ub_http_header *headers, struct ub_bytes body)
{
    (void)request, (void)headers, (void)body;
    answered = status;
}

static void count_problem(const struct ub_http_request *request, enum ub_problem problem,
                          const char *members, const char *detail)
{
    (void)request, (void)members, (void)detail;
    answered = -(int)problem;
}

static const char *give_header(const struct ub_http_request *request, const char *name)
{
    (void)request;
    return strcmp(name, "if-match") == 0 ? if_match : NULL;
}

static const struct ub_httpd_ops quiet_httpd = {.size = sizeof quiet_httpd,
                                                .header = give_header,
                                                .reply = count_reply,
                                                .problem = count_problem};

struct worker {
    struct rig *rig;
    size_t number;
    char audience[80], path[128];
    json_t *bodies[ROUNDS];
    char heads[ROUNDS][80];
    atomic_int *wins;
    pthread_barrier_t *barrier;
};

static const struct ub_http_route *route_of(const struct rig *rig, const char *method,
                                            const char *pattern)
{
    for (size_t i = 0; i < rig->routes_len; i++) {
        if (strcmp(rig->routes[i].method, method) == 0 &&
            strcmp(rig->routes[i].pattern, pattern) == 0) {
            return &rig->routes[i];
        }
    }
    return NULL;
}

/* One signed request, on any thread. */
static int call(struct worker *worker, size_t person, const char *method, const char *pattern,
                const char *body)
{
    struct rig *rig = worker->rig;
    const struct maker_device *device = &rig->maker.people[person].devices[0];
    const struct ub_http_route *route = route_of(rig, method, pattern);
    struct ub_http_answer answer = {.size = sizeof answer};
    struct ub_http_request request = {.size = sizeof request,
                                      .method = method,
                                      .raw_path = worker->path,
                                      .raw_query = "",
                                      .params = {room},
                                      .param_count = 1,
                                      .body = {(const uint8_t *)body, strlen(body)},
                                      .address = "127.0.0.1"};
    struct ub_http_signed signed_request = {.size = sizeof signed_request,
                                            .method = method,
                                            .audience = worker->audience,
                                            .is_safe = strcmp(method, "GET") == 0,
                                            .base = {(const uint8_t *)"base", 4}};
    signed_request.created_s = rig->host->clock->now_ms(rig->host) / 1000;
    signed_request.expires_s = signed_request.created_s + 60;
    memcpy(signed_request.kid, device->kid, 16);
    randombytes_buf(signed_request.nonce, 16);
    crypto_sign_detached(signed_request.signature, NULL, (const uint8_t *)"base", 4,
                         device->sign.sk);
    enum ub_problem problem = rig->auth->authenticate(rig->auth_arg, &signed_request,
                                                      &request.principal, &request.ticket, &answer);
    if (problem != UB_P_NONE) {
        return -(int)problem;
    }
    route->handler(route->arg, &request);
    rig->auth->finish(rig->auth_arg, &request.ticket);
    return answered;
}

static void look_around(struct worker *worker, size_t person)
{
    struct rig *rig = worker->rig;
    const struct maker_device *device = &rig->maker.people[person].devices[0];
    char nkey[UBR_NKEY_LEN + 1];
    uint8_t sig[64];
    struct ub_principal principal;
    struct ub_reason reason = {.size = sizeof reason};
    const struct ub_perms *perms = NULL;
    ubr_nkey_encode(device->nats.pk, nkey);
    crypto_sign_detached(sig, NULL, (const uint8_t *)"n", 1, device->nats.sk);
    struct ub_cred cred = {.size = sizeof cred,
                           .nkey = nkey,
                           .signature = {sig, 64},
                           .nonce = {(const uint8_t *)"n", 1}};
    if (rig_authz(rig)->connect(rig->memb.self, &cred, &principal, &perms, &reason) == UB_ALLOW) {
        ub_perms_unref(&perms);
        perms = rig_authz(rig)->permissions(rig->memb.self, &principal);
        ub_perms_unref(&perms);
    }
    call(worker, person, "GET", "/v1/rooms/{room}", "");
    call(worker, person, "GET", "/v1/rooms", "");
}

/* All threads at once with the next append, then each for itself. */
static void *work(void *arg)
{
    struct worker *worker = arg;
    for (int i = 0; i < ROUNDS; i++) {
        char *text = json_dumps(worker->bodies[i], JSON_COMPACT);
        if_match = worker->heads[i];
        pthread_barrier_wait(worker->barrier);
        if (call(worker, 0, "POST", "/v1/rooms/{room}/log", text) == 200) {
            atomic_fetch_add(&worker->wins[i], 1);
        }
        free(text);
        pthread_barrier_wait(worker->barrier);
        look_around(worker, worker->number % 2);
        if (worker->number == 0) {
            memb_chores_run(worker->rig->memb.self);
        }
    }
    return NULL;
}

static uint32_t on_changed(void *arg, const char *id, int64_t wait_ms)
{
    (void)id, (void)wait_ms;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 1;
}

/* Signatures are deterministic, so all threads bring the identical append for each head: one lands,
 * for the others it is a repeat, and the effect is told once. */
static void prepare(struct rig *rig, struct worker *workers)
{
    for (int i = 0; i < ROUNDS; i++) {
        char hex[65];
        ubr_hex_encode(ubr_bytes_of(ubr_log_state(rig->maker.log)->head, 32), hex);
        for (size_t t = 0; t < THREADS; t++) {
            snprintf(workers[t].heads[i], sizeof workers[t].heads[i], "\"%s\"", hex);
        }
        rig_epoch(rig, 0, UBR_CAUSE_MANUAL);
        json_t *body = json_pack("{s:O,s:O}", "entries", rig->entries, "boxes", rig->boxes);
        for (size_t t = 0; t < THREADS; t++) {
            workers[t].bodies[i] = json_deep_copy(body);
        }
        json_decref(body);
        rig_clear(rig);
    }
}

static void has_one_effect(void **state)
{
    (void)state;
    struct rig rig;
    struct ub_err err = UB_ERR_INIT;
    struct worker workers[THREADS] = {0};
    pthread_t threads[THREADS];
    pthread_barrier_t barrier;
    atomic_int wins[ROUNDS] = {0}, told = 0;
    rig_init(&rig, 2);
    assert_int_equal(rig_start(&rig, &err), UB_OK);
    assert_int_equal(rig_enlist(&rig, 0, "operator"), 201);
    assert_int_equal(rig_enlist(&rig, 1, "member"), 201);
    assert_int_equal(rig_found(&rig, 1, false, room), 201);
    rig_add(&rig, 0, 1, UBR_ROLE_WRITER);
    assert_int_equal(rig_append(&rig, 0, room, NULL), 200);
    assert_int_equal(rig_authz(&rig)->watch(rig.memb.self, on_changed, &told, &err), UB_OK);
    assert_int_equal(rig_call(&rig, RIG_ADMIN, "GET", "/v1/info", NULL), 200);
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (size_t t = 0; t < THREADS; t++) {
        workers[t].rig = &rig;
        workers[t].number = t;
        workers[t].wins = wins;
        workers[t].barrier = &barrier;
        snprintf(workers[t].path, sizeof workers[t].path, "/v1/rooms/%s", room);
        snprintf(workers[t].audience, sizeof workers[t].audience, "%s.%s",
                 rig_text(&rig, "cluster_id"), rig_text(&rig, "nonce_epoch"));
    }
    prepare(&rig, workers);
    ((struct memb *)rig.memb.self)->httpd = &quiet_httpd; /* no thread runs yet */
    for (size_t t = 0; t < THREADS; t++) {
        assert_int_equal(pthread_create(&threads[t], NULL, work, &workers[t]), 0);
    }
    for (size_t t = 0; t < THREADS; t++) {
        pthread_join(threads[t], NULL);
    }
    for (int i = 0; i < ROUNDS; i++) {
        assert_true(wins[i] == THREADS); /* one append and repeats of it */
        for (size_t t = 0; t < THREADS; t++) {
            json_decref(workers[t].bodies[i]);
        }
    }
    assert_int_equal(atomic_load(&told), ROUNDS * 2); /* each epoch once, to both members */
    rig_authz(&rig)->unwatch(rig.memb.self, on_changed, &told);
    pthread_barrier_destroy(&barrier);
    assert_string_equal(kit_failed(rig.host), "");
    rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(has_one_effect)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
