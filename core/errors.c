/* SPDX-License-Identifier: Apache-2.0 */
#include "errors.h"

#include <ctype.h>
#include <stdio.h>

#include "check.h"

static const struct error_entry error_entries[] = {
#define ERRORS_ENTRY(id, code, what, fix) {code, what, fix},
    ERRORS(ERRORS_ENTRY)
#undef ERRORS_ENTRY
};

const struct error_entry *error_entry(enum error_id id)
{
    CHECK((unsigned)id < ERROR_COUNT);
    return &error_entries[id];
}

void error_doc(enum error_id id, char *out, size_t out_size)
{
    snprintf(out, out_size, "docs/errors.md#%s", error_entry(id)->code);
    for (char *at = out; *at != '\0'; at++) {
        *at = (char)tolower((unsigned char)*at);
    }
}
