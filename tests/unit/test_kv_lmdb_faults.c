/* SPDX-License-Identifier: Apache-2.0
 *
 * kv-lmdb on a full disk and on one that fails: this program's own pwrite, writev and fdatasync
 * stand before the C library's, also for LMDB. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "kv_own.h"

static atomic_int write_error, meta_error, sync_error; /* an errno; 0 = works */
static atomic_int writes_failed, syncs_failed;

UB_EXPORT ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    if (atomic_load(&write_error) != 0) {
        atomic_fetch_add(&writes_failed, 1);
        errno = atomic_load(&write_error);
        return -1;
    }
    if (len < 4096 && at < 8192 && atomic_load(&meta_error) != 0) {
        errno = atomic_load(&meta_error);
        return -1;
    }
    return syscall(SYS_pwrite64, fd, bytes, len, at);
}

/* LMDB writes pages that follow each other so. */
UB_EXPORT ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (atomic_load(&write_error) != 0) {
        atomic_fetch_add(&writes_failed, 1);
        errno = atomic_load(&write_error);
        return -1;
    }
    return syscall(SYS_writev, fd, parts, count);
}

UB_EXPORT int fdatasync(int fd)
{
    if (atomic_load(&sync_error) != 0) {
        atomic_fetch_add(&syncs_failed, 1);
        errno = atomic_load(&sync_error);
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

static int heal(void **state)
{
    atomic_store(&write_error, 0);
    atomic_store(&meta_error, 0);
    atomic_store(&sync_error, 0);
    atomic_store(&writes_failed, 0);
    atomic_store(&syncs_failed, 0);
    return own_setup(state);
}

static int teardown(void **state)
{
    atomic_store(&write_error, 0);
    atomic_store(&meta_error, 0);
    atomic_store(&sync_error, 0);
    return own_teardown(state);
}

static void full_disk_refuses_and_goes_on(void **state)
{
    struct own *own = *state;
    own_start(own);
    int64_t last = own_put(own, "k", "v");
    atomic_store(&write_error, ENOSPC);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(own_try(own, UB_KV_PUT, "k", "w", 0), UB_EUNAVAILABLE);
        assert_non_null(strstr(own->err.message, "no room for the store"));
        own_expect(own, "k", "v");
    }
    assert_true(atomic_load(&writes_failed) >= 3);
    assert_non_null(strstr(rig_health(&own->rig), "problem E-KV-003 no room"));
    atomic_store(&write_error, 0);
    assert_int_equal(own_put(own, "k", "w"), last + 1);
    assert_null(strstr(rig_health(&own->rig), "problem"));
    rig_stop(&own->rig);
    own_start(own);
    assert_int_equal(own_expect(own, "k", "w"), last + 1);
}

static void bucket_opened_on_a_full_disk_is_there_later(void **state)
{
    struct own *own = *state;
    const struct ub_kv_bucket_options options = {sizeof(options), 0};
    struct ub_kv_bucket *bucket = NULL;
    own_start(own);
    atomic_store(&write_error, ENOSPC);
    assert_int_equal(own->ops->bucket_open(own->rig.self, "late", &options, &bucket, &own->err),
                     UB_EUNAVAILABLE);
    atomic_store(&write_error, 0);
    assert_int_equal(own->ops->bucket_open(own->rig.self, "late", &options, &bucket, &own->err),
                     UB_OK);
    own->bucket = bucket;
    own_put(own, "k", "v");
    rig_stop(&own->rig);
    own_start(own);
    assert_int_equal(
        own->ops->bucket_open(own->rig.self, "late", &options, &own->bucket, &own->err), UB_OK);
    assert_int_equal(own_expect(own, "k", "v"), 1);
}

/* After a failed fsync nothing is tried again: the outcome is the next start's to tell. */
static void failed_fsync_is_final(void **state)
{
    struct own *own = *state;
    own_start(own);
    int64_t last = own_put(own, "k", "v");
    atomic_store(&sync_error, EIO);
    assert_int_equal(own_try(own, UB_KV_PUT, "k", "w", 0), UB_EUNKNOWN);
    assert_int_equal(atomic_load(&syncs_failed), 1);
    atomic_store(&sync_error, 0);
    assert_int_equal(own_try(own, UB_KV_PUT, "k", "w", 0), UB_EUNAVAILABLE);
    assert_string_equal(own->err.code, "E-KV-002");
    assert_int_equal(atomic_load(&syncs_failed), 1);
    assert_non_null(strstr(rig_health(&own->rig), "problem E-KV-002"));
    own_expect(own, "k", "v"); /* reading goes on */
    rig_stop(&own->rig);
    own_start(own);
    assert_int_equal(own_expect(own, "k", "v"), last);
    own_put(own, "k", "x");
}

/* Nobody knows what a meta page holds that could not be written: LMDB itself gives up then. */
static void failed_meta_page_is_final(void **state)
{
    struct own *own = *state;
    own_start(own);
    own_put(own, "k", "v");
    atomic_store(&meta_error, ENOSPC);
    assert_int_equal(own_try(own, UB_KV_PUT, "k", "w", 0), UB_EUNKNOWN);
    atomic_store(&meta_error, 0);
    assert_int_equal(own_try(own, UB_KV_PUT, "k", "w", 0), UB_EUNAVAILABLE);
    assert_non_null(strstr(rig_health(&own->rig), "problem E-KV-002"));
    rig_stop(&own->rig);
    own_start(own);
    own_put(own, "k", "x");
}

int main(void)
{
#define FAULT(test) cmocka_unit_test_setup_teardown(test, heal, teardown)
    const struct CMUnitTest tests[] = {
        FAULT(full_disk_refuses_and_goes_on),
        FAULT(bucket_opened_on_a_full_disk_is_there_later),
        FAULT(failed_fsync_is_final),
        FAULT(failed_meta_page_is_final),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
