/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings of TLS that do not fit together, files that cannot be used, and a reload: the next
 * handshake shows the new certificate, who is in stays, and a faulty file changes nothing. */
#include "test_nats_tls_rig.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS   20
#define MESSAGES 20000

static int set_up(void **state)
{
    struct tls_rig *tls = calloc(1, sizeof(*tls));
    tls_rig_init(tls);
    *state = tls;
    return 0;
}

static int tear_down(void **state)
{
    struct tls_rig *tls = *state;
    if (tls->rig.server != NULL) {
        rig_stop(&tls->rig);
    } else {
        ub_perms_unref(&tls->rig.authz.users[0].perms); /* of rig_init */
    }
    tls_rig_fini(tls);
    free(tls);
    return 0;
}

/* ---- faults -----------------------------------------------------------------------------------
 */

static void expect_fault(struct tls_rig *tls, const char *words)
{
    struct ub_err err = UB_ERR_INIT;
    void *self = NULL;
    struct ub_host *host = kit_host_new("nats");
    assert_int_equal(unibus_module_nats.ops->create(host, &tls->rig.settings, &self, &err),
                     UB_EINVAL);
    assert_string_equal(err.code, "E-NATS-TLS");
    if (strstr(err.message, words) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", words, err.message);
    }
    kit_host_free(&host);
}

