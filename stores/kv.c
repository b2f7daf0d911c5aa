/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include <string.h>

#include <unibus/sized.h>

#define SWEEP_EVERY_MS 1000

void ubs_kv_init(struct ubs_kv *kv, const struct ubs_kv_options *options)
{
    *kv = (struct ubs_kv){.host = options->host,
                          .engine = options->engine,
                          .place = options->place,
                          .queue_max = options->queue_max,
                          .deletions_max = options->deletions_max};
    ubs_trouble_init(&kv->trouble, options->host, options->rows, options->place);
    ubs_writer_init(&kv->writer);
    ubs_watches_init(&kv->watches, options->host, options->engine->look);
    kv->wall_base_ms = kv->host->clock->now_ms(kv->host);
    kv->mono_base_ns = kv->host->clock->mono_ns(kv->host);
}

static void sweep_due(void *arg)
{
    ubs_writer_sweep_soon(arg);
}

enum ub_status ubs_kv_start(struct ubs_kv *kv, struct ub_err *err)
{
    const struct ub_host_loop *loop = kv->host->loop;
    enum ub_status status = ubs_writer_start(kv, err);
    if (status == UB_OK) {
        kv->sweep_timer = loop->timer_start(loop->main(kv->host), SWEEP_EVERY_MS, sweep_due, kv);
    }
    return status;
}

void ubs_kv_stop(struct ubs_kv *kv)
{
    if (kv->sweep_timer != NULL) {
        kv->host->loop->timer_stop(&kv->sweep_timer);
    }
    ubs_writer_stop(kv);
    ubs_watches_stop(&kv->watches);
    ubs_buckets_free(kv);
}

void ubs_kv_fini(struct ubs_kv *kv)
{
    ubs_watches_fini(&kv->watches);
    ubs_writer_fini(&kv->writer);
    ubs_trouble_fini(&kv->trouble);
}

void ubs_kv_health(struct ubs_kv *kv, const struct ub_health_sink *sink)
{
    sink->number(sink->ctx, "writes", atomic_load(&kv->writer.job_count));
    sink->number(sink->ctx, "commits", atomic_load(&kv->writer.commit_count));
    sink->number(sink->ctx, "swept", atomic_load(&kv->sweep_count));
    ubs_trouble_health(&kv->trouble, sink);
}

int64_t ubs_kv_now_ms(const struct ubs_kv *kv)
{
    int64_t passed_ns = kv->host->clock->mono_ns(kv->host) - kv->mono_base_ns;
    return kv->wall_base_ms + passed_ns / 1000000;
}

bool ubs_is_expired(const struct ubs_kv *kv, const struct ubs_record *record)
{
    return record->expires_ms > 0 && record->expires_ms <= ubs_kv_now_ms(kv);
}

static void caps(void *self, struct ub_kv_caps *caps_out)
{
    (void)self;
    const struct ub_kv_caps own = {sizeof(own), UB_KV_BATCH_BUCKET | UB_KV_BATCH_STORE, 1, "disk"};
    ub_sized_give(caps_out, &own, sizeof(own));
}

static enum ub_status watch(struct ub_kv_bucket *bucket, const struct ub_kv_key *prefix,
                            int64_t from_revision, ub_kv_watch_fn fn, void *arg,
                            struct ub_kv_watch **watch_out, struct ub_err *err)
{
    return ubs_watch_open(&bucket->kv->watches, bucket, &bucket->revision, prefix, from_revision,
                          fn, arg, watch_out, err);
}

const struct ub_kv_ops ubs_kv_ops = {
    .size = sizeof(struct ub_kv_ops),
    .caps = caps,
    .bucket_open = ubs_bucket_open,
    .bucket_close = ubs_bucket_close,
    .revision = ubs_bucket_revision,
    .get = ubs_get,
    .value_free = ubs_value_free,
    .write = ubs_write,
    .batch = ubs_batch,
    .list = ubs_list,
    .watch = watch,
    .unwatch = ubs_watch_close,
};
