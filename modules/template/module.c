/* SPDX-License-Identifier: Apache-2.0
 *
 * Descriptor, settings and life cycle. Every function here runs on the main loop and must not
 * block; the core calls them in the order in which they stand. */
#include <stdlib.h>

#include "gate.h"

/* What an operator may write in `module "template" { … }`. The core checks names, types and ranges,
 * fills the struct, and makes the docs: `membershipd explain template`. UB_LIVE: may change on
 * reload, see prepare. */
#define S struct template_settings
static const struct ub_field template_fields[] = {
    UB_FIELD_STRINGS(S, deny, NULL, UB_LIVE, "addresses and networks that are refused"),
    UB_FIELD_PATH(S, file, NULL, 0, "a file with more of them, one a line"),
    UB_FIELD_DURATION(S, every, "10 s", 100, 86400000, 0, "how often the file is read again"),
};
#undef S

/* ---- start ------------------------------------------------------------------------------------
 */

/* The setting as a list. What the table above cannot say is judged here, in words for people. */
static enum ub_status deny_read(const struct template_settings *settings,
                                struct template_addresses *list_out, struct ub_err *err)
{
    *list_out = (struct template_addresses){.count = 0};
    for (size_t i = 0; i < settings->deny.count; i++) {
        struct ub_err why = UB_ERR_INIT;
        enum ub_status status = template_addresses_add(list_out, settings->deny.items[i], &why);
        if (status != UB_OK) {
            template_addresses_fini(list_out);
            return ub_fail(err, status, "deny: %s", why.message);
        }
    }
    return UB_OK;
}

/* No side effects yet: no file, no port, no thread. `membershipd --check` comes this far. */
static enum ub_status template_create(const struct ub_host *host, const void *settings,
                                      void **self_out, struct ub_err *err)
{
    struct template_gate *gate = calloc(1, sizeof(*gate));
    if (gate == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory for the module");
    }
    gate->host = host;
    gate->settings = settings; /* lives until destroy, as host does */
    enum ub_status status = deny_read(settings, &gate->denied, err);
    if (status != UB_OK) {
        free(gate);
        return status;
    }
    pthread_rwlock_init(&gate->lock, NULL);
    *self_out = gate;
    return UB_OK;
}

/* Takes what the module holds while it runs. A file that is configured and cannot be read stops the
 * node: to go on without it would let in whom it refuses. */
static enum ub_status template_start(void *self, struct ub_err *err)
{
    struct template_gate *gate = self;
    if (gate->settings->file == NULL) {
        return UB_OK;
    }
    template_gate_read(gate);
    if (gate->trouble.status != UB_OK) {
        template_addresses_fini(&gate->fresh);
        return ub_fail_code(err, gate->trouble.status, "E-TEMPLATE-001", "%s",
                            gate->trouble.message);
    }
    template_gate_take(gate);
    return gate->host->pool->open(gate->host, "template", 1, 1, &gate->pool, err);
}

/* All modules have started: begin. */
static void template_ready(void *self)
{
    struct template_gate *gate = self;
    const struct ub_host *host = gate->host;
    ub_log(host, UB_LOG_INFO, "gate-closed", "addresses are refused",
           UB_NUMBER("networks", gate->denied.count + gate->from_file.count));
    if (gate->pool != NULL) {
        gate->timer = host->loop->timer_start(host->loop->main(host), gate->settings->every,
                                              template_gate_refresh, gate);
    }
}

/* ---- reload: prepare in every module, then commit in all or abort in all ----------------------
 */

/* May fail, changes nothing yet. The token is what commit will need. */
static enum ub_status template_prepare(void *self, const void *settings, void **token_out,
                                       struct ub_err *err)
{
    (void)self;
    struct template_addresses *list = calloc(1, sizeof(*list));
    if (list == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory for the new list");
    }
    enum ub_status status = deny_read(settings, list, err);
    if (status != UB_OK) {
        free(list);
        return status;
    }
    *token_out = list;
    return UB_OK;
}

/* Cannot fail. Of the settings only `deny` is live: the others cannot have changed. */
static void template_commit(void *self, void *token)
{
    struct template_gate *gate = self;
    struct template_addresses *list = token, old = gate->denied;
    pthread_rwlock_wrlock(&gate->lock);
    gate->denied = *list;
    pthread_rwlock_unlock(&gate->lock);
    template_addresses_fini(&old);
    free(list);
}

static void template_abort(void *self, void *token)
{
    struct template_addresses *list = token;
    (void)self;
    template_addresses_fini(list);
    free(list);
}

/* ---- stop -------------------------------------------------------------------------------------
 */

/* Gives back what start and ready took. close waits for a reading that is under way; its `done`
 * runs on this loop before destroy. */
static void template_stop(void *self)
{
    struct template_gate *gate = self;
    if (gate->timer != NULL) {
        gate->host->loop->timer_stop(&gate->timer);
    }
    if (gate->pool != NULL) {
        gate->host->pool->close(&gate->pool);
    }
}

static void template_destroy(void *self)
{
    struct template_gate *gate = self;
    template_addresses_fini(&gate->denied);
    template_addresses_fini(&gate->from_file);
    pthread_rwlock_destroy(&gate->lock);
    free(gate);
}

/* ---- what the node says of itself -------------------------------------------------------------
 */

/* Facts of the settings; may be asked before start. */
static void template_posture(void *self, const struct ub_posture_sink *sink)
{
    const struct template_gate *gate = self;
    sink->fact(sink->ctx, "address_file", gate->settings->file != NULL ? "on" : "off", "file");
}

/* About once a second. A problem makes /healthz answer 503: a stable code, what, and the fix. */
static void template_health(void *self, const struct ub_health_sink *sink)
{
    const struct template_gate *gate = self;
    sink->number(sink->ctx, "networks", (int64_t)(gate->denied.count + gate->from_file.count));
    sink->number(sink->ctx, "asked", atomic_load(&gate->asked));
    sink->number(sink->ctx, "refused", atomic_load(&gate->refused));
    if (!gate->is_reading && gate->trouble.status != UB_OK) {
        sink->problem(sink->ctx, "E-TEMPLATE-001", gate->trouble.message,
                      "mend the file; until then the list that was read last is in force");
    }
}

/* ---- the descriptor: the one symbol that the file exports -------------------------------------
 */

static const struct ub_module_ops template_ops = {
    .size = sizeof(struct ub_module_ops),
    .create = template_create,
    .start = template_start,
    .ready = template_ready,
    .prepare = template_prepare,
    .commit = template_commit,
    .abort = template_abort,
    .stop = template_stop,
    .destroy = template_destroy,
    .posture = template_posture,
    .health = template_health,
};

static const struct ub_provide template_provides[] = {
    {sizeof(struct ub_provide), UB_AUTHZ_IFACE, 1, 0, &template_authz_ops},
};

/* Literal numbers: what this source was written against, not what it happens to be built with. */
UB_MODULE = {
    .size = sizeof(struct ub_module),
    .abi_major = 1,
    .abi_minor = 0,
    .name = "template",
    .version = "0.1.0",
    .summary = "refuses clients by their address",
    .ops = &template_ops,
    .settings_size = sizeof(struct template_settings),
    UB_TABLE(fields, field, template_fields),
    UB_TABLE(provides, provide, template_provides),
};
