/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_order.h"

#include <stdlib.h>
#include <string.h>

#define GAPS_MAX      100000
#define SEQUENCES_MAX 4096
#define TIME_MASK     (((uint64_t)1 << 48) - 1)

static void write_number(uint64_t number, size_t len, uint8_t *bytes_out)
{
    for (size_t i = 0; i < len; i++) {
        bytes_out[i] = (uint8_t)(number >> 8 * i);
    }
}

static uint64_t read_number(const uint8_t *bytes, size_t len)
{
    uint64_t number = 0;
    for (size_t i = len; i > 0; i--) {
        number = number << 8 | bytes[i - 1];
    }
    return number;
}

void bench_stamp_write(const struct bench_stamp *stamp, uint8_t bytes_out[BENCH_STAMP_LEN])
{
    write_number(stamp->publisher, 4, bytes_out);
    write_number(stamp->number, 6, bytes_out + 4);
    write_number(stamp->time_ns, 6, bytes_out + 10);
}

struct bench_stamp bench_stamp_read(const uint8_t bytes[BENCH_STAMP_LEN])
{
    return (struct bench_stamp){
        .publisher = (uint32_t)read_number(bytes, 4),
        .number = read_number(bytes + 4, 6),
        .time_ns = read_number(bytes + 10, 6),
    };
}

uint64_t bench_stamp_age(const struct bench_stamp *stamp, uint64_t now_ns)
{
    return (now_ns - stamp->time_ns) & TIME_MASK;
}

void bench_order_fini(struct bench_order *order)
{
    for (size_t i = 0; i < order->len; i++) {
        free(order->sequences[i].gaps);
    }
    free(order->sequences);
    memset(order, 0, sizeof(*order));
}

static struct bench_sequence *add_sequence(struct bench_order *order, uint32_t publisher,
                                           uint64_t number)
{
    if (order->len == order->cap) {
        size_t cap = order->cap > 0 ? order->cap * 2 : 8;
        struct bench_sequence *more =
            cap <= SEQUENCES_MAX ? reallocarray(order->sequences, cap, sizeof(*more)) : NULL;
        if (more == NULL) {
            order->is_full = true;
            return NULL;
        }
        order->sequences = more;
        order->cap = cap;
    }
    struct bench_sequence *sequence = &order->sequences[order->len];
    memset(sequence, 0, sizeof(*sequence));
    sequence->publisher = publisher;
    sequence->next = order->begins_anywhere ? number : 0;
    order->last = order->len++;
    return sequence;
}

static struct bench_sequence *find_sequence(struct bench_order *order, uint32_t publisher,
                                            uint64_t number)
{
    if (order->last < order->len && order->sequences[order->last].publisher == publisher) {
        return &order->sequences[order->last];
    }
    for (size_t i = 0; i < order->len; i++) {
        if (order->sequences[i].publisher == publisher) {
            order->last = i;
            return &order->sequences[i];
        }
    }
    return add_sequence(order, publisher, number);
}

/* Puts a gap at `at`. */
static bool insert_gap(struct bench_sequence *sequence, size_t at, struct bench_gap gap)
{
    if (sequence->gaps_len == sequence->gaps_cap) {
        size_t cap = sequence->gaps_cap > 0 ? sequence->gaps_cap * 2 : 8;
        struct bench_gap *more =
            cap <= GAPS_MAX ? reallocarray(sequence->gaps, cap, sizeof(*more)) : NULL;
        if (more == NULL) {
            return false;
        }
        sequence->gaps = more;
        sequence->gaps_cap = cap;
    }
    struct bench_gap *place = &sequence->gaps[at];
    memmove(place + 1, place, (sequence->gaps_len - at) * sizeof(*place));
    *place = gap;
    sequence->gaps_len++;
    return true;
}

/* The first gap that ends after the number. */
static size_t find_gap(const struct bench_sequence *sequence, uint64_t number)
{
    size_t low = 0, high = sequence->gaps_len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sequence->gaps[middle].to <= number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Closes the gap, or what of it the number was. False: there is no room for the second half. */
static bool fill(struct bench_sequence *sequence, size_t at, uint64_t number)
{
    struct bench_gap *gap = &sequence->gaps[at];
    const struct bench_gap after = {number + 1, gap->to};
    if (gap->from == number && after.from == after.to) {
        memmove(gap, gap + 1, (--sequence->gaps_len - at) * sizeof(*gap));
        return true;
    }
    if (gap->from == number) {
        gap->from++;
        return true;
    }
    gap->to = number;
    return after.from == after.to || insert_gap(sequence, at + 1, after);
}

enum bench_arrival bench_order_take(struct bench_order *order, uint32_t publisher, uint64_t number)
{
    struct bench_sequence *sequence = find_sequence(order, publisher, number);
    if (sequence == NULL) {
        return BENCH_FRESH;
    }
    if (number >= sequence->next) {
        const struct bench_gap gap = {sequence->next, number};
        bool has_room = gap.from == gap.to || insert_gap(sequence, sequence->gaps_len, gap);
        order->is_full = order->is_full || !has_room;
        sequence->next = number + 1;
        order->fresh++;
        return BENCH_FRESH;
    }
    size_t at = find_gap(sequence, number);
    if (at == sequence->gaps_len || sequence->gaps[at].from > number) {
        order->doubled++;
        return BENCH_DOUBLED;
    }
    order->is_full = !fill(sequence, at, number) || order->is_full;
    order->fresh++;
    order->late++;
    return BENCH_LATE;
}

uint64_t bench_order_missing(const struct bench_order *order, uint32_t *publisher_out,
                             uint64_t *number_out)
{
    uint64_t missing = 0;
    for (size_t i = 0; i < order->len; i++) {
        const struct bench_sequence *sequence = &order->sequences[i];
        for (size_t g = 0; g < sequence->gaps_len; g++) {
            if (missing == 0) {
                *publisher_out = sequence->publisher;
                *number_out = sequence->gaps[g].from;
            }
            missing += sequence->gaps[g].to - sequence->gaps[g].from;
        }
    }
    return missing;
}
