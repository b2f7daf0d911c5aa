/* SPDX-License-Identifier: Apache-2.0 */
#include "acker.h"

#include <stdio.h>
#include <stdlib.h>

static const struct ub_field acker_fields[] = {
    UB_FIELD_STRING(struct acker_settings, subject, "acker", 0, "the first tokens of its subjects"),
    UB_FIELD_SIZE(struct acker_settings, pending_max, "1 MiB", 1, 64 << 20, 0,
                  "a flood waits while more than this is queued to its receiver"),
};

static enum ub_status acker_create(const struct ub_host *host, const void *settings,
                                   void **self_out, struct ub_err *err)
{
    struct acker *acker = calloc(1, sizeof(*acker));
    if (acker == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory for acker");
    }
    acker->host = host;
    acker->settings = settings;
    pthread_mutex_init(&acker->lock, NULL);
    pthread_cond_init(&acker->has_work, NULL);
    *self_out = acker;
    return UB_OK;
}

static enum ub_status acker_bind(void *self, const struct ub_service *service, struct ub_err *err)
{
    struct acker *acker = self;
    (void)err;
    acker->bus = service->ops;
    acker->bus_self = service->self;
    return UB_OK;
}

static enum ub_status acker_listen(struct acker *acker, enum acker_verb verb, struct ub_err *err)
{
    static const char *const names[] = {"ack", "echo", "pull", "flood"};
    struct acker_listener *listener = &acker->listeners[verb];
    char subject[256];
    snprintf(subject, sizeof(subject), "%s.%s", acker->settings->subject, names[verb]);
    struct ub_bus_sub_options options = {sizeof(options), subject, NULL, acker_deliver, listener};
    *listener = (struct acker_listener){acker, verb, NULL};
    return acker->bus->subscribe(acker->bus_self, &options, &listener->sub, err);
}

static void acker_stop(void *self)
{
    struct acker *acker = self;
    for (size_t i = 0; i < ACKER_VERBS; i++) {
        acker->bus->unsubscribe(acker->bus_self, &acker->listeners[i].sub);
    }
    if (acker->has_worker) {
        pthread_mutex_lock(&acker->lock);
        acker->is_over = true;
        pthread_mutex_unlock(&acker->lock);
        pthread_cond_signal(&acker->has_work);
        pthread_join(acker->worker, NULL);
        acker->has_worker = false;
        acker->bus->settle(acker->bus_self); /* on_refused comes no more */
    }
    for (size_t i = 0; i < ACKER_PULLS_MAX; i++) {
        acker->bus->unwatch_interest(acker->bus_self, &acker->pulls[i]);
    }
}

static enum ub_status acker_start(void *self, struct ub_err *err)
{
    struct acker *acker = self;
    enum ub_status status = UB_OK;
    for (int verb = 0; verb < ACKER_VERBS && status == UB_OK; verb++) {
        status = acker_listen(acker, (enum acker_verb)verb, err);
    }
    if (status == UB_OK) {
        acker->has_worker = pthread_create(&acker->worker, NULL, acker_work, acker) == 0;
        if (!acker->has_worker) {
            status = ub_fail(err, UB_EUNAVAILABLE, "cannot start a thread");
        }
    }
    if (status != UB_OK) {
        acker_stop(acker);
    }
    return status;
}

static void acker_destroy(void *self)
{
    struct acker *acker = self;
    acker_items_drop(&acker->queue);
    free(acker->queue.list);
    free(acker->taken.list);
    pthread_cond_destroy(&acker->has_work);
    pthread_mutex_destroy(&acker->lock);
    free(acker);
}

static void acker_health(void *self, const struct ub_health_sink *sink)
{
    const struct acker *acker = self;
    sink->number(sink->ctx, "delivered", atomic_load(&acker->delivered));
    sink->number(sink->ctx, "batches", atomic_load(&acker->batches));
    sink->number(sink->ctx, "answered", atomic_load(&acker->answered));
    sink->number(sink->ctx, "refused", atomic_load(&acker->refused));
    sink->number(sink->ctx, "gone", atomic_load(&acker->gone));
    sink->number(sink->ctx, "pulling", atomic_load(&acker->pulling));
}

static const struct ub_module_ops acker_ops = {.size = sizeof(struct ub_module_ops),
                                               .create = acker_create,
                                               .bind = acker_bind,
                                               .start = acker_start,
                                               .stop = acker_stop,
                                               .destroy = acker_destroy,
                                               .health = acker_health};

static const struct ub_require acker_requires[] = {
    {sizeof(struct ub_require), UB_BUS_IFACE, 1, 1, 0, NULL}};

UB_MODULE = {.size = sizeof(struct ub_module),
             .abi_major = 1,
             .abi_minor = 0,
             .name = "acker",
             .version = "1.0",
             .summary = "acknowledges every message, for tests and measurements of ub.bus",
             .ops = &acker_ops,
             .settings_size = sizeof(struct acker_settings),
             UB_TABLE(fields, field, acker_fields),
             UB_TABLE(requires_, require, acker_requires)};
