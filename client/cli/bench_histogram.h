/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLI_BENCH_HISTOGRAM_H
#define UNIBUS_CLI_BENCH_HISTOGRAM_H

#include <stdint.h>

/* Durations in nanoseconds, in buckets that are linear within each power of two, as HdrHistogram
 * has them: below 128 ns exact, above it a bucket is at most 1/128 of its value wide, so a quantile
 * is never below the true one and at most 0.79 % above it. Least, greatest and mean are exact.
 * 2^41 ns (37 minutes) and more share the last bucket. One thread at a time. */

#define BENCH_HISTOGRAM_BITS    7
#define BENCH_HISTOGRAM_TOP     41
#define BENCH_HISTOGRAM_BUCKETS ((BENCH_HISTOGRAM_TOP - BENCH_HISTOGRAM_BITS + 1) << 7)

struct bench_histogram {
    uint64_t count, min_ns, max_ns;
    double sum_ns;
    uint64_t buckets[BENCH_HISTOGRAM_BUCKETS];
};

/* All zeros is an empty one. */
void bench_histogram_add(struct bench_histogram *histogram, uint64_t ns);
void bench_histogram_merge(struct bench_histogram *into, const struct bench_histogram *from);
/* The value that a part of all, 0 < part <= 1, does not exceed; 0 of an empty one. */
uint64_t bench_histogram_quantile(const struct bench_histogram *histogram, double part);
double bench_histogram_mean(const struct bench_histogram *histogram);

/* Of rates: the standard deviation is that of exactly these, not of a sample of more. */
struct bench_spread {
    double min, avg, max, stddev;
};
struct bench_spread bench_spread_of(const double *values, uint64_t count);

#endif
