/* SPDX-License-Identifier: Apache-2.0 */
#include <ubs/home.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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

/* The folder's name must be on the disk before anything in it counts. Also when it was there: who
 * made it may not have come to this. */
enum ub_status ubs_home_make(const char *dir, struct ub_err *err)
{
    char above[PATH_MAX];
    const char *slash = strrchr(dir, '/');
    if (slash == NULL || slash == dir || slash[1] == '\0' || strlen(dir) + 32 >= sizeof(above)) {
        return ub_fail(err, UB_EINVAL, "dir = \"%s\" is no absolute path of a folder", dir);
    }
    snprintf(above, sizeof(above), "%.*s", (int)(slash - dir), dir);
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return fail_errno(err, "make the folder", dir);
    }
    int fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return is_synced ? UB_OK : fail_errno(err, "sync the folder", above);
}

enum ub_status ubs_home_fail_version(const char *place, const char *what, int64_t found,
                                     int64_t known, struct ub_err *err)
{
    const char *writer = found > known ? "a newer program wrote it, start that one"
                                       : "an older program wrote it and this one cannot convert "
                                         "it, start that one";
    return ub_fail(err, UB_EUNSUPPORTED,
                   "%s has %s %" PRId64 " and this program knows %" PRId64
                   ": %s, or restore a backup of version %" PRId64,
                   place, what, found, known, writer, known);
}

static enum ub_status open_dir(struct ubs_home *home, const char *dir, struct ub_err *err)
{
    home->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
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

/* ---- the lock ---------------------------------------------------------------------------------
 */

static enum ub_status fail_locked(int fd, const char *place, struct ub_err *err)
{
    char text[32] = {0};
    long pid = pread(fd, text, sizeof(text) - 1, 0) > 0 ? strtol(text, NULL, 10) : 0;
    return ub_fail(err, UB_EUNAVAILABLE,
                   "the store %s is in use by the process with pid %ld: stop that one, or give "
                   "this node a store of its own",
                   place, pid);
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

/* An OFD lock: unlike a POSIX one it also keeps out a second store in our own process, and closing
 * another descriptor of the file cannot drop it. It ends with the process. */
static enum ub_status take_lock(struct ubs_home *home, const char *name, const char *place,
                                struct ub_err *err)
{
    char text[32];
    int fd = openat(home->dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail_errno(err, "open the lock of", place);
    }
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
        enum ub_status status = errno == EAGAIN || errno == EACCES ? fail_locked(fd, place, err)
                                                                   : fail_errno(err, "lock", place);
        close(fd);
        return status;
    }
    home->lock_fd = fd;
    home->was_unclean = is_unclean(fd);
    snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    return write_mark(fd, text) ? UB_OK : fail_errno(err, "write the lock of", place);
}

enum ub_status ubs_home_open(struct ubs_home *home, const char *dir, const char *lock_name,
                             const char *place, struct ub_err *err)
{
    *home = (struct ubs_home)UBS_HOME_INIT;
    enum ub_status status = open_dir(home, dir, err);
    return status == UB_OK ? take_lock(home, lock_name, place, err) : status;
}

/* O_CREAT with 0600, so that it is private from the first moment. */
enum ub_status ubs_home_file(struct ubs_home *home, const char *dir, const char *name, off_t room,
                             struct ub_err *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = openat(home->dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail_errno(err, "open", path);
    }
    enum ub_status status = check_owner(fd, "file", path, err);
    if (status == UB_OK && room > 0 && (errno = posix_fallocate(fd, 0, room)) != 0) {
        status = fail_errno(err, "make room for", path);
    }
    close(fd);
    return status;
}

void ubs_home_close(struct ubs_home *home, bool is_clean)
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
