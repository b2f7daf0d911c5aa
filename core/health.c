/* SPDX-License-Identifier: Apache-2.0 */
#include "health.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void health_init(struct health *health)
{
    memset(health, 0, sizeof(*health));
    pthread_mutex_init(&health->lock, NULL);
}

void health_fini(struct health *health)
{
    free(health->json[UB_DETAIL_PUBLIC]);
    free(health->json[UB_DETAIL_ADMIN]);
    pthread_mutex_destroy(&health->lock);
}

void health_publish(struct health *health, char *take_public, char *take_admin, bool is_healthy,
                    bool is_ready)
{
    pthread_mutex_lock(&health->lock);
    char *old_public = health->json[UB_DETAIL_PUBLIC];
    char *old_admin = health->json[UB_DETAIL_ADMIN];
    health->json[UB_DETAIL_PUBLIC] = take_public;
    health->json[UB_DETAIL_ADMIN] = take_admin;
    health->is_healthy = is_healthy;
    health->is_ready = is_ready;
    pthread_mutex_unlock(&health->lock);
    free(old_public);
    free(old_admin);
}

void health_await(struct health *health, const char *what)
{
    pthread_mutex_lock(&health->lock);
    health->is_waiting = what != NULL;
    snprintf(health->awaited, sizeof(health->awaited), "%s", what != NULL ? what : "");
    pthread_mutex_unlock(&health->lock);
}

bool health_is_waiting(struct health *health, char *what_out, size_t out_size)
{
    pthread_mutex_lock(&health->lock);
    bool is_waiting = health->is_waiting;
    snprintf(what_out, out_size, "%s", health->awaited);
    pthread_mutex_unlock(&health->lock);
    return is_waiting;
}

char *health_read(struct health *health, enum ub_detail detail, bool *is_healthy_out,
                  bool *is_ready_out)
{
    pthread_mutex_lock(&health->lock);
    const char *json = health->json[detail == UB_DETAIL_ADMIN ? UB_DETAIL_ADMIN : UB_DETAIL_PUBLIC];
    char *copy = strdup(json != NULL ? json : "{\"status\":\"starting\"}");
    if (is_healthy_out != NULL) {
        *is_healthy_out = health->is_healthy;
    }
    if (is_ready_out != NULL) {
        *is_ready_out = health->is_ready;
    }
    pthread_mutex_unlock(&health->lock);
    return copy;
}
