/* SPDX-License-Identifier: Apache-2.0
 *
 * Reload of the config in two phases over all modules: plan a whole second node from the file, say
 * every fault and every change, then prepare each module that is touched, and commit all or abort
 * all. Whatever fails, the node goes on exactly as it was, and says so.
 *
 * Settings that create was given live until destroy, so fields without UB_LIVE may be read from
 * any thread for ever; those that prepare was given live until the next commit or abort. */
#ifndef CORE_RELOAD_H
#define CORE_RELOAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "plan.h"

#define RELOAD_SUMMARY_MAX 512

struct json_t;
struct reload_ask;

/* Of the last reload that was to be applied; the main loop's but for the generation. */
struct reload_status {
    _Atomic int64_t
        generation; /* of the config: 1 = as started; grows with every reload that was applied */
    int64_t applied_at_ms;
    int64_t last_at_ms; /* 0 = never */
    bool was_applied;
    char summary[RELOAD_SUMMARY_MAX];
};

struct reload {
    struct node *node;
    const struct plan_source *source;
    struct plan *plan; /* in force */
    struct reload_status status;
    void (*on_end)(void *ctx); /* on the main loop after each reload; NULL = nobody */
    void *ctx;

    pthread_mutex_t lock;
    pthread_cond_t has_ended;
    /* under lock */
    struct reload_ask *ask; /* of another thread: waits for the main loop */
    bool is_open;           /* between reload_open and reload_close */
};

struct reload_result {
    enum ub_status
        status; /* UB_OK; UB_EINVAL = faulty; UB_ECONFLICT = a restart or a weaker posture;
                   UB_EEXISTS = another one is under way; UB_EUNAVAILABLE = stopping */
    char summary[RELOAD_SUMMARY_MAX];
    struct json_t *json; /* {"ok", "applied", "dry", "generation", "summary", "changes": […],
                            "errors": […]} */
};

void reload_init(struct reload *reload, struct node *node, const struct plan_source *source,
                 struct plan *plan);
void reload_fini(struct reload *reload);

/* From now on reloads are run; publishes the config that is in force. Threads: the main loop's. */
void reload_open(struct reload *reload);
/* Whoever waits is told that the node stops, and nobody is taken any more. Threads: the main
 * loop's. */
void reload_close(struct reload *reload);

/* Runs one at once and logs its outcome. reload_result_fini follows. Threads: the main loop's. */
void reload_run(struct reload *reload, bool is_dry, struct reload_result *result_out);

/* Has the main loop run one and waits for it. reload_result_fini follows. Threads: any but a loop.
 */
void reload_ask(struct reload *reload, bool is_dry, struct reload_result *result_out);

void reload_result_fini(struct reload_result *result);

#endif
