/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of `unibus bench` against brute force. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench_histogram.h"
#include "bench_order.h"

#define VALUES  20000
#define NUMBERS 300

static uint64_t seed = 0x9e3779b97f4a7c15u;

static uint64_t any(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static int by_size(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

/* All magnitudes alike, so that each power of two is met. */
static uint64_t any_duration(void)
{
    return any() >> (64 - BENCH_HISTOGRAM_TOP + any() % BENCH_HISTOGRAM_TOP);
}

static const double parts[] = {0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};

static void check_quantiles(const struct bench_histogram *histogram, uint64_t *sorted, size_t count)
{
    qsort(sorted, count, sizeof(*sorted), by_size);
    assert_int_equal(histogram->min_ns, sorted[0]);
    assert_int_equal(histogram->max_ns, sorted[count - 1]);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        uint64_t truth = sorted[(size_t)ceil(parts[i] * (double)count) - 1];
        uint64_t got = bench_histogram_quantile(histogram, parts[i]);
        assert_true(got >= truth);
        assert_true((double)(got - truth) <= (double)truth / 127);
    }
}

static void test_quantiles(void **state)
{
    (void)state;
    struct bench_histogram *histogram = calloc(1, sizeof(*histogram));
    uint64_t *values = calloc(VALUES, sizeof(*values));
    double sum = 0;
    for (size_t i = 0; i < VALUES; i++) {
        values[i] = any_duration();
        sum += (double)values[i];
        bench_histogram_add(histogram, values[i]);
    }
    assert_int_equal(histogram->count, VALUES);
    assert_true(fabs(bench_histogram_mean(histogram) - sum / VALUES) < 1);
    check_quantiles(histogram, values, VALUES);
    free(values);
    free(histogram);
}

/* Each border of a bucket, with the values beside it. */
static void test_borders(void **state)
{
    (void)state;
    for (int exponent = 0; exponent < BENCH_HISTOGRAM_TOP; exponent++) {
        for (int delta = -1; delta <= 1; delta++) {
            struct bench_histogram *histogram = calloc(1, sizeof(*histogram));
            uint64_t value = ((uint64_t)1 << exponent) + (uint64_t)(int64_t)delta;
            bench_histogram_add(histogram, value);
            bench_histogram_add(histogram, value * 4); /* else the exact maximum hides the bucket */
            uint64_t got = bench_histogram_quantile(histogram, 0.5);
            assert_true(got >= value && (double)(got - value) <= (double)value / 127);
            free(histogram);
        }
    }
}

static void test_extremes(void **state)
{
    (void)state;
    struct bench_histogram *histogram = calloc(1, sizeof(*histogram));
    assert_int_equal(bench_histogram_quantile(histogram, 0.5), 0);
    assert_true(bench_histogram_mean(histogram) == 0);
    bench_histogram_add(histogram, UINT64_MAX);
    assert_int_equal(bench_histogram_quantile(histogram, 0.5), UINT64_MAX);
    bench_histogram_add(histogram, 0);
    assert_int_equal(histogram->min_ns, 0);
    assert_int_equal(bench_histogram_quantile(histogram, 0.5), 0);
    free(histogram);
}

static void test_merge(void **state)
{
    (void)state;
    struct bench_histogram *parts_of = calloc(3, sizeof(*parts_of));
    struct bench_histogram *all = calloc(2, sizeof(*all));
    for (size_t i = 0; i < VALUES; i++) {
        uint64_t value = any_duration();
        bench_histogram_add(&parts_of[i % 2], value); /* the third stays empty */
        bench_histogram_add(&all[0], value);
    }
    for (size_t i = 0; i < 3; i++) {
        bench_histogram_merge(&all[1], &parts_of[i]);
    }
    assert_memory_equal(all[0].buckets, all[1].buckets, sizeof(all[0].buckets));
    assert_int_equal(all[0].count, all[1].count);
    assert_int_equal(all[0].min_ns, all[1].min_ns);
    assert_int_equal(all[0].max_ns, all[1].max_ns);
    free(all);
    free(parts_of);
}

static void test_spread(void **state)
{
    (void)state;
    const double values[] = {2, 4, 4, 4, 5, 5, 7, 9};
    struct bench_spread spread = bench_spread_of(values, 8);
    assert_true(spread.min == 2 && spread.max == 9);
    assert_true(fabs(spread.avg - 5) < 1e-9 && fabs(spread.stddev - 2) < 1e-9);
    spread = bench_spread_of(values, 1);
    assert_true(spread.min == 2 && spread.max == 2 && spread.stddev == 0);
    spread = bench_spread_of(values, 0);
    assert_true(spread.avg == 0 && spread.stddev == 0);
}

static void test_stamp(void **state)
{
    (void)state;
    for (int i = 0; i < 10000; i++) {
        const struct bench_stamp stamp = {(uint32_t)any(), any() >> 16, any() >> 16};
        uint8_t bytes[BENCH_STAMP_LEN];
        bench_stamp_write(&stamp, bytes);
        struct bench_stamp back = bench_stamp_read(bytes);
        assert_int_equal(back.publisher, stamp.publisher);
        assert_int_equal(back.number, stamp.number);
        assert_int_equal(back.time_ns, stamp.time_ns);
        /* The clock may have gone past 2^48 meanwhile. */
        assert_int_equal(bench_stamp_age(&back, stamp.time_ns + 12345), 12345);
    }
}

/* What a receiver of three publishers ought to know, kept the simple way. */
struct truth {
    unsigned times[3][NUMBERS];
    uint64_t greatest[3];
    uint64_t fresh, doubled, late;
};

static void truth_take(struct truth *truth, unsigned publisher, uint64_t number)
{
    bool is_again = truth->times[publisher][number]++ > 0;
    bool is_behind = number + 1 < truth->greatest[publisher];
    truth->doubled += is_again ? 1 : 0;
    truth->fresh += is_again ? 0 : 1;
    truth->late += !is_again && is_behind ? 1 : 0;
    if (number + 1 > truth->greatest[publisher]) {
        truth->greatest[publisher] = number + 1;
    }
}

static uint64_t truth_missing(const struct truth *truth)
{
    uint64_t missing = 0;
    for (unsigned p = 0; p < 3; p++) {
        for (uint64_t n = 0; n < truth->greatest[p]; n++) {
            missing += truth->times[p][n] == 0 ? 1 : 0;
        }
    }
    return missing;
}

static void check_order(const struct bench_order *order, const struct truth *truth)
{
    uint32_t publisher = 0;
    uint64_t number = 0, missing = bench_order_missing(order, &publisher, &number);
    assert_false(order->is_full);
    assert_int_equal(order->fresh, truth->fresh);
    assert_int_equal(order->doubled, truth->doubled);
    assert_int_equal(order->late, truth->late);
    assert_int_equal(missing, truth_missing(truth));
    if (missing > 0) {
        assert_int_equal(truth->times[publisher - 7][number], 0);
    }
}

/* Messages in any order, some lost, some twice. */
static void test_order(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        struct bench_order order = {0};
        struct truth *truth = calloc(1, sizeof(*truth));
        uint64_t at[3] = {0, 0, 0}, span = 1 + any() % 20;
        for (unsigned step = 0; step < 3 * NUMBERS; step++) {
            unsigned publisher = (unsigned)(any() % 3);
            uint64_t number = at[publisher] + any() % span;
            number = number < NUMBERS ? number : NUMBERS - 1;
            bench_order_take(&order, publisher + 7, number);
            truth_take(truth, publisher, number);
            at[publisher] += any() % 4 != 0 && at[publisher] + 1 < NUMBERS ? 1 : 0;
        }
        check_order(&order, truth);
        bench_order_fini(&order);
        free(truth);
    }
}

