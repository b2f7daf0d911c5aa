/* SPDX-License-Identifier: Apache-2.0 */
#include <unibus-client/flow.h>

#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "bus.h"
#include "wire.h"

#define BUFFER_BYTES  (128 * 1024)
#define PENDING_BYTES (1024 * 1024 * 1024)
#define SETTLE_MS     1
#define WRITE_MS      10000

static natsStatus prepare(struct unibus_bus *bus)
{
    natsStatus s = natsOptions_SetAllowReconnect(bus->options, false);
    s = s == NATS_OK ? natsOptions_SetIOBufSize(bus->options, BUFFER_BYTES) : s;
    s = s == NATS_OK ? natsOptions_SetWriteDeadline(bus->options, WRITE_MS) : s;
    return s == NATS_OK ? natsOptions_SetSendAsap(bus->options, bus->is_direct) : s;
}

static enum unibus_status find_url(struct unibus_client *client, const char *given,
                                   char url_out[BUS_URL_MAX], struct unibus_err *err)
{
    if (given == NULL) {
        return bus_node_url(client, url_out, err);
    }
    if (strlen(given) >= BUS_URL_MAX) {
        return unibus_fail(err, UNIBUS_USAGE, "the address of the bus has more than %d bytes",
                           BUS_URL_MAX - 1);
    }
    snprintf(url_out, BUS_URL_MAX, "%s", given);
    return UNIBUS_OK;
}

enum unibus_status unibus_flow_open(struct unibus_client *client,
                                    const struct unibus_flow_options *options,
                                    struct unibus_bus **bus_out, struct unibus_err *err)
{
    const struct unibus_identity *identity = NULL;
    char url[BUS_URL_MAX];
    enum unibus_status status =
        client != NULL ? unibus_client_identity(client, &identity, err) : UNIBUS_OK;
    if (status == UNIBUS_OK) {
        status = find_url(client, options->url, url, err);
    }
    if (status != UNIBUS_OK) {
        return status;
    }
    struct unibus_bus *bus = bus_new(identity);
    if (bus == NULL) {
        return unibus_fail(err, UNIBUS_FAILED, "no memory");
    }
    bus->prepare = prepare;
    bus->is_direct = options->is_direct;
    status = bus_connect(bus, url, err);
    sodium_memzero(url, sizeof(url));
    if (status != UNIBUS_OK) {
        unibus_bus_close(&bus);
        return status;
    }
    *bus_out = bus;
    return UNIBUS_OK;
}

void unibus_flow_url(const struct unibus_bus *bus, char url_out[UNIBUS_FLOW_TEXT_MAX])
{
    char url[BUS_URL_MAX];
    if (natsConnection_GetConnectedUrl(bus->connection, url, sizeof(url)) != NATS_OK) {
        url[0] = '\0';
    }
    bus_public_url(url, url_out);
    sodium_memzero(url, sizeof(url));
}

/* Without headers the library needs no message of its own for each. */
static natsStatus post_bare(const struct unibus_bus *bus, const struct unibus_post *post)
{
    const char *bytes = (const char *)post->payload.ptr;
    int len = (int)post->payload.len;
    return post->reply == NULL ? natsConnection_Publish(bus->connection, post->subject, bytes, len)
                               : natsConnection_PublishRequest(bus->connection, post->subject,
                                                               post->reply, bytes, len);
}

enum unibus_status unibus_flow_publish(struct unibus_bus *bus, const struct unibus_post *post,
                                       struct unibus_err *err)
{
    bool has_headers = post->ub_subject != NULL || post->nats_id != NULL;
    natsStatus s = has_headers ? bus_post(bus, post) : post_bare(bus, post);
    if (s == NATS_OK) {
        return UNIBUS_OK;
    }
    enum unibus_status status = unibus_flow_check(bus, err);
    return status != UNIBUS_OK ? status : bus_cannot_publish(s, post->payload.len, err);
}

/* The library keeps the server's last words on what is not allowed. */
static enum unibus_status check_refused(const struct unibus_bus *bus, struct unibus_err *err)
{
    const char *text = NULL;
    if (natsConnection_GetLastError(bus->connection, &text) != NATS_NOT_PERMITTED) {
        return UNIBUS_OK;
    }
    unibus_fail_code(err, UNIBUS_DENIED, "forbidden", "%s", text != NULL ? text : "not permitted");
    return unibus_fix(err, "`unibus explain SUBJECT` shows what this identity may do there");
}

enum unibus_status unibus_flow_flush(struct unibus_bus *bus, int64_t timeout_ms,
                                     struct unibus_err *err)
{
    natsStatus s = natsConnection_FlushTimeout(bus->connection, timeout_ms);
    if (s == NATS_OK) {
        return check_refused(bus, err);
    }
    enum unibus_status status = unibus_flow_check(bus, err);
    return status != UNIBUS_OK
               ? status
               : unibus_fail(err, s == NATS_TIMEOUT ? UNIBUS_TIMEOUT : UNIBUS_UNREACHABLE,
                             "the bus does not answer: %s", natsStatus_GetText(s));
}

