/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections from accept to close: keep-alive, time-outs, limits, admin socket, drain, stop. */
#include "test_http_server.h"

#include <poll.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct test_server server;
static sem_t may_go;
static atomic_int entered;

static void reply_text(const struct ub_http_request *request, const char *text)
{
    server.ops->reply(request, 200, NULL, (struct ub_bytes){(const uint8_t *)text, strlen(text)});
}

static void hello(void *arg, const struct ub_http_request *request)
{
    (void)arg;
    char text[256];
    snprintf(text, sizeof(text), "hello %s role=%d from=%s;", request->raw_query,
             (int)request->principal.role, request->address);
    reply_text(request, text);
}

static void blocked(void *arg, const struct ub_http_request *request)
{
    (void)arg;
    atomic_fetch_add(&entered, 1);
    sem_wait(&may_go);
    reply_text(request, "at last;");
}

static void silent(void *arg, const struct ub_http_request *request)
{
    (void)arg;
    (void)request;
}

static void twice(void *arg, const struct ub_http_request *request)
{
    (void)arg;
    reply_text(request, "first;");
    reply_text(request, "second;");
    server.ops->problem(request, UB_P_QUOTA, NULL, NULL);
}

static void split_header(void *arg, const struct ub_http_request *request)
{
    (void)arg;
    static const struct ub_http_header headers[] = {{"Location", "/a\r\nSet-Cookie: b"},
                                                    {NULL, NULL}};
    server.ops->reply(request, 201, headers, (struct ub_bytes){NULL, 0});
}

static void own_header(void *arg, const struct ub_http_request *request)
{
    (void)arg;
    static const struct ub_http_header headers[] = {
        {"cache-control", "private, immutable"}, {"ETag", "\"a\""}, {NULL, NULL}};
    server.ops->reply(request, 204, headers, (struct ub_bytes){NULL, 0});
}

static void torn_json(void *arg, const struct ub_http_request *request)
{
    (void)arg;
    server.ops->problem(request, UB_P_HEAD_CONFLICT, "\"head\":\"ab\"",
                        "a \"b\" \x01\n\xff \xc3\xa9");
}

static int setup_new(void **state)
{
    (void)state;
    sem_init(&may_go, 0, 0);
    atomic_store(&entered, 0);
    test_server_new(&server);
    test_server_route(&server, "GET", "/hello", 0, 0, hello);
    test_server_route(&server, "GET", "/signed", UB_HTTP_SIGNED, 0, hello);
    test_server_route(&server, "POST", "/hello", 0, 100, hello);
    test_server_route(&server, "GET", "/blocked", 0, 0, blocked);
    test_server_route(&server, "GET", "/silent", 0, 0, silent);
    test_server_route(&server, "GET", "/twice", 0, 0, twice);
    test_server_route(&server, "GET", "/split", 0, 0, split_header);
    test_server_route(&server, "GET", "/own", 0, 0, own_header);
    test_server_route(&server, "GET", "/json", 0, 0, torn_json);
    return 0;
}

static int setup(void **state)
{
    setup_new(state);
    test_server_start(&server);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_server_stop(&server);
    sem_destroy(&may_go);
    return 0;
}

