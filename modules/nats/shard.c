/* SPDX-License-Identifier: Apache-2.0 */
#include "shard.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include <unibus/error.h>

#include "deliver.h"
#include "lame_duck.h"
#include "monitor/closed.h"
#include "tls.h"

#define SHARD_FIRST_ROOM 64
#define SHARD_NO_SLOT    UINT32_MAX
#define SHARD_TRIM_BYTES ((size_t)4 * 1024 * 1024)
#define SHARD_TRIM_KEEP  ((size_t)256 * 1024)

static void shard_send_mail(struct nats_shard *shard)
{
    for (uint32_t i = 0; i < shard->server->shard_count; i++) {
        struct nats_batch *batch = shard->outgoing[i];
        shard->outgoing[i] = NULL;
        shard->outgoing_buf[i] = NULL;
        shard->outgoing_last[i] = NULL;
        if (batch != NULL && !nats_mail_put(&shard->server->shards[i], batch)) {
            nats_batch_free(&batch);
        }
    }
}

static bool shard_take_mail(struct nats_shard *shard, bool may_sleep)
{
    struct nats_batch *batch = nats_mail_take(&shard->mailbox, may_sleep);
    bool is_some = batch != NULL;
    while (batch != NULL) {
        struct nats_batch *next = batch->next;
        nats_deliver_batch(shard, batch);
        nats_mail_done(&shard->mailbox, batch);
        nats_batch_free(&batch);
        batch = next;
    }
    return is_some;
}

static void shard_write_all(struct nats_shard *shard)
{
    shard_send_mail(shard);
    while (shard->dirty != NULL) {
        struct nats_conn *conn = shard->dirty;
        shard->dirty = conn->dirty_next;
        conn->is_dirty = false;
        nats_conn_flush(conn);
    }
}

/* Mail that came meanwhile is taken along, so that loops at work need not wake each other. */
static void shard_on_flush(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct nats_shard *shard = arg;
    shard_take_mail(shard, false);
    shard_write_all(shard);
    shard->is_entered = false;
    if (shard_take_mail(shard, true)) {
        nats_shard_enter(shard); /* and more: the sockets get their turn before it is written */
    }
}

void nats_shard_enter(struct nats_shard *shard)
{
    if (!shard->is_entered) {
        shard->is_entered = true;
        shard->wake_up++;
        shard->now_ms = nats_now_ms(shard->server);
        nats_mail_awake(&shard->mailbox);
        /* libevent runs it behind the events that are active already. */
        event_active(&shard->flush_event, EV_TIMEOUT, 0);
    }
}

void nats_shard_on_mail(void *arg)
{
    nats_shard_enter(arg); /* the flush stage takes it */
}

static void shard_on_stall_end(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct nats_shard *shard = arg;
    nats_shard_enter(shard);
    struct nats_conn *waiting = shard->stalled;
    shard->stalled = NULL;
    while (waiting != NULL) {
        struct nats_conn *conn = waiting;
        waiting = conn->stall_next;
        conn->stall_until_ms = 0;
        nats_conn_resume(conn);
    }
}

static void shard_check_deadlines(struct nats_shard *shard)
{
    while (shard->securing_first != NULL && shard->securing_first->deadline_ms <= shard->now_ms) {
        nats_conn_deadline(shard->securing_first);
    }
    while (shard->clock_first != NULL && shard->clock_first->deadline_ms <= shard->now_ms) {
        nats_conn_deadline(shard->clock_first);
    }
    while (shard->linger_first != NULL && shard->linger_first->deadline_ms <= shard->now_ms) {
        nats_conn_deadline(shard->linger_first);
    }
}

/* What a burst took and nobody needs goes back to the system: malloc keeps what it is given back
 * between blocks in use, so it is told to look when that may be much. */
static void shard_give_back(struct nats_shard *shard)
{
    struct nats_server *server = shard->server;
    size_t freed = nats_segments_shrink(&shard->segments);
    if (shard->index == 0) {
        freed += nats_pool_shrink(&server->pool);
    }
    size_t total = atomic_fetch_add_explicit(&server->freed, freed, memory_order_relaxed) + freed;
    if (total >= SHARD_TRIM_BYTES && freed < SHARD_TRIM_BYTES) { /* the burst is over here */
        atomic_store_explicit(&server->freed, 0, memory_order_relaxed);
        malloc_trim(SHARD_TRIM_KEEP);
    }
}

static void shard_on_tick(void *arg)
{
    struct nats_shard *shard = arg;
    nats_shard_enter(shard);
    shard_check_deadlines(shard);
    nats_lame_duck_tick(shard);
    if (++shard->tick_count % (1000 / NATS_TICK_MS) == 0) {
        for (struct nats_conn *conn = shard->all; conn != NULL; conn = conn->all_next) {
            nats_conn_tick(conn);
        }
        shard_give_back(shard);
    }
}

