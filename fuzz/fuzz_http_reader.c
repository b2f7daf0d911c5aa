/* SPDX-License-Identifier: Apache-2.0
 *
 * The reader of requests: the same bytes in one piece, in pieces and byte by byte give the same
 * events, heads and bodies; a refusal is final; an accepted head can be sealed, routed, decoded. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <path.h>
#include <profile.h>
#include <reader.h>

#include "must.h"

/* What a run has seen, without how the bytes were cut. */
struct trace {
    uint64_t sum;
    unsigned heads, ends;
    bool is_bad;
    enum ub_problem problem;
};

static void add(struct trace *trace, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < len; i++) {
        trace->sum = (trace->sum ^ at[i]) * 1099511628211u;
    }
}

static void on_head(struct trace *trace, struct http_reader *reader)
{
    struct http_head head = reader->head;
    struct http_signature signature;
    char why[HTTP_WHY_MAX];
    http_head_init(&reader->head);
    MUST(head.len <= 8192 + 32 + 2048 && head.field_count <= 20);
    MUST(!head.is_chunked || head.content_length < 0);
    http_head_seal(&head);
    add(trace, head.bytes, head.len);
    char *scratch = malloc(head.path.len + 1);
    MUST(scratch != NULL && strlen(http_head_text(&head, head.path)) == head.path.len);
    bool is_decoded = http_path_judge(http_head_text(&head, head.path), scratch) == NULL;
    add(trace, &is_decoded, sizeof(is_decoded));
    if (http_profile_check(&head, &signature, why) == HTTP_SIGNED) {
        free(http_base_new(&head, &signature));
    }
    free(scratch);
    http_head_fini(&head);
    trace->heads++;
}

static enum http_event step(struct http_reader *reader, const uint8_t *in, size_t len, size_t *used,
                            struct trace *trace)
{
    struct ub_bytes body = {NULL, 0};
    enum http_event event = http_reader_next(reader, in, len, used, &body);
    MUST(*used <= len);
    if (event == HTTP_EVENT_HEAD) {
        on_head(trace, reader);
    } else if (event == HTTP_EVENT_BODY) {
        MUST(body.len > 0 && body.ptr >= in && body.ptr + body.len <= in + len);
        add(trace, body.ptr, body.len);
    } else if (event == HTTP_EVENT_END) {
        trace->ends++;
        add(trace, "end", 3);
    }
    return event;
}

static void feed(struct http_reader *reader, const uint8_t *in, size_t len, struct trace *trace)
{
    enum http_event event = HTTP_EVENT_HEAD;
    for (size_t at = 0, used = 0; event != HTTP_EVENT_MORE && !trace->is_bad; at += used) {
        event = step(reader, in + at, len - at, &used, trace);
        trace->is_bad = event == HTTP_EVENT_BAD;
        MUST(event != HTTP_EVENT_MORE || at + used == len);
    }
}

static struct trace run(const uint8_t *data, size_t size, size_t piece)
{
    static const struct http_limits limits = {8192, 2048, 20};
    struct trace trace = {14695981039346656037u, 0, 0, false, UB_P_NONE};
    struct http_reader reader;
    http_reader_init(&reader, &limits);
    for (size_t at = 0; at < size && !trace.is_bad; at += piece) {
        feed(&reader, data + at, size - at < piece ? size - at : piece, &trace);
    }
    trace.problem = reader.fault.problem;
    if (trace.is_bad) {
        size_t used;
        struct ub_bytes body;
        MUST(trace.problem != UB_P_NONE && reader.fault.why != NULL);
        MUST(http_reader_next(&reader, (const uint8_t *)"GET", 3, &used, &body) == HTTP_EVENT_BAD);
    }
    http_reader_fini(&reader);
    return trace;
}

static bool is_same(const struct trace *a, const struct trace *b)
{
    return a->sum == b->sum && a->heads == b->heads && a->ends == b->ends &&
           a->is_bad == b->is_bad && a->problem == b->problem;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct trace whole = run(data, size, size + 1);
    struct trace bytes = run(data, size, 1);
    struct trace pieces = run(data, size, 5);
    MUST(is_same(&whole, &bytes) && is_same(&whole, &pieces));
    return 0;
}
