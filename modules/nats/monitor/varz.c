/* SPDX-License-Identifier: Apache-2.0
 *
 * /varz and the statistics of subscriptions. Durations that nats-server counts in nanoseconds are
 * nanoseconds here too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "../listener.h"
#include "../tls.h"
#include "snapshot.h"

#define VARZ_CPU_EVERY_NS 1000000000 /* a share of processor time over less says nothing */

/* ---- figures ----------------------------------------------------------------------------------
 */

void mon_totals(const struct nats_server *server, struct mon_totals *out)
{
    *out = (struct mon_totals){0};
    for (uint32_t i = 0; i < server->shard_count; i++) {
        const struct nats_shard_counts *counts = &server->shards[i].counts;
        out->in_messages += atomic_load_explicit(&counts->in_messages, memory_order_relaxed);
        out->out_messages += atomic_load_explicit(&counts->out_messages, memory_order_relaxed);
        out->in_bytes += atomic_load_explicit(&counts->in_bytes, memory_order_relaxed);
        out->out_bytes += atomic_load_explicit(&counts->out_bytes, memory_order_relaxed);
        out->slow_consumers += atomic_load_explicit(&counts->slow_consumers, memory_order_relaxed);
        out->connections += atomic_load_explicit(&counts->connections, memory_order_relaxed);
    }
}

static int64_t used_us(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) {
        return 0;
    }
    return ((int64_t)usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

double mon_cpu_percent(struct nats_monitor *monitor)
{
    const struct ub_host *host = monitor->server->host;
    int64_t now_ns = host->clock->mono_ns(host), now_us = used_us();
    int64_t passed = now_ns - monitor->cpu.at_ns;
    if (passed >= VARZ_CPU_EVERY_NS) {
        double used_ns = (double)(now_us - monitor->cpu.used_us) * 1000;
        monitor->cpu.percent = (double)(int64_t)(used_ns * 1000 / (double)passed) / 10;
        monitor->cpu.at_ns = now_ns;
        monitor->cpu.used_us = now_us;
    }
    return monitor->cpu.percent;
}

int64_t mon_resident_bytes(void)
{
    char line[128]; /* pages in all, resident ones, … */
    FILE *file = fopen("/proc/self/statm", "re");
    bool is_read = file != NULL && fgets(line, sizeof(line), file) != NULL;
    const char *resident = is_read ? strchr(line, ' ') : NULL;
    if (file != NULL) {
        fclose(file);
    }
    return resident == NULL ? 0 : strtoll(resident, NULL, 10) * sysconf(_SC_PAGESIZE);
}

int64_t mon_cores(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors > 0 ? processors : 1;
}

/* ---- subscriptions ----------------------------------------------------------------------------
 */

#define VARZ_STEP_SETS 512

struct cache_walk {
    struct nats_match_stats stats;
    size_t first;
};

static void step_cache(struct nats_shard *shard, void *arg)
{
    struct cache_walk *walk = arg;
    nats_match_cache_stats(shard->cache, walk->first, VARZ_STEP_SETS, &walk->stats);
    walk->first += VARZ_STEP_SETS;
}

void mon_sublist_stats(struct nats_monitor *monitor, struct mon_text *text, bool is_empty)
{
    struct nats_server *server = monitor->server;
    struct cache_walk walk = {0};
    uint64_t count = is_empty ? 0 : atomic_load(&server->sublist.count);
    uint64_t inserts = is_empty ? 0 : atomic_load(&server->sublist.inserts);
    for (uint32_t i = 0; i < server->shard_count && !is_empty; i++) {
        for (walk.first = 0; walk.first < NATS_CACHE_SETS;) {
            mon_visit(server, i, step_cache, &walk);
        }
    }
    const struct nats_match_stats *stats = &walk.stats;
    mon_unsigned(text, "num_subscriptions", count);
    mon_unsigned(text, "num_cache", stats->results);
    mon_unsigned(text, "num_inserts", inserts);
    mon_unsigned(text, "num_removes", inserts > count ? inserts - count : 0);
    mon_unsigned(text, "num_matches", stats->matches);
    mon_real(text, "cache_hit_rate",
             stats->matches > 0 ? (double)stats->hits / (double)stats->matches : 0);
    mon_unsigned(text, "max_fanout", stats->fanout_max);
    mon_real(text, "avg_fanout",
             stats->results > 0 ? (double)stats->fanout / (double)stats->results : 0);
}

/* ---- varz -------------------------------------------------------------------------------------
 */

static void write_names(const struct nats_monitor *monitor, struct mon_text *text)
{
    const struct nats_server *server = monitor->server;
    const struct ub_host *host = server->host;
    char go[64];
    snprintf(go, sizeof(go), "unibus %s", host->node->version(host));
    mon_string(text, "server_id", server->server_id);
    mon_string(text, "server_name", mon_server_name(server));
    mon_string(text, "version", NATS_VERSION);
    mon_number(text, "proto", 1);
    mon_string(text, "go", go);
    mon_string(text, "host", server->settings->listen.items[0].host);
    mon_number(text, "port", nats_listeners_port(server));
    if (server->settings->auth != NATS_AUTH_OFF) {
        mon_bool(text, "auth_required", true);
    }
    if (server->settings->tls.mode != NATS_TLS_OFF) {
        mon_bool(text, "tls_required", server->settings->tls.plain == NATS_PLAIN_NONE);
        mon_bool(text, "tls_verify", server->settings->tls.verify == NATS_VERIFY_REQUIRE);
    }
}

static void write_limits(const struct nats_monitor *monitor, struct mon_text *text)
{
    const struct nats_server *server = monitor->server;
    const struct nats_live *live = &server->live;
    mon_number(text, "max_connections", live->max_connections);
    if (live->max_subscriptions > 0) {
        mon_number(text, "max_subscriptions", live->max_subscriptions);
    }
    mon_number(text, "ping_interval", live->ping_interval * 1000000);
    mon_number(text, "ping_max", live->ping_max);
    mon_string(text, "http_host", monitor->http_host);
    mon_number(text, "http_port", monitor->http_port);
    mon_string(text, "http_base_path", "");
    mon_number(text, "https_port", 0);
    mon_real(text, "auth_timeout", (double)live->auth_timeout / 1000);
    mon_number(text, "max_control_line", server->settings->max_control_line);
    mon_number(text, "max_payload", server->settings->max_payload);
    mon_number(text, "max_pending", live->max_pending);
}

static void write_parts(const struct nats_monitor *monitor, struct mon_text *text)
{
    static const char *const parts[] = {"cluster", "gateway",   "leaf",
                                        "mqtt",    "websocket", "jetstream"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        mon_open(text, parts[i], '{'); /* none of them is on */
        mon_close(text, '}');
    }
    mon_real(text, "tls_timeout", (double)nats_tls_timeout_ms(monitor->server->tls) / 1000);
    mon_number(text, "write_deadline", monitor->server->live.write_deadline * 1000000);
}

static void write_process(struct nats_monitor *monitor, struct mon_text *text)
{
    mon_time(text, "start", monitor->start_unix_ms);
    mon_time(text, "now", mon_unix_ms(monitor));
    mon_uptime(text, "uptime", nats_now_ms(monitor->server) - monitor->start_mono_ms);
    mon_number(text, "mem", mon_resident_bytes());
    mon_number(text, "cores", mon_cores());
    mon_number(text, "gomaxprocs", monitor->server->shard_count);
    mon_real(text, "cpu", mon_cpu_percent(monitor));
}

static void write_traffic(const struct nats_monitor *monitor, struct mon_text *text)
{
    static const char *const peers[] = {"routes", "remotes", "leafnodes"};
    const struct nats_server *server = monitor->server;
    struct mon_totals totals;
    mon_totals(server, &totals);
    mon_number(text, "connections", atomic_load(&server->connection_count));
    mon_unsigned(text, "total_connections", totals.connections);
    for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
        mon_number(text, peers[i], 0);
    }
    mon_unsigned(text, "in_msgs", totals.in_messages);
    mon_unsigned(text, "out_msgs", totals.out_messages);
    mon_unsigned(text, "in_bytes", totals.in_bytes);
    mon_unsigned(text, "out_bytes", totals.out_bytes);
    mon_unsigned(text, "slow_consumers", totals.slow_consumers);
    mon_unsigned(text, "subscriptions", atomic_load(&server->sublist.count));
}

