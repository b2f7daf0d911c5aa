/* SPDX-License-Identifier: Apache-2.0
 *
 * kv-sqlite passes the suites of ub.kv and of every module. What only kv-sqlite does is in
 * test_kv_sqlite_own.c. */
#include "conformance/check.h"

extern const struct ub_module unibus_module_kv_sqlite;

int main(int argc, char **argv)
{
    return check_linked(&unibus_module_kv_sqlite, NULL, argc, argv);
}
