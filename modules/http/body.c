/* SPDX-License-Identifier: Apache-2.0
 *
 * The body on its way from the loop to the handler: whole, or in pieces with back-pressure. */
#include "exchange.h"

static bool is_stream(const struct http_exchange *x)
{
    return (x->route->pub.flags & UB_HTTP_STREAM_BODY) != 0;
}

void http_body_put(struct http_exchange *x, struct ub_bytes bytes)
{
    static const struct http_fault too_large = {UB_P_TOO_LARGE,
                                                "the body is larger than the limit"};
    static const struct http_fault no_memory = {UB_P_INTERNAL, "no memory for the body"};
    pthread_mutex_lock(&x->lock);
    x->in_total += (int64_t)bytes.len;
    bool is_over = x->in_total > x->route->pub.body_max_bytes;
    bool is_put = !is_over && evbuffer_add(x->in, bytes.ptr, bytes.len) == 0;
    if (is_put && is_stream(x) && evbuffer_get_length(x->in) > HTTP_PENDING_MAX) {
        x->is_in_paused = true;
        x->conn->is_paused = true;
    }
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
    if (!is_put) {
        http_conn_phase(x->conn, HTTP_PHASE_ANSWER);
        http_body_fail(x, is_over ? too_large : no_memory);
    }
}

void http_body_end(struct http_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    x->is_in_ended = true;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
    if (!is_stream(x)) {
        http_work_handle(x);
    }
}

/* A streamed body has a handler that learns of it in read(); for a whole one there is none yet. */
void http_body_fail(struct http_exchange *x, struct http_fault fault)
{
    if (!is_stream(x)) {
        http_problem_reply(x, fault.problem, NULL, fault.why);
        return;
    }
    pthread_mutex_lock(&x->lock);
    x->in_fault = fault;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
}

static void hash_update(struct http_exchange *x, struct ub_bytes bytes)
{
    if (!x->is_digest_sent) {
        return;
    }
    if (!x->is_hashed) {
        crypto_hash_sha512_init(&x->hash);
        x->is_hashed = true;
    }
    crypto_hash_sha512_update(&x->hash, bytes.ptr, bytes.len);
}

/* Once, at the end. */
static bool digest_is_right(struct http_exchange *x)
{
    uint8_t digest[HTTP_DIGEST_SIZE];
    if (!x->is_digest_sent) {
        return true;
    }
    hash_update(x, (struct ub_bytes){(const uint8_t *)"", 0});
    crypto_hash_sha512_final(&x->hash, digest);
    x->is_hashed = false;
    return sodium_memcmp(digest, x->digest, sizeof(digest)) == 0;
}

bool http_body_whole(struct http_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    size_t len = evbuffer_get_length(x->in);
    const uint8_t *bytes = len > 0 ? evbuffer_pullup(x->in, -1) : (const uint8_t *)"";
    pthread_mutex_unlock(&x->lock);
    if (bytes == NULL) {
        http_problem_reply(x, UB_P_INTERNAL, NULL, "no memory for the body");
        return false;
    }
    x->pub.body = (struct ub_bytes){bytes, len};
    hash_update(x, x->pub.body);
    if (!digest_is_right(x)) {
        http_problem_reply(x, UB_P_DIGEST_MISMATCH, NULL, "the body does not match Content-Digest");
        return false;
    }
    return true;
}

static void resume_task(void *arg)
{
    struct http_exchange *x = arg;
    if (x->conn != NULL && x->conn->phase == HTTP_PHASE_BODY) {
        http_conn_read_body(x->conn);
        if (x->conn->held_len == 0) {
            /* The bytes that paused it may have been the last: then only the end is left. */
            http_conn_feed(x->conn, (const uint8_t *)"", 0);
        }
        http_conn_settle(x->conn);
    }
    http_exchange_unref(x);
}

/* The lock is held. */
static size_t take(struct http_exchange *x, void *out, size_t out_size)
{
    int got = evbuffer_remove(x->in, out, out_size);
    if (x->is_in_paused && evbuffer_get_length(x->in) < HTTP_PENDING_MAX / 2) {
        x->is_in_paused = false;
        http_exchange_ref(x);
        x->server->host->loop->post(x->server->loop, resume_task, x);
    }
    return got < 0 ? 0 : (size_t)got;
}

static bool is_waiting(const struct http_exchange *x)
{
    return evbuffer_get_length(x->in) == 0 && !x->is_in_ended && !x->is_gone &&
           x->in_fault.problem == UB_P_NONE;
}

static enum ub_status read_fail(struct http_exchange *x, struct http_fault fault,
                                struct ub_err *err)
{
    x->read_failed = fault.problem;
    return ub_fail(err, fault.problem == UB_P_TOO_LARGE ? UB_ELIMIT : UB_EINVAL, "%s", fault.why);
}

enum ub_status http_body_read(struct http_exchange *x, void *out, size_t out_size, size_t *read_out,
                              struct ub_err *err)
{
    static const struct http_fault wrong_digest = {UB_P_DIGEST_MISMATCH,
                                                   "the body does not match Content-Digest"};
    *read_out = 0;
    if (!is_stream(x) || out_size == 0) {
        return ub_fail(err, UB_EINVAL, "read needs a route with UB_HTTP_STREAM_BODY, and room");
    }
    pthread_mutex_lock(&x->lock);
    while (is_waiting(x)) {
        pthread_cond_wait(&x->changed, &x->lock);
    }
    struct http_fault fault = x->in_fault;
    bool is_gone = x->is_gone;
    size_t got =
        fault.problem == UB_P_NONE ? take(x, out, out_size < INT32_MAX ? out_size : INT32_MAX) : 0;
    pthread_mutex_unlock(&x->lock);
    if (fault.problem != UB_P_NONE) {
        return read_fail(x, fault, err);
    }
    if (got == 0 && is_gone) {
        return ub_fail(err, UB_EIO, "the peer has gone");
    }
    hash_update(x, (struct ub_bytes){out, got});
    *read_out = got;
    if (got == 0 && x->read_failed == UB_P_NONE && !x->is_digest_checked) {
        x->is_digest_checked = true;
        return digest_is_right(x) ? UB_OK : read_fail(x, wrong_digest, err);
    }
    return x->read_failed == UB_P_NONE ? UB_OK : read_fail(x, wrong_digest, err);
}