static void on_message(natsConnection *connection, natsSubscription *subscription, natsMsg *msg,
                       void *arg)
{
    const struct unibus_bus *bus = arg;
    struct unibus_delivery delivery = {
        .subject = natsMsg_GetSubject(msg),
        .reply = natsMsg_GetReply(msg),
        .payload = ubr_bytes_of(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)),
        .is_unanswered = natsMsg_IsNoResponders(msg),
    };
    (void)connection;
    (void)subscription;
    if (natsMsgHeader_Get(msg, "Ub-Subject", &delivery.ub_subject) != NATS_OK) {
        delivery.ub_subject = NULL;
    }
    bus->take(bus->take_arg, &delivery);
    natsMsg_Destroy(msg);
}

static void on_complete(void *arg)
{
    struct unibus_bus *bus = arg;
    pthread_mutex_lock(&bus->events.lock);
    bus->is_receiving = false;
    pthread_cond_signal(&bus->events.closed);
    pthread_mutex_unlock(&bus->events.lock);
}

enum unibus_status unibus_flow_receive(struct unibus_bus *bus, const char *subject,
                                       unibus_flow_fn take, void *arg, struct unibus_err *err)
{
    bus->take = take;
    bus->take_arg = arg;
    natsStatus s =
        natsConnection_Subscribe(&bus->subscription, bus->connection, subject, on_message, bus);
    s = s == NATS_OK ? natsSubscription_SetOnCompleteCB(bus->subscription, on_complete, bus) : s;
    bus->is_receiving = s == NATS_OK;
    s = s == NATS_OK ? natsSubscription_SetPendingLimits(bus->subscription, -1, PENDING_BYTES) : s;
    return s == NATS_OK ? unibus_flow_flush(bus, BUS_WAIT_MS, err)
                        : unibus_fail(err, UNIBUS_FAILED, "subscribing to %s: %s", subject,
                                      natsStatus_GetText(s));
}

/* A message neither waits nor is delivered while the function has it: look twice. */
static bool is_settled(const struct unibus_bus *bus, int64_t *delivered)
{
    int waiting = 0;
    int64_t before = *delivered;
    natsSubscription_GetPending(bus->subscription, &waiting, NULL);
    natsSubscription_GetDelivered(bus->subscription, delivered);
    return waiting == 0 && *delivered == before;
}

enum unibus_status unibus_flow_settle(struct unibus_bus *bus, int64_t timeout_ms,
                                      struct unibus_err *err)
{
    const uint64_t end = wire_mono_ms() + (uint64_t)timeout_ms;
    int64_t delivered = -1;
    enum unibus_status status = unibus_flow_flush(bus, timeout_ms, err);
    while (status == UNIBUS_OK && bus->subscription != NULL && !is_settled(bus, &delivered)) {
        if (wire_mono_ms() >= end) {
            return unibus_fail(err, UNIBUS_TIMEOUT, "messages that have arrived still wait");
        }
        nats_Sleep(SETTLE_MS);
    }
    return status;
}

int64_t unibus_flow_dropped(const struct unibus_bus *bus)
{
    int64_t dropped = 0;
    if (bus->subscription != NULL) {
        natsSubscription_GetDropped(bus->subscription, &dropped);
    }
    return dropped;
}

void unibus_flow_inbox(const struct unibus_bus *bus, char subject_out[UNIBUS_FLOW_TEXT_MAX])
{
    natsInbox *inbox = NULL;
    bool is_made = natsInbox_Create(&inbox) == NATS_OK;
    const char *random = is_made ? strrchr(inbox, '.') : NULL;
    snprintf(subject_out, UNIBUS_FLOW_TEXT_MAX, "%s%s", bus->has_identity ? bus->inbox : "_INBOX",
             random != NULL ? random : ".none");
    natsInbox_Destroy(inbox);
}

enum unibus_status unibus_flow_check(struct unibus_bus *bus, struct unibus_err *err)
{
    struct unibus_bus_event event;
    if (!bus_pop_event(bus, &event)) {
        return natsConnection_IsClosed(bus->connection)
                   ? unibus_fail(err, UNIBUS_UNREACHABLE, "the bus closed the connection")
                   : UNIBUS_OK;
    }
    if (event.type == UNIBUS_BUS_REFUSED) {
        return unibus_fail_code(err, UNIBUS_DENIED, "forbidden", "%s", event.text);
    }
    unibus_fail(err, UNIBUS_UNREACHABLE, "the bus closed the connection%s%s",
                event.text[0] != '\0' ? ": " : "", event.text);
    return unibus_fix(err, "the log of the server tells why");
}
