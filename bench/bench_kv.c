/* SPDX-License-Identifier: Apache-2.0
 *
 * How many durable puts and gets a second kv-sqlite does here. Not a test: prints, judges nothing.
 *
 *     cmake --build build --target bench_kv && build/tests/bench_kv [seconds a part]
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <unibus/kv.h>

#include "conformance/rig.h"

extern const struct ub_module unibus_module_kv_sqlite;

#define VALUE_SIZE 300
#define KEYS       10000

struct part {
    const char *name;
    int threads;
    bool is_put;
};

struct bench {
    struct rig rig;
    const struct ub_kv_ops *ops;
    struct ub_kv_bucket *bucket;
    const struct part *part;
    atomic_bool is_over;
    _Atomic long count, failed;
};

static void key_of(long number, char text[16], struct ub_kv_key *key_out)
{
    int len = snprintf(text, 16, "%06ld", number % KEYS);
    *key_out = (struct ub_kv_key){2, {{(const uint8_t *)"bench", 5}, {(uint8_t *)text, 0}}};
    key_out->segments[1].len = (size_t)len;
}

static bool put_one(struct bench *bench, long number)
{
    static const uint8_t value[VALUE_SIZE] = {1, 2, 3};
    char text[16];
    struct ub_kv_write write = {
        .bucket = bench->bucket, .verb = UB_KV_PUT, .value = {value, sizeof(value)}};
    key_of(number, text, &write.key);
    return bench->ops->write(bench->bucket, &write, NULL, NULL) == UB_OK;
}

static bool get_one(struct bench *bench, long number)
{
    char text[16];
    struct ub_kv_key key;
    struct ub_kv_value value = {.size = sizeof(value)};
    key_of(number, text, &key);
    bool is_ok = bench->ops->get(bench->bucket, &key, UB_KV_NEWEST, &value, NULL) == UB_OK;
    bench->ops->value_free(bench->rig.self, &value);
    return is_ok;
}

static void *work(void *arg)
{
    struct bench *bench = arg;
    unsigned seed = (unsigned)(uintptr_t)&seed;
    while (!atomic_load(&bench->is_over)) {
        long number = rand_r(&seed);
        bool is_ok = bench->part->is_put ? put_one(bench, number) : get_one(bench, number);
        atomic_fetch_add(is_ok ? &bench->count : &bench->failed, 1);
    }
    return NULL;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void run_part(struct bench *bench, const struct part *part, int seconds)
{
    pthread_t threads[64];
    bench->part = part;
    atomic_store(&bench->is_over, false);
    atomic_store(&bench->count, 0);
    double start = now();
    for (int i = 0; i < part->threads; i++) {
        pthread_create(&threads[i], NULL, work, bench);
    }
    nanosleep(&(struct timespec){.tv_sec = seconds}, NULL);
    atomic_store(&bench->is_over, true);
    for (int i = 0; i < part->threads; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("%-28s %10.0f /s\n", part->name, (double)atomic_load(&bench->count) / (now() - start));
}

/* So that every get finds its key. */
static void put_all(struct bench *bench)
{
    for (long i = 0; i < KEYS; i++) {
        (void)put_one(bench, i);
    }
}

int main(int argc, char **argv)
{
    static const struct part parts[] = {
        {"durable puts, one by one", 1, true},
        {"durable puts, 64 in flight", 64, true},
        {"gets, one thread", 1, false},
        {"gets, 4 threads", 4, false},
    };
    static struct bench bench;
    struct ub_err err = UB_ERR_INIT;
    int seconds = argc > 1 ? atoi(argv[1]) : 3;
    rig_init(&bench.rig, &unibus_module_kv_sqlite);
    bench.ops = rig_ops(&bench.rig, UB_KV_IFACE);
    if (rig_start(&bench.rig, &err) != UB_OK ||
        bench.ops->bucket_open(bench.rig.self, "bench", NULL, &bench.bucket, &err) != UB_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    put_all(&bench);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        run_part(&bench, &parts[i], seconds > 0 ? seconds : 3);
    }
    printf("%d keys, values of %d bytes, %ld failed\n", KEYS, VALUE_SIZE,
           atomic_load(&bench.failed));
    rig_fini(&bench.rig);
    return 0;
}
