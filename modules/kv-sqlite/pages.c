/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"
#include "pages.h"
#include "wal.h"

#include <errno.h>
#include <stdlib.h>

#include <sodium.h>

#define TAIL_ROOM (120 * 1024) /* the system VFS of SQLite writes less than 128 KiB at once */
#define ATTACH_OP 0x75620001   /* our own opcode of xFileControl */

/* A file of ours; the system's file follows it in memory. */
struct file {
    sqlite3_file base;
    struct kvsq_pages *pages;
    struct file *database; /* of a WAL: the file it belongs to; else itself */
    sqlite3_file *real;
    /* Of a WAL: what follows each other is written in one piece. SQLite syncs it before it tells
     * anybody of a commit, so until then nobody else looks for these bytes. */
    uint8_t *tail; /* TAIL_ROOM, or NULL */
    int tail_len;
    int64_t tail_at;
};

static sqlite3_vfs *system_vfs;
static sqlite3_vfs own_vfs;

static struct file *file_of(sqlite3_file *file)
{
    return (struct file *)file;
}

/* ---- sums -------------------------------------------------------------------------------------
 */

static void page_sum(int64_t offset, const uint8_t *page, uint8_t sum_out[KVSQ_PAGE_RESERVED])
{
    crypto_generichash_state state;
    uint8_t number[8];
    for (int i = 0; i < 8; i++) {
        number[i] = (uint8_t)((uint64_t)offset >> (8 * i));
    }
    crypto_generichash_init(&state, NULL, 0, KVSQ_PAGE_RESERVED);
    crypto_generichash_update(&state, number, sizeof(number));
    crypto_generichash_update(&state, page, KVSQ_PAGE_SIZE - KVSQ_PAGE_RESERVED);
    crypto_generichash_final(&state, sum_out, KVSQ_PAGE_RESERVED);
}

static bool is_page(int amount, int64_t offset)
{
    return amount == KVSQ_PAGE_SIZE && offset % KVSQ_PAGE_SIZE == 0;
}

static bool is_intact(int64_t offset, const uint8_t *page)
{
    uint8_t sum[KVSQ_PAGE_RESERVED];
    page_sum(offset, page, sum);
    return memcmp(sum, page + KVSQ_PAGE_SIZE - KVSQ_PAGE_RESERVED, sizeof(sum)) == 0;
}

static int found_damage(struct file *file, const char *suffix, int64_t offset)
{
    char what[UB_ERR_MESSAGE_MAX];
    struct kvsq_pages *pages = file->database->pages;
    snprintf(what, sizeof(what), "the page at byte %lld of %s%s is damaged", (long long)offset,
             pages->store->settings->file, suffix);
    ubs_trouble_note_once(&pages->store->kv.trouble, UBS_DAMAGE, what);
    return pages->is_lenient ? SQLITE_OK : SQLITE_IOERR_DATA;
}

/* ---- files ------------------------------------------------------------------------------------
 */

static int db_read(sqlite3_file *base, void *out, int amount, sqlite3_int64 offset)
{
    struct file *file = file_of(base);
    int rc = file->real->pMethods->xRead(file->real, out, amount, offset);
    if (rc == SQLITE_OK && file->pages != NULL && is_page(amount, offset) &&
        !is_intact(offset, out)) {
        return found_damage(file, "", offset);
    }
    return rc;
}

/* A full quota is no more an I/O error than a full disk. */
static int real_write(struct file *file, const void *in, int amount, sqlite3_int64 offset)
{
    int rc = file->real->pMethods->xWrite(file->real, in, amount, offset);
    return rc == SQLITE_IOERR_WRITE && errno == EDQUOT ? SQLITE_FULL : rc;
}

static int db_write(sqlite3_file *base, const void *in, int amount, sqlite3_int64 offset)
{
    struct file *file = file_of(base);
    if (!is_page(amount, offset)) {
        return real_write(file, in, amount, offset);
    }
    uint8_t page[KVSQ_PAGE_SIZE];
    memcpy(page, in, sizeof(page) - KVSQ_PAGE_RESERVED);
    page_sum(offset, page, page + sizeof(page) - KVSQ_PAGE_RESERVED);
    return real_write(file, page, amount, offset);
}

