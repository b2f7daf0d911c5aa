/* SPDX-License-Identifier: Apache-2.0 */
#include "view.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

void view_init(struct view *view)
{
    memset(view, 0, sizeof(*view));
    pthread_mutex_init(&view->lock, NULL);
}

void view_fini(struct view *view)
{
    for (size_t i = 0; i < VIEW_COUNT; i++) {
        free(view->texts[i]);
    }
    pthread_mutex_destroy(&view->lock);
}

void view_publish(struct view *view, enum view_text which, json_t *take_json)
{
    char *text = take_json != NULL ? json_dumps(take_json, JSON_COMPACT) : NULL;
    json_decref(take_json);
    if (text == NULL) {
        return;
    }
    pthread_mutex_lock(&view->lock);
    char *old = view->texts[which];
    view->texts[which] = text;
    pthread_mutex_unlock(&view->lock);
    free(old);
}

char *view_read(struct view *view, enum view_text which)
{
    pthread_mutex_lock(&view->lock);
    char *copy = strdup(view->texts[which] != NULL ? view->texts[which] : "{}");
    pthread_mutex_unlock(&view->lock);
    return copy;
}
