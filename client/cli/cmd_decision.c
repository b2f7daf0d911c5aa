/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "decision_view.h"
#include "output.h"

#define PAGES_MAX 1000

/* Ids go into paths and queries: only what a node makes. */
static bool is_id(const char *text)
{
    return strncmp(text, "d-", 2) == 0 && text[2] != '\0' && strlen(text) < 32 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(text);
}

static enum unibus_status refuse_id(const char *text, struct unibus_err *err)
{
    unibus_fail(err, UNIBUS_USAGE, "\"%.64s\" is not the id of a decision", text);
    return unibus_fix(err, "it begins with d- and stands in the refusal and in the node's log; "
                           "`unibus policy decisions` lists them");
}

/* What to list: all that this identity may see, or one identity's. */
struct wanted {
    char query[160]; /* "principal=…&", or "" */
    char since[40];  /* an id, or "" */
    int64_t not_before_ms;
};

/* Calls each for the decisions in order, until the node has no more. */
static enum unibus_status walk(struct cli *cli, struct wanted *wanted,
                               void (*each)(void *arg, json_t *decision), void *arg,
                               struct unibus_err *err)
{
    char query[256];
    bool has_more = true;
    for (int page = 0; page < PAGES_MAX && has_more; page++) {
        json_t *json, *item;
        size_t at;
        snprintf(query, sizeof(query), "%slimit=500&since=%s", wanted->query, wanted->since);
        enum unibus_status status =
            unibus_client_get(cli->client, "/v1/decisions", query, &json, err);
        if (status != UNIBUS_OK) {
            return status;
        }
        json_array_foreach(json_object_get(json, "items"), at, item)
        {
            if (json_integer_value(json_object_get(item, "time_ms")) >= wanted->not_before_ms) {
                each(arg, item);
            }
        }
        const char *next = json_string_value(json_object_get(json, "next"));
        has_more = next != NULL && is_id(next);
        snprintf(wanted->since, sizeof(wanted->since), "%s", has_more ? next : "");
        json_decref(json);
    }
    return UNIBUS_OK;
}

/* ---- why --------------------------------------------------------------------------------------
 */

static void keep_refusal(void *arg, json_t *decision)
{
    json_t **latest = arg;
    if (json_is_false(json_object_get(decision, "allowed"))) {
        json_decref(*latest);
        *latest = json_incref(decision);
    }
}

static bool own_query(struct cli *cli, char *query_out, size_t size)
{
    const struct unibus_identity *identity;
    struct unibus_err ignored = UNIBUS_ERR_INIT;
    bool has_one = unibus_client_identity(cli->client, &identity, &ignored) == UNIBUS_OK;
    query_out[0] = '\0';
    if (has_one) {
        snprintf(query_out, size, "principal=%s&", identity->id);
    }
    return has_one;
}

static enum unibus_status latest_refusal(struct cli *cli, json_t **decision_out,
                                         struct unibus_err *err)
{
    struct wanted wanted = {.since = ""};
    json_t *latest = NULL;
    own_query(cli, wanted.query, sizeof(wanted.query)); /* on the admin socket: anybody's */
    enum unibus_status status = walk(cli, &wanted, keep_refusal, &latest, err);
    *decision_out = latest;
    if (status == UNIBUS_OK && latest == NULL) {
        unibus_fail(err, UNIBUS_NOT_FOUND, "the node keeps no refusal of yours");
        return unibus_fix(err, "a login that failed is nobody's yet: ask an admin, who sees it in "
                               "`unibus policy decisions`");
    }
    return status;
}

static enum unibus_status fetch(struct cli *cli, const char *id, json_t **decision_out,
                                struct unibus_err *err)
{
    char path[64];
    snprintf(path, sizeof(path), "/v1/decisions/%s", id);
    enum unibus_status status = unibus_client_get(cli->client, path, NULL, decision_out, err);
    if (status == UNIBUS_NOT_FOUND) {
        unibus_fix(err,
                   "the node keeps the latest (decisions.keep), and shows others' to auditors, "
                   "admins and operators only");
    }
    return status;
}

enum unibus_status cli_why(struct cli *cli, struct unibus_err *err)
{
    const char *id = cli->args[0];
    json_t *decision = NULL;
    if (id != NULL && !is_id(id)) {
        return refuse_id(id, err);
    }
    enum unibus_status status = cli_open(cli, err);
    if (status == UNIBUS_OK) {
        status = id != NULL ? fetch(cli, id, &decision, err) : latest_refusal(cli, &decision, err);
    }
    if (status == UNIBUS_OK) {
        decision_show(cli, decision);
    }
    return status;
}

/* ---- policy decisions -------------------------------------------------------------------------
 */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static enum unibus_status read_since(const char *since, struct wanted *wanted,
                                     struct unibus_err *err)
{
    if (since == NULL) {
        return UNIBUS_OK;
    }
    if (is_id(since)) {
        snprintf(wanted->since, sizeof(wanted->since), "%s", since);
        return UNIBUS_OK;
    }
    long long ago_ms = cli_duration_ms(since);
    if (ago_ms < 0) {
        unibus_fail(err, UNIBUS_USAGE, "\"%.64s\" is neither a decision nor a duration", since);
        return unibus_fix(err, "--since d-… or, for example, --since 10m");
    }
    wanted->not_before_ms = now_ms() - ago_ms;
    return UNIBUS_OK;
}

static enum unibus_status read_who(struct cli *cli, const char *who, struct wanted *wanted,
                                   struct unibus_err *err)
{
    json_t *identity;
    if (who == NULL) {
        return UNIBUS_OK;
    }
    enum unibus_status status = unibus_client_look_up(cli->client, who, &identity, err);
    if (status == UNIBUS_OK) {
        snprintf(wanted->query, sizeof(wanted->query), "principal=%.64s&",
                 json_string_value(json_object_get(identity, "id")));
        json_decref(identity);
    }
    return status;
}

static void print_line(void *arg, json_t *decision)
{
    (void)arg;
    out_json_line(json_incref(decision));
}

static void add_row(void *arg, json_t *decision)
{
    json_array_append_new(arg, decision_row(decision));
}

enum unibus_status cli_policy_decisions(struct cli *cli, struct unibus_err *err)
{
    struct wanted wanted = {.since = ""};
    enum unibus_status status = read_since(cli_option(cli, "since"), &wanted, err);
    status = status == UNIBUS_OK ? cli_open(cli, err) : status;
    if (status == UNIBUS_OK) {
        status = read_who(cli, cli_option(cli, "as"), &wanted, err);
    }
    if (status != UNIBUS_OK) {
        return status;
    }
    if (out_is_json(cli)) {
        return walk(cli, &wanted, print_line, NULL, err);
    }
    json_t *rows = json_array();
    status = walk(cli, &wanted, add_row, rows, err);
    if (status == UNIBUS_OK) {
        out_table(cli, rows, decision_columns);
    } else {
        json_decref(rows);
    }
    return status;
}
