/* SPDX-License-Identifier: Apache-2.0
 *
 * What this server has none of, as nats-server answers when it is switched off; the accounts, and
 * the health. */
#include "snapshot.h"

static void begin(struct mon_question *question, struct mon_text *text)
{
    mon_open(text, NULL, '{');
    mon_string(text, "server_id", question->monitor->server->server_id);
    mon_time(text, "now", mon_unix_ms(question->monitor));
}

static void write_empty(struct mon_text *text, const char *name, const char *brackets)
{
    mon_open(text, name, brackets[0]);
    mon_close(text, brackets[1]);
}

bool mon_routez(struct mon_question *question, struct mon_text *text)
{
    begin(question, text);
    mon_number(text, "num_routes", 0);
    write_empty(text, "routes", "[]");
    mon_close(text, '}');
    return true;
}

bool mon_gatewayz(struct mon_question *question, struct mon_text *text)
{
    begin(question, text);
    write_empty(text, "outbound_gateways", "{}");
    write_empty(text, "inbound_gateways", "{}");
    mon_close(text, '}');
    return true;
}

bool mon_leafz(struct mon_question *question, struct mon_text *text)
{
    begin(question, text);
    mon_number(text, "leafnodes", 0);
    mon_null(text, "leafs");
    mon_close(text, '}');
    return true;
}

bool mon_accstatz(struct mon_question *question, struct mon_text *text)
{
    const struct nats_server *server = question->monitor->server;
    struct mon_totals totals;
    int64_t connections = atomic_load(&server->connection_count);
    const char *unused = mon_pair(&question->pairs, "unused"); /* accounts without clients too */
    mon_totals(server, &totals);
    begin(question, text);
    mon_open(text, "account_statz", '[');
    if (connections > 0 || strcmp(unused, "1") == 0 || strcmp(unused, "true") == 0) {
        mon_open(text, NULL, '{');
        mon_string(text, "acc", NATS_MONITOR_ACCOUNT);
        mon_number(text, "conns", connections);
        mon_number(text, "leafnodes", 0);
        mon_number(text, "total_conns", connections);
        mon_write_data(text, "sent", totals.out_messages, totals.out_bytes);
        mon_write_data(text, "received", totals.in_messages, totals.in_bytes);
        mon_unsigned(text, "slow_consumers", totals.slow_consumers);
        mon_close(text, '}');
    }
    mon_close(text, ']');
    mon_close(text, '}');
    return true;
}

static void write_account(struct mon_question *question, struct mon_text *text, const char *name)
{
    struct nats_monitor *monitor = question->monitor;
    struct nats_server *server = monitor->server;
    bool is_system = strcmp(name, NATS_MONITOR_SYSTEM) == 0;
    mon_open(text, "account_detail", '{');
    mon_string(text, "account_name", name);
    mon_time(text, "update_time", monitor->start_unix_ms);
    if (is_system) {
        mon_bool(text, "is_system", true);
    }
    mon_bool(text, "expired", false);
    mon_bool(text, "complete", true);
    mon_bool(text, "jetstream_enabled", false);
    mon_number(text, "leafnode_connections", 0);
    mon_number(text, "client_connections", is_system ? 0 : atomic_load(&server->connection_count));
    mon_unsigned(text, "subscriptions", is_system ? 0 : atomic_load(&server->sublist.count));
    mon_open(text, "sublist_stats", '{');
    mon_sublist_stats(monitor, text, is_system);
    mon_close(text, '}');
    mon_close(text, '}');
}

bool mon_accountz(struct mon_question *question, struct mon_text *text)
{
    static const char *const names[] = {NATS_MONITOR_ACCOUNT, NATS_MONITOR_SYSTEM};
    const char *asked = mon_pair(&question->pairs, question->pairs.is_body ? "account" : "acc");
    begin(question, text);
    mon_string(text, "system_account", NATS_MONITOR_SYSTEM);
    if (asked[0] == '\0') {
        mon_open(text, "accounts", '[');
    }
    for (size_t i = 0; i < 2; i++) {
        if (asked[0] == '\0') {
            mon_string(text, NULL, names[i]);
        } else if (strcmp(asked, names[i]) == 0) {
            write_account(question, text, names[i]);
        }
    }
    if (asked[0] == '\0') {
        mon_close(text, ']');
    }
    mon_close(text, '}');
    return true;
}

bool mon_jsz(struct mon_question *question, struct mon_text *text)
{
    static const char *const figures[] = {"memory",           "storage",  "reserved_memory",
                                          "reserved_storage", "accounts", "ha_assets"};
    static const char *const counts[] = {"streams", "consumers", "messages", "bytes"};
    begin(question, text);
    mon_bool(text, "disabled", true);
    mon_open(text, "config", '{');
    mon_number(text, "max_memory", 0);
    mon_number(text, "max_storage", 0);
    mon_close(text, '}');
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        mon_number(text, figures[i], 0);
    }
    mon_open(text, "api", '{');
    mon_number(text, "total", 0);
    mon_number(text, "errors", 0);
    mon_close(text, '}');
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        mon_number(text, counts[i], 0);
    }
    mon_close(text, '}');
    return true;
}

/* ---- health -----------------------------------------------------------------------------------
 */

struct health {
    int status, kind; /* kind: nats-server's number of what an error is about */
    const char *word, *error;
};

static struct health health_now(const struct nats_server *server, const struct mon_healthz *ask)
{
    bool is_healthy = true;
    if (ask->account[0] == '\0' && ask->stream[0] != '\0') {
        return (struct health){400, 1, "error",
                               "\"account\" must not be empty when checking stream health"};
    }
    if (ask->stream[0] == '\0' && ask->consumer[0] != '\0') {
        return (struct health){400, 1, "error",
                               "\"stream\" must not be empty when checking consumer health"};
    }
    if (atomic_load(&server->is_draining)) {
        return (struct health){503, 0, "unavailable", "the server is stopping"};
    }
    char *report =
        server->host->node->health_json(server->host, UB_DETAIL_PUBLIC, &is_healthy, NULL);
    server->host->node->free_text(server->host, report);
    return is_healthy
               ? (struct health){200, 0, "ok", NULL}
               : (struct health){503, 0, "unavailable", "the node has a problem: see its /healthz"};
}

bool mon_healthz(struct mon_question *question, struct mon_text *text)
{
    struct mon_healthz ask;
    if (!mon_healthz_read(&question->pairs, &ask, &question->fault)) {
        return false;
    }
    struct health health = health_now(question->monitor->server, &ask);
    question->status = health.status;
    text->is_indented = false; /* this one is not, in nats-server */
    mon_open(text, NULL, '{');
    mon_string(text, "status", ask.has_details && health.error != NULL ? "error" : health.word);
    if (question->pairs.is_body) {
        mon_number(text, "status_code", health.status);
    }
    if (health.error != NULL && ask.has_details) {
        mon_open(text, "errors", '[');
        mon_open(text, NULL, '{');
        mon_string(text, "type", health.kind == 1 ? "BAD_REQUEST" : "CONNECTION");
        mon_string(text, "error", health.error);
        mon_close(text, '}');
        mon_close(text, ']');
    } else if (health.error != NULL) {
        mon_string(text, "error", health.error);
    }
    mon_close(text, '}');
    return true;
}
