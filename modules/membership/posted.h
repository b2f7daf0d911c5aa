/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_POSTED_H
#define MEMB_POSTED_H

#include "call.h"

/* The body of POST /v1/rooms, POST …/log and PUT …/staged/…: entries and boxes in JSON, decoded
 * into the form of a record. */

struct memb_posted {
    struct memb_append append; /* borrows from the two below */
    uint8_t *entries;          /* bodies and signatures */
    uint8_t *boxes;            /* items */
    const char *mode;          /* as given, or NULL */
    json_t *root;
};

enum memb_posted_kind { MEMB_POSTED_ROOM, MEMB_POSTED_LOG, MEMB_POSTED_STAGED };

/* On failure answered, and false. memb_posted_fini what was read. */
bool memb_posted_read(struct memb_call *call, enum memb_posted_kind kind,
                      struct memb_posted *posted_out);
void memb_posted_fini(struct memb_posted *posted);

#endif
