/* SPDX-License-Identifier: Apache-2.0
 *
 * The monitoring port. libevent's evhttp serves it: a few GET requests without bodies on loopback,
 * one at a time, is what it is good at. No JSONP and no foreign Host names: else a page in a
 * browser of this machine could read what is shown here. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include <unibus/error.h>

#include "snapshot.h"

#define HTTP_LISTENERS_MAX 8
#define HTTP_BACKLOG       64
#define HTTP_HEADERS_MAX   8192
#define HTTP_TIMEOUT_S     10

struct mon_http {
    struct nats_monitor *monitor;
    struct evhttp *server; /* the monitor's loop */
    int fds[HTTP_LISTENERS_MAX];
    size_t count;
};

static const struct route {
    const char *path;
    enum mon_path counted;
    mon_answer_fn answer; /* NULL = the page with links */
} routes[] = {
    {"/", MON_ROOT, NULL},
    {"/varz", MON_VARZ, mon_varz},
    {"/connz", MON_CONNZ, mon_connz},
    {"/subsz", MON_SUBSZ, mon_subsz},
    {"/subscriptionsz", MON_SUBSZ, mon_subsz},
    {"/healthz", MON_HEALTHZ, mon_healthz},
    {"/routez", MON_ROUTEZ, mon_routez},
    {"/gatewayz", MON_GATEWAYZ, mon_gatewayz},
    {"/leafz", MON_LEAFZ, mon_leafz},
    {"/accountz", MON_ACCOUNTZ, mon_accountz},
    {"/accstatz", MON_ACCSTATZ, mon_accstatz},
    {"/jsz", MON_JSZ, mon_jsz},
};

/* ---- answers ----------------------------------------------------------------------------------
 */

static void reply(struct evhttp_request *request, int status, const char *type,
                  struct evbuffer *body)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    evhttp_add_header(headers, "Content-Type", type);
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    evhttp_send_reply(request, status, NULL, body);
    if (body != NULL) {
        evbuffer_free(body);
    }
}

static void reply_text(struct evhttp_request *request, int status, const char *type,
                       const char *text)
{
    struct evbuffer *body = evbuffer_new();
    if (body != NULL) {
        evbuffer_add(body, text, strlen(text));
    }
    reply(request, status, type, body);
}

static void refuse(struct evhttp_request *request, int status, const char *text)
{
    reply_text(request, status, "text/plain; charset=utf-8", text);
}

static void free_bytes(const void *bytes, size_t len, void *arg)
{
    (void)bytes;
    (void)len;
    free(arg);
}

/* Hands the text over. */
static void reply_json(struct evhttp_request *request, int status, struct mon_text *text)
{
    struct evbuffer *body = evbuffer_new();
    if (body == NULL ||
        evbuffer_add_reference(body, text->ptr, text->len, free_bytes, text->ptr) != 0) {
        if (body != NULL) {
            evbuffer_free(body);
        }
        refuse(request, 500, "no memory\n");
        return;
    }
    text->ptr = NULL;
    reply(request, status, "application/json", body);
}

static void reply_root(struct evhttp_request *request)
{
    struct evbuffer *body = evbuffer_new();
    if (body != NULL) {
        evbuffer_add_printf(body, "<!DOCTYPE html>\n<html lang=\"en\"><head><title>unibus"
                                  "</title></head><body>\n<h1>unibus</h1>\n");
        for (size_t i = 1; i < sizeof(routes) / sizeof(routes[0]); i++) {
            evbuffer_add_printf(body, "<p><a href=\".%s\">%s</a></p>\n", routes[i].path,
                                routes[i].path + 1);
        }
        evbuffer_add_printf(body, "</body></html>\n");
    }
    reply(request, 200, "text/html; charset=utf-8", body);
}

/* ---- questions --------------------------------------------------------------------------------
 */

/* A page that a browser was led to by another name than ours must not read the answer. */
static bool is_own_name(const char *host)
{
    struct in_addr in4;
    char name[64];
    if (host == NULL) {
        return true; /* HTTP/1.0 */
    }
    snprintf(name, sizeof(name), "%s", host);
    return strcasecmp(name, "localhost") == 0 || strcmp(name, "::1") == 0 ||
           strcmp(name, "[::1]") == 0 ||
           (inet_pton(AF_INET, name, &in4) == 1 && ntohl(in4.s_addr) >> 24 == 127);
}

static const struct route *find_route(const char *path)
{
    for (size_t i = 0; path != NULL && i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (strcmp(path, routes[i].path) == 0) {
            return &routes[i];
        }
    }
    return NULL;
}

static void answer(struct nats_monitor *monitor, struct evhttp_request *request,
                   const struct route *route, const char *query)
{
    struct mon_question question = {.monitor = monitor, .status = 200};
    struct mon_text text;
    mon_text_init(&text, MON_HTTP_MAX, true, 0);
    if (!mon_pairs_of_address(&question.pairs, query, &question.fault) ||
        !route->answer(&question, &text)) {
        refuse(request, 400, question.fault.text);
    } else if (text.is_broken) {
        refuse(request, 400, "the answer is too long; ask for a page of it by limit and offset\n");
    } else {
        reply_json(request, question.status, &text);
    }
    mon_text_fini(&text);
    mon_pairs_fini(&question.pairs);
}

