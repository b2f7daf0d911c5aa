/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/identities: the allowlist. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <ubr/text.h>

#include "actions.h"
#include "allowlist.h"
#include "routes.h"
#include "view.h"

#define HANDLE_TEXT_MAX 200 /* longer ones are refused as handles, not as JSON */
#define ROLE_TEXT_MAX   16

/* A device record as it comes: `sig`, `pop` and `nats_pop` of any length, so that the chain's own
 * codes (E-SIG, E-POP) answer for wrong ones. */
struct device_body {
    struct memb_json_bytes body, sig, pop, nats_pop;
};

static const struct memb_json_field device_fields[] = {
    {"body", MEMB_JSON_BYTES, MEMB_JSON_REQUIRED, offsetof(struct device_body, body), 0, 512},
    {"sig", MEMB_JSON_BYTES, MEMB_JSON_REQUIRED, offsetof(struct device_body, sig), 0, 128},
    {"pop", MEMB_JSON_BYTES, 0, offsetof(struct device_body, pop), 0, 128},
    {"nats_pop", MEMB_JSON_BYTES, 0, offsetof(struct device_body, nats_pop), 0, 128},
};

static struct ubr_device_record record_of(const struct device_body *device)
{
    return (struct ubr_device_record){ubr_bytes_of(device->body.ptr, device->body.len),
                                      ubr_bytes_of(device->sig.ptr, device->sig.len),
                                      ubr_bytes_of(device->pop.ptr, device->pop.len),
                                      ubr_bytes_of(device->nats_pop.ptr, device->nats_pop.len)};
}

static void free_device(struct device_body *device)
{
    memb_json_free_fields(device_fields, MEMB_COUNT(device_fields), device);
}

static json_t *view_of(struct memb *memb, const struct memb_identity *identity, char etag_out[24])
{
    memb_model_read(&memb->model);
    json_t *view = memb_view_identity(identity, &identity->chain, identity->note);
    snprintf(etag_out, 24, "\"%" PRIu64 "\"", identity->version);
    memb_model_unlock(&memb->model);
    return view;
}

static void reply_identity(struct memb_call *call, int status, const struct memb_identity *identity)
{
    char etag[24], location[64];
    json_t *view = view_of(call->memb, identity, etag);
    snprintf(location, sizeof location, "/v1/identities/%s", identity->id);
    memb_reply(call, status, view, etag, status == 201 ? location : NULL);
}

static struct memb_identity *identity_of_path(struct memb_call *call)
{
    struct memb_model *model = &call->memb->model;
    memb_model_read(model);
    struct memb_identity *identity = memb_model_identity(model, call->request->params[0]);
    memb_model_unlock(model);
    if (identity == NULL) {
        memb_problem(call, UB_P_NOT_FOUND, "no such identity");
    }
    return identity;
}

/* ---- POST /v1/identities ----------------------------------------------------------------------
 */

struct create_body {
    const char *handle, *role, *note;
    const json_t *device;
};

static const struct memb_json_field create_fields[] = {
    {"handle", MEMB_JSON_TEXT, MEMB_JSON_REQUIRED, offsetof(struct create_body, handle), 1,
     HANDLE_TEXT_MAX},
    {"role", MEMB_JSON_TEXT, MEMB_JSON_REQUIRED, offsetof(struct create_body, role), 1,
     ROLE_TEXT_MAX},
    {"device", MEMB_JSON_OBJECT, MEMB_JSON_REQUIRED, offsetof(struct create_body, device), 0, 0},
    {"note", MEMB_JSON_TEXT, 0, offsetof(struct create_body, note), 0, MEMB_NOTE_MAX},
};

static bool refuse_field(struct memb_call *call, const char *name, const char *detail)
{
    struct memb_json_error error;
    memb_json_refuse(&error, "", name, detail);
    memb_problem_json(call, &error);
    return false;
}

static bool may_have_role(struct memb_call *call, const char *action, const char *id,
                          enum ub_role role)
{
    char context[64];
    const char *name = memb_role_name(role);
    snprintf(context, sizeof context, "{\"role\":\"%s\"}", name != NULL ? name : "");
    return memb_may(call, action, "identity", id, context);
}

