/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLI_CMD_MESSAGE_H
#define UNIBUS_CLI_CMD_MESSAGE_H

#include <unibus-client/room.h>

/* Seals and publishes one message. envelope_out may be NULL; else what went out, for people. */
enum unibus_status cli_publish(struct unibus_room *room, const char *channel, const char *type,
                               struct ubr_bytes content, json_t **envelope_out,
                               struct unibus_err *err);

#endif
