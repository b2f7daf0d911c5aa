/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

const struct suite *const suites[] = {&module_suite, &kv_suite, &blob_suite, NULL};

const struct check_case *suite_at(const struct suite *suite, size_t i)
{
    for (size_t table = 0; suite->tables[table] != NULL; table++) {
        for (const struct check_case *one = suite->tables[table]; one->name != NULL; one++) {
            if (i-- == 0) {
                return one;
            }
        }
    }
    return NULL;
}

size_t suite_count(const struct suite *suite)
{
    size_t count = 0;
    while (suite_at(suite, count) != NULL) {
        count++;
    }
    return count;
}

const struct check_case *suite_find(const struct suite *suite, const char *name)
{
    const struct check_case *one;
    for (size_t i = 0; (one = suite_at(suite, i)) != NULL; i++) {
        if (strcmp(one->name, name) == 0) {
            return one;
        }
    }
    return NULL;
}
