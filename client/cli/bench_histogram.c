/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_histogram.h"

#include <math.h>
#include <stddef.h>

#define LINEAR ((uint64_t)1 << BENCH_HISTOGRAM_BITS)

static size_t bucket_of(uint64_t ns)
{
    if (ns < LINEAR) {
        return (size_t)ns;
    }
    int exponent = 63 - __builtin_clzll(ns);
    if (exponent >= BENCH_HISTOGRAM_TOP) {
        return BENCH_HISTOGRAM_BUCKETS - 1;
    }
    int shift = exponent - BENCH_HISTOGRAM_BITS;
    return (size_t)(((uint64_t)shift + 1) * LINEAR + ((ns >> shift) - LINEAR));
}

/* The greatest value of the bucket. */
static uint64_t top_of(size_t bucket)
{
    if (bucket < LINEAR) {
        return bucket;
    }
    uint64_t shift = bucket / LINEAR - 1;
    return ((bucket % LINEAR + LINEAR + 1) << shift) - 1;
}

void bench_histogram_add(struct bench_histogram *histogram, uint64_t ns)
{
    histogram->buckets[bucket_of(ns)]++;
    histogram->min_ns = histogram->count == 0 || ns < histogram->min_ns ? ns : histogram->min_ns;
    histogram->max_ns = ns > histogram->max_ns ? ns : histogram->max_ns;
    histogram->sum_ns += (double)ns;
    histogram->count++;
}

void bench_histogram_merge(struct bench_histogram *into, const struct bench_histogram *from)
{
    if (from->count == 0) {
        return;
    }
    for (size_t i = 0; i < BENCH_HISTOGRAM_BUCKETS; i++) {
        into->buckets[i] += from->buckets[i];
    }
    into->min_ns = into->count == 0 || from->min_ns < into->min_ns ? from->min_ns : into->min_ns;
    into->max_ns = from->max_ns > into->max_ns ? from->max_ns : into->max_ns;
    into->sum_ns += from->sum_ns;
    into->count += from->count;
}

uint64_t bench_histogram_quantile(const struct bench_histogram *histogram, double part)
{
    uint64_t wanted = (uint64_t)ceil(part * (double)histogram->count), seen = 0;
    for (size_t i = 0; i < BENCH_HISTOGRAM_BUCKETS - 1; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted && seen > 0) {
            uint64_t top = top_of(i);
            return top < histogram->max_ns ? top : histogram->max_ns;
        }
    }
    return histogram->max_ns;
}

double bench_histogram_mean(const struct bench_histogram *histogram)
{
    return histogram->count > 0 ? histogram->sum_ns / (double)histogram->count : 0;
}

struct bench_spread bench_spread_of(const double *values, uint64_t count)
{
    struct bench_spread spread = {0, 0, 0, 0};
    double squares = 0;
    for (uint64_t i = 0; i < count; i++) {
        spread.min = i == 0 || values[i] < spread.min ? values[i] : spread.min;
        spread.max = i == 0 || values[i] > spread.max ? values[i] : spread.max;
        spread.avg += values[i] / (double)count;
    }
    for (uint64_t i = 0; i < count; i++) {
        squares += (values[i] - spread.avg) * (values[i] - spread.avg);
    }
    spread.stddev = count > 0 ? sqrt(squares / (double)count) : 0;
    return spread;
}
