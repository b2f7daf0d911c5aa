/* SPDX-License-Identifier: Apache-2.0 */
#include "node.h"

#include <sodium.h>

#include <unibus/error.h>

#include "loop.h"

enum ub_status node_init(struct node *node, int log_fd, struct ub_err *err)
{
    memset(node, 0, sizeof(*node));
    if (sodium_init() < 0) {
        return ub_fail(err, UB_EINTERNAL, "libsodium cannot start: no source of randomness");
    }
    log_init(&node->log, &node->clock, log_fd);
    decisions_init(&node->decisions, &node->clock, &node->log);
    board_init(&node->board);
    health_init(&node->health);
    view_init(&node->view);
    watchdog_init(&node->watchdog, &node->log);
    enum ub_status status = loop_new("main", &node->main, err);
    if (status != UB_OK) {
        node_fini(node);
    }
    return status;
}

void node_fini(struct node *node)
{
    loop_free(&node->main);
    watchdog_fini(&node->watchdog);
    view_fini(&node->view);
    health_fini(&node->health);
    board_fini(&node->board);
    decisions_fini(&node->decisions);
    log_fini(&node->log);
}

const char *node_version(void)
{
    return UNIBUS_VERSION;
}
