/* SPDX-License-Identifier: Apache-2.0 */
#include "bus.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include <ubr/nkey.h>

#define NONCE_MIN   11
#define NONCE_MAX   64
#define NONCE_TRIES 8
#define SLICE_MS    50

bool unibus_nonce_is_good(const char *nonce)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    size_t len = nonce != NULL ? strnlen(nonce, NONCE_MAX + 1) : 0;
    return len >= NONCE_MIN && len <= NONCE_MAX && strspn(nonce, allowed) == len;
}

/* The server chooses what is signed here, so only what looks like a nonce is. */
static natsStatus on_sign(char **fault_out, unsigned char **signature_out, int *len_out,
                          const char *nonce, void *arg)
{
    struct unibus_bus *bus = arg;
    if (!unibus_nonce_is_good(nonce)) {
        bus->was_refused_nonce = true;
        *fault_out = strdup("the server's nonce has not the form of one: not signed");
        return NATS_ERR;
    }
    unsigned char *signature = malloc(crypto_sign_BYTES);
    if (signature == NULL) {
        return NATS_NO_MEMORY;
    }
    crypto_sign_detached(signature, NULL, (const unsigned char *)nonce, strlen(nonce),
                         bus->nats.sk);
    /* libnats 3.4 takes a signature that begins with zero for an empty text and sends none. */
    if (signature[0] == 0) {
        free(signature);
        bus->was_unlucky = true;
        *fault_out = strdup("this nonce's signature cannot be sent: another one is needed");
        return NATS_ERR;
    }
    *signature_out = signature;
    *len_out = crypto_sign_BYTES;
    return NATS_OK;
}

static void push_event(struct unibus_bus *bus, enum unibus_bus_event_type type, const char *text)
{
    struct event_queue *queue = &bus->events;
    pthread_mutex_lock(&queue->lock);
    if (queue->count < EVENTS_MAX) {
        struct unibus_bus_event *event =
            &queue->items[(queue->first + queue->count++) % EVENTS_MAX];
        memset(event, 0, sizeof(*event));
        event->type = type;
        snprintf(event->text, sizeof(event->text), "%s", text != NULL ? text : "");
    }
    pthread_mutex_unlock(&queue->lock);
}

bool bus_pop_event(struct unibus_bus *bus, struct unibus_bus_event *event_out)
{
    struct event_queue *queue = &bus->events;
    pthread_mutex_lock(&queue->lock);
    bool has = queue->count > 0;
    if (has) {
        *event_out = queue->items[queue->first];
        queue->first = (queue->first + 1) % EVENTS_MAX;
        queue->count--;
    }
    pthread_mutex_unlock(&queue->lock);
    return has;
}

static void on_error(natsConnection *connection, natsSubscription *subscription, natsStatus status,
                     void *arg)
{
    const char *text = NULL;
    (void)subscription;
    if (status == NATS_NOT_PERMITTED) {
        natsConnection_GetLastError(connection, &text);
        push_event(arg, UNIBUS_BUS_REFUSED, text);
    }
}

static void on_lost(natsConnection *connection, void *arg)
{
    (void)connection;
    push_event(arg, UNIBUS_BUS_LOST, "");
}

static void on_back(natsConnection *connection, void *arg)
{
    (void)connection;
    push_event(arg, UNIBUS_BUS_BACK, "");
}

static void on_closed(natsConnection *connection, void *arg)
{
    const char *text = NULL;
    struct unibus_bus *bus = arg;
    natsConnection_GetLastError(connection, &text);
    push_event(bus, UNIBUS_BUS_CLOSED, text);
    pthread_mutex_lock(&bus->events.lock);
    bus->is_closed = true;
    pthread_cond_signal(&bus->events.closed);
    pthread_mutex_unlock(&bus->events.lock);
}

