/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange.h"

#include "answer.h"

/* A handler may hand over more at once; it goes out in such pieces, so that PENDING_MAX holds. */
#define PIECE_SIZE 65536u

static void log_defect(const struct http_exchange *x, const char *event, const char *what)
{
    ub_log(x->server->host, UB_LOG_ERROR, event, what, UB_TEXT("request", x->id),
           UB_TEXT("route", x->route != NULL ? x->route->pub.pattern : ""));
}

static bool is_head_request(const struct http_exchange *x)
{
    return strcmp(x->pub.method, "HEAD") == 0;
}

/* The lock is held. */
static bool write_head(struct http_exchange *x, int status, const struct ub_http_header *headers,
                       int64_t length, bool is_chunked)
{
    x->status = status;
    x->says_close = !x->is_in_ended || x->head.wants_close || x->head.is_http10 ||
                    atomic_load(&x->server->is_draining);
    struct http_answer_head head = {.status = status,
                                    .headers = headers,
                                    .length = length,
                                    .is_chunked = is_chunked,
                                    .says_close = x->says_close,
                                    .now_ms = x->server->host->clock->now_ms(x->server->host)};
    return http_answer_write(x->out, &head);
}

/* The lock is held. */
static bool add_out(struct http_exchange *x, const void *bytes, size_t len)
{
    if (evbuffer_add(x->out, bytes, len) != 0) {
        x->is_cut = true;
        return false;
    }
    x->unsent += len;
    return true;
}

void http_reply(struct http_exchange *x, int status, const struct ub_http_header *headers,
                struct ub_bytes body)
{
    const char *bad = http_answer_fault(headers);
    if (x->answer != HTTP_UNANSWERED) {
        log_defect(x, "answered-twice", "a second answer to a request was ignored");
        return;
    }
    if (bad != NULL) {
        log_defect(x, "bad-answer-header", bad);
        http_problem_reply(x, UB_P_INTERNAL, NULL, NULL);
        return;
    }
    x->answer = HTTP_ANSWERED;
    pthread_mutex_lock(&x->lock);
    bool has_body = !is_head_request(x) && http_answer_has_body(status);
    bool is_ok = write_head(x, status, headers, (int64_t)body.len, false);
    x->is_cut = !is_ok;
    if (is_ok && has_body) {
        add_out(x, body.ptr, body.len);
    }
    x->is_out_ended = true;
    http_exchange_post_output(x);
    pthread_mutex_unlock(&x->lock);
}

enum ub_status http_reply_begin(struct http_exchange *x, int status,
                                const struct ub_http_header *headers, int64_t length,
                                struct ub_err *err)
{
    const char *bad = http_answer_fault(headers);
    if (x->answer != HTTP_UNANSWERED) {
        log_defect(x, "answered-twice", "a second answer to a request was ignored");
        return ub_fail(err, UB_EINVAL, "the request was answered already");
    }
    if (bad != NULL) {
        log_defect(x, "bad-answer-header", bad);
        return ub_fail(err, UB_EINVAL, "header \"%s\" may not be set so", bad);
    }
    pthread_mutex_lock(&x->lock);
    x->answer = HTTP_BEGUN;
    x->answer_left = length;
    x->is_answer_chunked = length < 0 && !x->head.is_http10 && http_answer_has_body(status);
    x->is_cut = !write_head(x, status, headers, length, x->is_answer_chunked);
    http_exchange_post_output(x);
    pthread_mutex_unlock(&x->lock);
    return UB_OK;
}

bool http_reply_chunk(struct http_exchange *x, struct ub_bytes bytes)
{
    char size[32];
    if (!x->is_answer_chunked) {
        return add_out(x, bytes.ptr, bytes.len);
    }
    int len = snprintf(size, sizeof(size), "%zx\r\n", bytes.len);
    return add_out(x, size, (size_t)len) && add_out(x, bytes.ptr, bytes.len) &&
           add_out(x, "\r\n", 2);
}

static enum ub_status write_piece(struct http_exchange *x, struct ub_bytes piece,
                                  struct ub_err *err)
{
    pthread_mutex_lock(&x->lock);
    while (x->unsent > HTTP_PENDING_MAX && !x->is_gone) {
        pthread_cond_wait(&x->changed, &x->lock);
    }
    bool is_ok = !x->is_gone && !x->is_cut;
    if (is_ok && !is_head_request(x)) {
        is_ok = http_reply_chunk(x, piece);
    }
    http_exchange_post_output(x);
    pthread_mutex_unlock(&x->lock);
    return is_ok ? UB_OK : ub_fail(err, UB_EIO, "the peer has gone");
}

enum ub_status http_reply_write(struct http_exchange *x, struct ub_bytes bytes, struct ub_err *err)
{
    if (x->answer != HTTP_BEGUN) {
        return ub_fail(err, UB_EINVAL, "write needs an answer that was begun");
    }
    if (x->answer_left >= 0 && (uint64_t)x->answer_left < bytes.len) {
        return ub_fail(err, UB_EINVAL, "more bytes than the length that was announced");
    }
    enum ub_status status = UB_OK;
    while (bytes.len > 0 && status == UB_OK) {
        size_t len = bytes.len < PIECE_SIZE ? bytes.len : PIECE_SIZE;
        status = write_piece(x, (struct ub_bytes){bytes.ptr, len}, err);
        bytes.ptr += len;
        bytes.len -= len;
        x->answer_left -= x->answer_left >= 0 ? (int64_t)len : 0;
    }
    return status;
}

/* A peer must not take a torn answer for a whole one: without its end the connection is cut. */
void http_reply_end(struct http_exchange *x)
{
    if (x->answer != HTTP_BEGUN) {
        return;
    }
    x->answer = HTTP_ANSWERED;
    bool is_short = x->answer_left > 0 && !is_head_request(x) && http_answer_has_body(x->status);
    pthread_mutex_lock(&x->lock);
    if (x->is_answer_chunked && !is_head_request(x)) {
        add_out(x, "0\r\n\r\n", 5);
    }
    x->is_cut = x->is_cut || is_short;
    x->is_out_ended = true;
    http_exchange_post_output(x);
    pthread_mutex_unlock(&x->lock);
}

static void reply_tear(struct http_exchange *x)
{
    log_defect(x, "answer-torn", "a handler returned in the middle of its answer");
    pthread_mutex_lock(&x->lock);
    x->answer = HTTP_ANSWERED;
    x->is_cut = true;
    http_exchange_post_output(x);
    pthread_mutex_unlock(&x->lock);
}

void http_reply_after(struct http_exchange *x)
{
    if (x->answer == HTTP_BEGUN) {
        reply_tear(x);
    } else if (x->answer == HTTP_UNANSWERED && x->read_failed != UB_P_NONE) {
        http_problem_reply(x, x->read_failed, NULL, NULL);
    } else if (x->answer == HTTP_UNANSWERED) {
        log_defect(x, "not-answered", "a handler returned without an answer");
        http_problem_reply(x, UB_P_INTERNAL, NULL, NULL);
    }
}
