/* SPDX-License-Identifier: Apache-2.0 */
#include "head.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define METHOD_MAX 15u

static const struct http_fault fine = {UB_P_NONE, NULL};

static struct http_fault bad(const char *why)
{
    return (struct http_fault){UB_P_BAD_REQUEST, why};
}

void http_head_init(struct http_head *head)
{
    memset(head, 0, sizeof(*head));
    head->content_length = -1;
}

void http_head_fini(struct http_head *head)
{
    free(head->bytes);
    free(head->fields);
    http_head_init(head);
}

bool http_head_push(struct http_head *head, char byte)
{
    if (head->len == head->room) {
        uint32_t room = head->room == 0 ? 1024 : head->room * 2;
        char *bytes = realloc(head->bytes, room);
        if (bytes == NULL) {
            return false;
        }
        head->bytes = bytes;
        head->room = room;
    }
    head->bytes[head->len++] = byte;
    return true;
}

/* RFC 9110, section 5.6.2 */
static bool is_token_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static uint32_t skip_token(const struct http_head *head, uint32_t at, uint32_t end)
{
    while (at < end && is_token_char(head->bytes[at])) {
        at++;
    }
    return at;
}

static uint32_t skip_target(const struct http_head *head, uint32_t at, uint32_t end)
{
    while (at < end && head->bytes[at] > 0x20 && head->bytes[at] < 0x7f) {
        at++;
    }
    return at;
}

static struct http_fault target_split(struct http_head *head, struct http_span target,
                                      const struct http_limits *limits)
{
    const char *bytes = head->bytes + target.at;
    if (target.len > limits->target_max) {
        return (struct http_fault){UB_P_URI_TOO_LONG, "the target is too long"};
    }
    if (target.len == 0 || bytes[0] != '/') {
        return bad("the target must be a path that begins with '/'");
    }
    if (memchr(bytes, '#', target.len) != NULL) {
        return bad("a target has no fragment");
    }
    const char *mark = memchr(bytes, '?', target.len);
    uint32_t path_len = mark == NULL ? target.len : (uint32_t)(mark - bytes);
    uint32_t query_at = path_len + (mark != NULL);
    head->path = (struct http_span){target.at, path_len};
    head->query = (struct http_span){target.at + query_at, target.len - query_at};
    return fine;
}

static struct http_fault version_read(struct http_head *head, uint32_t at, uint32_t end)
{
    if (end - at != 9 || memcmp(head->bytes + at, " HTTP/1.", 8) != 0) {
        return bad("the request line must be METHOD TARGET HTTP/1.1 with one space each");
    }
    char minor = head->bytes[end - 1];
    if (minor != '0' && minor != '1') {
        return bad("only HTTP/1.1 and HTTP/1.0 are spoken here");
    }
    head->is_http10 = minor == '0';
    return fine;
}

struct http_fault http_head_request_line(struct http_head *head, struct http_span line,
                                         const struct http_limits *limits)
{
    uint32_t end = line.at + line.len;
    uint32_t at = skip_token(head, line.at, end);
    head->method = (struct http_span){line.at, at - line.at};
    if (head->method.len == 0 || head->method.len > METHOD_MAX || at == end ||
        head->bytes[at] != ' ') {
        return bad("the method is not a short token followed by one space");
    }
    uint32_t target_at = at + 1;
    at = skip_target(head, target_at, end);
    struct http_fault fault =
        target_split(head, (struct http_span){target_at, at - target_at}, limits);
    return fault.problem != UB_P_NONE ? fault : version_read(head, at, end);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct http_span value_of(const struct http_head *head, uint32_t at, uint32_t end)
{
    while (at < end && is_blank(head->bytes[at])) {
        at++;
    }
    while (end > at && is_blank(head->bytes[end - 1])) {
        end--;
    }
    return (struct http_span){at, end - at};
}

/* Bytes above 0x7f are let through (RFC 9110: obs-text); the signature refuses them. */
static bool is_value(const struct http_head *head, struct http_span value)
{
    for (uint32_t i = value.at; i < value.at + value.len; i++) {
        unsigned char c = (unsigned char)head->bytes[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool field_add(struct http_head *head, struct http_field field)
{
    if (head->field_count == head->field_room) {
        uint32_t room = head->field_room == 0 ? 16 : head->field_room * 2;
        struct http_field *fields = reallocarray(head->fields, room, sizeof(*fields));
        if (fields == NULL) {
            return false;
        }
        head->fields = fields;
        head->field_room = room;
    }
    head->fields[head->field_count++] = field;
    return true;
}

struct http_fault http_head_field_line(struct http_head *head, struct http_span line,
                                       const struct http_limits *limits)
{
    uint32_t end = line.at + line.len;
    uint32_t colon = skip_token(head, line.at, end);
    if (head->field_count >= limits->fields_max) {
        return (struct http_fault){UB_P_HEADERS_TOO_LARGE, "too many header lines"};
    }
    if (is_blank(head->bytes[line.at])) {
        return bad("a header line must not begin with a space: folding is not read");
    }
    if (colon == line.at || colon == end || head->bytes[colon] != ':') {
        return bad("a header line must be a name, a colon without space before it, and a value");
    }
    struct http_field field = {{line.at, colon - line.at}, value_of(head, colon + 1, end)};
    if (!is_value(head, field.value)) {
        return bad("a header value holds a control character");
    }
    return field_add(head, field) ? fine : (struct http_fault){UB_P_INTERNAL, "no memory"};
}

static void seal_name(struct http_head *head, struct http_span name)
{
    for (uint32_t i = name.at; i < name.at + name.len; i++) {
        if (head->bytes[i] >= 'A' && head->bytes[i] <= 'Z') {
            head->bytes[i] = (char)(head->bytes[i] + ('a' - 'A'));
        }
    }
    head->bytes[name.at + name.len] = '\0';
}

void http_head_seal(struct http_head *head)
{
    head->bytes[head->method.at + head->method.len] = '\0';
    head->bytes[head->path.at + head->path.len] = '\0';
    head->bytes[head->query.at + head->query.len] = '\0';
    for (uint32_t i = 0; i < head->field_count; i++) {
        struct http_field *field = &head->fields[i];
        seal_name(head, field->name);
        head->bytes[field->value.at + field->value.len] = '\0';
    }
}

bool http_head_has_body(const struct http_head *head)
{
    return head->is_chunked || head->content_length > 0;
}

int http_head_find(const struct http_head *head, const char *name, int from)
{
    size_t len = strlen(name);
    for (uint32_t i = (uint32_t)from; i < head->field_count; i++) {
        struct http_span span = head->fields[i].name;
        if (span.len == len && strncasecmp(head->bytes + span.at, name, len) == 0) {
            return (int)i;
        }
    }
    return -1;
}
