/* SPDX-License-Identifier: Apache-2.0
 *
 * blob-fs passes the suites of ub.blob and of every module. What only blob-fs does is in
 * test_blob_fs_own.c. */
#include "conformance/check.h"

extern const struct ub_module unibus_module_blob_fs;

int main(int argc, char **argv)
{
    return check_linked(&unibus_module_blob_fs, NULL, argc, argv);
}
