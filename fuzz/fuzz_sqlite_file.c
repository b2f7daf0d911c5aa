/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the file of a kv-sqlite store: it starts or refuses with a reason, and when it
 * starts, reading, listing and writing end without a crash. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/kit.h"
#include "must.h"
#include "store.h"

extern const struct ub_module unibus_module_kv_sqlite;

static void put_file(const char *path, const uint8_t *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
}

static const struct ub_kv_ops *kv_ops(void)
{
    const struct ub_provide *provided = unibus_module_kv_sqlite.provides;
    MUST(strcmp(provided->iface, UB_KV_IFACE) == 0);
    return provided->ops;
}

static void use(void *self)
{
    const struct ub_kv_bucket_options options = {sizeof(options), 0};
    const struct ub_kv_key key = {1, {{(const uint8_t *)"k", 1}}};
    const struct ub_kv_ops *ops = kv_ops();
    struct ub_err err = UB_ERR_INIT;
    struct ub_kv_value value = {.size = sizeof(value)};
    struct ub_kv_bucket *bucket = NULL;
    int64_t revision;
    if (ops->bucket_open(self, "main", &options, &bucket, &err) != UB_OK) {
        return;
    }
    ops->get(bucket, &key, UB_KV_NEWEST, &value, &err);
    ops->value_free(self, &value);
    const struct ub_kv_write write = {bucket, UB_KV_PUT, key, {(const uint8_t *)"v", 1}, 0};
    ops->write(bucket, &write, &revision, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ub_host *host = kit_host_new("kv-sqlite");
    struct ub_err err = UB_ERR_INIT;
    char path[512];
    void *self = NULL;
    snprintf(path, sizeof(path), "%s/unibus.db", host->node->state_dir(host));
    put_file(path, data, size);
    const struct kvsq_settings settings = {
        .file = path, .queue_max = 16, .readers = 1, .deletions_max = 4, .wal_size = 1 << 20};
    MUST(unibus_module_kv_sqlite.ops->create(host, &settings, &self, &err) == UB_OK);
    if (unibus_module_kv_sqlite.ops->start(self, &err) == UB_OK) {
        use(self);
        unibus_module_kv_sqlite.ops->stop(self);
    } else {
        MUST(err.message[0] != '\0');
    }
    unibus_module_kv_sqlite.ops->destroy(self);
    kit_host_free(&host);
    return 0;
}
