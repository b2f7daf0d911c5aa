/* SPDX-License-Identifier: Apache-2.0 */
#include "subject.h"

#include <dirent.h>

#include "case.h"

/* ---- settings ---------------------------------------------------------------------------------
 */

static bool is_set(const struct subject *subject, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; subject->sets[i] != NULL; i++) {
        if (strncmp(subject->sets[i], name, len) == 0 && subject->sets[i][len] == '=') {
            return true;
        }
    }
    return false;
}

static void add_set(struct subject *subject, const char *assignment)
{
    size_t count = 0;
    while (subject->sets[count] != NULL) {
        count++;
    }
    expect(count + 1 < SUBJECT_SETS_MAX);
    snprintf(subject->texts[count], sizeof(subject->texts[count]), "%s", assignment);
    subject->sets[count] = subject->texts[count];
}

void subject_set(struct subject *subject, const char *name, const char *value)
{
    char assignment[160];
    snprintf(assignment, sizeof(assignment), "%s=%s", name, value);
    add_set(subject, assignment);
}

bool subject_has_setting(const struct subject *subject, const char *name)
{
    for (uint32_t i = 0; i < subject->module->field_count; i++) {
        if (strcmp(kit_field_at(subject->module, i).name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void choose(struct subject *subject, const char *name, const char *value)
{
    if (subject_has_setting(subject, name) && !is_set(subject, name)) {
        subject_set(subject, name, value);
    }
}

static void choose_settings(struct subject *subject, const char *set)
{
    char number[32];
    snprintf(number, sizeof(number), "%d", SUBJECT_DELETIONS_MAX);
    choose(subject, "deletions_max", number);
    snprintf(number, sizeof(number), "%d", SUBJECT_ITEM_MAX);
    choose(subject, "max_item", number);
    for (uint32_t i = 0; i < subject->module->field_count; i++) {
        struct ub_field field = kit_field_at(subject->module, i);
        if (field.kind == UB_KIND_LISTEN && field.default_text != NULL) {
            choose(subject, field.name, "127.0.0.1:0");
        }
    }
    if (set != NULL) {
        char name[64];
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(set, "="), set);
        if (!subject_has_setting(subject, name)) {
            case_skip("it has no setting %s", name);
        }
        add_set(subject, set);
    }
}

/* ---- providers of what it requires ------------------------------------------------------------
 */

bool subject_provides(const struct ub_module *module, const char *iface)
{
    for (uint32_t i = 0; i < module->provide_count; i++) {
        if (strcmp(kit_provide_at(module, i).iface, iface) == 0) {
            return true;
        }
    }
    return false;
}

static bool file_provides(const struct subject *subject, const char *file, const char *iface)
{
    const struct kit_module_spec spec = {.file = file};
    struct kit_modules *modules = kit_modules_new(subject->host, &spec, 1);
    const struct ub_module *module = kit_module_of(modules, 0);
    bool is_found = module != NULL && subject_provides(module, iface);
    kit_modules_free(&modules);
    return is_found;
}

static bool add_helper(struct subject *subject, const char *file)
{
    expect(subject->spec_count < SUBJECT_HELPERS_MAX);
    char *kept = subject->files[subject->spec_count];
    snprintf(kept, sizeof(subject->files[0]), "%s", file);
    subject->specs[subject->spec_count++] = (struct kit_module_spec){.file = kept};
    return true;
}

static int is_module_file(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return len > 3 && strcmp(entry->d_name + len - 3, ".so") == 0;
}

/* The first by name. */
static bool find_in_folder(struct subject *subject, const char *folder, const char *iface)
{
    struct dirent **entries = NULL;
    bool is_found = false;
    int count = scandir(folder, &entries, is_module_file, alphasort);
    for (int i = 0; i < count; i++) {
        char file[512];
        snprintf(file, sizeof(file), "%s/%s", folder, entries[i]->d_name);
        is_found = is_found || (file_provides(subject, file, iface) && add_helper(subject, file));
        free(entries[i]);
    }
    free(entries);
    return is_found;
}

static bool find_provider(struct subject *subject, const char *iface)
{
    bool is_found = false;
    for (size_t i = 0;
         !is_found && subject->spec->folders != NULL && subject->spec->folders[i] != NULL; i++) {
        is_found = find_in_folder(subject, subject->spec->folders[i], iface);
    }
    return is_found;
}

/* Is it served by one of the modules that are there already? */
static bool is_served(const struct kit_modules *modules, size_t count, const char *iface)
{
    for (size_t i = 0; i < count; i++) {
        const struct ub_module *module = kit_module_of(modules, i);
        if (module != NULL && subject_provides(module, iface)) {
            return true;
        }
    }
    return false;
}

/* Is one to be looked for? What the subject can do without is given to it too, if there is one;
 * unless it says that others of its own kind are meant. */
static bool is_wanted(size_t number, const struct ub_require *require)
{
    bool is_optional = (require->flags & UB_OPTIONAL) != 0;
    return !is_optional || (number == 0 && (require->flags & UB_NOT_SELF) == 0);
}

/* Adds one provider for one requirement that nobody serves; false when there is none to add. */
static bool add_provider(struct subject *subject, const struct kit_modules *modules)
{
    for (size_t i = 0; i < subject->spec_count; i++) {
        const struct ub_module *module = kit_module_of(modules, i);
        for (uint32_t j = 0; module != NULL && j < module->require_count; j++) {
            struct ub_require require = kit_require_at(module, j);
            if (is_wanted(i, &require) && !is_served(modules, subject->spec_count, require.iface) &&
                find_provider(subject, require.iface)) {
                return true;
            }
        }
    }
    return false;
}

/* Two checks at a time must not want the same port. */
static void free_ports_of_helpers(struct subject *subject)
{
    for (size_t i = 1; i < subject->spec_count; i++) {
        const struct ub_module *module = kit_module_of(subject->modules, i);
        for (uint32_t j = 0; module != NULL && j < module->field_count; j++) {
            struct ub_field field = kit_field_at(module, j);
            if (field.kind == UB_KIND_LISTEN && field.default_text != NULL) {
                snprintf(subject->helper_texts[i], sizeof(subject->helper_texts[i]),
                         "%s=127.0.0.1:0", field.name);
                subject->helper_sets[i][0] = subject->helper_texts[i];
                subject->specs[i].sets = subject->helper_sets[i];
            }
        }
    }
}

static void choose_providers(struct subject *subject)
{
    for (size_t i = 0; subject->spec->withs != NULL && subject->spec->withs[i] != NULL; i++) {
        add_helper(subject, subject->spec->withs[i]);
    }
    for (bool is_more = true; is_more;) {
        subject->modules = kit_modules_new(subject->host, subject->specs, subject->spec_count);
        is_more = add_provider(subject, subject->modules);
        if (!is_more) {
            free_ports_of_helpers(subject);
        }
        kit_modules_free(&subject->modules);
    }
}

/* ---- life -------------------------------------------------------------------------------------
 */

void subject_shut(struct subject *subject)
{
    if (subject->modules != NULL) {
        kit_modules_free(&subject->modules);
    }
}

void subject_load(struct subject *subject)
{
    subject_shut(subject);
    subject->modules = kit_modules_new(subject->host, subject->specs, subject->spec_count);
    if (kit_modules_fault_count(subject->modules) > 0) {
        fail("%s", kit_modules_faults(subject->modules));
    }
}

void subject_init(struct subject *subject, const struct subject_spec *spec, const char *set)
{
    const char *name = spec->linked != NULL ? spec->linked->name : "check";
    *subject = (struct subject){.spec = spec, .host = kit_host_new(name), .spec_count = 1};
    subject->specs[0] = (struct kit_module_spec){spec->file, spec->linked, subject->sets};
    for (size_t i = 0; spec->sets != NULL && spec->sets[i] != NULL; i++) {
        add_set(subject, spec->sets[i]);
    }
    subject->modules = kit_modules_new(subject->host, subject->specs, 1);
    if (kit_module_of(subject->modules, 0) == NULL) {
        fail("%s", kit_modules_faults(subject->modules));
    }
    subject->kept = *kit_module_of(subject->modules, 0); /* its tables are never unloaded */
    subject->module = &subject->kept;
    choose_settings(subject, set);
    kit_modules_free(&subject->modules);
    choose_providers(subject);
}

void subject_start(struct subject *subject)
{
    subject_load(subject);
    if (!kit_modules_start(subject->modules)) {
        fail("%s", kit_modules_faults(subject->modules));
    }
}

void subject_fini(struct subject *subject)
{
    subject_shut(subject);
    kit_host_free(&subject->host);
}

void subject_advance(struct subject *subject, int64_t ms)
{
    kit_clock_advance(subject->host, ms);
    kit_fire_timers(subject->host);
}

const void *subject_ops(const struct subject *subject, const char *iface)
{
    for (uint32_t i = 0; i < subject->module->provide_count; i++) {
        struct ub_provide provide = kit_provide_at(subject->module, i);
        if (strcmp(provide.iface, iface) == 0) {
            return subject->spec->wrap != NULL ? subject->spec->wrap(iface, provide.ops)
                                               : provide.ops;
        }
    }
    return NULL;
}
