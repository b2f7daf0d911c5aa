/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the store lies: a folder that is ours, and that no other process has open. */
#ifndef KVLM_HOME_H
#define KVLM_HOME_H

#include <unibus/abi.h>

struct kvlm_home {
    int dir_fd, lock_fd; /* -1 = not open */
    bool was_unclean;    /* the last user did not close the store in good order */
    bool is_new;         /* the store is being made */
};

#define KVLM_DATA_FILE "data.mdb" /* LMDB's names */
#define KVLM_LOCK_FILE "lock.mdb"

/* Makes the folder (0700) if need be, checks owner and mode of it and of the files, and takes the
 * lock `unibus.lock` in it, which holds our pid. UB_EDENIED names path, uid and mode;
 * UB_EUNAVAILABLE the pid of the process that has the store. What is left of a store that was never
 * finished is removed. */
enum ub_status kvlm_home_open(struct kvlm_home *home, const char *dir, struct ub_err *err);

/* A new store is whole: from now on it counts. */
enum ub_status kvlm_home_made(struct kvlm_home *home, const char *dir, struct ub_err *err);

/* Gives the lock back; is_clean says so to the next one who opens. */
void kvlm_home_close(struct kvlm_home *home, bool is_clean);

#endif
