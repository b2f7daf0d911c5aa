/* SPDX-License-Identifier: Apache-2.0 */
#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>

#include <unibus/error.h>

#include "shard.h"

#define LISTENER_BACKLOG  4096
#define LISTENER_AT_ONCE  64  /* accepted in one go, so that others get their turn */
#define LISTENER_PAUSE_MS 100 /* when the system has no more descriptors */

struct nats_listener {
    struct nats_server *server;
    int fd;
    uint16_t port;
    struct event accept_event, retry_event;
    bool has_events;
};

struct listener_hand_over {
    struct nats_shard *shard;
    int fd;
    struct sockaddr_storage peer;
};

static int listener_socket(const struct addrinfo *address)
{
    int on = 1;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (address->ai_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    }
    if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, LISTENER_BACKLOG) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static uint16_t socket_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
    } address;
    memset(&address, 0, sizeof(address));
    socklen_t len = sizeof(address);
    if (getsockname(fd, &address.any, &len) != 0) {
        return 0;
    }
    return ntohs(address.any.sa_family == AF_INET6 ? address.in6.sin6_port : address.in4.sin_port);
}

static enum ub_status listener_open(struct nats_server *server, const struct ub_listen *listen,
                                    struct ub_err *err)
{
    struct nats_listener *listener = &server->listeners[server->listener_count];
    char port[8];
    snprintf(port, sizeof(port), "%u", listen->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *address = NULL;
    int found = getaddrinfo(listen->host, port, &hints, &address);
    if (found != 0) {
        return ub_fail(err, UB_EINVAL, "listen: \"%s\" is not an address: %s", listen->text,
                       gai_strerror(found));
    }
    listener->server = server;
    listener->fd = listener_socket(address);
    int failure = errno;
    freeaddrinfo(address);
    if (listener->fd < 0) {
        return ub_fail(err, UB_EIO, "cannot listen on %s: %s; is another server running there?",
                       listen->text, strerror(failure));
    }
    listener->port = socket_port(listener->fd);
    server->listener_count++;
    return UB_OK;
}

static void listener_post_url(const struct nats_server *server)
{
    const struct ub_listen *first = &server->settings->listen.items[0];
    char url[NATS_URL_MAX];
    bool is_v6 = strchr(first->host, ':') != NULL;
    const struct nats_tls_settings *tls = &server->settings->tls;
    bool is_plain = tls->mode == NATS_TLS_OFF || tls->plain != NATS_PLAIN_NONE;
    snprintf(url, sizeof(url), is_v6 ? "%s://[%s]:%u" : "%s://%s:%u", is_plain ? "nats" : "tls",
             first->host, server->listeners[0].port);
    server->host->node->post_fact(server->host, "nats.url", url);
}

enum ub_status nats_listeners_open(struct nats_server *server, struct ub_err *err)
{
    const struct ub_listens *listens = &server->settings->listen;
    server->listeners = calloc(listens->count + 1, sizeof(*server->listeners));
    if (server->listeners == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory for %zu listeners", listens->count);
    }
    if (listens->count == 0) {
        return ub_fail(err, UB_EINVAL, "listen is empty; name at least one address");
    }
    for (size_t i = 0; i < listens->count; i++) {
        enum ub_status status = listener_open(server, &listens->items[i], err);
        if (status != UB_OK) {
            return status;
        }
    }
    listener_post_url(server);
    return UB_OK;
}

void nats_listeners_close(struct nats_server *server)
{
    for (size_t i = 0; i < server->listener_count; i++) {
        if (server->listeners[i].fd >= 0) {
            close(server->listeners[i].fd);
        }
    }
    free(server->listeners);
    server->listeners = NULL;
    server->listener_count = 0;
}

uint16_t nats_listeners_port(const struct nats_server *server)
{
    return server->listener_count == 0 ? 0 : server->listeners[0].port;
}

uint16_t nats_listener_port(const struct nats_server *server, size_t index)
{
    return server->listeners[index].port;
}

static void on_hand_over(void *arg)
{
    struct listener_hand_over *given = arg;
    nats_shard_enter(given->shard);
    nats_conn_open(given->shard, given->fd, &given->peer);
    free(given);
}

static void listener_hand_over(struct nats_server *server, int fd,
                               const struct sockaddr_storage *peer)
{
    struct nats_shard *shard = &server->shards[server->next_shard++ % server->shard_count];
    if (shard->index == 0) {
        nats_conn_open(shard, fd, peer);
        return;
    }
    struct listener_hand_over *given = malloc(sizeof(*given));
    if (given == NULL) {
        close(fd);
        return;
    }
    *given = (struct listener_hand_over){shard, fd, *peer};
    server->host->loop->post(shard->loop, on_hand_over, given);
}

static void listener_rest(struct nats_listener *listener)
{
    struct timeval wait = {0, LISTENER_PAUSE_MS * 1000};
    ub_log(listener->server->host, UB_LOG_ERROR, "accept-failed",
           "no more connections for the moment; raise the limit of open files",
           UB_TEXT("error", strerror(errno)));
    event_del(&listener->accept_event);
    event_add(&listener->retry_event, &wait);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct nats_listener *listener = arg;
    event_add(&listener->accept_event, NULL);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct nats_listener *listener = arg;
    nats_shard_enter(&listener->server->shards[0]);
    for (int i = 0; i < LISTENER_AT_ONCE; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t len = sizeof(peer);
        int client = accept4(fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client >= listener->server->fd_max) {
            close(client);
        } else if (client >= 0) {
            listener_hand_over(listener->server, client, &peer);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            listener_rest(listener);
            return;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        }
    }
}

void nats_listeners_accept(void *arg)
{
    struct nats_server *server = arg;
    for (size_t i = 0; i < server->listener_count; i++) {
        struct nats_listener *listener = &server->listeners[i];
        struct event_base *base = server->shards[0].base;
        event_assign(&listener->accept_event, base, listener->fd, EV_READ | EV_PERSIST, on_accept,
                     listener);
        event_assign(&listener->retry_event, base, -1, 0, on_retry, listener);
        listener->has_events = true;
        event_add(&listener->accept_event, NULL);
    }
}

void nats_listeners_stop(void *arg)
{
    struct nats_server *server = arg;
    for (size_t i = 0; i < server->listener_count; i++) {
        struct nats_listener *listener = &server->listeners[i];
        if (listener->has_events) {
            event_del(&listener->accept_event);
            event_del(&listener->retry_event);
            listener->has_events = false;
        }
        if (listener->fd >= 0) {
            close(listener->fd);
            listener->fd = -1;
        }
    }
}
