/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor.h"

#include <stdio.h>
#include <stdlib.h>

#include <unibus/error.h>

#include "snapshot.h"

#define MONITOR_STATSZ_MS 10000 /* as nats-server */

static void on_statsz(void *arg)
{
    struct nats_monitor *monitor = arg;
    char subject[96];
    snprintf(subject, sizeof(subject), "$SYS.SERVER.%s.STATSZ", monitor->server->server_id);
    mon_send_statsz(monitor, subject);
}

static void monitor_begin(void *arg)
{
    struct nats_monitor *monitor = arg;
    monitor->statsz = monitor->server->host->loop->timer_start(monitor->loop, MONITOR_STATSZ_MS,
                                                               on_statsz, monitor);
}

static void monitor_end(void *arg)
{
    struct nats_monitor *monitor = arg;
    monitor->server->host->loop->timer_stop(&monitor->statsz);
    mon_http_close(&monitor->http);
}

enum ub_status nats_monitor_start(struct nats_server *server, struct ub_err *err)
{
    const struct ub_host *host = server->host;
    struct nats_monitor *monitor = calloc(1, sizeof(*monitor));
    if (monitor == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory for monitoring");
    }
    monitor->server = server;
    monitor->http_host = "";
    monitor->start_unix_ms = host->clock->now_ms(host);
    monitor->start_mono_ms = nats_now_ms(server);
    server->monitor = monitor;
    enum ub_status status = host->loop->open(host, "nats-monitor", &monitor->loop, err);
    if (status == UB_OK) {
        host->loop->post(monitor->loop, monitor_begin, monitor);
        status = mon_http_open(monitor, err);
    }
    return status == UB_OK ? mon_system_open(monitor, err) : status;
}

void nats_monitor_stop(struct nats_server *server)
{
    struct nats_monitor *monitor = server->monitor;
    if (monitor == NULL) {
        return;
    }
    mon_system_close(&monitor->system);
    if (monitor->loop != NULL) {
        server->host->loop->post(monitor->loop, monitor_end, monitor);
        server->host->loop->close(&monitor->loop);
    } else {
        mon_http_close(&monitor->http);
    }
}

void nats_monitor_free(struct nats_monitor **monitor)
{
    if (*monitor != NULL) {
        free((*monitor)->system);
        free(*monitor);
        *monitor = NULL;
    }
}
