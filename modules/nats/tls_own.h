/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files tls*.c share. */
#ifndef NATS_TLS_OWN_H
#define NATS_TLS_OWN_H

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "shard.h"
#include "tls.h"

#define TLS_RECORD_MAX    ((size_t)16 * 1024) /* plaintext */
#define TLS_CIPHER_MAX    ((size_t)17 * 1024) /* a record with all that is around it */
#define TLS_IN_SIZE       ((size_t)47 * 1024) /* with a started record it fits into NATS_BLOCK_SIZE */
#define TLS_OUT_SIZE      ((size_t)128 * 1024)  /* sent in one call */
#define TLS_REST_MAX      ((size_t)1024 * 1024) /* who takes nothing and asks for answers is cut */
#define TLS_UNDER_WAY_MAX 2048 /* handshakes of one loop: some 40 KiB each, until tls.timeout */
#define TLS_AT_ONCE       8    /* handshake steps of one wake-up, so that others get their turn */

/* What connections are shown, and by which rules. Counted by us: OpenSSL counts too, but where a
 * ThreadSanitizer does not see it. */
struct nats_tls_cert {
    SSL_CTX *ctx;
    _Atomic uint32_t refs;
};

/* Any thread. */
void nats_tls_cert_unref(struct nats_tls_cert **cert);

struct nats_tls_context {
    const struct ub_host *host;
    BIO_METHOD *method;
    pthread_mutex_t lock;
    struct nats_tls_cert *cert; /* under lock */
    _Atomic bool is_verifying;
    _Atomic int64_t timeout_ms, wait_ms;
    _Atomic unsigned under_way_max;      /* of each loop */
    int64_t not_before_ms, not_after_ms; /* of the certificate, Unix; the main loop only */
    _Atomic uint64_t handshakes, failures;
};

/* A reference to the one in force. Any thread. */
struct nats_tls_cert *nats_tls_cert_now(struct nats_tls_context *context);

/* Behind the pointer of a connection; nothing of it for plain ones. */
struct nats_tls {
    SSL *ssl; /* NULL = the first byte has not come */
    struct nats_tls_cert *cert;
    bool is_greeted;    /* INFO was sent, in clear */
    bool is_counted;    /* among the handshakes under way */
    bool is_open;       /* the handshake is done */
    bool is_fed;        /* OpenSSL reads the block of the loop, not the socket */
    bool is_broken;     /* the socket or memory failed */
    struct event *wait; /* auto: until INFO is sent in clear */
    uint8_t *rest;      /* encrypted, not taken by the socket */
    size_t rest_len;
    char *subject;
};

struct nats_tls_room {
    size_t in_at, in_len, out_len;
    uint32_t wake_up;
    unsigned under_way; /* handshakes that have begun */
    unsigned steps;     /* of handshakes, in that wake-up */
    uint8_t in[TLS_IN_SIZE], out[TLS_OUT_SIZE], plain[TLS_RECORD_MAX];
};

/* The room of the connection's loop; NULL = no memory. */
struct nats_tls_room *nats_tls_room(struct nats_shard *shard);
BIO_METHOD *nats_tls_method_new(void);
/* Binds the connection's SSL to it; false = no memory. */
bool nats_tls_bind(struct nats_conn *conn);
/* Sends what OpenSSL has written, answers how much; what the socket does not take becomes the
 * rest, which the flush stage sends. */
size_t nats_tls_push(struct nats_conn *conn);
/* The same before the flush stage, for what OpenSSL has written to answer the client. */
void nats_tls_push_answer(struct nats_conn *conn);
/* What went wrong, in words; empties OpenSSL's queue of errors. */
const char *nats_tls_why(const SSL *ssl);

#endif
