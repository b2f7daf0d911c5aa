/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_JSON_IN_H
#define MEMB_JSON_IN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <unibus/abi.h>
#include <unibus/problem.h>

/* Reading request bodies strictly: a table of fields fills a struct, everything else is refused
 * with a JSON pointer to where it stands (docs/http-api.md, Conventions). */

/* Where and why a body was refused. */
struct memb_json_error {
    enum ub_problem problem; /* UB_P_BAD_REQUEST or UB_P_UNKNOWN_FIELD */
    char pointer[96];
    char detail[128];
};

enum memb_json_kind {
    MEMB_JSON_TEXT,   /* const char *, borrowed from the document; `max` bytes at most */
    MEMB_JSON_BOOL,   /* struct memb_json_bool */
    MEMB_JSON_NUMBER, /* int64_t, 0 to `max` */
    MEMB_JSON_BYTES,  /* struct memb_json_bytes: base64url, min to max bytes */
    MEMB_JSON_OBJECT, /* const json_t *, borrowed */
    MEMB_JSON_ARRAY   /* const json_t *, borrowed; min to max items */
};

struct memb_json_bool {
    bool is_given, value;
};

/* Decoded bytes, owned by the struct that the table filled: memb_json_free_fields. */
struct memb_json_bytes {
    uint8_t *ptr;
    size_t len;
};

#define MEMB_JSON_REQUIRED 0x1u

struct memb_json_field {
    const char *name;
    enum memb_json_kind kind;
    unsigned flags;
    size_t offset;
    size_t min, max;
};

/* Parses a whole body: an object, no duplicate keys, nesting up to 8. NULL and *error_out on
 * failure. json_decref it. */
json_t *memb_json_parse(struct ub_bytes body, struct memb_json_error *error_out);

/* Fills `out` (zeroed before) from object by the table. `pointer` is where the object stands ("" =
 * the root). On failure what was decoded is freed. */
bool memb_json_read(const json_t *object, const char *pointer, const struct memb_json_field *fields,
                    size_t count, void *out, struct memb_json_error *error_out);
void memb_json_free_fields(const struct memb_json_field *fields, size_t count, void *out);

/* Sets *error_out for a value that the table could not judge; returns false. */
bool memb_json_refuse(struct memb_json_error *error_out, const char *pointer, const char *name,
                      const char *detail);

#define MEMB_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
