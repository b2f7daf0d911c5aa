/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts that the main loop writes and any thread reads: what the operator sees of the config and of
 * the modules. */
#ifndef CORE_VIEW_H
#define CORE_VIEW_H

#include <pthread.h>

struct json_t;

enum view_text { VIEW_CONFIG = 0, VIEW_MODULES, VIEW_COUNT };

struct view {
    pthread_mutex_t lock;
    char *texts[VIEW_COUNT]; /* NULL = nothing known yet */
};

void view_init(struct view *view);
void view_fini(struct view *view);

/* Replaces a text by this JSON (jansson; taken). Without memory the old one stays. */
void view_publish(struct view *view, enum view_text which, struct json_t *take_json);

/* A copy to be freed; NULL when there is no memory. "{}" before the first one. Threads: any. */
char *view_read(struct view *view, enum view_text which);

#endif
