/* SPDX-License-Identifier: Apache-2.0 */
#include "open.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/kit.h"

enum { EXIT_REFUSED = 3, EXIT_BROKEN = 4 };

void journal(const char *format, ...)
{
    char line[4096];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof(line) - 1, format, args);
    va_end(args);
    if (len < 0 || len >= (int)sizeof(line) - 1) {
        abort();
    }
    line[len++] = '\n';
    if (write(STDOUT_FILENO, line, (size_t)len) != len) {
        _exit(EXIT_BROKEN);
    }
}

/* The first state path of a store module says where its files lie. */
static void put_path(struct opened *opened)
{
    for (uint32_t i = 0; i < opened->module->field_count; i++) {
        const struct ub_field *field = &opened->module->fields[i];
        if (field->kind == UB_KIND_STATE_PATH) {
            char *place = (char *)opened->settings + field->offset;
            *(const char **)(void *)place = opened->path;
            return;
        }
    }
    abort();
}

void opened_open(struct opened *opened, const struct ub_module *module, const char *folder)
{
    static const char *const no_sets[] = {NULL};
    struct ub_err err = UB_ERR_INIT;
    *opened = (struct opened){.host = kit_host_new(module->name), .module = module};
    snprintf(opened->path, sizeof(opened->path), "%s/store", folder);
    const void *defaults = kit_settings(opened->host, module, no_sets);
    opened->settings = malloc(module->settings_size);
    if (defaults == NULL || opened->settings == NULL) {
        abort();
    }
    memcpy(opened->settings, defaults, module->settings_size);
    put_path(opened);
    enum ub_status status =
        module->ops->create(opened->host, opened->settings, &opened->self, &err);
    if (status == UB_OK) {
        status = module->ops->start(opened->self, &err);
    }
    if (status != UB_OK) {
        fprintf(stderr, "%s refuses to open %s: %s\n", module->name, opened->path, err.message);
        exit(EXIT_REFUSED);
    }
}

void opened_close(struct opened *opened)
{
    opened->module->ops->stop(opened->self);
    opened->module->ops->destroy(opened->self);
    free(opened->settings);
    kit_host_free(&opened->host);
}

const void *opened_ops(const struct opened *opened, const char *iface)
{
    for (uint32_t i = 0; i < opened->module->provide_count; i++) {
        if (strcmp(opened->module->provides[i].iface, iface) == 0) {
            return opened->module->provides[i].ops;
        }
    }
    abort();
}