static void pause_ms(int ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void wait_entered(int count)
{
    for (int i = 0; i < 5000 && atomic_load(&entered) < count; i++) {
        pause_ms(1);
    }
    assert_int_equal(atomic_load(&entered), count);
}

static void expect(const char *request, const char *text)
{
    struct test_bytes in;
    if (!test_exchange(&server, request, text, &in)) {
        fail_msg("wanted %s, got %s", text, in.ptr);
    }
    free(in.ptr);
}

#define GET(target) "GET " target " HTTP/1.1\r\nHost: x\r\n\r\n"

static void answers_have_their_form(void **state)
{
    (void)state;
    expect(GET("/hello"), "Cache-Control: no-store\r\n");
    expect(GET("/hello"), "X-Content-Type-Options: nosniff\r\n");
    expect(GET("/own"), "HTTP/1.1 204 No Content\r\n");
    expect(GET("/own"), "cache-control: private, immutable\r\nETag: \"a\"\r\n\r\n");
    expect(GET("/silent"), "\"code\":\"internal\"");
    expect(GET("/split"), "\"code\":\"internal\"");
    expect(GET("/nowhere"), "\"code\":\"not-found\"");
    expect("PUT /hello HTTP/1.1\r\nHost: x\r\n\r\n", "Allow: GET, HEAD, POST\r\n");
    expect("PUT /hello HTTP/1.1\r\nHost: x\r\n\r\n", "\"code\":\"method-not-allowed\"");
    expect(GET("/json"), "\"title\":\"it moved on\",\"status\":412,\"code\":\"head-conflict\","
                         "\"detail\":\"a \\\"b\\\" \\u0001\\u000a\xef\xbf\xbd \xc3\xa9\","
                         "\"head\":\"ab\",\"instance\":\"urn:unibus:request:");
    assert_non_null(strstr(kit_log(server.host), "not-answered"));
    assert_non_null(strstr(kit_log(server.host), "bad-answer-header"));
    assert_non_null(strstr(kit_log(server.host), "code=head-conflict"));
}

/* The paths and headers of requests may hold secrets; the log holds the pattern. */
static void logs_hold_no_secrets(void **state)
{
    (void)state;
    expect(GET("/hello?token=s3cret"), "token=s3cret");
    expect(GET("/s3cret"), "404");
    expect("GET /hello HTTP/1.1\r\nHost: x\r\nIf-Match: s3cret\r\nIf-Match: s3cret\r\n\r\n", "400");
    assert_non_null(strstr(kit_log(server.host), "route=/hello"));
    assert_null(strstr(kit_log(server.host), "s3cret"));
}

static bool is_logged(void *word)
{
    return strstr(kit_log(server.host), word) != NULL;
}

static void a_second_answer_is_ignored(void **state)
{
    (void)state;
    struct test_bytes in;
    assert_true(test_exchange(
        &server, "GET /twice HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", NULL, &in));
    assert_int_equal(test_count(&in, "HTTP/1.1"), 1);
    assert_non_null(strstr(in.ptr, "first;"));
    free(in.ptr);
    char word[] = "answered-twice"; /* the worker says so after the client has its answer */
    assert_true(kit_run_until(server.host, is_logged, word, 5000));
}

static void head_has_no_body(void **state)
{
    (void)state;
    struct test_bytes in;
    assert_true(test_exchange(
        &server, "HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", NULL, &in));
    assert_non_null(strstr(in.ptr, "Content-Length: 29\r\n"));
    assert_string_equal(strstr(in.ptr, "\r\n\r\n"), "\r\n\r\n");
    free(in.ptr);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    bool is_closed;
    struct test_bytes in = {NULL, 0};
    int fd = test_connect(&server);
    char request[256], last[64];
    for (int i = 0; i < 300; i++) {
        snprintf(request, sizeof(request),
                 i % 3 == 0 ? "POST /hello?n%d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                 : i % 3 == 1
                     ? "GET /hello?n%d HTTP/1.1\r\nHost: x\r\n\r\n"
                     : "POST /hello?n%d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "1\r\na\r\n0\r\n\r\n",
                 i);
        test_send_text(fd, request);
    }
    assert_true(test_read_until(fd, &in, "hello n299 ", 10000, &is_closed));
    const char *at = in.ptr;
    for (int i = 0; i < 300; i++) {
        snprintf(last, sizeof(last), "hello n%d ", i);
        at = strstr(at, last);
        assert_non_null(at);
    }
    assert_int_equal(test_count(&in, "HTTP/1.1 200"), 300);
    close(fd);
    free(in.ptr);
}

/* Fake time: each state ends the connection after its own time-out and not before. */
static void stalled_connections_are_closed(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        int64_t timeout_ms;
    } rows[] = {
        {"", 60000},
        {"G", 10000},
        {"GET /hello HTTP/1.1\r\nHost: x\r\nX", 10000},
        {"POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc", 30000},
        {GET("/hello"), 60000},
    };
    kit_clock_set(server.host, 1700000000000, 1000000000);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool is_closed;
        struct test_bytes in = {NULL, 0};
        int fd = test_connect(&server);
        test_send_text(fd, rows[i].bytes);
        test_read_until(fd, &in, "never", 100, &is_closed);
        kit_clock_advance(server.host, rows[i].timeout_ms - 1);
        test_read_until(fd, &in, "never", 600, &is_closed);
        assert_false(is_closed);
        kit_clock_advance(server.host, 1);
        test_read_until(fd, &in, "never", 5000, &is_closed);
        assert_true(is_closed);
        close(fd);
        free(in.ptr);
    }
}