static int flush_tail(struct file *file)
{
    int len = file->tail_len;
    file->tail_len = 0;
    return len > 0 ? real_write(file, file->tail, len, file->tail_at) : SQLITE_OK;
}

static int wal_write(sqlite3_file *base, const void *in, int amount, sqlite3_int64 offset)
{
    struct file *file = file_of(base);
    bool is_next = file->tail_len > 0 && offset == file->tail_at + file->tail_len &&
                   amount <= TAIL_ROOM - file->tail_len;
    int rc = is_next ? SQLITE_OK : flush_tail(file);
    if (file->tail == NULL) {
        file->tail = malloc(TAIL_ROOM);
    }
    if (rc != SQLITE_OK || file->tail == NULL || amount > TAIL_ROOM) {
        return rc != SQLITE_OK ? rc : real_write(file, in, amount, offset);
    }
    file->tail_at = is_next ? file->tail_at : offset;
    memcpy(file->tail + file->tail_len, in, (size_t)amount);
    file->tail_len += amount;
    return SQLITE_OK;
}

static bool wal_pread(void *arg, void *out, int amount, int64_t offset)
{
    sqlite3_file *real = arg;
    return real->pMethods->xRead(real, out, amount, offset) == SQLITE_OK;
}

static int wal_read(sqlite3_file *base, void *out, int amount, sqlite3_int64 offset)
{
    struct file *file = file_of(base);
    int rc = flush_tail(file);
    if (rc != SQLITE_OK) {
        return rc;
    }
    rc = file->real->pMethods->xRead(file->real, out, amount, offset);
    if (rc == SQLITE_OK && file->database->pages != NULL && amount == KVSQ_PAGE_SIZE &&
        !kvsq_wal_page_is_intact(wal_pread, file->real, offset, out)) {
        return found_damage(file, "-wal", offset);
    }
    return rc;
}

static int file_control(sqlite3_file *base, int op, void *arg)
{
    struct file *file = file_of(base);
    if (op == ATTACH_OP) {
        file->pages = arg;
        return SQLITE_OK;
    }
    return file->real->pMethods->xFileControl(file->real, op, arg);
}

/* What goes to the system's file as it is. */
#define REAL(base)      (file_of(base)->real)
#define REAL_CALL(base) (REAL(base)->pMethods)

static int file_close(sqlite3_file *base)
{
    int rc = flush_tail(file_of(base));
    free(file_of(base)->tail);
    int closed = REAL_CALL(base)->xClose(REAL(base));
    return rc != SQLITE_OK ? rc : closed;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    int rc = flush_tail(file_of(base));
    return rc != SQLITE_OK ? rc : REAL_CALL(base)->xTruncate(REAL(base), size);
}

static int file_sync(sqlite3_file *base, int flags)
{
    int rc = flush_tail(file_of(base));
    return rc != SQLITE_OK ? rc : REAL_CALL(base)->xSync(REAL(base), flags);
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size_out)
{
    int rc = flush_tail(file_of(base));
    return rc != SQLITE_OK ? rc : REAL_CALL(base)->xFileSize(REAL(base), size_out);
}

static int file_lock(sqlite3_file *base, int level)
{
    return REAL_CALL(base)->xLock(REAL(base), level);
}

static int file_unlock(sqlite3_file *base, int level)
{
    return REAL_CALL(base)->xUnlock(REAL(base), level);
}

static int file_check_lock(sqlite3_file *base, int *is_locked_out)
{
    return REAL_CALL(base)->xCheckReservedLock(REAL(base), is_locked_out);
}

static int file_sector_size(sqlite3_file *base)
{
    return REAL_CALL(base)->xSectorSize(REAL(base));
}

static int file_characteristics(sqlite3_file *base)
{
    return REAL_CALL(base)->xDeviceCharacteristics(REAL(base));
}

