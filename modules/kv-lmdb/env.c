/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"
#include "format.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MAP_STEP (1 << 20)
#define ROOM_MIN (1 << 20) /* less than this is a full disk */

/* ---- errors -----------------------------------------------------------------------------------
 */

/* LMDB reports a short write as EIO. */
static bool is_disk_full(const struct kvlm *store)
{
    struct statvfs fs;
    return statvfs(store->settings->dir, &fs) == 0 &&
           (uint64_t)fs.f_bavail * fs.f_frsize < ROOM_MIN;
}

static enum ubs_trouble_kind kind_of(const struct kvlm *store, int rc)
{
    switch (rc) {
    case ENOSPC:
    case EDQUOT:
    case MDB_MAP_FULL:
        return UBS_FULL;
    case EIO:
        return is_disk_full(store) ? UBS_FULL : UBS_IO;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_CURSOR_FULL:
    case MDB_INVALID:
    case MDB_BAD_TXN:
        return UBS_DAMAGE;
    default:
        return UBS_IO; /* with MDB_PANIC: a meta page could not be written */
    }
}

static const struct {
    const char *what;
    enum ub_status status;
} failures[UBS_TROUBLE_COUNT] = {
    [UBS_DAMAGE] = {"the structure is damaged in", UB_EDAMAGED},
    [UBS_IO] = {"cannot use the store", UB_EIO},
    [UBS_FULL] = {"no room for the store", UB_EUNAVAILABLE},
};

enum ub_status kvlm_env_status(const struct kvlm *store, int rc)
{
    switch (rc) {
    case MDB_SUCCESS:
        return UB_OK;
    case MDB_MAP_FULL: /* the frame makes the map grow and tries again */
        return UB_ELIMIT;
    case ENOMEM:
        return UB_ENOMEM;
    default:
        return failures[kind_of(store, rc)].status;
    }
}

enum ub_status kvlm_env_fail(struct kvlm *store, int rc, struct ub_err *err)
{
    char text[UB_ERR_MESSAGE_MAX];
    enum ub_status status = kvlm_env_status(store, rc);
    if (status == UB_ENOMEM) {
        return ub_fail(err, status, "no memory for the store %s", store->settings->dir);
    }
    enum ubs_trouble_kind kind = kind_of(store, rc);
    snprintf(text, sizeof(text), "%s %s: %s (LMDB %d)", failures[kind].what, store->settings->dir,
             mdb_strerror(rc), rc);
    if (status != UB_ELIMIT) {
        ubs_trouble_note(&store->kv.trouble, kind, text);
    }
    return ub_fail(err, status, "%s", text);
}

/* ---- the map ----------------------------------------------------------------------------------
 */

static size_t map_size_for(const struct kvlm *store, uint64_t used)
{
    uint64_t size = (uint64_t)store->settings->map_start, max = (uint64_t)store->settings->map_max;
    uint64_t need = used + used / 4 + MAP_STEP;
    while (size < need) {
        size *= 2;
    }
    size = size < max ? size : max;
    size = size > used ? size : used;
    return (size_t)((size + MAP_STEP - 1) / MAP_STEP * MAP_STEP);
}

static enum ub_status fail_map_max(struct kvlm *store, struct ub_err *err)
{
    char text[UB_ERR_MESSAGE_MAX];
    snprintf(text, sizeof(text),
             "the store %s has reached map_max = %" PRId64 " bytes: raise map_max and restart",
             store->settings->dir, store->settings->map_max);
    ubs_trouble_note(&store->kv.trouble, UBS_FULL, text);
    return ub_fail_code(err, UB_EUNAVAILABLE, "E-KV-003", "%s", text);
}

enum ub_status kvlm_env_grow(struct kvlm *store, int64_t wait_ms, struct ub_err *err)
{
    int64_t size = atomic_load(&store->env.map_size), max = store->settings->map_max;
    if (size >= max) {
        return fail_map_max(store, err);
    }
    size = size > max / 2 ? max : size * 2;
    if (!kvlm_readers_lock_out(store, wait_ms)) {
        return ub_fail(err, UB_EUNAVAILABLE,
                       "the store %s has to grow and a reading has not ended for %" PRId64
                       " ms: try again later",
                       store->settings->dir, wait_ms);
    }
    int rc = mdb_env_set_mapsize(store->env.mdb, (size_t)size);
    kvlm_readers_let_in(store);
    if (rc != MDB_SUCCESS) {
        return kvlm_env_fail(store, rc, err);
    }
    atomic_store(&store->env.map_size, size);
    ub_log(store->kv.host, UB_LOG_INFO, "store-grown", "the map of the store has grown",
           UB_TEXT("dir", store->settings->dir), UB_NUMBER("bytes", size));
    return UB_OK;
}

void kvlm_env_grow_early(struct kvlm *store)
{
    MDB_envinfo info;
    int64_t size = atomic_load(&store->env.map_size);
    if (mdb_env_info(store->env.mdb, &info) == MDB_SUCCESS && size < store->settings->map_max &&
        (int64_t)((info.me_last_pgno + 1) * store->env.page_size) > size - size / 4) {
        (void)kvlm_env_grow(store, 0, NULL);
    }
}

void kvlm_env_clear_readers(struct kvlm *store)
{
    int dead = 0;
    if (mdb_reader_check(store->env.mdb, &dead) == MDB_SUCCESS && dead > 0) {
        atomic_fetch_add(&store->env.stale_readers, dead);
        ub_log(store->kv.host, UB_LOG_WARN, "stale-readers", "dead processes held old pages",
               UB_TEXT("dir", store->settings->dir), UB_NUMBER("readers", dead));
    }
}

