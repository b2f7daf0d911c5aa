/* SPDX-License-Identifier: Apache-2.0 */
#include "kv_own.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

int own_setup(void **state)
{
    struct own *own = calloc(1, sizeof(*own));
    assert_non_null(own);
    own->err = (struct ub_err)UB_ERR_INIT;
    rig_init(&own->rig, &unibus_module_kv_sqlite);
    own->ops = rig_ops(&own->rig, UB_KV_IFACE);
    *state = own;
    return 0;
}

int own_teardown(void **state)
{
    struct own *own = *state;
    rig_fini(&own->rig);
    free(own);
    return 0;
}

const char *own_path(struct own *own, const char *below)
{
    snprintf(own->path, sizeof(own->path), "%s/%s", own->rig.host->node->state_dir(own->rig.host),
             below);
    return own->path;
}

enum ub_status own_try_start(struct own *own)
{
    const struct ub_kv_bucket_options options = {sizeof(options), 0};
    own->err = (struct ub_err)UB_ERR_INIT;
    enum ub_status status = rig_start(&own->rig, &own->err);
    return status != UB_OK
               ? status
               : own->ops->bucket_open(own->rig.self, "main", &options, &own->bucket, &own->err);
}

void own_start(struct own *own)
{
    if (own_try_start(own) != UB_OK) {
        fail_msg("start: %s", own->err.message);
    }
}

struct ub_kv_key own_key(const char *text)
{
    struct ub_kv_key key = {0};
    while (*text != '\0') {
        size_t len = strcspn(text, "/");
        key.segments[key.count++] = (struct ub_bytes){(const uint8_t *)text, len};
        text += len + (text[len] == '/');
    }
    return key;
}

static enum ub_status try_write(struct own *own, enum ub_kv_verb verb, const char *key,
                                const char *value, int64_t expected, int64_t *revision_out)
{
    const struct ub_kv_write write = {
        own->bucket, verb, own_key(key), {(const uint8_t *)value, strlen(value)}, expected};
    own->err = (struct ub_err)UB_ERR_INIT;
    return own->ops->write(own->bucket, &write, revision_out, &own->err);
}

enum ub_status own_try(struct own *own, enum ub_kv_verb verb, const char *key, const char *value,
                       int64_t expected)
{
    return try_write(own, verb, key, value, expected, NULL);
}

int64_t own_put(struct own *own, const char *key, const char *value)
{
    int64_t revision = 0;
    if (try_write(own, UB_KV_PUT, key, value, 0, &revision) != UB_OK) {
        fail_msg("put %s: %s", key, own->err.message);
    }
    return revision;
}

static enum ub_status get(struct own *own, const char *key, char *out, size_t size,
                          int64_t *revision_out)
{
    struct ub_kv_value value = {.size = sizeof(value)};
    struct ub_kv_key k = own_key(key);
    own->err = (struct ub_err)UB_ERR_INIT;
    enum ub_status status = own->ops->get(own->bucket, &k, UB_KV_NEWEST, &value, &own->err);
    snprintf(out, size, "%.*s", (int)value.bytes.len,
             value.bytes.len > 0 ? (const char *)value.bytes.ptr : "");
    *revision_out = value.revision;
    own->ops->value_free(own->rig.self, &value);
    return status;
}

enum ub_status own_get(struct own *own, const char *key, char *out, size_t size)
{
    int64_t revision;
    return get(own, key, out, size, &revision);
}

int64_t own_expect(struct own *own, const char *key, const char *value)
{
    char got[256];
    int64_t revision;
    if (get(own, key, got, sizeof(got), &revision) != UB_OK) {
        fail_msg("get %s: %s", key, own->err.message);
    }
    assert_string_equal(got, value);
    return revision;
}
