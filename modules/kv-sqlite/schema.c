/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"
#include "schema.h"
#include "head.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include <ubs/home.h>

#define APPLICATION_ID 0x756e6962 /* "unib" */

/* The value stands last, so that a row's small columns are on its first page. */
static const char tables_sql[] =
    "CREATE TABLE head (name TEXT PRIMARY KEY, value BLOB NOT NULL, sum BLOB NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE head_copy (name TEXT PRIMARY KEY, value BLOB NOT NULL, sum BLOB NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE record (id INTEGER PRIMARY KEY, bucket TEXT NOT NULL, key BLOB NOT NULL,"
    " revision INTEGER NOT NULL, expires_ms INTEGER NOT NULL, sum BLOB NOT NULL,"
    " value BLOB NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX record_key ON record (bucket, key);"
    "CREATE UNIQUE INDEX record_revision ON record (bucket, revision);"
    "CREATE INDEX record_expiry ON record (expires_ms) WHERE expires_ms > 0;"
    "CREATE TABLE deletion (bucket TEXT NOT NULL, revision INTEGER NOT NULL, key BLOB NOT NULL,"
    " sum BLOB NOT NULL, PRIMARY KEY (bucket, revision)) STRICT, WITHOUT ROWID;";

static enum ub_status make_tables(struct kvsq_db *db, struct ub_err *err)
{
    char version_sql[96];
    snprintf(version_sql, sizeof(version_sql),
             "PRAGMA application_id = %d; PRAGMA user_version = %d;", APPLICATION_ID,
             KVSQ_SCHEMA_VERSION);
    enum ub_status status = kvsq_db_exec(db, "BEGIN IMMEDIATE", err);
    if (status == UB_OK) {
        status = kvsq_db_exec(db, tables_sql, err);
    }
    if (status == UB_OK) {
        status = kvsq_db_exec(db, version_sql, err);
    }
    if (status == UB_OK) {
        status = kvsq_db_exec(db, "COMMIT", err);
    }
    return status;
}

static enum ub_status fail_foreign(const char *file, struct ub_err *err)
{
    return ub_fail(err, UB_EINVAL,
                   "%s is no unibus store, or its first page is damaged: give another file, or "
                   "restore a backup",
                   file);
}

static enum ub_status check_version(const char *file, int64_t application, int64_t version,
                                    struct ub_err *err)
{
    if (application != APPLICATION_ID) {
        return fail_foreign(file, err);
    }
    if (version != KVSQ_SCHEMA_VERSION) {
        return ubs_home_fail_version(file, "schema version", version, KVSQ_SCHEMA_VERSION, err);
    }
    return UB_OK;
}

static int64_t header_number(const uint8_t *in)
{
    return (int64_t)in[0] << 24 | in[1] << 16 | in[2] << 8 | in[3];
}

/* Offsets: sqlite.org/fileformat2.html section 1.3. A young file has its application id in the WAL
 * only, and 0 here. */
enum ub_status kvsq_schema_peek(const char *file, struct ub_err *err)
{
    uint8_t header[100];
    int fd = open(file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return ub_fail(err, UB_EIO, "cannot open %s: %s", file, strerror(errno));
    }
    ssize_t len = pread(fd, header, sizeof(header), 0);
    close(fd);
    if (len == 0) {
        return UB_OK; /* a new file */
    }
    if (len != sizeof(header) || memcmp(header, "SQLite format 3", 16) != 0 ||
        header[20] != KVSQ_PAGE_RESERVED) {
        return fail_foreign(file, err);
    }
    int64_t application = header_number(header + 68);
    return application == 0 ? UB_OK
                            : check_version(file, application, header_number(header + 60), err);
}

enum ub_status kvsq_schema_ready(struct kvsq_db *db, struct ub_err *err)
{
    int64_t application = 0, version = 0, tables = 0;
    enum ub_status status = kvsq_db_number(db, "PRAGMA application_id", &application, err);
    if (status == UB_OK) {
        status = kvsq_db_number(db, "PRAGMA user_version", &version, err);
    }
    if (status == UB_OK) {
        status = kvsq_db_number(db, "SELECT count(*) FROM sqlite_schema", &tables, err);
    }
    if (status != UB_OK) {
        return status;
    }
    bool is_new = application == 0 && version == 0 && tables == 0;
    if (!is_new) {
        status = check_version(db->store->settings->file, application, version, err);
    }
    if (status == UB_OK) {
        status = kvsq_db_exec(db, "PRAGMA journal_mode = WAL", err);
    }
    return status == UB_OK && is_new ? make_tables(db, err) : status;
}

enum ub_status kvsq_schema_seal_key(struct kvsq_db *db, struct ub_err *err)
{
    struct kvsq *store = db->store;
    bool is_whole = false;
    int64_t records = 0;
    enum ub_status status =
        kvsq_head_read(db, "seal-key", store->seal_key, sizeof(store->seal_key), &is_whole, err);
    bool has_key = status == UB_OK;
    if (has_key && is_whole) {
        return UB_OK;
    }
    if (status == UB_ENOTFOUND) {
        status = kvsq_db_number(db, "SELECT count(*) FROM record", &records, err);
        if (status == UB_OK && records > 0) {
            return ub_fail(err, UB_EDAMAGED,
                           "%s holds records but no seal key: restore the file from a backup",
                           store->settings->file);
        }
        store->kv.host->clock->random(store->kv.host, store->seal_key, sizeof(store->seal_key));
    }
    if (status != UB_OK) {
        return status;
    }
    struct ub_bytes key = {store->seal_key, sizeof(store->seal_key)};
    status = kvsq_head_write(db, "seal-key", key, err);
    return status == UB_EDAMAGED && has_key ? UB_OK : status; /* one copy is enough to read */
}
