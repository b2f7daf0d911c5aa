/* SPDX-License-Identifier: Apache-2.0
 *
 * Event streams: the answer of a request that goes on after its handler has returned. */
#include "exchange.h"

#include <stdlib.h>

struct ub_http_stream {
    struct http_exchange *x;
    ub_http_gone_fn gone;
    void *arg;
    atomic_flag is_told;
};

void http_stream_tell(struct ub_http_stream *stream)
{
    if (!atomic_flag_test_and_set(&stream->is_told) && stream->gone != NULL) {
        stream->gone(stream->arg);
    }
}

void http_stream_free(struct ub_http_stream **stream)
{
    free(*stream);
    *stream = NULL;
}

static struct ub_http_stream *stream_new(struct http_exchange *x, ub_http_gone_fn gone, void *arg)
{
    struct ub_http_stream *stream = calloc(1, sizeof(*stream));
    if (stream != NULL) {
        stream->x = x;
        stream->gone = gone;
        stream->arg = arg;
        atomic_flag_clear(&stream->is_told);
    }
    return stream;
}

/* True when the peer was there when the stream became known to the loop. */
static bool stream_publish(struct http_exchange *x, struct ub_http_stream *stream)
{
    pthread_mutex_lock(&x->lock);
    bool is_there = !x->is_gone;
    if (is_there) {
        x->stream = stream;
        x->is_streaming = true;
        http_exchange_post_output(x);
    }
    pthread_mutex_unlock(&x->lock);
    return is_there;
}

enum ub_status http_stream_open(const struct ub_http_request *request, ub_http_gone_fn gone,
                                void *arg, struct ub_http_stream **stream_out, struct ub_err *err)
{
    static const struct ub_http_header headers[] = {{"Content-Type", "text/event-stream"},
                                                    {NULL, NULL}};
    struct http_exchange *x = http_exchange_of(request);
    struct ub_http_stream *stream = stream_new(x, gone, arg);
    if (stream == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory for an event stream");
    }
    x->head.wants_close = true; /* what the peer sends meanwhile is thrown away */
    enum ub_status status = http_reply_begin(x, 200, headers, -1, err);
    if (status == UB_OK) {
        x->answer = HTTP_STREAMING;
        status = stream_publish(x, stream) ? UB_OK : ub_fail(err, UB_EIO, "the peer has gone");
    }
    if (status != UB_OK) {
        http_stream_free(&stream);
        return status;
    }
    http_exchange_ref(x);
    *stream_out = stream;
    return UB_OK;
}

enum ub_status http_stream_send(struct ub_http_stream *stream, struct ub_bytes bytes)
{
    struct http_exchange *x = stream->x;
    enum ub_status status = UB_OK;
    pthread_mutex_lock(&x->lock);
    if (x->is_gone || x->is_cut) {
        status = UB_EIO;
    } else if (x->unsent > HTTP_PENDING_MAX) {
        x->is_cut = true;
        status = UB_EUNAVAILABLE;
    } else if (bytes.len > 0) {
        status = http_reply_chunk(x, bytes) ? UB_OK : UB_EIO;
    }
    http_exchange_post_output(x);
    pthread_mutex_unlock(&x->lock);
    return status;
}

void http_stream_close(struct ub_http_stream **stream_ref)
{
    struct ub_http_stream *stream = *stream_ref;
    if (stream == NULL) {
        return;
    }
    *stream_ref = NULL;
    struct http_exchange *x = stream->x;
    pthread_mutex_lock(&x->lock);
    if (!x->is_gone && x->is_answer_chunked && !x->is_cut) {
        evbuffer_add(x->out, "0\r\n\r\n", 5);
    }
    x->is_out_ended = true;
    http_exchange_post_output(x);
    pthread_mutex_unlock(&x->lock);
    http_stream_tell(stream);
    http_exchange_release(x); /* frees the stream with it */
}

void http_stream_beat(struct http_exchange *x)
{
    static const uint8_t comment[] = ": still here\n\n";
    http_stream_send(x->stream, (struct ub_bytes){comment, sizeof(comment) - 1});
}
