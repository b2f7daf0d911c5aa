/* SPDX-License-Identifier: Apache-2.0 */
#include "test_nats_tls_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include <core/secret.h>

/* ---- certificates -----------------------------------------------------------------------------
 */

static const struct cert_wish wishes[] = {
    {.name = "ca", .subject = {"CN", "Test CA"}},
    {.name = "other-ca", .subject = {"CN", "Other CA"}},
    {.name = "node", .issuer = "ca", .subject = {"CN", "node"}},
    {.name = "next", .issuer = "ca", .subject = {"CN", "next"}},
    {.name = "worker",
     .issuer = "ca",
     .subject = {"O", "Plant", "OU", "P\xc3\xbcmpen", "CN", "worker, the first"}},
    {.name = "old",
     .issuer = "ca",
     .subject = {"CN", "old"},
     .from_s = -2 * CERTS_DAY,
     .until_s = -CERTS_DAY},
    {.name = "early",
     .issuer = "ca",
     .subject = {"CN", "early"},
     .from_s = CERTS_DAY,
     .until_s = 2 * CERTS_DAY},
    {.name = "stranger", .issuer = "other-ca", .subject = {"CN", "stranger"}},
};

void tls_rig_use(struct tls_rig *tls, const char *name)
{
    char path[256];
    struct ub_err err = UB_ERR_INIT;
    secret_free(&tls->key);
    certs_path(tls->dir, name, "crt", tls->cert);
    if (secret_read(certs_path(tls->dir, name, "key", path), &tls->key, &err) != UB_OK) {
        fail_msg("%s", err.message);
    }
    tls->rig.settings.tls.cert = tls->cert;
    tls->rig.settings.tls.key = tls->key;
}

void tls_rig_verify(struct tls_rig *tls, int verify)
{
    tls->rig.settings.tls.verify = verify;
    tls->rig.settings.tls.ca = certs_path(tls->dir, "ca", "crt", tls->ca);
}

void tls_rig_init(struct tls_rig *tls)
{
    memset(tls, 0, sizeof(*tls));
    rig_init(&tls->rig);
    snprintf(tls->dir, sizeof(tls->dir), "/tmp/nats-tls-XXXXXX");
    assert_non_null(mkdtemp(tls->dir));
    for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
        certs_make(tls->dir, &wishes[i]);
    }
    tls->rig.settings.tls =
        (struct nats_tls_settings){.mode = NATS_TLS_UPGRADE, .timeout = 20000, .wait = 50};
    tls_rig_use(tls, "node");
}

void tls_rig_fini(struct tls_rig *tls)
{
    char path[256];
    for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
        unlink(certs_path(tls->dir, wishes[i].name, "crt", path));
        unlink(certs_path(tls->dir, wishes[i].name, "key", path));
    }
    rmdir(tls->dir);
    secret_free(&tls->key);
}

void tls_wait_log(struct tls_rig *tls, const char *text)
{
    for (int i = 0; i < 1000 && !rig_log_has(&tls->rig, text); i++) {
        usleep(5000);
    }
    if (!rig_log_has(&tls->rig, text)) {
        fail_msg("\"%s\" is not in the log:\n%s", text, kit_log(tls->rig.host));
    }
}

/* ---- clients ----------------------------------------------------------------------------------
 */

void tls_dial(struct tls_rig *tls, struct tls_client *client, const char *cert)
{
    char path[256];
    struct timeval wait = {10, 0};
    memset(client, 0, sizeof(*client));
    rig_dial(&tls->rig, &client->raw);
    setsockopt(client->raw.fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    setsockopt(client->raw.fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    client->ctx = SSL_CTX_new(TLS_client_method());
    assert_non_null(client->ctx);
    SSL_CTX_set_verify(client->ctx, SSL_VERIFY_PEER, NULL);
    assert_int_equal(SSL_CTX_load_verify_file(client->ctx, certs_path(tls->dir, "ca", "crt", path)),
                     1);
    if (cert != NULL) {
        certs_path(tls->dir, cert, "crt", path);
        assert_int_equal(SSL_CTX_use_certificate_file(client->ctx, path, SSL_FILETYPE_PEM), 1);
        certs_path(tls->dir, cert, "key", path);
        assert_int_equal(SSL_CTX_use_PrivateKey_file(client->ctx, path, SSL_FILETYPE_PEM), 1);
    }
    client->ssl = SSL_new(client->ctx);
    SSL_set_fd(client->ssl, client->raw.fd);
}

bool tls_handshake(struct tls_client *client)
{
    ERR_clear_error();
    return SSL_connect(client->ssl) == 1 && SSL_get_verify_result(client->ssl) == X509_V_OK;
}

bool tls_more(struct tls_client *client)
{
    if (client->room - client->len < 65536) {
        client->room = client->len + 131072;
        client->bytes = realloc(client->bytes, client->room);
        assert_non_null(client->bytes);
    }
    ERR_clear_error();
    int got = SSL_read(client->ssl, client->bytes + client->len, 65535);
    if (got > 0) {
        client->len += (size_t)got;
    }
    client->bytes[client->len] = '\0';
    return got > 0;
}

void tls_expect(struct tls_client *client, const char *text)
{
    while (true) {
        char *at = client->len == 0 ? NULL : memmem(client->bytes, client->len, text, strlen(text));
        if (at != NULL) {
            size_t end = (size_t)(at - client->bytes) + strlen(text);
            memmove(client->bytes, client->bytes + end, client->len - end + 1);
            client->len -= end;
            return;
        }
        if (!tls_more(client)) {
            fail_msg("expected \"%s\", got \"%.500s\" and the end", text, client->bytes);
        }
    }
}

void tls_send_bytes(struct tls_client *client, const void *bytes, size_t len)
{
    ERR_clear_error();
    assert_int_equal(SSL_write(client->ssl, bytes, (int)len), (int)len);
}

void tls_send(struct tls_client *client, const char *text)
{
    tls_send_bytes(client, text, strlen(text));
}

void tls_connect(struct tls_client *client, const char *user)
{
    char line[512], login[128] = "";
    if (user != NULL) {
        snprintf(login, sizeof(login), ",\"user\":\"%s\",\"pass\":\"pw\"", user);
    }
    snprintf(line, sizeof(line),
             "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,"
             "\"no_responders\":true,\"protocol\":0%s}\r\nPING\r\n",
             login);
    tls_send(client, line);
    tls_expect(client, "PONG\r\n");
}

void tls_login(struct tls_rig *tls, struct tls_client *client, const char *user)
{
    tls_dial(tls, client, NULL);
    rig_expect(&client->raw, "\"tls_required\":true");
    rig_expect(&client->raw, "} \r\n");
    assert_true(tls_handshake(client));
    tls_connect(client, user);
}

const char *tls_server_cn(const struct tls_client *client, char out[64])
{
    X509 *cert = SSL_get1_peer_certificate(client->ssl);
    out[0] = '\0';
    if (cert != NULL) {
        X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, out, 64);
    }
    X509_free(cert);
    return out;
}

void tls_close(struct tls_client *client)
{
    SSL_free(client->ssl);
    SSL_CTX_free(client->ctx);
    rig_close(&client->raw);
    free(client->bytes);
}
