/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/rooms: making and listing rooms, and the views that follow from a log. */
#include <stdlib.h>
#include <string.h>

#include <ubr/text.h>

#include "append.h"
#include "perms.h"
#include "rooms.h"
#include "routes.h"
#include "view.h"

static void post_room(struct memb_call *call)
{
    struct memb_posted posted;
    if (!memb_posted_read(call, MEMB_POSTED_ROOM, &posted)) {
        return;
    }
    const char *context = posted.append.is_plain ? "{\"mode\":\"plain\"}" : "{\"mode\":\"sealed\"}";
    if (memb_may(call, "room.create", "", "", context)) {
        memb_append_new_room(call, &posted);
    }
    memb_posted_fini(&posted);
}

/* ---- lists ------------------------------------------------------------------------------------
 */

/* The rooms that the caller may see, by number: his own, or all of them. */
static bool visible_rooms(struct memb_call *call, struct memb_room ***rooms_out, size_t *count_out)
{
    struct memb_model *model = &call->memb->model;
    if (call->identity != NULL && call->role != UB_ROLE_OPERATOR) {
        return memb_rooms_of(model, call->identity, rooms_out, count_out);
    }
    memb_model_read(model);
    *count_out = model->rooms_len;
    *rooms_out = calloc(model->rooms_len + 1, sizeof(struct memb_room *));
    if (*rooms_out != NULL && model->rooms_len > 0) {
        memcpy(*rooms_out, model->rooms, model->rooms_len * sizeof(struct memb_room *));
    }
    memb_model_unlock(model);
    return *rooms_out != NULL;
}

static json_t *view_for(struct memb_call *call, struct memb_room *room)
{
    struct ubr_member member = {.role = UBR_ROLE_NONE};
    memb_room_read(room);
    if (call->identity != NULL) {
        ubr_log_member(room->log, call->identity->account_pk, &member);
    }
    json_t *view = memb_view_room(room, member.role);
    memb_room_unlock(room);
    return view;
}

/* The cursor is the number of the room before the next one, plus one. */
static void list_page(struct memb_call *call, struct memb_room **rooms, size_t count,
                      int64_t cursor, int64_t limit)
{
    json_t *items = json_array();
    json_t *next = json_null();
    char text[24];
    for (size_t i = 0; i < count; i++) {
        if ((int64_t)rooms[i]->number < cursor) {
            continue;
        }
        if ((int64_t)json_array_size(items) == limit) {
            snprintf(text, sizeof text, "%u", rooms[i]->number);
            next = json_string(text);
            break;
        }
        json_array_append_new(items, view_for(call, rooms[i]));
    }
    memb_reply(call, 200, memb_view_object("items", items, "next", next, NULL), NULL, NULL);
}

static void list_rooms(struct memb_call *call)
{
    struct memb_room **rooms;
    size_t count;
    int64_t limit, cursor;
    if (!memb_may(call, "room.list", "", "", NULL) ||
        !memb_query_number(call, "limit", 50, 1, 500, &limit) ||
        !memb_query_number(call, "cursor", 0, 0, UINT32_MAX, &cursor)) {
        return;
    }
    if (!visible_rooms(call, &rooms, &count)) {
        memb_problem(call, UB_P_INTERNAL, "no memory");
        return;
    }
    list_page(call, rooms, count, cursor, limit);
    free(rooms);
}

/* ---- one room ---------------------------------------------------------------------------------
 */

static struct memb_room *readable_room(struct memb_call *call, enum ubr_role *role_out)
{
    struct memb_room *room = memb_call_room(call, true, role_out);
    bool may = room != NULL && memb_may(call, "room.read", "room", room->id32, NULL);
    return may ? room : NULL;
}

static void get_room(struct memb_call *call)
{
    char head[UBR_HEX_LEN(UBR_HASH_LEN) + 1], etag[sizeof head + 2];
    enum ubr_role role;
    struct memb_room *room = readable_room(call, &role);
    if (room == NULL) {
        return;
    }
    memb_room_read(room);
    ubr_hex_encode(ubr_bytes_of(ubr_log_state(room->log)->head, UBR_HASH_LEN), head);
    json_t *view = memb_view_room(room, role);
    memb_room_unlock(room);
    snprintf(etag, sizeof etag, "\"%s\"", head);
    memb_reply(call, 200, view, etag, NULL);
}

static json_t *view_member(const struct ubr_member *member)
{
    char id[MEMB_ID_LEN + 1];
    ubr_fingerprint_text(member->account_pk, id);
    return memb_view_object(
        "id", json_string(id), "account_pk", memb_view_base64(member->account_pk, UBR_KEY_LEN),
        "handle", json_string(member->handle), "role", json_string(ubr_role_name(member->role)),
        "device_head", memb_view_hex(member->head, UBR_HASH_LEN), NULL);
}

static void get_members(struct memb_call *call)
{
    struct ubr_member member;
    size_t cursor = 0;
    struct memb_room *room = readable_room(call, NULL);
    if (room == NULL) {
        return;
    }
    json_t *items = json_array();
    memb_room_read(room);
    while (ubr_log_member_next(room->log, &cursor, &member)) {
        json_array_append_new(items, view_member(&member));
    }
    memb_room_unlock(room);
    memb_reply(call, 200, memb_view_object("items", items, NULL), NULL, NULL);
}

static json_t *view_rules(const struct memb_room *room, enum ubr_role role, bool is_closed)
{
    struct memb_room_rule rules[MEMB_ROOM_RULES];
    json_t *items = json_array();
    memb_room_rules(room->id32, role, room->is_plain, is_closed, rules);
    for (size_t i = 0; i < MEMB_ROOM_RULES; i++) {
        json_t *actions = json_array();
        if (rules[i].actions & UB_PUBLISH) {
            json_array_append_new(actions, json_string("publish"));
        }
        if (rules[i].actions & UB_SUBSCRIBE) {
            json_array_append_new(actions, json_string("subscribe"));
        }
        json_array_append_new(items, memb_view_object("actions", actions, "subject",
                                                      json_string(rules[i].subject), "guard",
                                                      json_boolean(rules[i].is_guarded), NULL));
    }
    return items;
}

static void get_permissions(struct memb_call *call)
{
    struct memb_room *room = readable_room(call, NULL);
    if (room == NULL) {
        return;
    }
    memb_room_read(room);
    bool is_closed = ubr_log_state(room->log)->is_closed;
    memb_room_unlock(room);
    json_t *roles = json_object();
    for (unsigned role = UBR_ROLE_READER; role <= UBR_ROLE_OWNER; role++) {
        json_object_set_new(roles, ubr_role_name(role),
                            view_rules(room, (enum ubr_role)role, is_closed));
    }
    memb_reply(call, 200, memb_view_object("roles", roles, NULL), NULL, NULL);
}

static const struct memb_route routes[] = {
    {"POST", "/v1/rooms", UB_HTTP_SIGNED, MEMB_APPEND_BODY_MAX, post_room},
    {"GET", "/v1/rooms", UB_HTTP_SIGNED, 0, list_rooms},
    {"GET", "/v1/rooms/{room}", UB_HTTP_SIGNED, 0, get_room},
    {"GET", "/v1/rooms/{room}/members", UB_HTTP_SIGNED, 0, get_members},
    {"GET", "/v1/rooms/{room}/permissions", UB_HTTP_SIGNED, 0, get_permissions},
};

const struct memb_route_table memb_room_routes = {routes, MEMB_COUNT(routes)};
