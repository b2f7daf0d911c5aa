/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd_policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void policy_place(const char *path, uint32_t line, char *out, size_t size)
{
    if (line > 0) {
        snprintf(out, size, "%s:%u", path, line);
    } else {
        snprintf(out, size, "%s", path);
    }
}

/* One byte more than is allowed, so that too long a script is noticed. */
static enum unibus_status read_script(const char *path, char **text_out, size_t *len_out,
                                      struct unibus_err *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "r");
    char *text = malloc(UBP_TEXT_MAX + 1);
    if (file == NULL || text == NULL) {
        free(text);
        return unibus_fail(err, UNIBUS_NOT_FOUND, "cannot read %s: %s", path, strerror(errno));
    }
    errno = 0;
    *len_out = fread(text, 1, UBP_TEXT_MAX + 1, file);
    bool is_bad = ferror(file) != 0;
    int why = errno;
    if (!is_stdin) {
        fclose(file);
    }
    if (is_bad || *len_out > UBP_TEXT_MAX) {
        free(text);
        return is_bad ? unibus_fail(err, UNIBUS_FAILED, "cannot read %s: %s", path, strerror(why))
                      : unibus_fail(err, UNIBUS_FAILED, "%s: a script has at most %u KiB", path,
                                    UBP_TEXT_MAX / 1024);
    }
    *text_out = text;
    return UNIBUS_OK;
}

static enum unibus_status fail_script(const char *path, const struct ubp_fault *fault,
                                      struct unibus_err *err)
{
    char place[300];
    policy_place(path, fault->line, place, sizeof(place));
    unibus_fail_code(err, UNIBUS_FAILED, ubp_error_code(fault->error), "%s: %s", place,
                     fault->text);
    return unibus_fix(err, "docs/policy.md tells what a script may do");
}

enum unibus_status policy_load(const char *path, struct ubp_script **script_out,
                               struct unibus_err *err)
{
    char *text = NULL;
    size_t len = 0;
    struct ubp_fault fault;
    enum unibus_status status = read_script(path, &text, &len, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    *script_out = ubp_script_load(path, text, len, NULL, &fault);
    free(text);
    return *script_out != NULL ? UNIBUS_OK : fail_script(path, &fault, err);
}

/* ---- check ------------------------------------------------------------------------------------
 */

enum unibus_status cli_policy_check(struct cli *cli, struct unibus_err *err)
{
    struct ubp_script *script = NULL;
    const char *path = cli->args[0];
    enum unibus_status status = policy_load(path, &script, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    bool has_connect = ubp_script_has_on_connect(script);
    bool has_action = ubp_script_has_on_action(script);
    size_t tests = ubp_script_test_count(script);
    if (out_is_json(cli)) {
        out_json_line(json_pack("{s:o, s:b, s:b, s:b, s:I}", "file", out_json_text(path), "ok",
                                true, "on_connect", has_connect, "on_action", has_action, "tests",
                                (json_int_t)tests));
    } else {
        out_say(cli, "%s: good; %s%s%s, %zu test%s", path, has_connect ? "on_connect" : "",
                has_connect && has_action ? ", " : "", has_action ? "on_action" : "", tests,
                tests == 1 ? "" : "s");
        out_say(cli,
                tests > 0 ? "`unibus policy test %s` runs them" : "%s has no tests: write some",
                path);
    }
    ubp_script_free(&script);
    return UNIBUS_OK;
}

/* ---- test -------------------------------------------------------------------------------------
 */

struct tests {
    const char *path;
    json_t *rows;
    size_t bad;
    bool is_verbose;
};

static void take_result(void *arg, const struct ubp_test_result *result)
{
    struct tests *tests = arg;
    char place[300];
    const struct ubp_fault *fault = &result->fault;
    uint32_t line = result->is_good || fault->line == 0 ? result->line : fault->line;
    policy_place(tests->path, line, place, sizeof(place));
    tests->bad += !result->is_good;
    json_t *row =
        json_pack("{s:s, s:o, s:o, s:I, s:I}", "result", result->is_good ? "ok" : "FAILED", "test",
                  out_json_text(result->name), "place", out_json_text(place), "checks",
                  (json_int_t)result->checks, "steps", (json_int_t)result->steps);
    if (!result->is_good) {
        json_object_set_new(row, "why", out_json_text(fault->text));
    }
    json_array_append_new(tests->rows, row);
}

static void show_tests(const struct cli *cli, const struct tests *tests)
{
    static const struct out_column all[] = {
        {"result", "RESULT"}, {"test", "TEST"}, {"checks", "CHECKS"}, {"steps", "STEPS"},
        {"place", "PLACE"},   {"why", "WHY"},   {NULL, NULL}};
    json_t *shown = json_array(), *row;
    size_t at, count = json_array_size(tests->rows);
    json_array_foreach(tests->rows, at, row)
    {
        if (tests->is_verbose || json_object_get(row, "why") != NULL) {
            json_array_append(shown, row);
        }
    }
    if (json_array_size(shown) > 0) {
        out_table(cli, shown, all);
    } else {
        json_decref(shown);
    }
    out_say(cli, "%zu of %zu tests passed", count - tests->bad, count);
}

enum unibus_status cli_policy_test(struct cli *cli, struct unibus_err *err)
{
    struct ubp_script *script = NULL;
    struct tests tests = {.path = cli->args[0], .is_verbose = cli_option(cli, "verbose") != NULL};
    enum unibus_status status = policy_load(tests.path, &script, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    tests.rows = json_array();
    bool is_good = ubp_script_test(script, take_result, &tests, NULL);
    size_t count = json_array_size(tests.rows);
    ubp_script_free(&script);
    if (out_is_json(cli)) {
        static const struct out_column none[] = {{NULL, NULL}};
        out_fields(cli,
                   json_pack("{s:o, s:b, s:O}", "file", out_json_text(tests.path), "ok", is_good,
                             "tests", tests.rows),
                   none);
    } else {
        show_tests(cli, &tests);
    }
    json_decref(tests.rows);
    if (is_good) {
        return UNIBUS_OK;
    }
    unibus_fail_code(err, UNIBUS_FAILED, "tests-failed", "%s: %zu of %zu tests failed", tests.path,
                     tests.bad, count);
    return unibus_fix(err, "a node does not take a script whose tests fail");
}

/* ---- show -------------------------------------------------------------------------------------
 */

enum unibus_status cli_policy_show(struct cli *cli, struct unibus_err *err)
{
    static const struct out_column fields[] = {{"script", "script"},
                                               {"digest", "digest"},
                                               {"state", "state"},
                                               {"passed", "tests"},
                                               {"calls", "calls"},
                                               {"denials", "denials"},
                                               {"failures", "failures"},
                                               {"activations", "activations"},
                                               {NULL, NULL}};
    json_t *policy;
    enum unibus_status status = cli_open(cli, err);
    if (status == UNIBUS_OK) {
        status = unibus_client_get(cli->client, "/v1/policy", NULL, &policy, err);
    }
    if (status == UNIBUS_NOT_FOUND) {
        unibus_fail(err, UNIBUS_NOT_FOUND, "the node has no site policy");
        return unibus_fix(err,
                          "name one in its config: module \"policy\" { script = \"site.lua\" }");
    }
    if (status != UNIBUS_OK) {
        return status;
    }
    if (!out_is_json(cli)) {
        size_t tests = json_array_size(json_object_get(policy, "tests"));
        json_object_update(policy, json_object_get(policy, "counters"));
        json_object_set_new(policy, "passed", json_integer((json_int_t)tests));
    }
    out_fields(cli, policy, fields);
    return UNIBUS_OK;
}
