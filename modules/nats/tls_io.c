/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenSSL reads and writes memory of the loop; we read and write the socket, so that a wake-up
 * costs one call each, however many records it is. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <event2/event.h>

#include "tls_own.h"

struct nats_tls_room *nats_tls_room(struct nats_shard *shard)
{
    if (shard->tls_room == NULL) {
        shard->tls_room = calloc(1, sizeof(*shard->tls_room));
    }
    return shard->tls_room;
}

void nats_tls_room_free(struct nats_tls_room **room)
{
    free(*room);
    *room = NULL;
}

/* ---- what OpenSSL sees ------------------------------------------------------------------------
 */

static bool is_later(ssize_t got)
{
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

static int bio_read(BIO *bio, char *out, int size)
{
    struct nats_conn *conn = BIO_get_data(bio);
    struct nats_tls_room *room = conn->shard->tls_room;
    BIO_clear_retry_flags(bio);
    if (!conn->tls->is_fed) {
        ssize_t got = recv(conn->fd, out, (size_t)size, 0);
        if (is_later(got)) {
            BIO_set_retry_read(bio);
        }
        return (int)got;
    }
    size_t left = room->in_len - room->in_at;
    size_t len = left < (size_t)size ? left : (size_t)size;
    if (len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(out, room->in + room->in_at, len);
    room->in_at += len;
    return (int)len;
}

/* Never says "later": whoever calls OpenSSL pushes afterwards. */
static int bio_write(BIO *bio, const char *bytes, int len)
{
    struct nats_conn *conn = BIO_get_data(bio);
    struct nats_tls_room *room = conn->shard->tls_room;
    BIO_clear_retry_flags(bio);
    if (len < 0 || (size_t)len > TLS_OUT_SIZE) {
        return -1;
    }
    if ((size_t)len > TLS_OUT_SIZE - room->out_len) {
        nats_tls_push(conn);
    }
    memcpy(room->out + room->out_len, bytes, (size_t)len);
    room->out_len += (size_t)len;
    return len;
}

static long bio_ctrl(BIO *bio, int what, long number, void *arg)
{
    (void)bio;
    (void)number;
    (void)arg;
    return what == BIO_CTRL_FLUSH || what == BIO_CTRL_PUSH || what == BIO_CTRL_POP ? 1 : 0;
}

BIO_METHOD *nats_tls_method_new(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "nats");
    if (method != NULL &&
        (BIO_meth_set_read(method, bio_read) != 1 || BIO_meth_set_write(method, bio_write) != 1 ||
         BIO_meth_set_ctrl(method, bio_ctrl) != 1)) {
        BIO_meth_free(method);
        return NULL;
    }
    return method;
}

bool nats_tls_bind(struct nats_conn *conn)
{
    BIO *bio = BIO_new(conn->shard->server->tls->method);
    if (bio == NULL) {
        return false;
    }
    BIO_set_data(bio, conn);
    BIO_set_init(bio, 1);
    SSL_set_bio(conn->tls->ssl, bio, bio);
    return true;
}

/* ---- sending ----------------------------------------------------------------------------------
 */

/* Bytes that the socket took; notes when it failed. */
static size_t push_bytes(struct nats_conn *conn, const uint8_t *bytes, size_t len)
{
    size_t sent = 0;
    while (sent < len) {
        ssize_t put = send(conn->fd, bytes + sent, len - sent, MSG_NOSIGNAL);
        if (put < 0 && errno != EINTR) {
            conn->tls->is_broken = conn->tls->is_broken || !is_later(put);
            break;
        }
        sent += put > 0 ? (size_t)put : 0;
    }
    return sent;
}

static void keep_rest(struct nats_tls *tls, const uint8_t *bytes, size_t len)
{
    uint8_t *rest =
        tls->rest_len + len > TLS_REST_MAX ? NULL : realloc(tls->rest, tls->rest_len + len);
    if (rest == NULL) {
        tls->is_broken = true;
        return;
    }
    memcpy(rest + tls->rest_len, bytes, len);
    tls->rest = rest;
    tls->rest_len += len;
}

size_t nats_tls_push(struct nats_conn *conn)
{
    struct nats_tls *tls = conn->tls;
    struct nats_tls_room *room = conn->shard->tls_room;
    size_t len = room->out_len;
    room->out_len = 0;
    if (len == 0 || tls->is_broken) {
        return 0;
    }
    size_t sent = tls->rest_len == 0 ? push_bytes(conn, room->out, len) : 0;
    if (sent < len && !tls->is_broken) {
        keep_rest(tls, room->out + sent, len - sent);
    }
    return sent;
}

void nats_tls_push_answer(struct nats_conn *conn)
{
    nats_tls_push(conn);
    if (conn->tls->rest_len > 0 || conn->tls->is_broken) {
        nats_conn_mark_dirty(conn); /* which waits until the socket takes more */
    }
}

static size_t push_rest(struct nats_conn *conn)
{
    struct nats_tls *tls = conn->tls;
    size_t sent = push_bytes(conn, tls->rest, tls->rest_len);
    tls->rest_len -= sent;
    if (tls->rest_len == 0) {
        free(tls->rest);
        tls->rest = NULL;
    } else {
        memmove(tls->rest, tls->rest + sent, tls->rest_len);
    }
    return sent;
}

/* Encrypts as much as one push takes. */
static void seal(struct nats_conn *conn)
{
    struct nats_tls *tls = conn->tls;
    struct nats_tls_room *room = conn->shard->tls_room;
    while (conn->out.bytes > 0 && room->out_len + TLS_CIPHER_MAX <= TLS_OUT_SIZE) {
        struct ub_bytes piece = nats_out_front(&conn->out, room->plain, sizeof(room->plain));
        size_t taken = 0;
        ERR_clear_error();
        if (SSL_write_ex(tls->ssl, piece.ptr, piece.len, &taken) != 1) {
            tls->is_broken = true;
            return;
        }
        nats_out_consume(&conn->shard->segments, &conn->out, taken);
    }
}

static enum nats_written write_sealed(struct nats_conn *conn, size_t *count_out)
{
    struct nats_tls *tls = conn->tls;
    if (tls->rest_len > 0) {
        *count_out += push_rest(conn);
    }
    while (conn->out.bytes > 0 && tls->rest_len == 0 && !tls->is_broken) {
        seal(conn);
        *count_out += nats_tls_push(conn);
    }
    if (tls->is_broken) {
        return NATS_WRITE_FAILED;
    }
    if (conn->out.bytes == 0) {
        nats_out_clear(&conn->shard->segments, &conn->out); /* reserved, and not filled */
    }
    return tls->rest_len > 0 ? NATS_WRITTEN_PART : NATS_WRITTEN_ALL;
}

/* The bytes of a handshake go out before anything else; behind it, what was queued meanwhile. */
enum nats_written nats_tls_write(struct nats_conn *conn, size_t *count_out)
{
    struct nats_tls *tls = conn->tls;
    *count_out = 0;
    if (tls->is_open) {
        return write_sealed(conn, count_out);
    }
    if (tls->ssl == NULL) {
        return tls->is_greeted
                   ? nats_out_write(&conn->shard->segments, &conn->out, conn->fd, count_out)
                   : NATS_WRITTEN_ALL;
    }
    *count_out = tls->rest_len > 0 ? push_rest(conn) : 0;
    return tls->is_broken      ? NATS_WRITE_FAILED
           : tls->rest_len > 0 ? NATS_WRITTEN_PART
                               : NATS_WRITTEN_ALL;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

/* The block of the loop is filled when all that comes out of it has room: OpenSSL keeps nothing of
 * it but a record that has begun. Otherwise OpenSSL reads record by record. false: errno says. */
static bool feed(struct nats_conn *conn, size_t room_len, bool *has_ended_out)
{
    struct nats_tls_room *room = conn->shard->tls_room;
    room->in_at = room->in_len = 0;
    conn->tls->is_fed = room_len >= 2 * TLS_CIPHER_MAX;
    *has_ended_out = false;
    if (!conn->tls->is_fed) {
        return true;
    }
    size_t len = room_len - TLS_CIPHER_MAX < TLS_IN_SIZE ? room_len - TLS_CIPHER_MAX : TLS_IN_SIZE;
    ssize_t got = recv(conn->fd, room->in, len, 0);
    room->in_len = got > 0 ? (size_t)got : 0;
    *has_ended_out = got == 0;
    return got >= 0 || is_later(got);
}

static ssize_t read_ended(struct nats_conn *conn, int result)
{
    int why = SSL_get_error(conn->tls->ssl, result);
    if (why == SSL_ERROR_WANT_READ) {
        errno = EAGAIN;
        return -1;
    }
    if (why == SSL_ERROR_ZERO_RETURN || why == SSL_ERROR_SYSCALL ||
        ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        ERR_clear_error();
        return 0;
    }
    nats_conn_cut(conn, "tls-broken", nats_tls_why(NULL));
    errno = EPROTO;
    return -1;
}

ssize_t nats_tls_read(struct nats_conn *conn, void *into, size_t room)
{
    struct nats_tls *tls = conn->tls;
    size_t len = 0, got = 0;
    bool has_ended;
    int result = 1;
    if (!feed(conn, room, &has_ended)) {
        return -1;
    }
    ERR_clear_error();
    while (len < room &&
           (result = SSL_read_ex(tls->ssl, (char *)into + len, room - len, &got)) == 1) {
        len += got;
    }
    nats_tls_push_answer(conn);
    if (len == 0) {
        return has_ended ? 0 : read_ended(conn, result);
    }
    if (result != 1 && SSL_get_error(tls->ssl, result) != SSL_ERROR_WANT_READ) {
        event_active(&conn->read_event, EV_READ, 0); /* the end, behind these bytes */
    } else {
        nats_tls_resume(conn);
    }
    return (ssize_t)len;
}

ssize_t nats_tls_readv(struct nats_conn *conn, const struct iovec iov[2])
{
    if (iov[1].iov_len < 2 * TLS_CIPHER_MAX) { /* no memory for the second */
        return nats_tls_read(conn, iov[0].iov_base, iov[0].iov_len);
    }
    ssize_t got = nats_tls_read(conn, iov[1].iov_base, iov[1].iov_len);
    if (got > 0) {
        size_t first = (size_t)got < iov[0].iov_len ? (size_t)got : iov[0].iov_len;
        memcpy(iov[0].iov_base, iov[1].iov_base, first);
        memmove(iov[1].iov_base, (char *)iov[1].iov_base + first, (size_t)got - first);
    }
    return got;
}

void nats_tls_resume(struct nats_conn *conn)
{
    const struct nats_tls *tls = conn->tls;
    if (tls->is_open && (SSL_pending(tls->ssl) > 0 || SSL_get_shutdown(tls->ssl) != 0)) {
        event_active(&conn->read_event, EV_READ, 0);
    }
}
