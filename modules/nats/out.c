/* SPDX-License-Identifier: Apache-2.0 */
#include "out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define OUT_IOV_MAX     256
#define OUT_SPARE_COPY  256
#define OUT_SPARE_SHARE 4096

struct nats_segment {
    struct nats_segment *next;
    const uint8_t *ptr;
    size_t len, room; /* room: free bytes behind a copied range */
    struct ub_buf *buf;
    uint8_t data[];
};

static struct nats_segment *segment_new(struct nats_segments *spare, bool is_copy)
{
    struct nats_segment **list = is_copy ? &spare->copies : &spare->shares;
    struct nats_segment *segment = *list;
    if (segment != NULL) {
        *list = segment->next;
        *(is_copy ? &spare->copy_count : &spare->share_count) -= 1;
        spare->copy_unused =
            spare->copy_count < spare->copy_unused ? spare->copy_count : spare->copy_unused;
    } else if ((segment = malloc(sizeof(*segment) + (is_copy ? NATS_SEGMENT_SIZE : 0))) == NULL) {
        return NULL;
    }
    segment->next = NULL;
    segment->buf = NULL;
    segment->ptr = segment->data;
    segment->len = 0;
    segment->room = is_copy ? NATS_SEGMENT_SIZE : 0;
    return segment;
}

static void segment_free(struct nats_segments *spare, struct nats_segment *segment)
{
    bool is_copy = segment->buf == NULL;
    ub_buf_unref(&segment->buf);
    struct nats_segment **list = is_copy ? &spare->copies : &spare->shares;
    size_t *count = is_copy ? &spare->copy_count : &spare->share_count;
    if (*count >= (is_copy ? OUT_SPARE_COPY : OUT_SPARE_SHARE)) {
        spare->freed += sizeof(*segment) + (is_copy ? NATS_SEGMENT_SIZE : 0);
        free(segment);
        return;
    }
    segment->next = *list;
    *list = segment;
    *count += 1;
}

size_t nats_segments_shrink(struct nats_segments *spare)
{
    size_t freed = spare->freed + spare->copy_unused * NATS_SEGMENT_SIZE;
    for (; spare->copy_unused > 0; spare->copy_unused--) {
        struct nats_segment *segment = spare->copies;
        spare->copies = segment->next;
        spare->copy_count--;
        free(segment);
    }
    spare->copy_unused = spare->copy_count;
    spare->freed = 0;
    return freed;
}

void nats_segments_fini(struct nats_segments *spare)
{
    struct nats_segment *lists[] = {spare->copies, spare->shares};
    for (size_t i = 0; i < 2; i++) {
        while (lists[i] != NULL) {
            struct nats_segment *next = lists[i]->next;
            free(lists[i]);
            lists[i] = next;
        }
    }
    memset(spare, 0, sizeof(*spare));
}

static void out_append(struct nats_out *out, struct nats_segment *segment)
{
    *(out->tail != NULL ? &out->tail->next : &out->head) = segment;
    out->tail = segment;
}

uint8_t *nats_out_reserve(struct nats_segments *spare, struct nats_out *out, size_t len)
{
    struct nats_segment *tail = out->tail;
    if (tail == NULL || tail->room < len) {
        tail = segment_new(spare, true);
        if (tail == NULL) {
            return NULL;
        }
        out_append(out, tail);
    }
    return (uint8_t *)(uintptr_t)tail->ptr + tail->len;
}

void nats_out_commit(struct nats_out *out, size_t len)
{
    out->tail->len += len;
    out->tail->room -= len;
    out->bytes += len;
}

bool nats_out_copy(struct nats_segments *spare, struct nats_out *out, struct ub_bytes bytes)
{
    while (bytes.len > 0) {
        size_t room =
            out->tail == NULL || out->tail->room == 0 ? NATS_SEGMENT_SIZE : out->tail->room;
        size_t len = bytes.len < room ? bytes.len : room;
        uint8_t *at = nats_out_reserve(spare, out, len);
        if (at == NULL) {
            return false;
        }
        memcpy(at, bytes.ptr, len);
        nats_out_commit(out, len);
        bytes.ptr += len;
        bytes.len -= len;
    }
    return true;
}

bool nats_out_share(struct nats_segments *spare, struct nats_out *out, struct ub_buf *buf,
                    struct ub_bytes range)
{
    struct nats_segment *segment = segment_new(spare, false);
    if (segment == NULL) {
        return false;
    }
    segment->buf = ub_buf_ref(buf);
    segment->ptr = range.ptr;
    segment->len = range.len;
    out->bytes += range.len;
    out_append(out, segment);
    return true;
}

static size_t out_gather(const struct nats_out *out, struct iovec *iov)
{
    size_t count = 0;
    for (const struct nats_segment *it = out->head; it != NULL && count < OUT_IOV_MAX;
         it = it->next) {
        iov[count++] = (struct iovec){(void *)(uintptr_t)it->ptr, it->len};
    }
    return count;
}

void nats_out_consume(struct nats_segments *spare, struct nats_out *out, size_t len)
{
    out->bytes -= len;
    while (out->head != NULL && len >= out->head->len) {
        struct nats_segment *done = out->head;
        len -= done->len;
        out->head = done->next;
        if (out->head == NULL) {
            out->tail = NULL;
        }
        segment_free(spare, done);
    }
    if (len > 0 && out->head != NULL) {
        out->head->ptr += len;
        out->head->len -= len;
    }
}

enum nats_written nats_out_write(struct nats_segments *spare, struct nats_out *out, int fd,
                                 size_t *count_out)
{
    *count_out = 0;
    while (out->bytes > 0) {
        struct iovec iov[OUT_IOV_MAX];
        struct msghdr message = {.msg_iov = iov, .msg_iovlen = out_gather(out, iov)};
        ssize_t put = sendmsg(fd, &message, MSG_NOSIGNAL); /* a writev without SIGPIPE */
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return errno == EAGAIN || errno == EWOULDBLOCK ? NATS_WRITTEN_PART : NATS_WRITE_FAILED;
        }
        nats_out_consume(spare, out, (size_t)put);
        *count_out += (size_t)put;
    }
    nats_out_clear(spare, out); /* a segment that was reserved and not filled */
    return NATS_WRITTEN_ALL;
}

struct ub_bytes nats_out_front(const struct nats_out *out, uint8_t *room, size_t room_len)
{
    const struct nats_segment *it = out->head;
    size_t len = 0;
    if (it->len >= room_len / 2 || it->next == NULL) {
        return (struct ub_bytes){it->ptr, it->len < room_len ? it->len : room_len};
    }
    for (; it != NULL && len < room_len; it = it->next) {
        size_t piece = it->len < room_len - len ? it->len : room_len - len;
        memcpy(room + len, it->ptr, piece);
        len += piece;
    }
    return (struct ub_bytes){room, len};
}

void nats_out_clear(struct nats_segments *spare, struct nats_out *out)
{
    while (out->head != NULL) {
        struct nats_segment *segment = out->head;
        out->head = segment->next;
        segment_free(spare, segment);
    }
    out->tail = NULL;
    out->bytes = 0;
}
