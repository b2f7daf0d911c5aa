/* SPDX-License-Identifier: Apache-2.0
 *
 * blob-fs passes the suite of ub.blob. What only blob-fs does is in test_blob_fs_own.c. */
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "conformance/blob_suite.h"
#include "conformance/rig.h"

extern const struct ub_module unibus_module_blob_fs;

static void start(struct blob_store *store)
{
    struct rig *rig = store->ctx;
    struct ub_err err = UB_ERR_INIT;
    if (rig_start(rig, &err) != UB_OK) {
        fail_msg("start: %s", err.message);
    }
    store->ops = rig_ops(rig, UB_BLOB_IFACE);
    store->self = rig->self;
}

static void open_new(struct blob_store *store)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    assert_non_null(rig);
    rig_init(rig, &unibus_module_blob_fs);
    rig_set(rig, "max_item", "1 MiB");
    store->ctx = rig;
    start(store);
}

static void close_and_free(struct blob_store *store)
{
    rig_fini(store->ctx);
    free(store->ctx);
}

static void shut(struct blob_store *store)
{
    rig_stop(store->ctx);
}

int main(void)
{
    static const struct blob_provider provider = {"blob-fs", open_new, close_and_free, shut, start};
    return blob_suite_run(&provider);
}
