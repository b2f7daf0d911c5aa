/* SPDX-License-Identifier: Apache-2.0 */
#include "errors.h"

#include <stdio.h>

#include "quote.h"

static size_t text_add(char *out, size_t out_size, size_t at, const char *text)
{
    if (at < out_size) {
        int len = snprintf(out + at, out_size - at, "%s", text);
        at += len > 0 ? (size_t)len : 0;
    }
    return at;
}

static size_t text_quote(char *out, size_t out_size, size_t at, struct ub_bytes subject)
{
    return at < out_size ? at + nats_quote(subject, out + at, out_size - at) : at;
}

void nats_err_publish(struct ub_bytes subject, char *out, size_t out_size)
{
    size_t at = text_add(out, out_size, 0, "Permissions Violation for Publish to ");
    text_quote(out, out_size, at, subject);
}

void nats_err_reply(struct ub_bytes reply, char *out, size_t out_size)
{
    size_t at = text_add(out, out_size, 0, "Permissions Violation for Publish with Reply of ");
    text_quote(out, out_size, at, reply);
}

void nats_err_tokens(struct ub_bytes subject, char *out, size_t out_size)
{
    size_t at = text_add(out, out_size, 0, "Permissions Violation for Subscription to ");
    at = text_quote(out, out_size, at, subject);
    text_add(out, out_size, at, ", too many tokens");
}

void nats_err_subscription(struct ub_bytes subject, struct ub_bytes queue, struct ub_bytes sid,
                           char *out, size_t out_size)
{
    size_t at = text_add(out, out_size, 0, "Permissions Violation for Subscription to ");
    at = text_quote(out, out_size, at, subject);
    if (queue.len > 0) {
        at = text_add(out, out_size, at, " using queue ");
        at = text_quote(out, out_size, at, queue);
    }
    if (sid.len > 0) {
        at = text_add(out, out_size, at, " (sid ");
        at = text_quote(out, out_size, at, sid);
        text_add(out, out_size, at, ")");
    }
}
