/* SPDX-License-Identifier: Apache-2.0
 *
 * What every provider of ub.kv must pass. Each case starts with an empty bucket "main". */
#include <time.h>
#include <unistd.h>

#include "kv_tool.h"
#include "suite.h"

static const struct check_case *const tables[] = {
    kv_basic_cases, kv_key_cases,  kv_list_cases,   kv_batch_cases,  kv_race_cases,
    kv_watch_cases, kv_life_cases, kv_expiry_cases, kv_border_cases, NULL};

static void run(const struct check_case *one, struct subject *subject)
{
    static struct kv_test t;
    t = (struct kv_test){.subject = subject, .err = {.size = sizeof(t.err)}};
    t.salt = (unsigned)getpid() * 2654435761u ^ (unsigned)time(NULL);
    kv_advance(&t, 0); /* time stands still until a case moves it */
    kv_open(&t);
    one->kv(&t);
}

const struct suite kv_suite = {.name = UB_KV_IFACE, .tables = tables, .run = run};
