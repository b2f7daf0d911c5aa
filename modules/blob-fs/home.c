/* SPDX-License-Identifier: Apache-2.0 */
#include "home.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <unibus/error.h>

static enum ub_status fail_errno(struct ub_err *err, const char *doing, const char *path)
{
    return ub_fail(err, UB_EIO, "cannot %s %s: %s", doing, path, strerror(errno));
}

static enum ub_status check_owner(int fd, const char *path, struct ub_err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return fail_errno(err, "examine", path);
    }
    if (st.st_uid != geteuid()) {
        return ub_fail(err, UB_EDENIED,
                       "the folder %s belongs to uid %u (mode %04o) and we are uid %u: chown it "
                       "or run as its owner",
                       path, st.st_uid, st.st_mode & 07777, geteuid());
    }
    if ((st.st_mode & S_IWUSR) == 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return ub_fail(err, UB_EDENIED,
                       "the folder %s has mode %04o (uid %u): it must be writable for its owner "
                       "and for nobody else; chmod it",
                       path, st.st_mode & 07777, st.st_uid);
    }
    if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) != 0) {
        return ub_fail(err, UB_EDENIED, "the folder %s is not writable for uid %u: %s", path,
                       geteuid(), strerror(errno));
    }
    return UB_OK;
}

/* The name of the folder must be on the disk before anything in it counts. Also when it was there:
 * who made it may not have come to this. */
static enum ub_status keep_name(int dir_fd, const char *dir, struct ub_err *err)
{
    int above = openat(dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_kept = above >= 0 && fsync(above) == 0;
    enum ub_status status = is_kept ? UB_OK : fail_errno(err, "sync the folder above", dir);
    if (above >= 0) {
        close(above);
    }
    return status;
}

static enum ub_status open_dir(struct blobfs_home *home, const char *dir, struct ub_err *err)
{
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return fail_errno(err, "make the folder", dir);
    }
    home->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (home->dir_fd < 0) {
        return fail_errno(err, "open the folder", dir);
    }
    enum ub_status status = check_owner(home->dir_fd, dir, err);
    return status == UB_OK ? keep_name(home->dir_fd, dir, err) : status;
}

static enum ub_status fail_locked(int fd, const char *dir, struct ub_err *err)
{
    char text[32] = {0};
    long pid = pread(fd, text, sizeof(text) - 1, 0) > 0 ? strtol(text, NULL, 10) : 0;
    return ub_fail(err, UB_EUNAVAILABLE,
                   "the store %s is in use by the process with pid %ld: stop that one, or give "
                   "this node a folder of its own",
                   dir, pid);
}

/* An OFD lock also keeps out a second store in our own process, and ends with the process. */
static enum ub_status take_lock(struct blobfs_home *home, const char *dir, struct ub_err *err)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    home->lock_fd = openat(home->dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (home->lock_fd < 0) {
        return fail_errno(err, "open the lock of", dir);
    }
    if (fcntl(home->lock_fd, F_OFD_SETLK, &lock) != 0) {
        return errno == EAGAIN || errno == EACCES ? fail_locked(home->lock_fd, dir, err)
                                                  : fail_errno(err, "lock", dir);
    }
    bool is_written =
        ftruncate(home->lock_fd, 0) == 0 && pwrite(home->lock_fd, text, (size_t)len, 0) == len;
    return is_written ? UB_OK : fail_errno(err, "write the lock of", dir);
}

/* What a process that died was writing. */
static enum ub_status empty_tmp(struct blobfs_home *home, const char *dir, struct ub_err *err)
{
    DIR *tmp = fdopendir(fcntl(home->tmp_fd, F_DUPFD_CLOEXEC, 0));
    if (tmp == NULL) {
        return fail_errno(err, "read the folder tmp of", dir);
    }
    enum ub_status status = UB_OK;
    for (struct dirent *entry; status == UB_OK && (entry = readdir(tmp)) != NULL;) {
        bool is_dots = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
        if (!is_dots && unlinkat(home->tmp_fd, entry->d_name, 0) != 0) {
            status = fail_errno(err, "remove an unfinished file in tmp of", dir);
        }
    }
    closedir(tmp);
    return status;
}

static enum ub_status open_tmp(struct blobfs_home *home, const char *dir, struct ub_err *err)
{
    if (mkdirat(home->dir_fd, "tmp", 0700) != 0 && errno != EEXIST) {
        return fail_errno(err, "make the folder tmp in", dir);
    }
    home->tmp_fd = openat(home->dir_fd, "tmp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return home->tmp_fd >= 0 ? empty_tmp(home, dir, err)
                             : fail_errno(err, "open the folder tmp in", dir);
}

enum ub_status blobfs_home_open(struct blobfs_home *home, const char *dir, struct ub_err *err)
{
    *home = (struct blobfs_home){-1, -1, -1};
    enum ub_status status = open_dir(home, dir, err);
    if (status == UB_OK) {
        status = take_lock(home, dir, err);
    }
    if (status == UB_OK) {
        status = open_tmp(home, dir, err);
    }
    if (status != UB_OK) {
        blobfs_home_close(home);
    }
    return status;
}

void blobfs_home_close(struct blobfs_home *home)
{
    int *fds[] = {&home->tmp_fd, &home->lock_fd, &home->dir_fd};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (*fds[i] >= 0) {
            close(*fds[i]);
        }
        *fds[i] = -1;
    }
}
