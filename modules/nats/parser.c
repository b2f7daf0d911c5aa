/* SPDX-License-Identifier: Apache-2.0 */
#include "parser.h"

#include <endian.h>
#include <string.h>

#define PARSER_ARGS_MAX   4
#define PARSER_VERB_MAX   8 /* "CONNECT" and its separator */
#define PARSER_SIZE_MAX   9 /* digits of a size, as nats-server */
#define PARSER_NUMBER_MAX 18

struct parser_line {
    struct ub_bytes args[PARSER_ARGS_MAX];
    size_t count;
    size_t len; /* with the line end */
};

typedef bool (*parser_shape_fn)(const struct parser_line *line, struct nats_op *op, size_t *size);

struct parser_verb {
    const char *name; /* upper case */
    uint8_t len;
    bool has_text; /* the rest of the line is one argument */
    bool has_payload;
    parser_shape_fn shape;
};

bool nats_parse_number(struct ub_bytes text, size_t max_digits, int64_t *number_out)
{
    if (text.len == 0 || text.len > max_digits) {
        return false;
    }
    int64_t number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        number = number * 10 + (text.ptr[i] - '0');
    }
    *number_out = number;
    return true;
}

static bool shape_size(struct ub_bytes text, size_t *size_out)
{
    int64_t number;
    if (!nats_parse_number(text, PARSER_SIZE_MAX, &number)) {
        return false;
    }
    *size_out = (size_t)number;
    return true;
}

static bool shape_pub(const struct parser_line *line, struct nats_op *op, size_t *size)
{
    if (line->count < 2 || line->count > 3) {
        return false;
    }
    op->subject = line->args[0];
    if (line->count == 3) {
        op->reply = line->args[1];
    }
    return shape_size(line->args[line->count - 1], size);
}

static bool shape_hpub(const struct parser_line *line, struct nats_op *op, size_t *size)
{
    size_t headers;
    if (line->count < 3 || !shape_size(line->args[line->count - 2], &headers) ||
        !shape_size(line->args[line->count - 1], size) || headers > *size) {
        return false;
    }
    op->subject = line->args[0];
    if (line->count == 4) {
        op->reply = line->args[1];
    }
    op->headers.len = headers;
    return true;
}

static bool shape_sub(const struct parser_line *line, struct nats_op *op, size_t *size)
{
    (void)size;
    if (line->count < 2 || line->count > 3) {
        return false;
    }
    op->subject = line->args[0];
    op->sid = line->args[line->count - 1];
    if (line->count == 3) {
        op->queue = line->args[1];
    }
    return true;
}

static bool shape_unsub(const struct parser_line *line, struct nats_op *op, size_t *size)
{
    (void)size;
    if (line->count < 1 || line->count > 2) {
        return false;
    }
    op->sid = line->args[0];
    return line->count == 1 || nats_parse_number(line->args[1], PARSER_NUMBER_MAX, &op->max);
}

static bool shape_bare(const struct parser_line *line, struct nats_op *op, size_t *size)
{
    (void)op;
    (void)size;
    return line->count == 0;
}

static const struct parser_verb parser_verbs[] = {
    [NATS_VERB_PUB] = {"PUB", 3, false, true, shape_pub},
    [NATS_VERB_HPUB] = {"HPUB", 4, false, true, shape_hpub},
    [NATS_VERB_SUB] = {"SUB", 3, false, false, shape_sub},
    [NATS_VERB_UNSUB] = {"UNSUB", 5, false, false, shape_unsub},
    [NATS_VERB_PING] = {"PING", 4, false, false, shape_bare},
    [NATS_VERB_PONG] = {"PONG", 4, false, false, shape_bare},
    [NATS_VERB_CONNECT] = {"CONNECT", 7, true, false, NULL},
    [NATS_VERB_INFO] = {"INFO", 4, true, false, NULL},
    [NATS_VERB_OK] = {"+OK", 3, false, false, shape_bare},
    [NATS_VERB_ERR] = {"-ERR", 4, true, false, NULL},
};

