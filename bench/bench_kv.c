/* SPDX-License-Identifier: Apache-2.0
 *
 * How many durable puts and gets a second a store does here, and how long a store of so many keys
 * takes to open. Not a test: prints, judges nothing.
 *
 *     cmake --build build --target bench_kv
 *     build/tests/bench_kv kv-sqlite|kv-lmdb [seconds a part] [keys for opening]
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <unibus/kv.h>

#include "conformance/rig.h"

extern const struct ub_module unibus_module_kv_sqlite, unibus_module_kv_lmdb;

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

static const uint8_t value_bytes[VALUE_SIZE] = {1, 2, 3};

static void key_of(long number, char text[16], struct ub_kv_key *key_out)
{
    int len = snprintf(text, 16, "%08ld", number);
    *key_out = (struct ub_kv_key){2, {{(const uint8_t *)"bench", 5}, {(uint8_t *)text, 0}}};
    key_out->segments[1].len = (size_t)len;
}

static bool put_one(struct bench *bench, long number)
{
    char text[16];
    struct ub_kv_write write = {
        .bucket = bench->bucket, .verb = UB_KV_PUT, .value = {value_bytes, VALUE_SIZE}};
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
        long number = rand_r(&seed) % KEYS;
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

/* Batches of 256. */
static bool put_all(struct bench *bench, long keys)
{
    static char texts[UB_KV_BATCH_MAX][16];
    static struct ub_kv_write writes[UB_KV_BATCH_MAX];
    for (long done = 0; done < keys;) {
        size_t count = 0;
        for (; count < UB_KV_BATCH_MAX && done < keys; count++, done++) {
            writes[count] = (struct ub_kv_write){
                .bucket = bench->bucket, .verb = UB_KV_PUT, .value = {value_bytes, VALUE_SIZE}};
            key_of(done, texts[count], &writes[count].key);
        }
        if (bench->ops->batch(bench->rig.self, writes, count, NULL, NULL, NULL) != UB_OK) {
            return false;
        }
    }
    return true;
}

static bool open_store(struct bench *bench)
{
    struct ub_err err = UB_ERR_INIT;
    bool is_open =
        rig_start(&bench->rig, &err) == UB_OK &&
        bench->ops->bucket_open(bench->rig.self, "bench", NULL, &bench->bucket, &err) == UB_OK;
    if (!is_open) {
        fprintf(stderr, "%s\n", err.message);
    }
    return is_open;
}

static bool time_opening(struct bench *bench, long keys)
{
    if (!put_all(bench, keys)) {
        return false;
    }
    rig_stop(&bench->rig);
    double start = now();
    if (!open_store(bench) || !get_one(bench, keys - 1)) {
        return false;
    }
    printf("%-28s %10.0f ms (%ld keys, to the first get)\n", "open", (now() - start) * 1e3, keys);
    return true;
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
    bool is_lmdb = argc > 1 && strcmp(argv[1], "kv-lmdb") == 0;
    int seconds = argc > 2 ? atoi(argv[2]) : 3;
    long keys = argc > 3 ? atol(argv[3]) : 1000000;
    rig_init(&bench.rig, is_lmdb ? &unibus_module_kv_lmdb : &unibus_module_kv_sqlite);
    bench.ops = rig_ops(&bench.rig, UB_KV_IFACE);
    if (!open_store(&bench) || !put_all(&bench, KEYS)) {
        return 1;
    }
    printf("%s, %d keys, values of %d bytes\n", bench.rig.module->name, KEYS, VALUE_SIZE);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        run_part(&bench, &parts[i], seconds > 0 ? seconds : 3);
    }
    bool is_ok = keys <= 0 || time_opening(&bench, keys);
    printf("%ld calls failed\n", atomic_load(&bench.failed));
    rig_fini(&bench.rig);
    return is_ok ? 0 : 1;
}
