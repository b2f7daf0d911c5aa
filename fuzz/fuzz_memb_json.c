/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "modules/membership/json_in.h"
#include "modules/membership/range.h"
#include "must.h"

/* Request bodies through a table with every kind of field, and the Range header. */

struct body {
    const char *text;
    struct memb_json_bool flag;
    int64_t number;
    struct memb_json_bytes bytes;
    const json_t *object, *array;
};

static const struct memb_json_field fields[] = {
    {"t", MEMB_JSON_TEXT, 0, offsetof(struct body, text), 1, 8},
    {"f", MEMB_JSON_BOOL, 0, offsetof(struct body, flag), 0, 0},
    {"n", MEMB_JSON_NUMBER, 0, offsetof(struct body, number), 0, 1000},
    {"b", MEMB_JSON_BYTES, MEMB_JSON_REQUIRED, offsetof(struct body, bytes), 1, 16},
    {"o", MEMB_JSON_OBJECT, 0, offsetof(struct body, object), 0, 0},
    {"a", MEMB_JSON_ARRAY, 0, offsetof(struct body, array), 0, 4},
};

static void check(const struct body *body)
{
    MUST(body->bytes.ptr != NULL && body->bytes.len >= 1 && body->bytes.len <= 16);
    MUST(body->text == NULL || (strlen(body->text) >= 1 && strlen(body->text) <= 8));
    MUST(body->number >= 0 && body->number <= 1000);
    MUST(body->array == NULL || json_array_size(body->array) <= 4);
}

static void try_range(const uint8_t *data, size_t size)
{
    char text[64] = "bytes=";
    int64_t first = 0, last = 999;
    memcpy(text + 6, data, size < 57 ? size : 57);
    if (memb_range_read(text, 1000, &first, &last) == MEMB_RANGE_PART) {
        MUST(first >= 0 && first <= last && last < 1000);
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct body body = {0};
    struct memb_json_error error = {0};
    try_range(data, size);
    json_t *root = memb_json_parse((struct ub_bytes){data, size}, &error);
    if (root == NULL) {
        MUST(error.problem != UB_P_NONE);
        return 0;
    }
    MUST(memchr(data, '\0', size) == NULL);
    if (memb_json_read(root, "", fields, MEMB_COUNT(fields), &body, &error)) {
        check(&body);
        memb_json_free_fields(fields, MEMB_COUNT(fields), &body);
    } else {
        MUST(error.problem != UB_P_NONE && body.bytes.ptr == NULL);
    }
    json_decref(root);
    return 0;
}
