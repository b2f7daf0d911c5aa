/* SPDX-License-Identifier: Apache-2.0
 *
 * The -ERR texts that clients compare with, letter by letter (nats-surface.md 1.5). */
#ifndef NATS_ERRORS_H
#define NATS_ERRORS_H

#include <unibus/abi.h>

/* After these the connection is closed. */
#define NATS_ERR_AUTHORIZATION "Authorization Violation"
#define NATS_ERR_AUTH_TIMEOUT  "Authentication Timeout"
#define NATS_ERR_REVOKED       "User Authentication Revoked"
#define NATS_ERR_UNKNOWN       "Unknown Protocol Operation"
#define NATS_ERR_PAYLOAD       "Maximum Payload Violation"
#define NATS_ERR_CONTROL_LINE  "maximum control line exceeded"
#define NATS_ERR_CONNECTIONS   "maximum connections exceeded"
#define NATS_ERR_PROTOCOL      "invalid client protocol"
#define NATS_ERR_NO_RESPONDERS "no responders requires headers support"
#define NATS_ERR_STALE         "Stale Connection"
#define NATS_ERR_THROTTLED     "Connection throttling is active. Please try again later."
#define NATS_ERR_NOT_READY     "Not Ready: waiting for " /* and what; a text of ours */
#define NATS_ERR_NO_HEADERS    "message headers not supported"
#define NATS_ERR_TLS_REQUIRED  "Secure Connection - TLS Required"
#define NATS_ERR_BAD_HEADER    "bad message header detected"

/* After these it stays. */
#define NATS_ERR_SUBJECT         "Invalid Subject"
#define NATS_ERR_PUBLISH_SUBJECT "Invalid Publish Subject"
#define NATS_ERR_SUBSCRIPTIONS   "maximum subscriptions exceeded"

#define NATS_ERR_TEXT_MAX 20480 /* a quoted subject of max_control_line, four bytes a byte */

/* Each writes the text without the quotes of -ERR; cut at out_size. */
void nats_err_publish(struct ub_bytes subject, char *out, size_t out_size);
void nats_err_reply(struct ub_bytes reply, char *out, size_t out_size);
void nats_err_tokens(struct ub_bytes subject, char *out, size_t out_size);
/* queue and sid may be empty; sid is named when a running subscription is dropped. */
void nats_err_subscription(struct ub_bytes subject, struct ub_bytes queue, struct ub_bytes sid,
                           char *out, size_t out_size);

#endif
