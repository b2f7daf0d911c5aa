/* SPDX-License-Identifier: Apache-2.0
 *
 * What only kv-sqlite does: its file, its lock, damage, versions, a full queue. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sqlite3.h>

#include "core/kit.h"
#include "kv_own.h"

static const char *db_path(struct own *own)
{
    return own_path(own, "unibus.db");
}

/* Runs SQL on the file: through the module's VFS, when there is one, so that the pages stay intact
 * and only what the SQL changes is wrong. */
static void sql(struct own *own, const char *text)
{
    sqlite3 *db;
    char *message = NULL;
    assert_int_equal(sqlite3_open_v2(db_path(own), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                     sqlite3_vfs_find("kvsq") != NULL ? "kvsq" : NULL),
                     SQLITE_OK);
    if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK) {
        fail_msg("%s: %s", text, message);
    }
    sqlite3_close(db);
}

/* ---- the file and its folder ------------------------------------------------------------------
 */

static void files_are_private(void **state)
{
    struct own *own = *state;
    static const char *const files[] = {"unibus.db", "unibus.db-wal", "unibus.db-shm",
                                        "unibus.db.lock"};
    struct stat st;
    own_start(own);
    own_put(own, "k", "v");
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(stat(own_path(own, files[i]), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
}

static void clean_stop_leaves_one_file(void **state)
{
    struct own *own = *state;
    own_start(own);
    own_put(own, "k", "v");
    rig_stop(&own->rig);
    assert_int_equal(access(own_path(own, "unibus.db-wal"), F_OK), -1);
    own_start(own);
    assert_null(strstr(kit_log(own->rig.host), "unclean"));
    own_expect(own, "k", "v");
}

static void *get_large(void *arg)
{
    char got[8];
    assert_int_equal(own_get(arg, "large", got, sizeof(got)), UB_OK);
    return NULL;
}

/* Reads on another thread while this one holds its connection: so a second one is used. */
static bool get_beside(void *arg, const struct ub_kv_entry *entry)
{
    pthread_t thread;
    (void)entry;
    assert_int_equal(pthread_create(&thread, NULL, get_large, arg), 0);
    pthread_join(thread, NULL);
    return false;
}

/* Readers keep their view open between two calls; the WAL must begin anew all the same, also when
 * one of them is not used again. */
static void idle_readers_do_not_hold_the_wal(void **state)
{
    struct own *own = *state;
    static char value[128 * 1024];
    const struct ub_kv_key all = {0};
    struct stat st;
    own_start(own);
    memset(value, 'v', sizeof(value) - 1);
    own_put(own, "large", value);
    assert_int_equal(own->ops->list(own->bucket, &all, &all, 0, get_beside, own, &own->err), UB_OK);
    for (int i = 0; i < 400; i++) { /* 33 pages each: more than three times wal_size */
        memset(value, 'a' + i % 26, sizeof(value) - 1); /* what is the same is not written */
        own_put(own, "large", value);
        get_large(own);
    }
    assert_int_equal(stat(own_path(own, "unibus.db-wal"), &st), 0);
    assert_in_range(st.st_size, 4096, 24 << 20);
}

static void second_opener_is_refused_with_the_pid(void **state)
{
    struct own *own = *state;
    struct rig second;
    char pid[32];
    own_start(own);
    rig_init(&second, &unibus_module_kv_sqlite);
    rig_set(&second, "file", db_path(own));
    assert_int_equal(rig_start(&second, &own->err), UB_EUNAVAILABLE);
    snprintf(pid, sizeof(pid), "pid %d", (int)getpid());
    assert_non_null(strstr(own->err.message, pid));
    assert_non_null(strstr(own->err.message, db_path(own)));
    own_put(own, "k", "v"); /* the first was not disturbed */
    rig_fini(&second);
}

static void second_process_is_refused_with_the_pid(void **state)
{
    struct own *own = *state;
    int pipes[2], status;
    char pid[32], byte;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool is_open = rig_start(&own->rig, &own->err) == UB_OK;
        _exit(write(pipes[1], &is_open, 1) == 1 && pause() == -1);
    }
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    assert_int_equal(byte, 1);
    assert_int_equal(rig_start(&own->rig, &own->err), UB_EUNAVAILABLE);
    snprintf(pid, sizeof(pid), "pid %d", (int)child);
    assert_non_null(strstr(own->err.message, pid));
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    own_start(own); /* the lock ended with its process */
    assert_non_null(strstr(kit_log(own->rig.host), "unclean"));
    close(pipes[0]);
    close(pipes[1]);
}

static void refuse(struct own *own, const char *path, mode_t mode, uid_t owner, const char *word)
{
    assert_int_equal(chown(path, owner, (gid_t)-1), 0);
    assert_int_equal(chmod(path, mode), 0);
    assert_int_equal(rig_start(&own->rig, &own->err), UB_EDENIED);
    assert_non_null(strstr(own->err.message, word));
    assert_non_null(strstr(own->err.message, path));
    assert_int_equal(chown(path, 0, (gid_t)-1), 0);
    assert_int_equal(chmod(path, 0700), 0);
}

static void unsafe_folders_and_files_are_refused(void **state)
{
    struct own *own = *state;
    if (geteuid() != 0) {
        skip();
    }
    own_start(own);
    rig_stop(&own->rig);
    char dir[4096];
    snprintf(dir, sizeof(dir), "%s", own->rig.host->node->state_dir(own->rig.host));
    refuse(own, dir, 0500, 0, "mode 0500");
    refuse(own, dir, 0770, 0, "mode 0770");
    refuse(own, dir, 0700, 1234, "uid 1234");
    refuse(own, db_path(own), 0400, 0, "mode 0400");
    refuse(own, db_path(own), 0600, 1234, "uid 1234");
    own_start(own);
}

static void link_in_place_of_the_file_is_refused(void **state)
{
    struct own *own = *state;
    assert_int_equal(symlink("/tmp/elsewhere.db", db_path(own)), 0);
    assert_int_not_equal(rig_start(&own->rig, &own->err), UB_OK);
    assert_int_equal(access("/tmp/elsewhere.db", F_OK), -1);
}

static void missing_folder_is_named(void **state)
{
    struct own *own = *state;
    rig_set(&own->rig, "file", "nowhere/unibus.db");
    assert_int_equal(rig_start(&own->rig, &own->err), UB_EIO);
    assert_non_null(strstr(own->err.message, "nowhere"));
}

/* ---- what the file says -----------------------------------------------------------------------
 */

static void other_schemas_are_refused_with_both_versions(void **state)
{
    struct own *own = *state;
    own_start(own);
    own_put(own, "k", "v");
    rig_stop(&own->rig);
    sql(own, "PRAGMA user_version = 7");
    assert_int_equal(rig_start(&own->rig, &own->err), UB_EUNSUPPORTED);
    assert_non_null(strstr(own->err.message, db_path(own)));
    assert_non_null(strstr(own->err.message,
                           "has schema version 7 and this program knows 1: a newer "
                           "program wrote it"));
    sql(own, "PRAGMA user_version = 0");
    assert_int_equal(rig_start(&own->rig, &own->err), UB_EUNSUPPORTED);
    assert_non_null(strstr(own->err.message, "has schema version 0 and this program knows 1: an "
                                             "older program wrote it"));
    sql(own, "PRAGMA user_version = 1");
    own_start(own);
    own_expect(own, "k", "v");
}

static void file_of_another_program_is_refused(void **state)
{
    struct own *own = *state;
    sqlite3 *db;
    assert_int_equal(sqlite3_open(db_path(own), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE t (x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(chmod(db_path(own), 0600), 0);
    assert_int_equal(rig_start(&own->rig, &own->err), UB_EINVAL);
    assert_non_null(strstr(own->err.message, "no unibus store"));
}

static void file_without_a_database_is_refused(void **state)
{
    struct own *own = *state;
    char junk[8192];
    memset(junk, 'x', sizeof(junk));
    int fd = open(db_path(own), O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
    close(fd);
    assert_int_not_equal(rig_start(&own->rig, &own->err), UB_OK);
    assert_non_null(strstr(own->err.message, "no unibus store"));
    assert_non_null(strstr(own->err.message, db_path(own)));
}

/* ---- records that were changed behind our back ------------------------------------------------
 */

static void expect_damaged(struct own *own, const char *key)
{
    char got[64];
    assert_int_equal(own_get(own, key, got, sizeof(got)), UB_EDAMAGED);
    assert_string_equal(own->err.code, "E-KV-001");
}

static void changed_value_is_named(void **state)
{
    struct own *own = *state;
    own_start(own);
    own_put(own, "a/b", "right");
    own_put(own, "other", "right");
    sql(own, "UPDATE record SET value = x'77726f6e67' WHERE revision = 1");
    expect_damaged(own, "a/b");
    assert_non_null(strstr(own->err.message, "bucket main"));
    assert_non_null(strstr(own->err.message, "key a/b"));
    assert_non_null(strstr(own->err.message, "revision 1"));
    assert_non_null(strstr(rig_health(&own->rig), "problem E-KV-001 record damaged: bucket main"));
    own_expect(own, "other", "right");
    own_put(own, "a/b", "anew");
    own_expect(own, "a/b", "anew");
}

static void every_column_is_under_the_checksum(void **state)
{
    struct own *own = *state;
    static const char *const changes[] = {
        "UPDATE record SET revision = revision + 1000",
        "UPDATE record SET expires_ms = 99999999999999",
        "UPDATE record SET sum = x'00112233445566778899aabbccddeeff'",
        "UPDATE record SET sum = x''",
        "UPDATE record SET value = x''",
        "UPDATE record SET value = x'77'",
    };
    own_start(own);
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        own_put(own, "k", "v");
        own_expect(own, "k", "v");
        sql(own, changes[i]);
        own_put(own, "other", "v"); /* a commit, so that readers look anew */
        expect_damaged(own, "k");
    }
}

static void value_under_another_key_is_damage(void **state)
{
    struct own *own = *state;
    own_start(own);
    own_put(own, "a", "of a");
    own_put(own, "b", "of b");
    sql(own, "DELETE FROM record WHERE revision = 1;"
             "UPDATE record SET key = x'6100' WHERE revision = 2");
    expect_damaged(own, "a");
}

static void old_record_put_back_is_noticed_by_revision(void **state)
{
    struct own *own = *state;
    own_start(own);
    own_put(own, "k", "old");
    sql(own, "CREATE TABLE stash AS SELECT * FROM record");
    own_put(own, "k", "new");
    sql(own, "DELETE FROM record; INSERT INTO record SELECT * FROM stash; DROP TABLE stash");
    /* The record itself is intact, so it is served; but its revision is the old one. */
    assert_int_equal(own_expect(own, "k", "old"), 1);
    assert_int_equal(own_put(own, "k", "newest"), 3);
}

static void damaged_condition_fails_closed(void **state)
{
    struct own *own = *state;
    own_start(own);
    own_put(own, "k", "v");
    sql(own, "UPDATE record SET value = x'00'");
    assert_int_equal(own_try(own, UB_KV_CREATE, "k", "w", 0), UB_EDAMAGED);
    assert_int_equal(own_try(own, UB_KV_UPDATE, "k", "w", 1), UB_EDAMAGED);
    assert_int_equal(own_try(own, UB_KV_CHECK, "k", "", 1), UB_EDAMAGED);
    assert_int_equal(own_try(own, UB_KV_DELETE, "k", "", 1), UB_EDAMAGED);
    assert_int_equal(own_try(own, UB_KV_DELETE, "k", "", 0), UB_OK);
    assert_int_equal(own_try(own, UB_KV_CREATE, "k", "w", 0), UB_OK);
}

static bool count_one(void *arg, const struct ub_kv_entry *entry)
{
    (void)entry;
    ++*(int *)arg;
    return true;
}

static void list_gives_the_others_and_reports(void **state)
{
    struct own *own = *state;
    struct ub_kv_key all = {0};
    int count = 0;
    own_start(own);
    own_put(own, "a", "1");
    own_put(own, "b", "2");
    own_put(own, "c", "3");
    sql(own, "UPDATE record SET value = x'00' WHERE revision = 2");
    assert_int_equal(own->ops->list(own->bucket, &all, &all, 0, count_one, &count, &own->err),
                     UB_EDAMAGED);
    assert_int_equal(count, 2);
    assert_non_null(strstr(own->err.message, "key b"));
}

static void revision_of_a_bucket_survives_one_damaged_copy(void **state)
{
    struct own *own = *state;
    static const char *const changes[] = {
        "UPDATE head SET value = zeroblob(24) WHERE name = 'bucket/main'",
        "UPDATE head_copy SET sum = x'00' WHERE name = 'bucket/main'",
        "DELETE FROM head WHERE name = 'bucket/main'",
        "UPDATE head SET value = zeroblob(32) WHERE name = 'seal-key'",
        "UPDATE head_copy SET value = zeroblob(32) WHERE name = 'seal-key'",
    };
    own_start(own);
    own_put(own, "k", "v");
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        int64_t last = own_put(own, "k", "v");
        rig_stop(&own->rig);
        sql(own, changes[i]);
        own_start(own);
        assert_non_null(strstr(rig_health(&own->rig), "problem E-KV-001"));
        assert_int_equal(own_expect(own, "k", "v"), last);
        assert_int_equal(own_put(own, "k", "v"), last + 1);
    }
}

static void both_copies_damaged_fail_closed(void **state)
{
    struct own *own = *state;
    own_start(own);
    own_put(own, "k", "v");
    rig_stop(&own->rig);
    sql(own, "UPDATE head SET value = zeroblob(24) WHERE name = 'bucket/main';"
             "UPDATE head_copy SET value = zeroblob(24) WHERE name = 'bucket/main'");
    assert_int_equal(own_try_start(own), UB_EDAMAGED);
    assert_non_null(strstr(own->err.message, "bucket/main"));
    rig_stop(&own->rig);
    sql(own, "DELETE FROM head WHERE name = 'seal-key';"
             "DELETE FROM head_copy WHERE name = 'seal-key'");
    assert_int_equal(rig_start(&own->rig, &own->err), UB_EDAMAGED);
    assert_non_null(strstr(own->err.message, "seal key"));
}

/* ---- a full queue -----------------------------------------------------------------------------
 */

struct waiting_put {
    struct own *own;
    enum ub_status status;
    pthread_t thread;
};

static void *put_and_wait(void *arg)
{
    struct waiting_put *put = arg;
    struct ub_err err = UB_ERR_INIT;
    const struct ub_kv_write write = {
        put->own->bucket, UB_KV_PUT, own_key("k"), {(const uint8_t *)"v", 1}, 0};
    put->status = put->own->ops->write(put->own->bucket, &write, NULL, &err);
    return NULL;
}

static void full_queue_is_refused_at_once(void **state)
{
    enum { PUTS = 3 };
    struct own *own = *state;
    struct waiting_put puts[PUTS];
    sqlite3 *db;
    rig_set(&own->rig, "queue_max", "2");
    own_start(own);
    assert_int_equal(sqlite3_open(db_path(own), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    for (int i = 0; i < PUTS; i++) { /* one held by the writer, two in the queue */
        puts[i] = (struct waiting_put){.own = own};
        assert_int_equal(pthread_create(&puts[i].thread, NULL, put_and_wait, &puts[i]), 0);
        usleep(100000);
    }
    assert_int_equal(own_try(own, UB_KV_PUT, "k", "v", 0), UB_EUNAVAILABLE);
    assert_non_null(strstr(own->err.message, "queue_max"));
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    for (int i = 0; i < PUTS; i++) {
        pthread_join(puts[i].thread, NULL);
        assert_int_equal(puts[i].status, UB_OK);
    }
    sqlite3_close(db);
    own_put(own, "k", "w");
}

/* ---- reports ----------------------------------------------------------------------------------
 */

static void posture_and_health(void **state)
{
    struct own *own = *state;
    own_start(own);
    own_put(own, "k", "v");
    assert_string_equal(rig_posture(&own->rig), "fact durability disk\n");
    const char *health = rig_health(&own->rig);
    assert_non_null(strstr(health, "number writes 2\n")); /* with the bucket */
    assert_non_null(strstr(health, "number damaged 0\n"));
    assert_null(strstr(health, "problem"));
}

static void expired_records_are_swept(void **state)
{
    struct own *own = *state;
    const struct ub_kv_bucket_options options = {sizeof(options), 1000};
    own_start(own);
    kit_clock_advance(own->rig.host, 0);
    assert_int_equal(
        own->ops->bucket_open(own->rig.self, "short", &options, &own->bucket, &own->err), UB_OK);
    for (int i = 0; i < 600; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%d", i);
        own_put(own, key, "v");
    }
    kit_clock_advance(own->rig.host, 2000);
    kit_fire_timers(own->rig.host);
    for (int i = 0; i < 500 && strstr(rig_health(&own->rig), "swept 600\n") == NULL; i++) {
        usleep(10000);
    }
    assert_non_null(strstr(rig_health(&own->rig), "number swept 600\n"));
}

static void stopped_store_refuses(void **state)
{
    struct own *own = *state;
    own_start(own);
    unibus_module_kv_sqlite.ops->stop(own->rig.self);
    struct ub_kv_bucket *bucket = NULL;
    assert_int_equal(own->ops->bucket_open(own->rig.self, "main", NULL, &bucket, &own->err),
                     UB_EUNAVAILABLE);
    unibus_module_kv_sqlite.ops->destroy(own->rig.self);
    own->rig.self = NULL;
}

int main(void)
{
#define OWN(test) cmocka_unit_test_setup_teardown(test, own_setup, own_teardown)
    const struct CMUnitTest tests[] = {
        OWN(files_are_private),
        OWN(clean_stop_leaves_one_file),
        OWN(idle_readers_do_not_hold_the_wal),
        OWN(second_opener_is_refused_with_the_pid),
        OWN(second_process_is_refused_with_the_pid),
        OWN(unsafe_folders_and_files_are_refused),
        OWN(link_in_place_of_the_file_is_refused),
        OWN(missing_folder_is_named),
        OWN(other_schemas_are_refused_with_both_versions),
        OWN(file_of_another_program_is_refused),
        OWN(file_without_a_database_is_refused),
        OWN(changed_value_is_named),
        OWN(every_column_is_under_the_checksum),
        OWN(value_under_another_key_is_damage),
        OWN(old_record_put_back_is_noticed_by_revision),
        OWN(damaged_condition_fails_closed),
        OWN(list_gives_the_others_and_reports),
        OWN(revision_of_a_bucket_survives_one_damaged_copy),
        OWN(both_copies_damaged_fail_closed),
        OWN(full_queue_is_refused_at_once),
        OWN(posture_and_health),
        OWN(expired_records_are_swept),
        OWN(stopped_store_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
