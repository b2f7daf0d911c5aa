/* SPDX-License-Identifier: Apache-2.0
 *
 * The check before LMDB opens the file: every page that it could come to is there, lies within the
 * file, is used once, and leads to where its keys say. LMDB itself checks nothing of that: a
 * shortened file ends the process by SIGBUS, a flipped bit makes keys vanish. */
#ifndef KVLM_TREE_H
#define KVLM_TREE_H

#include <unibus/abi.h>

struct kvlm_tree_report {
    bool is_new;      /* nothing was committed yet */
    uint64_t bytes;   /* the pages that are in use, in bytes */
    uint64_t entries; /* cells */
    uint64_t strays;  /* cells whose place sum is wrong: what is absent may be one of these */
};

/* Reads the whole tree, not the values. UB_EDAMAGED names the page. */
enum ub_status kvlm_tree_check(int fd, const char *file, struct kvlm_tree_report *report_out,
                               struct ub_err *err);

#endif