static natsStatus set_login(struct unibus_bus *bus)
{
    char nkey[UBR_NKEY_LEN + 1], token[33];
    ubr_nkey_encode(bus->nats.pk, nkey);
    ubr_inbox_token(bus->nats.pk, token);
    snprintf(bus->inbox, sizeof(bus->inbox), "_INBOX.%s", token);
    natsStatus s = natsOptions_SetNKey(bus->options, nkey, on_sign, bus);
    return s == NATS_OK ? natsOptions_SetCustomInboxPrefix(bus->options, bus->inbox) : s;
}

static natsStatus set_options(struct unibus_bus *bus, const char *url)
{
    natsStatus s = natsOptions_Create(&bus->options);
    s = s == NATS_OK ? natsOptions_SetURL(bus->options, url) : s;
    s = s == NATS_OK ? natsOptions_SetName(bus->options, "unibus") : s;
    s = s == NATS_OK && bus->has_identity ? set_login(bus) : s;
    s = s == NATS_OK ? natsOptions_SetIgnoreDiscoveredServers(bus->options, true) : s;
    s = s == NATS_OK ? natsOptions_SetTimeout(bus->options, BUS_WAIT_MS) : s;
    s = s == NATS_OK ? natsOptions_SetMaxReconnect(bus->options, -1) : s;
    s = s == NATS_OK ? natsOptions_SetErrorHandler(bus->options, on_error, bus) : s;
    s = s == NATS_OK ? natsOptions_SetDisconnectedCB(bus->options, on_lost, bus) : s;
    s = s == NATS_OK ? natsOptions_SetReconnectedCB(bus->options, on_back, bus) : s;
    return s == NATS_OK ? natsOptions_SetClosedCB(bus->options, on_closed, bus) : s;
}

/* What the address says before its @ is a password or a token: not for errors and logs. */
void bus_public_url(const char *url, char text_out[256])
{
    const char *at = strrchr(url, '@'), *scheme = strstr(url, "://");
    int before = scheme != NULL ? (int)(scheme + 3 - url) : 0;
    if (at != NULL) {
        snprintf(text_out, 256, "%.*s%s", before, url, at + 1);
    } else {
        snprintf(text_out, 256, "%s", url);
    }
}

static enum unibus_status cannot_connect(const struct unibus_bus *bus, const char *address,
                                         natsStatus s, struct unibus_err *err)
{
    char url[256];
    bus_public_url(address, url);
    const char *text = nats_GetLastError(NULL);
    if (bus->was_refused_nonce) {
        unibus_fail(err, UNIBUS_UNVERIFIED,
                    "%s asked for a signature over something that is no nonce: refused", url);
        return unibus_fix(err, "this is not an honest server: tell its operator");
    }
    if (s == NATS_CONNECTION_AUTH_FAILED || s == NATS_NOT_PERMITTED) {
        unibus_fail(err, UNIBUS_DENIED, "%s does not let this %s in: %s", url,
                    bus->has_identity ? "device" : "user",
                    text != NULL ? text : natsStatus_GetText(s));
        return !bus->has_identity
                   ? unibus_fix(err, "put user and password, or a token, into the address: "
                                     "nats://user:password@host:port")
                   : unibus_fix(err, "give the output of `unibus id show --json` to an admin");
    }
    if (s == NATS_SSL_ERROR) {
        unibus_fail(err, UNIBUS_UNVERIFIED, "no TLS with %s: %s", url,
                    text != NULL ? text : natsStatus_GetText(s));
        return unibus_fix(err, "its certificate must name this host and be by a CA of this system, "
                               "or by one in the file SSL_CERT_FILE");
    }
    unibus_fail(err, s == NATS_TIMEOUT ? UNIBUS_TIMEOUT : UNIBUS_UNREACHABLE,
                "%s cannot be reached: %s", url, natsStatus_GetText(s));
    return unibus_fix(err, "is the node's bus running?");
}

