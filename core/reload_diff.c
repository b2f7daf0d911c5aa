/* SPDX-License-Identifier: Apache-2.0 */
#include "reload_diff.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define DIFF_NAMES_MAX 8 /* that the summary lists */

/* ---- settings ---------------------------------------------------------------------------------
 */

static const char *take(struct reload_diff *diff, char *text)
{
    const char *copy = arena_copy(&diff->arena, text, strlen(text));
    free(text);
    return copy;
}

static const char *origin_of(struct reload_diff *diff, const struct effective *effective)
{
    char origin[512];
    effective_origin(effective, origin, sizeof(origin));
    return arena_copy(&diff->arena, origin, strlen(origin));
}

static const struct reload_change *change_add(struct reload_diff *diff,
                                              const struct effective *from,
                                              const struct effective *to)
{
    if (diff->count == diff->room) {
        diff->room = diff->room == 0 ? 16 : diff->room * 2;
        struct reload_change *bigger =
            arena_alloc(&diff->arena, diff->room, sizeof(*diff->changes));
        if (diff->count > 0) {
            memcpy(bigger, diff->changes, diff->count * sizeof(*bigger));
        }
        diff->changes = bigger;
    }
    struct reload_change *change = &diff->changes[diff->count++];
    *change = (struct reload_change){.name = take(diff, effective_name(to)),
                                     .from = take(diff, effective_text(from)),
                                     .to = take(diff, effective_text(to)),
                                     .from_origin = origin_of(diff, from),
                                     .to_origin = origin_of(diff, to),
                                     .is_live = effective_is_live(to)};
    return change;
}

static void restart_fault(const struct plan *next, const struct reload_change *change,
                          const struct effective *to, struct report *report)
{
    const char *setting = strchr(change->name, '.') + 1;
    struct ub_where where =
        to->said != NULL ? to->said->where : plan_where(next, to->of.block, setting);
    report_add(report, ERROR_RELOAD_RESTART, where,
               "%s: %s = %s (%s) needs a restart: the running node has %s (%s)",
               to->of.block->title, setting, change->to, change->to_origin, change->from,
               change->from_origin);
}

/* A live path is also touched when nothing differs: the file may. */
static bool is_path_to_read(const struct effective *effective)
{
    return effective->field.kind == UB_KIND_PATH && effective_is_live(effective);
}

/* True when a field of the block differs. */
static bool diff_fields(struct reload_diff *diff, const struct plan *next,
                        const struct plan_block *now, const struct plan_block *then,
                        struct report *report)
{
    bool is_touched = false;
    struct effective from, to;
    for (uint32_t i = 0; i < now->table.count; i++) {
        effective_at(now, i, &from);
        effective_at(then, i, &to);
        if (effective_is_same(&from, &to)) {
            is_touched = is_touched || is_path_to_read(&to);
            continue;
        }
        const struct reload_change *change = change_add(diff, &from, &to);
        is_touched = true;
        if (!change->is_live) {
            restart_fault(next, change, &to, report);
        }
    }
    return is_touched;
}

static const char *reserved_text(const struct plan_block *block, const char *name)
{
    const struct config_value *value = block_find(block->block, name);
    return value != NULL && value->text != NULL ? value->text : "";
}

/* `path` and `sha256` say which code runs. */
static void diff_reserved(const struct plan *next, const struct plan_block *now,
                          const struct plan_block *then, struct report *report)
{
    static const char *const names[] = {"path", "sha256"};
    for (size_t i = 0; i < 2; i++) {
        const char *from = reserved_text(now, names[i]), *to = reserved_text(then, names[i]);
        if (strcmp(from, to) != 0) {
            report_add(report, ERROR_RELOAD_MODULES, plan_where(next, then->block, names[i]),
                       "%s: %s = \"%s\" needs a restart: the running node has \"%s\"",
                       then->block->title, names[i], to, from);
        }
    }
}

/* ---- modules ----------------------------------------------------------------------------------
 */

static bool bindings_are_same(const struct instance *now, const struct instance *then)
{
    if (now->binding_count != then->binding_count) {
        return false;
    }
    for (size_t i = 0; i < now->binding_count; i++) {
        const struct binding *a = &now->bindings[i], *b = &then->bindings[i];
        if (a->require != b->require || a->provide != b->provide || strcmp(a->name, b->name) != 0) {
            return false;
        }
    }
    return true;
}

