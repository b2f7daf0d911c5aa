/* SPDX-License-Identifier: Apache-2.0
 *
 * Signed requests on the running server: the order of the checks, and what is never read. */
#include "test_http_server.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct test_server server;
static atomic_int handled;

static void whoami(void *arg, const struct ub_http_request *request)
{
    const struct test_server *own = arg;
    char text[512];
    atomic_fetch_add(&handled, 1);
    int len = snprintf(text, sizeof(text), "id=%s role=%d ticket=%d body=%.*s;",
                       request->principal.id, (int)request->principal.role, request->ticket != NULL,
                       (int)request->body.len, (const char *)request->body.ptr);
    own->ops->reply(request, 200, NULL, (struct ub_bytes){(uint8_t *)text, (size_t)len});
}

/* Pulls all and answers with the status of the read. */
static void pull(void *arg, const struct ub_http_request *request)
{
    const struct test_server *own = arg;
    struct ub_err err = UB_ERR_INIT;
    char bytes[64], text[256];
    size_t got = 0, total = 0;
    enum ub_status status;
    atomic_fetch_add(&handled, 1);
    while ((status = own->ops->read(request, bytes, sizeof(bytes), &got, &err)) == UB_OK &&
           got > 0) {
        total += got;
    }
    if (status != UB_OK) {
        return; /* the server answers with what was wrong */
    }
    int len = snprintf(text, sizeof(text), "id=%s total=%zu;", request->principal.id, total);
    own->ops->reply(request, 200, NULL, (struct ub_bytes){(uint8_t *)text, (size_t)len});
}

static int setup(void **state)
{
    (void)state;
    test_server_new(&server);
    atomic_store(&handled, 0);
    test_server_route(&server, "GET", "/signed", UB_HTTP_SIGNED, 0, whoami);
    test_server_route(&server, "POST", "/signed", UB_HTTP_SIGNED, 100, whoami);
    test_server_route(&server, "PUT", "/signed", UB_HTTP_SIGNED | UB_HTTP_STREAM_BODY, 100, pull);
    test_server_route(&server, "GET", "/open", UB_HTTP_OPEN, 0, whoami);
    test_server_route(&server, "POST", "/open", UB_HTTP_OPEN, 100, whoami);
    test_server_start(&server);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_server_stop(&server);
    return 0;
}

#define PLAIN .headers = "", .covered = "", .base = ""

/* Sends and expects the text in the answer. */
static void expect(const char *request, const char *text)
{
    struct test_bytes in;
    if (!test_exchange(&server, request, text, &in)) {
        fail_msg("wanted %s, got %s", text, in.ptr);
    }
    free(in.ptr);
}

static void expect_signed(const struct test_request *request, const char *text)
{
    char *bytes = test_signed(&server, request);
    expect(bytes, text);
    free(bytes);
}