#define PARSER_VERBS (sizeof(parser_verbs) / sizeof(parser_verbs[0]))

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* Do the first len bytes (at most the verb's length) spell the verb, in any case? */
static bool verb_spells(const struct parser_verb *verb, const uint8_t *bytes, size_t len)
{
    size_t n = len < verb->len ? len : verb->len;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = bytes[i];
        if (c >= 'a' && c <= 'z') {
            c = (uint8_t)(c - 'a' + 'A');
        }
        if (c != (uint8_t)verb->name[i]) {
            return false;
        }
    }
    return len <= verb->len || is_blank(bytes[verb->len]) || bytes[verb->len] == '\r' ||
           bytes[verb->len] == '\n';
}

/* The verb that the bytes start with, or may yet become. */
static const struct parser_verb *verb_find(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < PARSER_VERBS; i++) {
        if (verb_spells(&parser_verbs[i], bytes, len)) {
            return &parser_verbs[i];
        }
    }
    return NULL;
}

static bool line_split(struct parser_line *line, const uint8_t *at, const uint8_t *end)
{
    while (true) {
        while (at < end && is_blank(*at)) {
            at++;
        }
        if (at == end) {
            return true;
        }
        if (line->count == PARSER_ARGS_MAX) {
            return false;
        }
        const uint8_t *start = at;
        while (at < end && !is_blank(*at)) {
            at++;
        }
        line->args[line->count++] = (struct ub_bytes){start, (size_t)(at - start)};
    }
}

static struct ub_bytes line_trim(const uint8_t *at, const uint8_t *end)
{
    while (at < end && is_blank(*at)) {
        at++;
    }
    while (at < end && is_blank(end[-1])) {
        end--;
    }
    return (struct ub_bytes){at, (size_t)(end - at)};
}

static enum nats_parsed parse_fault(struct nats_op *op, enum nats_fault fault)
{
    op->fault = fault;
    return NATS_PARSED_BAD;
}

static enum nats_parsed parse_payload(const struct nats_parse_limits *limits, const uint8_t *bytes,
                                      size_t len, size_t line_len, size_t size, struct nats_op *op)
{
    if (size > limits->max_payload) {
        return parse_fault(op, NATS_FAULT_PAYLOAD);
    }
    op->frame_len = line_len + size + 2;
    if (len < op->frame_len) {
        return NATS_PARSED_MORE;
    }
    const uint8_t *body = bytes + line_len;
    if (body[size] != '\r' || body[size + 1] != '\n') {
        return parse_fault(op, NATS_FAULT_UNKNOWN);
    }
    op->headers.ptr = body;
    op->payload = (struct ub_bytes){body + op->headers.len, size - op->headers.len};
    return NATS_PARSED_OP;
}

/* The line is there: [bytes, eol), eol at its LF. */
static enum nats_parsed parse_line(const struct nats_parse_limits *limits,
                                   const struct parser_verb *verb, const uint8_t *bytes, size_t len,
                                   const uint8_t *eol, struct nats_op *op)
{
    struct parser_line line = {.len = (size_t)(eol - bytes) + 1};
    const uint8_t *args = bytes + verb->len, *end = eol;
    if (end > args && end[-1] == '\r') {
        end--;
    }
    if ((size_t)(end - args) > limits->max_control_line + 1) {
        return parse_fault(op, NATS_FAULT_CONTROL_LINE);
    }
    op->frame_len = line.len;
    if (verb->has_text) {
        op->text = line_trim(args, end);
        return NATS_PARSED_OP;
    }
    size_t size = 0;
    if (!line_split(&line, args, end) || !verb->shape(&line, op, &size)) {
        return parse_fault(op, NATS_FAULT_UNKNOWN);
    }
    return verb->has_payload ? parse_payload(limits, bytes, len, line.len, size, op)
                             : NATS_PARSED_OP;
}

