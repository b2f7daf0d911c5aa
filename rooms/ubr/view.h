/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_VIEW_H
#define UBR_VIEW_H

#include "ubr/entry.h"

/* An entry's payload as a list of named fields, for people and for the server's JSON (UBR1, 5.1:
 * verifying clients ignore it). */

enum ubr_view_kind {
    UBR_VIEW_NUMBER,
    UBR_VIEW_ROLE, /* number: enum ubr_role */
    UBR_VIEW_TEXT, /* bytes: valid text (handle, room name) */
    UBR_VIEW_KEY,  /* bytes: a public key; base64url in JSON */
    UBR_VIEW_HASH, /* bytes: a hash or random value; hex in JSON */
    UBR_VIEW_BLOB, /* bytes: the link; may be empty */
};

struct ubr_view_field {
    const char *name; /* snake_case, static */
    enum ubr_view_kind kind;
    uint64_t number;        /* of texts and the link: their length */
    struct ubr_bytes bytes; /* borrowed from the entry */
};

#define UBR_VIEW_FIELDS_MAX 8

/* The fields of entry's type in the order of 5.3; returns how many. entry comes from a parser. */
size_t ubr_entry_view(const struct ubr_entry *entry,
                      struct ubr_view_field fields_out[UBR_VIEW_FIELDS_MAX]);

#endif
