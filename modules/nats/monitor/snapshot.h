/* SPDX-License-Identifier: Apache-2.0
 *
 * What the answers share: the monitor itself, steps on the I/O loops, times. The monitor's thread,
 * but for what says otherwise. */
#ifndef NATS_MONITOR_SNAPSHOT_H
#define NATS_MONITOR_SNAPSHOT_H

#include "../shard.h"
#include "monitor.h"
#include "query.h"
#include "text.h"

#define MON_STEP_CONNS  256  /* looked at in one step on a loop */
#define MON_STEP_ROWS   64   /* written in one step on a loop */
#define MON_STEP_SLOTS  4096 /* subscriptions looked at in one step on a loop */
#define MON_SUBS_MAX    8192 /* listed for one connection; /subsz pages through all */
#define MON_HTTP_MAX    ((size_t)64 << 20)
#define MON_MESSAGE_MAX ((size_t)8 << 20)

enum mon_path {
    MON_ROOT = 0,
    MON_VARZ,
    MON_CONNZ,
    MON_SUBSZ,
    MON_HEALTHZ,
    MON_ROUTEZ,
    MON_GATEWAYZ,
    MON_LEAFZ,
    MON_ACCOUNTZ,
    MON_ACCSTATZ,
    MON_JSZ,
    MON_PATHS
};

struct mon_http;
struct mon_system;

struct nats_monitor {
    struct nats_server *server;
    struct ub_loop *loop;
    struct ub_timer *statsz;
    int64_t start_unix_ms, start_mono_ms;
    uint64_t requests[MON_PATHS]; /* over HTTP */
    struct {
        int64_t at_ns, used_us;
        double percent;
    } cpu;
    struct mon_http *http;     /* NULL = off */
    struct mon_system *system; /* the subscriptions below $SYS.REQ */
    _Atomic uint64_t sequence; /* of messages */
    uint16_t http_port;
    const char *http_host;
};

/* Runs step(shard, arg) on the loop of a shard and waits until it is done. Not on a loop of the
 * shards. */
void mon_visit(struct nats_server *server, uint32_t shard,
               void (*step)(struct nats_shard *shard, void *arg), void *arg);

/* Wall clock of a time on the monotonic one: the same for every question. Any thread. */
static inline int64_t mon_wall_ms(const struct nats_monitor *monitor, int64_t mono_ms)
{
    return monitor->start_unix_ms + (mono_ms - monitor->start_mono_ms);
}

static inline int64_t mon_unix_ms(const struct nats_monitor *monitor)
{
    return monitor->server->host->clock->now_ms(monitor->server->host);
}

/* The name by which a connection is shown: its user's, or its identity's handle; "" = none. The
 * connection's loop. */
const char *mon_conn_user(const struct nats_conn *conn);
/* The name of this server. Any thread. */
const char *mon_server_name(const struct nats_server *server);

/* ---- answers: each writes one JSON value; false = 400 with the words of the fault -------------
 */

struct mon_question {
    struct nats_monitor *monitor;
    struct mon_pairs pairs;
    struct mon_fault fault;
    int status; /* of HTTP */
};

typedef bool (*mon_answer_fn)(struct mon_question *question, struct mon_text *text);

bool mon_varz(struct mon_question *question, struct mon_text *text);
bool mon_connz(struct mon_question *question, struct mon_text *text);
bool mon_subsz(struct mon_question *question, struct mon_text *text);
bool mon_healthz(struct mon_question *question, struct mon_text *text);
bool mon_routez(struct mon_question *question, struct mon_text *text);
bool mon_gatewayz(struct mon_question *question, struct mon_text *text);
bool mon_leafz(struct mon_question *question, struct mon_text *text);
bool mon_accountz(struct mon_question *question, struct mon_text *text);
bool mon_accstatz(struct mon_question *question, struct mon_text *text);
bool mon_jsz(struct mon_question *question, struct mon_text *text);
bool mon_kick(struct mon_question *question, struct mon_text *text);
bool mon_lame_duck(struct mon_question *question, struct mon_text *text);
bool mon_reload(struct mon_question *question, struct mon_text *text);

/* {"msgs", "bytes"}. Any thread. */
void mon_write_data(struct mon_text *text, const char *name, uint64_t messages, uint64_t bytes);
/* One subscription as it is listed; the connection's loop. */
void mon_write_sub(struct mon_text *text, const struct nats_sub *sub, uint64_t cid,
                   bool has_account);
/* The members of nats-server's statistics of subscriptions, into an open object. */
void mon_sublist_stats(struct nats_monitor *monitor, struct mon_text *text, bool is_empty);

struct mon_totals {
    uint64_t in_messages, out_messages, in_bytes, out_bytes, slow_consumers, connections;
};
void mon_totals(const struct nats_server *server, struct mon_totals *out); /* any thread */
double mon_cpu_percent(struct nats_monitor *monitor);
int64_t mon_resident_bytes(void);
int64_t mon_cores(void);

/* "server": {…} of what is sent over NATS. Any thread. */
void mon_server_info(struct nats_monitor *monitor, struct mon_text *text);
/* "statsz": {…}. */
void mon_statsz(struct nats_monitor *monitor, struct mon_text *text);
/* "data": {…} of the asker; his connection's loop. */
void mon_user_info(const struct nats_conn *conn, struct mon_text *text);

/* ---- the two ways in --------------------------------------------------------------------------
 */

/* http.c: main loop; the sockets are taken over by the monitor's loop. */
enum ub_status mon_http_open(struct nats_monitor *monitor, struct ub_err *err);
void mon_http_close(struct mon_http **http); /* the monitor's loop */

/* system.c: the main loop. */
enum ub_status mon_system_open(struct nats_monitor *monitor, struct ub_err *err);
void mon_system_close(struct mon_system **system);

/* events.c */
void mon_send_statsz(struct nats_monitor *monitor, const char *subject); /* to who listens there */

#endif
