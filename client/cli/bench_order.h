/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLI_BENCH_ORDER_H
#define UNIBUS_CLI_BENCH_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What `unibus bench` writes at the beginning of a payload, and the book of what arrived: each
 * publisher counts its messages from 0, so each receiver knows what is missing, what came twice and
 * what came late. One thread at a time. */

/* 16 bytes, little-endian: publisher (4), number (6), time (6: CLOCK_MONOTONIC in ns, modulo 2^48).
 * A shorter payload carries none of it. */
#define BENCH_STAMP_LEN 16
struct bench_stamp {
    uint32_t publisher;
    uint64_t number;
    uint64_t time_ns;
};
void bench_stamp_write(const struct bench_stamp *stamp, uint8_t bytes_out[BENCH_STAMP_LEN]);
struct bench_stamp bench_stamp_read(const uint8_t bytes[BENCH_STAMP_LEN]);
/* From the time in a stamp until now: 2^48 ns are 78 hours. */
uint64_t bench_stamp_age(const struct bench_stamp *stamp, uint64_t now_ns);

struct bench_gap {
    uint64_t from, to; /* [from, to) is missing */
};
struct bench_sequence {
    uint32_t publisher;
    uint64_t next; /* one more than the greatest that came */
    struct bench_gap *gaps;
    size_t gaps_len, gaps_cap;
};
struct bench_order {
    struct bench_sequence *sequences;
    size_t len, cap, last; /* last: where the latest message belonged */
    uint64_t fresh;        /* messages, each counted once */
    uint64_t doubled;      /* came again */
    uint64_t late;         /* of the fresh: came after one with a greater number */
    bool begins_anywhere;  /* the first number of a publisher is whatever comes first */
    bool is_full; /* no memory, or more gaps than are kept: the counts are not to be trusted */
};

enum bench_arrival { BENCH_FRESH, BENCH_LATE, BENCH_DOUBLED };

/* Zeros begin a book. */
void bench_order_fini(struct bench_order *order);
enum bench_arrival bench_order_take(struct bench_order *order, uint32_t publisher, uint64_t number);
/* How many numbers below the greatest of their publisher have not come. *publisher_out and
 * *number_out: one of them, when there are any. */
uint64_t bench_order_missing(const struct bench_order *order, uint32_t *publisher_out,
                             uint64_t *number_out);

#endif
