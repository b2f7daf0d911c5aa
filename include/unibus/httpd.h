/* SPDX-License-Identifier: Apache-2.0
 *
 * ub.httpd 1.0: an HTTP/1.1 server to hang routes on. Provided by http.
 *
 * The same routes are served on every TCP listener and on the admin socket. The server reads the
 * head, matches the route, checks the signature (struct ub_httpd_auth_ops) and the declared length,
 * and only then reads a body. Handlers run on a worker thread and may block.
 *
 * Register routes in bind (before start); there is no unregistering.
 */
#ifndef UNIBUS_HTTPD_H
#define UNIBUS_HTTPD_H

#include <unibus/abi.h>
#include <unibus/authz.h>
#include <unibus/problem.h>

#define UB_HTTPD_IFACE "ub.httpd"
#define UB_HTTPD_MAJOR 1
#define UB_HTTPD_MINOR 0

#define UB_HTTP_PARAMS_MAX 4

struct ub_http_server; /* the provider's, behind a request */

/* A request, valid until the handler returns. Raw bytes are what was received. */
struct ub_http_request {
    uint32_t size;
    const char *id;                         /* of this request, for logs and `instance` */
    const char *method;                     /* upper case */
    const char *raw_path, *raw_query;       /* query without '?'; "" = none */
    const char *params[UB_HTTP_PARAMS_MAX]; /* {…} of the pattern, percent-decoded, in order */
    uint32_t param_count;
    struct ub_bytes body; /* whole body, unless the route has UB_HTTP_STREAM_BODY */
    int64_t body_length;  /* declared; -1 = chunked */
    const char *address;  /* peer, without port; "admin-socket" there */
    bool is_loopback, has_tls, is_admin_socket;
    struct ub_principal principal; /* id "" when the route needs none and no signature came */
    void *ticket;                  /* the authenticator's, NULL without a signature */
    struct ub_http_server *server;
};

struct ub_http_header {
    const char *name, *value;
};

/* Who may call a route. The admin socket always passes, as operator. */
#define UB_HTTP_OPEN        0x0u /* anybody; a signature is checked when there is one */
#define UB_HTTP_SIGNED      0x1u /* a valid signature is required */
#define UB_HTTP_STREAM_BODY 0x2u /* the handler pulls the body with read() */
#define UB_HTTP_PLAIN       0x4u /* also without TLS to others than loopback (/healthz …) */

typedef void (*ub_http_handler_fn)(void *arg, const struct ub_http_request *request);

struct ub_http_route {
    uint32_t size;
    const char *method;  /* "GET" answers HEAD too */
    const char *pattern; /* "/v1/rooms/{room}/log"; also "{kid}:request" */
    uint32_t flags;
    int64_t body_max_bytes;     /* 0 = no body */
    ub_http_handler_fn handler; /* on a worker; must answer exactly once */
    void *arg;
};

/* A signed request as the profile of http-and-cli section 11 describes it, form already checked. */
struct ub_http_signed {
    uint32_t size;
    const char *method, *raw_path, *raw_query;
    const char *audience; /* Unibus-Audience */
    uint8_t kid[16];
    uint8_t nonce[16];
    int64_t created_s, expires_s;
    struct ub_bytes base; /* the signature base that was rebuilt */
    uint8_t signature[64];
    bool is_safe; /* GET or HEAD */
    const char *address;
};

struct ub_http_answer {
    uint32_t size;
    enum ub_problem problem;
    char detail[256];
    char
        members[512]; /* further JSON members of the problem, without braces: "\"server_time\":…" */
};

/* Who checks signatures: registered by the module that knows the keys. Steps 2 to 4 of the order of
 * checks. Runs on a worker. */
struct ub_httpd_auth_ops {
    uint32_t size;
    /* UB_P_NONE fills the principal and a ticket, which stands for the reserved nonce. */
    enum ub_problem (*authenticate)(void *arg, const struct ub_http_signed *request,
                                    struct ub_principal *principal_out, void **ticket_out,
                                    struct ub_http_answer *answer_out);
    /* The request is over: the nonce of a ticket that no effect has committed is committed alone.
     * Takes the ticket. */
    void (*finish)(void *arg, void **ticket);
};

struct ub_http_stream; /* an event stream that outlives its handler */
typedef void (*ub_http_gone_fn)(void *arg);

struct ub_httpd_ops {
    uint32_t size;

    /* UB_EEXISTS for a route that is there already. Main loop. */
    enum ub_status (*route)(void *self, const struct ub_http_route *route, struct ub_err *err);
    /* At most one authenticator. Main loop. */
    enum ub_status (*authenticator)(void *self, const struct ub_httpd_auth_ops *ops, void *arg,
                                    struct ub_err *err);

    /* ---- within a handler, on its worker ---- */

    /* The value of a header, NULL when absent; name in lower case. Repeated headers are joined by
     * ", " (those of the profile appear at most once). */
    const char *(*header)(const struct ub_http_request *request, const char *name);
    /* UB_HTTP_STREAM_BODY: waits for the next bytes; *read_out 0 = the end, and then the digest was
     * right. UB_EINVAL digest, UB_ELIMIT length, UB_EIO peer gone. The server stops reading the
     * socket while the handler does not pull. */
    enum ub_status (*read)(const struct ub_http_request *request, void *out, size_t out_size,
                           size_t *read_out, struct ub_err *err);
    /* The whole answer. headers end with {NULL, NULL}; NULL = none. Copies. */
    void (*reply)(const struct ub_http_request *request, int status,
                  const struct ub_http_header *headers, struct ub_bytes body);
    /* application/problem+json. members as in struct ub_http_answer, or NULL. */
    void (*problem)(const struct ub_http_request *request, enum ub_problem problem,
                    const char *members, const char *detail);
    /* An answer in pieces: length -1 = chunked. write blocks while the peer is slow; after UB_EIO
     * (peer gone or cut) go straight to end. */
    enum ub_status (*begin)(const struct ub_http_request *request, int status,
                            const struct ub_http_header *headers, int64_t length,
                            struct ub_err *err);
    enum ub_status (*write)(const struct ub_http_request *request, struct ub_bytes bytes,
                            struct ub_err *err);
    void (*end)(const struct ub_http_request *request);

    /* Server-sent events: answers the request and hands out a stream. send never blocks:
     * UB_EUNAVAILABLE when the peer is slower than 256 KiB behind (the stream is then closed).
     * gone(arg) runs once, on any thread, when the peer has left or close was called. The server
     * sends a comment every 15 s. */
    enum ub_status (*stream_open)(const struct ub_http_request *request, ub_http_gone_fn gone,
                                  void *arg, struct ub_http_stream **stream_out,
                                  struct ub_err *err);
    enum ub_status (*stream_send)(struct ub_http_stream *stream, struct ub_bytes bytes);
    void (*stream_close)(struct ub_http_stream **stream);
};

#endif