static bool read_role(struct memb_call *call, const char *text, enum ub_role *role_out)
{
    *role_out = memb_role_from_name(text);
    return *role_out != UB_ROLE_NONE ||
           refuse_field(call, "role", "operator, admin, auditor, service or member is expected");
}

/* The same identity as asked for: then the request is a repeat. */
static struct memb_identity *find_repeat(struct memb *memb, const struct memb_allow *allow)
{
    uint8_t hash[UBR_HASH_LEN];
    ubr_device_hash(allow->device.body, hash);
    memb_model_read(&memb->model);
    struct memb_identity *identity = memb_model_account(&memb->model, allow->account_pk);
    bool is_same = identity != NULL && !identity->is_removed && identity->role == allow->role &&
                   strlen(identity->handle) == allow->handle.len &&
                   memcmp(identity->handle, allow->handle.ptr, allow->handle.len) == 0 &&
                   memcmp(identity->records[0]->hash, hash, UBR_HASH_LEN) == 0;
    memb_model_unlock(&memb->model);
    return is_same ? identity : NULL;
}

static void create(struct memb_call *call, struct memb_allow allow)
{
    struct memb_identity *same = find_repeat(call->memb, &allow);
    if (same != NULL) {
        reply_identity(call, 200, same);
        return;
    }
    struct memb_change change = {.allow = allow, .status = 201};
    if (memb_allow_apply(call, &change)) {
        json_decref(change.body);
        reply_identity(call, 201, change.identity);
    }
}

static void create_with_device(struct memb_call *call, const struct create_body *body,
                               enum ub_role role, const struct device_body *device)
{
    struct ubr_device_body parsed;
    struct ubr_device_record record = record_of(device);
    enum ubr_error rule = ubr_device_parse(record.body, &parsed);
    if (rule != UBR_OK) {
        memb_problem_rule(call, UB_P_RECORD_INVALID, rule);
        return;
    }
    create(call, (struct memb_allow){.kind = MEMB_ALLOW_CREATE,
                                     .account_pk = parsed.account_pk,
                                     .role = role,
                                     .handle = ubr_bytes_of_text(body->handle),
                                     .note = ubr_bytes_of_text(body->note ? body->note : ""),
                                     .device = record});
}

static void post_identity(struct memb_call *call)
{
    struct create_body body = {0};
    struct device_body device = {0};
    struct memb_json_error error;
    enum ub_role role;
    json_t *root = NULL;
    if (!memb_read_body(call, create_fields, MEMB_COUNT(create_fields), &body, &root)) {
        return;
    }
    if (!memb_json_read(body.device, "/device", device_fields, MEMB_COUNT(device_fields), &device,
                        &error)) {
        memb_problem_json(call, &error);
    } else if (!ubr_handle_is_valid(ubr_bytes_of_text(body.handle))) {
        refuse_field(call, "handle", "1 to 63 of a-z 0-9 . _ -, beginning with a letter or digit");
    } else if (read_role(call, body.role, &role) &&
               may_have_role(call, "identity.create", "", role)) {
        create_with_device(call, &body, role, &device);
    }
    free_device(&device);
    json_decref(root);
}

/* ---- GET --------------------------------------------------------------------------------------
 */

static void list_by_handle(struct memb_call *call, const char *handle)
{
    struct memb_model *model = &call->memb->model;
    json_t *items = json_array();
    memb_model_read(model);
    const struct memb_identity *identity = memb_model_by_handle(model, handle);
    if (identity != NULL) {
        json_array_append_new(items,
                              memb_view_identity(identity, &identity->chain, identity->note));
    }
    memb_model_unlock(model);
    memb_reply(call, 200, memb_view_object("items", items, "next", json_null(), NULL), NULL, NULL);
}

static void list_page(struct memb_call *call, size_t from, size_t limit)
{
    struct memb_model *model = &call->memb->model;
    json_t *items = json_array();
    char next[24];
    memb_model_read(model);
    size_t end = model->identities_len < from + limit ? model->identities_len : from + limit;
    for (size_t i = from; i < end; i++) {
        const struct memb_identity *identity = model->identities[i];
        json_array_append_new(items,
                              memb_view_identity(identity, &identity->chain, identity->note));
    }
    bool has_more = end < model->identities_len;
    memb_model_unlock(model);
    snprintf(next, sizeof next, "%zu", end);
    memb_reply(
        call, 200,
        memb_view_object("items", items, "next", has_more ? json_string(next) : json_null(), NULL),
        NULL, NULL);
}

