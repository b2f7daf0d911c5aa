/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies and answers as streams, and event streams: nothing grows without a bound. */
#include "test_http_server.h"

#include <fcntl.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MIB 1048576

static struct test_server server;
static sem_t may_go;
static atomic_llong moved;
static atomic_int last_status, gone_calls;
static struct ub_http_stream *stream;
static atomic_bool is_open;

static void finish_with(const struct ub_http_request *request, long long total)
{
    char text[64];
    int len = snprintf(text, sizeof(text), "total=%lld;", total);
    server.ops->reply(request, 200, NULL, (struct ub_bytes){(uint8_t *)text, (size_t)len});
}

/* Waits for the test before it pulls. */
static void upload(void *arg, const struct ub_http_request *request)
{
    (void)arg;
    static uint8_t bytes[65536];
    struct ub_err err = UB_ERR_INIT;
    size_t got = 0;
    enum ub_status status;
    sem_wait(&may_go);
    while ((status = server.ops->read(request, bytes, sizeof(bytes), &got, &err)) == UB_OK &&
           got > 0) {
        atomic_fetch_add(&moved, (long long)got);
    }
    atomic_store(&last_status, (int)status);
    if (status == UB_OK) {
        finish_with(request, atomic_load(&moved));
    }
}

/* 32 MiB in pieces of 1 MiB, counted as they are accepted. */
static void download(void *arg, const struct ub_http_request *request)
{
    (void)arg;
    static uint8_t bytes[MIB];
    struct ub_err err = UB_ERR_INIT;
    bool is_sized = strstr(request->raw_query, "sized") != NULL;
    server.ops->begin(request, 200, NULL, is_sized ? 32LL * MIB : -1, &err);
    enum ub_status status = UB_OK;
    for (int i = 0; i < 32 && status == UB_OK; i++) {
        status = server.ops->write(request, (struct ub_bytes){bytes, sizeof(bytes)}, &err);
        atomic_fetch_add(&moved, status == UB_OK ? MIB : 0);
    }
    atomic_store(&last_status, (int)status);
    server.ops->end(request);
}

/* begin, one write, and an end or a return too early, as the query says. */
static void pieces(void *arg, const struct ub_http_request *request)
{
    (void)arg;
    struct ub_err err = UB_ERR_INIT;
    bool is_sized = strstr(request->raw_query, "sized") != NULL;
    server.ops->begin(request, 200, NULL, is_sized ? 10 : -1, &err);
    server.ops->write(request, (struct ub_bytes){(const uint8_t *)"hello", 5}, &err);
    if (strstr(request->raw_query, "whole") != NULL && is_sized) {
        server.ops->write(request, (struct ub_bytes){(const uint8_t *)"world", 5}, &err);
        atomic_store(&last_status, (int)server.ops->write(
                                       request, (struct ub_bytes){(const uint8_t *)"!", 1}, &err));
    }
    if (strstr(request->raw_query, "torn") == NULL) {
        server.ops->end(request);
    }
}

static void on_gone(void *arg)
{
    (void)arg;
    atomic_fetch_add(&gone_calls, 1);
}

static void events(void *arg, const struct ub_http_request *request)
{
    (void)arg;
    struct ub_err err = UB_ERR_INIT;
    if (server.ops->stream_open(request, on_gone, NULL, &stream, &err) == UB_OK) {
        atomic_store(&is_open, true);
    }
}

static int setup(void **state)
{
    (void)state;
    sem_init(&may_go, 0, 0);
    atomic_store(&moved, 0);
    atomic_store(&last_status, -1);
    atomic_store(&gone_calls, 0);
    atomic_store(&is_open, false);
    test_server_new(&server);
    test_server_route(&server, "PUT", "/upload", UB_HTTP_STREAM_BODY, 64LL * MIB, upload);
    test_server_route(&server, "GET", "/download", 0, 0, download);
    test_server_route(&server, "GET", "/pieces", 0, 0, pieces);
    test_server_route(&server, "GET", "/events", 0, 0, events);
    test_server_start(&server);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    server.ops->stream_close(&stream);
    test_server_stop(&server);
    sem_destroy(&may_go);
    return 0;
}

