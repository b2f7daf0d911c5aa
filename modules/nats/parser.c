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

/* Member by member: of a memset of this size gcc makes "rep stos", which takes longer than the
 * parsing, and of a chain of assignments loads of what was just stored. */
static void op_clear(struct nats_op *op)
{
    static const struct ub_bytes none = {NULL, 0};
    op->verb = NATS_VERB_PUB;
    op->fault = NATS_FAULT_NONE;
    op->subject = none;
    op->reply = none;
    op->queue = none;
    op->sid = none;
    op->text = none;
    op->headers = none;
    op->payload = none;
    op->max = 0;
    op->frame_len = 0;
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

struct quick_words {
    const uint8_t *from[PARSER_ARGS_MAX], *to[PARSER_ARGS_MAX];
    size_t count;
};

/* The words of a line with single spaces; answers its CR, or NULL. */
static const uint8_t *quick_split(struct quick_words *words, const uint8_t *at, const uint8_t *end)
{
    while (words->count < PARSER_ARGS_MAX) {
        const uint8_t *to = word_end(at, end);
        if (to == at || end - to < 2) {
            return NULL;
        }
        words->from[words->count] = at;
        words->to[words->count++] = to;
        if (*to != ' ') {
            return to[0] == '\r' && to[1] == '\n' ? to : NULL;
        }
        at = to + 1;
    }
    return NULL;
}

static struct ub_bytes quick_word(const struct quick_words *words, size_t i)
{
    return (struct ub_bytes){words->from[i], (size_t)(words->to[i] - words->from[i])};
}

/* Nearly all that comes is a publish in upper case with single spaces: its line is taken apart in
 * one pass. false: it is something else, which the other way judges. */
static bool quick_line(const struct nats_parse_limits *limits, const uint8_t *bytes, size_t len,
                       struct nats_op *op, size_t *size_out, size_t *line_len_out)
{
    struct quick_words words = {.count = 0};
    const uint8_t *args = quick_verb(bytes, len, op);
    const uint8_t *cr = args == NULL ? NULL : quick_split(&words, args, bytes + len);
    size_t sizes = op->verb == NATS_VERB_PUB ? 1 : 2;
    if (cr == NULL || (size_t)(cr - args) >= limits->max_control_line || words.count <= sizes ||
        words.count > sizes + 2 || !shape_size(quick_word(&words, words.count - 1), size_out)) {
        return false;
    }
    if (sizes == 2 && (!shape_size(quick_word(&words, words.count - 2), &op->headers.len) ||
                       op->headers.len > *size_out)) {
        return false;
    }
    op->subject = quick_word(&words, 0);
    if (words.count == sizes + 2) {
        op->reply = quick_word(&words, 1);
    }
    *line_len_out = (size_t)(cr - bytes) + 2;
    return true;
}

enum nats_parsed nats_parse(const struct nats_parse_limits *limits, const uint8_t *bytes,
                            size_t len, struct nats_op *op_out)
{
    size_t size, line_len;
    op_clear(op_out);
    if (len == 0) {
        return NATS_PARSED_MORE;
    }
    if (quick_line(limits, bytes, len, op_out, &size, &line_len)) {
        op_out->frame_len = line_len;
        return parse_payload(limits, bytes, len, line_len, size, op_out);
    }
    op_clear(op_out);
    const struct parser_verb *verb = verb_find(bytes, len);
    if (verb == NULL) {
        return parse_fault(op_out, NATS_FAULT_UNKNOWN);
    }
    op_out->verb = (enum nats_verb)(verb - parser_verbs);
    size_t line_max = limits->max_control_line + PARSER_VERB_MAX + 2;
    const uint8_t *eol = memchr(bytes, '\n', len < line_max ? len : line_max);
    if (eol != NULL) { /* not within the verb: no verb has a LF in it */
        return parse_line(limits, verb, bytes, len, eol, op_out);
    }
    return len < line_max ? NATS_PARSED_MORE : parse_fault(op_out, NATS_FAULT_CONTROL_LINE);
}