enum unibus_status bus_connect(struct unibus_bus *bus, const char *url, struct unibus_err *err)
{
    natsStatus s = set_options(bus, url);
    if (s == NATS_OK && bus->prepare != NULL) {
        s = bus->prepare(bus);
    }
    if (s != NATS_OK) {
        return unibus_fail(err, UNIBUS_FAILED, "cannot prepare the bus: %s", natsStatus_GetText(s));
    }
    int tries = 0;
    do {
        bus->was_unlucky = false;
        s = natsConnection_Connect(&bus->connection, bus->options);
    } while (s != NATS_OK && bus->was_unlucky && ++tries < NONCE_TRIES);
    return s == NATS_OK ? UNIBUS_OK : cannot_connect(bus, url, s, err);
}

struct unibus_bus *bus_new(const struct unibus_identity *identity)
{
    struct unibus_bus *bus = calloc(1, sizeof(*bus));
    if (bus == NULL) {
        return NULL;
    }
    pthread_mutex_init(&bus->events.lock, NULL);
    pthread_cond_init(&bus->events.closed, NULL);
    if (identity != NULL) {
        bus->nats = identity->nats;
        bus->has_identity = true;
    }
    return bus;
}

enum unibus_status bus_node_url(struct unibus_client *client, char url_out[BUS_URL_MAX],
                                struct unibus_err *err)
{
    struct unibus_node_info info;
    enum unibus_status status = unibus_node_info(client->node, &info, err);
    if (status == UNIBUS_OK && info.nats_url[0] == '\0') {
        status = unibus_fail(err, UNIBUS_UNREACHABLE, "the node has no bus");
    }
    if (status == UNIBUS_OK) {
        snprintf(url_out, BUS_URL_MAX, "%s", info.nats_url);
    }
    return status;
}

enum unibus_status unibus_bus_open(struct unibus_client *client, struct unibus_bus **bus_out,
                                   struct unibus_err *err)
{
    const struct unibus_identity *identity;
    char url[BUS_URL_MAX];
    enum unibus_status status = unibus_client_identity(client, &identity, err);
    if (status == UNIBUS_OK) {
        status = bus_node_url(client, url, err);
    }
    if (status != UNIBUS_OK) {
        return status;
    }
    struct unibus_bus *bus = bus_new(identity);
    if (bus == NULL) {
        return unibus_fail(err, UNIBUS_FAILED, "no memory");
    }
    status = bus_connect(bus, url, err);
    if (status != UNIBUS_OK) {
        unibus_bus_close(&bus);
        return status;
    }
    *bus_out = bus;
    return UNIBUS_OK;
}

/* The library's threads may report until they have reported the end. */
static void await_closed(struct unibus_bus *bus)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += BUS_WAIT_MS / 1000;
    natsConnection_Close(bus->connection);
    pthread_mutex_lock(&bus->events.lock);
    int timed_out = 0;
    while ((!bus->is_closed || bus->is_receiving) && timed_out == 0) {
        timed_out = pthread_cond_timedwait(&bus->events.closed, &bus->events.lock, &until);
    }
    pthread_mutex_unlock(&bus->events.lock);
}

void unibus_bus_close(struct unibus_bus **bus_ref)
{
    struct unibus_bus *bus = *bus_ref;
    if (bus == NULL) {
        return;
    }
    if (bus->connection != NULL) {
        await_closed(bus);
    }
    natsSubscription_Destroy(bus->subscription);
    natsConnection_Destroy(bus->connection);
    natsOptions_Destroy(bus->options);
    pthread_cond_destroy(&bus->events.closed);
    pthread_mutex_destroy(&bus->events.lock);
    ubr_sign_key_wipe(&bus->nats);
    free(bus);
    *bus_ref = NULL;
}

/* What the server has said about this subject, after a round trip. */
static enum unibus_status check_refused(const struct unibus_bus *bus, const char *subject,
                                        struct unibus_err *err)
{
    const char *text = NULL;
    char quoted[600];
    snprintf(quoted, sizeof(quoted), "Publish to \"%s\"", subject);
    if (natsConnection_GetLastError(bus->connection, &text) == NATS_OK || text == NULL ||
        strstr(text, quoted) == NULL) {
        return UNIBUS_OK;
    }
    unibus_fail_code(err, UNIBUS_DENIED, "forbidden", "%s", text);
    return unibus_fix(err, "`unibus room permissions ROOM` shows who may publish there");
}

