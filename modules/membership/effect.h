/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_EFFECT_H
#define MEMB_EFFECT_H

#include "memb.h"
#include "record.h"

/* What a stored append does to the model and to whom. */

struct memb_effect {
    const char **ids; /* identities whose rights changed; those who lost some first */
    size_t count;
};

/* Takes the append into the room (a new room: also into the model) and finds out who is concerned.
 * false: it cannot be held. */
bool memb_effect_publish(struct memb *memb, struct memb_room *room,
                         const struct memb_append *append, struct memb_effect *effect_out);
/* Tells the holders of permission sets; how many connections changed. No lock may be held. */
uint32_t memb_effect_tell(struct memb *memb, const struct memb_effect *effect);
void memb_effect_fini(struct memb_effect *effect);

#endif
