/* SPDX-License-Identifier: Apache-2.0 */
#include "mutants.h"

#include "conformance/check.h"

static const struct mutant *current; /* NULL = the sound provider */
static const char *wrapped_iface;
static size_t wrapped_size;
static const void *inner;

const void *mutants_inner(void)
{
    return inner;
}

static const void *wrap(const char *iface, const void *ops)
{
    static union {
        uint64_t align;
        uint8_t bytes[1024];
    } copy;
    if (strcmp(iface, wrapped_iface) != 0) {
        return ops;
    }
    inner = ops;
    memcpy(copy.bytes, ops, wrapped_size);
    if (current != NULL) {
        current->break_rule(copy.bytes);
    }
    return copy.bytes;
}

static bool is_killed_by(const struct run_options *options, const struct suite *suite,
                         const char *name, bool is_wanted)
{
    struct result result;
    const struct check_case *one = suite_find(suite, name);
    if (one == NULL) {
        printf("    there is no case %s\n", name);
        return !is_wanted;
    }
    run_case(options, suite, one, &result);
    bool is_killed = outcome_is_bad(result.outcome);
    if (is_killed != is_wanted) {
        printf("    %s %s: %s\n", name, outcome_name(result.outcome), result.words);
    }
    return is_killed;
}

static bool is_killed(const struct run_options *options, const struct suite *suite,
                      const struct mutant *mutant)
{
    bool is_all = mutant->killers[0] != NULL;
    for (size_t i = 0; mutant->killers[i] != NULL; i++) {
        current = mutant;
        is_all &= is_killed_by(options, suite, mutant->killers[i], true);
        current = NULL;
        is_all &= !is_killed_by(options, suite, mutant->killers[i], false);
    }
    return is_all;
}

int mutants_run(const struct suite *suite, const struct ub_module *module, const char *const *sets,
                size_t ops_size, const struct mutant *mutants, size_t count)
{
    const struct subject_spec subject = {.linked = module, .sets = sets, .wrap = wrap};
    const struct run_options options = {&subject, 20000};
    size_t survivors = 0;
    wrapped_iface = suite->name;
    wrapped_size = ops_size;
    for (size_t i = 0; i < count; i++) {
        bool is_dead = is_killed(&options, suite, &mutants[i]);
        printf("%-8s  %-32s  %s\n", is_dead ? "killed" : "SURVIVES", mutants[i].name,
               mutants[i].killers[0]);
        fflush(stdout);
        survivors += !is_dead;
    }
    printf("%zu mutants of %s, %zu survive\n", count, suite->name, survivors);
    return survivors == 0 ? 0 : 1;
}
