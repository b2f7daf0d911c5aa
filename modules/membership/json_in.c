/* SPDX-License-Identifier: Apache-2.0 */
#include "json_in.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ubr/text.h>

#define DEPTH_MAX 8

static bool refuse(struct memb_json_error *error, enum ub_problem problem, const char *pointer,
                   const char *name, const char *detail)
{
    error->problem = problem;
    snprintf(error->pointer, sizeof error->pointer, "%s%s%.40s", pointer,
             name[0] != '\0' ? "/" : "", name);
    snprintf(error->detail, sizeof error->detail, "%s", detail);
    return false;
}

bool memb_json_refuse(struct memb_json_error *error_out, const char *pointer, const char *name,
                      const char *detail)
{
    return refuse(error_out, UB_P_BAD_REQUEST, pointer, name, detail);
}

/* jansson recurses; its own limit of 2,048 is deeper than any body of ours. */
static bool is_too_deep(struct ub_bytes body)
{
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < body.len; i++) {
        uint8_t c = body.ptr[i];
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > DEPTH_MAX) {
                return true;
            }
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

json_t *memb_json_parse(struct ub_bytes body, struct memb_json_error *error_out)
{
    json_error_t error;
    if (body.len > 0 && memchr(body.ptr, '\0', body.len) != NULL) { /* Jansson passes over some */
        refuse(error_out, UB_P_BAD_REQUEST, "", "", "a NUL byte in JSON");
        return NULL;
    }
    if (is_too_deep(body)) {
        refuse(error_out, UB_P_BAD_REQUEST, "", "", "nested too deeply");
        return NULL;
    }
    json_t *root = json_loadb(body.len > 0 ? (const char *)body.ptr : "", body.len,
                              JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        bool is_double = json_error_code(&error) == json_error_duplicate_key;
        refuse(error_out, is_double ? UB_P_UNKNOWN_FIELD : UB_P_BAD_REQUEST, "", "", error.text);
        return NULL;
    }
    if (!json_is_object(root)) {
        json_decref(root);
        refuse(error_out, UB_P_BAD_REQUEST, "", "", "an object is expected");
        return NULL;
    }
    return root;
}

static const char *read_text(const json_t *value, const struct memb_json_field *field, void *at)
{
    if (!json_is_string(value)) {
        return "a string is expected";
    }
    size_t len = json_string_length(value);
    if (len < field->min || len > field->max) {
        return "the text is too short or too long";
    }
    if (!ubr_text_is_valid(ubr_bytes_of(json_string_value(value), len))) {
        return "control characters are not allowed";
    }
    const char *text = json_string_value(value);
    memcpy(at, &text, sizeof text);
    return NULL;
}

static const char *read_bool(const json_t *value, const struct memb_json_field *field, void *at)
{
    (void)field;
    if (!json_is_boolean(value)) {
        return "true or false is expected";
    }
    struct memb_json_bool given = {true, json_is_true(value)};
    memcpy(at, &given, sizeof given);
    return NULL;
}

static const char *read_number(const json_t *value, const struct memb_json_field *field, void *at)
{
    if (!json_is_integer(value)) {
        return "an integer is expected";
    }
    int64_t number = json_integer_value(value);
    if (number < (int64_t)field->min || number > (int64_t)field->max) {
        return "the number is out of range";
    }
    memcpy(at, &number, sizeof number);
    return NULL;
}

static const char *read_bytes(const json_t *value, const struct memb_json_field *field, void *at)
{
    if (!json_is_string(value)) {
        return "a base64url string is expected";
    }
    struct ubr_bytes text = ubr_bytes_of(json_string_value(value), json_string_length(value));
    if (text.len > UBR_BASE64_LEN(field->max)) {
        return "too many bytes";
    }
    struct memb_json_bytes bytes = {malloc(field->max + 1), 0};
    if (bytes.ptr == NULL) {
        return "no memory";
    }
    if (!ubr_base64_decode(text, bytes.ptr, field->max, &bytes.len) || bytes.len < field->min) {
        free(bytes.ptr);
        return "not base64url without padding of the right length";
    }
    memcpy(at, &bytes, sizeof bytes);
    return NULL;
}

static const char *read_object(const json_t *value, const struct memb_json_field *field, void *at)
{
    (void)field;
    if (!json_is_object(value)) {
        return "an object is expected";
    }
    memcpy(at, (const void *)&value, sizeof(const void *));
    return NULL;
}

static const char *read_array(const json_t *value, const struct memb_json_field *field, void *at)
{
    if (!json_is_array(value)) {
        return "an array is expected";
    }
    if (json_array_size(value) < field->min || json_array_size(value) > field->max) {
        return "too few or too many items";
    }
    memcpy(at, (const void *)&value, sizeof(const void *));
    return NULL;
}

typedef const char *(*read_fn)(const json_t *value, const struct memb_json_field *field, void *at);

static const read_fn readers[] = {
    [MEMB_JSON_TEXT] = read_text,     [MEMB_JSON_BOOL] = read_bool,
    [MEMB_JSON_NUMBER] = read_number, [MEMB_JSON_BYTES] = read_bytes,
    [MEMB_JSON_OBJECT] = read_object, [MEMB_JSON_ARRAY] = read_array,
};

static const struct memb_json_field *find_field(const char *name,
                                                const struct memb_json_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            return &fields[i];
        }
    }
    return NULL;
}

static bool read_members(const json_t *object, const char *pointer,
                         const struct memb_json_field *fields, size_t count, void *out,
                         struct memb_json_error *error_out)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value)
    {
        const struct memb_json_field *field = find_field(name, fields, count);
        if (field == NULL) {
            return refuse(error_out, UB_P_UNKNOWN_FIELD, pointer, name, "unknown field");
        }
        const char *fault = readers[field->kind](value, field, (uint8_t *)out + field->offset);
        if (fault != NULL) {
            return refuse(error_out, UB_P_BAD_REQUEST, pointer, name, fault);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if ((fields[i].flags & MEMB_JSON_REQUIRED) && !json_object_get(object, fields[i].name)) {
            return refuse(error_out, UB_P_BAD_REQUEST, pointer, fields[i].name, "is missing");
        }
    }
    return true;
}

void memb_json_free_fields(const struct memb_json_field *fields, size_t count, void *out)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].kind == MEMB_JSON_BYTES) {
            struct memb_json_bytes *bytes = (void *)((uint8_t *)out + fields[i].offset);
            free(bytes->ptr);
            *bytes = (struct memb_json_bytes){NULL, 0};
        }
    }
}

bool memb_json_read(const json_t *object, const char *pointer, const struct memb_json_field *fields,
                    size_t count, void *out, struct memb_json_error *error_out)
{
    if (!json_is_object(object)) {
        return refuse(error_out, UB_P_BAD_REQUEST, pointer, "", "an object is expected");
    }
    if (!read_members(object, pointer, fields, count, out, error_out)) {
        memb_json_free_fields(fields, count, out);
        return false;
    }
    return true;
}
