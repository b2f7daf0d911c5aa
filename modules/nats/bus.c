/* SPDX-License-Identifier: Apache-2.0 */
#include "bus.h"

#include <semaphore.h>
#include <stdlib.h>

#include <unibus/error.h>

#include "interest.h"
#include "session.h"

#define BUS_BATCH_FIRST 16
#define BUS_BATCH_MAX   512

/* What one loop has collected for one subscription. */
struct bus_lane {
    struct ub_bus_message *messages;
    struct nats_buf **copies; /* beside each message: the copy that it lies in, or NULL */
    size_t count, room;
    bool is_touched;
    struct ub_bus_sub *next_touched;
};

struct ub_bus_sub {
    struct nats_server *server;
    struct nats_sub *sub;
    ub_bus_deliver_fn deliver;
    void *arg;
    struct bus_lane lanes[];
};

/* ---- subscribe --------------------------------------------------------------------------------
 */

static void bus_sub_free(struct ub_bus_sub *bus_sub)
{
    for (uint32_t i = 0; i < bus_sub->server->shard_count; i++) {
        free(bus_sub->lanes[i].messages);
        free(bus_sub->lanes[i].copies);
    }
    free(bus_sub->sub);
    free(bus_sub);
}

static struct ub_bus_sub *bus_sub_new(struct nats_server *server,
                                      const struct ub_bus_sub_options *options)
{
    struct ub_bus_sub *bus_sub =
        calloc(1, sizeof(*bus_sub) + server->shard_count * sizeof(struct bus_lane));
    if (bus_sub == NULL) {
        return NULL;
    }
    bus_sub->server = server;
    bus_sub->deliver = options->deliver;
    bus_sub->arg = options->arg;
    bus_sub->sub =
        nats_sub_new(nats_text(""), nats_text(options->subject), nats_text(options->queue));
    if (bus_sub->sub == NULL) {
        bus_sub_free(bus_sub);
        return NULL;
    }
    bus_sub->sub->bus = bus_sub;
    bus_sub->sub->shard = NATS_SHARD_BUS;
    return bus_sub;
}

static enum ub_status bus_subscribe(void *self, const struct ub_bus_sub_options *options,
                                    struct ub_bus_sub **sub_out, struct ub_err *err)
{
    struct nats_server *server = self;
    struct ub_bytes subject = nats_text(options->subject), queue = nats_text(options->queue);
    if (!nats_subject_is_pattern(subject) || subject.len > UINT16_MAX || queue.len > UINT16_MAX) {
        return ub_fail(err, UB_EINVAL,
                       "\"%s\" is not a subject; tokens between dots, `*`, `>` last",
                       options->subject == NULL ? "" : options->subject);
    }
    struct ub_bus_sub *bus_sub = bus_sub_new(server, options);
    if (bus_sub == NULL || !nats_sublist_insert(&server->sublist, bus_sub->sub)) {
        if (bus_sub != NULL) {
            bus_sub_free(bus_sub);
        }
        return ub_fail(err, UB_ENOMEM, "no memory to subscribe to \"%s\"", options->subject);
    }
    *sub_out = bus_sub;
    return UB_OK;
}

static void bus_on_fence(void *arg)
{
    sem_post(arg);
}

/* Returns when every loop has finished what it was doing. */
static void bus_fence(struct nats_server *server)
{
    const struct ub_host_loop *loop = server->host->loop;
    sem_t passed;
    uint32_t waiting = 0;
    sem_init(&passed, 0, 0);
    for (uint32_t i = 0; i < server->shard_count; i++) {
        struct nats_shard *shard = &server->shards[i];
        if (shard->loop != NULL && !loop->is_current(shard->loop)) {
            loop->post(shard->loop, bus_on_fence, &passed);
            waiting++;
        }
    }
    while (waiting > 0) {
        if (sem_wait(&passed) == 0) {
            waiting--;
        }
    }
    sem_destroy(&passed);
}

static void bus_unsubscribe(void *self, struct ub_bus_sub **sub)
{
    struct nats_server *server = self;
    struct ub_bus_sub *bus_sub = *sub;
    *sub = NULL;
    if (bus_sub == NULL) {
        return;
    }
    nats_sublist_remove(&server->sublist, bus_sub->sub);
    nats_interest_lost(server, bus_sub->sub);
    bus_fence(server);
    bus_sub_free(bus_sub);
}

/* ---- deliver ----------------------------------------------------------------------------------
 */

static struct ub_bytes copy_part(struct nats_buf *buf, size_t *at, struct ub_bytes part)
{
    struct ub_bytes copy = {buf->data + *at, part.len};
    if (part.len > 0) {
        memcpy(buf->data + *at, part.ptr, part.len);
        *at += part.len;
    }
    return copy;
}

/* Everything in one buffer, for a message whose payload lies elsewhere than its subject. */
static struct nats_buf *message_gather(struct nats_shard *shard, const struct nats_message *message,
                                       struct ub_bus_message *out)
{
    size_t at = 0, len = message->subject.len + message->reply.len + message->headers.len +
                         message->payload.len;
    struct nats_buf *buf = nats_buf_new(&shard->server->pool, len);
    if (buf != NULL) {
        *out = (struct ub_bus_message){.buf = &buf->base};
        out->subject = copy_part(buf, &at, message->subject);
        out->reply = copy_part(buf, &at, message->reply);
        out->headers = copy_part(buf, &at, message->headers);
        out->payload = copy_part(buf, &at, message->payload);
    }
    return buf;
}

