/* SPDX-License-Identifier: Apache-2.0
 *
 * The NATS rig with certificates of its own, and clients that are OpenSSL's. */
#ifndef TEST_NATS_TLS_RIG_H
#define TEST_NATS_TLS_RIG_H

#include "test_nats_rig.h"

#include "certs.h"

/* Certificates in dir: "ca" and by it "node", "next", "worker", "old" (expired), "early" (not yet
 * valid); "other-ca" and by it "stranger". */
struct tls_rig {
    struct rig rig;
    char dir[64], cert[256], ca[256];
    struct ub_secret *key;
};

#define TLS_WORKER_SUBJECT "CN=worker\\, the first,OU=P\\C3\\BCmpen,O=Plant"

void tls_rig_init(struct tls_rig *tls);
/* The server shows this certificate; before tls_rig_start, or for prepare. */
void tls_rig_use(struct tls_rig *tls, const char *name);
/* Sets what has to be set so that clients show a certificate. */
void tls_rig_verify(struct tls_rig *tls, int verify);
void tls_rig_fini(struct tls_rig *tls); /* after rig_stop */
/* Waits until the log has it: a line may come after the bytes that the client sees. */
void tls_wait_log(struct tls_rig *tls, const char *text);

/* ---- clients: they block, for ten seconds at most ----------------------------------------------
 */

struct tls_client {
    struct rig_client raw; /* the socket, and plain text that came */
    SSL_CTX *ctx;
    SSL *ssl;
    char *bytes; /* decrypted, not consumed, NUL-terminated */
    size_t len, room;
};

/* A TCP connection and an SSL that knows the CA; a certificate of this name, NULL = none. */
void tls_dial(struct tls_rig *tls, struct tls_client *client, const char *cert);
/* true: done, and the server's certificate is by "ca". */
bool tls_handshake(struct tls_client *client);
/* INFO in clear, handshake, CONNECT as the user (NULL = without), PONG. */
void tls_login(struct tls_rig *tls, struct tls_client *client, const char *user);
/* CONNECT and PONG on a connection that is encrypted. */
void tls_connect(struct tls_client *client, const char *user);
void tls_send(struct tls_client *client, const char *text);
void tls_send_bytes(struct tls_client *client, const void *bytes, size_t len);
/* As rig_expect. */
void tls_expect(struct tls_client *client, const char *text);
/* Decrypts more; false: the end. */
bool tls_more(struct tls_client *client);
/* CN of the certificate that the server showed, in out. */
const char *tls_server_cn(const struct tls_client *client, char out[64]);
void tls_close(struct tls_client *client);

#endif
