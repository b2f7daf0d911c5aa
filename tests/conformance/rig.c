/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <inttypes.h>
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "core/kit.h"

static char report[8192];

static UB_PRINTF(1, 2) void report_line(const char *format, ...)
{
    size_t len = strlen(report);
    va_list args;
    va_start(args, format);
    vsnprintf(report + len, sizeof(report) - len, format, args);
    va_end(args);
}

static const struct ub_field *find_field(const struct ub_module *module, const char *name)
{
    for (uint32_t i = 0; i < module->field_count; i++) {
        if (strcmp(module->fields[i].name, name) == 0) {
            return &module->fields[i];
        }
    }
    fail_msg("%s has no setting %s", module->name, name);
    return NULL;
}

static char *keep_text(struct rig *rig, const char *format, const char *a, const char *b)
{
    size_t size = strlen(format) + strlen(a) + strlen(b) + 1;
    char *text = malloc(size);
    assert_non_null(text);
    assert_true(rig->text_count < sizeof(rig->texts) / sizeof(rig->texts[0]));
    rig->texts[rig->text_count++] = text;
    if (*b != '\0') {
        snprintf(text, size, "%s%s%s", a, format, b);
    } else {
        snprintf(text, size, "%s", a);
    }
    return text;
}

static int64_t parse_number(const char *text)
{
    static const struct {
        const char *unit;
        int64_t factor;
    } units[] = {{"KiB", 1024}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"ms", 1}, {"s", 1000}};
    char *end;
    int64_t number = strtoll(text, &end, 10);
    while (*end == ' ') {
        end++;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(end, units[i].unit) == 0) {
            return number * units[i].factor;
        }
    }
    assert_string_equal(end, "");
    return number;
}

static void set_field(struct rig *rig, const struct ub_field *field, const char *text)
{
    char *place = (char *)rig->settings + field->offset;
    switch (field->kind) {
    case UB_KIND_INT:
    case UB_KIND_SIZE:
    case UB_KIND_DURATION:
        *(int64_t *)(void *)place = parse_number(text);
        break;
    case UB_KIND_STATE_PATH:
        *(const char **)(void *)place =
            text[0] == '/' ? keep_text(rig, "", text, "") : rig_path(rig, text);
        break;
    case UB_KIND_STRING:
        *(const char **)(void *)place = keep_text(rig, "", text, "");
        break;
    default:
        fail_msg("the rig knows no fields of kind %d", (int)field->kind);
    }
}

void rig_init(struct rig *rig, const struct ub_module *module)
{
    memset(rig, 0, sizeof(*rig));
    rig->module = module;
    rig->host = kit_host_new(module->name);
    rig->settings = calloc(1, module->settings_size);
    assert_non_null(rig->settings);
    for (uint32_t i = 0; i < module->field_count; i++) {
        if (module->fields[i].default_text != NULL) {
            set_field(rig, &module->fields[i], module->fields[i].default_text);
        }
    }
}

void rig_fini(struct rig *rig)
{
    rig_stop(rig);
    kit_host_free(&rig->host);
    free(rig->settings);
    while (rig->text_count > 0) {
        free(rig->texts[--rig->text_count]);
    }
}

void rig_set(struct rig *rig, const char *name, const char *text)
{
    set_field(rig, find_field(rig->module, name), text);
}

const char *rig_path(struct rig *rig, const char *below)
{
    return keep_text(rig, "/", rig->host->node->state_dir(rig->host), below);
}

enum ub_status rig_start(struct rig *rig, struct ub_err *err)
{
    const struct ub_module_ops *ops = rig->module->ops;
    enum ub_status status = ops->create(rig->host, rig->settings, &rig->self, err);
    if (status == UB_OK) {
        status = ops->start(rig->self, err);
        if (status != UB_OK) {
            ops->destroy(rig->self);
        }
    }
    if (status != UB_OK) {
        rig->self = NULL;
    }
    return status;
}

void rig_stop(struct rig *rig)
{
    if (rig->self != NULL) {
        rig->module->ops->stop(rig->self);
        rig->module->ops->destroy(rig->self);
        rig->self = NULL;
    }
}

const void *rig_ops(const struct rig *rig, const char *iface)
{
    for (uint32_t i = 0; i < rig->module->provide_count; i++) {
        if (strcmp(rig->module->provides[i].iface, iface) == 0) {
            return rig->module->provides[i].ops;
        }
    }
    fail_msg("%s does not provide %s", rig->module->name, iface);
    return NULL;
}

static void on_number(void *ctx, const char *name, int64_t value)
{
    (void)ctx;
    report_line("number %s %" PRId64 "\n", name, value);
}

static void on_text(void *ctx, const char *name, const char *value)
{
    (void)ctx;
    report_line("text %s %s\n", name, value);
}

static void on_problem(void *ctx, const char *code, const char *what, const char *fix)
{
    (void)ctx;
    report_line("problem %s %s; %s\n", code, what, fix);
}

static void on_waiting(void *ctx, const char *what)
{
    (void)ctx;
    report_line("waiting %s\n", what);
}

const char *rig_health(struct rig *rig)
{
    const struct ub_health_sink sink = {sizeof(sink), NULL,       on_number,
                                        on_text,      on_problem, on_waiting};
    report[0] = '\0';
    rig->module->ops->health(rig->self, &sink);
    return report;
}

static void on_fact(void *ctx, const char *name, const char *value, const char *setting)
{
    (void)ctx;
    (void)setting;
    report_line("fact %s %s\n", name, value);
}

const char *rig_posture(struct rig *rig)
{
    const struct ub_posture_sink sink = {sizeof(sink), NULL, on_fact, NULL};
    report[0] = '\0';
    rig->module->ops->posture(rig->self, &sink);
    return report;
}
