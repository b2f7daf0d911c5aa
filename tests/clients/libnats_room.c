/* SPDX-License-Identifier: Apache-2.0
 *
 * A stock C client (Debian's libnats) in a plain room: publish, subscribe, request; then outside,
 * where it must be refused. Prints one line a step; exit code 0 when every step went as expected.
 *
 *     libnats_room URL NKEY_SEED ROOM32
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <nats/nats.h>

#define WAIT_MS 3000

static atomic_int refusals;
static char seed[128];

static void on_error(natsConnection *nc, natsSubscription *sub, natsStatus status, void *arg)
{
    (void)nc;
    (void)sub;
    (void)arg;
    if (status == NATS_NOT_PERMITTED) {
        refusals++;
    }
}

static natsStatus on_nonce(char **error, unsigned char **sig, int *sig_len, const char *nonce,
                           void *arg)
{
    (void)error;
    (void)arg;
    return nats_Sign(seed, nonce, sig, sig_len);
}

static void on_request(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg)
{
    (void)sub;
    (void)arg;
    natsConnection_PublishString(nc, natsMsg_GetReply(msg), "pong");
    natsMsg_Destroy(msg);
}

static int step(const char *name, const char *result, int good)
{
    printf("%s: %s\n", name, good ? result : "FAILED");
    return good ? 0 : 1;
}

/* The public half of the seed, which the server knows: "U…". */
static natsStatus public_key(char *out, size_t out_size)
{
    const char *given = getenv("NKEY");
    if (given == NULL) {
        return NATS_INVALID_ARG;
    }
    snprintf(out, out_size, "%s", given);
    return NATS_OK;
}

static natsStatus open_connection(const char *url, natsOptions **options, natsConnection **nc)
{
    char nkey[64];
    natsStatus status = natsOptions_Create(options);
    if (status == NATS_OK) {
        status = public_key(nkey, sizeof(nkey));
    }
    if (status == NATS_OK) {
        status = natsOptions_SetURL(*options, url);
    }
    if (status == NATS_OK) {
        status = natsOptions_SetNKey(*options, nkey, on_nonce, NULL);
    }
    if (status == NATS_OK) {
        status = natsOptions_SetErrorHandler(*options, on_error, NULL);
    }
    if (status == NATS_OK) {
        status = natsOptions_SetAllowReconnect(*options, false);
    }
    /* libnats 3.4 leaves out a signature that begins with zero: one login in 256 is refused. */
    for (int tries = 0; status == NATS_OK && tries < 4; tries++) {
        natsStatus login = natsConnection_Connect(nc, *options);
        if (login != NATS_CONNECTION_AUTH_FAILED || tries == 3) {
            return login;
        }
    }
    return status;
}

static int is_received(natsSubscription *sub, const char *wanted)
{
    natsMsg *msg = NULL;
    if (natsSubscription_NextMsg(&msg, sub, WAIT_MS) != NATS_OK) {
        return 0;
    }
    int good = strncmp(natsMsg_GetData(msg), wanted, (size_t)natsMsg_GetDataLength(msg)) == 0;
    natsMsg_Destroy(msg);
    return good;
}

static int talk(natsConnection *nc, const char *subject)
{
    natsSubscription *plain = NULL, *queue = NULL;
    int failed = step("subscribe", "ok",
                      natsConnection_SubscribeSync(&plain, nc, subject) == NATS_OK &&
                          natsConnection_QueueSubscribeSync(&queue, nc, subject, "q") == NATS_OK &&
                          natsConnection_FlushTimeout(nc, WAIT_MS) == NATS_OK && refusals == 0);
    natsConnection_PublishString(nc, subject, "hello");
    failed += step("publish", "received", is_received(plain, "hello"));
    failed += step("queue", "received", is_received(queue, "hello"));
    natsSubscription_Destroy(plain);
    natsSubscription_Destroy(queue);
    return failed;
}

static int talk_with_headers(natsConnection *nc, const char *subject)
{
    natsSubscription *sub = NULL;
    natsMsg *msg = NULL, *got = NULL;
    const char *value = "";
    natsConnection_SubscribeSync(&sub, nc, subject);
    natsMsg_Create(&msg, subject, NULL, "body", 4);
    natsMsgHeader_Set(msg, "Colour", "blue");
    natsConnection_PublishMsg(nc, msg);
    int good = natsSubscription_NextMsg(&got, sub, WAIT_MS) == NATS_OK &&
               natsMsgHeader_Get(got, "Colour", &value) == NATS_OK && strcmp(value, "blue") == 0;
    natsMsg_Destroy(msg);
    natsMsg_Destroy(got);
    natsSubscription_Destroy(sub);
    return step("headers", "received", good);
}

static int ask(natsConnection *nc, const char *subject, const char *nobody)
{
    natsSubscription *sub = NULL;
    natsMsg *reply = NULL;
    natsConnection_Subscribe(&sub, nc, subject, on_request, NULL);
    int good = natsConnection_RequestString(&reply, nc, subject, "ping", WAIT_MS) == NATS_OK &&
               strcmp(natsMsg_GetData(reply), "pong") == 0;
    natsMsg_Destroy(reply);
    int failed = step("request", "answered", good);
    reply = NULL;
    natsStatus status = natsConnection_RequestString(&reply, nc, nobody, "ping", WAIT_MS);
    natsMsg_Destroy(reply);
    natsSubscription_Destroy(sub);
    return failed + step("no responders", "told", status == NATS_NO_RESPONDERS);
}

static int is_refused(natsConnection *nc, int before)
{
    natsConnection_FlushTimeout(nc, WAIT_MS);
    for (int i = 0; i < 100 && refusals == before; i++) {
        usleep(10000);
    }
    return refusals > before;
}

static int get_out(natsConnection *nc)
{
    natsSubscription *sub = NULL;
    int before = refusals;
    natsConnection_PublishString(nc, "somewhere.else", "x");
    int failed = step("outside publish", "refused", is_refused(nc, before));
    before = refusals;
    natsConnection_SubscribeSync(&sub, nc, "ub.r.>");
    failed += step("outside subscribe", "refused", is_refused(nc, before));
    natsSubscription_Destroy(sub);
    return failed + step("connection", "open", !natsConnection_IsClosed(nc));
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: NKEY=U… libnats_room URL NKEY_SEED ROOM32\n");
        return 2;
    }
    char chat[96], echo[96], nobody[96];
    snprintf(seed, sizeof(seed), "%s", argv[2]);
    snprintf(chat, sizeof(chat), "ub.r.%s.chat", argv[3]);
    snprintf(echo, sizeof(echo), "ub.r.%s.echo", argv[3]);
    snprintf(nobody, sizeof(nobody), "ub.r.%s.nobody", argv[3]);

    natsOptions *options = NULL;
    natsConnection *nc = NULL;
    natsStatus status = open_connection(argv[1], &options, &nc);
    int failed = 1;
    if (status == NATS_OK) {
        failed = talk(nc, chat) + talk_with_headers(nc, chat) + ask(nc, echo, nobody) + get_out(nc);
    } else {
        fprintf(stderr, "cannot connect: %s\n", natsStatus_GetText(status));
    }
    natsConnection_Destroy(nc);
    natsOptions_Destroy(options);
    nats_Close();
    return failed == 0 ? 0 : 1;
}
