/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_WINDOW_H
#define UBR_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include "ubr/bytes.h"
#include "ubr/error.h"

/* Replay windows (UBR1, section 9.5): the last 1,024 counters of one device in one room, and where
 * each was seen. One window per (room, kid); a service persists it. */

#define UBR_WINDOW_COUNTERS 1024

/* Where a message was delivered from. */
struct ubr_place {
    uint64_t stream; /* ubr_stream_tag; 0 = no stream, delivered live */
    uint64_t seq;    /* stream sequence */
};

/* A number for a stream's name, the same after a restart, never 0. */
uint64_t ubr_stream_tag(struct ubr_bytes name);

struct ubr_window {
    uint64_t base; /* lowest counter that can still be judged */
    uint64_t end;  /* one above the highest counter taken; 0 = new window */
    uint8_t seen[UBR_WINDOW_COUNTERS / 8];
    struct ubr_place places[UBR_WINDOW_COUNTERS];
};

enum ubr_window_verdict {
    UBR_WINDOW_FRESH,
    UBR_WINDOW_REDELIVERY, /* seen at the same place of the same stream: deliver, marked */
    UBR_WINDOW_REPLAY,     /* seen at another place, or twice live: drop, report */
    UBR_WINDOW_BELOW,      /* below the base: cannot be judged; late for live readers */
};

/* A new window: the first counter taken becomes its base. */
void ubr_window_init(struct ubr_window *window);

/* Judges a counter ≥ 1 without taking it. NULL is a new window. */
enum ubr_window_verdict ubr_window_judge(const struct ubr_window *window, uint64_t counter,
                                         struct ubr_place place);

/* Judges, and takes a fresh counter: the base follows when the window is full. To be called for
 * each accepted message, in the order of delivery; its verdict stands where several threads opened
 * messages at the same time. */
enum ubr_window_verdict ubr_window_take(struct ubr_window *window, uint64_t counter,
                                        struct ubr_place place);

/* The persisted form: u8 version 1, u64 base, u64 end, u16 n, n × (u16 counter − base, u64 stream,
 * u64 seq) in ascending order. Local to one client, not part of UBR1. */
#define UBR_WINDOW_SAVED_MAX (19 + UBR_WINDOW_COUNTERS * 18)

/* Writes at most UBR_WINDOW_SAVED_MAX bytes and gives their number. */
size_t ubr_window_save(const struct ubr_window *window, uint8_t saved_out[UBR_WINDOW_SAVED_MAX]);

/* E-PARSE, and a new window, unless saved is what save wrote. */
enum ubr_error ubr_window_load(struct ubr_bytes saved, struct ubr_window *window_out);

#endif
