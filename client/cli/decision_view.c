/* SPDX-License-Identifier: Apache-2.0 */
#include "decision_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const struct out_column decision_columns[] = {
    {"when", "WHEN"},  {"verdict", "VERDICT"}, {"who", "WHO"}, {"asked", "ASKED"},
    {"rule", "WHOSE"}, {"why", "WHY"},         {"id", "ID"},   {NULL, NULL}};

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

static const char *verdict_of(const json_t *decision)
{
    return json_is_true(json_object_get(decision, "allowed")) ? "allowed" : "refused";
}

static void set_text(json_t *object, const char *name, const char *text)
{
    if (text[0] != '\0') {
        json_object_set_new(object, name, json_string(text));
    }
}

static void set_time(json_t *object, const json_t *decision)
{
    time_t seconds = (time_t)(json_integer_value(json_object_get(decision, "time_ms")) / 1000);
    struct tm parts;
    char text[32];
    if (gmtime_r(&seconds, &parts) != NULL &&
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%SZ", &parts) > 0) {
        json_object_set_new(object, "when", json_string(text));
    }
}

/* "alice", else the id, else the address of somebody who was nobody yet. */
static const char *who_of(const json_t *decision)
{
    const json_t *principal = json_object_get(decision, "principal");
    const char *handle = text_of(principal, "handle"), *id = text_of(principal, "id");
    return handle[0] != '\0' ? handle : id[0] != '\0' ? id : text_of(decision, "address");
}

static void set_asked(json_t *object, const json_t *decision)
{
    const json_t *resource = json_object_get(decision, "resource");
    char text[512];
    snprintf(text, sizeof(text), "%.64s %.32s %.300s", text_of(decision, "action"),
             text_of(resource, "kind"), text_of(resource, "id"));
    for (size_t len = strlen(text); len > 0 && text[len - 1] == ' ';) {
        text[--len] = '\0';
    }
    set_text(object, "asked", text);
}

json_t *decision_row(const json_t *decision)
{
    json_t *row = json_object();
    const char *place = text_of(decision, "place");
    set_time(row, decision);
    set_text(row, "verdict", verdict_of(decision));
    set_text(row, "who", who_of(decision));
    set_asked(row, decision);
    set_text(row, "rule", place[0] != '\0' ? place : text_of(decision, "provider"));
    set_text(row, "why", text_of(decision, "text"));
    set_text(row, "id", text_of(decision, "id"));
    return row;
}

/* The first row that fits; NULL fits everything. %s is the place or the handle. */
static const struct remedy {
    const char *provider, *action, *code, *words;
} remedies[] = {
    {"membership", NULL, "role",
     "somebody with that role does it, or an admin gives it: unibus identity add … --role R"},
    {"membership", "connect", NULL,
     "the NATS key must be that of a live device of an identity on the allowlist: unibus identity "
     "show WHO, and `unibus id show` on the device"},
    {NULL, "connect", NULL,
     "the credentials must be known to a module of the node: unibus identity add, or a user of the "
     "config"},
    {NULL, "publish", "reply-refused", "reply subjects must be the caller's own _INBOX.<token>"},
    {NULL, "publish", NULL,
     "a rule must cover the subject: unibus explain --as WHO SUBJECT; rooms give rules by role: "
     "unibus room role ROOM WHO writer"},
    {NULL, "subscribe", NULL,
     "a rule must cover the whole subject: unibus explain --as WHO SUBJECT; rooms give rules to "
     "members: unibus room add ROOM WHO"},
    {"http", "decision.read", NULL, "an auditor, admin or operator asks"},
    {"", NULL, NULL,
     "a module that provides ub.authz must allow it: see the modules of the config"},
};

static const char *remedy_for(const char *provider, const char *action, const char *code)
{
    for (size_t i = 0; i < sizeof(remedies) / sizeof(remedies[0]); i++) {
        const struct remedy *it = &remedies[i];
        if ((it->provider == NULL || strcmp(it->provider, provider) == 0) &&
            (it->action == NULL || strcmp(it->action, action) == 0) &&
            (it->code == NULL || strcmp(it->code, code) == 0)) {
            return it->words;
        }
    }
    return "";
}

const char *decision_change(const json_t *decision, char *room, size_t size)
{
    const char *place = text_of(decision, "place"), *provider = text_of(decision, "provider");
    if (json_is_true(json_object_get(decision, "allowed"))) {
        return "";
    }
    if (place[0] != '\0') {
        snprintf(
            room, size,
            "the rule at %.200s: an admin changes it, unibus policy test tries it, and the node "
            "takes it by a reload",
            place);
        return room;
    }
    return remedy_for(provider, text_of(decision, "action"), text_of(decision, "code"));
}

static void set_who(json_t *object, const json_t *decision)
{
    const json_t *principal = json_object_get(decision, "principal");
    const char *id = text_of(principal, "id"), *address = text_of(decision, "address");
    char text[320];
    snprintf(text, sizeof(text), "%.64s%s%.72s%s%s%.32s%s%.72s",
             id[0] != '\0' ? who_of(decision) : "somebody unknown", id[0] != '\0' ? " (" : "", id,
             id[0] != '\0' ? ")" : "", text_of(principal, "role")[0] != '\0' ? ", " : "",
             text_of(principal, "role"), address[0] != '\0' ? ", from " : "", address);
    set_text(object, "who", text);
}

static void set_input(json_t *object, const json_t *decision)
{
    const json_t *input = json_object_get(decision, "input");
    char *text = input != NULL ? json_dumps(input, JSON_ENSURE_ASCII) : NULL;
    if (text != NULL) {
        set_text(object, "input", text);
    } else if (json_is_true(json_object_get(decision, "input_omitted"))) {
        set_text(object, "input", "too long to be kept");
    }
    free(text);
}

void decision_show(const struct cli *cli, json_t *decision)
{
    static const struct out_column fields[] = {
        {"id", "decision"},      {"verdict", "verdict"},     {"when", "when"},
        {"node", "node"},        {"asked", "asked"},         {"who", "by"},
        {"provider", "decided"}, {"rule", "rule"},           {"code", "code"},
        {"why", "because"},      {"input", "input"},         {"digest", "script"},
        {"took_us", "took, us"}, {"change", "would change"}, {NULL, NULL}};
    char room[320];
    const char *change = decision_change(decision, room, sizeof(room));
    if (out_is_json(cli)) {
        json_object_set_new(decision, "change", json_string(change));
        out_fields(cli, decision, fields);
        return;
    }
    static const char *const copied[] = {"id", "node", "provider", "code", "digest"};
    json_t *view = json_object();
    for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++) {
        set_text(view, copied[i], text_of(decision, copied[i]));
    }
    set_text(view, "verdict", verdict_of(decision));
    set_time(view, decision);
    set_asked(view, decision);
    set_who(view, decision);
    set_text(view, "rule", text_of(decision, "place"));
    set_text(view, "why", text_of(decision, "text"));
    set_input(view, decision);
    if (json_object_get(decision, "took_us") != NULL) {
        json_object_set(view, "took_us", json_object_get(decision, "took_us"));
    }
    set_text(view, "change", change);
    out_fields(cli, view, fields);
    json_decref(decision);
}
