/* SPDX-License-Identifier: Apache-2.0
 *
 * kv-lmdb passes the suites of ub.kv and of every module. What only kv-lmdb does is in
 * test_kv_lmdb_own.c. */
#include "conformance/check.h"

extern const struct ub_module unibus_module_kv_lmdb;

int main(int argc, char **argv)
{
    static const char *const sets[] = {"map_start=1048576", NULL}; /* so that it grows */
    return check_linked(&unibus_module_kv_lmdb, sets, argc, argv);
}