natsStatus bus_post(struct unibus_bus *bus, const struct unibus_post *post)
{
    natsMsg *msg = NULL;
    natsStatus s = natsMsg_Create(&msg, post->subject, post->reply, (const char *)post->payload.ptr,
                                  (int)post->payload.len);
    if (s == NATS_OK && post->ub_subject != NULL) {
        s = natsMsgHeader_Set(msg, "Ub-Subject", post->ub_subject);
    }
    if (s == NATS_OK && post->nats_id != NULL) {
        s = natsMsgHeader_Set(msg, "Nats-Msg-Id", post->nats_id);
    }
    s = s == NATS_OK ? natsConnection_PublishMsg(bus->connection, msg) : s;
    natsMsg_Destroy(msg);
    return s;
}

enum unibus_status bus_cannot_publish(natsStatus s, size_t len, struct unibus_err *err)
{
    if (s == NATS_MAX_PAYLOAD) {
        return unibus_fail_code(err, UNIBUS_FAILED, "too-large",
                                "%zu bytes are more than the bus takes", len);
    }
    return unibus_fail(err, s == NATS_TIMEOUT ? UNIBUS_TIMEOUT : UNIBUS_UNREACHABLE,
                       "publishing: %s", natsStatus_GetText(s));
}

enum unibus_status unibus_bus_publish(struct unibus_bus *bus, const struct unibus_post *post,
                                      struct unibus_err *err)
{
    natsStatus s = bus_post(bus, post);
    s = s == NATS_OK ? natsConnection_FlushTimeout(bus->connection, BUS_WAIT_MS) : s;
    if (s != NATS_OK) {
        return bus_cannot_publish(s, post->payload.len, err);
    }
    return check_refused(bus, post->subject, err);
}

enum unibus_status unibus_bus_subscribe(struct unibus_bus *bus, const char *subject,
                                        struct unibus_err *err)
{
    natsStatus s = natsConnection_SubscribeSync(&bus->subscription, bus->connection, subject);
    s = s == NATS_OK ? natsConnection_FlushTimeout(bus->connection, BUS_WAIT_MS) : s;
    return s == NATS_OK ? UNIBUS_OK
                        : unibus_fail(err, UNIBUS_UNREACHABLE, "subscribing to %s: %s", subject,
                                      natsStatus_GetText(s));
}

static void take_message(natsMsg *msg, struct unibus_bus_event *event_out)
{
    const char *ub_subject = NULL;
    if (natsMsgHeader_Get(msg, "Ub-Subject", &ub_subject) != NATS_OK) {
        ub_subject = NULL;
    }
    event_out->type = UNIBUS_BUS_MESSAGE;
    event_out->subject = natsMsg_GetSubject(msg);
    event_out->ub_subject = ub_subject;
    event_out->payload = ubr_bytes_of(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg));
    event_out->owned = msg;
}

void unibus_bus_next(struct unibus_bus *bus, int64_t timeout_ms, struct unibus_bus_event *event_out)
{
    const uint64_t end = wire_mono_ms() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0);
    memset(event_out, 0, sizeof(*event_out));
    for (;;) {
        uint64_t now = wire_mono_ms();
        int64_t left = now < end ? (int64_t)(end - now) : 0;
        natsMsg *msg = NULL;
        /* Messages that came before a refusal are given before it. */
        natsStatus s =
            natsSubscription_NextMsg(&msg, bus->subscription, left < SLICE_MS ? left : SLICE_MS);
        if (s == NATS_OK) {
            take_message(msg, event_out);
            return;
        }
        if (bus_pop_event(bus, event_out) || left == 0) {
            return;
        }
        if (s != NATS_TIMEOUT) {
            nats_Sleep(left < SLICE_MS ? left : SLICE_MS);
        }
    }
}

void unibus_bus_event_clear(struct unibus_bus_event *event)
{
    natsMsg_Destroy(event->owned);
    event->owned = NULL;
}