static void wait_for(atomic_int *counter, int value)
{
    for (int i = 0; i < 2000 && atomic_load(counter) < value; i++) {
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    assert_int_equal(atomic_load(counter), value);
}

static void good_signatures_pass(void **state)
{
    (void)state;
    expect_signed(&(struct test_request){"GET", "/signed", PLAIN}, "id=alice role=1 ticket=1");
    expect_signed(&(struct test_request){"GET", "/signed?a=%41&&b", PLAIN}, "id=alice");
    expect_signed(&(struct test_request){"HEAD", "/signed", PLAIN}, "200 OK");
    expect_signed(&(struct test_request){"GET", "/open", PLAIN}, "id=alice role=1 ticket=1");
    expect_signed(&(struct test_request){.method = "GET",
                                         .target = "/signed",
                                         .headers = "If-None-Match: \"e\"\r\n",
                                         .covered = "\"if-none-match\"",
                                         .base = "\"if-none-match\": \"e\"\n"},
                  "id=alice");
    assert_int_equal(server.auth_calls, 5);
    wait_for(&server.finish_calls, 5);
}

static void unsigned_requests(void **state)
{
    (void)state;
    expect("GET /open HTTP/1.1\r\nHost: x\r\n\r\n", "id= role=0 ticket=0");
    expect("GET /signed HTTP/1.1\r\nHost: x\r\n\r\n", "\"code\":\"unauthenticated\"");
    expect("GET /signed HTTP/1.1\r\nHost: x\r\n\r\n", "WWW-Authenticate: Signature\r\n");
    expect("GET /open HTTP/1.1\r\nHost: x\r\nSignature: ub=:AAAA:\r\n\r\n",
           "\"code\":\"sig-profile\"");
    expect("GET /open HTTP/1.1\r\nHost: x\r\nIf-Match: a\r\nIf-Match: b\r\n\r\n",
           "header \\\"if-match\\\" is there more than once");
    assert_int_equal(server.auth_calls, 0);
}

/* What the authenticator says goes out as it is; a signature over another target is wrong. */
static void the_authenticator_decides(void **state)
{
    (void)state;
    char *bytes = test_signed(&server, &(struct test_request){"GET", "/signed?limit=1", PLAIN});
    strchr(bytes, '=')[1] = '2';
    expect(bytes, "\"code\":\"unauthenticated\"");
    free(bytes);
    server.auth_answer = UB_P_CLOCK_SKEW;
    expect_signed(&(struct test_request){"GET", "/signed", PLAIN},
                  "\"code\":\"clock-skew\",\"detail\":\"as the test \\\"wants\\\"\","
                  "\"skew_seconds\":412,\"instance\":\"urn:unibus:request:");
    server.auth_answer = UB_P_NONCE_QUOTA;
    expect_signed(&(struct test_request){"GET", "/signed", PLAIN}, "Retry-After: 1\r\n");
    expect_signed(&(struct test_request){"GET", "/open", PLAIN}, "\"code\":\"nonce-quota\"");
    assert_int_equal(atomic_load(&handled), 0);
}

static char *with_body(const char *method, const char *body, const char *digest_of)
{
    char *digest = test_digest(digest_of), *headers = NULL, *base = NULL;
    assert_true(asprintf(&headers, "%s\r\nContent-Type: text/plain\r\n", digest) > 0);
    assert_true(asprintf(&base, "\"content-digest\": %s\n\"content-type\": text/plain\n",
                         strchr(digest, ' ') + 1) > 0);
    struct test_request request = {.method = method,
                                   .target = "/signed",
                                   .headers = headers,
                                   .covered = "\"content-digest\" \"content-type\"",
                                   .base = base,
                                   .body = body};
    char *bytes = test_signed(&server, &request);
    free(base);
    free(headers);
    free(digest);
    return bytes;
}

static void expect_body(const char *method, const char *body, const char *digest_of,
                        const char *text)
{
    char *bytes = with_body(method, body, digest_of);
    expect(bytes, text);
    free(bytes);
}

static void bodies_are_compared_with_their_digest(void **state)
{
    (void)state;
    expect_body("POST", "hello", "hello", "body=hello;");
    expect_body("PUT", "hello", "hello", "total=5;");
    assert_int_equal(atomic_load(&handled), 2);
    expect_body("POST", "hellO", "hello", "\"code\":\"digest-mismatch\"");
    assert_int_equal(atomic_load(&handled), 2);
    expect_body("PUT", "hellO", "hello", "\"code\":\"digest-mismatch\"");
    wait_for(&server.finish_calls, 4); /* the nonce is spent in any case */
    char *digest = test_digest("other"), *request = NULL;
    assert_true(asprintf(&request,
                         "POST /open HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n%s\r\n\r\nhello",
                         digest) > 0);
    expect(request, "\"code\":\"digest-mismatch\""); /* also without a signature */
    free(request);
    free(digest);
    expect("POST /open HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "body=hello;");
    expect("POST /open HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Digest: "
           "md5=:a:\r\n\r\nhello",
           "\"code\":\"bad-request\"");
}

/* Only the head is sent, and the answer comes: nothing waited for the body. */
static void expect_by_head(const char *request, const char *text)
{
    char *head = strdup(request);
    strstr(head, "\r\n\r\n")[4] = '\0';
    struct test_bytes in;
    assert_true(test_exchange(&server, head, text, &in));
    assert_null(strstr(in.ptr, "100 Continue"));
    assert_non_null(strstr(in.ptr, "Connection: close\r\n"));
    free(in.ptr);
    free(head);
}

static void refused_before_the_body(void **state)
{
    (void)state;
    static const char rest[] = "Host: x\r\nContent-Length: 50\r\nExpect: 100-continue\r\n\r\n";
    char request[256];
    snprintf(request, sizeof(request), "POST /signed HTTP/1.1\r\n%s", rest);
    expect_by_head(request, "\"code\":\"unauthenticated\"");
    snprintf(request, sizeof(request), "POST /nowhere HTTP/1.1\r\n%s", rest);
    expect_by_head(request, "\"code\":\"not-found\"");
    snprintf(request, sizeof(request), "DELETE /signed HTTP/1.1\r\n%s", rest);
    expect_by_head(request, "Allow: GET, HEAD, POST, PUT\r\n");
    server.auth_answer = UB_P_NONCE_REPLAYED;
    char *bytes = with_body("POST", "hello", "hello");
    expect_by_head(bytes, "\"code\":\"nonce-replayed\"");
    free(bytes);
    server.auth_answer = UB_P_NONE;
    assert_int_equal(server.auth_calls, 1);
    expect_by_head("POST /open HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\nExpect: "
                   "100-continue\r\n\r\n",
                   "\"code\":\"too-large\"");
    assert_int_equal(atomic_load(&handled), 0);
}

/* The authenticator comes first: a stranger does not learn the limit. */
static void length_is_judged_after_the_signature(void **state)
{
    (void)state;
    char large[200];
    memset(large, 'a', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    char *bytes = with_body("POST", large, large);
    expect_by_head(bytes, "\"code\":\"too-large\"");
    assert_int_equal(server.auth_calls, 1);
    wait_for(&server.finish_calls, 1);
    server.auth_answer = UB_P_UNAUTHENTICATED;
    expect_by_head(bytes, "\"code\":\"unauthenticated\"");
    free(bytes);
    server.auth_answer = UB_P_NONE;
    bytes = with_body("PUT", large, large);
    expect_by_head(bytes, "\"code\":\"too-large\"");
    free(bytes);
    assert_int_equal(atomic_load(&handled), 0);
}

static void continue_is_said_after_the_signature(void **state)
{
    (void)state;
    static const char *const methods[] = {"POST", "PUT"};
    for (int i = 0; i < 2; i++) {
        char *bytes = with_body(methods[i], "hello", "hello"), *request = NULL;
        char *head_end = strstr(bytes, "\r\n\r\n");
        *head_end = '\0';
        assert_true(asprintf(&request, "%s\r\nExpect: 100-continue\r\n\r\n", bytes) > 0);
        bool is_closed;
        struct test_bytes in = {NULL, 0};
        int fd = test_connect(&server);
        test_send_text(fd, request);
        assert_true(test_read_until(fd, &in, "HTTP/1.1 100 Continue\r\n\r\n", 5000, &is_closed));
        assert_int_equal(server.auth_calls, i + 1);
        test_send_text(fd, "hello");
        assert_true(test_read_until(fd, &in, "id=alice", 5000, &is_closed));
        close(fd);
        free(in.ptr);
        free(request);
        free(bytes);
    }
}

/* The peer leaves in the middle of a body: the nonce of its request is spent all the same. */
static void tickets_of_torn_requests_are_finished(void **state)
{
    (void)state;
    static const char *const methods[] = {"POST", "PUT"};
    for (int i = 0; i < 2; i++) {
        char *bytes = with_body(methods[i], "hello", "hello");
        int fd = test_connect(&server);
        test_send(fd, bytes, strlen(bytes) - 1);
        wait_for(&server.auth_calls, i + 1);
        close(fd);
        wait_for(&server.finish_calls, i + 1);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(good_signatures_pass, setup, teardown),
        cmocka_unit_test_setup_teardown(unsigned_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(the_authenticator_decides, setup, teardown),
        cmocka_unit_test_setup_teardown(bodies_are_compared_with_their_digest, setup, teardown),
        cmocka_unit_test_setup_teardown(refused_before_the_body, setup, teardown),
        cmocka_unit_test_setup_teardown(length_is_judged_after_the_signature, setup, teardown),
        cmocka_unit_test_setup_teardown(continue_is_said_after_the_signature, setup, teardown),
        cmocka_unit_test_setup_teardown(tickets_of_torn_requests_are_finished, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
