/* SPDX-License-Identifier: Apache-2.0 */
#include "home.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <unibus/error.h>

/* LMDB writes to the lock file through a map, and a full disk would then end the process by SIGBUS:
 * so its room is allocated before. */
#define LOCK_FILE_BYTES 16384
#define NEW_MARK        "unibus.new"

static enum ub_status fail_errno(struct ub_err *err, const char *doing, const char *path)
{
    return ub_fail(err, UB_EIO, "cannot %s %s: %s", doing, path, strerror(errno));
}

/* The mark stands from before the first byte until the first commit. */
static enum ub_status make_files(struct kvlm_home *home, const char *dir, struct ub_err *err)
{
    int dir_fd = home->base.dir_fd;
    if (faccessat(dir_fd, NEW_MARK, F_OK, 0) == 0) {
        (void)unlinkat(dir_fd, KVLM_DATA_FILE, 0);
        (void)unlinkat(dir_fd, KVLM_LOCK_FILE, 0);
    }
    home->is_new = faccessat(dir_fd, KVLM_DATA_FILE, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
    enum ub_status status = UB_OK;
    if (home->is_new) {
        status = ubs_home_file(&home->base, dir, NEW_MARK, 0, err);
    }
    if (status == UB_OK && fsync(dir_fd) != 0) {
        status = fail_errno(err, "sync the folder", dir);
    }
    if (status == UB_OK) {
        status = ubs_home_file(&home->base, dir, KVLM_DATA_FILE, 0, err);
    }
    return status == UB_OK ? ubs_home_file(&home->base, dir, KVLM_LOCK_FILE, LOCK_FILE_BYTES, err)
                           : status;
}

enum ub_status kvlm_home_open(struct kvlm_home *home, const char *dir, struct ub_err *err)
{
    enum ub_status status = ubs_home_make(dir, err);
    if (status == UB_OK) {
        status = ubs_home_open(&home->base, dir, "unibus.lock", dir, err);
    }
    return status == UB_OK ? make_files(home, dir, err) : status;
}

enum ub_status kvlm_home_made(struct kvlm_home *home, const char *dir, struct ub_err *err)
{
    int dir_fd = home->base.dir_fd;
    if (!home->is_new) {
        return UB_OK;
    }
    home->is_new = false;
    bool is_done = fsync(dir_fd) == 0 && unlinkat(dir_fd, NEW_MARK, 0) == 0 && fsync(dir_fd) == 0;
    return is_done ? UB_OK : fail_errno(err, "finish the store", dir);
}