static void write_requests(const struct nats_monitor *monitor, struct mon_text *text)
{
    static const char *const paths[MON_PATHS] = {
        [MON_ROOT] = "/",
        [MON_VARZ] = "/varz",
        [MON_CONNZ] = "/connz",
        [MON_SUBSZ] = "/subsz",
        [MON_HEALTHZ] = "/healthz",
        [MON_ROUTEZ] = "/routez",
        [MON_GATEWAYZ] = "/gatewayz",
        [MON_LEAFZ] = "/leafz",
        [MON_ACCOUNTZ] = "/accountz",
        [MON_ACCSTATZ] = "/accstatz",
        [MON_JSZ] = "/jsz",
    };
    mon_open(text, "http_req_stats", '{');
    for (int i = 0; i < MON_PATHS; i++) {
        if (monitor->requests[i] > 0) {
            mon_unsigned(text, paths[i], monitor->requests[i]);
        }
    }
    mon_close(text, '}');
}

bool mon_varz(struct mon_question *question, struct mon_text *text)
{
    struct nats_monitor *monitor = question->monitor;
    struct mon_totals totals;
    mon_totals(monitor->server, &totals);
    mon_open(text, NULL, '{');
    write_names(monitor, text);
    write_limits(monitor, text);
    write_parts(monitor, text);
    write_process(monitor, text);
    write_traffic(monitor, text);
    write_requests(monitor, text);
    mon_time(text, "config_load_time", monitor->start_unix_ms);
    mon_string(text, "system_account", NATS_MONITOR_SYSTEM);
    mon_open(text, "slow_consumer_stats", '{');
    mon_unsigned(text, "clients", totals.slow_consumers);
    mon_number(text, "routes", 0);
    mon_number(text, "gateways", 0);
    mon_number(text, "leafs", 0);
    mon_close(text, '}');
    mon_close(text, '}');
    return true;
}

/* ---- statsz -----------------------------------------------------------------------------------
 */

void mon_statsz(struct nats_monitor *monitor, struct mon_text *text)
{
    const struct nats_server *server = monitor->server;
    struct mon_totals totals;
    mon_totals(server, &totals);
    mon_open(text, "statsz", '{');
    mon_time(text, "start", monitor->start_unix_ms);
    mon_number(text, "mem", mon_resident_bytes());
    mon_number(text, "cores", mon_cores());
    mon_real(text, "cpu", mon_cpu_percent(monitor));
    mon_number(text, "connections", atomic_load(&server->connection_count));
    mon_unsigned(text, "total_connections", totals.connections);
    mon_number(text, "active_accounts", 1);
    mon_unsigned(text, "subscriptions", atomic_load(&server->sublist.count));
    mon_write_data(text, "sent", totals.out_messages, totals.out_bytes);
    mon_write_data(text, "received", totals.in_messages, totals.in_bytes);
    mon_unsigned(text, "slow_consumers", totals.slow_consumers);
    mon_number(text, "active_servers", 1);
    mon_close(text, '}');
}