static void settings_that_do_not_fit(void **state)
{
    struct tls_rig *tls = *state;
    struct nats_tls_settings *set = &tls->rig.settings.tls;
    const struct nats_tls_settings good = *set;
    set->mode = NATS_TLS_OFF;
    expect_fault(tls, "set tls.mode = \"auto\"");
    *set = good;
    set->cert = NULL;
    expect_fault(tls, "tls.mode needs tls.cert");
    *set = good;
    set->key = NULL;
    expect_fault(tls, "tls.key = secret");
    *set = good;
    set->mode = NATS_TLS_FIRST;
    set->plain = NATS_PLAIN_LOOPBACK;
    expect_fault(tls, "has no plain clients");
    *set = good;
    set->verify = NATS_VERIFY_REQUIRE;
    expect_fault(tls, "tls.verify needs tls.ca");
    *set = good;
    set->ca = tls->cert;
    expect_fault(tls, "set tls.verify = \"require\"");
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void files_that_cannot_be_used(void **state)
{
    struct tls_rig *tls = *state;
    char path[256];
    struct nats_tls_settings *set = &tls->rig.settings.tls;
    set->cert = certs_path(tls->dir, "nowhere", "crt", path);
    expect_fault(tls, "No such file");
    write_text(certs_path(tls->dir, "old", "crt", path), "-----BEGIN CERTIFICATE-----\nAAAA\n");
    set->cert = path;
    expect_fault(tls, "tls.cert: ");
    tls_rig_use(tls, "node");
    certs_path(tls->dir, "next", "crt", tls->cert);
    expect_fault(tls, "tls.key is not the key of tls.cert");
    tls_rig_use(tls, "node");
    tls_rig_verify(tls, NATS_VERIFY_REQUIRE);
    certs_path(tls->dir, "nowhere", "crt", tls->ca);
    expect_fault(tls, "tls.ca: ");
}

static void a_key_with_a_passphrase_is_refused(void **state)
{
    struct tls_rig *tls = *state;
    char path[256], locked[256], command[700];
    snprintf(command, sizeof(command), "openssl ec -in %s -out %s -aes128 -passout pass:word 2>&1",
             certs_path(tls->dir, "node", "key", path), certs_path(tls->dir, "old", "key", locked));
    assert_int_equal(system(command), 0);
    tls_rig_use(tls, "old");
    certs_path(tls->dir, "node", "crt", tls->cert);
    expect_fault(tls, "without a passphrase");
}

/* ---- reload -----------------------------------------------------------------------------------
 */

static enum ub_status reload(struct tls_rig *tls, struct ub_err *err)
{
    void *token = NULL;
    enum ub_status status =
        unibus_module_nats.ops->prepare(tls->rig.server, &tls->rig.settings, &token, err);
    if (status == UB_OK) {
        unibus_module_nats.ops->commit(tls->rig.server, token);
    }
    return status;
}

static void expect_shown(struct tls_rig *tls, const char *name)
{
    struct tls_client client;
    char cn[64];
    tls_login(tls, &client, "root");
    assert_string_equal(tls_server_cn(&client, cn), name);
    tls_close(&client);
}

static void the_next_handshake_shows_the_new_one(void **state)
{
    struct tls_rig *tls = *state;
    struct tls_client old;
    struct ub_err err = UB_ERR_INIT;
    char cn[64];
    rig_start(&tls->rig);
    tls_login(tls, &old, "root");
    tls_wait_log(tls, "certificate-in-force");
    kit_log_clear(tls->rig.host);
    assert_int_equal(reload(tls, &err), UB_OK); /* the same files: nothing to tell */
    assert_false(rig_log_has(&tls->rig, "certificate-in-force"));
    tls_rig_use(tls, "next");
    assert_int_equal(reload(tls, &err), UB_OK);
    tls_wait_log(tls, "certificate-in-force");
    expect_shown(tls, "next");
    tls_send(&old, "PING\r\n");
    tls_expect(&old, "PONG\r\n");
    assert_string_equal(tls_server_cn(&old, cn), "node");
    tls_close(&old);
}

static void a_faulty_file_changes_nothing(void **state)
{
    struct tls_rig *tls = *state;
    struct ub_err err = UB_ERR_INIT;
    char path[256];
    rig_start(&tls->rig);
    tls_rig_use(tls, "next");
    write_text(certs_path(tls->dir, "next", "crt", path), "half a certif");
    tls->rig.settings.ping_max = 7;
    assert_int_equal(reload(tls, &err), UB_EINVAL);
    assert_string_equal(err.code, "E-NATS-TLS");
    assert_non_null(strstr(err.message, path));
    assert_int_equal(tls->rig.server->live.ping_max, 2);
    expect_shown(tls, "node");
}

static void a_reload_that_is_taken_back_changes_nothing(void **state)
{
    struct tls_rig *tls = *state;
    struct ub_err err = UB_ERR_INIT;
    void *token = NULL;
    rig_start(&tls->rig);
    tls_rig_use(tls, "next");
    assert_int_equal(
        unibus_module_nats.ops->prepare(tls->rig.server, &tls->rig.settings, &token, &err), UB_OK);
    unibus_module_nats.ops->abort(tls->rig.server, token);
    expect_shown(tls, "node");
}

static void another_ca_is_in_force_at_once(void **state)
{
    struct tls_rig *tls = *state;
    struct ub_err err = UB_ERR_INIT;
    struct tls_client client;
    tls_rig_verify(tls, NATS_VERIFY_REQUIRE);
    rig_start(&tls->rig);
    certs_path(tls->dir, "other-ca", "crt", tls->ca);
    assert_int_equal(reload(tls, &err), UB_OK);
    tls_dial(tls, &client, "stranger");
    rig_expect(&client.raw, "} \r\n");
    assert_true(tls_handshake(&client));
    tls_connect(&client, "root");
    tls_close(&client);
}

struct traffic {
    struct tls_rig *tls;
    atomic_bool must_end;
};

static void *shakes_hands(void *arg)
{
    struct traffic *traffic = arg;
    while (!atomic_load(&traffic->must_end)) {
        struct tls_client client;
        tls_login(traffic->tls, &client, "root");
        tls_close(&client);
    }
    return NULL;
}

static void *publishes(void *arg)
{
    struct tls_client client;
    char message[64];
    tls_login(((struct traffic *)arg)->tls, &client, "root");
    for (int i = 0; i < MESSAGES; i++) {
        snprintf(message, sizeof(message), "PUB t 6\r\n%06d\r\n", i);
        tls_send(&client, message);
    }
    tls_send(&client, "PING\r\n");
    tls_expect(&client, "PONG\r\n");
    tls_close(&client);
    return NULL;
}

/* Certificates change while messages flow and clients come and go: none is lost or out of order. */
static void nobody_is_dropped_by_reloads(void **state)
{
    struct tls_rig *tls = *state;
    struct traffic traffic = {.tls = tls};
    struct tls_client reader;
    struct ub_err err = UB_ERR_INIT;
    pthread_t comers, publisher;
    char message[64];
    rig_start(&tls->rig);
    tls_login(tls, &reader, "root");
    tls_send(&reader, "SUB t 1\r\nPING\r\n");
    tls_expect(&reader, "PONG\r\n");
    pthread_create(&publisher, NULL, publishes, &traffic);
    pthread_create(&comers, NULL, shakes_hands, &traffic);
    for (int i = 0; i < MESSAGES; i++) {
        if (i % (MESSAGES / ROUNDS) == 0) {
            tls_rig_use(tls, i / (MESSAGES / ROUNDS) % 2 == 0 ? "next" : "node");
            assert_int_equal(reload(tls, &err), UB_OK);
        }
        snprintf(message, sizeof(message), "MSG t 1 6\r\n%06d\r\n", i);
        tls_expect(&reader, message);
    }
    assert_int_equal(reader.len, 0);
    atomic_store(&traffic.must_end, true);
    pthread_join(publisher, NULL);
    pthread_join(comers, NULL);
    tls_close(&reader);
}

/* ---- health -----------------------------------------------------------------------------------
 */

struct heard {
    char problem[64];
    int64_t days_left, handshakes, failures;
};

static void on_number(void *ctx, const char *name, int64_t value)
{
    struct heard *heard = ctx;
    heard->days_left = strcmp(name, "tls_days_left") == 0 ? value : heard->days_left;
    heard->handshakes = strcmp(name, "tls_handshakes") == 0 ? value : heard->handshakes;
    heard->failures = strcmp(name, "tls_failures") == 0 ? value : heard->failures;
}

static void on_problem(void *ctx, const char *code, const char *what, const char *fix)
{
    struct heard *heard = ctx;
    (void)fix;
    snprintf(heard->problem, sizeof(heard->problem), "%s: %s", code, what);
}

static void health_tells_of_the_certificate(void **state)
{
    struct tls_rig *tls = *state;
    struct ub_err err = UB_ERR_INIT;
    struct heard heard = {.days_left = -1};
    const struct ub_health_sink sink = {
        .size = sizeof(sink), .ctx = &heard, .number = on_number, .problem = on_problem};
    rig_start(&tls->rig);
    expect_shown(tls, "node");
    unibus_module_nats.ops->health(tls->rig.server, &sink);
    assert_string_equal(heard.problem, "");
    assert_in_range(heard.days_left, 28, 30);
    assert_int_equal(heard.handshakes, 1);
    assert_int_equal(heard.failures, 0);
    tls_rig_use(tls, "old");
    assert_int_equal(reload(tls, &err), UB_OK);
    unibus_module_nats.ops->health(tls->rig.server, &sink);
    assert_non_null(strstr(heard.problem, "E-NATS-CERT: "));
    assert_non_null(strstr(heard.problem, "expired"));
    tls_rig_use(tls, "early");
    assert_int_equal(reload(tls, &err), UB_OK);
    unibus_module_nats.ops->health(tls->rig.server, &sink);
    assert_non_null(strstr(heard.problem, "not valid yet"));
}

#define RELOAD_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RELOAD_TEST(settings_that_do_not_fit),
        RELOAD_TEST(files_that_cannot_be_used),
        RELOAD_TEST(a_key_with_a_passphrase_is_refused),
        RELOAD_TEST(the_next_handshake_shows_the_new_one),
        RELOAD_TEST(a_faulty_file_changes_nothing),
        RELOAD_TEST(a_reload_that_is_taken_back_changes_nothing),
        RELOAD_TEST(another_ca_is_in_force_at_once),
        RELOAD_TEST(nobody_is_dropped_by_reloads),
        RELOAD_TEST(health_tells_of_the_certificate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
