/* SPDX-License-Identifier: Apache-2.0 */
#include "chores.h"

#include "erase.h"
#include "idem.h"
#include "staged.h"

#define EVERY_MS 60000

void memb_chores_run(struct memb *memb)
{
    memb_nonce_epoch_refresh(memb);
    memb_boxes_erase(memb);
    memb_staged_expire(memb);
    memb_idem_expire(memb);
}

static void run(void *arg)
{
    memb_chores_run(arg);
}

/* A round that is still under way is enough: the queue of one is then full. */
static void on_timer(void *arg)
{
    struct memb *memb = arg;
    (void)memb->host->pool->submit(memb->pool, run, memb);
}

enum ub_status memb_chores_start(struct memb *memb, struct ub_err *err)
{
    const struct ub_host *host = memb->host;
    enum ub_status status = host->pool->open(host, "membership", 1, 1, &memb->pool, err);
    if (status == UB_OK) {
        memb->timer = host->loop->timer_start(host->loop->main(host), EVERY_MS, on_timer, memb);
    }
    return status;
}

void memb_chores_stop(struct memb *memb)
{
    if (memb->timer != NULL) {
        memb->host->loop->timer_stop(&memb->timer);
    }
    if (memb->pool != NULL) {
        memb->host->pool->close(&memb->pool);
    }
}
