/* SPDX-License-Identifier: Apache-2.0
 *
 * ub.blob 1.0: immutable objects named by their content. Provided by blob-fs (and blob-jetstream).
 *
 * An object's address is its BLAKE2b-256 hash. It is visible only after a commit whose hash was
 * right, and on disk by then. What was begun and not committed is gone after a restart.
 *
 * Threads: every function is thread-safe and may block; one writer or reader is used by one thread
 * at a time. Never call one on a loop.
 */
#ifndef UNIBUS_BLOB_H
#define UNIBUS_BLOB_H

#include <unibus/abi.h>

#define UB_BLOB_IFACE "ub.blob"
#define UB_BLOB_MAJOR 1
#define UB_BLOB_MINOR 0

#define UB_BLOB_HASH_BYTES 32

struct ub_blob_writer;
struct ub_blob_reader;

struct ub_blob_hash {
    uint8_t bytes[UB_BLOB_HASH_BYTES];
};

/* As output: the caller sets the size, and no more than that is filled (sized.h). */
struct ub_blob_stat {
    uint32_t size;
    int64_t length;      /* bytes */
    int64_t modified_ms; /* Unix milliseconds of the commit */
};

/* Return false to end the listing. */
typedef bool (*ub_blob_list_fn)(void *arg, const struct ub_blob_hash *hash,
                                const struct ub_blob_stat *stat);

struct ub_blob_ops {
    uint32_t size;

    /* expected_bytes: announced length, checked against limits and free space before anything is
     * taken; -1 = unknown. UB_ELIMIT above the limit of one item, UB_EUNAVAILABLE when the disk
     * has no room. */
    enum ub_status (*begin)(void *self, int64_t expected_bytes, struct ub_blob_writer **writer_out,
                            struct ub_err *err);
    enum ub_status (*append)(struct ub_blob_writer *writer, struct ub_bytes bytes,
                             struct ub_err *err);
    /* UB_EINVAL when the content hashes otherwise: nothing is kept. An object that exists already
     * is UB_OK. Takes the writer and nulls it, whatever the answer. */
    enum ub_status (*commit)(struct ub_blob_writer **writer, const struct ub_blob_hash *hash,
                             struct ub_err *err);
    void (*abort)(struct ub_blob_writer **writer);

    enum ub_status (*open)(void *self, const struct ub_blob_hash *hash,
                           struct ub_blob_reader **reader_out, struct ub_blob_stat *stat_out,
                           struct ub_err *err);
    /* Reads up to out_size bytes at offset; *read_out is less only at the end. Whoever reads from
     * start to end in order gets the content checked: the read that reaches the end is UB_EDAMAGED
     * when it is not what the hash says. Reads here and there are not checked. */
    enum ub_status (*read)(struct ub_blob_reader *reader, int64_t offset, void *out,
                           size_t out_size, size_t *read_out, struct ub_err *err);
    void (*close)(struct ub_blob_reader **reader);

    enum ub_status (*stat)(void *self, const struct ub_blob_hash *hash,
                           struct ub_blob_stat *stat_out, struct ub_err *err);
    /* Absent is UB_OK. Readers that are open go on. */
    enum ub_status (*remove)(void *self, const struct ub_blob_hash *hash, struct ub_err *err);
    /* In the order of the hashes, strictly after `after` (NULL = from the start). */
    enum ub_status (*list)(void *self, const struct ub_blob_hash *after, ub_blob_list_fn fn,
                           void *arg, struct ub_err *err);
};

#endif
