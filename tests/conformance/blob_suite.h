/* SPDX-License-Identifier: Apache-2.0
 *
 * What every provider of ub.blob must pass: a table of cases over nothing but the interface. Each
 * case starts with an empty store whose limit of one item is BLOB_SUITE_ITEM_MAX. */
#ifndef CONFORMANCE_BLOB_SUITE_H
#define CONFORMANCE_BLOB_SUITE_H

#include <unibus/blob.h>

#define BLOB_SUITE_ITEM_MAX (1024 * 1024)

struct blob_store {
    const struct ub_blob_ops *ops;
    void *self;
    void *ctx; /* the provider's */
};

struct blob_provider {
    const char *name;
    void (*open)(struct blob_store *store);
    void (*close)(struct blob_store *store);
    /* Stops the provider, and starts it on the same data; also called in a forked child. */
    void (*shut)(struct blob_store *store);
    void (*reopen)(struct blob_store *store);
};

/* Runs all cases with cmocka; returns the number that failed. */
int blob_suite_run(const struct blob_provider *provider);

#endif
