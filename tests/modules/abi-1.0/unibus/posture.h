/* SPDX-License-Identifier: Apache-2.0
 *
 * Posture is facts and one level. Modules state facts; the core computes the level, compares it
 * with `posture { require = … }`, refuses to start or to reload into a weaker one, and publishes
 * the report (`/healthz`).
 *
 *     dev < enforce < cluster
 *
 *     fact     weakest ... strongest       who states it
 *     auth     off, observe, enforce       nats, http
 *     acl      off, external, on           nats
 *     tls      off, loopback, on           from the listeners
 *     any other name is shown and not judged: durability, replicas, engine, route …
 */
#ifndef UNIBUS_POSTURE_H
#define UNIBUS_POSTURE_H

#include <unibus/abi.h>

struct ub_posture_sink {
    uint32_t size;
    void *ctx;
    /* A fact; `setting` is the field that it comes from ("auth"), so that a refusal can name the
     * line, or NULL. */
    void (*fact)(void *ctx, const char *name, const char *value, const char *setting);
    /* A listener and how it is protected. */
    void (*listener)(void *ctx, const char *address, bool is_loopback, bool has_tls,
                     const char *setting);
};

struct ub_health_sink {
    uint32_t size;
    void *ctx;
    /* `generation` and names that begin with `cluster.` stand at the top of the report, for
     * everybody; every other value is for admins, under its module. */
    void (*number)(void *ctx, const char *name, int64_t value);
    void (*text)(void *ctx, const char *name, const char *value);
    /* Something is wrong: a stable code, what, and the fix. The node answers 503 on /healthz. */
    void (*problem)(void *ctx, const char *code, const char *what, const char *fix);
    /* Not ready yet, and for whom we wait. The node answers 503 on /readyz. */
    void (*waiting)(void *ctx, const char *what);
};

#endif
