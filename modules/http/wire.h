/* SPDX-License-Identifier: Apache-2.0
 *
 * How the bytes of a connection come and go: plain TCP and Unix sockets now. TLS is another table
 * of operations with its state behind `state`. Threads: the loop's. */
#ifndef HTTP_WIRE_H
#define HTTP_WIRE_H

#include <stdbool.h>
#include <sys/types.h>

#include <event2/buffer.h>

struct http_wire;

struct http_wire_ops {
    bool has_tls;
    /* As read(2): 0 = the peer has finished, -1 with EAGAIN = nothing now. */
    ssize_t (*read)(struct http_wire *wire, void *out, size_t size);
    /* Sends from the front of `from` and removes what was sent; -1 with EAGAIN = nothing now. */
    ssize_t (*write)(struct http_wire *wire, struct evbuffer *from);
    /* No more bytes will be written; the peer may still send. */
    void (*finish)(struct http_wire *wire);
    void (*close)(struct http_wire *wire);
};

struct http_wire {
    const struct http_wire_ops *ops;
    int fd;
    void *state;
};

extern const struct http_wire_ops http_wire_plain;

#endif
