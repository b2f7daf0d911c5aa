/* SPDX-License-Identifier: Apache-2.0
 *
 * The NATS client protocol as frames: one call looks at the bytes so far and answers with one
 * operation, "more bytes, please", or a fault. It keeps no state and allocates nothing, so a
 * session split at any byte reads the same. Source: nats-surface.md 1.1; nats-server's parser.go.
 * Any thread. */
#ifndef NATS_PARSER_H
#define NATS_PARSER_H

#include <unibus/abi.h>

enum nats_verb {
    NATS_VERB_PUB = 0,
    NATS_VERB_HPUB,
    NATS_VERB_SUB,
    NATS_VERB_UNSUB,
    NATS_VERB_PING,
    NATS_VERB_PONG,
    NATS_VERB_CONNECT,
    NATS_VERB_INFO,
    NATS_VERB_OK,
    NATS_VERB_ERR
};

enum nats_parsed { NATS_PARSED_OP, NATS_PARSED_MORE, NATS_PARSED_BAD };

enum nats_fault {
    NATS_FAULT_NONE = 0,
    NATS_FAULT_UNKNOWN,      /* not the protocol */
    NATS_FAULT_CONTROL_LINE, /* arguments longer than max_control_line */
    NATS_FAULT_PAYLOAD       /* longer than max_payload */
};

struct nats_parse_limits {
    size_t max_control_line, max_payload;
};

/* All ranges lie in the bytes given to nats_parse. */
struct nats_op {
    enum nats_verb verb;
    enum nats_fault fault;
    struct ub_bytes subject, reply, queue, sid;
    struct ub_bytes text;    /* CONNECT, INFO, -ERR: the rest of the line */
    struct ub_bytes headers; /* HPUB */
    struct ub_bytes payload; /* without headers */
    int64_t max;             /* UNSUB; 0 = not given */
    /* Length of the whole frame. With NATS_PARSED_MORE: what it will be, or 0 when unknown yet. */
    size_t frame_len;
};

/* MORE: op_out->verb and frame_len are set when the control line is complete. */
enum nats_parsed nats_parse(const struct nats_parse_limits *limits, const uint8_t *bytes,
                            size_t len, struct nats_op *op_out);

/* Decimal digits only, at most max_digits of them. */
bool nats_parse_number(struct ub_bytes text, size_t max_digits, int64_t *number_out);

#endif
