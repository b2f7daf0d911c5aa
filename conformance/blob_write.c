/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing: hashes, what is seen when, limits. */
#include "blob_tool.h"

static void wrong_hash_keeps_nothing(struct blob_test *t)
{
    struct ub_blob_hash right = blob_hash_of(blob_bytes_of("content"));
    struct ub_blob_hash wrong = blob_hash_of(blob_bytes_of("other"));
    struct ub_blob_stat stat;
    blob_expect_status(
        t, blob_put_in_parts(&t->store, blob_bytes_of("content"), 3, &wrong, &t->err), UB_EINVAL);
    blob_expect_status(t, blob_stat_of(t, &right, &stat), UB_ENOTFOUND);
    blob_expect_status(t, blob_stat_of(t, &wrong, &stat), UB_ENOTFOUND);
    expect_int(blob_count_all(t), 0);
}

static void one_wrong_bit_in_the_hash(struct blob_test *t)
{
    for (size_t bit = 0; bit < 256; bit += 37) {
        struct ub_blob_hash hash = blob_hash_of(blob_bytes_of("content"));
        hash.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        blob_expect_status(
            t, blob_put_in_parts(&t->store, blob_bytes_of("content"), 7, &hash, &t->err),
            UB_EINVAL);
    }
    expect_int(blob_count_all(t), 0);
}

static void same_blob_twice_is_ok(struct blob_test *t)
{
    struct ub_blob_hash first = blob_put(t, blob_bytes_of("same"));
    struct ub_blob_hash second = blob_put(t, blob_bytes_of("same"));
    expect_bytes(&first, &second, sizeof(first));
    expect_int(blob_count_all(t), 1);
    expect(blob_is_readable(&t->store, &first, blob_bytes_of("same"), 9));
}

static void nothing_is_seen_before_commit(struct blob_test *t)
{
    struct ub_bytes bytes = blob_bytes_of("not yet");
    struct ub_blob_hash hash = blob_hash_of(bytes);
    struct ub_blob_writer *writer = NULL;
    struct ub_blob_stat stat;
    blob_expect_status(t, t->store.ops->begin(t->store.self, -1, &writer, &t->err), UB_OK);
    blob_expect_status(t, t->store.ops->append(writer, bytes, &t->err), UB_OK);
    blob_expect_status(t, blob_stat_of(t, &hash, &stat), UB_ENOTFOUND);
    expect_int(blob_count_all(t), 0);
    blob_expect_status(t, t->store.ops->commit(&writer, &hash, &t->err), UB_OK);
    expect(writer == NULL);
    blob_expect_status(t, blob_stat_of(t, &hash, &stat), UB_OK);
}

static void abort_leaves_nothing(struct blob_test *t)
{
    struct ub_blob_writer *writer = NULL;
    blob_expect_status(t, t->store.ops->begin(t->store.self, -1, &writer, &t->err), UB_OK);
    blob_expect_status(t, t->store.ops->append(writer, blob_bytes_of("gone"), &t->err), UB_OK);
    t->store.ops->abort(&writer);
    expect(writer == NULL);
    expect_int(blob_count_all(t), 0);
}

static void announced_length_is_only_announced(struct blob_test *t)
{
    struct ub_bytes bytes = blob_bytes_of("short");
    struct ub_blob_hash hash = blob_hash_of(bytes);
    struct ub_blob_writer *writer = NULL;
    blob_expect_status(t, t->store.ops->begin(t->store.self, 1000, &writer, &t->err), UB_OK);
    blob_expect_status(t, t->store.ops->append(writer, bytes, &t->err), UB_OK);
    blob_expect_status(t, t->store.ops->commit(&writer, &hash, &t->err), UB_OK);
    expect(blob_is_readable(&t->store, &hash, bytes, 9));
}

static void limit_is_checked_at_begin(struct blob_test *t)
{
    struct ub_blob_writer *writer = NULL;
    blob_expect_status(
        t, t->store.ops->begin(t->store.self, blob_item_max(t) + 1, &writer, &t->err), UB_ELIMIT);
    expect(writer == NULL);
    expect((strstr(t->err.message, "1048577")) != NULL);
    blob_expect_status(t, t->store.ops->begin(t->store.self, INT64_MAX, &writer, &t->err),
                       UB_ELIMIT);
    blob_expect_status(t, t->store.ops->begin(t->store.self, -2, &writer, &t->err), UB_EINVAL);
}

