/* SPDX-License-Identifier: Apache-2.0 */
#include "kv_suite.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <unibus/error.h>

#include "kv_tool.h"

#define CASES_MAX 160

/* What cmocka hands to a case. */
struct slot {
    const struct kv_provider *provider;
    const struct kv_case *one;
    struct kv_test *test;
};

static int setup(void **state)
{
    struct slot *slot = *state;
    struct kv_test *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return -1;
    }
    slot->test = t;
    t->provider = slot->provider;
    t->err = (struct ub_err)UB_ERR_INIT;
    t->provider->open(&t->store);
    t->bucket = kv_bucket(t, "main", 0);
    return 0;
}

static int teardown(void **state)
{
    struct slot *slot = *state;
    slot->provider->close(&slot->test->store);
    free(slot->test);
    return 0;
}

static void run(void **state)
{
    struct slot *slot = *state;
    slot->one->run(slot->test);
}

static size_t add_cases(const struct kv_provider *provider, const struct kv_case *cases,
                        struct slot *slots, struct CMUnitTest *tests, size_t count)
{
    for (; cases->name != NULL && count < CASES_MAX; cases++, count++) {
        slots[count] = (struct slot){provider, cases, NULL};
        tests[count] = (struct CMUnitTest){cases->name, run, setup, teardown, &slots[count]};
    }
    return count;
}

int kv_suite_run(const struct kv_provider *provider)
{
    static struct slot slots[CASES_MAX];
    static struct CMUnitTest tests[CASES_MAX];
    const struct kv_case *const tables[] = {kv_basic_cases, kv_list_cases, kv_batch_cases,
                                            kv_watch_cases, kv_life_cases};
    size_t count = 0;
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        count = add_cases(provider, tables[i], slots, tests, count);
    }
    return _cmocka_run_group_tests(provider->name, tests, count, NULL, NULL);
}
