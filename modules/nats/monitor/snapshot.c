/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot.h"

#include <semaphore.h>

#include "../session.h"

void mon_write_data(struct mon_text *text, const char *name, uint64_t messages, uint64_t bytes)
{
    mon_open(text, name, '{');
    mon_unsigned(text, "msgs", messages);
    mon_unsigned(text, "bytes", bytes);
    mon_close(text, '}');
}

struct visit {
    struct nats_shard *shard;
    void (*step)(struct nats_shard *shard, void *arg);
    void *arg;
    sem_t done;
};

static void visit_on_shard(void *arg)
{
    struct visit *visit = arg;
    nats_shard_enter(visit->shard);
    visit->step(visit->shard, visit->arg);
    sem_post(&visit->done);
}

void mon_visit(struct nats_server *server, uint32_t shard,
               void (*step)(struct nats_shard *shard, void *arg), void *arg)
{
    struct visit visit = {.shard = &server->shards[shard], .step = step, .arg = arg};
    sem_init(&visit.done, 0, 0);
    server->host->loop->post(visit.shard->loop, visit_on_shard, &visit);
    while (sem_wait(&visit.done) != 0) {
    }
    sem_destroy(&visit.done);
}

const char *mon_conn_user(const struct nats_conn *conn)
{
    if (conn->session == NULL) {
        return "";
    }
    const struct ub_principal *principal = &conn->session->principal;
    return principal->handle[0] != '\0' ? principal->handle : principal->id;
}

const char *mon_server_name(const struct nats_server *server)
{
    const char *configured = server->settings->server_name;
    return configured != NULL && configured[0] != '\0' ? configured
                                                       : server->host->node->name(server->host);
}
