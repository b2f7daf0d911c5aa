/* SPDX-License-Identifier: Apache-2.0
 *
 * What every provider of ub.kv must pass: a table of cases over nothing but the interface. Each
 * case starts with an empty store.
 *
 *     static const struct kv_provider provider = {"kv-sqlite", open, close, reopen, advance, 64};
 *     int main(void) { return kv_suite_run(&provider); }
 */
#ifndef CONFORMANCE_KV_SUITE_H
#define CONFORMANCE_KV_SUITE_H

#include <unibus/kv.h>

struct kv_store {
    const struct ub_kv_ops *ops;
    void *self;
    void *ctx; /* the provider's */
};

struct kv_provider {
    const char *name;
    /* An empty store; fills the struct. */
    void (*open)(struct kv_store *store);
    void (*close)(struct kv_store *store);
    /* Stops the provider and starts it on the same data; self may change. Is also called in a child
     * process that the suite forks while the store is shut. */
    void (*shut)(struct kv_store *store);
    void (*reopen)(struct kv_store *store);
    /* Moves the store's clock, which else stands still, and lets it do what is due then. */
    void (*advance)(struct kv_store *store, int64_t ms);
    /* After so many deletions in a bucket, a watch from before them gets RESET. */
    int64_t deletions_max;
};

/* Runs all cases with cmocka; returns the number that failed. */
int kv_suite_run(const struct kv_provider *provider);

#endif
