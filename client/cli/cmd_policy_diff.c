/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd_policy.h"
#include "policy_question.h"

#define LINE_MAX_BYTES (1024 * 1024)

/* Recorded decisions, put to a new script and beside it to the old one. */
struct replay {
    const char *new_path;
    struct ubp_script *new_script, *old_script; /* old NULL = what was recorded */
    size_t read, asked, skipped;
    json_t *rows;
};

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

/* What the script of then must have said: its own word, or, when all was allowed, no deny. NULL =
 * somebody else refused before it was asked. */
static const char *recorded_verdict(const json_t *decision)
{
    bool is_allowed = json_is_true(json_object_get(decision, "allowed"));
    bool is_policys = strcmp(text_of(decision, "provider"), "policy") == 0;
    if (!is_policys && !is_allowed) {
        return NULL;
    }
    return is_allowed ? "no deny" : "deny";
}

static void add_row(struct replay *replay, const json_t *decision, const char *was,
                    const struct ubp_decision *now)
{
    char place[300];
    const json_t *principal = json_object_get(decision, "principal");
    const char *handle = text_of(principal, "handle");
    policy_place(replay->new_path, now->line, place, sizeof(place));
    json_array_append_new(
        replay->rows,
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "decision", text_of(decision, "id"), "who",
                  handle[0] != '\0' ? handle : text_of(principal, "id"), "asked",
                  text_of(decision, "action"), "was", was, "now", ubp_verdict_name(now->verdict),
                  "rule", out_json_text(place), "why", out_json_text(now->text)));
}

static bool differs(const char *was, enum ubp_verdict now)
{
    bool is_exact = strcmp(was, "no deny") != 0 && strcmp(was, "deny") != 0;
    return is_exact ? strcmp(was, ubp_verdict_name(now)) != 0
                    : (strcmp(was, "deny") == 0) != (now == UBP_DENY);
}

static void replay_one(struct replay *replay, const json_t *decision)
{
    struct policy_question question;
    struct ubp_decision now, then;
    const char *was = recorded_verdict(decision);
    replay->read++;
    if (policy_question_read(json_object_get(decision, "input"), &question) != NULL ||
        (replay->old_script == NULL && was == NULL)) {
        replay->skipped++;
        return;
    }
    replay->asked++;
    if (replay->old_script != NULL) {
        policy_question_ask(replay->old_script, &question, NULL, &then);
        was = ubp_verdict_name(then.verdict);
        ubp_decision_fini(&then);
    }
    policy_question_ask(replay->new_script, &question, NULL, &now);
    if (differs(was, now.verdict)) {
        add_row(replay, decision, was, &now);
    }
    ubp_decision_fini(&now);
}

static enum unibus_status read_line(struct replay *replay, const char *path, unsigned long number,
                                    const char *line, size_t len, struct unibus_err *err)
{
    json_error_t fault;
    if (strspn(line, " \t\r\n") == len) {
        return UNIBUS_OK;
    }
    json_t *decision =
        len <= LINE_MAX_BYTES ? json_loadb(line, len, JSON_REJECT_DUPLICATES, &fault) : NULL;
    if (!json_is_object(decision)) {
        json_decref(decision);
        unibus_fail(err, UNIBUS_FAILED, "%s:%lu: this is no decision", path, number);
        return unibus_fix(err, "the file is the output of `unibus policy decisions --json`: one "
                               "object a line");
    }
    replay_one(replay, decision);
    json_decref(decision);
    return UNIBUS_OK;
}

static enum unibus_status replay_file(struct replay *replay, const char *path,
                                      struct unibus_err *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "r");
    enum unibus_status status = UNIBUS_OK;
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    if (file == NULL) {
        return unibus_fail(err, UNIBUS_NOT_FOUND, "cannot read %s: %s", path, strerror(errno));
    }
    for (unsigned long number = 1; status == UNIBUS_OK && (len = getline(&line, &room, file)) >= 0;
         number++) {
        status = read_line(replay, path, number, line, (size_t)len, err);
    }
    if (status == UNIBUS_OK && ferror(file) != 0) {
        status = unibus_fail(err, UNIBUS_FAILED, "cannot read %s to its end", path);
    }
    free(line);
    if (!is_stdin) {
        fclose(file);
    }
    return status;
}

static void show(const struct cli *cli, const struct replay *replay)
{
    static const struct out_column columns[] = {
        {"asked", "ASKED"}, {"who", "WHO"}, {"was", "WAS"},           {"now", "NOW"},
        {"rule", "RULE"},   {"why", "WHY"}, {"decision", "DECISION"}, {NULL, NULL}};
    static const struct out_column none[] = {{NULL, NULL}};
    size_t count = json_array_size(replay->rows);
    if (out_is_json(cli)) {
        out_fields(cli,
                   json_pack("{s:I, s:I, s:I, s:I, s:O}", "read", (json_int_t)replay->read, "asked",
                             (json_int_t)replay->asked, "skipped", (json_int_t)replay->skipped,
                             "count", (json_int_t)count, "differences", replay->rows),
                   none);
        return;
    }
    if (count > 0) {
        out_table(cli, json_incref(replay->rows), columns);
    }
    out_say(cli, "%zu of %zu decisions differ%s", count, replay->asked,
            replay->skipped > 0 ? "; others could not be asked:" : "");
    if (replay->skipped > 0) {
        out_say(cli, "%zu of nobody, of the data plane, or refused by another module before",
                replay->skipped);
    }
}

enum unibus_status cli_policy_diff(struct cli *cli, struct unibus_err *err)
{
    const char *recorded = cli_option(cli, "replay"), *old = cli_option(cli, "old");
    struct replay replay = {.new_path = cli->args[0]};
    if (recorded == NULL) {
        unibus_fail(err, UNIBUS_USAGE, "which decisions?");
        return unibus_fix(err, "unibus policy decisions --json > decisions.jsonl, then --replay "
                               "decisions.jsonl");
    }
    replay.rows = json_array();
    enum unibus_status status = policy_load(replay.new_path, &replay.new_script, err);
    if (status == UNIBUS_OK && old != NULL) {
        status = policy_load(old, &replay.old_script, err);
    }
    if (status == UNIBUS_OK) {
        status = replay_file(&replay, recorded, err);
    }
    size_t count = json_array_size(replay.rows);
    if (status == UNIBUS_OK) {
        show(cli, &replay);
    }
    if (status == UNIBUS_OK && count > 0) {
        unibus_fail(err, UNIBUS_FAILED, "%s decides %zu of %zu otherwise", replay.new_path, count,
                    replay.asked);
        status =
            unibus_fix(err, "look at each; when all are meant, reload the node with the script");
    }
    json_decref(replay.rows);
    ubp_script_free(&replay.new_script);
    ubp_script_free(&replay.old_script);
    return status;
}