/* ---- the quick way ----------------------------------------------------------------------------
 */

/* The first byte that is a blank or a control character, or end; looks at eight at a time. */
static const uint8_t *word_end(const uint8_t *at, const uint8_t *end)
{
    const uint64_t ones = 0x0101010101010101u;
    for (; end - at >= 8; at += 8) {
        uint64_t eight;
        memcpy(&eight, at, 8);
        eight = le64toh(eight);
        uint64_t low = (eight - ones * 0x21) & ~eight & (ones * 0x80);
        if (low != 0) { /* what lies behind the first one may be wrong, the first is not */
            return at + (__builtin_ctzll(low) >> 3);
        }
    }
    while (at<end && * at> ' ') {
        at++;
    }
    return at;
}

static const uint8_t *quick_verb(const uint8_t *bytes, size_t len, struct nats_op *op)
{
    if (len >= 4 && memcmp(bytes, "PUB ", 4) == 0) {
        op->verb = NATS_VERB_PUB;
        return bytes + 4;
    }
    if (len >= 5 && memcmp(bytes, "HPUB ", 5) == 0) {
        op->verb = NATS_VERB_HPUB;
        return bytes + 5;
    }
    return NULL;
}

/* Nearly all that comes is a publish in upper case with single spaces: its line is taken apart in
 * one pass. false: it is something else, which the other way judges. */
static bool quick_line(const struct nats_parse_limits *limits, const uint8_t *bytes, size_t len,
                       struct nats_op *op, size_t *size_out, size_t *line_len_out)
{
    const uint8_t *args = quick_verb(bytes, len, op), *at = args, *end = bytes + len;
    struct parser_line line = {.count = 0};
    if (at == NULL) {
        return false;
    }
    while (true) {
        const uint8_t *word = at;
        at = word_end(word, end);
        if (at == word || end - at < 2 || line.count == PARSER_ARGS_MAX) {
            return false;
        }
        line.args[line.count++] = (struct ub_bytes){word, (size_t)(at - word)};
        if (*at != ' ') {
            break;
        }
        at++;
    }
    *line_len_out = (size_t)(at - bytes) + 2;
    return at[0] == '\r' && at[1] == '\n' && (size_t)(at - args) < limits->max_control_line &&
           (op->verb == NATS_VERB_PUB ? shape_pub(&line, op, size_out)
                                      : shape_hpub(&line, op, size_out));
}

enum nats_parsed nats_parse(const struct nats_parse_limits *limits, const uint8_t *bytes,
                            size_t len, struct nats_op *op_out)
{
    size_t size, line_len;
    memset(op_out, 0, sizeof(*op_out));
    if (len == 0) {
        return NATS_PARSED_MORE;
    }
    if (quick_line(limits, bytes, len, op_out, &size, &line_len)) {
        op_out->frame_len = line_len;
        return parse_payload(limits, bytes, len, line_len, size, op_out);
    }
    memset(op_out, 0, sizeof(*op_out));
    const struct parser_verb *verb = verb_find(bytes, len);
    if (verb == NULL) {
        return parse_fault(op_out, NATS_FAULT_UNKNOWN);
    }
    op_out->verb = (enum nats_verb)(verb - parser_verbs);
    size_t line_max = limits->max_control_line + PARSER_VERB_MAX + 2;
    const uint8_t *eol = memchr(bytes, '\n', len < line_max ? len : line_max);
    if (eol != NULL && (size_t)(eol - bytes) >= verb->len) {
        return parse_line(limits, verb, bytes, len, eol, op_out);
    }
    if (eol != NULL) { /* the line ends within the verb */
        return parse_fault(op_out, NATS_FAULT_UNKNOWN);
    }
    return len < line_max ? NATS_PARSED_MORE : parse_fault(op_out, NATS_FAULT_CONTROL_LINE);
}
