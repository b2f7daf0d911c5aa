/* SPDX-License-Identifier: Apache-2.0 */
#include "test_http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

static enum ub_problem authenticate(void *arg, const struct ub_http_signed *request,
                                    struct ub_principal *principal_out, void **ticket_out,
                                    struct ub_http_answer *answer_out)
{
    struct test_server *server = arg;
    atomic_fetch_add(&server->auth_calls, 1);
    if (server->auth_answer != UB_P_NONE) {
        snprintf(answer_out->detail, sizeof(answer_out->detail), "as the test \"wants\"");
        snprintf(answer_out->members, sizeof(answer_out->members), "\"skew_seconds\":412");
        return server->auth_answer;
    }
    if (crypto_sign_verify_detached(request->signature, request->base.ptr, request->base.len,
                                    server->sign_pk) != 0) {
        snprintf(answer_out->detail, sizeof(answer_out->detail), "bad signature");
        return UB_P_UNAUTHENTICATED;
    }
    principal_out->role = UB_ROLE_MEMBER;
    snprintf(principal_out->id, sizeof(principal_out->id), "alice");
    *ticket_out = malloc(1);
    return UB_P_NONE;
}

static void finish(void *arg, void **ticket)
{
    struct test_server *server = arg;
    free(*ticket);
    *ticket = NULL;
    atomic_fetch_add(&server->finish_calls, 1);
}

void test_server_new(struct test_server *server)
{
    static const struct ub_httpd_auth_ops auth = {
        .size = sizeof(auth), .authenticate = authenticate, .finish = finish};
    memset(server, 0, sizeof(*server));
    server->host = kit_host_new("http");
    crypto_sign_keypair(server->sign_pk, server->sign_sk);
    snprintf(server->admin, sizeof(server->admin), "%s/admin.sock",
             server->host->node->state_dir(server->host));
    server->listen[0] = (struct ub_listen){"127.0.0.1", 0, true, "127.0.0.1:0"};
    server->settings = (struct http_settings){.listen = {1, server->listen},
                                              .admin_socket = server->admin,
                                              .workers = 8,
                                              .queue = 64,
                                              .max_connections = 10000,
                                              .max_target = 8192,
                                              .max_headers = 16384,
                                              .max_header_count = 100,
                                              .head_timeout = 10000,
                                              .idle_timeout = 60000,
                                              .stall_timeout = 30000};
    struct ub_err err = UB_ERR_INIT;
    const struct ub_module *module = &unibus_module_http;
    assert_int_equal(module->ops->create(server->host, &server->settings, &server->self, &err),
                     UB_OK);
    server->ops = module->provides[0].ops;
    assert_int_equal(server->ops->authenticator(server->self, &auth, server, &err), UB_OK);
}

void test_server_route(struct test_server *server, const char *method, const char *pattern,
                       uint32_t flags, int64_t body_max, ub_http_handler_fn handler)
{
    struct ub_err err = UB_ERR_INIT;
    struct ub_http_route route = {.size = sizeof(route),
                                  .method = method,
                                  .pattern = pattern,
                                  .flags = flags,
                                  .body_max_bytes = body_max,
                                  .handler = handler,
                                  .arg = server};
    assert_int_equal(server->ops->route(server->self, &route, &err), UB_OK);
}

void test_server_start(struct test_server *server)
{
    struct ub_err err = UB_ERR_INIT;
    char url[128] = "";
    if (unibus_module_http.ops->start(server->self, &err) != UB_OK) {
        fail_msg("%s", err.message);
    }
    unibus_module_http.ops->ready(server->self);
    if (server->host->node->read_fact(server->host, "http.url", url, sizeof(url)) > 0) {
        server->port = (uint16_t)strtoul(strrchr(url, ':') + 1, NULL, 10);
    }
}

void test_server_stop(struct test_server *server)
{
    unibus_module_http.ops->stop(server->self);
    unibus_module_http.ops->destroy(server->self);
    kit_host_free(&server->host);
}

int test_connect(const struct test_server *server)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(server->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

int test_connect_admin(const struct test_server *server)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof(to.sun_path), "%s", server->admin);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The server may close in the middle of what a test sends: that is not an error of the test. */
void test_send(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            return;
        }
        at += sent;
        len -= (size_t)sent;
    }
}

