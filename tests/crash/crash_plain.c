/* SPDX-License-Identifier: Apache-2.0
 *
 * The controls: bare SQLite and bare LMDB, with the settings that are known to keep their promise
 * and those that are known to break it. Journal as in crash_kv.c, with the operation as revision.
 *
 *     crash_plain sqlite-full|sqlite-normal|lmdb-sync|lmdb-nosync write FOLDER OPERATIONS
 *     crash_plain … read FOLDER */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lmdb.h>
#include <sqlite3.h>

#include "open.h"

enum { KEYS = 24 };

struct plain {
    sqlite3 *sqlite;
    MDB_env *lmdb;
    MDB_dbi dbi;
};

static void must(bool is_ok, const char *what)
{
    if (!is_ok) {
        fprintf(stderr, "crash_plain: %s\n", what);
        exit(3);
    }
}

static void sqlite_do(struct plain *plain, const char *sql)
{
    must(sqlite3_exec(plain->sqlite, sql, NULL, NULL, NULL) == SQLITE_OK, sql);
}

/* Neither library promises that the name of a new file is on the disk: that is up to its caller. */
static void keep_names(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(fd >= 0 && fsync(fd) == 0, "sync of the folder");
    close(fd);
}

static void plain_open(struct plain *plain, const char *kind, const char *folder)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/store", folder);
    if (strncmp(kind, "sqlite", 6) == 0) {
        must(sqlite3_open(path, &plain->sqlite) == SQLITE_OK, "open");
        sqlite_do(plain, "PRAGMA journal_mode = WAL");
        sqlite_do(plain, strcmp(kind, "sqlite-full") == 0 ? "PRAGMA synchronous = FULL"
                                                          : "PRAGMA synchronous = NORMAL");
        sqlite_do(plain, "CREATE TABLE IF NOT EXISTS t (k INTEGER PRIMARY KEY, v INTEGER)");
        return;
    }
    unsigned flags = MDB_NOSUBDIR | (strcmp(kind, "lmdb-nosync") == 0 ? (unsigned)MDB_NOSYNC : 0u);
    MDB_txn *txn;
    must(mdb_env_create(&plain->lmdb) == 0, "create");
    must(mdb_env_open(plain->lmdb, path, flags, 0600) == 0, "open");
    must(mdb_txn_begin(plain->lmdb, NULL, 0, &txn) == 0, "begin");
    must(mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &plain->dbi) == 0, "dbi");
    must(mdb_txn_commit(txn) == 0, "commit");
}

static void plain_put(struct plain *plain, int operation)
{
    int key = operation % KEYS;
    if (plain->sqlite != NULL) {
        char sql[100];
        snprintf(sql, sizeof(sql), "INSERT OR REPLACE INTO t VALUES (%d, %d)", key, operation);
        sqlite_do(plain, sql);
        return;
    }
    MDB_val k = {sizeof(key), &key}, v = {sizeof(operation), &operation};
    MDB_txn *txn;
    must(mdb_txn_begin(plain->lmdb, NULL, 0, &txn) == 0, "begin");
    must(mdb_put(txn, plain->dbi, &k, &v, 0) == 0, "put");
    must(mdb_txn_commit(txn) == 0, "commit");
}

static void plain_write(struct plain *plain, int operations)
{
    for (int i = 1; i <= operations; i++) {
        journal("B %d put plain/k%02d", i, i % KEYS);
        plain_put(plain, i);
        journal("A %d %d", i, i);
    }
}

static int say(void *arg, int count, char **values, char **names)
{
    (void)arg, (void)count, (void)names;
    journal("V plain/k%02d %s %s", atoi(values[0]), values[1], values[1]);
    return 0;
}

static void lmdb_say(struct plain *plain)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val k, v;
    must(mdb_txn_begin(plain->lmdb, NULL, MDB_RDONLY, &txn) == 0, "begin");
    must(mdb_cursor_open(txn, plain->dbi, &cursor) == 0, "cursor");
    while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
        int key, operation;
        must(k.mv_size == sizeof(key) && v.mv_size == sizeof(operation), "sizes");
        memcpy(&key, k.mv_data, sizeof(key));
        memcpy(&operation, v.mv_data, sizeof(operation));
        journal("V plain/k%02d %d %d", key, operation, operation);
    }
}

int main(int argc, char **argv)
{
    struct plain plain = {0};
    if (argc < 4) {
        fprintf(stderr, "usage: crash_plain KIND write|read FOLDER [OPERATIONS]\n");
        return 2;
    }
    plain_open(&plain, argv[1], argv[3]);
    keep_names(argv[3]);
    if (argc > 4) {
        plain_write(&plain, atoi(argv[4]));
    } else if (plain.sqlite != NULL) {
        must(sqlite3_exec(plain.sqlite, "SELECT k, v FROM t", say, NULL, NULL) == SQLITE_OK,
             "select");
    } else {
        lmdb_say(&plain);
    }
    return 0;
}
