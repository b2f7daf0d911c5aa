/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLI_ROOM_VIEW_H
#define UNIBUS_CLI_ROOM_VIEW_H

#include <unibus-client/room.h>

/* What is shown of a room: made from the verified log only. All give new references. */

json_t *room_view(struct unibus_room *room);
json_t *room_view_members(const struct unibus_room *room);
json_t *room_view_entries(const struct unibus_room *room);

#endif
