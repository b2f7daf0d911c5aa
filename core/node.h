/* SPDX-License-Identifier: Apache-2.0
 *
 * What all modules of one node share. Core only; a module sees it through struct ub_host. */
#ifndef CORE_NODE_H
#define CORE_NODE_H

#include <limits.h>

#include "board.h"
#include "clock.h"
#include "decisions.h"
#include "health.h"
#include "log.h"
#include "view.h"
#include "watchdog.h"

struct reload;

struct node {
    char name[64];
    char state_dir[PATH_MAX];
    struct clock clock;
    struct log log;
    struct decisions decisions;
    struct board board;
    struct health health;
    struct view view;
    struct watchdog watchdog;
    struct reload *reload; /* NULL = this host cannot reload (the test kit) */
    struct ub_loop *main;
    /* Called by a module that cannot go on; any thread. */
    void (*fail)(struct node *node, const char *module, const char *code, const char *why);
    void *fail_ctx;
};

/* Everything but names and fail; log lines go to fd. Starts libsodium. */
enum ub_status node_init(struct node *node, int log_fd, struct ub_err *err);
void node_fini(struct node *node);

const char *node_version(void);

#endif