static void list_identities(struct memb_call *call)
{
    char handle[UBR_HANDLE_MAX + 2];
    int64_t limit, cursor;
    if (!memb_may(call, "identity.list", "identity", "", NULL)) {
        return;
    }
    if (memb_query_text(call, "handle", handle, sizeof handle)) {
        list_by_handle(call, handle);
    } else if (strstr(call->request->raw_query, "handle=") != NULL) {
        list_by_handle(call, ""); /* nobody has a handle that long or with such characters */
    } else if (memb_query_number(call, "limit", 50, 1, 500, &limit) &&
               memb_query_number(call, "cursor", 0, 0, UINT32_MAX, &cursor)) {
        list_page(call, (size_t)cursor, (size_t)limit);
    }
}

static void get_identity(struct memb_call *call)
{
    const struct memb_identity *identity = identity_of_path(call);
    if (identity != NULL && memb_may(call, "identity.read", "identity", identity->id, NULL)) {
        reply_identity(call, 200, identity);
    }
}

/* ---- PATCH and DELETE -------------------------------------------------------------------------
 */

struct patch_body {
    const char *role, *note;
    struct memb_json_bool disabled;
};

static const struct memb_json_field patch_fields[] = {
    {"role", MEMB_JSON_TEXT, 0, offsetof(struct patch_body, role), 1, ROLE_TEXT_MAX},
    {"disabled", MEMB_JSON_BOOL, 0, offsetof(struct patch_body, disabled), 0, 0},
    {"note", MEMB_JSON_TEXT, 0, offsetof(struct patch_body, note), 0, MEMB_NOTE_MAX},
};

static enum ub_role role_of(struct memb *memb, const struct memb_identity *identity)
{
    memb_model_read(&memb->model);
    enum ub_role role = identity->role;
    memb_model_unlock(&memb->model);
    return role;
}

static bool fill_patch(struct memb_call *call, const struct patch_body *body,
                       struct memb_allow *allow)
{
    if (body->role != NULL) {
        allow->mask |= MEMB_PATCH_ROLE;
        if (!read_role(call, body->role, &allow->role)) {
            return false;
        }
    }
    if (body->disabled.is_given) {
        allow->mask |= MEMB_PATCH_DISABLED;
        allow->is_disabled = body->disabled.value;
    }
    if (body->note != NULL) {
        allow->mask |= MEMB_PATCH_NOTE;
        allow->note = ubr_bytes_of_text(body->note);
    }
    return allow->mask != 0 || refuse_field(call, "", "role, disabled or note is expected");
}

static void patch(struct memb_call *call, struct memb_identity *identity,
                  const struct patch_body *body, const char *if_match)
{
    struct memb_change change = {.if_match = if_match, .status = 200};
    change.allow.kind = MEMB_ALLOW_PATCH;
    change.allow.account_pk = identity->account_pk;
    if (!fill_patch(call, body, &change.allow)) {
        return;
    }
    enum ub_role present = role_of(call->memb, identity);
    enum ub_role role = present > change.allow.role ? present : change.allow.role;
    if (may_have_role(call, "identity.update", identity->id, role) &&
        memb_allow_apply(call, &change)) {
        reply_identity(call, 200, identity);
    }
}

static void patch_identity(struct memb_call *call)
{
    char if_match[80];
    struct patch_body body = {0};
    json_t *root = NULL;
    struct memb_identity *identity = identity_of_path(call);
    if (identity == NULL ||
        !memb_read_body(call, patch_fields, MEMB_COUNT(patch_fields), &body, &root)) {
        return;
    }
    if (memb_if_match(call, if_match, sizeof if_match)) {
        patch(call, identity, &body, if_match);
    }
    json_decref(root);
}

