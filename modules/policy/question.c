/* SPDX-License-Identifier: Apache-2.0 */
#include "question.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ubp/actions.h>

static struct plcy_question *question_new(void)
{
    struct plcy_question *question = calloc(1, sizeof(*question));
    if (question != NULL) {
        atomic_init(&question->refs, 1);
    }
    return question;
}

void plcy_question_unref(struct plcy_question **question)
{
    if (*question != NULL && atomic_fetch_sub(&(*question)->refs, 1) == 1) {
        free(*question);
    }
    *question = NULL;
}

static struct plcy_question *question_if(struct plcy_question *question, bool is_good)
{
    if (!is_good) {
        plcy_question_unref(&question);
    }
    return question;
}

/* ---- copying ----------------------------------------------------------------------------------
 */

static bool keep(struct plcy_question *question, const char *text, const char **out)
{
    size_t len = text != NULL ? strlen(text) : 0;
    if (len >= sizeof(question->text) - question->used) {
        return false;
    }
    char *at = question->text + question->used;
    if (len > 0) {
        memcpy(at, text, len);
    }
    at[len] = '\0';
    question->used += len + 1;
    *out = at;
    return true;
}

static bool keep_who(struct plcy_question *question, const struct ub_principal *principal)
{
    char device[33] = "";
    static const uint8_t none[16];
    if (memcmp(principal->device, none, sizeof(none)) != 0) {
        for (size_t i = 0; i < sizeof(none); i++) {
            snprintf(device + 2 * i, 3, "%02x", principal->device[i]);
        }
    }
    return keep(question, principal->id, &question->who.id) &&
           keep(question, principal->handle, &question->who.handle) &&
           keep(question, ub_role_name(principal->role), &question->who.role) &&
           keep(question, device, &question->who.device);
}

static bool keep_conn(struct plcy_question *question, const struct ubp_conn *conn)
{
    question->conn.has_tls = conn->has_tls;
    question->conn.is_loopback = conn->is_loopback;
    return keep(question, conn->transport, &question->conn.transport) &&
           keep(question, conn->ip, &question->conn.ip) &&
           keep(question, conn->user, &question->conn.user) &&
           keep(question, conn->client, &question->conn.client) &&
           keep(question, conn->cert, &question->conn.cert);
}

struct plcy_question *plcy_question_connect(const struct ub_principal *principal,
                                            const struct ubp_conn *conn)
{
    struct plcy_question *question = question_new();
    return question_if(question, question != NULL && keep_who(question, principal) &&
                                     keep_conn(question, conn));
}

static bool keep_field(struct plcy_question *question, const char *name, const json_t *value)
{
    if (question->action.field_count == PLCY_FIELDS_MAX) {
        return false;
    }
    struct ubp_field *field = &question->fields[question->action.field_count];
    if (json_is_string(value)) {
        field->kind = UBP_FIELD_TEXT;
    } else if (json_is_number(value)) {
        field->kind = UBP_FIELD_NUMBER;
        field->number = json_number_value(value);
    } else if (json_is_boolean(value)) {
        field->kind = UBP_FIELD_BOOL;
        field->truth = json_is_true(value);
    } else {
        return json_is_null(value);
    }
    question->action.field_count++;
    question->action.fields = question->fields;
    return keep(question, name, &field->name) &&
           (field->kind != UBP_FIELD_TEXT ||
            keep(question, json_string_value(value), &field->text));
}

/* A context that is no flat object cannot be shown to a script: that is a deny, not a blank. */
static bool keep_context(struct plcy_question *question, const json_t *context)
{
    const char *name;
    json_t *value;
    if (context != NULL && !json_is_object(context)) {
        return false;
    }
    json_object_foreach((json_t *)(uintptr_t)context, name, value)
    {
        if (!keep_field(question, name, value)) {
            return false;
        }
    }
    return true;
}

static bool keep_context_text(struct plcy_question *question, const char *text)
{
    if (text == NULL) {
        return true;
    }
    json_t *context = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    bool is_good = context != NULL && keep_context(question, context);
    json_decref(context);
    return is_good;
}

struct plcy_question *plcy_question_action(const struct ub_principal *principal,
                                           const struct ub_action *action)
{
    const struct ubp_conn conn = {.transport = "http",
                                  .ip = action->address,
                                  .has_tls = action->has_tls,
                                  .is_loopback = action->is_loopback};
    struct plcy_question *question = question_new();
    if (question == NULL) {
        return NULL;
    }
    question->is_action = true;
    return question_if(question,
                       keep_who(question, principal) && keep_conn(question, &conn) &&
                           keep(question, action->name, &question->action.name) &&
                           keep(question, action->resource_kind, &question->action.kind) &&
                           keep(question, action->resource_id, &question->action.id) &&
                           keep_context_text(question, action->context_json));
}

/* ---- JSON -------------------------------------------------------------------------------------
 */

struct member {
    const char *name;
    const char **text; /* or */
    bool *truth;
};

