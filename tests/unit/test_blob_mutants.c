/* SPDX-License-Identifier: Apache-2.0
 *
 * blob-fs with one rule of ub.blob broken at a time: the suite must see each. */
#include <unibus/blob.h>

#include "conformance/blob_tool.h"
#include "mutants.h"

extern const struct ub_module unibus_module_blob_fs;

static const struct ub_blob_ops *sound(void)
{
    return mutants_inner();
}

/* The latest writer's content, for those that commit what they should not. */
static uint8_t content[2 * 1024 * 1024];
static size_t content_len;
static void *store;

static enum ub_status begin_remembering(void *self, int64_t expected_bytes,
                                        struct ub_blob_writer **writer_out, struct ub_err *err)
{
    store = self;
    content_len = 0;
    return sound()->begin(self, expected_bytes, writer_out, err);
}

static enum ub_status append_remembering(struct ub_blob_writer *writer, struct ub_bytes bytes,
                                         struct ub_err *err)
{
    if (bytes.len > 0 && content_len + bytes.len <= sizeof(content)) {
        memcpy(content + content_len, bytes.ptr, bytes.len);
        content_len += bytes.len;
    }
    return sound()->append(writer, bytes, err);
}

static void remember(struct ub_blob_ops *ops)
{
    ops->begin = begin_remembering;
    ops->append = append_remembering;
}

static enum ub_status commit_any(struct ub_blob_writer **writer, const struct ub_blob_hash *hash,
                                 struct ub_err *err)
{
    struct ub_blob_hash right = blob_hash_of((struct ub_bytes){content, content_len});
    (void)hash;
    return sound()->commit(writer, &right, err);
}

static void commits_any_hash(void *ops)
{
    remember(ops);
    ((struct ub_blob_ops *)ops)->commit = commit_any;
}

static void abort_committing(struct ub_blob_writer **writer)
{
    struct ub_blob_hash right = blob_hash_of((struct ub_bytes){content, content_len});
    sound()->commit(writer, &right, NULL);
}

static void abort_commits(void *ops)
{
    remember(ops);
    ((struct ub_blob_ops *)ops)->abort = abort_committing;
}

/* Each append makes visible what is there so far. */
static enum ub_status append_showing(struct ub_blob_writer *writer, struct ub_bytes bytes,
                                     struct ub_err *err)
{
    enum ub_status status = append_remembering(writer, bytes, err);
    struct ub_blob_writer *shown = NULL;
    struct ub_bytes all = {content, content_len};
    struct ub_blob_hash hash = blob_hash_of(all);
    if (status == UB_OK && sound()->begin(store, -1, &shown, NULL) == UB_OK &&
        sound()->append(shown, all, NULL) == UB_OK) {
        sound()->commit(&shown, &hash, NULL);
    }
    return status;
}

static void shows_before_commit(void *ops)
{
    remember(ops);
    ((struct ub_blob_ops *)ops)->append = append_showing;
}

static enum ub_status commit_new(struct ub_blob_writer **writer, const struct ub_blob_hash *hash,
                                 struct ub_err *err)
{
    struct ub_blob_stat stat = {.size = sizeof(stat)};
    bool is_there = sound()->stat(store, hash, &stat, NULL) == UB_OK;
    enum ub_status status = sound()->commit(writer, hash, err);
    return is_there && status == UB_OK ? UB_EEXISTS : status;
}

static void refuses_what_exists(void *ops)
{
    remember(ops);
    ((struct ub_blob_ops *)ops)->commit = commit_new;
}

/* Every 10th blob is acknowledged and thrown away. */
static enum ub_status commit_forgetting(struct ub_blob_writer **writer,
                                        const struct ub_blob_hash *hash, struct ub_err *err)
{
    static int count;
    if (++count % 10 != 0) {
        return sound()->commit(writer, hash, err);
    }
    sound()->abort(writer);
    return UB_OK;
}

static void acknowledges_what_it_lost(void *ops)
{
    ((struct ub_blob_ops *)ops)->commit = commit_forgetting;
}

static enum ub_status begin_unlimited(void *self, int64_t expected_bytes,
                                      struct ub_blob_writer **writer_out, struct ub_err *err)
{
    return sound()->begin(self, expected_bytes > 0 ? -1 : expected_bytes, writer_out, err);
}