/* One byte a time does not move the limit of a head, and few bytes do not keep a body alive. */
static void slowloris(void **state)
{
    (void)state;
    static const char *const starts[] = {
        "GET /hello HTTP/1.1\r\nHost: x\r\nX-A: ",
        "POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"};
    server.settings.head_timeout = 400;
    server.settings.stall_timeout = 400;
    test_server_start(&server);
    for (int i = 0; i < 2; i++) {
        int fd = test_connect(&server), sent = 0;
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        test_send_text(fd, starts[i]);
        while (poll(&poll_fd, 1, 50) == 0 && sent++ < 90) {
            test_send_text(fd, "a");
        }
        assert_true(sent < 60);
        close(fd);
    }
}

static void the_admin_socket_is_the_operator(void **state)
{
    (void)state;
    bool is_closed;
    struct stat st;
    struct test_bytes in = {NULL, 0};
    assert_int_equal(stat(server.admin, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    int fd = test_connect_admin(&server);
    test_send_text(fd, GET("/signed"));
    assert_true(test_read_until(fd, &in, "role=5 from=admin-socket;", 5000, &is_closed));
    close(fd);
    free(in.ptr);
}

/* Another user who somehow can open the file is turned away by his uid. */
static void others_are_turned_away(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    chmod(server.admin, 0666);
    chmod(server.host->node->state_dir(server.host), 0755);
    pid_t child = fork();
    if (child == 0) {
        char bytes[2048] = "";
        bool is_right = setuid(65534) == 0;
        int fd = is_right ? test_connect_admin(&server) : -1;
        is_right = fd >= 0 && recv(fd, bytes, sizeof(bytes) - 1, 0) > 0 &&
                   strstr(bytes, "\"code\":\"forbidden\"") != NULL;
        _exit(is_right ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void admin_sockets_of_dead_nodes_are_replaced(void **state)
{
    (void)state;
    struct ub_err err = UB_ERR_INIT;
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof(to.sun_path), "%s", server.admin);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(unibus_module_http.ops->start(server.self, &err), UB_EEXISTS);
    assert_non_null(strstr(err.message, "another process listens"));
    close(fd);
    test_server_start(&server);
    expect(GET("/hello"), "hello");
}

static void health_is_told_without_a_worker(void **state)
{
    (void)state;
    server.settings.workers = 1;
    server.settings.queue = 1;
    test_server_start(&server);
    int busy = test_connect(&server), queued = test_connect(&server);
    test_send_text(busy, GET("/blocked"));
    wait_entered(1);
    test_send_text(queued, GET("/blocked"));
    pause_ms(100);
    expect(GET("/hello"), "\"code\":\"module-unavailable\"");
    kit_health_set(server.host, "{\"status\":\"ok\"}", true, true);
    expect(GET("/livez"), "\r\n\r\nok\n");
    expect(GET("/readyz"), "\r\n\r\nready\n");
    expect(GET("/healthz"), "\r\n\r\n{\"status\":\"ok\"}");
    kit_health_set(server.host, "{\"status\":\"bad\",\"waiting\":[\"a quorum\"]}", false, false);
    expect(GET("/livez"), "200 OK");
    expect(GET("/readyz"), "HTTP/1.1 503 Service Unavailable");
    expect(GET("/readyz"), "waiting for a quorum\n");
    expect(GET("/healthz"), "HTTP/1.1 503 Service Unavailable");
    sem_post(&may_go);
    sem_post(&may_go);
    close(busy);
    close(queued);
}

#define IDLE 2000

static int64_t rss_kib(void)
{
    long pages = 0, ignored = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_int_equal(fscanf(file, "%ld %ld", &ignored, &pages), 2);
    fclose(file);
    return pages * 4;
}

static void two_thousand_idle_connections(void **state)
{
    (void)state;
    struct rlimit files = {8192, 8192};
    setrlimit(RLIMIT_NOFILE, &files);
    static int fds[IDLE];
    bool is_closed;
    struct test_bytes in = {NULL, 0};
    expect(GET("/hello"), "hello");
    int64_t before = rss_kib();
    for (int i = 0; i < IDLE; i++) {
        char bytes[1024];
        fds[i] = test_connect(&server);
        test_send_text(fds[i], GET("/hello"));
        assert_true(recv(fds[i], bytes, sizeof(bytes), 0) > 0);
    }
    print_message("%d idle connections, %.2f KiB each (client and server)\n", IDLE,
                  (double)(rss_kib() - before) / IDLE);
    expect(GET("/hello"), "hello");
    for (int i = 0; i < IDLE; i += 400) {
        test_send_text(fds[i], GET("/hello"));
        assert_true(test_read_until(fds[i], &in, "hello", 5000, &is_closed));
    }
    for (int i = 0; i < IDLE; i++) {
        close(fds[i]);
    }
    free(in.ptr);
}

static void too_many_connections_are_turned_away(void **state)
{
    (void)state;
    bool is_closed;
    struct test_bytes in = {NULL, 0};
    server.settings.max_connections = 2;
    test_server_start(&server);
    int first = test_connect(&server), second = test_connect(&server);
    pause_ms(100);
    int third = test_connect(&server);
    test_read_until(third, &in, NULL, 5000, &is_closed);
    assert_int_equal(test_status(&in), 503);
    free(in.ptr);
    int admin = test_connect_admin(&server); /* the operator gets in */
    in = (struct test_bytes){NULL, 0};
    test_send_text(admin, GET("/hello"));
    assert_true(test_read_until(admin, &in, "role=5", 5000, &is_closed));
    free(in.ptr);
    close(admin);
    close(third);
    close(second);
    close(first);
}

static bool is_drained(void)
{
    return unibus_module_http.ops->is_drained(server.self);
}

static void drain_finishes_what_is_under_way(void **state)
{
    (void)state;
    bool is_closed;
    struct test_bytes in = {NULL, 0};
    int idle = test_connect(&server), busy = test_connect(&server);
    test_send_text(busy, GET("/blocked"));
    wait_entered(1);
    int64_t now_ms = server.host->clock->mono_ns(server.host) / 1000000;
    unibus_module_http.ops->drain(server.self, now_ms + 60000);
    test_read_until(idle, &in, NULL, 5000, &is_closed);
    assert_true(is_closed);
    assert_false(is_drained());
    sem_post(&may_go);
    test_read_until(busy, &in, NULL, 5000, &is_closed);
    assert_true(is_closed);
    assert_non_null(strstr(in.ptr, "Connection: close\r\n"));
    assert_non_null(strstr(in.ptr, "at last;"));
    for (int i = 0; i < 1000 && !is_drained(); i++) {
        pause_ms(1);
    }
    assert_true(is_drained());
    int late = test_connect(&server); /* the backlog takes it, nobody serves it */
    test_send_text(late, GET("/hello"));
    assert_false(test_read_until(late, &in, "hello", 300, &is_closed));
    close(late);
    close(busy);
    close(idle);
    free(in.ptr);
}

/* At the end of a drain what is left is cut, so that stop need not wait for peers. */
static void drain_ends_at_its_deadline(void **state)
{
    (void)state;
    bool is_closed;
    struct test_bytes in = {NULL, 0};
    int fd = test_connect(&server);
    test_send_text(fd, "POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n");
    pause_ms(100);
    int64_t now_ms = server.host->clock->mono_ns(server.host) / 1000000;
    unibus_module_http.ops->drain(server.self, now_ms + 800);
    test_read_until(fd, &in, NULL, 5000, &is_closed);
    assert_true(is_closed);
    close(fd);
    free(in.ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_have_their_form, setup, teardown),
        cmocka_unit_test_setup_teardown(logs_hold_no_secrets, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_answer_is_ignored, setup, teardown),
        cmocka_unit_test_setup_teardown(head_has_no_body, setup, teardown),
        cmocka_unit_test_setup_teardown(pipelined_requests_are_answered_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(stalled_connections_are_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(slowloris, setup_new, teardown),
        cmocka_unit_test_setup_teardown(the_admin_socket_is_the_operator, setup, teardown),
        cmocka_unit_test_setup_teardown(others_are_turned_away, setup, teardown),
        cmocka_unit_test_setup_teardown(admin_sockets_of_dead_nodes_are_replaced, setup_new,
                                        teardown),
        cmocka_unit_test_setup_teardown(health_is_told_without_a_worker, setup_new, teardown),
        cmocka_unit_test_setup_teardown(two_thousand_idle_connections, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_connections_are_turned_away, setup_new, teardown),
        cmocka_unit_test_setup_teardown(drain_finishes_what_is_under_way, setup, teardown),
        cmocka_unit_test_setup_teardown(drain_ends_at_its_deadline, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
