/* SPDX-License-Identifier: Apache-2.0 */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

bool state_path(const char *written, char *out, size_t out_size)
{
    char here[PATH_MAX];
    if (written[0] == '/') {
        return (size_t)snprintf(out, out_size, "%s", written) < out_size;
    }
    if (getcwd(here, sizeof(here)) == NULL) {
        return false;
    }
    return (size_t)snprintf(out, out_size, "%s/%s", strcmp(here, "/") == 0 ? "" : here, written) <
           out_size;
}

static bool state_is_private(const char *dir, struct ub_where where, struct report *report)
{
    struct stat st;
    if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode)) {
        report_add(report, ERROR_CONFIG_STATE, where, "node: state folder %s is not a folder", dir);
        return false;
    }
    if (st.st_uid != geteuid()) {
        report_add(
            report, ERROR_CONFIG_STATE, where,
            "node: state folder %s belongs to user %u, but this process runs as user %u: run "
            "chown -R %u %s",
            dir, (unsigned)st.st_uid, (unsigned)geteuid(), (unsigned)geteuid(), dir);
        return false;
    }
    if ((st.st_mode & 077) != 0) {
        report_add(report, ERROR_CONFIG_STATE, where,
                   "node: state folder %s can be used by others (mode %04o): run chmod 700 %s", dir,
                   (unsigned)st.st_mode & 07777u, dir);
        return false;
    }
    return true;
}

static void state_in_use(int fd, const char *dir, struct ub_where where, struct report *report)
{
    char pid[32] = "";
    ssize_t got = read(fd, pid, sizeof(pid) - 1);
    pid[got > 0 ? got : 0] = '\0';
    pid[strcspn(pid, "\n")] = '\0';
    report_add(report, ERROR_CONFIG_IN_USE, where,
               "node: state folder %s is in use by process %s: stop it, or give this node another "
               "node.state",
               dir, pid[0] != '\0' ? pid : "(unknown)");
}

static bool state_lock(const char *dir, struct ub_where where, int *lock_fd_out,
                       struct report *report)
{
    char file[PATH_MAX + 8], pid[32];
    snprintf(file, sizeof(file), "%s/lock", dir);
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        report_add(report, ERROR_CONFIG_STATE, where, "node: cannot open %s: %s", file,
                   strerror(errno));
        return false;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        state_in_use(fd, dir, where, report);
        close(fd);
        return false;
    }
    int len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)len, 0) != len) {
        report_add(report, ERROR_CONFIG_STATE, where, "node: cannot write %s: %s", file,
                   strerror(errno));
        close(fd);
        return false;
    }
    *lock_fd_out = fd;
    return true;
}

/* The folder's own name must survive a power failure too. A folder above that we may not read is
 * nothing that we could sync. */
static bool state_keep_name(const char *dir, struct ub_where where, struct report *report)
{
    char above[PATH_MAX + 8];
    snprintf(above, sizeof(above), "%s/..", dir);
    int fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_kept = fd < 0 || fsync(fd) == 0;
    if (!is_kept) {
        report_add(report, ERROR_CONFIG_STATE, where, "node: cannot sync the folder above %s: %s",
                   dir, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    return is_kept;
}

static bool sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return is_synced;
}

/* Makes what is missing above dir, below the working directory only: elsewhere a missing folder may
 * be a disk that is not mounted, and the node must not begin anew beside its own state. */
static bool make_above(const char *dir)
{
    char path[PATH_MAX], here[PATH_MAX];
    if (getcwd(here, sizeof(here)) == NULL || strlen(dir) >= sizeof(path)) {
        return false;
    }
    size_t base = strcmp(here, "/") == 0 ? 0 : strlen(here);
    if (strncmp(dir, here, base) != 0 || dir[base] != '/') {
        errno = ENOENT;
        return false;
    }
    snprintf(path, sizeof(path), "%s", dir);
    for (char *slash = strchr(path + base + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool is_new = mkdir(path, 0700) == 0;
        bool is_there = is_new || errno == EEXIST;
        if (is_new) {
            char *name = strrchr(path, '/');
            *name = '\0';
            is_there = sync_folder(path);
            *name = '/';
        }
        *slash = '/';
        if (!is_there) {
            return false;
        }
    }
    return true;
}

static bool make_folder(const char *dir)
{
    if (mkdir(dir, 0700) == 0 || errno == EEXIST) {
        return true;
    }
    return errno == ENOENT && make_above(dir) && (mkdir(dir, 0700) == 0 || errno == EEXIST);
}

bool state_open(const char *dir, struct ub_where where, int *lock_fd_out, struct report *report)
{
    if (!make_folder(dir)) {
        report_add(report, ERROR_CONFIG_STATE, where, "node: cannot make state folder %s: %s", dir,
                   strerror(errno));
        return false;
    }
    return state_is_private(dir, where, report) && state_keep_name(dir, where, report) &&
           state_lock(dir, where, lock_fd_out, report);
}

void state_close(int *lock_fd)
{
    if (*lock_fd >= 0) {
        close(*lock_fd); /* the file stays: removing it would race with who locks it next */
        *lock_fd = -1;
    }
}
