/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/rooms/{id}/log: reading and appending. */
#include "append.h"
#include "rooms.h"
#include "routes.h"
#include "view.h"

static void answer_range(struct memb_call *call, size_t entries)
{
    char members[48];
    snprintf(members, sizeof members, "\"next_seq\":%zu", entries);
    memb_problem_with(call, UB_P_RANGE, members, "`from` is beyond the end of the log");
}

static void get_log(struct memb_call *call)
{
    int64_t from, limit;
    struct memb_room *room = memb_call_room(call, true, NULL);
    if (room == NULL || !memb_may(call, "room.read", "room", room->id32, NULL) ||
        !memb_query_number(call, "from", 0, 0, UBR_LOG_SEQ_END, &from) ||
        !memb_query_number(call, "limit", 50, 1, 500, &limit)) {
        return;
    }
    json_t *items = json_array();
    memb_room_read(room);
    size_t entries = room->entries_len;
    size_t end = (size_t)(from + limit) < entries ? (size_t)(from + limit) : entries;
    for (size_t seq = (size_t)from; seq < end; seq++) {
        json_array_append_new(items, memb_view_entry(room, seq));
    }
    json_t *head = memb_view_head(room);
    memb_room_unlock(room);
    if ((size_t)from > entries) {
        json_decref(items);
        json_decref(head);
        answer_range(call, entries);
        return;
    }
    json_t *next = end < entries ? json_integer((json_int_t)end) : json_null();
    memb_reply(call, 200, memb_view_object("items", items, "next_seq", next, "head", head, NULL),
               NULL, NULL);
}

static void post_log(struct memb_call *call)
{
    struct memb_posted posted;
    struct memb_room *room = memb_call_room(call, true, NULL);
    if (room == NULL || !memb_may(call, "room.append", "room", room->id32, NULL) ||
        !memb_posted_read(call, MEMB_POSTED_LOG, &posted)) {
        return;
    }
    memb_append_to_room(call, room, &posted);
    memb_posted_fini(&posted);
}

static const struct memb_route routes[] = {
    {"GET", "/v1/rooms/{room}/log", UB_HTTP_SIGNED, 0, get_log},
    {"POST", "/v1/rooms/{room}/log", UB_HTTP_SIGNED, MEMB_APPEND_BODY_MAX, post_log},
};

const struct memb_route_table memb_log_routes = {routes, MEMB_COUNT(routes)};