static bool read_members(struct plcy_question *question, const json_t *object, const char *what,
                         const struct member *members, size_t count, char *detail, size_t size)
{
    const char *name;
    json_t *value;
    if (object != NULL && !json_is_object(object)) {
        snprintf(detail, size, "%s: an object is wanted", what);
        return false;
    }
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        size_t i = 0;
        while (i < count && strcmp(members[i].name, name) != 0) {
            i++;
        }
        bool is_text = i < count && members[i].text != NULL;
        if (i == count || (is_text ? !json_is_string(value) : !json_is_boolean(value)) ||
            (is_text && !keep(question, json_string_value(value), members[i].text))) {
            snprintf(detail, size, "%s: \"%.64s\" is unknown, of the wrong type or too long", what,
                     name);
            return false;
        }
        if (!is_text) {
            *members[i].truth = json_is_true(value);
        }
    }
    return true;
}

static bool read_principal(struct plcy_question *question, const json_t *body, char *detail,
                           size_t size)
{
    const struct member members[] = {{"id", &question->who.id, NULL},
                                     {"handle", &question->who.handle, NULL},
                                     {"role", &question->who.role, NULL},
                                     {"device", &question->who.device, NULL}};
    question->who = (struct ubp_who){"", "", "member", ""};
    if (!read_members(question, json_object_get(body, "principal"), "principal", members, 4, detail,
                      size)) {
        return false;
    }
    if (!ubp_role_is_known(question->who.role)) {
        snprintf(detail, size,
                 "principal: the role is member, service, auditor, admin or operator");
        return false;
    }
    return true;
}

static bool read_conn(struct plcy_question *question, const json_t *body, char *detail, size_t size)
{
    struct ubp_conn *conn = &question->conn;
    const struct member members[] = {
        {"transport", &conn->transport, NULL}, {"ip", &conn->ip, NULL},
        {"user", &conn->user, NULL},           {"client", &conn->client, NULL},
        {"cert", &conn->cert, NULL},           {"tls", NULL, &conn->has_tls},
        {"loopback", NULL, &conn->is_loopback}};
    *conn = (struct ubp_conn){
        .transport = question->is_action ? "http" : "nats", .ip = "127.0.0.1", .is_loopback = true};
    return read_members(question, json_object_get(body, "conn"), "conn", members, 7, detail, size);
}

static bool read_target(struct plcy_question *question, const json_t *body, const char *action,
                        char *detail, size_t size)
{
    const struct member members[] = {{"kind", &question->action.kind, NULL},
                                     {"id", &question->action.id, NULL}};
    char hint[96];
    if (ubp_action_is_suspect(action, hint, sizeof(hint))) {
        snprintf(detail, size, "action: \"%.64s\" is none%s", action, hint);
        return false;
    }
    if (!keep(question, action, &question->action.name) ||
        !read_members(question, json_object_get(body, "resource"), "resource", members, 2, detail,
                      size)) {
        return false;
    }
    if (!keep_context(question, json_object_get(body, "context"))) {
        snprintf(detail, size, "context: a flat object of texts, numbers and booleans is wanted");
        return false;
    }
    return true;
}

struct plcy_question *plcy_question_json(const json_t *body, char *detail_out, size_t detail_size)
{
    const char *action = json_string_value(json_object_get(body, "action"));
    struct plcy_question *question = question_new();
    snprintf(detail_out, detail_size, "the question is too long");
    if (question == NULL) {
        return NULL;
    }
    if (action == NULL) {
        snprintf(detail_out, detail_size, "action: \"connect\" or a name such as \"room.create\"");
        return question_if(question, false);
    }
    question->is_action = strcmp(action, "connect") != 0;
    return question_if(
        question,
        read_principal(question, body, detail_out, detail_size) &&
            read_conn(question, body, detail_out, detail_size) &&
            (!question->is_action || read_target(question, body, action, detail_out, detail_size)));
}

static json_t *fields_to_json(const struct plcy_question *question)
{
    json_t *context = json_object();
    for (size_t i = 0; i < question->action.field_count; i++) {
        const struct ubp_field *field = &question->fields[i];
        json_object_set_new(context, field->name,
                            field->kind == UBP_FIELD_TEXT     ? json_string(field->text)
                            : field->kind == UBP_FIELD_NUMBER ? json_real(field->number)
                                                              : json_boolean(field->truth));
    }
    return context;
}

/* Texts that are no UTF-8 would spoil the whole object: they are left out. */
static json_t *text_json(const char *text)
{
    json_t *json = json_string(text != NULL ? text : "");
    return json != NULL ? json : json_string("(not UTF-8)");
}

json_t *plcy_question_to_json(const struct plcy_question *question)
{
    const struct ubp_conn *conn = &question->conn;
    json_t *principal =
        json_pack("{s:o,s:o,s:o,s:o}", "id", text_json(question->who.id), "handle",
                  text_json(question->who.handle), "role", text_json(question->who.role), "device",
                  text_json(question->who.device));
    json_t *where = json_pack(
        "{s:o,s:o,s:b,s:b,s:o,s:o,s:o}", "transport", text_json(conn->transport), "ip",
        text_json(conn->ip), "tls", conn->has_tls, "loopback", conn->is_loopback, "user",
        text_json(conn->user), "client", text_json(conn->client), "cert", text_json(conn->cert));
    json_t *json = json_pack("{s:o,s:o,s:o}", "action",
                             text_json(question->is_action ? question->action.name : "connect"),
                             "principal", principal, "conn", where);
    if (json != NULL && question->is_action) {
        json_object_set_new(json, "resource",
                            json_pack("{s:o,s:o}", "kind", text_json(question->action.kind), "id",
                                      text_json(question->action.id)));
        json_object_set_new(json, "context", fields_to_json(question));
    }
    return json;
}
