/* SPDX-License-Identifier: Apache-2.0
 *
 * Whatever a client sends: frames, CONNECT options, header blocks, subjects, quoting. A frame that
 * is taken whole must be asked for more bytes at each of its beginnings. */
#include <stdlib.h>
#include <string.h>

#include "must.h"
#include "parser.h"
#include "proto.h"
#include "quote.h"
#include "subject.h"

static const struct nats_parse_limits limits = {1024, 4096};

static bool lies_within(struct ub_bytes part, const uint8_t *bytes, size_t len)
{
    return part.len == 0 || (part.ptr >= bytes && part.ptr + part.len <= bytes + len);
}

static void check_op(const struct nats_op *op, const uint8_t *bytes)
{
    const struct ub_bytes parts[] = {op->subject, op->reply,   op->queue,  op->sid,
                                     op->text,    op->headers, op->payload};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        MUST(lies_within(parts[i], bytes, op->frame_len));
    }
    MUST(op->headers.len + op->payload.len <= limits.max_payload);
    struct nats_op part;
    for (size_t cut = 0; cut < op->frame_len && cut < 64; cut++) {
        MUST(nats_parse(&limits, bytes, cut, &part) == NATS_PARSED_MORE);
        MUST(part.frame_len == 0 || part.frame_len == op->frame_len);
    }
}

static void check_subject(struct ub_bytes subject)
{
    char quoted[8192];
    size_t len = nats_quote(subject, quoted, sizeof(quoted));
    MUST(len >= subject.len && len <= subject.len * 10 + 2);
    if (nats_subject_is_literal(subject)) {
        MUST(nats_subject_is_pattern(subject));
        MUST(nats_subject_matches(subject, 0, subject));
        MUST(nats_subject_covers(nats_text(">"), 0, subject));
    }
    if (nats_subject_is_pattern(subject)) {
        MUST(nats_subject_covers(subject, 0, subject));
        MUST(nats_subjects_overlap(subject, 0, subject));
    }
}

static void check_headers(struct ub_bytes headers)
{
    uint8_t *copy = malloc(headers.len + 1);
    MUST(copy != NULL);
    memcpy(copy, headers.ptr, headers.len);
    struct ub_bytes cleaned = {copy, headers.len};
    if (nats_headers_clean(&cleaned)) {
        MUST(lies_within(cleaned, copy, headers.len));
        struct ub_bytes again = cleaned;
        MUST(nats_headers_clean(&again)); /* what is passed on is fine, and nothing more to take */
        MUST(again.ptr == cleaned.ptr && again.len == cleaned.len);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nats_op op;
    struct nats_connect_options options;
    size_t at = 0;
    while (at < size && nats_parse(&limits, data + at, size - at, &op) == NATS_PARSED_OP) {
        MUST(op.frame_len > 0 && op.frame_len <= size - at);
        check_op(&op, data + at);
        check_subject(op.subject);
        check_subject(op.sid);
        if (op.headers.len > 0) {
            check_headers(op.headers);
        }
        if (op.verb == NATS_VERB_CONNECT) {
            nats_connect_parse(op.text, &options);
        }
        at += op.frame_len;
    }
    return 0;
}