static void pause_ms(int ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void wait_until(bool (*is_true)(void))
{
    for (int i = 0; i < 5000 && !is_true(); i++) {
        pause_ms(1);
    }
    assert_true(is_true());
}

static bool is_stream_open(void)
{
    return atomic_load(&is_open);
}

static bool is_gone_told(void)
{
    return atomic_load(&gone_calls) == 1;
}

static bool has_status(void)
{
    return atomic_load(&last_status) >= 0;
}

/* Sends until the socket takes no more for 200 ms; what it took. */
static size_t send_while_taken(int fd, size_t max)
{
    static char bytes[65536];
    size_t sent = 0;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    for (int idle = 0; idle < 200 && sent < max;) {
        size_t len = max - sent < sizeof(bytes) ? max - sent : sizeof(bytes);
        ssize_t got = send(fd, bytes, len, MSG_NOSIGNAL);
        idle = got > 0 ? 0 : idle + 1;
        sent += got > 0 ? (size_t)got : 0;
        if (got <= 0) {
            pause_ms(1);
        }
    }
    fcntl(fd, F_SETFL, 0);
    return sent;
}

static void uploads_wait_for_the_handler(void **state)
{
    (void)state;
    bool is_closed;
    struct test_bytes in = {NULL, 0};
    int fd = test_connect(&server), size = 65536;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    test_send_text(fd, "PUT /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 33554432\r\n\r\n");
    size_t early = send_while_taken(fd, 32 * MIB);
    assert_true(early < 16 * MIB); /* 256 KiB here, the rest in the kernel */
    assert_int_equal(atomic_load(&moved), 0);
    sem_post(&may_go);
    char *rest = calloc(1, 32 * MIB - early);
    test_send(fd, rest, 32 * MIB - early);
    free(rest);
    assert_true(test_read_until(fd, &in, "total=33554432;", 10000, &is_closed));
    close(fd);
    free(in.ptr);
}

static void chunked_uploads_and_their_limit(void **state)
{
    (void)state;
    static const char head[] =
        "PUT /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    struct test_bytes in;
    char request[256];
    sem_post(&may_go);
    snprintf(request, sizeof(request), "%s5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", head);
    assert_true(test_exchange(&server, request, "total=11;", &in));
    free(in.ptr);
    sem_post(&may_go);
    snprintf(request, sizeof(request), "%s5\r\nhelloX", head);
    assert_true(test_exchange(&server, request, "\"code\":\"bad-request\"", &in));
    assert_int_equal(atomic_load(&last_status), UB_EINVAL);
    free(in.ptr);
}

/* A declared length cannot be exceeded; a chunked body can try. */
static void endless_uploads_are_stopped(void **state)
{
    (void)state;
    bool is_closed;
    struct test_bytes in = {NULL, 0};
    char *chunk = malloc(MIB + 32);
    int len = snprintf(chunk, 32, "%x\r\n", MIB);
    memset(chunk + len, 'a', MIB);
    memcpy(chunk + len + MIB, "\r\n", 2);
    sem_post(&may_go);
    int fd = test_connect(&server);
    test_send_text(fd, "PUT /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 65; i++) {
        test_send(fd, chunk, (size_t)len + MIB + 2);
    }
    test_read_until(fd, &in, "\"code\":\"too-large\"", 10000, &is_closed);
    assert_int_equal(test_status(&in), 413);
    assert_int_equal(atomic_load(&last_status), UB_ELIMIT);
    close(fd);
    free(in.ptr);
    free(chunk);
}

static void a_handler_learns_that_the_uploader_left(void **state)
{
    (void)state;
    int fd = test_connect(&server);
    test_send_text(fd, "PUT /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    sem_post(&may_go);
    pause_ms(20);
    close(fd);
    wait_until(has_status);
    assert_int_equal(atomic_load(&last_status), UB_EIO);
}

static size_t read_all(int fd)
{
    static char bytes[MIB];
    size_t total = 0;
    ssize_t got;
    while ((got = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
        total += (size_t)got;
    }
    return total;
}

static void downloads_wait_for_the_peer(void **state)
{
    (void)state;
    static const char *const targets[] = {"/download", "/download?sized"};
    for (int i = 0; i < 2; i++) {
        char request[128];
        int fd = test_connect(&server), size = 65536;
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
        atomic_store(&moved, 0);
        snprintf(request, sizeof(request),
                 "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", targets[i]);
        test_send_text(fd, request);
        pause_ms(300);
        assert_true(atomic_load(&moved) < 16 * MIB);
        size_t total = read_all(fd);
        assert_true(total > 32 * MIB && total < 33 * MIB);
        close(fd);
        wait_until(has_status);
        assert_int_equal(atomic_load(&last_status), UB_OK);
    }
}

static void a_writer_learns_that_the_peer_left(void **state)
{
    (void)state;
    int fd = test_connect(&server);
    test_send_text(fd, "GET /download HTTP/1.1\r\nHost: x\r\n\r\n");
    pause_ms(50);
    close(fd);
    wait_until(has_status);
    assert_int_equal(atomic_load(&last_status), UB_EIO);
}

static void ends_are_told_from_tears(void **state)
{
    (void)state;
    static const struct {
        const char *target, *end;
        bool is_whole;
    } rows[] = {
        {"/pieces", "5\r\nhello\r\n0\r\n\r\n", true}, {"/pieces?torn", "0\r\n\r\n", false},
        {"/pieces?sized&whole", "helloworld", true},  {"/pieces?sized", "helloworld", false},
        {"/pieces?sized&torn", "helloworld", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char request[128];
        struct test_bytes in;
        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", rows[i].target);
        assert_int_equal(test_exchange(&server, request, rows[i].end, &in), rows[i].is_whole);
        free(in.ptr);
    }
    assert_int_equal(atomic_load(&last_status), UB_EINVAL); /* more than was announced */
    struct test_bytes in;
    assert_true(test_exchange(&server, "GET /pieces HTTP/1.0\r\n\r\n", NULL, &in));
    assert_null(strstr(in.ptr, "chunked"));
    assert_non_null(strstr(in.ptr, "\r\n\r\nhello"));
    free(in.ptr);
}

static enum ub_status send_event(const char *text)
{
    return server.ops->stream_send(stream, (struct ub_bytes){(const uint8_t *)text, strlen(text)});
}

static int open_events(void)
{
    int fd = test_connect(&server);
    test_send_text(fd, "GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_until(is_stream_open);
    return fd;
}

static void events_flow_and_end(void **state)
{
    (void)state;
    bool is_closed;
    struct test_bytes in = {NULL, 0};
    int fd = open_events();
    assert_int_equal(send_event("data: 1\n\n"), UB_OK);
    assert_true(test_read_until(fd, &in, "9\r\ndata: 1\n\n\r\n", 5000, &is_closed));
    assert_non_null(strstr(in.ptr, "Content-Type: text/event-stream\r\n"));
    assert_int_equal(send_event("data: 2\n\n"), UB_OK);
    server.ops->stream_close(&stream);
    assert_null(stream);
    assert_int_equal(atomic_load(&gone_calls), 1);
    assert_false(test_read_until(fd, &in, NULL, 5000, &is_closed));
    assert_true(is_closed);
    assert_non_null(strstr(in.ptr, "data: 2\n\n\r\n0\r\n\r\n"));
    close(fd);
    free(in.ptr);
}

static void gone_is_told_once(void **state)
{
    (void)state;
    int fd = open_events();
    close(fd);
    wait_until(is_gone_told);
    assert_int_equal(send_event("data: 1\n\n"), UB_EIO);
    server.ops->stream_close(&stream);
    assert_int_equal(atomic_load(&gone_calls), 1);
}

static void slow_readers_of_events_are_cut(void **state)
{
    (void)state;
    int fd = open_events(), size = 4096, count = 0;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    char *event = malloc(65537);
    memset(event, 'x', 65536);
    event[65536] = '\0';
    enum ub_status status = UB_OK;
    while (status == UB_OK && count++ < 1000) {
        status = send_event(event);
        pause_ms(1);
    }
    assert_int_equal(status, UB_EUNAVAILABLE);
    wait_until(is_gone_told);
    free(event);
    close(fd);
}

static void quiet_streams_get_comments(void **state)
{
    (void)state;
    bool is_closed;
    struct test_bytes in = {NULL, 0};
    kit_clock_set(server.host, 1700000000000, 1000000000);
    int fd = open_events();
    assert_true(test_read_until(fd, &in, "\r\n\r\n", 5000, &is_closed));
    assert_false(test_read_until(fd, &in, ":", 600, &is_closed) && strstr(in.ptr, "\n: ") != NULL);
    kit_clock_advance(server.host, 15000);
    assert_true(test_read_until(fd, &in, "\n: still here\n\n", 5000, &is_closed));
    close(fd);
    free(in.ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(uploads_wait_for_the_handler, setup, teardown),
        cmocka_unit_test_setup_teardown(chunked_uploads_and_their_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(endless_uploads_are_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(a_handler_learns_that_the_uploader_left, setup, teardown),
        cmocka_unit_test_setup_teardown(downloads_wait_for_the_peer, setup, teardown),
        cmocka_unit_test_setup_teardown(a_writer_learns_that_the_peer_left, setup, teardown),
        cmocka_unit_test_setup_teardown(ends_are_told_from_tears, setup, teardown),
        cmocka_unit_test_setup_teardown(events_flow_and_end, setup, teardown),
        cmocka_unit_test_setup_teardown(gone_is_told_once, setup, teardown),
        cmocka_unit_test_setup_teardown(slow_readers_of_events_are_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(quiet_streams_get_comments, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
