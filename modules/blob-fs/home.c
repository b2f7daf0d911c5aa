/* SPDX-License-Identifier: Apache-2.0 */
#include "home.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <unibus/error.h>

static enum ub_status fail_errno(struct ub_err *err, const char *doing, const char *path)
{
    return ub_fail(err, UB_EIO, "cannot %s %s: %s", doing, path, strerror(errno));
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
    if (mkdirat(home->base.dir_fd, "tmp", 0700) != 0 && errno != EEXIST) {
        return fail_errno(err, "make the folder tmp in", dir);
    }
    home->tmp_fd =
        openat(home->base.dir_fd, "tmp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return home->tmp_fd >= 0 ? empty_tmp(home, dir, err)
                             : fail_errno(err, "open the folder tmp in", dir);
}

enum ub_status blobfs_home_open(struct blobfs_home *home, const char *dir, struct ub_err *err)
{
    enum ub_status status = ubs_home_make(dir, err);
    if (status == UB_OK) {
        status = ubs_home_open(&home->base, dir, "lock", dir, err);
    }
    return status == UB_OK ? open_tmp(home, dir, err) : status;
}

void blobfs_home_close(struct blobfs_home *home)
{
    if (home->tmp_fd >= 0) {
        close(home->tmp_fd);
    }
    home->tmp_fd = -1;
    ubs_home_close(&home->base, true);
}
