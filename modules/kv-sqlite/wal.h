/* SPDX-License-Identifier: Apache-2.0
 *
 * The WAL file as sqlite.org/fileformat2.html section 4 describes it: the sums of its frames.
 * SQLite checks them only when it recovers, and then takes a damaged frame for the end: what was
 * acknowledged after it would be gone without a word. */
#ifndef KVSQ_WAL_H
#define KVSQ_WAL_H

#include <unibus/abi.h>

/* Reads exactly so many bytes; false when there are fewer or the system fails. */
typedef bool (*kvsq_wal_read_fn)(void *arg, void *out, int amount, int64_t offset);

/* Is the page that was read at this offset (the content of a frame) what was written? */
bool kvsq_wal_page_is_intact(kvsq_wal_read_fn read, void *arg, int64_t offset, const uint8_t *page);

/* Before SQLite opens: UB_EDAMAGED when a frame is damaged that was acknowledged, which is so when
 * a later transaction of the same WAL is there. The end of the last one may be cut: it was under
 * way. Reads the file; nothing is changed. */
enum ub_status kvsq_wal_check(const char *file, struct ub_err *err);

#endif
