/* SPDX-License-Identifier: Apache-2.0
 *
 * Raw bytes against the running server: the list of the trial (ADR 1) and more. Hostile requests
 * get exactly one answer of 4xx, and what is pipelined behind them is never read as a request;
 * valid ones are the controls. */
#include "test_http_server.h"

#include <stdlib.h>
#include <unistd.h>

#define BYTES(text) text, sizeof(text) - 1
#define SMUG        "GET /smug HTTP/1.1\r\nHost: x\r\n\r\n"

enum kind {
    OK,      /* 200 with the text */
    HAS,     /* the same, for a header */
    BODY,    /* the same, for the length of the body */
    TWO,     /* both answers */
    ONE,     /* one answer of that status, then the end */
    EITHER,  /* 200 with the text, or one 4xx */
    STATUS,  /* the first answer has that status */
    REFUSED, /* one 4xx or 5xx (of that status unless 0), then the end; the rest is not read */
};

struct row {
    const char *name;
    const char *bytes;
    size_t len;
    enum kind kind;
    const char *text;
    int status;
};

static const struct row rows[] = {
    {"ok GET", BYTES("GET /a HTTP/1.1\r\nHost: x\r\n\r\n"), OK, "TARGET=/a\n", 0},
    {"ok POST CL", BYTES("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"), BODY,
     "BODY=5\n", 0},
    {"ok POST chunked",
     BYTES("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
           "chunked\r\n\r\n5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n"),
     BODY, "BODY=8\n", 0},
    {"pipelined 2", BYTES("GET /a HTTP/1.1\r\nHost: x\r\n\r\n" SMUG), TWO, "TARGET=/smug\n", 0},
    {"%2F kept", BYTES("GET /a%2Fb HTTP/1.1\r\nHost: x\r\n\r\n"), OK, "TARGET=/a%2Fb\n", 0},
    {"%2f case kept", BYTES("GET /a%2fb HTTP/1.1\r\nHost: x\r\n\r\n"), OK, "TARGET=/a%2fb\n", 0},
    {"%00 kept/400", BYTES("GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n"), EITHER, "TARGET=/a%00b\n", 0},
    {"// no route", BYTES("GET /a//b HTTP/1.1\r\nHost: x\r\n\r\n"), EITHER, "TARGET=/a//b\n", 0},
    {"/../ kept/400", BYTES("GET /a/../b HTTP/1.1\r\nHost: x\r\n\r\n"), EITHER, "TARGET=/a/../b\n",
     0},
    {"/a? kept", BYTES("GET /a? HTTP/1.1\r\nHost: x\r\n\r\n"), OK, "TARGET=/a\n", 0},
    {"query raw", BYTES("GET /a?x=%41+b&&y=1;z&x=2?q HTTP/1.1\r\nHost: x\r\n\r\n"), OK,
     "TARGET=/a?x=%41+b&&y=1;z&x=2?q\n", 0},
    {"query %2e%2e", BYTES("GET /%2e%2e/x HTTP/1.1\r\nHost: x\r\n\r\n"), EITHER,
     "TARGET=/%2e%2e/x\n", 0},
    {"custom header seen", BYTES("GET /a HTTP/1.1\r\nHost: x\r\nX-A: v 1 \r\n\r\n"), HAS,
     "x-a=v 1\n", 0},
    {"dup header seen", BYTES("GET /a HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nX-A: 2\r\n\r\n"), HAS,
     "x-a=1, 2\n", 0},
    {"TE+CL",
     BYTES("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: "
           "5\r\n\r\n0\r\n\r\n" SMUG),
     REFUSED, NULL, 0},
    {"CL+TE",
     BYTES("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: "
           "chunked\r\n\r\n0\r\n\r\n" SMUG),
     REFUSED, NULL, 0},
    {"TE gzip, chunked",
     BYTES("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" SMUG),
     REFUSED, NULL, 0},
    {"TE chunked, gzip",
     BYTES("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" SMUG),
     REFUSED, NULL, 0},
    {"TE twice",
     BYTES("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
           "chunked\r\n\r\n0\r\n\r\n" SMUG),
     REFUSED, NULL, 0},
    {"TE identity",
     BYTES("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" SMUG),
     REFUSED, NULL, 0},
    {"TE xchunked",
     BYTES("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" SMUG),
     REFUSED, NULL, 0},
    {"two CL differ",
     BYTES(
         "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nhello" SMUG),
     REFUSED, NULL, 0},
    {"two CL same",
     BYTES(
         "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello" SMUG),
     REFUSED, NULL, 0},
    {"CL 5, 5", BYTES("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\nhello" SMUG),
     REFUSED, NULL, 0},
    {"CL +5", BYTES("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello" SMUG), REFUSED,
     NULL, 0},
    {"CL -5", BYTES("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nhello" SMUG), REFUSED,
     NULL, 0},
    {"CL \"5 5\"", BYTES("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5 5\r\n\r\nhello" SMUG),
     REFUSED, NULL, 0},
    {"CL 5x", BYTES("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5x\r\n\r\nhello" SMUG), REFUSED,
     NULL, 0},
    {"CL 0x5", BYTES("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\nhello" SMUG),
     REFUSED, NULL, 0},
    {"CL empty", BYTES("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n" SMUG), REFUSED,
     NULL, 0},
    {"CL 2^64+5",
     BYTES("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551621\r\n\r\nhello" SMUG),
     REFUSED, NULL, 0},
    {"chunk size 2^64+5",
     BYTES("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
           "chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n" SMUG),
     REFUSED, NULL, 0},
    {"chunk size -5",
     BYTES("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
           "chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n" SMUG),
     REFUSED, NULL, 0},
    {"chunk size 0x5",
     BYTES("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
           "chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n" SMUG),
     REFUSED, NULL, 0},
    {"chunk size \" 5\"",
     BYTES("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n "
           "5\r\nhello\r\n0\r\n\r\n" SMUG),
     REFUSED, NULL, 0},
    {"chunk size \"5 \"",
     BYTES("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5 "
           "\r\nhello\r\n0\r\n\r\n" SMUG),
     REFUSED, NULL, 0},
    {"chunk size empty",
     BYTES("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
           "chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n" SMUG),
     REFUSED, NULL, 0},
    {"chunk bare LF",
     BYTES("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n" SMUG),
     REFUSED, NULL, 0},
    {"chunk data no CRLF",
     BYTES("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
           "chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n" SMUG),
     REFUSED, NULL, 0},
    {"chunk ext with LF",
     BYTES("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
           "chunked\r\n\r\n5;a\nb\r\nhello\r\n0\r\n\r\n" SMUG),
     REFUSED, NULL, 0},
    {"NUL in value", BYTES("GET /a HTTP/1.1\r\nHost: x\r\nX-A: a\000b\r\n\r\n" SMUG), REFUSED, NULL,
     0},
    {"NUL in name", BYTES("GET /a HTTP/1.1\r\nHost: x\r\nX\000A: a\r\n\r\n" SMUG), REFUSED, NULL,
     0},
    {"NUL in target", BYTES("GET /a\000b HTTP/1.1\r\nHost: x\r\n\r\n" SMUG), REFUSED, NULL, 0},
    {"CR in value", BYTES("GET /a HTTP/1.1\r\nHost: x\r\nX-A: a\rb\r\n\r\n" SMUG), REFUSED, NULL,
     0},
    {"ctl 0x01 in value", BYTES("GET /a HTTP/1.1\r\nHost: x\r\nX-A: a\001b\r\n\r\n" SMUG), REFUSED,
     NULL, 0},
    {"bare LF all", BYTES("GET /a HTTP/1.1\nHost: x\n\n" SMUG), REFUSED, NULL, 0},
    {"bare LF one header", BYTES("GET /a HTTP/1.1\r\nHost: x\nX-A: b\r\n\r\n" SMUG), REFUSED, NULL,
     0},
    {"bare LF end", BYTES("GET /a HTTP/1.1\r\nHost: x\r\n\n" SMUG), REFUSED, NULL, 0},
    {"obs-fold", BYTES("GET /a HTTP/1.1\r\nHost: x\r\nX-A: a\r\n b\r\n\r\n" SMUG), REFUSED, NULL,
     0},
    {"fold first line", BYTES("GET /a HTTP/1.1\r\n X: y\r\nHost: x\r\n\r\n" SMUG), REFUSED, NULL,
     0},
    {"space before colon", BYTES("GET /a HTTP/1.1\r\nHost: x\r\nX-A : a\r\n\r\n" SMUG), REFUSED,
     NULL, 0},
    {"CL space colon", BYTES("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\nhello" SMUG),
     REFUSED, NULL, 0},
    {"no name", BYTES("GET /a HTTP/1.1\r\nHost: x\r\n: a\r\n\r\n" SMUG), REFUSED, NULL, 0},
    {"no colon", BYTES("GET /a HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n" SMUG), REFUSED, NULL, 0},
    {"name with ()", BYTES("GET /a HTTP/1.1\r\nHost: x\r\nX(A): b\r\n\r\n" SMUG), REFUSED, NULL, 0},
    {"no Host 1.1", BYTES("GET /a HTTP/1.1\r\n\r\n" SMUG), REFUSED, NULL, 0},
    {"two Host", BYTES("GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" SMUG), REFUSED, NULL, 0},
    {"HTTP/9.9", BYTES("GET /a HTTP/9.9\r\nHost: x\r\n\r\n" SMUG), REFUSED, NULL, 0},
    {"2 spaces in line", BYTES("GET  /a HTTP/1.1\r\nHost: x\r\n\r\n" SMUG), REFUSED, NULL, 0},
    {"HTTP/0.9", BYTES("GET /a\r\n\r\n" SMUG), REFUSED, NULL, 0},
    {"absolute/other # in target", BYTES("GET /a#f HTTP/1.1\r\nHost: x\r\n\r\n" SMUG), REFUSED,
     NULL, 0},
    {"space in target", BYTES("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n" SMUG), REFUSED, NULL, 0},
    {"error then pipelined", BYTES("GET /a HTTP/1.1\r\nHost x\r\n\r\n" SMUG), REFUSED, NULL, 0},
    {"413 CL before body", BYTES("POST /limit HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\n"),
     STATUS, NULL, 413},
    {"413 chunked",
     BYTES("POST /limit HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
           "chunked\r\n\r\n10\r\naaaaaaaaaaaaaaaa\r\n1\r\na\r\n"),
     STATUS, NULL, 413},
    {"401 before body", BYTES("POST /deny HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"),
     STATUS, NULL, 401},
    {"Expect: 401 no 100",
     BYTES(
         "POST /deny HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n"),
     STATUS, NULL, 401},
    {"Expect: 413 no 100",
     BYTES(
         "POST /limit HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n"),
     STATUS, NULL, 413},
    {"Expect: 100 sent",
     BYTES("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"),
     STATUS, NULL, 100},
    {"401 then body as request",
     BYTES("POST /deny HTTP/1.1\r\nHost: x\r\nContent-Length: 31\r\n\r\n" SMUG), REFUSED, NULL, 0},
    {"chunk extension",
     BYTES("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
           "chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n"),
     REFUSED, NULL, 400},
    {"trailer",
     BYTES("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
           "chunked\r\n\r\n5\r\nhello\r\n0\r\nX-A: b\r\n\r\n"),
     REFUSED, NULL, 400},
    {"absolute form", BYTES("GET http://x/a HTTP/1.1\r\nHost: x\r\n\r\n"), REFUSED, NULL, 400},
    {"asterisk form", BYTES("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"), REFUSED, NULL, 400},
    {"line end before the request", BYTES("\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n"), REFUSED, NULL,
     400},
    {"CR CR LF", BYTES("GET /a HTTP/1.1\r\r\nHost: x\r\n\r\n"), REFUSED, NULL, 400},
    {"CVE-2023-30589",
     BYTES("GET /a HTTP/1.1\r\nHost: x\r\nX-Abc: \rxTransfer-Encoding: chunked\r\n\r\n"), REFUSED,
     NULL, 400},
    {"TE in HTTP/1.0", BYTES("POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
     REFUSED, NULL, 400},
    {"Host with a path", BYTES("GET /a HTTP/1.1\r\nHost: x/y\r\n\r\n"), REFUSED, NULL, 400},
    {"Expect: something",
     BYTES("POST /a HTTP/1.1\r\nHost: x\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n"), REFUSED,
     NULL, 400},
    {"overlong UTF-8", BYTES("GET /%c0%af HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
     REFUSED, NULL, 400},
    {"overlong dots", BYTES("GET /%c0%ae%c0%ae HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
     REFUSED, NULL, 400},
    {"encoded dots", BYTES("GET /%2e%2E HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), REFUSED,
     NULL, 400},
    {"dots", BYTES("GET /a/../b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), REFUSED, NULL,
     400},
    {"%00", BYTES("GET /a%00b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), REFUSED, NULL,
     400},
    {"%0a", BYTES("GET /a%0ab HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), REFUSED, NULL,
     400},
    {"broken escape", BYTES("GET /a%2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), REFUSED,
     NULL, 400},
    {"double encoding decoded once", BYTES("GET /%252e%252e HTTP/1.1\r\nHost: x\r\n\r\n"), OK,
     "PARAM=%2e%2e\n", 0},
    {"%2F stays in its segment", BYTES("GET /a%2Fb HTTP/1.1\r\nHost: x\r\n\r\n"), OK, "PARAM=a/b\n",
     0},
    {"HTTP/1.0", BYTES("GET /a HTTP/1.0\r\n\r\n"), OK, "TARGET=/a\n", 0},
    {"connection: close",
     BYTES("GET /a HTTP/1.1\r\nHost: x\r\nConnection: foo, Close\r\n\r\n" SMUG), ONE, NULL, 200},
};

static struct test_server server;

/* Echoes target, parameter, one header and the length of the body. */
static void echo(void *arg, const struct ub_http_request *request)
{
    const struct test_server *own = arg;
    char text[20000];
    const char *query = request->raw_query;
    const char *header = own->ops->header(request, "x-a");
    const char *mark = query[0] != '\0' ? "?" : "";
    int len =
        snprintf(text, sizeof(text), "TARGET=%s%s%s\nPARAM=%s\nx-a=%s\nBODY=%zu\n",
                 request->raw_path, mark, query, request->param_count > 0 ? request->params[0] : "",
                 header == NULL ? "" : header, request->body.len);
    own->ops->reply(request, 200, NULL, (struct ub_bytes){(const uint8_t *)text, (size_t)len});
}

static int setup(void **state)
{
    (void)state;
    test_server_new(&server);
    test_server_route(&server, "GET", "/a", 0, 0, echo);
    test_server_route(&server, "POST", "/a", 0, 1 << 20, echo);
    test_server_route(&server, "GET", "/{any}", 0, 0, echo);
    test_server_route(&server, "GET", "/{any}/x", 0, 0, echo);
    test_server_route(&server, "POST", "/limit", 0, 16, echo);
    test_server_route(&server, "POST", "/deny", UB_HTTP_SIGNED, 1 << 20, echo);
    test_server_start(&server);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_server_stop(&server);
    return 0;
}

static bool is_refused(const struct test_bytes *in, int status)
{
    int got = test_status(in);
    return got >= 400 && got < 600 && (status == 0 || got == status) &&
           test_count(in, "\r\nDate: ") == 1 && test_count(in, "TARGET=") == 0;
}

static bool judge(const struct row *row, const struct test_bytes *in, bool is_closed)
{
    switch (row->kind) {
    case OK:
    case HAS:
    case BODY:
        return test_status(in) == 200 && strstr(in->ptr, row->text) != NULL;
    case TWO:
        return test_count(in, "HTTP/1.1 200") == 2 && strstr(in->ptr, row->text) != NULL;
    case ONE:
        return is_closed && test_status(in) == row->status && test_count(in, "\r\nDate: ") == 1;
    case EITHER:
        return strstr(in->ptr, row->text) != NULL || is_refused(in, 0);
    case STATUS:
        return test_status(in) == row->status;
    case REFUSED:
        return is_closed && is_refused(in, row->status);
    }
    return false;
}

/* Where reading may stop: hostile ones are read to the end of the connection. */
static const char *stop_at(const struct row *row)
{
    if (row->kind == REFUSED || row->kind == ONE) {
        return NULL;
    }
    return row->kind == STATUS || row->kind == EITHER ? "\r\n\r\n" : row->text;
}

static bool run_row(const struct row *row, size_t step)
{
    bool is_closed = false;
    struct test_bytes in = {NULL, 0};
    int fd = test_connect(&server);
    for (size_t at = 0; at < row->len; at += step) {
        test_send(fd, row->bytes + at, row->len - at < step ? row->len - at : step);
    }
    test_read_until(fd, &in, stop_at(row), 5000, &is_closed);
    if (row->kind == EITHER) { /* the body of the answer too */
        test_read_until(fd, &in, "\n", 5000, &is_closed);
        test_read_until(fd, &in, row->text, test_status(&in) == 200 ? 5000 : 20, &is_closed);
    }
    bool is_right = judge(row, &in, is_closed);
    if (!is_right) {
        print_error("%s: %.300s (%s)\n", row->name, in.ptr, is_closed ? "closed" : "open");
    }
    free(in.ptr);
    close(fd);
    return is_right;
}

static void run_all(size_t step)
{
    size_t wrong = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        wrong += !run_row(&rows[i], step);
    }
    assert_int_equal(wrong, 0);
}

static void every_row_in_one_piece(void **state)
{
    (void)state;
    run_all(65536);
}

static void every_row_in_small_pieces(void **state)
{
    (void)state;
    run_all(7);
}

/* Builds prefix + count times (piece) + suffix and runs it. */
static void run_large(const char *name, const char *prefix, const char *piece, size_t count,
                      const char *suffix, enum kind kind, int status)
{
    size_t piece_len = strlen(piece);
    char *bytes = calloc(1, strlen(prefix) + count * piece_len + strlen(suffix) + 1);
    char *at = stpcpy(bytes, prefix);
    for (size_t i = 0; i < count; i++, at += piece_len) {
        memcpy(at, piece, piece_len);
    }
    at = stpcpy(at, suffix);
    struct row row = {name, bytes, (size_t)(at - bytes), kind, NULL, status};
    assert_true(run_row(&row, 65536));
    free(bytes);
}

static void limits_hold(void **state)
{
    (void)state;
    static const char head[] = "GET /a HTTP/1.1\r\nHost: x\r\n";
    run_large("64 KiB request line", "GET /", "a", 65536, " HTTP/1.1\r\nHost: x\r\n\r\n" SMUG,
              REFUSED, 414);
    run_large("64 KiB header", "GET /a HTTP/1.1\r\nHost: x\r\nX-A: ", "a", 65536, "\r\n\r\n" SMUG,
              REFUSED, 431);
    run_large("1,000 headers", head, "X-A: y\r\n", 1000, "\r\n" SMUG, REFUSED, 431);
    run_large("101 headers", head, "X-B: y\r\n", 99, "Connection: close\r\n\r\n", REFUSED, 431);
    run_large("control: 99 headers", head, "X-B: y\r\n", 97, "Connection: close\r\n\r\n", ONE, 200);
    run_large("control: target of 8 KiB", "GET /", "a", 8191,
              " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", ONE, 200);
    run_large("target of 8 KiB + 1", "GET /", "a", 8192, " HTTP/1.1\r\nHost: x\r\n\r\n" SMUG,
              REFUSED, 414);
    run_large("413 endless chunked",
              "POST /limit HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
              "8\r\naaaaaaaa\r\n", 4000, "", REFUSED, 413);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_in_one_piece),
        cmocka_unit_test(every_row_in_small_pieces),
        cmocka_unit_test(limits_hold),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
