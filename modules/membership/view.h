/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_VIEW_H
#define MEMB_VIEW_H

#include <jansson.h>

#include "model.h"

/* The JSON of docs/http-api.md. Every function gives a new reference, NULL when out of memory. */

json_t *memb_view_hex(const uint8_t *bytes, size_t len);
json_t *memb_view_base64(const uint8_t *bytes, size_t len);

/* chain and note: of the identity, or what they will be. Under memb_model.lock. */
json_t *memb_view_identity(const struct memb_identity *identity, const struct ubr_chain *chain,
                           const char *note);
json_t *memb_view_device(const struct memb_device *device);

/* {"seq","hash"} of the room's head. Under room->lock, like all below. */
json_t *memb_view_head(const struct memb_room *room);
json_t *memb_view_room(const struct memb_room *room, enum ubr_role role);
json_t *memb_view_entry(const struct memb_room *room, size_t seq);

/* An object of pairs of name (const char *) and value (json_t *, taken), NULL at the end. NULL and
 * nothing leaked when one of the values is NULL. */
#define memb_view_object(...) memb_view_pairs((const void *const[]){__VA_ARGS__})
json_t *memb_view_pairs(const void *const *pairs);

#endif
