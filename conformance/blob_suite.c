/* SPDX-License-Identifier: Apache-2.0
 *
 * What every provider of ub.blob must pass. Each case starts with an empty store. */
#include <sodium.h>

#include "blob_tool.h"
#include "suite.h"

static const struct check_case *const tables[] = {
    blob_basic_cases, blob_write_cases, blob_list_cases, blob_life_cases, blob_border_cases, NULL};

static void run(const struct check_case *one, struct subject *subject)
{
    static struct blob_test t;
    t = (struct blob_test){.subject = subject, .err = {.size = sizeof(t.err)}};
    expect(sodium_init() >= 0);
    blob_start(&t);
    one->blob(&t);
}

const struct suite blob_suite = {.name = UB_BLOB_IFACE, .tables = tables, .run = run};
