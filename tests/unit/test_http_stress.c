/* SPDX-License-Identifier: Apache-2.0
 *
 * Many clients at once that behave in every way they can, and a stop in the middle of it: for the
 * sanitizers, and so that every ticket is finished and every stream told, once each. */
#include "test_http_server.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS 12

static struct test_server server;
static atomic_bool is_over;
static atomic_int good, opened, told;

static void read_all(void *arg, const struct ub_http_request *request)
{
    (void)arg;
    struct ub_err err = UB_ERR_INIT;
    char bytes[1000];
    size_t got = 0;
    while (server.ops->read(request, bytes, sizeof(bytes), &got, &err) == UB_OK && got > 0) {
    }
    server.ops->reply(request, 200, NULL, (struct ub_bytes){(const uint8_t *)"ok", 2});
}

static void write_much(void *arg, const struct ub_http_request *request)
{
    (void)arg;
    static uint8_t bytes[300000];
    struct ub_err err = UB_ERR_INIT;
    server.ops->begin(request, 200, NULL, -1, &err);
    while (server.ops->write(request, (struct ub_bytes){bytes, sizeof(bytes)}, &err) == UB_OK) {
    }
    server.ops->end(request);
}

static void whole(void *arg, const struct ub_http_request *request)
{
    (void)arg;
    server.ops->reply(request, 200, NULL, request->body);
}

static void on_told(void *arg)
{
    (void)arg;
    atomic_fetch_add(&told, 1);
}

/* Opens a stream, sends a little and closes, all within the handler. */
static void short_stream(void *arg, const struct ub_http_request *request)
{
    (void)arg;
    struct ub_err err = UB_ERR_INIT;
    struct ub_http_stream *stream = NULL;
    if (server.ops->stream_open(request, on_told, NULL, &stream, &err) != UB_OK) {
        return;
    }
    atomic_fetch_add(&opened, 1);
    for (int i = 0; i < 20; i++) {
        server.ops->stream_send(stream, (struct ub_bytes){(const uint8_t *)"data: x\n\n", 9});
    }
    server.ops->stream_close(&stream);
}

static const char *const requests[] = {
    "GET /whole HTTP/1.1\r\nHost: x\r\n\r\n",
    "POST /whole HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    "POST /whole HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "PUT /read HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhelloworld",
    "PUT /read HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhello",
    "GET /write HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /none HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /whole HTTP/1.1\r\nHost x\r\n\r\n",
    "GET /who",
    "", /* a signed one */
};

static void one_request(unsigned *seed, const char *signed_request)
{
    char bytes[4096];
    int fd = test_connect(&server);
    int count = rand_r(seed) % 4;
    for (int i = 0; i <= count; i++) {
        const char *request =
            requests[(size_t)rand_r(seed) % (sizeof(requests) / sizeof(requests[0]))];
        test_send_text(fd, request[0] == '\0' ? signed_request : request);
    }
    if (rand_r(seed) % 2 == 0) {
        struct timeval wait = {0, 20000};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
        ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
        atomic_fetch_add(&good, got > 12 && memcmp(bytes, "HTTP/1.1 200", 12) == 0);
    }
    if (rand_r(seed) % 2 == 0) { /* a reset instead of an end */
        struct linger linger = {1, 0};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    }
    close(fd);
}

static void *client(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    char *signed_request = test_signed(
        &server,
        &(struct test_request){
            .method = "GET", .target = "/whole", .headers = "", .covered = "", .base = ""});
    while (!atomic_load(&is_over)) {
        one_request(&seed, signed_request);
    }
    free(signed_request);
    return NULL;
}

static void nothing_is_lost_under_stress(void **state)
{
    (void)state;
    pthread_t threads[CLIENTS];
    test_server_new(&server);
    server.settings.queue = 8; /* so that it is full at times */
    test_server_route(&server, "GET", "/whole", 0, 0, whole);
    test_server_route(&server, "POST", "/whole", 0, 100, whole);
    test_server_route(&server, "PUT", "/read", UB_HTTP_STREAM_BODY, 1000, read_all);
    test_server_route(&server, "GET", "/write", 0, 0, write_much);
    test_server_route(&server, "GET", "/stream", 0, 0, short_stream);
    test_server_start(&server);
    for (uintptr_t i = 0; i < CLIENTS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, client, (void *)(i + 1)), 0);
    }
    nanosleep(&(struct timespec){2, 0}, NULL);
    unibus_module_http.ops->drain(server.self, 0); /* the deadline has passed: cut all */
    nanosleep(&(struct timespec){0, 300000000}, NULL);
    atomic_store(&is_over, true);
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
    }
    unibus_module_http.ops->stop(server.self);
    assert_true(atomic_load(&good) > 0);
    assert_true(atomic_load(&opened) > 0);
    assert_int_equal(atomic_load(&opened), atomic_load(&told));
    assert_int_equal(atomic_load(&server.auth_calls), atomic_load(&server.finish_calls));
    print_message("%d answers read, %d streams, %d signed\n", atomic_load(&good),
                  atomic_load(&opened), atomic_load(&server.auth_calls));
    unibus_module_http.ops->destroy(server.self);
    kit_host_free(&server.host);
}

/* Handlers that wait in read and write are woken by stop. */
static void stop_wakes_handlers(void **state)
{
    (void)state;
    test_server_new(&server);
    test_server_route(&server, "PUT", "/read", UB_HTTP_STREAM_BODY, 1000, read_all);
    test_server_route(&server, "GET", "/write", 0, 0, write_much);
    test_server_start(&server);
    int reader = test_connect(&server), writer = test_connect(&server);
    test_send_text(reader, "PUT /read HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello");
    test_send_text(writer, "GET /write HTTP/1.1\r\nHost: x\r\n\r\n");
    nanosleep(&(struct timespec){0, 200000000}, NULL);
    unibus_module_http.ops->stop(server.self);
    unibus_module_http.ops->destroy(server.self);
    kit_host_free(&server.host);
    close(reader);
    close(writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_under_stress),
        cmocka_unit_test(stop_wakes_handlers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
