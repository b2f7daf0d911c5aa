/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the store lies: a folder that is ours, with LMDB's two files. */
#ifndef KVLM_HOME_H
#define KVLM_HOME_H

#include <ubs/home.h>

struct kvlm_home {
    struct ubs_home base;
    bool is_new; /* the store is being made */
};

#define KVLM_DATA_FILE "data.mdb" /* LMDB's names */
#define KVLM_LOCK_FILE "lock.mdb"

/* Makes the folder (0700) if need be, checks and locks it (see ubs_home_open; the lock is
 * `unibus.lock`), and makes or checks the files. What is left of a store that was never finished is
 * removed. */
enum ub_status kvlm_home_open(struct kvlm_home *home, const char *dir, struct ub_err *err);

/* A new store is whole: from now on it counts. */
enum ub_status kvlm_home_made(struct kvlm_home *home, const char *dir, struct ub_err *err);

#endif