static void shard_begin(void *arg)
{
    struct nats_shard *shard = arg;
    shard->base = shard->server->host->loop->native(shard->loop);
    event_assign(&shard->flush_event, shard->base, -1, 0, shard_on_flush, shard);
    event_assign(&shard->stall_event, shard->base, -1, 0, shard_on_stall_end, shard);
    shard->has_events = true;
    shard->now_ms = nats_now_ms(shard->server);
    shard->tick =
        shard->server->host->loop->timer_start(shard->loop, NATS_TICK_MS, shard_on_tick, shard);
}

static bool shard_allocate(struct nats_shard *shard)
{
    shard->table = calloc(SHARD_FIRST_ROOM, sizeof(struct nats_conn *));
    shard->table_room = SHARD_FIRST_ROOM;
    shard->cache = nats_match_cache_new(&shard->server->sublist);
    shard->scratch = nats_buf_new(&shard->server->pool, NATS_BLOCK_SIZE);
    return shard->table != NULL && shard->cache != NULL && shard->scratch != NULL;
}

static void shard_release(struct nats_shard *shard)
{
    nats_mailbox_fini(&shard->mailbox);
    for (uint32_t i = 0; i < shard->server->shard_count; i++) {
        nats_batch_free(&shard->outgoing[i]);
    }
    nats_match_cache_free(&shard->cache);
    nats_buf_unref(&shard->scratch);
    nats_segments_fini(&shard->segments);
    nats_tls_room_free(&shard->tls_room);
    pthread_mutex_destroy(&shard->table_lock);
    nats_closed_ring_free(&shard->closed);
    free(shard->table);
    free(shard->slots);
}

enum ub_status nats_shard_open(struct nats_server *server, uint32_t index, struct ub_err *err)
{
    struct nats_shard *shard = &server->shards[index];
    char name[24];
    snprintf(name, sizeof(name), "nats-io-%u", index);
    memset(shard, 0, sizeof(*shard));
    shard->server = server;
    shard->index = index;
    shard->slot_free = SHARD_NO_SLOT;
    server->host->clock->random(server->host, &shard->random, sizeof(shard->random));
    shard->random |= 1;
    pthread_mutex_init(&shard->table_lock, NULL);
    nats_mailbox_init(&shard->mailbox);
    if (!shard_allocate(shard)) {
        shard_release(shard);
        return ub_fail(err, UB_ENOMEM, "no memory for I/O loop %u", index);
    }
    enum ub_status status = server->host->loop->open(server->host, name, &shard->loop, err);
    if (status != UB_OK) {
        shard_release(shard);
        return status;
    }
    server->host->loop->post(shard->loop, shard_begin, shard);
    return UB_OK;
}

static void shard_end(void *arg)
{
    struct nats_shard *shard = arg;
    shard->now_ms = nats_now_ms(shard->server);
    shard->server->host->loop->timer_stop(&shard->tick);
    nats_mailbox_close(&shard->mailbox);
    shard_send_mail(shard);
    while (shard->all != NULL) {
        struct nats_conn *conn = shard->all;
        size_t written;
        nats_conn_put(conn, &written);
        conn->is_rude = true;
        nats_conn_end(conn);
    }
    event_del(&shard->flush_event);
    event_del(&shard->stall_event);
    shard->is_entered = true; /* whatever is still posted schedules nothing more */
}

void nats_shard_close(struct nats_shard *shard)
{
    if (shard->loop != NULL) {
        shard->server->host->loop->post(shard->loop, shard_end, shard);
        shard->server->host->loop->close(&shard->loop);
        shard_release(shard);
    }
}

/* ---- connections by id ------------------------------------------------------------------------
 */

uint64_t nats_shard_next_cid(struct nats_shard *shard)
{
    return ++shard->last_serial * shard->server->shard_count + shard->index;
}

static struct nats_conn **table_bucket(const struct nats_shard *shard, uint64_t cid)
{
    return &shard->table[(cid / shard->server->shard_count) & (shard->table_room - 1)];
}

static bool table_grow(struct nats_shard *shard)
{
    struct nats_conn **old = shard->table;
    struct nats_conn **fresh = calloc(shard->table_room * 2, sizeof(struct nats_conn *));
    if (fresh == NULL) {
        return false;
    }
    shard->table = fresh;
    shard->table_room *= 2;
    for (struct nats_conn *conn = shard->all; conn != NULL; conn = conn->all_next) {
        struct nats_conn **bucket = table_bucket(shard, conn->cid);
        conn->next = *bucket;
        *bucket = conn;
    }
    free(old);
    return true;
}

bool nats_shard_add_conn(struct nats_shard *shard, struct nats_conn *conn)
{
    pthread_mutex_lock(&shard->table_lock);
    bool has_room = shard->conn_count < shard->table_room || table_grow(shard);
    if (has_room) {
        struct nats_conn **bucket = table_bucket(shard, conn->cid);
        conn->next = *bucket;
        *bucket = conn;
        shard->conn_count++;
        conn->all_next = shard->all;
        if (shard->all != NULL) {
            shard->all->all_prev = conn;
        }
        shard->all = conn;
    }
    pthread_mutex_unlock(&shard->table_lock);
    return has_room;
}

