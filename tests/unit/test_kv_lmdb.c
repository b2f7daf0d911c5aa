/* SPDX-License-Identifier: Apache-2.0
 *
 * kv-lmdb passes the suite of ub.kv. What only kv-lmdb does is in test_kv_lmdb_own.c. */
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "conformance/kv_suite.h"
#include "conformance/rig.h"
#include "core/kit.h"

extern const struct ub_module unibus_module_kv_lmdb;

static void start(struct kv_store *store)
{
    struct rig *rig = store->ctx;
    struct ub_err err = UB_ERR_INIT;
    if (rig_start(rig, &err) != UB_OK) {
        fail_msg("start: %s", err.message);
    }
    store->ops = rig_ops(rig, UB_KV_IFACE);
    store->self = rig->self;
}

static void open_new(struct kv_store *store)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    assert_non_null(rig);
    rig_init(rig, &unibus_module_kv_lmdb);
    rig_set(rig, "deletions_max", "64");
    rig_set(rig, "map_start", "1 MiB"); /* so that it grows in some cases */
    kit_clock_advance(rig->host, 0);    /* time stands still until a case moves it */
    store->ctx = rig;
    start(store);
}

static void close_and_free(struct kv_store *store)
{
    rig_fini(store->ctx);
    free(store->ctx);
}

static void shut(struct kv_store *store)
{
    rig_stop(store->ctx);
}

static void advance(struct kv_store *store, int64_t ms)
{
    struct rig *rig = store->ctx;
    kit_clock_advance(rig->host, ms);
    kit_fire_timers(rig->host);
}

int main(void)
{
    static const struct kv_provider provider = {"kv-lmdb", open_new, close_and_free, shut, start,
                                                advance,   64};
    return kv_suite_run(&provider);
}
