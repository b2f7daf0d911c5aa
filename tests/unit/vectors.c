/* SPDX-License-Identifier: Apache-2.0 */
#include "vectors.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct vectors_block {
    struct vectors_block *next;
    uint8_t bytes[];
};

static json_t *field_of(const json_t *object, const char *field)
{
    json_t *value = json_object_get(object, field);
    if (value == NULL) {
        fail_msg("a vector has no field \"%s\"", field);
    }
    return value;
}

static size_t count_refused(const json_t *list)
{
    size_t refused = 0;
    size_t i;
    json_t *vector;
    json_array_foreach(list, i, vector)
    {
        refused += vector_expect(vector) != UBR_OK;
    }
    return refused;
}

void vectors_open(struct vectors *vectors, const char *group, size_t total, size_t refused)
{
    char path[512];
    json_error_t error;
    assert_true(sodium_init() >= 0);
    snprintf(path, sizeof path, "%s/%s.json", UB_VECTORS_DIR, group);
    memset(vectors, 0, sizeof *vectors);
    vectors->root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (vectors->root == NULL) {
        fail_msg("%s:%d: %s", path, error.line, error.text);
    }
    vectors->list = field_of(vectors->root, "vectors");
    assert_string_equal(vectors_text(vectors->root, "suite"), "ubr1");
    assert_string_equal(vectors_text(vectors->root, "group"), group);
    assert_int_equal(json_array_size(vectors->list), total);
    assert_int_equal(count_refused(vectors->list), refused);
}

void vectors_close(struct vectors *vectors)
{
    while (vectors->blocks != NULL) {
        struct vectors_block *block = vectors->blocks;
        vectors->blocks = block->next;
        free(block);
    }
    json_decref(vectors->root);
    memset(vectors, 0, sizeof *vectors);
}

json_t *vectors_at(const struct vectors *vectors, size_t i)
{
    json_t *vector = json_array_get(vectors->list, i);
    assert_non_null(vector);
    return vector;
}

const char *vector_name(const json_t *vector)
{
    return vectors_text(vector, "name");
}

const json_t *vector_inputs(const json_t *vector)
{
    return field_of(vector, "inputs");
}

const json_t *vector_outputs(const json_t *vector)
{
    return field_of(vector, "outputs");
}

enum ubr_error vector_expect(const json_t *vector)
{
    const char *expect = vectors_text(vector, "expect");
    enum ubr_error code = strcmp(expect, "ok") == 0 ? UBR_OK : ubr_error_from_name(expect);
    if (code == UBR_ERROR_COUNT) {
        fail_msg("%s expects the unknown code %s", vector_name(vector), expect);
    }
    return code;
}

void vector_assert_code(const json_t *vector, enum ubr_error given)
{
    enum ubr_error expected = vector_expect(vector);
    if (given != expected) {
        fail_msg("%s: expected %s, got %s", vector_name(vector), ubr_error_name(expected),
                 ubr_error_name(given));
    }
}

void vector_assert_bytes(struct vectors *vectors, const json_t *vector, const char *field,
                         struct ubr_bytes given)
{
    struct ubr_bytes expected = vectors_hex(vectors, vector_outputs(vector), field);
    if (!ubr_bytes_are_equal(expected, given)) {
        fail_msg("%s: other bytes in %s (%zu expected, %zu given)", vector_name(vector), field,
                 expected.len, given.len);
    }
}

struct ubr_bytes vectors_hex_of(struct vectors *vectors, const json_t *string)
{
    const char *text = json_string_value(string);
    assert_non_null(text);
    size_t cap = strlen(text) / 2;
    size_t len = 0;
    struct vectors_block *block = malloc(sizeof *block + cap + 1);
    assert_non_null(block);
    block->next = vectors->blocks;
    vectors->blocks = block;
    if (sodium_hex2bin(block->bytes, cap + 1, text, strlen(text), NULL, &len, NULL) != 0 ||
        len != cap) {
        fail_msg("not hex: %s", text);
    }
    return ubr_bytes_of(block->bytes, len);
}

struct ubr_bytes vectors_hex(struct vectors *vectors, const json_t *object, const char *field)
{
    return vectors_hex_of(vectors, field_of(object, field));
}

const char *vectors_text(const json_t *object, const char *field)
{
    const char *text = json_string_value(field_of(object, field));
    if (text == NULL) {
        fail_msg("\"%s\" is not a text", field);
    }
    return text;
}

json_int_t vectors_int(const json_t *object, const char *field)
{
    const json_t *value = field_of(object, field);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}
