/* SPDX-License-Identifier: Apache-2.0
 *
 * KICK, LDM and RELOAD: what an operator may do over `$SYS.REQ.SERVER.<id>.…`. */
#include <stdio.h>

#include "../info.h"
#include "snapshot.h"

struct errand {
    uint64_t cid;
    bool is_found, is_done;
};

static bool refuse(struct mon_question *question, const char *why)
{
    question->status = 500;
    snprintf(question->fault.text, sizeof(question->fault.text), "%s", why);
    return false;
}

static bool run(struct mon_question *question, struct errand *errand,
                void (*step)(struct nats_shard *shard, void *arg))
{
    struct nats_server *server = question->monitor->server;
    if (!mon_pair_uint(&question->pairs, "cid", &errand->cid, &question->fault)) {
        return false;
    }
    mon_visit(server, (uint32_t)(errand->cid % server->shard_count), step, errand);
    return true;
}

static struct nats_conn *find(struct nats_shard *shard, struct errand *errand)
{
    struct nats_conn *conn = nats_shard_conn(shard, errand->cid);
    errand->is_found = conn != NULL && !conn->is_doomed && conn->state != NATS_CONN_LINGERING;
    return errand->is_found ? conn : NULL;
}

static void step_kick(struct nats_shard *shard, void *arg)
{
    struct nats_conn *conn = find(shard, arg);
    if (conn != NULL) {
        nats_conn_fail(conn, NULL, "kicked", "an operator closed it");
    }
}

bool mon_kick(struct mon_question *question, struct mon_text *text)
{
    struct errand errand = {0};
    (void)text; /* no data */
    if (!run(question, &errand, step_kick)) {
        return false;
    }
    return errand.is_found || refuse(question, "no such client or leafnode id");
}

/* A client of protocol 1 looks for another server then. */
static void step_lame_duck(struct nats_shard *shard, void *arg)
{
    struct errand *errand = arg;
    struct nats_conn *conn = find(shard, errand);
    errand->is_done = conn != NULL && nats_info_send_away(conn);
}

bool mon_lame_duck(struct mon_question *question, struct mon_text *text)
{
    struct errand errand = {0};
    (void)text;
    if (!run(question, &errand, step_lame_duck)) {
        return false;
    }
    if (!errand.is_found) {
        return refuse(question, "no such client id");
    }
    return errand.is_done || refuse(question, "client does not support Lame Duck Mode or is not "
                                              "ready to receive the notification");
}

bool mon_reload(struct mon_question *question, struct mon_text *text)
{
    const struct ub_host *host = question->monitor->server->host;
    struct ub_err err = UB_ERR_INIT;
    char *report = NULL;
    (void)text;
    enum ub_status status = host->config->reload(host, false, &report, &err);
    host->node->free_text(host, report);
    return status == UB_OK || refuse(question, err.message);
}
