/* SPDX-License-Identifier: Apache-2.0
 *
 * How many durable puts and gets a second a store does here, and how long a store of so many keys
 * takes to open. Not a test: prints, judges nothing.
 *
 *     cmake --build build --target bench_kv
 *     build/tests/bench_kv kv-sqlite|kv-lmdb [rounds] [keys for opening] [ms a part]
 *
 * The parts of a round run one after the other, with the two controls among them, so that a ratio
 * compares what the machine did within the same second: one fdatasync a put (a file that grows by
 * the bytes of a record) and one transaction a put (one caller: nothing to group). Printed is the
 * median of the rounds, and for gets also the rate on processor time. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <unibus/kv.h>

#include "conformance/rig.h"

extern const struct ub_module unibus_module_kv_sqlite, unibus_module_kv_lmdb;

#define VALUE_SIZE   300
#define RECORD_BYTES 400 /* key, value, checksum */
#define KEYS         10000
#define ROUNDS_MAX   99
#define THREADS_MAX  64

enum part_id { FSYNC, ONE, MANY, GETS, GETS4, PART_COUNT };

struct bench;

struct part {
    const char *name;
    int threads;
    bool (*act)(struct bench *bench, long number);
};

struct bench {
    struct rig rig;
    const struct ub_kv_ops *ops;
    struct ub_kv_bucket *bucket;
    const struct part *part;
    int file; /* of the control */
    atomic_bool is_over;
    _Atomic long count, failed, cpu_ns;
};

static const uint8_t value_bytes[VALUE_SIZE] = {1, 2, 3};

static void key_of(long number, char text[16], struct ub_kv_key *key_out)
{
    int len = snprintf(text, 16, "%08ld", number);
    *key_out = (struct ub_kv_key){2, {{(const uint8_t *)"bench", 5}, {(uint8_t *)text, 0}}};
    key_out->segments[1].len = (size_t)len;
}

static bool sync_one(struct bench *bench, long number)
{
    uint8_t record[RECORD_BYTES] = {(uint8_t)number};
    return write(bench->file, record, sizeof(record)) == (ssize_t)sizeof(record) &&
           fdatasync(bench->file) == 0;
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

static const struct part parts[PART_COUNT] = {
    [FSYNC] = {"control: fdatasync a put", 1, sync_one},
    [ONE] = {"durable puts, one by one", 1, put_one},
    [MANY] = {"durable puts, 64 in flight", THREADS_MAX, put_one},
    [GETS] = {"gets, one thread", 1, get_one},
    [GETS4] = {"gets, 4 threads", 4, get_one},
};

static double clock_s(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void *work(void *arg)
{
    struct bench *bench = arg;
    unsigned seed = (unsigned)(uintptr_t)&seed;
    long done = 0, failed = 0;
    while (!atomic_load_explicit(&bench->is_over, memory_order_relaxed)) {
        bool is_ok = bench->part->act(bench, rand_r(&seed) % KEYS);
        done += is_ok;
        failed += !is_ok;
    }
    atomic_fetch_add(&bench->count, done);
    atomic_fetch_add(&bench->failed, failed);
    atomic_fetch_add(&bench->cpu_ns, (long)(clock_s(CLOCK_THREAD_CPUTIME_ID) * 1e9));
    return NULL;
}

struct rate {
    double wall, cpu; /* operations a second */
};

static struct rate run_part(struct bench *bench, const struct part *part, long ms)
{
    pthread_t threads[THREADS_MAX];
    bench->part = part;
    atomic_store(&bench->is_over, false);
    atomic_store(&bench->count, 0);
    atomic_store(&bench->cpu_ns, 0);
    double start = clock_s(CLOCK_MONOTONIC);
    for (int i = 0; i < part->threads; i++) {
        pthread_create(&threads[i], NULL, work, bench);
    }
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
    atomic_store(&bench->is_over, true);
    for (int i = 0; i < part->threads; i++) {
        pthread_join(threads[i], NULL);
    }
    double count = (double)atomic_load(&bench->count);
    return (struct rate){count / (clock_s(CLOCK_MONOTONIC) - start),
                         count / ((double)atomic_load(&bench->cpu_ns) / 1e9)};
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values, int count)
{
    double sorted[ROUNDS_MAX];
    memcpy(sorted, values, sizeof(double) * (size_t)count);
    qsort(sorted, (size_t)count, sizeof(double), compare);
    return sorted[count / 2];
}

static double wall[PART_COUNT][ROUNDS_MAX], cpu[PART_COUNT][ROUNDS_MAX];

static double median_ratio(enum part_id a, enum part_id b, int rounds)
{
    double ratios[ROUNDS_MAX];
    for (int i = 0; i < rounds; i++) {
        ratios[i] = wall[a][i] / wall[b][i];
    }
    return median(ratios, rounds);
}

static void print_rounds(int rounds)
{
    for (int part = 0; part < PART_COUNT; part++) {
        printf("%-28s %10.0f /s", parts[part].name, median(wall[part], rounds));
        if (parts[part].act == get_one) {
            printf("   %10.0f /s of processor time", median(cpu[part], rounds));
        }
        printf("\n");
    }
    printf("64 in flight / fdatasync a put       %6.2f\n", median_ratio(MANY, FSYNC, rounds));
    printf("64 in flight / transaction a put     %6.2f\n", median_ratio(MANY, ONE, rounds));
    printf("transaction a put / fdatasync a put  %6.2f\n", median_ratio(ONE, FSYNC, rounds));
}

static void run_rounds(struct bench *bench, int rounds, long ms)
{
    for (int i = 0; i < rounds; i++) {
        for (int part = 0; part < PART_COUNT; part++) {
            struct rate rate = run_part(bench, &parts[part], ms);
            wall[part][i] = rate.wall;
            cpu[part][i] = rate.cpu;
        }
    }
    print_rounds(rounds);
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
    for (int i = 0; i < 3; i++) {
        rig_stop(&bench->rig);
        double start = clock_s(CLOCK_MONOTONIC);
        if (!open_store(bench) || !get_one(bench, keys - 1)) {
            return false;
        }
        printf("%-28s %10.0f ms (%ld keys, to the first get)\n", "open",
               (clock_s(CLOCK_MONOTONIC) - start) * 1e3, keys);
    }
    return true;
}

static long argument(int argc, char **argv, int at, long otherwise)
{
    return argc > at ? atol(argv[at]) : otherwise;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    bool is_lmdb = argc > 1 && strcmp(argv[1], "kv-lmdb") == 0;
    long rounds = argument(argc, argv, 2, 5), keys = argument(argc, argv, 3, 1000000);
    rig_init(&bench.rig, is_lmdb ? &unibus_module_kv_lmdb : &unibus_module_kv_sqlite);
    bench.ops = rig_ops(&bench.rig, UB_KV_IFACE);
    bench.file = open(rig_path(&bench.rig, "control"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (bench.file < 0 || !open_store(&bench) || !put_all(&bench, KEYS)) {
        return 1;
    }
    printf("%s, %d keys, values of %d bytes, median of %ld rounds\n", bench.rig.module->name, KEYS,
           VALUE_SIZE, rounds);
    run_rounds(&bench, (int)(rounds < 1 || rounds > ROUNDS_MAX ? 5 : rounds),
               argument(argc, argv, 4, 500));
    bool is_ok = keys <= 0 || time_opening(&bench, keys);
    printf("%ld calls failed\n", atomic_load(&bench.failed));
    close(bench.file);
    rig_fini(&bench.rig);
    return is_ok ? 0 : 1;
}
