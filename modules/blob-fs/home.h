/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the blobs lie: a folder that is ours and that no other process uses. */
#ifndef BLOBFS_HOME_H
#define BLOBFS_HOME_H

#include <unibus/abi.h>

struct blobfs_home {
    int dir_fd, tmp_fd, lock_fd; /* -1 = not open */
};

/* Makes the folder (0700) when it is absent, checks owner and mode, takes `<dir>/lock`, which holds
 * our pid, and empties `<dir>/tmp`. UB_EDENIED names path, uid and mode; UB_EUNAVAILABLE the pid of
 * the process that has the store. */
enum ub_status blobfs_home_open(struct blobfs_home *home, const char *dir, struct ub_err *err);
void blobfs_home_close(struct blobfs_home *home);

#endif
