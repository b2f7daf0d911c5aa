/* SPDX-License-Identifier: Apache-2.0
 *
 * SQLite's own check of the structure, in the background after an unclean stop: a store of a
 * million keys must be open at once. */
#ifndef KVSQ_CHECK_H
#define KVSQ_CHECK_H

#include <stdatomic.h>

#include "db.h"

struct ub_pool;

struct kvsq_check {
    struct ub_pool *pool;
    atomic_bool is_stopping, is_running;
    atomic_bool is_owed; /* not run to its end yet: the next start has to */
};

enum ub_status kvsq_check_start(struct kvsq *store, struct ub_err *err);
/* Breaks a check off that is under way. */
void kvsq_check_stop(struct kvsq *store);

#endif