void test_send_text(int fd, const char *text)
{
    test_send(fd, text, strlen(text));
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool append(struct test_bytes *in, const char *bytes, size_t len)
{
    in->ptr = realloc(in->ptr, in->len + len + 1);
    memcpy(in->ptr + in->len, bytes, len);
    in->len += len;
    in->ptr[in->len] = '\0';
    return true;
}

bool test_read_until(int fd, struct test_bytes *in, const char *text, int timeout_ms,
                     bool *is_closed_out)
{
    int64_t end = now_ms() + timeout_ms;
    static _Thread_local char buffer[65536];
    *is_closed_out = false;
    if (in->ptr == NULL) {
        append(in, "", 0);
    }
    while (text == NULL || strstr(in->ptr, text) == NULL) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        int64_t left = end - now_ms();
        if (left <= 0 || poll(&poll_fd, 1, (int)left) <= 0) {
            return false;
        }
        ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
        if (got <= 0) {
            *is_closed_out = true;
            return false;
        }
        append(in, buffer, (size_t)got);
    }
    return true;
}

bool test_exchange(const struct test_server *server, const char *request, const char *text,
                   struct test_bytes *in)
{
    bool is_closed;
    int fd = test_connect(server);
    *in = (struct test_bytes){NULL, 0};
    test_send_text(fd, request);
    bool is_found = test_read_until(fd, in, text, 5000, &is_closed);
    close(fd);
    return text == NULL ? is_closed : is_found;
}

size_t test_count(const struct test_bytes *in, const char *text)
{
    size_t count = 0;
    for (const char *at = in->ptr; (at = strstr(at, text)) != NULL; at++) {
        count++;
    }
    return count;
}

int test_status(const struct test_bytes *in)
{
    return strncmp(in->ptr, "HTTP/1.1 ", 9) == 0 ? atoi(in->ptr + 9) : 0;
}

char *test_digest(const char *body)
{
    uint8_t hash[64];
    char text[sodium_base64_ENCODED_LEN(64, sodium_base64_VARIANT_ORIGINAL)];
    char *line = NULL;
    crypto_hash_sha512(hash, (const uint8_t *)body, strlen(body));
    sodium_bin2base64(text, sizeof(text), hash, sizeof(hash), sodium_base64_VARIANT_ORIGINAL);
    assert_true(asprintf(&line, "Content-Digest: sha-512=:%s:", text) > 0);
    return line;
}

static char *right_params(const char *covered)
{
    char *params = NULL;
    assert_true(asprintf(&params,
                         "(\"@method\" \"@path\" \"@query\" \"unibus-audience\"%s%s)"
                         ";created=1700000000;expires=1700000060;nonce=\"BwcHBwcHBwcHBwcHBwcHBw\""
                         ";keyid=\"000102030405060708090a0b0c0d0e0f\";alg=\"ed25519\""
                         ";tag=\"unibus-v1\"",
                         covered[0] != '\0' ? " " : "", covered) > 0);
    return params;
}

/* The base is written here a second time, from RFC 9421 and not from the module's code. */
static char *base_of(const struct test_request *request, const char *params)
{
    char *base = NULL;
    const char *query = strchr(request->target, '?');
    int path_len =
        (int)(query == NULL ? strlen(request->target) : (size_t)(query - request->target));
    assert_true(asprintf(&base,
                         "\"@method\": %s\n\"@path\": %.*s\n\"@query\": %s\n"
                         "\"unibus-audience\": cluster.epoch\n%s\"@signature-params\": %s",
                         request->method, path_len, request->target, query == NULL ? "?" : query,
                         request->base, params) > 0);
    return base;
}

char *test_signed(const struct test_server *server, const struct test_request *request)
{
    uint8_t bytes[64];
    char text[sodium_base64_ENCODED_LEN(64, sodium_base64_VARIANT_ORIGINAL)];
    char length[64] = "", *out = NULL;
    char *params =
        request->params != NULL ? strdup(request->params) : right_params(request->covered);
    char *base = base_of(request, params);
    crypto_sign_detached(bytes, NULL, (const uint8_t *)base, strlen(base), server->sign_sk);
    sodium_bin2base64(text, sizeof(text), bytes, sizeof(bytes), sodium_base64_VARIANT_ORIGINAL);
    if (request->body != NULL) {
        snprintf(length, sizeof(length), "Content-Length: %zu\r\n", strlen(request->body));
    }
    assert_true(asprintf(&out,
                         "%s %s HTTP/1.1\r\nHost: x\r\nUnibus-Audience: cluster.epoch\r\n%s%s"
                         "Signature-Input: ub=%s\r\nSignature: ub=:%s:\r\n\r\n%s",
                         request->method, request->target, request->headers, length, params, text,
                         request->body == NULL ? "" : request->body) > 0);
    free(base);
    free(params);
    return out;
}
