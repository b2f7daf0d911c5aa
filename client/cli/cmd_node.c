/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <unibus-client/codes.h>

#include "output.h"

#ifndef UNIBUS_VERSION
#define UNIBUS_VERSION "0"
#endif

enum unibus_status cli_info(struct cli *cli, struct unibus_err *err)
{
    static const struct out_column fields[] = {
        {"server", "node"},
        {"cluster_id", "cluster id"},
        {"nonce_epoch", "nonce epoch"},
        {"version", "version"},
        {"client_version", "this program"},
        {"api", "API"},
        {"suites", "suites"},
        {"nats", "bus"},
        {"clock_skew_ms", "clock, ms ahead of yours"},
        {"entry_append_max_bytes", "append, max. bytes"},
        {"append_record_max_bytes", "record, max. bytes"},
        {"blob_max_bytes", "blob, max. bytes"},
        {NULL, NULL},
    };
    struct unibus_node_info info;
    enum unibus_status status = cli_open(cli, err);
    if (status == UNIBUS_OK) {
        status = unibus_node_info(unibus_client_node(cli->client), &info, err);
    }
    if (status != UNIBUS_OK) {
        return status;
    }
    json_t *view = json_deep_copy(info.document);
    json_object_set_new(view, "server",
                        json_string(unibus_node_server(unibus_client_node(cli->client))));
    json_object_set_new(view, "client_version", json_string(UNIBUS_VERSION));
    json_object_set_new(view, "clock_skew_ms", json_integer((json_int_t)info.skew_ms));
    if (!out_is_json(cli)) {
        json_object_update(view, json_object_get(view, "limits"));
    }
    out_fields(cli, view, fields);
    return UNIBUS_OK;
}

static json_t *code_json(const struct unibus_code *code)
{
    return json_pack("{s:s, s:s, s:s, s:s}", "code", code->code, "meaning", code->meaning, "who",
                     code->who, "fix", code->fix);
}

enum unibus_status cli_errors_ls(struct cli *cli, struct unibus_err *err)
{
    static const struct out_column columns[] = {{"code", "CODE"},
                                                {"who", "WHO"},
                                                {"meaning", "MEANING"},
                                                {"fix", "WHAT TO DO"},
                                                {NULL, NULL}};
    (void)err;
    json_t *rows = json_array();
    struct unibus_code code;
    for (size_t cursor = 0; unibus_code_next(&cursor, &code);) {
        json_array_append_new(rows, code_json(&code));
    }
    out_table(cli, rows, columns);
    return UNIBUS_OK;
}

enum unibus_status cli_errors_lookup(struct cli *cli, struct unibus_err *err)
{
    static const struct out_column fields[] = {{"code", "code"},
                                               {"meaning", "meaning"},
                                               {"who", "who mends it"},
                                               {"fix", "what to do"},
                                               {NULL, NULL}};
    struct unibus_code code;
    const char *words[256];
    size_t count = 0;
    if (unibus_code_find(cli->args[0], &code)) {
        out_fields(cli, code_json(&code), fields);
        return UNIBUS_OK;
    }
    for (size_t cursor = 0; count < 256 && unibus_code_next(&cursor, &code);) {
        words[count++] = code.code;
    }
    const char *nearest = cli_nearest(cli->args[0], words, count);
    unibus_fail(err, UNIBUS_NOT_FOUND, "there is no code \"%s\"", cli->args[0]);
    return nearest != NULL ? unibus_fix(err, "did you mean %s?", nearest)
                           : unibus_fix(err, "unibus errors ls shows all");
}

enum unibus_status cli_version(struct cli *cli, struct unibus_err *err)
{
    (void)err;
    if (out_is_json(cli)) {
        out_json_line(json_pack("{s:s, s:s}", "version", UNIBUS_VERSION, "protocol", "UBR1"));
    } else {
        printf("%s %s (UBR1)\n", cli->program, UNIBUS_VERSION);
    }
    return UNIBUS_OK;
}

enum unibus_status cli_help_command(struct cli *cli, struct unibus_err *err)
{
    if (cli_help(cli, cli->args[0], cli->args[1])) {
        return UNIBUS_OK;
    }
    unibus_fail(err, UNIBUS_USAGE, "there is no command \"%s\"", cli->args[0]);
    return unibus_fix(err, "unibus help shows the commands");
}