static void diff_module(struct reload_diff *diff, const struct plan *plan, size_t number,
                        const struct plan *next, struct report *report)
{
    const struct instance *now = &plan->instances[number];
    struct plan_block from, to;
    size_t other = plan_find(next, now->block->name);
    if (other == next->count) {
        report_add(report, ERROR_RELOAD_MODULES, (struct ub_where){next->config.file, 0},
                   "%s (%s:%u) is no longer there: to remove a module needs a restart",
                   now->block->title, now->block->where.file, (unsigned)now->block->where.line);
        return;
    }
    plan_block_at(plan, CORE_BLOCKS + number, &from);
    plan_block_at(next, CORE_BLOCKS + other, &to);
    size_t before = report->count;
    diff->is_touched[number] = diff_fields(diff, next, &from, &to, report);
    diff_reserved(next, &from, &to, report);
    if (report->count == before && !bindings_are_same(now, &next->instances[other])) {
        report_add(report, ERROR_RELOAD_MODULES, to.block->where,
                   "%s would be served by other modules than in the running node: this needs a "
                   "restart",
                   to.block->title);
    }
}

static void diff_added(const struct plan *plan, const struct plan *next, struct report *report)
{
    for (size_t i = 0; i < next->count; i++) {
        const struct config_block *block = next->instances[i].block;
        if (plan_find(plan, block->name) == plan->count) {
            report_add(report, ERROR_RELOAD_MODULES, block->where,
                       "%s does not run yet: to add a module needs a restart", block->title);
        }
    }
}

void reload_diff_make(struct reload_diff *diff, const struct plan *plan, const struct plan *next,
                      struct report *report)
{
    struct plan_block from, to;
    *diff = (struct reload_diff){.changes = NULL};
    diff->is_touched = arena_alloc(&diff->arena, plan->count + 1, sizeof(bool));
    for (size_t i = 0; i < CORE_BLOCKS; i++) {
        plan_block_at(plan, i, &from);
        plan_block_at(next, i, &to);
        diff_fields(diff, next, &from, &to, report);
    }
    for (size_t i = 0; i < plan->count; i++) {
        diff_module(diff, plan, i, next, report);
    }
    diff_added(plan, next, report);
}

void reload_diff_fini(struct reload_diff *diff)
{
    arena_fini(&diff->arena);
    *diff = (struct reload_diff){.changes = NULL};
}

/* ---- words ------------------------------------------------------------------------------------
 */

static size_t count_of(const struct reload_diff *diff, bool is_live)
{
    size_t count = 0;
    for (size_t i = 0; i < diff->count; i++) {
        count += diff->changes[i].is_live == is_live;
    }
    return count;
}

/* " (a, b, … 3 more)" */
static void write_names(FILE *out, const struct reload_diff *diff, bool is_live)
{
    size_t count = count_of(diff, is_live), named = 0;
    const char *before = " (";
    for (size_t i = 0; i < diff->count && named < DIFF_NAMES_MAX; i++) {
        if (diff->changes[i].is_live == is_live) {
            fprintf(out, "%s%s", before, diff->changes[i].name);
            before = ", ";
            named++;
        }
    }
    if (named < count) {
        fprintf(out, ", %zu more", count - named);
    }
    fputs(")", out);
}

static void write_summary(FILE *out, const struct reload_diff *diff)
{
    size_t live = count_of(diff, true), restart = count_of(diff, false);
    if (diff->count == 0) {
        fputs("no change", out);
        return;
    }
    fprintf(out, "%zu change%s: ", diff->count, diff->count == 1 ? "" : "s");
    if (live > 0) {
        fprintf(out, "%zu live", live);
        write_names(out, diff, true);
    }
    if (restart > 0) {
        fprintf(out, "%s%zu need%s a restart", live > 0 ? ", " : "", restart,
                restart == 1 ? "s" : "");
        write_names(out, diff, false);
    }
}

void reload_diff_text(const struct reload_diff *diff, char *out, size_t out_size)
{
    char *text = NULL;
    size_t len = 0;
    FILE *stream = open_memstream(&text, &len);
    if (stream != NULL) {
        write_summary(stream, diff);
        fclose(stream);
    }
    snprintf(out, out_size, "%s", text != NULL ? text : "(no memory for the changes)");
    free(text);
}

json_t *reload_diff_json(const struct reload_diff *diff)
{
    json_t *list = json_array();
    for (size_t i = 0; i < diff->count; i++) {
        const struct reload_change *change = &diff->changes[i];
        json_array_append_new(list, json_pack("{ss, ss, ss, ss, ss, sb}", "name", change->name,
                                              "from", change->from, "to", change->to, "from_origin",
                                              change->from_origin, "to_origin", change->to_origin,
                                              "live", change->is_live));
    }
    return list;
}
