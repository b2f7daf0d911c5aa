/* SPDX-License-Identifier: Apache-2.0
 *
 * One SQLite connection: opened the safe way, its statements, and what its errors mean to us.
 * Threads: one at a time. */
#ifndef KVSQ_DB_H
#define KVSQ_DB_H

#include <sqlite3.h>

#include <unibus/abi.h>

#include "pages.h"

struct kvsq;

#define KVSQ_STATEMENTS(X)                                                                         \
    X(BEGIN_READ, "BEGIN")                                                                         \
    X(BEGIN_WRITE, "BEGIN IMMEDIATE")                                                              \
    X(COMMIT, "COMMIT")                                                                            \
    X(ROLLBACK, "ROLLBACK")                                                                        \
    X(SAVE, "SAVEPOINT job")                                                                       \
    X(UNDO, "ROLLBACK TO job")                                                                     \
    X(RELEASE, "RELEASE job")                                                                      \
    X(HEAD_GET, "SELECT value, sum FROM head WHERE name = ?")                                      \
    X(HEAD_COPY_GET, "SELECT value, sum FROM head_copy WHERE name = ?")                            \
    X(HEAD_PUT, "INSERT OR REPLACE INTO head VALUES (?, ?, ?)")                                    \
    X(HEAD_COPY_PUT, "INSERT OR REPLACE INTO head_copy VALUES (?, ?, ?)")                          \
    X(GET, "SELECT key, revision, expires_ms, sum, value FROM record"                              \
           " WHERE bucket = ? AND key = ?")                                                        \
    X(LIST, "SELECT key, revision, expires_ms, sum, value FROM record"                             \
            " WHERE bucket = ? AND key > ? ORDER BY key")                                          \
    X(LIST_TO, "SELECT key, revision, expires_ms, sum, value FROM record"                          \
               " WHERE bucket = ? AND key > ? AND key < ? ORDER BY key")                           \
    X(PUT, "INSERT INTO record (bucket, key, revision, expires_ms, sum, value)"                    \
           " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (bucket, key) DO UPDATE SET"                    \
           " revision = excluded.revision, expires_ms = excluded.expires_ms,"                      \
           " sum = excluded.sum, value = excluded.value")                                          \
    X(DELETE, "DELETE FROM record WHERE bucket = ? AND key = ?")                                   \
    X(DELETION_PUT, "INSERT INTO deletion VALUES (?, ?, ?, ?)")                                    \
    X(DELETION_COUNT, "SELECT count(*) FROM deletion WHERE bucket = ?")                            \
    X(DELETION_NTH, "SELECT revision FROM deletion WHERE bucket = ?"                               \
                    " ORDER BY revision DESC LIMIT 1 OFFSET ?")                                    \
    X(DELETION_PURGE, "DELETE FROM deletion WHERE bucket = ? AND revision <= ?")                   \
    X(CHANGES, "SELECT key, revision, expires_ms, sum, value, 0 FROM record"                       \
               " WHERE bucket = ?1 AND revision > ?2 AND revision <= ?3 UNION ALL"                 \
               " SELECT key, revision, 0, sum, x'', 1 FROM deletion"                               \
               " WHERE bucket = ?1 AND revision > ?2 AND revision <= ?3 AND ?4"                    \
               " ORDER BY revision LIMIT ?5")                                                      \
    X(EXPIRED, "SELECT key, revision, expires_ms, sum, value, bucket, id FROM record"              \
               " WHERE expires_ms > 0 AND expires_ms <= ? ORDER BY expires_ms LIMIT ?")            \
    X(REMOVE, "DELETE FROM record WHERE id = ?")

enum kvsq_statement {
#define KVSQ_STATEMENT_ENUM(name, sql) KVSQ_##name,
    KVSQ_STATEMENTS(KVSQ_STATEMENT_ENUM)
#undef KVSQ_STATEMENT_ENUM
        KVSQ_STATEMENT_COUNT
};

struct kvsq_db {
    struct kvsq *store;
    sqlite3 *sqlite;
    struct kvsq_pages pages;
    enum ub_status last_failure;
    bool has_view;      /* readers.c: a read transaction is open … */
    int64_t view_epoch; /* … since this epoch of the readers, or a later one */
    sqlite3_stmt *statements[KVSQ_STATEMENT_COUNT]; /* prepared when first used */
};

enum ub_status kvsq_db_open(struct kvsq *store, struct kvsq_db *db, struct ub_err *err);
void kvsq_db_close(struct kvsq_db *db);

/* Runs SQL without parameters and results. */
enum ub_status kvsq_db_exec(struct kvsq_db *db, const char *sql, struct ub_err *err);
/* The first column of the first row as a number. */
enum ub_status kvsq_db_number(struct kvsq_db *db, const char *sql, int64_t *number_out,
                              struct ub_err *err);

/* A parameter of a statement; borrowed until kvsq_db_end. */
struct kvsq_param {
    enum { KVSQ_PARAM_END, KVSQ_PARAM_TEXT, KVSQ_PARAM_BYTES, KVSQ_PARAM_INT } type;
    const char *text;
    struct ub_bytes bytes;
    int64_t number;
};
#define KVSQ_NONE                                                                                  \
    {                                                                                              \
        .type = KVSQ_PARAM_END                                                                     \
    }
#define KVSQ_TEXT(value)                                                                           \
    {                                                                                              \
        .type = KVSQ_PARAM_TEXT, .text = (value)                                                   \
    }
#define KVSQ_BYTES(value)                                                                          \
    {                                                                                              \
        .type = KVSQ_PARAM_BYTES, .bytes = value                                                   \
    }
#define KVSQ_INT(value)                                                                            \
    {                                                                                              \
        .type = KVSQ_PARAM_INT, .number = (value)                                                  \
    }

/* begin: a statement with its parameters bound. run: begin, step, end. As
 * `kvsq_db_run(db, KVSQ_DELETE, err, KVSQ_TEXT(name), KVSQ_BYTES(key))`; KVSQ_NONE when it has no
 * parameters. */
#define kvsq_db_begin(db, id, stmt_out, err, ...)                                                  \
    kvsq_db_begin_with(db, id, stmt_out, err, (const struct kvsq_param[]){__VA_ARGS__, KVSQ_NONE})
#define kvsq_db_run(db, id, err, ...)                                                              \
    kvsq_db_run_with(db, id, err, (const struct kvsq_param[]){__VA_ARGS__, KVSQ_NONE})

enum ub_status kvsq_db_begin_with(struct kvsq_db *db, enum kvsq_statement id,
                                  sqlite3_stmt **stmt_out, struct ub_err *err,
                                  const struct kvsq_param *params);
enum ub_status kvsq_db_run_with(struct kvsq_db *db, enum kvsq_statement id, struct ub_err *err,
                                const struct kvsq_param *params);

/* The next row, if there is one. */
enum ub_status kvsq_db_step(struct kvsq_db *db, sqlite3_stmt *stmt, bool *has_row_out,
                            struct ub_err *err);
void kvsq_db_end(sqlite3_stmt *stmt);

struct ub_bytes kvsq_db_bytes(sqlite3_stmt *stmt, int column);

/* The connection's last error as ours; notes trouble when it is one. */
enum ub_status kvsq_db_fail(struct kvsq_db *db, struct ub_err *err);

#endif
