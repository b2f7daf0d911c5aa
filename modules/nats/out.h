/* SPDX-License-Identifier: Apache-2.0
 *
 * What waits to be written to one connection: segments of copied bytes, and ranges of shared
 * buffers where copying would cost more. Written by one writev for as much as fits. Threads: the
 * connection's loop. */
#ifndef NATS_OUT_H
#define NATS_OUT_H

#include <sys/types.h>

#include <unibus/abi.h>

/* The most that reserve gives in one piece. */
#define NATS_SEGMENT_SIZE ((size_t)16 * 1024)

struct nats_segment;

/* Spare segments of one loop. Zeroed at first. */
struct nats_segments {
    struct nats_segment *copies, *shares;
    size_t copy_count, share_count;
    size_t copy_unused; /* the fewest spare copies since the last shrink */
    size_t freed;       /* bytes given back to malloc since the last shrink */
};

struct nats_out {
    struct nats_segment *head, *tail;
    size_t bytes;
};

/* Gives back the spare segments that nobody needed since the last call; answers the bytes that went
 * back to malloc since then. */
size_t nats_segments_shrink(struct nats_segments *spare);
void nats_segments_fini(struct nats_segments *spare);

/* Room for len <= NATS_SEGMENT_SIZE bytes in one piece, to be filled at once and committed; NULL =
 * no memory. */
uint8_t *nats_out_reserve(struct nats_segments *spare, struct nats_out *out, size_t len);
void nats_out_commit(struct nats_out *out, size_t len);
/* false = no memory: a part may have been added, so the connection cannot go on. */
bool nats_out_copy(struct nats_segments *spare, struct nats_out *out, struct ub_bytes bytes);
/* Takes a reference to buf until the range is written. */
bool nats_out_share(struct nats_segments *spare, struct nats_out *out, struct ub_buf *buf,
                    struct ub_bytes range);

enum nats_written { NATS_WRITTEN_ALL, NATS_WRITTEN_PART, NATS_WRITE_FAILED };

/* Writes until nothing is left or the socket takes no more; *count_out: bytes written. */
enum nats_written nats_out_write(struct nats_segments *spare, struct nats_out *out, int fd,
                                 size_t *count_out);
/* The first bytes in one piece, at most room_len: where they lie, or, when those are few, more of
 * them copied into room. Then consume what was written. */
struct ub_bytes nats_out_front(const struct nats_out *out, uint8_t *room, size_t room_len);
void nats_out_consume(struct nats_segments *spare, struct nats_out *out, size_t len);
void nats_out_clear(struct nats_segments *spare, struct nats_out *out);

#endif
