/* SPDX-License-Identifier: Apache-2.0 */
#include "blob_tool.h"

#include <sodium.h>

struct ub_bytes blob_bytes_of(const char *text)
{
    return (struct ub_bytes){(const uint8_t *)text, strlen(text)};
}

struct ub_blob_hash blob_hash_of(struct ub_bytes bytes)
{
    struct ub_blob_hash hash;
    crypto_generichash(hash.bytes, sizeof(hash.bytes), bytes.ptr, bytes.len, NULL, 0);
    return hash;
}

/* Bytes that differ by seed; free them. */
uint8_t *blob_noise(size_t len, uint32_t seed)
{
    uint8_t *bytes = malloc(len + 1);
    uint8_t key[randombytes_SEEDBYTES] = {0};
    expect((bytes) != NULL);
    memcpy(key, &seed, sizeof(seed));
    randombytes_buf_deterministic(bytes, len, key);
    return bytes;
}

/* begin, append in parts, commit: the first status that is not UB_OK. No asserts: threads use it */
enum ub_status blob_put_in_parts(const struct blob_store *store, struct ub_bytes bytes, size_t part,
                                 const struct ub_blob_hash *hash, struct ub_err *err)
{
    struct ub_blob_writer *writer = NULL;
    enum ub_status status = store->ops->begin(store->self, (int64_t)bytes.len, &writer, err);
    for (size_t at = 0; status == UB_OK && at < bytes.len; at += part) {
        size_t len = bytes.len - at < part ? bytes.len - at : part;
        status = store->ops->append(writer, (struct ub_bytes){bytes.ptr + at, len}, err);
    }
    if (status == UB_OK) {
        return store->ops->commit(&writer, hash, err);
    }
    store->ops->abort(&writer);
    return status;
}

struct ub_blob_hash blob_put(struct blob_test *t, struct ub_bytes bytes)
{
    struct ub_blob_hash hash = blob_hash_of(bytes);
    if (blob_put_in_parts(&t->store, bytes, 65536, &hash, &t->err) != UB_OK) {
        fail("put of %zu bytes: %s", bytes.len, t->err.message);
    }
    return hash;
}

enum ub_status blob_stat_of(struct blob_test *t, const struct ub_blob_hash *hash,
                            struct ub_blob_stat *stat)
{
    *stat = (struct ub_blob_stat){.size = sizeof(*stat)};
    return t->store.ops->stat(t->store.self, hash, stat, &t->err);
}

/* Reads everything in parts; the bytes must be these. Without asserts, for threads. */
bool blob_is_readable(const struct blob_store *store, const struct ub_blob_hash *hash,
                      struct ub_bytes bytes, size_t part)
{
    struct ub_blob_reader *reader = NULL;
    struct ub_blob_stat stat = {.size = sizeof(stat)};
    uint8_t *out = malloc(part);
    size_t at = 0, got = 1;
    bool is_right = out != NULL &&
                    store->ops->open(store->self, hash, &reader, &stat, NULL) == UB_OK &&
                    stat.length == (int64_t)bytes.len;
    while (is_right && got > 0) {
        is_right = store->ops->read(reader, (int64_t)at, out, part, &got, NULL) == UB_OK &&
                   got <= bytes.len - at && (got == 0 || memcmp(out, bytes.ptr + at, got) == 0);
        at += got;
    }
    if (reader != NULL) {
        store->ops->close(&reader);
    }
    free(out);
    return is_right && at == bytes.len;
}

static bool count_one(void *arg, const struct ub_blob_hash *hash, const struct ub_blob_stat *stat)
{
    (void)hash;
    *(size_t *)arg += stat->length >= 0;
    return true;
}

size_t blob_count_all(struct blob_test *t)
{
    size_t count = 0;
    blob_expect_status(t, t->store.ops->list(t->store.self, NULL, count_one, &count, &t->err),
                       UB_OK);
    return count;
}

struct ub_blob_reader *blob_open(struct blob_test *t, const struct ub_blob_hash *hash)
{
    struct ub_blob_reader *reader = NULL;
    blob_expect_status(t, t->store.ops->open(t->store.self, hash, &reader, NULL, &t->err), UB_OK);
    expect(reader != NULL);
    return reader;
}

void blob_shut(struct blob_test *t)
{
    subject_shut(t->subject);
}

void blob_start(struct blob_test *t)
{
    subject_start(t->subject);
    t->store.ops = subject_ops(t->subject, UB_BLOB_IFACE);
    t->store.self = kit_module_self(t->subject->modules, 0);
}

void blob_reopen(struct blob_test *t)
{
    blob_shut(t);
    blob_start(t);
}

int64_t blob_item_max(struct blob_test *t)
{
    if (!subject_has_setting(t->subject, "max_item")) {
        case_skip("it has no setting max_item, so its limit of one item is not known");
    }
    return SUBJECT_ITEM_MAX;
}
