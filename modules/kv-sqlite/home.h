/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the store lies: the folder and file are ours, and no other process has them open. */
#ifndef KVSQ_HOME_H
#define KVSQ_HOME_H

#include <unibus/abi.h>

struct kvsq_home {
    int dir_fd, lock_fd; /* -1 = not open */
    bool was_unclean;    /* the last user did not close the store in good order */
};

/* Checks owner and mode of the folder and the file, makes the file (0600), and takes the lock
 * `<file>.lock`, which holds our pid. UB_EDENIED names path, uid and mode; UB_EUNAVAILABLE the pid
 * of the process that has the store. */
enum ub_status kvsq_home_open(struct kvsq_home *home, const char *file, struct ub_err *err);

/* Gives the lock back; is_clean says so to the next one who opens. */
void kvsq_home_close(struct kvsq_home *home, bool is_clean);

#endif