static void on_request(struct evhttp_request *request, void *arg)
{
    struct mon_http *http = arg;
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const struct route *route = uri == NULL ? NULL : find_route(evhttp_uri_get_path(uri));
    if (!is_own_name(evhttp_request_get_host(request))) {
        refuse(request, 403, "this port answers to localhost, 127.0.0.1 and [::1] only\n");
    } else if (route == NULL) {
        refuse(request, 404, "404 page not found\n");
    } else {
        http->monitor->requests[route->counted]++;
        if (route->answer == NULL) {
            reply_root(request);
        } else {
            answer(http->monitor, request, route, evhttp_uri_get_query(uri));
        }
    }
}

/* ---- open and close ---------------------------------------------------------------------------
 */

static int bind_one(const struct addrinfo *address)
{
    int on = 1;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, HTTP_BACKLOG) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static uint16_t port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
    } address;
    socklen_t len = sizeof(address);
    memset(&address, 0, sizeof(address));
    if (getsockname(fd, &address.any, &len) != 0) {
        return 0;
    }
    return ntohs(address.any.sa_family == AF_INET6 ? address.in6.sin6_port : address.in4.sin_port);
}

static enum ub_status open_one(struct mon_http *http, const struct ub_listen *listen,
                               struct ub_err *err)
{
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *address = NULL;
    snprintf(port, sizeof(port), "%u", listen->port);
    int found = getaddrinfo(listen->host, port, &hints, &address);
    if (found != 0) {
        return ub_fail(err, UB_EINVAL, "monitor: \"%s\" is not an address: %s", listen->text,
                       gai_strerror(found));
    }
    int fd = bind_one(address);
    int failure = errno;
    freeaddrinfo(address);
    if (fd < 0) {
        return ub_fail(err, UB_EIO, "monitor: cannot listen on %s: %s; is another server there?",
                       listen->text, strerror(failure));
    }
    http->fds[http->count++] = fd;
    return UB_OK;
}

static void begin(void *arg)
{
    struct mon_http *http = arg;
    struct nats_monitor *monitor = http->monitor;
    http->server = evhttp_new(monitor->server->host->loop->native(monitor->loop));
    if (http->server == NULL) {
        return; /* the sockets refuse nobody and answer nobody; memory is short anyway */
    }
    evhttp_set_allowed_methods(http->server, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_max_headers_size(http->server, HTTP_HEADERS_MAX);
    evhttp_set_max_body_size(http->server, 0);
    evhttp_set_timeout(http->server, HTTP_TIMEOUT_S);
    evhttp_set_gencb(http->server, on_request, http);
    for (size_t i = 0; i < http->count; i++) {
        if (evhttp_accept_socket_with_handle(http->server, http->fds[i]) != NULL) {
            http->fds[i] = -1; /* evhttp's now */
        }
    }
}

static void post_url(struct nats_monitor *monitor, const struct ub_listen *first)
{
    char url[96];
    bool is_v6 = strchr(first->host, ':') != NULL;
    monitor->http_host = first->host;
    monitor->http_port = port_of(monitor->http->fds[0]);
    snprintf(url, sizeof(url), is_v6 ? "http://[%s]:%u" : "http://%s:%u", first->host,
             monitor->http_port);
    monitor->server->host->node->post_fact(monitor->server->host, "nats.monitor_url", url);
}

enum ub_status mon_http_open(struct nats_monitor *monitor, struct ub_err *err)
{
    const struct ub_listens *listens = &monitor->server->settings->monitor;
    if (listens->count == 0) {
        return UB_OK;
    }
    if (listens->count > HTTP_LISTENERS_MAX) {
        return ub_fail(err, UB_ELIMIT, "monitor: at most %d addresses", HTTP_LISTENERS_MAX);
    }
    struct mon_http *http = monitor->http = calloc(1, sizeof(*http));
    if (http == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory for the monitoring port");
    }
    http->monitor = monitor;
    for (size_t i = 0; i < listens->count; i++) {
        enum ub_status status = open_one(http, &listens->items[i], err);
        if (status != UB_OK) {
            return status;
        }
    }
    post_url(monitor, &listens->items[0]);
    monitor->server->host->loop->post(monitor->loop, begin, http);
    return UB_OK;
}

void mon_http_close(struct mon_http **http)
{
    struct mon_http *it = *http;
    *http = NULL;
    if (it == NULL) {
        return;
    }
    if (it->server != NULL) {
        evhttp_free(it->server);
    }
    for (size_t i = 0; i < it->count; i++) {
        if (it->fds[i] >= 0) {
            close(it->fds[i]);
        }
    }
    free(it);
}
