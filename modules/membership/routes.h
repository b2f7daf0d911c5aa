/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_ROUTES_H
#define MEMB_ROUTES_H

#include "call.h"

/* The routes of docs/http-api.md, one table a resource. */

struct memb_route_table {
    const struct memb_route *routes;
    size_t count;
};

extern const struct memb_route_table memb_info_routes, memb_identity_routes, memb_room_routes,
    memb_log_routes, memb_box_routes, memb_blob_routes;

/* Hangs all of them on ub.httpd. Main loop, in bind. */
enum ub_status memb_routes_register(struct memb *memb, struct ub_err *err);

#endif
