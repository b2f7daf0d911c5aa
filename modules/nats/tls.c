/* SPDX-License-Identifier: Apache-2.0
 *
 * From a fresh connection to one with TLS, or to a plain one. The handshake runs on the loop: it
 * waits for nothing, and a loop does only so many steps in one wake-up. */
#include "tls.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <openssl/x509.h>

#include "errors.h"
#include "proto.h"
#include "tls_own.h"

#define TLS_FIRST_BYTE   0x16 /* a record of the handshake */
#define TLS_SUBJECT_ROOM ((long)16 * 1024)

static const struct nats_tls_settings *settings_of(const struct nats_conn *conn)
{
    return &conn->shard->server->settings->tls;
}

static bool may_be_plain(const struct nats_conn *conn)
{
    int plain = settings_of(conn)->plain;
    return plain == NATS_PLAIN_ALL || (plain == NATS_PLAIN_LOOPBACK && conn->is_loopback);
}

const char *nats_tls_info(const struct nats_conn *conn)
{
    const struct nats_tls_context *context = conn->shard->server->tls;
    if (context == NULL) {
        return "";
    }
    if (may_be_plain(conn)) {
        return "\"tls_available\":true,";
    }
    return context->is_verifying ? "\"tls_required\":true,\"tls_verify\":true,"
                                 : "\"tls_required\":true,";
}

const char *nats_tls_subject(const struct nats_conn *conn)
{
    return conn->tls == NULL ? NULL : conn->tls->subject;
}

const char *nats_tls_version(const struct nats_conn *conn)
{
    bool has_ssl = conn->tls != NULL && conn->tls->ssl != NULL;
    return !has_ssl ? NULL : SSL_version(conn->tls->ssl) == TLS1_3_VERSION ? "1.3" : "1.2";
}

const char *nats_tls_cipher(const struct nats_conn *conn)
{
    bool has_ssl = conn->tls != NULL && conn->tls->ssl != NULL;
    const SSL_CIPHER *cipher = has_ssl ? SSL_get_current_cipher(conn->tls->ssl) : NULL;
    return cipher == NULL ? NULL : SSL_CIPHER_standard_name(cipher);
}

/* ---- before the first byte --------------------------------------------------------------------
 */

static void greet(struct nats_conn *conn)
{
    if (!conn->tls->is_greeted) {
        conn->tls->is_greeted = true;
        nats_proto_greet(conn);
    }
}

static void stop_waiting(struct nats_tls *tls)
{
    if (tls->wait != NULL) {
        event_free(tls->wait);
        tls->wait = NULL;
    }
}

static void on_waited(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct nats_conn *conn = arg;
    nats_shard_enter(conn->shard);
    stop_waiting(conn->tls);
    if (conn->state == NATS_CONN_SECURING && conn->tls->ssl == NULL && !conn->is_doomed) {
        greet(conn);
    }
}

static bool start_waiting(struct nats_conn *conn)
{
    int64_t wait_ms = conn->shard->server->tls->wait_ms;
    struct timeval wait = {wait_ms / 1000, (wait_ms % 1000) * 1000};
    conn->tls->wait = event_new(conn->shard->base, -1, 0, on_waited, conn);
    return conn->tls->wait != NULL && event_add(conn->tls->wait, &wait) == 0;
}

bool nats_tls_begin(struct nats_conn *conn)
{
    struct nats_tls_context *context = conn->shard->server->tls;
    if (context == NULL) {
        return false;
    }
    conn->state = NATS_CONN_SECURING;
    nats_conn_clock_start(conn, conn->shard->now_ms + context->timeout_ms);
    conn->tls = nats_tls_room(conn->shard) == NULL ? NULL : calloc(1, sizeof(*conn->tls));
    int mode = settings_of(conn)->mode;
    if (conn->tls == NULL || (mode == NATS_TLS_AUTO && !start_waiting(conn))) {
        nats_conn_cut(conn, "out-of-memory", "no memory for TLS");
    } else if (mode == NATS_TLS_UPGRADE) {
        greet(conn);
    }
    return true;
}

/* ---- the first byte ---------------------------------------------------------------------------
 */

static void go_on(struct nats_conn *conn)
{
    nats_conn_clock_stop(conn);
    nats_conn_begin(conn);
}

static void on_plain(struct nats_conn *conn)
{
    if (may_be_plain(conn)) {
        bool is_greeted = conn->tls->is_greeted;
        nats_tls_free(conn);
        if (!is_greeted) {
            nats_proto_greet(conn);
        }
        go_on(conn);
        return;
    }
    /* Who expects a record of TLS first could not read words in clear. */
    bool may_speak = settings_of(conn)->mode != NATS_TLS_FIRST;
    conn->tls->is_greeted = may_speak;
    nats_conn_fail(conn, may_speak ? NATS_ERR_TLS_REQUIRED : NULL, "tls-required",
                   "the client does not talk TLS");
}

