/* SPDX-License-Identifier: Apache-2.0
 *
 * The connections that an answer is about: first who they are and by what they are sorted, then the
 * page of them that is asked for. Pure. */
#ifndef NATS_MONITOR_ROWS_H
#define NATS_MONITOR_ROWS_H

#include "query.h"

struct mon_row {
    uint64_t cid;
    int64_t key;     /* what they are sorted by */
    uint64_t number; /* in the ring of closed ones; with is_closed */
    uint32_t shard;
    bool is_closed;
    bool is_written; /* found again when it was to be written */
    size_t at, len;  /* where its JSON lies */
};

struct mon_rows {
    struct mon_row *items;
    size_t count, room;
    bool is_broken; /* no memory: not all of them are in it */
};

/* Everything that a connection can be sorted by. Times in ms; stop and reason of closed ones. */
struct mon_keys {
    int64_t subs, pending, msgs_to, msgs_from, bytes_to, bytes_from, last, uptime, stop, reason,
        rtt;
};

int64_t mon_key(enum mon_sort sort, const struct mon_keys *keys);
void mon_rows_add(struct mon_rows *rows, const struct mon_row *row);
void mon_rows_fini(struct mon_rows *rows);
/* In nats-server's direction: ascending by cid, start, uptime and reason, descending by the others;
 * equal ones ascend by cid. */
void mon_rows_sort(struct mon_rows *rows, enum mon_sort sort);
/* The page [*first_out, *end_out) of count. */
void mon_page(size_t count, int64_t offset, int64_t limit, size_t *first_out, size_t *end_out);

#endif
