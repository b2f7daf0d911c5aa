/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_question.h"

#include <string.h>

#include <ubp/actions.h>

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

static bool read_field(struct policy_question *question, const char *name, const json_t *value)
{
    if (question->action.field_count == POLICY_FIELDS_MAX) {
        return false;
    }
    struct ubp_field *field = &question->fields[question->action.field_count];
    *field = (struct ubp_field){.name = name};
    if (json_is_string(value)) {
        field->kind = UBP_FIELD_TEXT;
        field->text = json_string_value(value);
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
    return true;
}

static bool read_context(struct policy_question *question, json_t *context)
{
    const char *name;
    json_t *value;
    bool is_flat = context == NULL || json_is_object(context);
    json_object_foreach(context, name, value)
    {
        is_flat = is_flat && read_field(question, name, value);
    }
    return is_flat;
}

const char *policy_question_read(const json_t *json, struct policy_question *question_out)
{
    const json_t *who = json_object_get(json, "principal"), *conn = json_object_get(json, "conn");
    const json_t *resource = json_object_get(json, "resource");
    const char *action = text_of(json, "action");
    *question_out = (struct policy_question){
        .is_connect = strcmp(action, "connect") == 0,
        .who = {text_of(who, "id"), text_of(who, "handle"), text_of(who, "role"),
                text_of(who, "device")},
        .conn = {.transport = text_of(conn, "transport"),
                 .ip = text_of(conn, "ip"),
                 .has_tls = json_is_true(json_object_get(conn, "tls")),
                 .is_loopback = json_is_true(json_object_get(conn, "loopback")),
                 .user = text_of(conn, "user"),
                 .client = text_of(conn, "client"),
                 .cert = text_of(conn, "cert")},
        .action = {.name = action,
                   .kind = text_of(resource, "kind"),
                   .id = text_of(resource, "id")},
    };
    question_out->action.fields = question_out->fields;
    if (action[0] == '\0') {
        return "nothing that a script is asked about";
    }
    if (!ubp_role_is_known(question_out->who.role)) {
        return "nobody's: a script judges identities";
    }
    return read_context(question_out, json_object_get(json, "context"))
               ? NULL
               : "its context is no flat object of texts, numbers and booleans";
}

void policy_question_ask(struct ubp_script *script, const struct policy_question *question,
                         struct ubp_trace *trace, struct ubp_decision *decision_out)
{
    if (question->is_connect) {
        ubp_on_connect(script, &question->who, &question->conn, trace, decision_out);
    } else {
        ubp_on_action(script, &question->who, &question->action, &question->conn, trace,
                      decision_out);
    }
}
