/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLI_CMD_ROOM_H
#define UNIBUS_CLI_CMD_ROOM_H

#include <unibus-client/room.h>

#include "cli.h"

/* Opens the client and the room that args[0] means. */
enum unibus_status cli_room_open(struct cli *cli, struct unibus_room **room_out,
                                 struct unibus_err *err);
/* The same, with the log and the secrets brought up to the node's. */
enum unibus_status cli_room_open_fresh(struct cli *cli, struct unibus_room **room_out,
                                       struct unibus_err *err);

#endif