/* ---- opening ----------------------------------------------------------------------------------
 */

static enum ub_status check_file(struct kvlm *store, struct kvlm_tree_report *report_out,
                                 struct ub_err *err)
{
    char path[4096];
    struct stat st;
    *report_out = (struct kvlm_tree_report){.is_new = true};
    snprintf(path, sizeof(path), "%s/" KVLM_DATA_FILE, store->settings->dir);
    int fd = openat(store->home.base.dir_fd, KVLM_DATA_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        enum ub_status status = ub_fail(err, UB_EIO, "cannot open %s: %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return status;
    }
    enum ub_status status = UB_OK;
    if (st.st_size == 0 && !store->home.is_new) {
        status = ub_fail_code(err, UB_EDAMAGED, "E-KV-001",
                              "%s is empty: restore the store from a backup, or remove the "
                              "folder to begin anew",
                              path);
    } else if (st.st_size > 0) {
        status = kvlm_tree_check(fd, path, report_out, err);
    }
    close(fd);
    return status;
}

static void note_strays(struct kvlm *store, uint64_t strays)
{
    char what[UB_ERR_MESSAGE_MAX];
    if (strays > 0) {
        snprintf(what, sizeof(what),
                 "the names of %" PRIu64 " entries are damaged in %s: no key can be called absent",
                 strays, store->settings->dir);
        ubs_trouble_note(&store->kv.trouble, UBS_DAMAGE, what);
        atomic_store(&store->env.is_doubtful, true);
    }
}

/* NOTLS: our pool of read transactions moves between threads. Never WRITEMAP, NOSYNC, NOMETASYNC:
 * a commit is on disk when it returns, and a full disk is an error and no signal. */
static int open_mdb(struct kvlm *store, size_t map_size)
{
    MDB_env *mdb = store->env.mdb;
    MDB_txn *txn = NULL;
    MDB_dbi dbi = 0;
    int rc = mdb_env_set_mapsize(mdb, map_size);
    if (rc == MDB_SUCCESS) {
        rc = mdb_env_open(mdb, store->settings->dir, MDB_NOTLS, 0600);
    }
    if (rc == MDB_SUCCESS) {
        rc = mdb_txn_begin(mdb, NULL, 0, &txn);
    }
    if (rc == MDB_SUCCESS) {
        rc = mdb_dbi_open(txn, NULL, 0, &dbi);
        mdb_txn_abort(txn);
    }
    return rc == MDB_SUCCESS && dbi != KVLM_DBI ? MDB_INCOMPATIBLE : rc;
}

static enum ub_status map_file(struct kvlm *store, uint64_t used, struct ub_err *err)
{
    MDB_envinfo info;
    MDB_stat stat;
    int rc = mdb_env_create(&store->env.mdb);
    if (rc == MDB_SUCCESS) {
        rc = open_mdb(store, map_size_for(store, used));
    }
    if (rc == MDB_SUCCESS) {
        rc = mdb_env_info(store->env.mdb, &info);
    }
    if (rc == MDB_SUCCESS) {
        rc = mdb_env_stat(store->env.mdb, &stat);
    }
    if (rc != MDB_SUCCESS) {
        return kvlm_env_fail(store, rc, err);
    }
    store->env.page_size = stat.ms_psize;
    atomic_store(&store->env.map_size, (int64_t)info.me_mapsize);
    return UB_OK;
}

enum ub_status kvlm_env_open(struct kvlm *store, struct ub_err *err)
{
    struct kvlm_tree_report report;
    enum ub_status status = check_file(store, &report, err);
    if (status == UB_OK) {
        status = map_file(store, report.bytes, err);
    }
    if (status != UB_OK) {
        return status;
    }
    kvlm_env_clear_readers(store);
    note_strays(store, report.strays);
    status = kvlm_format_ready(store, report.is_new, err);
    return status == UB_OK ? kvlm_home_made(&store->home, store->settings->dir, err) : status;
}

void kvlm_env_close(struct kvlm *store)
{
    if (store->env.mdb != NULL) {
        mdb_env_close(store->env.mdb);
        store->env.mdb = NULL;
    }
}

/* ---- transactions that write ------------------------------------------------------------------
 */

enum ub_status kvlm_txn_begin(struct kvlm *store, struct kvlm_txn *txn_out, struct ub_err *err)
{
    *txn_out = (struct kvlm_txn){.store = store};
    int rc = mdb_txn_begin(store->env.mdb, NULL, 0, &txn_out->mdb);
    return rc == MDB_SUCCESS ? UB_OK : kvlm_env_fail(store, rc, err);
}

int kvlm_txn_commit(struct kvlm_txn *txn, struct ub_err *err)
{
    uint8_t id[8];
    if (!txn->is_changed) {
        mdb_txn_abort(txn->mdb);
        return MDB_SUCCESS;
    }
    kvlm_put_number(id, sizeof(id), (int64_t)mdb_txn_id(txn->mdb));
    enum ub_status status =
        kvlm_fact_write(txn, KVLM_COMMIT_FACT, (struct ub_bytes){id, sizeof(id)}, err);
    if (status != UB_OK) {
        mdb_txn_abort(txn->mdb);
        return txn->rc;
    }
    return mdb_txn_commit(txn->mdb);
}
