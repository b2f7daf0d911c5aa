/* SPDX-License-Identifier: Apache-2.0 */
#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "problem.h"

#define BACKLOG 1024
/* So many in one wake-up, then other connections get their turn. */
#define ACCEPT_MAX 64

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } as;
    socklen_t size;
};

static bool address_of(const struct ub_listen *where, struct address *out)
{
    const char *host = strcmp(where->host, "localhost") == 0 ? "127.0.0.1" : where->host;
    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, host, &out->as.v4.sin_addr) == 1) {
        out->as.v4.sin_family = AF_INET;
        out->as.v4.sin_port = htons(where->port);
        out->size = sizeof(out->as.v4);
        return true;
    }
    if (inet_pton(AF_INET6, host, &out->as.v6.sin6_addr) == 1) {
        out->as.v6.sin6_family = AF_INET6;
        out->as.v6.sin6_port = htons(where->port);
        out->size = sizeof(out->as.v6);
        return true;
    }
    return false;
}

static bool tcp_bind(int fd, const struct address *address)
{
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (address->as.any.sa_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    }
    return bind(fd, &address->as.any, address->size) == 0 && listen(fd, BACKLOG) == 0;
}

static void address_write(struct http_listener *listener)
{
    struct address address = {.size = sizeof(address.as)};
    char host[INET6_ADDRSTRLEN] = "";
    getsockname(listener->fd, &address.as.any, &address.size);
    bool is_v6 = address.as.any.sa_family == AF_INET6;
    const void *bytes =
        is_v6 ? (const void *)&address.as.v6.sin6_addr : (const void *)&address.as.v4.sin_addr;
    inet_ntop(address.as.any.sa_family, bytes, host, sizeof(host));
    snprintf(listener->address, sizeof(listener->address), is_v6 ? "[%s]:%u" : "%s:%u", host,
             (unsigned)ntohs(is_v6 ? address.as.v6.sin6_port : address.as.v4.sin_port));
}

enum ub_status http_listener_open(struct http_listener *listener, const struct ub_listen *where,
                                  struct ub_err *err)
{
    struct address address;
    if (!address_of(where, &address)) {
        return ub_fail(err, UB_EINVAL, "listen \"%s\": not an IP address", where->text);
    }
    int fd = socket(address.as.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || !tcp_bind(fd, &address)) {
        enum ub_status status =
            ub_fail(err, UB_EIO, "listen \"%s\": %s", where->text, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return status;
    }
    listener->fd = fd;
    listener->is_loopback = where->is_loopback;
    address_write(listener);
    return UB_OK;
}

void http_listener_close(struct http_listener *listener)
{
    if (listener->fd >= 0) {
        close(listener->fd);
        listener->fd = -1;
        if (listener->is_admin) {
            unlink(listener->address);
        }
    }
}

static void peer_tcp(const struct address *address, struct http_peer *peer)
{
    if (address->as.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &address->as.v4.sin_addr, peer->address, sizeof(peer->address));
        peer->is_loopback = ntohl(address->as.v4.sin_addr.s_addr) >> 24 == 127;
        return;
    }
    inet_ntop(AF_INET6, &address->as.v6.sin6_addr, peer->address, sizeof(peer->address));
    peer->is_loopback = IN6_IS_ADDR_LOOPBACK(&address->as.v6.sin6_addr);
}

/* Says why as well as one write can, and keeps nothing of the connection. */
static void turn_away(struct http_listener *listener, int fd, const struct http_peer *peer,
                      enum ub_problem problem, const char *why)
{
    struct ub_http_server *server = listener->server;
    struct http_wire wire = {&http_wire_plain, fd, NULL};
    struct evbuffer *out = evbuffer_new();
    atomic_fetch_add(&server->refused_count, 1);
    ub_log(server->host, UB_LOG_WARN, "connection-refused", why, UB_TEXT("address", peer->address));
    if (out != NULL && http_problem_write(server->host, out, problem, why)) {
        wire.ops->write(&wire, out);
        wire.ops->finish(&wire);
        wire.ops->read(&wire, server->scratch, sizeof(server->scratch)); /* else a reset follows */
    }
    wire.ops->close(&wire);
    if (out != NULL) {
        evbuffer_free(out);
    }
}

static void admit_peer(struct http_listener *listener, int fd, const struct http_peer *peer)
{
    struct ub_http_server *server = listener->server;
    if (peer->is_admin && !http_admin_is_peer(fd)) {
        turn_away(listener, fd, peer, UB_P_FORBIDDEN,
                  "the admin socket is for root and the user of the daemon");
    } else if (!peer->is_admin && (fd >= server->fd_max || atomic_load(&server->conn_count) >=
                                                               server->live.max_connections)) {
        turn_away(listener, fd, peer, UB_P_MODULE_UNAVAILABLE,
                  "too many connections (max_connections, or open files)");
    } else {
        http_conn_open(server, fd, peer);
    }
}

static void accept_one(struct http_listener *listener, int fd, const struct address *address)
{
    struct http_peer peer = {.is_admin = listener->is_admin};
    if (listener->is_admin) {
        peer.is_loopback = true;
        snprintf(peer.address, sizeof(peer.address), "admin-socket");
    } else {
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        peer_tcp(address, &peer);
    }
    admit_peer(listener, fd, &peer);
}

/* Out of descriptors: the listener would wake the loop for ever; the next tick tries again. */
static void accept_pause(struct http_listener *listener, int error)
{
    ub_log(listener->server->host, UB_LOG_WARN, "accept-failed", "cannot accept a connection",
           UB_TEXT("listener", listener->address), UB_TEXT("error", strerror(error)));
    http_listener_end(listener);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct http_listener *listener = arg;
    for (int i = 0; i < ACCEPT_MAX; i++) {
        struct address address = {.size = sizeof(address.as)};
        int got = accept4((int)fd, &address.as.any, &address.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (got >= 0) {
            accept_one(listener, got, &address);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            accept_pause(listener, errno);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

bool http_listener_begin(struct http_listener *listener)
{
    if (listener->event != NULL) {
        return true;
    }
    listener->event =
        event_new(listener->server->base, listener->fd, EV_READ | EV_PERSIST, on_accept, listener);
    if (listener->event == NULL || event_add(listener->event, NULL) != 0) {
        http_listener_end(listener);
        return false;
    }
    return true;
}

void http_listener_end(struct http_listener *listener)
{
    if (listener->event != NULL) {
        event_free(listener->event);
        listener->event = NULL;
    }
}