static void lane_hand_over(struct nats_shard *shard, struct ub_bus_sub *bus_sub,
                           struct nats_conn *conn)
{
    struct bus_lane *lane = &bus_sub->lanes[shard->index];
    struct ub_bus_source source = {
        .size = sizeof(source),
        .conn = conn == NULL ? 0 : conn->cid,
        .principal = conn == NULL ? NULL : nats_session_principal(conn->session),
        .perms = conn == NULL || conn->perms == NULL ? NULL : conn->perms->sets[0],
    };
    if (lane->count > 0) {
        bus_sub->deliver(bus_sub->arg, &source, lane->messages, lane->count);
    }
    for (size_t i = 0; i < lane->count; i++) {
        nats_buf_unref(&lane->copies[i]);
    }
    lane->count = 0;
}

static bool lane_grow(struct bus_lane *lane)
{
    size_t room = lane->room == 0 ? BUS_BATCH_FIRST : lane->room * 2;
    struct ub_bus_message *messages = reallocarray(lane->messages, room, sizeof(*messages));
    if (messages == NULL) {
        return false;
    }
    lane->messages = messages;
    struct nats_buf **copies = reallocarray(lane->copies, room, sizeof(struct nats_buf *));
    if (copies == NULL) {
        return false;
    }
    lane->copies = copies;
    lane->room = room;
    return true;
}

bool nats_bus_collect(struct nats_shard *shard, struct ub_bus_sub *bus_sub,
                      const struct nats_message *message)
{
    struct bus_lane *lane = &bus_sub->lanes[shard->index];
    if (lane->count == lane->room && (lane->room == BUS_BATCH_MAX || !lane_grow(lane))) {
        lane_hand_over(shard, bus_sub, shard->source);
    }
    if (lane->room == 0) {
        return false;
    }
    struct ub_bus_message *out = &lane->messages[lane->count];
    lane->copies[lane->count] = NULL;
    if (message->is_whole) {
        *out = (struct ub_bus_message){message->subject, message->reply, message->headers,
                                       message->payload, message->buf};
    } else if ((lane->copies[lane->count] = message_gather(shard, message, out)) == NULL) {
        return false;
    }
    lane->count++;
    if (!lane->is_touched) {
        lane->is_touched = true;
        lane->next_touched = shard->touched;
        shard->touched = bus_sub;
    }
    return true;
}

void nats_bus_hand_over(struct nats_shard *shard, struct nats_conn *conn)
{
    while (shard->touched != NULL) {
        struct ub_bus_sub *bus_sub = shard->touched;
        struct bus_lane *lane = &bus_sub->lanes[shard->index];
        shard->touched = lane->next_touched;
        lane->is_touched = false;
        lane_hand_over(shard, bus_sub, conn);
    }
}

/* ---- questions --------------------------------------------------------------------------------
 */

static bool bus_has_interest(void *self, struct ub_bytes subject)
{
    struct nats_server *server = self;
    struct nats_member ignored;
    return nats_subject_is_literal(subject) &&
           nats_sublist_find(&server->sublist, subject, NULL, NULL, &ignored);
}

static bool bus_wants_client(void *arg, const struct nats_sub *sub)
{
    uint64_t *cid_out = arg;
    if (sub->shard == NATS_SHARD_BUS) {
        return false;
    }
    *cid_out = sub->conn->cid; /* the connection lives while its subscription is in the list */
    return true;
}

static enum ub_status bus_resolve(void *self, struct ub_bytes subject,
                                  struct ub_bus_target *target_out)
{
    struct nats_server *server = self;
    struct nats_member member;
    uint64_t cid = 0;
    if (!nats_subject_is_literal(subject)) {
        return UB_EINVAL;
    }
    if (!nats_sublist_find(&server->sublist, subject, bus_wants_client, &cid, &member)) {
        return UB_ENOTFOUND;
    }
    *target_out = (struct ub_bus_target){cid, member.id};
    return UB_OK;
}

static enum ub_status bus_watch_interest(void *self, struct ub_bytes subject, ub_bus_gone_fn gone,
                                         void *arg, struct ub_bus_interest **interest_out)
{
    return nats_interest_watch(self, subject, gone, arg, interest_out);
}

static void bus_unwatch_interest(void *self, struct ub_bus_interest **interest)
{
    nats_interest_unwatch(self, interest);
}

static void bus_settle(void *self)
{
    /* What was sent lies before the fence in each loop's queue. */
    bus_fence(self);
}

static size_t bus_pending_bytes(void *self, uint64_t conn)
{
    struct nats_server *server = self;
    return conn == 0 || !atomic_load(&server->is_running)
               ? 0
               : nats_shard_pending(nats_shard_of(server, conn), conn);
}

const struct ub_bus_ops nats_bus_ops = {
    .size = sizeof(struct ub_bus_ops),
    .subscribe = bus_subscribe,
    .unsubscribe = bus_unsubscribe,
    .send = nats_bus_send,
    .has_interest = bus_has_interest,
    .resolve = bus_resolve,
    .watch_interest = bus_watch_interest,
    .unwatch_interest = bus_unwatch_interest,
    .pending_bytes = bus_pending_bytes,
    .settle = bus_settle,
};
