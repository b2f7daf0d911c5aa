/* SPDX-License-Identifier: Apache-2.0
 *
 * The one symbol that a module exports, and its life cycle.
 *
 *     create -> bind (once per required service) -> start -> ready -> drain -> stop -> destroy
 *
 * A step that fails unwinds exactly the steps that were done; `destroy` follows every `create` that
 * succeeded. A configured module that cannot start stops the node. Waiting for a peer, a quorum or
 * an engine is not a failure: start succeeds and health() says `waiting`.
 *
 * Threads: every entry point in struct ub_module_ops runs on the main loop. The entry points of
 * interfaces (kv.h, blob.h, bus.h, authz.h, httpd.h) say in their headers where they run.
 *
 * The same source builds as a `.so` and, with UB_STATIC_MODULE=<c name> defined, into a program.
 */
#ifndef UNIBUS_MODULE_H
#define UNIBUS_MODULE_H

#include <unibus/abi.h>
#include <unibus/error.h>
#include <unibus/host.h>
#include <unibus/posture.h>
#include <unibus/settings.h>

/* An interface that a module provides; `ops` is its constant ops table, called with the module's
 * own `self`. */
struct ub_provide {
    uint32_t size;
    const char *iface; /* "ub.kv" */
    uint16_t major, minor;
    const void *ops;
};

/* Flags of a requirement. */
#define UB_OPTIONAL 0x1u /* the module works without it; bind is then not called */
#define UB_EVERY    0x2u /* bind every provider, in the order of the config, not just one */
#define UB_NOT_SELF 0x4u /* with UB_EVERY: a module that provides it too is not bound to itself */

/* An interface that a module needs. `setting` names the field (UB_FIELD_SERVICE) that picks the
 * provider when there are several; NULL = the only one. */
struct ub_require {
    uint32_t size;
    const char *iface;
    uint16_t major, min_minor;
    uint32_t flags;
    const char *setting;
};

/* What bind hands over: ops of the type that the interface's header names, and the `self` to call
 * them with. Lives until the node has stopped. */
struct ub_service {
    uint32_t size;
    const char *iface;
    uint16_t major, minor;
    const char *module; /* who provides it, for messages */
    const void *ops;
    void *self;
};

/* create and destroy are required; any other may be NULL. */
struct ub_module_ops {
    uint32_t size;

    /* Allocate, judge the settings beyond what the field table can say, no side effects: no file,
     * no port, no thread. `settings` is the filled struct; it lives until destroy. While a reload
     * is planned there is for a moment a second one of the module, which is never started. */
    enum ub_status (*create)(const struct ub_host *host, const void *settings, void **self_out,
                             struct ub_err *err);
    enum ub_status (*bind)(void *self, const struct ub_service *service, struct ub_err *err);
    /* Take what the module holds while it runs: files open, ports bound. Do not serve yet. */
    enum ub_status (*start)(void *self, struct ub_err *err);
    /* Every module has started: begin to serve. Cannot fail. */
    void (*ready)(void *self);
    /* Finish what is under way, take nothing new; return at once, the core waits until
     * is_drained() or the deadline (monotonic milliseconds). */
    void (*drain)(void *self, int64_t deadline_mono_ms);
    bool (*is_drained)(void *self);
    void (*stop)(void *self);
    void (*destroy)(void *self);

    /* Reload in two phases over all modules: prepare in each whose settings changed or that has a
     * UB_LIVE path (the file behind it may have changed), then commit in all or abort in all that
     * had succeeded. commit and abort cannot fail. A module with a field
     * of UB_LIVE has prepare and commit. `settings` differ from those in force in UB_LIVE fields
     * only; they live until the next commit of the module has returned, or abort, or destroy. Those
     * of create live until destroy all the same, so what is not UB_LIVE may be read there for ever,
     * by any thread; secrets apart, which live as long as they are in force. */
    enum ub_status (*prepare)(void *self, const void *settings, void **token_out,
                              struct ub_err *err);
    void (*commit)(void *self, void *token);
    void (*abort)(void *self, void *token);

    /* State the facts of the settings; may be called after create, before start. */
    void (*posture)(void *self, const struct ub_posture_sink *sink);
    /* State how it goes; called about once a second. Must not block. */
    void (*health)(void *self, const struct ub_health_sink *sink);

    /* since 1.1 */
    /* The node is to leave without haste (SIGUSR2, lame duck): take nobody new, send those who are
     * here elsewhere, as slowly as the settings say; return at once. The core asks is_retired() and
     * then drains and stops. Both or neither; a module without them is retired at once. */
    void (*retire)(void *self);
    bool (*is_retired)(void *self);
};

struct ub_module {
    uint32_t size;
    uint16_t abi_major, abi_minor; /* literal numbers, chosen by the author, never a header macro */
    const char *name;              /* equals the name in the config and of the file: "kv-sqlite" */
    const char *version;
    const char *summary; /* one line */
    const struct ub_module_ops *ops;

    size_t settings_size;
    const struct ub_field *fields;
    uint32_t field_count, field_stride;
    const struct ub_provide *provides;
    uint32_t provide_count, provide_stride;
    const struct ub_require *requires_;
    uint32_t require_count, require_stride;
};

/* For the three tables in a descriptor: `UB_TABLE(fields, field, demo_fields)`. */
#define UB_TABLE(member, one, array)                                                               \
    .member = (array), .one##_count = (uint32_t)(sizeof(array) / sizeof((array)[0])),              \
    .one##_stride = (uint32_t)sizeof((array)[0])

/* The exported symbol: UB_MODULE = { .size = sizeof(struct ub_module), .abi_major = 1, … }; */
#ifdef UB_STATIC_MODULE
#define UB_MODULE_SYMBOL__(name) unibus_module_##name
#define UB_MODULE_SYMBOL_(name)  UB_MODULE_SYMBOL__(name)
#define UB_MODULE                                                                                  \
    UB_EXTERN_C const struct ub_module UB_MODULE_SYMBOL_(UB_STATIC_MODULE);                        \
    const struct ub_module UB_MODULE_SYMBOL_(UB_STATIC_MODULE)
#else
#define UB_MODULE                                                                                  \
    UB_EXTERN_C UB_EXPORT const struct ub_module unibus_module;                                    \
    UB_EXPORT const struct ub_module unibus_module
#endif

#endif