static void limit_is_checked_at_append(struct blob_test *t)
{
    (void)blob_item_max(t);
    struct ub_bytes bytes = {blob_noise(SUBJECT_ITEM_MAX, 1), SUBJECT_ITEM_MAX};
    struct ub_blob_hash hash = blob_hash_of(bytes);
    struct ub_blob_writer *writer = NULL;
    blob_expect_status(t, t->store.ops->begin(t->store.self, -1, &writer, &t->err), UB_OK);
    blob_expect_status(t, t->store.ops->append(writer, bytes, &t->err), UB_OK);
    blob_expect_status(t, t->store.ops->append(writer, blob_bytes_of("x"), &t->err), UB_ELIMIT);
    expect(t->store.ops->append(writer, blob_bytes_of(""), &t->err) != UB_OK);
    expect(t->store.ops->commit(&writer, &hash, &t->err) != UB_OK);
    expect(writer == NULL);
    expect_int(blob_count_all(t), 0);
    free((void *)(uintptr_t)bytes.ptr);
}

static void blob_of_the_limit(struct blob_test *t)
{
    (void)blob_item_max(t);
    struct ub_bytes bytes = {blob_noise(SUBJECT_ITEM_MAX, 2), SUBJECT_ITEM_MAX};
    struct ub_blob_hash hash = blob_put(t, bytes);
    expect(blob_is_readable(&t->store, &hash, bytes, 65536));
    free((void *)(uintptr_t)bytes.ptr);
}

static void hash_of_a_part_is_wrong(struct blob_test *t)
{
    struct ub_blob_hash part = blob_hash_of(blob_bytes_of("cont")), none = {{0}};
    blob_expect_status(t, blob_put_in_parts(&t->store, blob_bytes_of("content"), 4, &part, &t->err),
                       UB_EINVAL);
    blob_expect_status(t, blob_put_in_parts(&t->store, blob_bytes_of("content"), 4, &none, &t->err),
                       UB_EINVAL);
    expect_int(blob_count_all(t), 0);
}

static void wrong_hash_harms_no_other(struct blob_test *t)
{
    struct ub_blob_hash there = blob_put(t, blob_bytes_of("there"));
    blob_expect_status(t, blob_put_in_parts(&t->store, blob_bytes_of("forged"), 6, &there, &t->err),
                       UB_EINVAL);
    expect(blob_is_readable(&t->store, &there, blob_bytes_of("there"), 9));
    expect_int(blob_count_all(t), 1);
}

static void errors_name_the_hash(struct blob_test *t)
{
    struct ub_blob_hash wrong = blob_hash_of(blob_bytes_of("other"));
    char hex[9];
    t->err = (struct ub_err)UB_ERR_INIT;
    blob_expect_status(
        t, blob_put_in_parts(&t->store, blob_bytes_of("content"), 4, &wrong, &t->err), UB_EINVAL);
    for (size_t i = 0; i < 4; i++) {
        snprintf(hex + 2 * i, 3, "%02x", wrong.bytes[i]);
    }
    if (strstr(t->err.message, hex) == NULL) {
        fail("\"%s\" does not name %s…", t->err.message, hex);
    }
}

static void two_writers_of_one_blob(struct blob_test *t)
{
    struct ub_bytes bytes = blob_bytes_of("the same content");
    struct ub_blob_hash hash = blob_hash_of(bytes);
    struct ub_blob_writer *a = NULL, *b = NULL;
    blob_expect_status(t, t->store.ops->begin(t->store.self, 16, &a, &t->err), UB_OK);
    blob_expect_status(t, t->store.ops->begin(t->store.self, 16, &b, &t->err), UB_OK);
    blob_expect_status(t, t->store.ops->append(a, bytes, &t->err), UB_OK);
    blob_expect_status(t, t->store.ops->append(b, bytes, &t->err), UB_OK);
    blob_expect_status(t, t->store.ops->commit(&a, &hash, &t->err), UB_OK);
    blob_expect_status(t, t->store.ops->commit(&b, &hash, &t->err), UB_OK);
    expect_int(blob_count_all(t), 1);
    expect(blob_is_readable(&t->store, &hash, bytes, 5));
}

static void writers_do_not_mix(struct blob_test *t)
{
    struct ub_blob_writer *a = NULL, *b = NULL;
    struct ub_blob_hash left = blob_hash_of(blob_bytes_of("aaaa"));
    struct ub_blob_hash right = blob_hash_of(blob_bytes_of("bbbb"));
    blob_expect_status(t, t->store.ops->begin(t->store.self, -1, &a, &t->err), UB_OK);
    blob_expect_status(t, t->store.ops->begin(t->store.self, -1, &b, &t->err), UB_OK);
    for (int i = 0; i < 2; i++) {
        blob_expect_status(t, t->store.ops->append(a, blob_bytes_of("aa"), &t->err), UB_OK);
        blob_expect_status(t, t->store.ops->append(b, blob_bytes_of("bb"), &t->err), UB_OK);
    }
    blob_expect_status(t, t->store.ops->commit(&b, &right, &t->err), UB_OK);
    blob_expect_status(t, t->store.ops->commit(&a, &left, &t->err), UB_OK);
    expect(blob_is_readable(&t->store, &left, blob_bytes_of("aaaa"), 9));
    expect(blob_is_readable(&t->store, &right, blob_bytes_of("bbbb"), 9));
}