static void test_order_plain(void **state)
{
    (void)state;
    struct bench_order order = {0};
    uint32_t publisher = 0;
    uint64_t number = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        assert_int_equal(bench_order_take(&order, 1, i), BENCH_FRESH);
    }
    assert_int_equal(bench_order_missing(&order, &publisher, &number), 0);
    assert_int_equal(bench_order_take(&order, 1, 999), BENCH_DOUBLED);
    assert_int_equal(bench_order_take(&order, 1, 1001), BENCH_FRESH);
    assert_int_equal(bench_order_missing(&order, &publisher, &number), 1);
    assert_int_equal(number, 1000);
    assert_int_equal(bench_order_take(&order, 1, 1000), BENCH_LATE);
    assert_int_equal(bench_order_missing(&order, &publisher, &number), 0);
    bench_order_fini(&order);
}

/* A listener that came later misses nothing, but one that was there from the beginning does. */
static void test_order_begins(void **state)
{
    (void)state;
    uint32_t publisher = 0;
    uint64_t number = 0;
    for (int anywhere = 0; anywhere < 2; anywhere++) {
        struct bench_order order = {.begins_anywhere = anywhere != 0};
        bench_order_take(&order, 1, 5);
        assert_int_equal(bench_order_missing(&order, &publisher, &number), anywhere != 0 ? 0 : 5);
        bench_order_fini(&order);
    }
}

/* More gaps than are kept: it says so instead of counting wrongly. */
static void test_order_full(void **state)
{
    (void)state;
    struct bench_order order = {0};
    for (uint64_t i = 1; i < 400000 && !order.is_full; i += 2) {
        bench_order_take(&order, 1, i);
    }
    assert_true(order.is_full);
    bench_order_fini(&order);
    for (uint32_t i = 0; i < 5000 && !order.is_full; i++) {
        bench_order_take(&order, i, 0);
    }
    assert_true(order.is_full);
    bench_order_fini(&order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantiles),    cmocka_unit_test(test_borders),
        cmocka_unit_test(test_extremes),     cmocka_unit_test(test_merge),
        cmocka_unit_test(test_spread),       cmocka_unit_test(test_stamp),
        cmocka_unit_test(test_order),        cmocka_unit_test(test_order_plain),
        cmocka_unit_test(test_order_begins), cmocka_unit_test(test_order_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
