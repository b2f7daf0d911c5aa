/* SPDX-License-Identifier: Apache-2.0 */
#include "life_tool.h"
#include "suite.h"

static const struct check_case *const tables[] = {descriptor_cases, life_cases, NULL};

static void run(const struct check_case *one, struct subject *subject)
{
    subject_load(subject);
    one->life(subject);
}

const struct suite module_suite = {.name = "module", .tables = tables, .run = run};
