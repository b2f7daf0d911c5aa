/* SPDX-License-Identifier: Apache-2.0
 *
 * The module that is checked, in the process of one case: a test host with a fresh state folder,
 * the modules that it requires, its settings.
 *
 * Settings that the check chooses unless the caller gave them: `listen` addresses get a free port,
 * deletions_max is SUBJECT_DELETIONS_MAX and max_item SUBJECT_ITEM_MAX, so that limits are reached
 * soon. */
#ifndef CONFORMANCE_SUBJECT_H
#define CONFORMANCE_SUBJECT_H

#include "core/kit_modules.h"

#define SUBJECT_SETS_MAX      64
#define SUBJECT_HELPERS_MAX   16
#define SUBJECT_DELETIONS_MAX 64
#define SUBJECT_ITEM_MAX      (1024 * 1024)

/* What to check. */
struct subject_spec {
    const char *file;               /* the module's file, or NULL and: */
    const struct ub_module *linked; /* a module that is linked in */
    const char *const *sets;        /* "key=value" of the caller, ended by NULL */
    const char *const *withs;       /* files of modules that it requires, ended by NULL */
    /* The folders in which providers for it are looked for, ended by NULL. */
    const char *const *folders;
    /* For the suites' own control: answers the ops to use in place of these. */
    const void *(*wrap)(const char *iface, const void *ops);
};

struct subject {
    const struct subject_spec *spec;
    struct ub_host *host;
    struct kit_module_spec specs[SUBJECT_HELPERS_MAX]; /* [0] is the subject */
    size_t spec_count;
    const char *sets[SUBJECT_SETS_MAX];
    struct kit_modules *modules; /* NULL = shut */
    char texts[SUBJECT_SETS_MAX][160];
    char files[SUBJECT_HELPERS_MAX][512];
    const char *helper_sets[SUBJECT_HELPERS_MAX][2];
    char helper_texts[SUBJECT_HELPERS_MAX][80];
    const struct ub_module *module; /* the descriptor: */
    struct ub_module kept;
};

/* Loads it once, to learn what it is, and chooses settings and providers. set: one setting more, or
 * NULL; skips the case when the module has no such setting. Ends the case when the loader refuses
 * the module. */
void subject_init(struct subject *subject, const struct subject_spec *spec, const char *set);
void subject_fini(struct subject *subject);

/* A fresh instance on the same state; what was there is shut. _load loads, start goes through to
 * ready; both end the case when they cannot. */
void subject_load(struct subject *subject);
void subject_start(struct subject *subject);
/* Stops and destroys everything that runs. */
void subject_shut(struct subject *subject);

/* The clock stands still from the first call on; timers of the main loop run. */
void subject_advance(struct subject *subject, int64_t ms);

/* NULL = it does not provide that. */
const void *subject_ops(const struct subject *subject, const char *iface);
bool subject_provides(const struct ub_module *module, const char *iface);
/* Whether the descriptor has this setting. */
bool subject_has_setting(const struct subject *subject, const char *name);
/* Adds "name=value" over what is chosen already; before subject_load. */
void subject_set(struct subject *subject, const char *name, const char *value);

#endif
