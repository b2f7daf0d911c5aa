/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a store lies: its folder is ours, and no other process uses it. */
#ifndef UBS_HOME_H
#define UBS_HOME_H

#include <sys/types.h>

#include <unibus/abi.h>

struct ubs_home {
    int dir_fd, lock_fd; /* -1 = not open */
    bool was_unclean;    /* the last user did not close the store in good order */
};

#define UBS_HOME_INIT                                                                              \
    {                                                                                              \
        -1, -1, false                                                                              \
    }

/* Makes the folder (0700, durably) unless it is there. UB_EINVAL when it is no absolute path. */
enum ub_status ubs_home_make(const char *dir, struct ub_err *err);

/* Checks owner and mode of the folder and takes the lock `lock_name` in it, which holds our pid.
 * `place` is how messages call the store. UB_EDENIED names path, uid and mode; UB_EUNAVAILABLE the
 * pid of the process that has the store. */
enum ub_status ubs_home_open(struct ubs_home *home, const char *dir, const char *lock_name,
                             const char *place, struct ub_err *err);

/* Checks owner and mode of a file in the folder, or makes it (0600, not yet durable). `room` bytes
 * of it are allocated. Links are not followed. */
enum ub_status ubs_home_file(struct ubs_home *home, const char *dir, const char *name, off_t room,
                             struct ub_err *err);

/* UB_EUNSUPPORTED for a store whose version we do not know: what = "schema version", "format
 * version"; who wrote it follows from which of the two is greater. */
enum ub_status ubs_home_fail_version(const char *place, const char *what, int64_t found,
                                     int64_t known, struct ub_err *err);

/* Gives the lock back; is_clean says so to the next one who opens. Also after a failed open. */
void ubs_home_close(struct ubs_home *home, bool is_clean);

#endif
