/* SPDX-License-Identifier: Apache-2.0
 *
 *     crash_kv kv-sqlite|kv-lmdb write FOLDER OPERATIONS    many threads write and say what they
 * did crash_kv kv-sqlite|kv-lmdb read FOLDER                says what is there
 *
 * The journal of `write`, a line each:
 *     B <operation> <verb> <bucket>/<key> …    begun; several keys are one batch
 *     A <operation> <revision> …               acknowledged
 *     F <operation>                            refused: it had no effect
 * and of `read`:
 *     V <bucket>/<key> <revision> <operation>  an intact value, written by this operation
 *     X <bucket>/<key> <why>                   anything else
 *     R <bucket> <revision>                    of one more put: nothing older may follow */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <unibus/kv.h>

#include "open.h"

extern const struct ub_module unibus_module_kv_sqlite, unibus_module_kv_lmdb;

enum { THREADS = 16, KEYS = 24, BUCKETS = 2, BATCH = 3, VALUE_MAX = 3000, LABEL_LEN = 8 };

static const char *const bucket_names[BUCKETS] = {"state", "other"};

struct store {
    struct opened opened;
    const struct ub_kv_ops *ops;
    struct ub_kv_bucket *buckets[BUCKETS];
    atomic_int next; /* operation */
    int operations;
};

/* ---- values: each tells which operation wrote it ----------------------------------------------
 */

static size_t value_size(int operation)
{
    return LABEL_LEN * (size_t)(1 + operation * 37 % (VALUE_MAX / LABEL_LEN));
}

static void value_make(int operation, char *out)
{
    char label[LABEL_LEN + 1];
    snprintf(label, sizeof(label), "%07d.", operation);
    for (size_t at = 0; at < value_size(operation); at += LABEL_LEN) {
        memcpy(out + at, label, LABEL_LEN);
    }
}

/* The operation that wrote it, or -1. */
static int value_operation(struct ub_bytes value)
{
    char expected[VALUE_MAX];
    char label[LABEL_LEN] = "";
    if (value.len < LABEL_LEN || value.len > VALUE_MAX) {
        return -1;
    }
    memcpy(label, value.ptr, LABEL_LEN - 1);
    int operation = atoi(label);
    if (operation < 0 || value_size(operation) != value.len) {
        return -1;
    }
    value_make(operation, expected);
    return memcmp(expected, value.ptr, value.len) == 0 ? operation : -1;
}

/* ---- writing ----------------------------------------------------------------------------------
 */

struct step {
    struct ub_kv_write writes[BATCH];
    char keys[BATCH][16];
    char names[BATCH][32]; /* bucket/key */
    char value[VALUE_MAX];
    size_t count;
};

static const char *const verb_names[] = {[UB_KV_PUT] = "put",
                                         [UB_KV_CREATE] = "create",
                                         [UB_KV_UPDATE] = "update",
                                         [UB_KV_DELETE] = "delete"};

/* Every verb on few keys, so that the threads meet; every seventh a batch over both buckets. */
static void step_plan(struct store *store, int operation, unsigned *seed, struct step *step_out)
{
    static const enum ub_kv_verb verbs[] = {UB_KV_PUT,    UB_KV_PUT,    UB_KV_PUT,
                                            UB_KV_CREATE, UB_KV_DELETE, UB_KV_PUT};
    enum ub_kv_verb verb = verbs[(unsigned)rand_r(seed) % (sizeof(verbs) / sizeof(verbs[0]))];
    int first = rand_r(seed) % KEYS;
    step_out->count = operation % 7 == 0 ? BATCH : 1;
    value_make(operation, step_out->value);
    for (size_t i = 0; i < step_out->count; i++) {
        int bucket = (operation + (int)i) % BUCKETS;
        int len = snprintf(step_out->keys[i], sizeof(step_out->keys[i]), "k%02d",
                           (first + (int)i * 5) % KEYS);
        struct ub_bytes key = {(const uint8_t *)step_out->keys[i], (size_t)len};
        struct ub_bytes value = {(const uint8_t *)step_out->value, value_size(operation)};
        step_out->writes[i] = (struct ub_kv_write){
            .bucket = store->buckets[bucket], .verb = verb, .key = {1, {key}}, .value = value};
        snprintf(step_out->names[i], sizeof(step_out->names[i]), "%s/%s", bucket_names[bucket],
                 step_out->keys[i]);
    }
}

static void step_announce(int operation, const struct step *step)
{
    char names[BATCH * 33] = "";
    size_t len = 0;
    for (size_t i = 0; i < step->count; i++) {
        len += (size_t)snprintf(names + len, sizeof(names) - len, " %s", step->names[i]);
    }
    journal("B %d %s%s", operation, verb_names[step->writes[0].verb], names);
}

