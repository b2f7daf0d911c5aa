/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the blobs lie: a folder that is ours, and in it `tmp` for what is being written. */
#ifndef BLOBFS_HOME_H
#define BLOBFS_HOME_H

#include <ubs/home.h>

struct blobfs_home {
    struct ubs_home base;
    int tmp_fd; /* -1 = not open */
};

/* Makes the folder (0700) when it is absent, checks and locks it (see ubs_home_open; the lock is
 * `lock`), and empties `tmp`. */
enum ub_status blobfs_home_open(struct blobfs_home *home, const char *dir, struct ub_err *err);
void blobfs_home_close(struct blobfs_home *home);

#endif
