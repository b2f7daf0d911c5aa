/* SPDX-License-Identifier: Apache-2.0
 *
 * What a reload would change: the settings that differ, and what keeps them from changing while the
 * node runs. */
#ifndef CORE_RELOAD_DIFF_H
#define CORE_RELOAD_DIFF_H

#include "effective.h"

/* One setting that differs. Texts lie in the arena of the diff. */
struct reload_change {
    const char *name;                    /* "http.listen" */
    const char *from, *to;               /* as effective_text says them */
    const char *from_origin, *to_origin; /* as effective_origin says them */
    bool is_live;
};

struct reload_diff {
    struct arena arena;
    struct reload_change *changes;
    size_t count, room;
    bool *is_touched; /* by number of a module in force: it is to be prepared */
};

/* Compares the plan in force with the next one. What needs a restart goes to the report, each with
 * both values and both origins. reload_diff_fini follows. */
void reload_diff_make(struct reload_diff *diff, const struct plan *plan, const struct plan *next,
                      struct report *report);
void reload_diff_fini(struct reload_diff *diff);

/* "4 changes: 3 live (a, b, c), 1 needs a restart (d)"; "no change". */
void reload_diff_text(const struct reload_diff *diff, char *out, size_t out_size);

/* [{"name", "from", "to", "from_origin", "to_origin", "live"}], to be decref'ed. */
struct json_t *reload_diff_json(const struct reload_diff *diff);

#endif