static void step_do(struct store *store, int operation, struct step *step)
{
    struct ub_err err = UB_ERR_INIT;
    int64_t revisions[BATCH] = {0};
    size_t failed;
    enum ub_status status =
        step->count == 1
            ? store->ops->write(step->writes[0].bucket, &step->writes[0], revisions, &err)
            : store->ops->batch(store->opened.self, step->writes, step->count, revisions, &failed,
                                &err);
    if (status == UB_OK && step->count == 1) {
        journal("A %d %lld", operation, (long long)revisions[0]);
    } else if (status == UB_OK) {
        journal("A %d %lld %lld %lld", operation, (long long)revisions[0], (long long)revisions[1],
                (long long)revisions[2]);
    } else if (status == UB_EEXISTS || status == UB_ECONFLICT) {
        journal("F %d", operation);
    } else {
        journal("X %d %s", operation, err.message);
    }
}

static void *write_some(void *arg)
{
    struct store *store = arg;
    int operation;
    while ((operation = atomic_fetch_add(&store->next, 1)) < store->operations) {
        struct step step = {0};
        unsigned seed = (unsigned)operation * 2654435761u;
        step_plan(store, operation, &seed, &step);
        step_announce(operation, &step);
        step_do(store, operation, &step);
    }
    return NULL;
}

static void write_all(struct store *store)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, write_some, store) != 0) {
            abort();
        }
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

/* ---- reading ----------------------------------------------------------------------------------
 */

static bool read_entry(void *arg, const struct ub_kv_entry *entry)
{
    const char *bucket = arg;
    const struct ub_bytes *key = &entry->key.segments[0];
    int operation = value_operation(entry->value);
    if (operation < 0) {
        journal("X %s/%.*s no value that was ever written", bucket, (int)key->len,
                (const char *)key->ptr);
    } else {
        journal("V %s/%.*s %lld %d", bucket, (int)key->len, (const char *)key->ptr,
                (long long)entry->revision, operation);
    }
    return true;
}

static void read_bucket(struct store *store, int number)
{
    static const struct ub_kv_key everything = {0};
    struct ub_err err = UB_ERR_INIT;
    struct ub_kv_write write = {.bucket = store->buckets[number],
                                .verb = UB_KV_PUT,
                                .key = {1, {{(const uint8_t *)"after", 5}}},
                                .value = {(const uint8_t *)"x", 1}};
    int64_t revision = 0;
    if (store->ops->list(store->buckets[number], &everything, NULL, 0, read_entry,
                         (void *)(uintptr_t)bucket_names[number], &err) != UB_OK) {
        journal("X %s/ %s", bucket_names[number], err.message);
    }
    if (store->ops->write(store->buckets[number], &write, &revision, &err) != UB_OK) {
        journal("X %s/ %s", bucket_names[number], err.message);
    }
    journal("R %s %lld", bucket_names[number], (long long)revision);
}

/* ---- both -------------------------------------------------------------------------------------
 */

static void store_open(struct store *store, const struct ub_module *module, const char *folder)
{
    const struct ub_kv_bucket_options options = {sizeof(options), 0};
    struct ub_err err = UB_ERR_INIT;
    opened_open(&store->opened, module, folder);
    store->ops = opened_ops(&store->opened, UB_KV_IFACE);
    for (int i = 0; i < BUCKETS; i++) {
        if (store->ops->bucket_open(store->opened.self, bucket_names[i], &options,
                                    &store->buckets[i], &err) != UB_OK) {
            journal("X %s/ %s", bucket_names[i], err.message);
            exit(1);
        }
    }
}

static void store_close(struct store *store)
{
    for (int i = 0; i < BUCKETS; i++) {
        store->ops->bucket_close(store->opened.self, &store->buckets[i]);
    }
    opened_close(&store->opened);
}

int main(int argc, char **argv)
{
    static const struct ub_module *const modules[] = {&unibus_module_kv_sqlite,
                                                      &unibus_module_kv_lmdb};
    struct store store = {.operations = argc > 4 ? atoi(argv[4]) : 0};
    const struct ub_module *module = NULL;
    for (size_t i = 0; argc > 3 && i < sizeof(modules) / sizeof(modules[0]); i++) {
        module = strcmp(modules[i]->name, argv[1]) == 0 ? modules[i] : module;
    }
    if (module == NULL) {
        fprintf(stderr, "usage: crash_kv kv-sqlite|kv-lmdb write|read FOLDER [OPERATIONS]\n");
        return 2;
    }
    store_open(&store, module, argv[3]);
    if (strcmp(argv[2], "write") == 0) {
        write_all(&store);
        return 0; /* without an end in good order: whatever that would repair must not be needed */
    }
    read_bucket(&store, 0);
    read_bucket(&store, 1);
    store_close(&store);
    return 0;
}
