/* SPDX-License-Identifier: Apache-2.0
 *
 * A running http module with a kit host for the tests of this folder, a client of raw bytes, and an
 * authenticator with one key. */
#ifndef TEST_HTTP_SERVER_H
#define TEST_HTTP_SERVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include <unibus/httpd.h>
#include <unibus/module.h>

#include <core/kit.h>
#include <modules/http/settings.h>

extern const struct ub_module unibus_module_http;

struct test_server {
    struct ub_host *host;
    void *self;
    struct http_settings settings;
    struct ub_listen listen[2];
    const struct ub_httpd_ops *ops;
    uint16_t port;
    char admin[108];
    uint8_t sign_pk[32], sign_sk[64];
    atomic_int auth_calls, finish_calls;
    _Atomic(enum ub_problem) auth_answer; /* UB_P_NONE = check the signature */
};

/* The module with its defaults, created and not started: change settings, add routes. */
void test_server_new(struct test_server *server);
void test_server_route(struct test_server *server, const char *method, const char *pattern,
                       uint32_t flags, int64_t body_max, ub_http_handler_fn handler);
void test_server_start(struct test_server *server);
void test_server_stop(struct test_server *server);

/* ---- client -----------------------------------------------------------------------------------
 */

struct test_bytes {
    char *ptr; /* always with a NUL behind */
    size_t len;
};

int test_connect(const struct test_server *server);
int test_connect_admin(const struct test_server *server);
void test_send(int fd, const void *bytes, size_t len);
void test_send_text(int fd, const char *text);
/* Reads on until `text` was received, the peer closed (*is_closed_out) or the time is up. */
bool test_read_until(int fd, struct test_bytes *in, const char *text, int timeout_ms,
                     bool *is_closed_out);
/* Sends, reads to the end of the connection or the text; *in is fresh, free its ptr. */
bool test_exchange(const struct test_server *server, const char *request, const char *text,
                   struct test_bytes *in);
size_t test_count(const struct test_bytes *in, const char *text);
/* Status of the first answer, 0 = none. */
int test_status(const struct test_bytes *in);

/* ---- signing ----------------------------------------------------------------------------------
 */

struct test_request {
    const char *method, *target;
    const char *headers; /* further lines with CRLF */
    const char *covered; /* further components: "\"content-digest\" …", or "" */
    const char *base;    /* their lines of the base with \n */
    const char *params;  /* NULL = the right ones */
    const char *body;    /* NULL = none */
};

/* The whole request as text, signed with the key of the server; free it. */
char *test_signed(const struct test_server *server, const struct test_request *request);
/* "Content-Digest: sha-512=:…:" (no line end); free it. */
char *test_digest(const char *body);

#endif
