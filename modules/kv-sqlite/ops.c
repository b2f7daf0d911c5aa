/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"
#include "write.h"

static void caps(void *self, struct ub_kv_caps *caps_out)
{
    (void)self;
    caps_out->flags = UB_KV_BATCH_BUCKET | UB_KV_BATCH_STORE;
    caps_out->replicas = 1;
    caps_out->durability = "disk";
}

const struct ub_kv_ops kvsq_ops = {
    .size = sizeof(struct ub_kv_ops),
    .caps = caps,
    .bucket_open = kvsq_bucket_open,
    .bucket_close = kvsq_bucket_close,
    .revision = kvsq_bucket_revision,
    .get = kvsq_get,
    .value_free = kvsq_value_free,
    .write = kvsq_write,
    .batch = kvsq_batch,
    .list = kvsq_list,
    .watch = kvsq_watch,
    .unwatch = kvsq_unwatch,
};
