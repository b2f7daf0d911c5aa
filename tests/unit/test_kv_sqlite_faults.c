/* SPDX-License-Identifier: Apache-2.0
 *
 * System calls that fail under the store: every write, sync, truncation in turn, with EIO, ENOSPC,
 * EDQUOT, EROFS, and short writes. What was acknowledged is there after the restart; after an I/O
 * error the store is read-only, after a full disk it goes on by itself. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sqlite3.h>

#include "core/kit.h"
#include "kv_own.h"

/* The fault: the call number `at` (from 1) of this kind fails, and all after it when it stays. */
static struct {
    _Atomic int calls, at;
    _Atomic int error; /* 0 = a short write */
    atomic_bool stays;
    const char *_Atomic kind; /* NULL = none */
} fault;

static bool is_hit(const char *kind)
{
    const char *armed = atomic_load(&fault.kind);
    if (armed == NULL || strcmp(armed, kind) != 0) {
        return false;
    }
    int call = atomic_fetch_add(&fault.calls, 1) + 1;
    return call == fault.at || (call > fault.at && fault.stays);
}

/* These stand before the C library's for libsqlite3 too. */
__attribute__((visibility("default"))) int fdatasync(int fd);
__attribute__((visibility("default"))) int fsync(int fd);

int fdatasync(int fd)
{
    if (is_hit("sync")) {
        errno = fault.error;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    if (is_hit("sync")) {
        errno = fault.error;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

static ssize_t faulty_pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    if (is_hit("write")) {
        if (fault.error != 0) {
            errno = fault.error;
            return -1;
        }
        len = (len + 1) / 2; /* SQLite writes the rest: must go unnoticed */
    }
    return pwrite(fd, bytes, len, offset);
}

static int faulty_ftruncate(int fd, off_t size)
{
    if (is_hit("truncate")) {
        errno = fault.error;
        return -1;
    }
    return ftruncate(fd, size);
}

static void set_calls(sqlite3_syscall_ptr write_fn, sqlite3_syscall_ptr truncate_fn)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find("unix");
    assert_non_null(vfs);
    assert_int_equal(vfs->xSetSystemCall(vfs, "ftruncate", truncate_fn), SQLITE_OK);
    int first = vfs->xSetSystemCall(vfs, "pwrite64", write_fn);
    int second = vfs->xSetSystemCall(vfs, "pwrite", write_fn);
    assert_true(first == SQLITE_OK || second == SQLITE_OK);
}

static void arm(const char *kind, int error, int at, bool stays)
{
    fault.calls = 0;
    fault.error = error;
    fault.at = at;
    fault.stays = stays;
    atomic_store(&fault.kind, kind);
}

static void disarm(void)
{
    atomic_store(&fault.kind, NULL);
}

static int setup(void **state)
{
    disarm();
    sqlite3_initialize();
    set_calls((sqlite3_syscall_ptr)faulty_pwrite, (sqlite3_syscall_ptr)faulty_ftruncate);
    int rc = own_setup(state);
    rig_set(&((struct own *)*state)->rig, "wal_size", "4 MiB"); /* some puts make a checkpoint */
    return rc;
}

static int teardown(void **state)
{
    disarm();
    int rc = own_teardown(state);
    set_calls(NULL, NULL);
    return rc;
}

/* ---- what each run does -----------------------------------------------------------------------
 */

#define PUTS       14
#define VALUE_SIZE (400 * 1024)

struct run {
    bool is_acked[PUTS], is_unknown[PUTS];
    int failed;
};

static char *value_of(int i)
{
    char *value = malloc(VALUE_SIZE + 1);
    assert_non_null(value);
    memset(value, 'a' + i % 26, VALUE_SIZE);
    value[VALUE_SIZE] = '\0';
    return value;
}

static void put_all(struct own *own, const char *prefix, struct run *run)
{
    memset(run, 0, sizeof(*run));
    for (int i = 0; i < PUTS; i++) {
        char key[32];
        char *value = value_of(i);
        snprintf(key, sizeof(key), "%s/%d", prefix, i);
        enum ub_status status = own_try(own, UB_KV_CREATE, key, value, 0);
        run->is_acked[i] = status == UB_OK;
        run->is_unknown[i] = status == UB_EUNKNOWN;
        run->failed += status != UB_OK;
        if (status != UB_OK) {
            assert_true(status == UB_EUNAVAILABLE || status == UB_EUNKNOWN);
            assert_true(own->err.message[0] != '\0');
        }
        free(value);
    }
}

static void expect_acked(struct own *own, const char *prefix, const struct run *run)
{
    for (int i = 0; i < PUTS; i++) {
        char key[32];
        char *value = value_of(i);
        struct ub_kv_value got = {.size = sizeof(got)};
        snprintf(key, sizeof(key), "%s/%d", prefix, i);
        struct ub_kv_key k = own_key(key);
        enum ub_status status = own->ops->get(own->bucket, &k, UB_KV_NEWEST, &got, &own->err);
        assert_true(status == UB_OK || (status == UB_ENOTFOUND && !run->is_acked[i]));
        if (!run->is_acked[i] && !run->is_unknown[i]) {
            assert_int_equal(status, UB_ENOTFOUND);
        }
        if (status == UB_OK) {
            assert_int_equal(got.bytes.len, VALUE_SIZE);
            assert_memory_equal(got.bytes.ptr, value, VALUE_SIZE);
        }
        own->ops->value_free(own->rig.self, &got);
        free(value);
    }
}

static void restart(struct own *own)
{
    rig_stop(&own->rig);
    own_start(own);
}

/* Fails call 1, then call 2, ... until a run had fewer calls than that. */
static void fail_each(struct own *own, const char *kind, int error, int step, bool is_fatal)
{
    int at = 1, runs = 0, hits = 0;
    own_start(own);
    for (bool is_reached = true; is_reached; at += step, runs++) {
        struct run run;
        char prefix[32];
        snprintf(prefix, sizeof(prefix), "%s-%d", kind, at);
        arm(kind, error, at, true);
        put_all(own, prefix, &run);
        is_reached = fault.calls >= at;
        disarm();
        hits += run.failed > 0;
        bool is_read_only = strstr(rig_health(&own->rig), "problem E-KV-002") != NULL;
        assert_true(!is_fatal || run.failed == 0 || is_read_only);
        expect_acked(own, prefix, &run); /* reading goes on */
        if (is_read_only) {
            assert_int_equal(own_try(own, UB_KV_PUT, "more", "v", 0), UB_EUNAVAILABLE);
            assert_string_equal(own->err.code, "E-KV-002");
        }
        restart(own);
        expect_acked(own, prefix, &run);
        own_put(own, "more", "v");
    }
    printf("%s, %s: %d runs, %d with a failed put\n", kind, strerror(error), runs, hits);
    assert_true(hits > 0);
}

static void failed_sync_is_fatal(void **state)
{
    fail_each(*state, "sync", EIO, 1, true);
}

static void failed_write_is_fatal(void **state)
{
    fail_each(*state, "write", EIO, 201, true);
}

static void read_only_file_system_is_fatal(void **state)
{
    fail_each(*state, "write", EROFS, 409, true);
}

static void short_writes_go_unnoticed(void **state)
{
    struct own *own = *state;
    struct run run;
    own_start(own);
    arm("write", 0, 1, true);
    put_all(own, "short", &run);
    disarm();
    assert_int_equal(run.failed, 0);
    restart(own);
    expect_acked(own, "short", &run);
}

static void disk_full_and_free_again(struct own *own, int error)
{
    struct run run;
    own_start(own);
    own_put(own, "before", "v");
    arm("write", error, 20, true);
    put_all(own, "full", &run);
    assert_true(run.failed > 0);
    for (int i = 0; i < PUTS; i++) {
        assert_false(run.is_unknown[i]);
    }
    assert_non_null(strstr(rig_health(&own->rig), "problem E-KV-003"));
    assert_null(strstr(rig_health(&own->rig), "problem E-KV-002"));
    disarm();
    own_put(own, "after", "v"); /* without a restart */
    assert_null(strstr(rig_health(&own->rig), "problem"));
    expect_acked(own, "full", &run);
    restart(own);
    expect_acked(own, "full", &run);
    own_expect(own, "before", "v");
    own_expect(own, "after", "v");
}

static void full_disk_is_no_end(void **state)
{
    disk_full_and_free_again(*state, ENOSPC);
}

static void full_quota_is_no_end(void **state)
{
    disk_full_and_free_again(*state, EDQUOT);
}

int main(void)
{
#define FAULT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        FAULT(failed_sync_is_fatal),
        FAULT(failed_write_is_fatal),
        FAULT(read_only_file_system_is_fatal),
        FAULT(short_writes_go_unnoticed),
        FAULT(full_disk_is_no_end),
        FAULT(full_quota_is_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
