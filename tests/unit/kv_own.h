/* SPDX-License-Identifier: Apache-2.0
 *
 * A kv-sqlite with the bucket "main", for the tests of what only kv-sqlite does. */
#ifndef TESTS_KV_OWN_H
#define TESTS_KV_OWN_H

#include <unibus/kv.h>

#include "conformance/rig.h"

extern const struct ub_module unibus_module_kv_sqlite;

struct own {
    struct rig rig;
    const struct ub_kv_ops *ops;
    struct ub_kv_bucket *bucket;
    struct ub_err err; /* of the last call */
    char path[4096];   /* of the last own_path */
};

/* For cmocka. The module is not started yet. */
int own_setup(void **state);
int own_teardown(void **state);

/* A file below the state folder; valid until the next call. */
const char *own_path(struct own *own, const char *below);

/* Starts the module and opens "main"; own_start ends the test when that fails. */
enum ub_status own_try_start(struct own *own);
void own_start(struct own *own);

struct ub_kv_key own_key(const char *one_segment_each);
enum ub_status own_try(struct own *own, enum ub_kv_verb verb, const char *key, const char *value,
                       int64_t expected);
/* These end the test on failure and return the revision. */
int64_t own_put(struct own *own, const char *key, const char *value);
int64_t own_expect(struct own *own, const char *key, const char *value);
/* The value as text. */
enum ub_status own_get(struct own *own, const char *key, char *out, size_t size);

#endif
