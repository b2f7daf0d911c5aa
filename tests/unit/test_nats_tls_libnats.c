/* SPDX-License-Identifier: Apache-2.0
 *
 * Debian's libnats over TLS: it upgrades after INFO, checks our certificate and shows its own. */
#include "test_nats_tls_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nats/nats.h>

#define MESSAGES 1000

static int set_up(void **state)
{
    struct tls_rig *tls = calloc(1, sizeof(*tls));
    tls_rig_init(tls);
    tls->rig.settings.tls.mode = NATS_TLS_AUTO;
    tls_rig_verify(tls, NATS_VERIFY_OPTIONAL);
    rig_start(&tls->rig);
    *state = tls;
    return 0;
}

static int tear_down(void **state)
{
    struct tls_rig *tls = *state;
    rig_stop(&tls->rig);
    tls_rig_fini(tls);
    free(tls);
    return 0;
}

/* A connection that trusts the CA `ca` and shows the certificate `cert` (NULL = none). */
static natsStatus dial(struct tls_rig *tls, const char *ca, const char *cert, natsConnection **out)
{
    natsOptions *options = NULL;
    char path[256], key[256];
    assert_int_equal(natsOptions_Create(&options), NATS_OK);
    natsOptions_SetURL(options, tls->rig.url); /* tls:// */
    natsOptions_SetUserInfo(options, "root", "pw");
    natsOptions_SetMaxReconnect(options, 0);
    natsOptions_SetTimeout(options, 5000);
    assert_int_equal(natsOptions_SetSecure(options, true), NATS_OK);
    assert_int_equal(
        natsOptions_LoadCATrustedCertificates(options, certs_path(tls->dir, ca, "crt", path)),
        NATS_OK);
    if (cert != NULL) {
        assert_int_equal(natsOptions_LoadCertificatesChain(options,
                                                           certs_path(tls->dir, cert, "crt", path),
                                                           certs_path(tls->dir, cert, "key", key)),
                         NATS_OK);
    }
    natsStatus status = natsConnection_Connect(out, options);
    natsOptions_Destroy(options);
    return status;
}

static void libnats_talks_tls(void **state)
{
    struct tls_rig *tls = *state;
    natsConnection *connection = NULL;
    natsSubscription *sub = NULL;
    char text[32];
    assert_memory_equal(tls->rig.url, "tls://", 6);
    assert_int_equal(dial(tls, "ca", "worker", &connection), NATS_OK);
    assert_string_equal(tls->rig.authz.cert_subject, TLS_WORKER_SUBJECT);
    assert_int_equal(natsConnection_SubscribeSync(&sub, connection, "t"), NATS_OK);
    for (int i = 0; i < MESSAGES; i++) {
        snprintf(text, sizeof(text), "%d", i);
        assert_int_equal(natsConnection_PublishString(connection, "t", text), NATS_OK);
    }
    for (int i = 0; i < MESSAGES; i++) {
        natsMsg *message = NULL;
        assert_int_equal(natsSubscription_NextMsg(&message, sub, 5000), NATS_OK);
        snprintf(text, sizeof(text), "%d", i);
        assert_string_equal(natsMsg_GetData(message), text);
        natsMsg_Destroy(message);
    }
    natsSubscription_Destroy(sub);
    natsConnection_Destroy(connection);
}

static void libnats_checks_us_and_we_check_it(void **state)
{
    struct tls_rig *tls = *state;
    natsConnection *connection = NULL;
    assert_int_not_equal(dial(tls, "other-ca", NULL, &connection), NATS_OK);
    assert_int_not_equal(dial(tls, "ca", "stranger", &connection), NATS_OK);
    tls_wait_log(tls, "tls-handshake");
    assert_int_equal(dial(tls, "ca", NULL, &connection), NATS_OK);
    natsConnection_Destroy(connection);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(libnats_talks_tls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(libnats_checks_us_and_we_check_it, set_up, tear_down),
    };
    /* No nats_Close: libnats 3.4 frees lists of OpenSSL that OpenSSL frees once more at the end. */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
