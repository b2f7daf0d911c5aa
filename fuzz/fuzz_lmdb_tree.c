/* SPDX-License-Identifier: Apache-2.0
 *
 * The check of an LMDB file before LMDB maps it. Any bytes: no crash. Bytes that it accepts: LMDB
 * itself can walk the whole tree without a signal, which is what the check is for. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <lmdb.h>

#include "must.h"
#include "tree.h"

static volatile uint8_t seen; /* so that every byte is really read */

static void walk(const char *path)
{
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    MDB_dbi tree;
    MDB_val key, value;
    if (mdb_env_create(&env) != 0) {
        return;
    }
    if (mdb_env_open(env, path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0600) == 0 &&
        mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) == 0) {
        if (mdb_dbi_open(txn, NULL, 0, &tree) == 0 && mdb_cursor_open(txn, tree, &cursor) == 0) {
            while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
                for (size_t i = 0; i < value.mv_size; i++) {
                    seen = ((const uint8_t *)value.mv_data)[i];
                }
            }
            mdb_cursor_close(cursor);
        }
        mdb_txn_abort(txn);
    }
    mdb_env_close(env);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kvlm_tree_report report;
    char path[64];
    int fd = memfd_create("fuzz_lmdb_tree", MFD_CLOEXEC);
    MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (kvlm_tree_check(fd, "fuzz", &report, NULL) == UB_OK && !report.is_new) {
        walk(path);
    }
    close(fd);
    return 0;
}
