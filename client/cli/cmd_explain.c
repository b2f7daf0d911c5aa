/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "output.h"

#define SUBJECT_MAX 256

/* Everything but letters, digits and "-_.~" as %XX (RFC 3986, 2.3). */
static bool encode_segment(const char *text, char *out, size_t size)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
    size_t len = 0;
    for (; *text != '\0'; text++) {
        bool is_plain = strchr(plain, *text) != NULL;
        if (len + 4 > size) {
            return false;
        }
        len += (size_t)snprintf(out + len, size - len, is_plain ? "%c" : "%%%02X",
                                (unsigned char)*text);
    }
    out[len] = '\0';
    return len > 0;
}

/* Who is meant: a handle or id of the allowlist, else a name that another module may know. */
static enum unibus_status find_id(struct cli *cli, const char *who, char *id_out, size_t size,
                                  struct unibus_err *err)
{
    const struct unibus_identity *own;
    json_t *identity;
    if (who == NULL) {
        enum unibus_status status = unibus_client_identity(cli->client, &own, err);
        if (status != UNIBUS_OK) {
            return unibus_fix(err, "say whose: --as WHO");
        }
        snprintf(id_out, size, "%s", own->id);
        return UNIBUS_OK;
    }
    enum unibus_status status = unibus_client_look_up(cli->client, who, &identity, err);
    if (status == UNIBUS_OK) {
        const char *id = json_string_value(json_object_get(identity, "id"));
        snprintf(id_out, size, "%s", id != NULL ? id : "");
        json_decref(identity);
    } else if (status == UNIBUS_NOT_FOUND) {
        snprintf(id_out, size, "%s", who);
        return UNIBUS_OK;
    }
    return status;
}

static void show_verdict(const json_t *set, const char *right, const char *subject)
{
    const json_t *verdict = json_object_get(set, right);
    const char *words[] = {
        right,
        subject,
        json_is_true(json_object_get(verdict, "allowed")) ? ": allowed" : ": refused",
        json_object_get(verdict, "condition") != NULL ? ", " : "",
        json_string_value(json_object_get(verdict, "condition")),
        "; ",
        json_string_value(json_object_get(verdict, "why")),
        " [",
        json_string_value(json_object_get(verdict, "provider")),
        "]\n",
    };
    for (size_t i = 0; verdict != NULL && i < sizeof(words) / sizeof(words[0]); i++) {
        const char *word = words[i] != NULL ? words[i] : "";
        bool is_ours = strchr(word, '\n') != NULL;
        if (is_ours) {
            fputs(word, stdout);
        } else {
            out_safe(stdout, word, strlen(word));
        }
        fputs(i == 0 ? " " : "", stdout);
    }
}

static void show_set(const struct cli *cli, const json_t *set, const char *subject)
{
    static const struct out_column columns[] = {{"provider", "PROVIDER"}, {"verdict", "VERDICT"},
                                                {"actions", "ACTIONS"},   {"subject", "SUBJECT"},
                                                {"queue", "QUEUE"},       {"guard", "ONLY"},
                                                {"why", "WHY"},           {NULL, NULL}};
    static const struct out_column limits[] = {
        {"devices", "devices"},
        {"inbox_token", "own inbox token"},
        {"max_subscriptions", "subscriptions at most"},
        {"max_payload_bytes", "bytes a message at most"},
        {"max_response_count", "answers to a request at most"},
        {NULL, NULL},
    };
    out_table(cli, json_incref(json_object_get(set, "rules")), columns);
    out_say(cli, "%s", "");
    out_fields(cli, json_incref((json_t *)set), limits);
    if (json_is_true(json_object_get(set, "inbox_rules"))) {
        out_say(cli, "inboxes: an _INBOX.<token> belongs to who subscribed it first; publishing "
                     "there only as a reply");
    }
    if (subject != NULL) {
        out_say(cli, "%s", "");
        show_verdict(set, "publish", subject);
        show_verdict(set, "subscribe", subject);
    }
}

static void show(const struct cli *cli, json_t *answer, const char *subject)
{
    const json_t *sets = json_object_get(answer, "sets");
    const json_t *not_asked = json_object_get(answer, "not_asked");
    if (!json_is_true(json_object_get(answer, "connected"))) {
        out_say(cli, "not connected now: what a connection would get%s",
                json_array_size(not_asked) > 0
                    ? ", but for modules that judge the connection itself (unibus policy explain)"
                    : "");
    }
    for (size_t i = 0; i < json_array_size(sets); i++) {
        show_set(cli, json_array_get(sets, i), subject);
    }
    json_decref(answer);
}

enum unibus_status cli_explain(struct cli *cli, struct unibus_err *err)
{
    const char *subject = cli->args[0];
    char id[80] = "", who[sizeof(id) * 3], encoded[SUBJECT_MAX * 3 + 1] = "";
    char path[sizeof(who) + sizeof(encoded) + 40];
    if (subject != NULL && !encode_segment(subject, encoded, sizeof(encoded))) {
        return unibus_fail(err, UNIBUS_USAGE, "a subject has 1 to %d bytes", SUBJECT_MAX);
    }
    enum unibus_status status = cli_open(cli, err);
    if (status == UNIBUS_OK) {
        status = find_id(cli, cli_option(cli, "as"), id, sizeof(id), err);
    }
    if (status != UNIBUS_OK) {
        return status;
    }
    if (!encode_segment(id, who, sizeof(who))) {
        return unibus_fail(err, UNIBUS_USAGE, "WHO is a handle or an id");
    }
    static const struct out_column no_fields[] = {{NULL, NULL}};
    json_t *answer;
    snprintf(path, sizeof(path), "/v1/identities/%s/permissions%s%s", who,
             subject != NULL ? "/" : "", encoded);
    status = unibus_client_get(cli->client, path, NULL, &answer, err);
    if (status != UNIBUS_OK) {
        return status == UNIBUS_NOT_FOUND
                   ? unibus_fix(err,
                                "`unibus identity ls` shows who is; and the node must have the "
                                "module nats")
                   : status;
    }
    if (out_is_json(cli)) {
        out_fields(cli, answer, no_fields);
    } else {
        show(cli, answer, subject);
    }
    return UNIBUS_OK;
}
