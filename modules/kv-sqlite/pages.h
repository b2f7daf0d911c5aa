/* SPDX-License-Identifier: Apache-2.0
 *
 * A checksum on every page of the file, because SQLite follows a flipped bit in an index without a
 * word: a key would be absent, and could be created a second time. A VFS over the system's one
 * writes BLAKE2b-128 of page number and content into the 16 bytes that SQLite leaves free at the
 * end of a page, and checks it on every read; pages in the WAL are checked by SQLite's own sums.
 *
 * A connection is strict: a damaged page is an error, so what it says is absent is absent. When a
 * reader meets damage it looks a second time with lenient set: what it finds then is true only if
 * the record's own checksum says so. The writer is never lenient: it would seal the damage. */
#ifndef KVSQ_PAGES_H
#define KVSQ_PAGES_H

#include <pthread.h>

#include <unibus/abi.h>

struct kvsq;
struct kvsq_db;

#define KVSQ_PAGE_SIZE     4096
#define KVSQ_PAGE_RESERVED 16
#define KVSQ_PAGES_VFS     "kvsq"

/* Of one connection; its files point here. */
struct kvsq_pages {
    struct kvsq *store;
    bool is_lenient;
};

/* Once before the first connection; later calls do nothing. */
enum ub_status kvsq_pages_register(struct ub_err *err);

/* Right after sqlite3_open_v2 with KVSQ_PAGES_VFS: ties the files to the connection. */
enum ub_status kvsq_pages_attach(struct kvsq_db *db, struct ub_err *err);

/* Forgets cached pages, because they were read the other way. */
void kvsq_pages_set_lenient(struct kvsq_db *db, bool is_lenient);

#endif
