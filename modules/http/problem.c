/* SPDX-License-Identifier: Apache-2.0 */
#include "problem.h"

#include <string.h>

#include "answer.h"
#include "exchange.h"
#include "utf8.h"

static const struct {
    const char *code;
    int status;
    const char *title;
} problems[UB_P_COUNT] = {[UB_P_NONE] = {"none", 500, "no problem"},
#define PROBLEM_ROW(name, code, status, retry, who, title, fix)                                    \
    [UB_P_##name] = {code, status, title},
                          UB_PROBLEMS(PROBLEM_ROW)
#undef PROBLEM_ROW
};

static enum ub_problem known(enum ub_problem problem)
{
    return (unsigned)problem < UB_P_COUNT && problem != UB_P_NONE ? problem : UB_P_INTERNAL;
}

const char *http_problem_code(enum ub_problem problem)
{
    return problems[known(problem)].code;
}

int http_problem_status(enum ub_problem problem)
{
    return problems[known(problem)].status;
}

static int json_character(struct evbuffer *out, const char *text, size_t len)
{
    unsigned char c = (unsigned char)text[0];
    if (c == '"' || c == '\\') {
        return evbuffer_add_printf(out, "\\%c", c);
    }
    if (c < 0x20 || c == 0x7f) {
        return evbuffer_add_printf(out, "\\u%04x", c);
    }
    return evbuffer_add(out, text, len);
}

/* A quoted string; what is not UTF-8 becomes U+FFFD. */
static bool json_text(struct evbuffer *out, const char *text)
{
    size_t left = strlen(text);
    int rc = evbuffer_add(out, "\"", 1);
    while (left > 0 && rc >= 0) {
        size_t step = http_utf8_length((const uint8_t *)text, left);
        rc = step == 0 ? evbuffer_add(out, "\xef\xbf\xbd", 3) : json_character(out, text, step);
        step = step == 0 ? 1 : step;
        text += step;
        left -= step;
    }
    return rc >= 0 && evbuffer_add(out, "\"", 1) == 0;
}

static bool json_fill(struct evbuffer *out, enum ub_problem problem, const char *members,
                      const char *detail)
{
    int rc = evbuffer_add_printf(
        out, "{\"type\":\"urn:unibus:problem:%s\",\"title\":\"%s\",\"status\":%d,\"code\":\"%s\"",
        problems[problem].code, problems[problem].title, problems[problem].status,
        problems[problem].code);
    if (rc >= 0 && detail != NULL && detail[0] != '\0') {
        rc = evbuffer_add(out, ",\"detail\":", 10) == 0 && json_text(out, detail) ? 0 : -1;
    }
    if (rc >= 0 && members != NULL && members[0] != '\0') {
        rc = evbuffer_add_printf(out, ",%s", members);
    }
    return rc >= 0;
}

struct evbuffer *http_problem_json(enum ub_problem problem, const char *members, const char *detail,
                                   const char *request_id)
{
    struct evbuffer *out = evbuffer_new();
    if (out == NULL || !json_fill(out, known(problem), members, detail) ||
        evbuffer_add_printf(out, ",\"instance\":\"urn:unibus:request:%s\"}\n", request_id) < 0) {
        if (out != NULL) {
            evbuffer_free(out);
        }
        return NULL;
    }
    return out;
}

#define PROBLEM_TYPE                                                                               \
    {                                                                                              \
        "Content-Type", "application/problem+json"                                                 \
    }

bool http_problem_write(const struct ub_host *host, struct evbuffer *out, enum ub_problem problem,
                        const char *detail)
{
    static const struct ub_http_header headers[] = {PROBLEM_TYPE, {NULL, NULL}};
    char id[27];
    http_request_id(host, id);
    struct evbuffer *json = http_problem_json(problem, NULL, detail, id);
    if (json == NULL) {
        return false;
    }
    struct http_answer_head head = {.status = http_problem_status(problem),
                                    .headers = headers,
                                    .length = (int64_t)evbuffer_get_length(json),
                                    .says_close = true,
                                    .now_ms = host->clock->now_ms(host)};
    bool is_ok = http_answer_write(out, &head) && evbuffer_add_buffer(out, json) == 0;
    evbuffer_free(json);
    return is_ok;
}

static void problem_send(struct http_exchange *x, enum ub_problem problem, const char *members,
                         const char *detail, const struct ub_http_header *headers)
{
    struct evbuffer *json = http_problem_json(problem, members, detail, x->id);
    struct ub_bytes body = {NULL, 0};
    if (json != NULL) {
        body.len = evbuffer_get_length(json);
        body.ptr = evbuffer_pullup(json, -1);
    }
    if (x->answer == HTTP_UNANSWERED) {
        x->problem = known(problem);
        atomic_fetch_add(&x->server->refused_count, 1);
    }
    http_reply(x, http_problem_status(problem), headers, body);
    if (json != NULL) {
        evbuffer_free(json);
    }
}

void http_problem_reply(struct http_exchange *x, enum ub_problem problem, const char *members,
                        const char *detail)
{
    struct ub_http_header headers[3] = {PROBLEM_TYPE, {NULL, NULL}, {NULL, NULL}};
    int status = http_problem_status(problem);
    if (status == 401) {
        headers[1] = (struct ub_http_header){"WWW-Authenticate", "Signature"};
    } else if (status == 429 || status == 503) {
        headers[1] = (struct ub_http_header){"Retry-After", "1"};
    }
    problem_send(x, problem, members, detail, headers);
}

void http_problem_method(struct http_exchange *x, const char *allow)
{
    const struct ub_http_header headers[] = {PROBLEM_TYPE, {"Allow", allow}, {NULL, NULL}};
    problem_send(x, UB_P_METHOD_NOT_ALLOWED, NULL, allow, headers);
}

void http_request_id(const struct ub_host *host, char out[27])
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint8_t noise[16];
    uint64_t time = (uint64_t)host->clock->now_ms(host);
    host->clock->random(host, noise, sizeof(noise));
    for (int i = 9; i >= 0; i--) {
        out[i] = digits[time & 31];
        time >>= 5;
    }
    for (int i = 0; i < 16; i++) {
        out[10 + i] = digits[noise[i] & 31];
    }
    out[26] = '\0';
}