/* True when it talks TLS and the handshake can begin. */
static bool has_begun(struct nats_conn *conn)
{
    uint8_t first;
    ssize_t got = recv(conn->fd, &first, 1, MSG_PEEK);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
            conn->is_rude = true;
            nats_conn_fail(conn, NULL, NULL, NULL);
        }
        return false;
    }
    if (first != TLS_FIRST_BYTE) {
        on_plain(conn);
        return false;
    }
    return conn->out.bytes == 0; /* INFO in clear goes out before */
}

static bool make_session(struct nats_conn *conn)
{
    if (conn->shard->tls_room->under_way >= conn->shard->server->tls->under_way_max) {
        nats_conn_cut(conn, "tls-crowded", "too many handshakes are under way");
        return false;
    }
    conn->tls->cert = nats_tls_cert_now(conn->shard->server->tls);
    conn->tls->ssl = SSL_new(conn->tls->cert->ctx);
    if (conn->tls->ssl == NULL || !nats_tls_bind(conn)) {
        ERR_clear_error();
        nats_conn_cut(conn, "out-of-memory", "no memory for TLS");
        return false;
    }
    SSL_set_accept_state(conn->tls->ssl);
    conn->tls->is_counted = true;
    conn->shard->tls_room->under_way++;
    stop_waiting(conn->tls);
    return true;
}

static void leave_crowd(struct nats_conn *conn)
{
    if (conn->tls->is_counted) {
        conn->tls->is_counted = false;
        conn->shard->tls_room->under_way--;
    }
}

/* ---- the handshake ----------------------------------------------------------------------------
 */

/* A subject that cannot be shown is as none: then the certificate is no credential. */
static char *subject_text(X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL, *text = NULL;
    if (bio != NULL &&
        X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) > 0) {
        long len = BIO_get_mem_data(bio, &bytes);
        bool is_text =
            len > 0 && len < TLS_SUBJECT_ROOM && memchr(bytes, '\0', (size_t)len) == NULL;
        text = is_text ? strndup(bytes, (size_t)len) : NULL;
    }
    BIO_free(bio);
    return text;
}

static void on_secured(struct nats_conn *conn)
{
    struct nats_tls *tls = conn->tls;
    X509 *cert = SSL_get1_peer_certificate(tls->ssl);
    if (cert != NULL && SSL_get_verify_result(tls->ssl) == X509_V_OK) {
        tls->subject = subject_text(cert);
    }
    X509_free(cert);
    tls->is_open = true;
    leave_crowd(conn);
    atomic_fetch_add(&conn->shard->server->tls->handshakes, 1);
    greet(conn);
    go_on(conn);
}

static void on_failed(struct nats_conn *conn)
{
    atomic_fetch_add(&conn->shard->server->tls->failures, 1);
    nats_conn_fail(conn, NULL, "tls-handshake", nats_tls_why(conn->tls->ssl));
}

static bool is_others_turn(struct nats_shard *shard)
{
    struct nats_tls_room *room = shard->tls_room;
    if (room->wake_up != shard->wake_up) {
        room->wake_up = shard->wake_up;
        room->steps = 0;
    }
    return ++room->steps > TLS_AT_ONCE;
}

void nats_tls_on_read(struct nats_conn *conn)
{
    struct nats_tls *tls = conn->tls;
    /* The event comes again with the next wake-up: what is ready stays ready. */
    if (tls == NULL || conn->is_doomed || is_others_turn(conn->shard) ||
        (tls->ssl == NULL && (!has_begun(conn) || !make_session(conn)))) {
        return;
    }
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    nats_tls_push_answer(conn);
    if (result == 1) {
        on_secured(conn);
    } else if (SSL_get_error(tls->ssl, result) != SSL_ERROR_WANT_READ) {
        on_failed(conn);
    }
}

void nats_tls_deadline(struct nats_conn *conn)
{
    atomic_fetch_add(&conn->shard->server->tls->failures, 1);
    nats_conn_cut(conn, "tls-timeout", "no handshake within tls.timeout");
}

/* ---- the end ----------------------------------------------------------------------------------
 */

void nats_tls_finish(struct nats_conn *conn)
{
    if (conn->tls != NULL && conn->tls->is_open && conn->tls->rest_len == 0) {
        ERR_clear_error();
        SSL_shutdown(conn->tls->ssl);
        nats_tls_push(conn);
        ERR_clear_error();
    }
}

void nats_tls_free(struct nats_conn *conn)
{
    struct nats_tls *tls = conn->tls;
    if (tls != NULL) {
        leave_crowd(conn);
        stop_waiting(tls);
        SSL_free(tls->ssl);
        nats_tls_cert_unref(&tls->cert);
        free(tls->rest);
        free(tls->subject);
        free(tls);
        conn->tls = NULL;
    }
}
