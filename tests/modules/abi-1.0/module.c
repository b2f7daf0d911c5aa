/* SPDX-License-Identifier: Apache-2.0
 *
 * A module as its author built it for ABI 1.0: the headers beside it are those of that version and
 * are never changed. It uses each table of the host that there was. */
#include <stdio.h>
#include <stdlib.h>

#include <unibus/module.h>

struct old_settings {
    int64_t every;
    const char *text;
    int mode;
    struct ub_listens listen;
};

struct old {
    const struct ub_host *host;
    const struct old_settings *settings;
    struct ub_pool *pool;
    struct ub_timer *timer;
};

static const struct ub_field old_fields[] = {
    UB_FIELD_DURATION(struct old_settings, every, "10 ms", 1, 60000, UB_LIVE, "how often it ticks"),
    UB_FIELD_STRING(struct old_settings, text, "old", 0, "what it says"),
    UB_FIELD_CHOICE(struct old_settings, mode, "b", "a|b|c", 0, "one of three"),
    UB_FIELD_LISTEN(struct old_settings, listen, NULL, 0, "an address"),
};

static enum ub_status old_create(const struct ub_host *host, const void *settings, void **self_out,
                                 struct ub_err *err)
{
    if (host->abi_major != 1 || host->size < sizeof(*host)) {
        return ub_fail(err, UB_EUNSUPPORTED, "the host's table is shorter than ABI 1.0 has it");
    }
    struct old *old = calloc(1, sizeof(*old));
    if (old == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory");
    }
    old->host = host;
    old->settings = settings;
    *self_out = old;
    return UB_OK;
}

static void old_tick(void *arg)
{
    const struct old *old = arg;
    char seen[64];
    old->host->node->post_fact(old->host, "old.tick", old->settings->text);
    old->host->node->read_fact(old->host, "old.tick", seen, sizeof(seen));
    ub_log(old->host, UB_LOG_INFO, "old-tick", "a tick", UB_TEXT("text", seen),
           UB_NUMBER("mode", old->settings->mode),
           UB_NUMBER("listens", old->settings->listen.count),
           UB_NUMBER("line", old->host->node->where(old->host, "text").line));
}

static void old_work(void *arg)
{
    (void)arg;
}

static enum ub_status old_start(void *self, struct ub_err *err)
{
    struct old *old = self;
    const struct ub_host *host = old->host;
    enum ub_status status = host->pool->open(host, "old", 1, 4, &old->pool, err);
    if (status != UB_OK) {
        return status;
    }
    old->timer =
        host->loop->timer_start(host->loop->main(host), old->settings->every, old_tick, old);
    return host->pool->submit(old->pool, old_work, old);
}

static void old_stop(void *self)
{
    struct old *old = self;
    old->host->loop->timer_stop(&old->timer);
    old->host->pool->close(&old->pool);
}

static const struct ub_module_ops old_ops = {
    .size = sizeof(old_ops),
    .create = old_create,
    .start = old_start,
    .stop = old_stop,
    .destroy = free,
};

UB_MODULE = {
    .size = sizeof(struct ub_module),
    .abi_major = 1,
    .abi_minor = 0,
    .name = "abi-old",
    .version = "1.0",
    .summary = "built for ABI 1.0",
    .ops = &old_ops,
    .settings_size = sizeof(struct old_settings),
    UB_TABLE(fields, field, old_fields),
};