void nats_shard_remove_conn(struct nats_shard *shard, struct nats_conn *conn)
{
    pthread_mutex_lock(&shard->table_lock);
    struct nats_conn **link = table_bucket(shard, conn->cid);
    while (*link != conn) {
        link = &(*link)->next;
    }
    *link = conn->next;
    shard->conn_count--;
    *(conn->all_prev != NULL ? &conn->all_prev->all_next : &shard->all) = conn->all_next;
    if (conn->all_next != NULL) {
        conn->all_next->all_prev = conn->all_prev;
    }
    pthread_mutex_unlock(&shard->table_lock);
}

struct nats_conn *nats_shard_conn(const struct nats_shard *shard, uint64_t cid)
{
    struct nats_conn *conn = *table_bucket(shard, cid);
    while (conn != NULL && conn->cid != cid) {
        conn = conn->next;
    }
    return conn;
}

size_t nats_shard_pending(struct nats_shard *shard, uint64_t cid)
{
    /* First what is on its way: a message may be counted twice, but not missed between the two. */
    size_t coming = atomic_load_explicit(&shard->mailbox.bytes, memory_order_acquire);
    pthread_mutex_lock(&shard->table_lock);
    const struct nats_conn *conn = nats_shard_conn(shard, cid);
    size_t pending =
        conn == NULL ? 0 : coming + atomic_load_explicit(&conn->pending, memory_order_relaxed);
    pthread_mutex_unlock(&shard->table_lock);
    return pending;
}

/* ---- subscriptions by id ----------------------------------------------------------------------
 */

static void slot_free(struct nats_shard *shard, uint32_t slot)
{
    shard->slots[slot] = (struct nats_sub *)(((uintptr_t)shard->slot_free << 1) | 1);
    shard->slot_free = slot;
}

static bool slots_grow(struct nats_shard *shard)
{
    uint32_t room = shard->slot_room == 0 ? SHARD_FIRST_ROOM : shard->slot_room * 2;
    struct nats_sub **slots = room > shard->slot_room
                                  ? reallocarray(shard->slots, room, sizeof(struct nats_sub *))
                                  : NULL;
    if (slots == NULL) {
        return false;
    }
    uint32_t first = shard->slot_room;
    shard->slots = slots;
    shard->slot_room = room;
    for (uint32_t slot = room; slot > first; slot--) {
        slot_free(shard, slot - 1);
    }
    return true;
}

bool nats_shard_add_sub(struct nats_shard *shard, struct nats_sub *sub)
{
    if (shard->slot_free == SHARD_NO_SLOT && !slots_grow(shard)) {
        return false;
    }
    uint32_t slot = shard->slot_free;
    shard->slot_free = (uint32_t)((uintptr_t)shard->slots[slot] >> 1);
    shard->slots[slot] = sub;
    shard->last_sub = shard->last_sub == UINT32_MAX ? 1 : shard->last_sub + 1; /* no id is 0 */
    sub->id = (uint64_t)shard->last_sub << 32 | slot;
    sub->shard = (uint16_t)shard->index;
    return true;
}

void nats_shard_remove_sub(struct nats_shard *shard, struct nats_sub *sub)
{
    slot_free(shard, (uint32_t)sub->id);
}

/* ---- mail -------------------------------------------------------------------------------------
 */

static struct nats_batch *shard_batch(struct nats_shard *shard, uint32_t to, size_t size)
{
    struct nats_batch *batch = shard->outgoing[to];
    if (batch != NULL && nats_batch_room(batch) >= size) {
        return batch;
    }
    shard->outgoing[to] = NULL;
    shard->outgoing_buf[to] = NULL;
    shard->outgoing_last[to] = NULL;
    if (batch != NULL && !nats_mail_put(&shard->server->shards[to], batch)) {
        nats_batch_free(&batch);
        return NULL;
    }
    return shard->outgoing[to] = nats_batch_new(shard->server, size);
}

struct nats_record *nats_shard_mail(struct nats_shard *shard, uint32_t to, size_t size,
                                    struct ub_buf *buf)
{
    struct nats_batch *batch = shard_batch(shard, to, size);
    if (batch == NULL) {
        return NULL;
    }
    struct nats_record *record = (struct nats_record *)(void *)(batch->records + batch->used);
    memset(record, 0, sizeof(*record));
    record->size = (uint32_t)size;
    record->buf = buf;
    if (shard->outgoing_buf[to] != buf) {
        shard->outgoing_buf[to] = buf;
        ub_buf_ref(buf);
        record->flags = NATS_RECORD_OWNS;
    }
    batch->used += size;
    shard->outgoing_last[to] = record;
    return record;
}

struct nats_item *nats_shard_mail_item(struct nats_shard *shard, uint32_t to, size_t bytes)
{
    struct nats_batch *batch = shard->outgoing[to];
    struct nats_record *record = shard->outgoing_last[to];
    if (record == NULL || nats_batch_room(batch) < sizeof(struct nats_item)) {
        return NULL;
    }
    record->size += (uint32_t)sizeof(struct nats_item);
    batch->used += sizeof(struct nats_item);
    batch->by_ref += bytes;
    return &nats_record_items(record)[record->item_count++];
}
