/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VECTORS_H
#define VECTORS_H

#include <jansson.h>
#include <stddef.h>

#include "ubr/bytes.h"
#include "ubr/error.h"

/* Reads tests/vectors/<group>.json. Every function fails the running cmocka test when the file or a
 * field is missing, so that an empty run cannot pass. */

struct vectors {
    json_t *root;
    json_t *list;
    struct vectors_block *blocks; /* decoded bytes, freed by close */
};

/* Opens a group that holds exactly total vectors, of which refused expect an error code. */
void vectors_open(struct vectors *vectors, const char *group, size_t total, size_t refused);
void vectors_close(struct vectors *vectors);

/* Vector number i, and its parts. */
json_t *vectors_at(const struct vectors *vectors, size_t i);
const char *vector_name(const json_t *vector);
const json_t *vector_inputs(const json_t *vector);
const json_t *vector_outputs(const json_t *vector);
enum ubr_error vector_expect(const json_t *vector);

/* Fails, naming the vector, unless it gives the code that it expects. */
void vector_assert_code(const json_t *vector, enum ubr_error given);
/* The same for a field of bytes in its outputs, in hex. */
void vector_assert_bytes(struct vectors *vectors, const json_t *vector, const char *field,
                         struct ubr_bytes given);

/* Fields. Bytes live until vectors_close. */
struct ubr_bytes vectors_hex(struct vectors *vectors, const json_t *object, const char *field);
struct ubr_bytes vectors_hex_of(struct vectors *vectors, const json_t *string);
const char *vectors_text(const json_t *object, const char *field);
json_int_t vectors_int(const json_t *object, const char *field);

#endif