static void empty_appends_change_nothing(struct blob_test *t)
{
    struct ub_blob_writer *writer = NULL;
    struct ub_blob_hash hash = blob_hash_of(blob_bytes_of("ab"));
    blob_expect_status(t, t->store.ops->begin(t->store.self, 2, &writer, &t->err), UB_OK);
    blob_expect_status(t, t->store.ops->append(writer, blob_bytes_of(""), &t->err), UB_OK);
    blob_expect_status(t, t->store.ops->append(writer, blob_bytes_of("a"), &t->err), UB_OK);
    blob_expect_status(t, t->store.ops->append(writer, (struct ub_bytes){NULL, 0}, &t->err), UB_OK);
    blob_expect_status(t, t->store.ops->append(writer, blob_bytes_of("b"), &t->err), UB_OK);
    blob_expect_status(t, t->store.ops->commit(&writer, &hash, &t->err), UB_OK);
    expect(blob_is_readable(&t->store, &hash, blob_bytes_of("ab"), 9));
}

static void abort_at_every_point(struct blob_test *t)
{
    for (int appends = 0; appends < 4; appends++) {
        struct ub_blob_writer *writer = NULL;
        blob_expect_status(t, t->store.ops->begin(t->store.self, -1, &writer, &t->err), UB_OK);
        for (int i = 0; i < appends; i++) {
            blob_expect_status(t, t->store.ops->append(writer, blob_bytes_of("x"), &t->err), UB_OK);
        }
        t->store.ops->abort(&writer);
        expect(writer == NULL);
    }
    struct ub_blob_hash hash = blob_put(t, blob_bytes_of("x"));
    expect(blob_is_readable(&t->store, &hash, blob_bytes_of("x"), 9));
    expect_int(blob_count_all(t), 1);
}

static void refused_begin_gives_no_writer(struct blob_test *t)
{
    struct ub_blob_writer *writer = NULL;
    enum ub_status status = t->store.ops->begin(t->store.self, INT64_MAX, &writer, &t->err);
    expect(status == UB_ELIMIT || status == UB_EUNAVAILABLE);
    expect(writer == NULL);
    blob_expect_status(t, t->store.ops->begin(t->store.self, INT64_MIN, &writer, &t->err),
                       UB_EINVAL);
    expect(writer == NULL);
}

static void err_may_be_left_out(struct blob_test *t)
{
    struct ub_blob_hash right = blob_hash_of(blob_bytes_of("content"));
    struct ub_blob_hash wrong = blob_hash_of(blob_bytes_of("other"));
    struct ub_blob_reader *reader = NULL;
    expect_status(blob_put_in_parts(&t->store, blob_bytes_of("content"), 4, &wrong, NULL),
                  UB_EINVAL);
    expect_status(blob_put_in_parts(&t->store, blob_bytes_of("content"), 4, &right, NULL), UB_OK);
    expect_status(t->store.ops->open(t->store.self, &wrong, &reader, NULL, NULL), UB_ENOTFOUND);
}

const struct check_case blob_write_cases[] = {
    BLOB_CASE(wrong_hash_keeps_nothing, "a commit with another hash leaves nothing under either"),
    BLOB_CASE(one_wrong_bit_in_the_hash, "one bit is enough"),
    BLOB_CASE(hash_of_a_part_is_wrong, "the hash of a prefix, or of nothing, is wrong"),
    BLOB_CASE(wrong_hash_harms_no_other, "a blob cannot be overwritten by a forged commit"),
    BLOB_CASE(errors_name_the_hash, "a mismatch names the hash that was given"),
    BLOB_CASE(same_blob_twice_is_ok, "committing what is there is ok"),
    BLOB_CASE(two_writers_of_one_blob, "two writers of one blob both commit; it is there once"),
    BLOB_CASE(writers_do_not_mix, "two writers in turns write two blobs"),
    BLOB_CASE(nothing_is_seen_before_commit, "stat and list see a blob after its commit"),
    BLOB_CASE(abort_leaves_nothing, "abort takes everything back and the writer"),
    BLOB_CASE(abort_at_every_point, "abort after 0 to 3 appends; the store goes on"),
    BLOB_CASE(empty_appends_change_nothing, "appending nothing is nothing"),
    BLOB_CASE(announced_length_is_only_announced, "fewer bytes than announced are fine"),
    BLOB_CASE(limit_is_checked_at_begin,
              "max_item + 1 is \"limit\" with its size, before any byte"),
    BLOB_CASE(limit_is_checked_at_append, "a length that was not told is cut off by \"limit\""),
    BLOB_CASE(blob_of_the_limit, "a blob of exactly max_item"),
    BLOB_CASE(refused_begin_gives_no_writer, "absurd lengths give no writer"),
    BLOB_CASE(err_may_be_left_out, "err may be NULL"),
    {.name = NULL},
};
