/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "output.h"

static enum unibus_status call(struct cli *cli, const char *method, const char *path,
                               struct unibus_reply *reply, struct unibus_err *err)
{
    const struct unibus_request request = {.method = method, .path = path};
    enum unibus_status status = cli_open(cli, err);
    return status == UNIBUS_OK
               ? unibus_node_call(unibus_client_node(cli->client), &request, reply, err)
               : status;
}

enum unibus_status cli_config_show(struct cli *cli, struct unibus_err *err)
{
    static const struct out_column columns[] = {{"name", "SETTING"},
                                                {"text", "VALUE"},
                                                {"origin", "SAID IN"},
                                                {"change", "A CHANGE"},
                                                {NULL, NULL}};
    struct unibus_reply reply = {.json = NULL};
    json_t *item;
    size_t i;
    enum unibus_status status = call(cli, "GET", "/v1/config", &reply, err);
    if (status == UNIBUS_OK) {
        json_t *settings = json_object_get(reply.json, "settings");
        json_array_foreach(settings, i, item)
        {
            bool is_live = json_is_true(json_object_get(item, "live"));
            json_object_set_new(item, "change", json_string(is_live ? "reload" : "restart"));
        }
        out_table(cli, json_incref(settings), columns);
    }
    unibus_reply_clear(&reply);
    return status;
}

/* ---- what a reload changes --------------------------------------------------------------------
 */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static void say_changes(const struct cli *cli, const json_t *outcome)
{
    static const struct out_column columns[] = {{"name", "SETTING"}, {"from", "NOW"},
                                                {"to", "THEN"},      {"to_origin", "SAID IN"},
                                                {"change", "TAKES"}, {NULL, NULL}};
    json_t *changes = json_object_get(outcome, "changes"), *item;
    size_t i;
    json_array_foreach(changes, i, item)
    {
        bool is_live = json_is_true(json_object_get(item, "live"));
        json_object_set_new(item, "change", json_string(is_live ? "a reload" : "a restart"));
    }
    if (json_array_size(changes) > 0) {
        out_table(cli, json_incref(changes), columns);
    }
}

/* As membershipd itself says them: FILE:LINE: message. */
static void say_errors(const json_t *outcome)
{
    const json_t *errors = json_object_get(outcome, "errors"), *item;
    size_t i;
    json_array_foreach(errors, i, item)
    {
        const char *file = text_of(item, "file"), *message = text_of(item, "message");
        json_int_t line = json_integer_value(json_object_get(item, "line"));
        out_safe(stderr, file, strlen(file));
        if (line > 0) {
            fprintf(stderr, ":%" JSON_INTEGER_FORMAT, line);
        }
        fputs(file[0] != '\0' ? ": " : "", stderr);
        out_safe(stderr, message, strlen(message));
        fputc('\n', stderr);
    }
}

static void show_outcome(const struct cli *cli, const json_t *outcome)
{
    if (out_is_json(cli)) {
        static const struct out_column whole[] = {{NULL, NULL}};
        out_fields(cli, json_deep_copy(outcome), whole);
        return;
    }
    const char *summary = text_of(outcome, "summary");
    say_changes(cli, outcome);
    say_errors(outcome);
    if (json_is_true(json_object_get(outcome, "ok"))) {
        out_safe(stdout, summary, strlen(summary));
        fputc('\n', stdout);
    }
}

enum unibus_status cli_config_diff(struct cli *cli, struct unibus_err *err)
{
    struct unibus_reply reply = {.json = NULL};
    enum unibus_status status = call(cli, "POST", "/v1/config:check", &reply, err);
    if (status == UNIBUS_OK) {
        show_outcome(cli, reply.json);
        if (!json_is_true(json_object_get(reply.json, "ok"))) {
            status = unibus_fail(err, UNIBUS_CONFLICT, "a reload would be refused: %s",
                                 text_of(reply.json, "summary"));
            unibus_fix(err, "mend the lines above, or restart the node for what needs it");
        }
    }
    unibus_reply_clear(&reply);
    return status;
}

enum unibus_status cli_config_reload(struct cli *cli, struct unibus_err *err)
{
    struct unibus_reply reply = {.json = NULL};
    enum unibus_status status = call(cli, "POST", "/v1/config:reload", &reply, err);
    if (json_object_get(reply.json, "summary") != NULL) { /* the problem of a refusal has it too */
        show_outcome(cli, reply.json);
    }
    unibus_reply_clear(&reply);
    return status;
}

/* ---- modules ----------------------------------------------------------------------------------
 */

static json_t *joined(const json_t *list, const char *key)
{
    char text[512] = "";
    size_t len = 0, i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *word = key != NULL ? text_of(item, key) : json_string_value(item);
        if (word != NULL && len < sizeof(text)) {
            len +=
                (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i > 0 ? ", " : "", word);
        }
    }
    return json_string(text);
}

enum unibus_status cli_module_ls(struct cli *cli, struct unibus_err *err)
{
    static const struct out_column columns[] = {
        {"name", "MODULE"}, {"version", "VERSION"},          {"abi", "ABI"},
        {"state", "STATE"}, {"gives", "PROVIDES"},           {"uses", "SERVED BY"},
        {"from", "FROM"},   {"about", "WAITS FOR, PROBLEM"}, {NULL, NULL}};
    struct unibus_reply reply = {.json = NULL};
    json_t *item;
    size_t i;
    enum unibus_status status = call(cli, "GET", "/v1/modules", &reply, err);
    json_t *modules = json_object_get(reply.json, "modules");
    if (status == UNIBUS_OK && !out_is_json(cli)) {
        json_array_foreach(modules, i, item)
        {
            const json_t *problems = json_object_get(item, "problems");
            bool is_bad = json_array_size(problems) > 0;
            const char *file = json_string_value(json_object_get(item, "file"));
            json_object_set_new(item, "from", out_json_text(file != NULL ? file : "linked in"));
            json_object_set_new(item, "gives", joined(json_object_get(item, "provides"), NULL));
            json_object_set_new(item, "uses", joined(json_object_get(item, "requires"), "module"));
            json_object_set_new(item, "about",
                                is_bad ? joined(problems, "what")
                                       : joined(json_object_get(item, "waiting"), NULL));
        }
    }
    if (status == UNIBUS_OK) {
        out_table(cli, json_incref(modules), columns);
    }
    unibus_reply_clear(&reply);
    return status;
}
