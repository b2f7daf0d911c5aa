/* SPDX-License-Identifier: Apache-2.0 */
#include "mail.h"

#include "shard.h"

struct nats_batch *nats_batch_new(struct nats_server *server, size_t room)
{
    struct nats_buf *block = nats_buf_new(&server->pool, sizeof(struct nats_batch) + room);
    if (block == NULL) {
        return NULL;
    }
    struct nats_batch *batch = (struct nats_batch *)(void *)block->data;
    *batch = (struct nats_batch){.block = block};
    return batch;
}

void nats_batch_free(struct nats_batch **batch)
{
    struct nats_batch *it = *batch;
    *batch = NULL;
    if (it == NULL) {
        return;
    }
    for (size_t at = 0; at < it->used;) {
        struct nats_record *record = (struct nats_record *)(void *)(it->records + at);
        at += record->size;
        if ((record->flags & NATS_RECORD_OWNS) != 0) {
            ub_buf_unref(&record->buf);
        }
    }
    struct nats_buf *block = it->block;
    nats_buf_unref(&block);
}

void nats_mailbox_init(struct nats_mailbox *box)
{
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    /* Held for a few instructions, or while another loop is woken: a sleep would cost more. */
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&box->lock, &attr);
    pthread_mutexattr_destroy(&attr);
}

void nats_mailbox_fini(struct nats_mailbox *box)
{
    for (struct nats_batch *batch = nats_mail_take(box, true), *next; batch != NULL; batch = next) {
        next = batch->next;
        nats_batch_free(&batch);
    }
    pthread_mutex_destroy(&box->lock);
}

bool nats_mail_put(struct nats_shard *to, struct nats_batch *batch)
{
    struct nats_mailbox *box = &to->mailbox;
    batch->next = NULL;
    pthread_mutex_lock(&box->lock);
    bool is_open = !box->is_closed, is_first = is_open && !box->is_woken;
    if (is_open) {
        *(box->tail != NULL ? &box->tail->next : &box->head) = batch;
        box->tail = batch;
        box->is_woken = true;
        atomic_fetch_add_explicit(&box->bytes, batch->used + batch->by_ref, memory_order_relaxed);
    }
    if (is_first) { /* under the lock: a closed mailbox gets no wake-up */
        to->server->host->loop->post(to->loop, nats_shard_on_mail, to);
    }
    pthread_mutex_unlock(&box->lock);
    return is_open;
}

struct nats_batch *nats_mail_take(struct nats_mailbox *box, bool may_sleep)
{
    pthread_mutex_lock(&box->lock);
    struct nats_batch *first = box->head;
    box->head = box->tail = NULL;
    box->is_woken = first != NULL || !may_sleep;
    pthread_mutex_unlock(&box->lock);
    return first;
}

void nats_mail_awake(struct nats_mailbox *box)
{
    pthread_mutex_lock(&box->lock);
    box->is_woken = true;
    pthread_mutex_unlock(&box->lock);
}

void nats_mail_done(struct nats_mailbox *box, const struct nats_batch *batch)
{
    /* Release: who sees it gone from here sees what it added to its connections. */
    atomic_fetch_sub_explicit(&box->bytes, batch->used + batch->by_ref, memory_order_release);
}

void nats_mailbox_close(struct nats_mailbox *box)
{
    pthread_mutex_lock(&box->lock);
    box->is_closed = true;
    pthread_mutex_unlock(&box->lock);
}
