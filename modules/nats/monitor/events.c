/* SPDX-License-Identifier: Apache-2.0
 *
 * What is sent without a question: CONNECT and DISCONNECT of clients, the statistics. Only
 * subscriptions whose subject begins with `$SYS` literally get them: in nats-server the system
 * account is another one, so whoever subscribes to `>` does not expect them. */
#include <sodium.h>
#include <stdio.h>

#include "../bus.h"
#include "../session.h"
#include "closed.h"
#include "snapshot.h"

#define EVENT_TARGETS_MAX 64
#define EVENT_BYTES_MAX   65536

/* ---- who listens ------------------------------------------------------------------------------
 */

struct listeners {
    size_t count;
    struct ub_bus_target items[EVENT_TARGETS_MAX];
    struct ub_bytes queues[EVENT_TARGETS_MAX]; /* under the lock */
};

static bool has_queue(const struct listeners *listeners, struct ub_bytes queue)
{
    for (size_t i = 0; i < listeners->count; i++) {
        if (nats_bytes_equal(listeners->queues[i], queue)) {
            return true;
        }
    }
    return false;
}

/* Collects instead of choosing: one of each queue group, all others. Under the lock. */
static bool listens(void *arg, const struct nats_sub *sub)
{
    struct listeners *listeners = arg;
    struct ub_bytes queue = nats_sub_queue(sub);
    if (sub->shard == NATS_SHARD_BUS || !nats_starts(nats_sub_subject(sub), "$SYS.") ||
        (queue.len > 0 && has_queue(listeners, queue))) {
        return false;
    }
    listeners->queues[listeners->count] = queue;
    listeners->items[listeners->count++] = (struct ub_bus_target){sub->conn->cid, sub->id};
    return listeners->count == EVENT_TARGETS_MAX;
}

static bool find_listeners(struct nats_server *server, const char *subject,
                           struct listeners *listeners)
{
    struct nats_member last;
    listeners->count = 0;
    nats_sublist_find(&server->sublist, nats_text(subject), listens, listeners, &last);
    return listeners->count > 0;
}

static void send_to(struct nats_server *server, const char *subject,
                    const struct listeners *listeners, const struct mon_text *text)
{
    for (size_t i = 0; i < listeners->count && !text->is_broken; i++) {
        const struct ub_bus_send send = {
            .subject = nats_text(subject),
            .payload = {(const uint8_t *)text->ptr, text->len},
            .to = listeners->items[i],
        };
        nats_bus_send(server, &send, 1, NULL, NULL);
    }
}

/* ---- what they are told -----------------------------------------------------------------------
 */

void mon_server_info(struct nats_monitor *monitor, struct mon_text *text)
{
    const struct nats_server *server = monitor->server;
    mon_open(text, "server", '{');
    mon_string(text, "name", mon_server_name(server));
    mon_string(text, "host", server->settings->listen.items[0].host);
    mon_string(text, "id", server->server_id);
    mon_string(text, "ver", NATS_VERSION);
    mon_bool(text, "jetstream", false);
    mon_number(text, "flags", 0);
    mon_unsigned(text, "seq", atomic_fetch_add(&monitor->sequence, 1) + 1);
    mon_time(text, "time", mon_unix_ms(monitor));
    mon_close(text, '}');
}

static void write_event(const struct nats_monitor *monitor, struct mon_text *text, const char *type)
{
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint8_t random[22];
    char id[sizeof(random) + 1] = {0}, schema[64];
    const struct ub_host *host = monitor->server->host;
    host->clock->random(host, random, sizeof(random));
    for (size_t i = 0; i < sizeof(random); i++) {
        id[i] = letters[random[i] % (sizeof(letters) - 1)];
    }
    snprintf(schema, sizeof(schema), "io.nats.server.advisory.v1.%s", type);
    mon_string(text, "type", schema);
    mon_string(text, "id", id);
    mon_time(text, "timestamp", mon_unix_ms(monitor));
}

static void write_client(const struct nats_monitor *monitor, struct mon_text *text,
                         const struct nats_conn *conn, bool is_over)
{
    static const char *const names[] = {"name", "lang", "ver"};
    const char *about = conn->about;
    mon_open(text, "client", '{');
    mon_time(text, "start", mon_wall_ms(monitor, conn->opened_ms));
    mon_string(text, "host", conn->address);
    mon_unsigned(text, "id", conn->cid);
    mon_string(text, "acc", NATS_MONITOR_ACCOUNT);
    mon_string_if(text, "user", mon_conn_user(conn));
    for (size_t i = 0; about != NULL && i < 3; i++) {
        mon_string_if(text, names[i], about);
        about += strlen(about) + 1;
    }
    if (is_over) {
        mon_time(text, "stop", mon_wall_ms(monitor, conn->shard->now_ms));
    }
    mon_string(text, "kind", "Client");
    mon_string(text, "client_type", "nats");
    mon_close(text, '}');
}

static void tell(struct nats_conn *conn, const char *subject, const char *type, bool is_over)
{
    struct nats_server *server = conn->shard->server;
    struct nats_monitor *monitor = server->monitor;
    struct listeners listeners;
    struct mon_text text;
    if (monitor == NULL || !find_listeners(server, subject, &listeners)) {
        return;
    }
    mon_text_init(&text, EVENT_BYTES_MAX, false, 0);
    mon_open(&text, NULL, '{');
    write_event(monitor, &text, type);
    mon_server_info(monitor, &text);
    write_client(monitor, &text, conn, is_over);
    if (is_over) {
        mon_write_data(&text, "sent", conn->counts.out_messages, conn->counts.out_bytes);
        mon_write_data(&text, "received", conn->counts.in_messages, conn->counts.in_bytes);
        mon_string(&text, "reason", nats_closed_text(nats_closed_reason_of(conn->close_code)));
    }
    mon_close(&text, '}');
    send_to(server, subject, &listeners, &text);
    mon_text_fini(&text);
}

void nats_monitor_connected(struct nats_conn *conn)
{
    if (!conn->is_connected) { /* a second CONNECT is no second connection */
        tell(conn, "$SYS.ACCOUNT." NATS_MONITOR_ACCOUNT ".CONNECT", "client_connect", false);
    }
}

void nats_monitor_closed(struct nats_conn *conn)
{
    const struct nats_server *server = conn->shard->server;
    if (!atomic_load(&server->is_running)) {
        return;
    }
    if (conn->close_code == NULL && atomic_load(&server->is_draining)) {
        conn->close_code = "draining";
    }
    nats_closed_add(conn, mon_conn_user(conn));
    if (conn->is_connected) {
        tell(conn, "$SYS.ACCOUNT." NATS_MONITOR_ACCOUNT ".DISCONNECT", "client_disconnect", true);
    }
}

/* ---- statistics -------------------------------------------------------------------------------
 */

void mon_send_statsz(struct nats_monitor *monitor, const char *subject)
{
    struct listeners listeners;
    struct mon_text text;
    if (!find_listeners(monitor->server, subject, &listeners)) {
        return;
    }
    mon_text_init(&text, EVENT_BYTES_MAX, false, 0);
    mon_open(&text, NULL, '{');
    mon_server_info(monitor, &text);
    mon_statsz(monitor, &text);
    mon_close(&text, '}');
    send_to(monitor->server, subject, &listeners, &text);
    mon_text_fini(&text);
}
