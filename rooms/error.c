/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/error.h"

#include <stddef.h>
#include <string.h>

struct error_row {
    const char *name;
    const char *meaning;
};

static const struct error_row rows[UBR_ERROR_COUNT] = {[UBR_OK] = {"OK", "no error"},
#define ERROR_ROW(constant, name, meaning) [constant] = {name, meaning},
                                                       UBR_ERROR_TABLE(ERROR_ROW)
#undef ERROR_ROW
};

static const struct error_row no_code = {"E-?", "no error code of this protocol"};

static const struct error_row *row_of(enum ubr_error code)
{
    size_t index = (size_t)code;
    return index < UBR_ERROR_COUNT ? &rows[index] : &no_code;
}

const char *ubr_error_name(enum ubr_error code)
{
    return row_of(code)->name;
}

const char *ubr_error_meaning(enum ubr_error code)
{
    return row_of(code)->meaning;
}

enum ubr_error ubr_error_from_name(const char *name)
{
    for (size_t i = 0; i < UBR_ERROR_COUNT; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return (enum ubr_error)i;
        }
    }
    return UBR_ERROR_COUNT;
}
