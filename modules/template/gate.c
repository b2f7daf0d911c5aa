/* SPDX-License-Identifier: Apache-2.0 */
#include "gate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX ((size_t)4 * 1024 * 1024)

/* ---- the file, read again while the lists are asked
 * -------------------------------------------------
 */

/* text has room for FILE_MAX + 1 bytes. */
static enum ub_status text_fill(FILE *file, const char *path, char *text, struct ub_err *err)
{
    size_t len = fread(text, 1, FILE_MAX + 1, file);
    if (ferror(file) != 0) {
        return ub_fail(err, UB_EIO, "cannot read %s: %s", path, strerror(errno));
    }
    if (len > FILE_MAX) {
        return ub_fail(err, UB_ELIMIT, "%s is larger than %zu bytes", path, FILE_MAX);
    }
    if (memchr(text, '\0', len) != NULL) {
        return ub_fail(err, UB_EINVAL, "%s is no text: it has a NUL in it", path);
    }
    text[len] = '\0';
    return UB_OK;
}

/* The whole file, to be freed; NULL = err says why. */
static char *file_text(const char *path, struct ub_err *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        ub_fail(err, UB_EIO, "cannot open %s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = malloc(FILE_MAX + 1);
    if (text == NULL) {
        ub_fail(err, UB_ENOMEM, "no memory to read %s", path);
    } else if (text_fill(file, path, text, err) != UB_OK) {
        free(text);
        text = NULL;
    }
    fclose(file);
    return text;
}

void template_gate_read(void *arg)
{
    struct template_gate *gate = arg;
    const char *path = gate->settings->file;
    gate->trouble = (struct ub_err)UB_ERR_INIT;
    char *text = file_text(path, &gate->trouble);
    if (text != NULL) {
        template_addresses_read(&gate->fresh, path, text, &gate->trouble);
        free(text);
    }
}

void template_gate_take(void *arg)
{
    struct template_gate *gate = arg;
    struct template_addresses old = gate->fresh; /* half a list is none */
    if (gate->trouble.status == UB_OK) {
        pthread_rwlock_wrlock(&gate->lock);
        old = gate->from_file;
        gate->from_file = gate->fresh;
        pthread_rwlock_unlock(&gate->lock);
    }
    gate->fresh = (struct template_addresses){.count = 0};
    template_addresses_fini(&old);
    gate->is_reading = false;
}

void template_gate_refresh(void *arg)
{
    struct template_gate *gate = arg;
    const struct ub_host *host = gate->host;
    if (gate->is_reading) {
        return; /* a slow disk: one reading at a time is enough */
    }
    gate->is_reading = host->pool->offload(gate->pool, template_gate_read, host->loop->main(host),
                                           template_gate_take, gate) == UB_OK;
}

/* ---- ub.authz: called by other modules, on their workers --------------------------------------
 */

static enum ub_verdict gate_judge(struct template_gate *gate, const char *address,
                                  struct ub_reason *reason_out)
{
    pthread_rwlock_rdlock(&gate->lock);
    bool is_listed = template_addresses_has(&gate->denied, address) ||
                     template_addresses_has(&gate->from_file, address);
    pthread_rwlock_unlock(&gate->lock);
    atomic_fetch_add(&gate->asked, 1);
    if (!is_listed) {
        return UB_ABSTAIN; /* who he is and what he may do, others say */
    }
    atomic_fetch_add(&gate->refused, 1);
    snprintf(reason_out->code, sizeof(reason_out->code), "address-denied");
    snprintf(reason_out->text, sizeof(reason_out->text), "%s is on the list of module \"template\"",
             address);
    return UB_DENY;
}

static enum ub_verdict gate_connect(void *self, const struct ub_cred *cred,
                                    struct ub_principal *principal_out,
                                    const struct ub_perms **perms_out, struct ub_reason *reason_out)
{
    (void)principal_out; /* only an UB_ALLOW fills them */
    (void)perms_out;
    return gate_judge(self, cred->address, reason_out);
}

static enum ub_verdict gate_action(void *self, const struct ub_principal *principal,
                                   const struct ub_action *action, struct ub_reason *reason_out)
{
    (void)principal;
    return gate_judge(self, action->address, reason_out);
}

static const struct ub_perms *gate_permissions(void *self, const struct ub_principal *principal)
{
    (void)self;
    (void)principal;
    return NULL; /* it never allowed anybody */
}

static enum ub_status gate_watch(void *self, ub_authz_changed_fn fn, void *arg, struct ub_err *err)
{
    (void)self;
    (void)fn;
    (void)arg;
    (void)err;
    return UB_OK; /* it grants no rights, so there is never a change of them to tell */
}

static void gate_unwatch(void *self, ub_authz_changed_fn fn, void *arg)
{
    (void)self;
    (void)fn;
    (void)arg;
}

const struct ub_authz_ops template_authz_ops = {
    .size = sizeof(struct ub_authz_ops),
    .connect = gate_connect,
    .permissions = gate_permissions,
    .action = gate_action,
    .watch = gate_watch,
    .unwatch = gate_unwatch,
};