static void delete_identity(struct memb_call *call)
{
    char if_match[80];
    struct memb_identity *identity = identity_of_path(call);
    if (identity == NULL || !memb_if_match(call, if_match, sizeof if_match) ||
        !may_have_role(call, "identity.remove", identity->id, role_of(call->memb, identity))) {
        return;
    }
    struct memb_change change = {.if_match = if_match, .status = 200};
    change.allow.kind = MEMB_ALLOW_REMOVE;
    change.allow.account_pk = identity->account_pk;
    if (!memb_allow_apply(call, &change)) {
        return;
    }
    json_t *rooms = json_array();
    memb_model_read(&call->memb->model);
    for (size_t i = 0; i < identity->rooms_len; i++) {
        json_array_append_new(rooms, json_string(identity->rooms[i]->id32));
    }
    memb_model_unlock(&call->memb->model);
    char etag[24];
    memb_reply(call, 200,
               memb_view_object("identity", view_of(call->memb, identity, etag), "connections_cut",
                                json_integer(change.connections), "rooms", rooms, NULL),
               NULL, NULL);
}

/* ---- devices ----------------------------------------------------------------------------------
 */

static void get_devices(struct memb_call *call)
{
    const struct memb_identity *identity = identity_of_path(call);
    if (identity == NULL || !memb_may(call, "device.read", "identity", identity->id, NULL)) {
        return;
    }
    json_t *items = json_array();
    memb_model_read(&call->memb->model);
    for (size_t i = 0; i < identity->chain.records_len; i++) {
        json_array_append_new(items, memb_view_device(identity->records[i]));
    }
    json_t *head = memb_view_hex(ubr_chain_head(&identity->chain), UBR_HASH_LEN);
    memb_model_unlock(&call->memb->model);
    memb_reply(call, 200, memb_view_object("items", items, "head", head, NULL), NULL, NULL);
}

/* Posting a record again that the chain has is no change. */
static bool is_known_record(struct memb_call *call, const struct memb_identity *identity,
                            struct ubr_bytes body)
{
    uint8_t hash[UBR_HASH_LEN];
    int64_t seq = -1;
    ubr_device_hash(body, hash);
    memb_model_read(&call->memb->model);
    for (size_t i = 0; i < identity->chain.records_len; i++) {
        seq = memcmp(identity->chain.hashes[i], hash, UBR_HASH_LEN) == 0 ? (int64_t)i : seq;
    }
    memb_model_unlock(&call->memb->model);
    if (seq >= 0) {
        memb_reply(call, 200,
                   memb_view_object("head", memb_view_hex(hash, UBR_HASH_LEN), "seq",
                                    json_integer(seq), NULL),
                   NULL, NULL);
    }
    return seq >= 0;
}

static void append_device(struct memb_call *call, struct memb_identity *identity,
                          const struct device_body *device)
{
    char if_match[80];
    struct memb_change change = {.if_match = if_match, .status = 201};
    change.allow.kind = MEMB_ALLOW_DEVICE;
    change.allow.account_pk = identity->account_pk;
    change.allow.device = record_of(device);
    if (!is_known_record(call, identity, change.allow.device.body) &&
        memb_if_match(call, if_match, sizeof if_match) && memb_allow_apply(call, &change)) {
        memb_reply(call, 201, change.body, NULL, NULL);
    }
}

static void post_device(struct memb_call *call)
{
    struct device_body device = {0};
    json_t *root = NULL;
    struct memb_identity *identity = identity_of_path(call);
    if (identity == NULL || !memb_may(call, "device.append", "identity", identity->id, NULL) ||
        !memb_read_body(call, device_fields, MEMB_COUNT(device_fields), &device, &root)) {
        return;
    }
    append_device(call, identity, &device);
    free_device(&device);
    json_decref(root);
}

static const struct memb_route routes[] = {
    {"POST", "/v1/identities", UB_HTTP_SIGNED, 16 * 1024, post_identity},
    {"GET", "/v1/identities", UB_HTTP_SIGNED, 0, list_identities},
    {"GET", "/v1/identities/{id}", UB_HTTP_SIGNED, 0, get_identity},
    {"PATCH", "/v1/identities/{id}", UB_HTTP_SIGNED, 16 * 1024, patch_identity},
    {"DELETE", "/v1/identities/{id}", UB_HTTP_SIGNED, 0, delete_identity},
    {"GET", "/v1/identities/{id}/devices", UB_HTTP_SIGNED, 0, get_devices},
    {"POST", "/v1/identities/{id}/devices", UB_HTTP_SIGNED, 16 * 1024, post_device},
};

const struct memb_route_table memb_identity_routes = {routes, MEMB_COUNT(routes)};
