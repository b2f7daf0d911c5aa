/* SPDX-License-Identifier: Apache-2.0 */
#include "home.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <unibus/error.h>

#define LOCK_CLEAN "closed\n"

static enum ub_status fail_errno(struct ub_err *err, const char *doing, const char *path)
{
    return ub_fail(err, UB_EIO, "cannot %s %s: %s", doing, path, strerror(errno));
}

/* Ours, writable for us, not writable for others? */
static enum ub_status check_owner(int fd, const char *what, const char *path, struct ub_err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return fail_errno(err, "examine", path);
    }
    if (st.st_uid != geteuid()) {
        return ub_fail(err, UB_EDENIED,
                       "the %s %s belongs to uid %u (mode %04o) and we are uid %u: chown it or "
                       "run as its owner",
                       what, path, st.st_uid, st.st_mode & 07777, geteuid());
    }
    if ((st.st_mode & S_IWUSR) == 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return ub_fail(err, UB_EDENIED,
                       "the %s %s has mode %04o (uid %u): it must be writable for its owner and "
                       "for nobody else; chmod it",
                       what, path, st.st_mode & 07777, st.st_uid);
    }
    return UB_OK;
}

static enum ub_status open_dir(struct kvsq_home *home, const char *file, struct ub_err *err)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(file, '/');
    if (slash == NULL || (size_t)(slash - file) >= sizeof(dir) || slash[1] == '\0') {
        return ub_fail(err, UB_EINVAL, "file = \"%s\" is no absolute path of a file", file);
    }
    snprintf(dir, sizeof(dir), "%.*s", slash == file ? 1 : (int)(slash - file), file);
    home->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (home->dir_fd < 0) {
        return fail_errno(err, "open the folder", dir);
    }
    enum ub_status status = check_owner(home->dir_fd, "folder", dir, err);
    if (status == UB_OK && faccessat(home->dir_fd, ".", W_OK | X_OK, AT_EACCESS) != 0) {
        return ub_fail(err, UB_EDENIED, "the folder %s is not writable for uid %u: %s", dir,
                       geteuid(), strerror(errno));
    }
    return status;
}

static enum ub_status fail_locked(int fd, const char *file, struct ub_err *err)
{
    char text[32] = {0};
    long pid = pread(fd, text, sizeof(text) - 1, 0) > 0 ? strtol(text, NULL, 10) : 0;
    return ub_fail(err, UB_EUNAVAILABLE,
                   "the store %s is in use by the process with pid %ld: stop that one, or give "
                   "this node a file of its own",
                   file, pid);
}

static bool write_mark(int fd, const char *text)
{
    size_t len = strlen(text);
    return ftruncate(fd, 0) == 0 && pwrite(fd, text, len, 0) == (ssize_t)len && fsync(fd) == 0;
}

static bool is_unclean(int fd)
{
    char text[32] = {0};
    ssize_t len = pread(fd, text, sizeof(text) - 1, 0);
    return len > 0 && strcmp(text, LOCK_CLEAN) != 0;
}

/* An OFD lock: unlike a POSIX one it also keeps out a second store in our own process, and SQLite's
 * closing of files cannot drop it. It ends with the process. */
static enum ub_status take_lock(struct kvsq_home *home, const char *file, struct ub_err *err)
{
    char path[PATH_MAX], text[32];
    if (snprintf(path, sizeof(path), "%s.lock", file) >= (int)sizeof(path)) {
        return ub_fail(err, UB_EINVAL, "file = \"%s\" is too long", file);
    }
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail_errno(err, "open", path);
    }
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
        enum ub_status status = errno == EAGAIN || errno == EACCES ? fail_locked(fd, file, err)
                                                                   : fail_errno(err, "lock", path);
        close(fd);
        return status;
    }
    home->lock_fd = fd;
    home->was_unclean = is_unclean(fd);
    snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    return write_mark(fd, text) ? UB_OK : fail_errno(err, "write", path);
}

/* Made by us, so that it is 0600 from the first moment; SQLite gives its other files this mode. */
static enum ub_status make_file(struct kvsq_home *home, const char *file, struct ub_err *err)
{
    const char *name = strrchr(file, '/') + 1;
    int fd = openat(home->dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail_errno(err, "open", file);
    }
    enum ub_status status = check_owner(fd, "file", file, err);
    if (close(fd) != 0 || fsync(home->dir_fd) != 0) {
        return fail_errno(err, "make", file);
    }
    return status;
}

enum ub_status kvsq_home_open(struct kvsq_home *home, const char *file, struct ub_err *err)
{
    *home = (struct kvsq_home){-1, -1, false};
    enum ub_status status = open_dir(home, file, err);
    if (status == UB_OK) {
        status = take_lock(home, file, err);
    }
    if (status == UB_OK) {
        status = make_file(home, file, err);
    }
    if (status != UB_OK) {
        kvsq_home_close(home, !home->was_unclean);
    }
    return status;
}

void kvsq_home_close(struct kvsq_home *home, bool is_clean)
{
    if (home->lock_fd >= 0) {
        if (is_clean) {
            (void)write_mark(home->lock_fd, LOCK_CLEAN);
        }
        close(home->lock_fd);
    }
    if (home->dir_fd >= 0) {
        close(home->dir_fd);
    }
    home->lock_fd = home->dir_fd = -1;
}
