/* SPDX-License-Identifier: Apache-2.0 */
#include "perms.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct set {
    struct ub_perms perms; /* first: users hold a pointer to it */
    atomic_uint refs;
    struct ub_perm_rule rules[];
};

static void set_ref(const struct ub_perms *perms)
{
    atomic_fetch_add_explicit(&((struct set *)(uintptr_t)perms)->refs, 1, memory_order_relaxed);
}

static void set_unref(const struct ub_perms *perms)
{
    struct set *set = (struct set *)(uintptr_t)perms;
    if (atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) == 1) {
        free(set);
    }
}

static size_t line_size(const struct ubp_line *line)
{
    return strlen(line->subject) + 1 + (line->queue != NULL ? strlen(line->queue) + 1 : 0);
}

static const char *copy_text(char **room, const char *text)
{
    char *at = *room;
    size_t len = strlen(text) + 1;
    memcpy(at, text, len);
    *room += len;
    return at;
}

const struct ub_perms *plcy_perms_new(const struct ubp_permissions *permissions)
{
    size_t size = 0;
    for (uint32_t i = 0; i < permissions->count; i++) {
        size += line_size(&permissions->lines[i]);
    }
    struct set *set =
        calloc(1, sizeof(*set) + permissions->count * sizeof(struct ub_perm_rule) + size);
    if (set == NULL) {
        return NULL;
    }
    char *room = (char *)&set->rules[permissions->count];
    atomic_init(&set->refs, 1);
    for (uint32_t i = 0; i < permissions->count; i++) {
        const struct ubp_line *line = &permissions->lines[i];
        set->rules[i] = (struct ub_perm_rule){
            .actions = (line->actions & UBP_PUBLISH ? UB_PUBLISH : 0) |
                       (line->actions & UBP_SUBSCRIBE ? UB_SUBSCRIBE : 0),
            .is_deny = line->is_deny,
            .subject = copy_text(&room, line->subject),
            .queue = line->queue != NULL ? copy_text(&room, line->queue) : NULL,
            .why = "site policy",
        };
    }
    set->perms = (struct ub_perms){
        .size = sizeof(struct ub_perms),
        .provider = "policy",
        .rule_count = permissions->count,
        .rule_stride = sizeof(struct ub_perm_rule),
        .rules = set->rules,
        .max_subscriptions = permissions->max_subs,
        .max_payload_bytes = permissions->max_payload_bytes,
        .ref = set_ref,
        .unref = set_unref,
    };
    return &set->perms;
}

/* ---- several connections ----------------------------------------------------------------------
 */

static bool line_is_same(const struct ubp_line *a, const struct ubp_line *b)
{
    bool has_queue = a->queue != NULL;
    return a->actions == b->actions && a->is_deny == b->is_deny &&
           strcmp(a->subject, b->subject) == 0 && has_queue == (b->queue != NULL) &&
           (!has_queue || strcmp(a->queue, b->queue) == 0);
}

static bool has_line(const struct ubp_permissions *permissions, const struct ubp_line *line)
{
    for (uint32_t i = 0; i < permissions->count; i++) {
        if (line_is_same(&permissions->lines[i], line)) {
            return true;
        }
    }
    return false;
}

static int64_t lower(int64_t a, int64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

struct merge {
    struct ubp_line *lines; /* NULL = count only */
    uint32_t count;
    size_t size;
    char *room;
};

static void merge_add(struct merge *merge, const struct ubp_line *line)
{
    if (merge->lines != NULL) {
        merge->lines[merge->count] =
            (struct ubp_line){line->actions, line->is_deny, copy_text(&merge->room, line->subject),
                              line->queue != NULL ? copy_text(&merge->room, line->queue) : NULL};
    }
    merge->count++;
    merge->size += line_size(line);
}

static void merge_lines(struct merge *merge, const struct ubp_permissions *a,
                        const struct ubp_permissions *b)
{
    for (uint32_t i = 0; i < a->count; i++) {
        if (a->lines[i].is_deny || has_line(b, &a->lines[i])) {
            merge_add(merge, &a->lines[i]);
        }
    }
    for (uint32_t i = 0; i < b->count; i++) {
        if (b->lines[i].is_deny && !has_line(a, &b->lines[i])) {
            merge_add(merge, &b->lines[i]);
        }
    }
}

bool plcy_permissions_narrow(struct ubp_permissions *sum, const struct ubp_permissions *by)
{
    struct merge merge = {.lines = NULL};
    merge_lines(&merge, sum, by);
    struct ubp_line *lines = calloc(1, merge.count * sizeof(*lines) + merge.size + 1);
    if (lines == NULL) {
        return false;
    }
    merge = (struct merge){.lines = lines, .room = (char *)(lines + merge.count)};
    merge_lines(&merge, sum, by);
    free(sum->lines);
    sum->lines = lines;
    sum->count = merge.count;
    sum->max_subs = lower(sum->max_subs, by->max_subs);
    sum->max_payload_bytes = lower(sum->max_payload_bytes, by->max_payload_bytes);
    return true;
}
