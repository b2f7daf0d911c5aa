/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_ENTRY_FIELDS_H
#define UBR_ENTRY_FIELDS_H

#include "ubr/entry.h"
#include "ubr/view.h"

/* The payloads of 5.3 as tables of fields, from which parser, writer and view are made. Internal.
 */

/* How a field is written, and held in struct ubr_entry. */
struct entry_form {
    void (*get)(struct ubr_reader *reader, void *place, size_t len);
    void (*put)(struct ubr_writer *writer, const void *place, size_t len);
    uint64_t (*number)(const void *place);                    /* 0 for bytes */
    struct ubr_bytes (*bytes)(const void *place, size_t len); /* empty for numbers */
};

struct entry_field {
    const char *name;
    const struct entry_form *form;
    enum ubr_view_kind kind;
    size_t offset; /* in struct ubr_entry */
    size_t len;    /* of fixed bytes */
    /* NULL: every text, every value. */
    bool (*text_is_valid)(struct ubr_bytes text);
    enum ubr_error (*check)(uint64_t value); /* of a link: its length */
};

struct entry_kind {
    const char *name;
    const struct entry_field *fields;
    size_t fields_len;
};

/* NULL for an unknown type. */
const struct entry_kind *entry_kind(unsigned type);

void entry_field_get(const struct entry_field *field, struct ubr_reader *reader,
                     struct ubr_entry *entry);
void entry_field_put(const struct entry_field *field, struct ubr_writer *writer,
                     const struct ubr_entry *entry);
uint64_t entry_field_number(const struct entry_field *field, const struct ubr_entry *entry);
struct ubr_bytes entry_field_bytes(const struct entry_field *field, const struct ubr_entry *entry);

/* What the field says about its own value; UBR_OK when every value is fine. */
enum ubr_error entry_field_check(const struct entry_field *field, const struct ubr_entry *entry);
bool entry_field_text_is_valid(const struct entry_field *field, const struct ubr_entry *entry);

#endif
