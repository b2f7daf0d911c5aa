/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_APPEND_H
#define MEMB_APPEND_H

#include "call.h"
#include "posted.h"

/* One append: judged, stored as one record, published, told to the data plane, answered. */

void memb_append_to_room(struct memb_call *call, struct memb_room *room,
                         struct memb_posted *posted);
void memb_append_new_room(struct memb_call *call, struct memb_posted *posted);

#endif