static void begin_ignores_the_limit(void *ops)
{
    ((struct ub_blob_ops *)ops)->begin = begin_unlimited;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

static enum ub_status read_padding(struct ub_blob_reader *reader, int64_t offset, void *out,
                                   size_t out_size, size_t *read_out, struct ub_err *err)
{
    enum ub_status status = sound()->read(reader, offset, out, out_size, read_out, err);
    if (status == UB_OK && *read_out > 0 && *read_out < out_size) {
        memset((char *)out + *read_out, 0, out_size - *read_out);
        *read_out = out_size;
    }
    return status;
}

static void pads_the_last_read(void *ops)
{
    ((struct ub_blob_ops *)ops)->read = read_padding;
}

static enum ub_status read_in_a_row(struct ub_blob_reader *reader, int64_t offset, void *out,
                                    size_t out_size, size_t *read_out, struct ub_err *err)
{
    static struct ub_blob_reader *last;
    static int64_t at;
    at = last == reader ? at : offset;
    last = reader;
    enum ub_status status = sound()->read(reader, at, out, out_size, read_out, err);
    at += status == UB_OK ? (int64_t)*read_out : 0;
    return status;
}

static void ignores_the_offset(void *ops)
{
    ((struct ub_blob_ops *)ops)->read = read_in_a_row;
}

static enum ub_status read_from_zero(struct ub_blob_reader *reader, int64_t offset, void *out,
                                     size_t out_size, size_t *read_out, struct ub_err *err)
{
    return sound()->read(reader, offset < 0 ? 0 : offset, out, out_size, read_out, err);
}

static void clamps_a_negative_offset(void *ops)
{
    ((struct ub_blob_ops *)ops)->read = read_from_zero;
}

/* ---- stat, remove, list -----------------------------------------------------------------------
 */

static enum ub_status stat_in_blocks(void *self, const struct ub_blob_hash *hash,
                                     struct ub_blob_stat *stat_out, struct ub_err *err)
{
    enum ub_status status = sound()->stat(self, hash, stat_out, err);
    stat_out->length = (stat_out->length + 4095) / 4096 * 4096;
    return status;
}

static void stat_tells_blocks(void *ops)
{
    ((struct ub_blob_ops *)ops)->stat = stat_in_blocks;
}

static enum ub_status stat_of_its_own_size(void *self, const struct ub_blob_hash *hash,
                                           struct ub_blob_stat *stat_out, struct ub_err *err)
{
    stat_out->size = sizeof(*stat_out);
    return sound()->stat(self, hash, stat_out, err);
}

static void overruns_stat(void *ops)
{
    ((struct ub_blob_ops *)ops)->stat = stat_of_its_own_size;
}

static enum ub_status remove_nothing(void *self, const struct ub_blob_hash *hash,
                                     struct ub_err *err)
{
    (void)self;
    (void)hash;
    (void)err;
    return UB_OK;
}

static void removes_nothing(void *ops)
{
    ((struct ub_blob_ops *)ops)->remove = remove_nothing;
}

static enum ub_status list_from_start(void *self, const struct ub_blob_hash *after,
                                      ub_blob_list_fn fn, void *arg, struct ub_err *err)
{
    struct ub_blob_hash before;
    if (after != NULL) {
        before = *after;
        for (size_t i = UB_BLOB_HASH_BYTES; i > 0 && before.bytes[i - 1]-- == 0; i--) {
        }
    }
    return sound()->list(self, after != NULL ? &before : NULL, fn, arg, err);
}

static void list_gives_the_token_again(void *ops)
{
    ((struct ub_blob_ops *)ops)->list = list_from_start;
}

struct skipping {
    ub_blob_list_fn fn;
    void *arg;
    int count;
};

static bool skip_every_tenth(void *arg, const struct ub_blob_hash *hash,
                             const struct ub_blob_stat *stat)
{
    struct skipping *s = arg;
    return ++s->count % 10 == 0 || s->fn(s->arg, hash, stat);
}

static enum ub_status list_skipping(void *self, const struct ub_blob_hash *after,
                                    ub_blob_list_fn fn, void *arg, struct ub_err *err)
{
    struct skipping s = {fn, arg, 0};
    return sound()->list(self, after, skip_every_tenth, &s, err);
}

static void list_skips_some(void *ops)
{
    ((struct ub_blob_ops *)ops)->list = list_skipping;
}

static bool list_on(void *arg, const struct ub_blob_hash *hash, const struct ub_blob_stat *stat)
{
    struct skipping *s = arg;
    s->fn(s->arg, hash, stat);
    return true;
}

static enum ub_status list_to_the_end(void *self, const struct ub_blob_hash *after,
                                      ub_blob_list_fn fn, void *arg, struct ub_err *err)
{
    struct skipping s = {fn, arg, 0};
    return sound()->list(self, after, list_on, &s, err);
}

static void callback_cannot_end_the_listing(void *ops)
{
    ((struct ub_blob_ops *)ops)->list = list_to_the_end;
}

static enum ub_status read_refusing_the_end(struct ub_blob_reader *reader, int64_t offset,
                                            void *out, size_t out_size, size_t *read_out,
                                            struct ub_err *err)
{
    enum ub_status status = sound()->read(reader, offset, out, out_size, read_out, err);
    return status == UB_OK && *read_out == 0 && out_size > 0 ? UB_EINVAL : status;
}

static void end_is_an_error(void *ops)
{
    ((struct ub_blob_ops *)ops)->read = read_refusing_the_end;
}

static void abort_and_keep(struct ub_blob_writer **writer)
{
    struct ub_blob_writer *gone = *writer;
    sound()->abort(&gone);
}

static void abort_leaves_the_writer(void *ops)
{
    ((struct ub_blob_ops *)ops)->abort = abort_and_keep;
}

static enum ub_status stat_without_time(void *self, const struct ub_blob_hash *hash,
                                        struct ub_blob_stat *stat_out, struct ub_err *err)
{
    enum ub_status status = sound()->stat(self, hash, stat_out, err);
    stat_out->modified_ms = 0;
    return status;
}

static void stat_has_no_time(void *ops)
{
    ((struct ub_blob_ops *)ops)->stat = stat_without_time;
}

/* Removing what is not there is an error. */
static enum ub_status remove_what_exists(void *self, const struct ub_blob_hash *hash,
                                         struct ub_err *err)
{
    struct ub_blob_stat stat = {.size = sizeof(stat)};
    enum ub_status status = sound()->stat(self, hash, &stat, err);
    return status == UB_OK ? sound()->remove(self, hash, err) : status;
}

static void removing_nothing_is_an_error(void *ops)
{
    ((struct ub_blob_ops *)ops)->remove = remove_what_exists;
}

static const struct mutant mutants[] = {
    {"commits_any_hash",
     commits_any_hash,
     {"wrong_hash_keeps_nothing", "one_wrong_bit_in_the_hash"}},
    {"abort_commits", abort_commits, {"abort_leaves_nothing", "abort_at_every_point"}},
    {"shows_before_commit",
     shows_before_commit,
     {"nothing_is_seen_before_commit", "list_without_what_is_begun"}},
    {"refuses_what_exists",
     refuses_what_exists,
     {"same_blob_twice_is_ok", "two_writers_of_one_blob"}},
    {"acknowledges_what_it_lost",
     acknowledges_what_it_lost,
     {"kill_9_loses_nothing_committed", "list_is_in_order"}},
    {"begin_ignores_the_limit", begin_ignores_the_limit, {"limit_is_checked_at_begin"}},
    {"pads_the_last_read", pads_the_last_read, {"read_of_a_range", "ranges_at_the_edges"}},
    {"ignores_the_offset", ignores_the_offset, {"read_backwards", "ranges_at_the_edges"}},
    {"clamps_a_negative_offset", clamps_a_negative_offset, {"read_of_a_range"}},
    {"stat_tells_blocks", stat_tells_blocks, {"stat_tells_the_truth", "blob_is_read_back"}},
    {"overruns_stat", overruns_stat, {"stat_of_another_size"}},
    {"removes_nothing", removes_nothing, {"removed_is_gone", "reopen_keeps_blobs"}},
    {"list_gives_the_token_again",
     list_gives_the_token_again,
     {"list_pages", "list_after_the_edges"}},
    {"list_skips_some", list_skips_some, {"list_is_in_order"}},
    {"callback_cannot_end_the_listing", callback_cannot_end_the_listing, {"list_pages"}},
    {"end_is_an_error", end_is_an_error, {"read_of_a_range"}},
    {"abort_leaves_the_writer", abort_leaves_the_writer, {"abort_leaves_nothing"}},
    {"stat_has_no_time", stat_has_no_time, {"stat_tells_the_truth"}},
    {"removing_nothing_is_an_error", removing_nothing_is_an_error, {"absent_is_not_found"}},
};

int main(void)
{
    return mutants_run(&blob_suite, &unibus_module_blob_fs, NULL, sizeof(struct ub_blob_ops),
                       mutants, sizeof(mutants) / sizeof(mutants[0]));
}
