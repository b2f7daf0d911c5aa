/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECES_MAX 16

static ssize_t plain_read(struct http_wire *wire, void *out, size_t size)
{
    ssize_t got;
    do {
        got = recv(wire->fd, out, size, 0);
    } while (got < 0 && errno == EINTR);
    return got;
}

/* evbuffer_write would do, but it may raise SIGPIPE. */
static ssize_t plain_write(struct http_wire *wire, struct evbuffer *from)
{
    struct evbuffer_iovec pieces[PIECES_MAX];
    int count = evbuffer_peek(from, -1, NULL, pieces, PIECES_MAX);
    struct msghdr message = {.msg_iov = (struct iovec *)pieces,
                             .msg_iovlen = (size_t)(count > PIECES_MAX ? PIECES_MAX : count)};
    ssize_t sent;
    do {
        sent = sendmsg(wire->fd, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent > 0) {
        evbuffer_drain(from, (size_t)sent);
    }
    return sent;
}

static void plain_finish(struct http_wire *wire)
{
    shutdown(wire->fd, SHUT_WR);
}

static void plain_close(struct http_wire *wire)
{
    close(wire->fd);
    wire->fd = -1;
}

const struct http_wire_ops http_wire_plain = {.has_tls = false,
                                              .read = plain_read,
                                              .write = plain_write,
                                              .finish = plain_finish,
                                              .close = plain_close};