static int shm_map(sqlite3_file *base, int page, int size, int extend, void volatile **out)
{
    return REAL_CALL(base)->xShmMap(REAL(base), page, size, extend, out);
}

static int shm_lock(sqlite3_file *base, int offset, int count, int flags)
{
    return REAL_CALL(base)->xShmLock(REAL(base), offset, count, flags);
}

static void shm_barrier(sqlite3_file *base)
{
    REAL_CALL(base)->xShmBarrier(REAL(base));
}

static int shm_unmap(sqlite3_file *base, int is_deleted)
{
    return REAL_CALL(base)->xShmUnmap(REAL(base), is_deleted);
}

#define METHODS(read, write)                                                                       \
    {                                                                                              \
        .iVersion = 2, .xClose = file_close, .xRead = (read), .xWrite = (write),                   \
        .xTruncate = file_truncate, .xSync = file_sync, .xFileSize = file_size,                    \
        .xLock = file_lock, .xUnlock = file_unlock, .xCheckReservedLock = file_check_lock,         \
        .xFileControl = file_control, .xSectorSize = file_sector_size,                             \
        .xDeviceCharacteristics = file_characteristics, .xShmMap = shm_map, .xShmLock = shm_lock,  \
        .xShmBarrier = shm_barrier, .xShmUnmap = shm_unmap,                                        \
    }

static const sqlite3_io_methods db_methods = METHODS(db_read, db_write);
static const sqlite3_io_methods wal_methods = METHODS(wal_read, wal_write);

static int own_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags,
                    int *flags_out)
{
    (void)vfs;
    if ((flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) == 0) {
        return system_vfs->xOpen(system_vfs, name, base, flags, flags_out);
    }
    struct file *file = file_of(base);
    bool is_wal = (flags & SQLITE_OPEN_WAL) != 0;
    *file = (struct file){.real = (sqlite3_file *)(file + 1)};
    file->database = is_wal ? file_of(sqlite3_database_file_object(name)) : file;
    int rc = system_vfs->xOpen(system_vfs, name, file->real, flags, flags_out);
    if (file->real->pMethods != NULL) { /* then SQLite calls xClose also after a failure */
        file->base.pMethods = is_wal ? &wal_methods : &db_methods;
    }
    return rc;
}

/* ---- the module's side ------------------------------------------------------------------------
 */

static void register_once(void)
{
    /* Nobody reads SQLite's statistics of memory, and every allocation would take one lock for
     * them. Too late when another module has begun to use SQLite; then they stay. */
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_initialize();
    system_vfs = sqlite3_vfs_find(NULL);
    if (system_vfs != NULL) {
        own_vfs = *system_vfs;
        own_vfs.zName = KVSQ_PAGES_VFS;
        own_vfs.pNext = NULL;
        own_vfs.szOsFile = (int)sizeof(struct file) + system_vfs->szOsFile;
        own_vfs.xOpen = own_open;
        sqlite3_vfs_register(&own_vfs, 0);
    }
}

enum ub_status kvsq_pages_register(struct ub_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_once);
    return system_vfs != NULL ? UB_OK : ub_fail(err, UB_EINTERNAL, "SQLite has no VFS");
}

enum ub_status kvsq_pages_attach(struct kvsq_db *db, struct ub_err *err)
{
    int reserved = KVSQ_PAGE_RESERVED;
    db->pages = (struct kvsq_pages){db->store, false};
    if (sqlite3_file_control(db->sqlite, "main", ATTACH_OP, &db->pages) != SQLITE_OK ||
        sqlite3_file_control(db->sqlite, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved) !=
            SQLITE_OK) {
        return ub_fail(err, UB_EINTERNAL, "SQLite %s does not take our VFS: use 3.32 or newer",
                       sqlite3_libversion());
    }
    return UB_OK;
}

void kvsq_pages_set_lenient(struct kvsq_db *db, bool is_lenient)
{
    db->pages.is_lenient = is_lenient;
    sqlite3_db_release_memory(db->sqlite);
}
