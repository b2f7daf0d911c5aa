/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <ubr/accept.h>

#include "bench.h"

#define MAGIC_MASK 0xff000000u

/* Whether this program made the payload: what follows the stamp is known. */
static bool is_ours(const struct bench_run *run, struct ubr_bytes content)
{
    bool is_any_size = run->plan.kind == BENCH_SUB;
    if (!is_any_size && content.len != run->plan.size) {
        return false;
    }
    size_t len = content.len < run->pattern_len ? content.len : run->pattern_len;
    if (content.len < BENCH_STAMP_LEN) {
        return len == 0 || memcmp(content.ptr, run->pattern, len) == 0;
    }
    return memcmp(content.ptr + BENCH_STAMP_LEN, run->pattern + BENCH_STAMP_LEN,
                  len - BENCH_STAMP_LEN) == 0;
}

/* A subscriber hears every run; the others know whom they have started. */
static bool knows(const struct bench_client *client, uint32_t publisher)
{
    const struct bench_run *run = client->run;
    if (run->plan.kind == BENCH_SUB) {
        return (publisher & MAGIC_MASK) == BENCH_MAGIC;
    }
    return run->plan.kind == BENCH_REQ
               ? publisher == run->publisher + client->index
               : publisher >= run->publisher && publisher < run->publisher + run->plan.senders;
}

static void count_one(struct bench_client *client, uint64_t now, size_t bytes)
{
    uint64_t count = atomic_load_explicit(&client->count, memory_order_relaxed);
    client->first_ns = count == 0 && client->first_ns == 0 ? now : client->first_ns;
    client->last_ns = now;
    client->bytes += bytes;
    atomic_store_explicit(&client->count, count + 1, memory_order_relaxed);
}

/* True when it is one that was awaited. */
static bool take_content(struct bench_client *client, struct ubr_bytes content)
{
    uint64_t now = bench_now_ns();
    if (content.len < BENCH_STAMP_LEN && is_ours(client->run, content)) {
        count_one(client, now, content.len);
        return true;
    }
    struct bench_stamp stamp = {0};
    if (content.len >= BENCH_STAMP_LEN) {
        stamp = bench_stamp_read(content.ptr);
    }
    if (!is_ours(client->run, content) || !knows(client, stamp.publisher)) {
        client->foreign++;
        if (client->run->plan.kind == BENCH_SUB) {
            count_one(client, now, content.len);
        }
        return false;
    }
    if (bench_order_take(&client->order, stamp.publisher, stamp.number) == BENCH_DOUBLED) {
        return false;
    }
    if (client->run->plan.kind != BENCH_SUB) { /* the clocks of two machines differ */
        bench_histogram_add(&client->latency, bench_stamp_age(&stamp, now));
    }
    count_one(client, now, content.len);
    return true;
}

/* Opens what is sealed. False, and the client has failed, when it must not be accepted. */
static bool open_content(struct bench_client *client, const struct unibus_delivery *delivery,
                         struct unibus_said *said_out, struct ubr_bytes *content_out)
{
    const struct unibus_incoming incoming = {delivery->subject, delivery->ub_subject,
                                             delivery->payload};
    struct unibus_err err = UNIBUS_ERR_INIT;
    size_t cursor = 0;
    pthread_mutex_lock(&client->room_lock);
    uint64_t begun_ns = bench_now_ns();
    bool is_good = unibus_message_open(client->room, &incoming, said_out, &err) == UNIBUS_OK;
    client->opening_ns += bench_now_ns() - begun_ns;
    client->opened++;
    pthread_mutex_unlock(&client->room_lock);
    if (is_good && !ubr_msg_record_next(&said_out->msg, &cursor, content_out)) {
        *content_out = ubr_bytes_of(NULL, 0);
    }
    if (!is_good) {
        bench_fail(client, &err);
    }
    return is_good;
}

static bool take_delivery(struct bench_client *client, const struct unibus_delivery *delivery)
{
    if (!client->run->is_sealed) {
        return take_content(client, delivery->payload);
    }
    struct unibus_said said;
    struct ubr_bytes content;
    bool is_taken =
        open_content(client, delivery, &said, &content) && take_content(client, content);
    unibus_said_clear(&said);
    return is_taken;
}

void bench_take(void *arg, const struct unibus_delivery *delivery)
{
    take_delivery(arg, delivery);
}

void bench_take_answer(void *arg, const struct unibus_delivery *delivery)
{
    struct bench_client *client = arg;
    if (delivery->is_unanswered) {
        struct unibus_err err = UNIBUS_ERR_INIT;
        unibus_fail_code(&err, UNIBUS_UNREACHABLE, "no-responders", "nobody answers on %s",
                         client->subject);
        unibus_fix(&err, "start the other side: unibus bench req --reply %s",
                   client->run->plan.channel);
        bench_fail(client, &err);
    } else if (take_delivery(client, delivery)) {
        sem_post(&client->slots);
    }
}

void bench_reply_channel(const struct bench_client *client, uint32_t publisher,
                         char subject_out[512])
{
    snprintf(subject_out, 512, "%.490s.re.%08" PRIx32, client->subject, publisher);
}

static enum unibus_status answer_sealed(struct bench_client *client, struct ubr_bytes content,
                                        struct unibus_err *err)
{
    char reply[512];
    struct unibus_sealed sealed;
    bench_reply_channel(client, bench_stamp_read(content.ptr).publisher, reply);
    enum unibus_status status = bench_seal(client, reply, &content, 1, &sealed, err);
    if (status == UNIBUS_OK) {
        const struct unibus_post post = {.subject = reply,
                                         .ub_subject = reply,
                                         .payload = ubr_bytes_of(sealed.wire, sealed.len)};
        status = unibus_flow_publish(client->bus, &post, err);
        unibus_messages_clear(&sealed, 1);
    }
    return status;
}

static void answer_in_room(struct bench_client *client, const struct unibus_delivery *delivery,
                           struct unibus_err *err)
{
    struct unibus_said said;
    struct ubr_bytes content;
    bool is_good = open_content(client, delivery, &said, &content);
    if (is_good && content.len < BENCH_STAMP_LEN) {
        client->foreign++;
    } else if (is_good) {
        answer_sealed(client, content, err);
        count_one(client, bench_now_ns(), content.len);
    }
    unibus_said_clear(&said);
}

static void answer_raw(struct bench_client *client, const struct unibus_delivery *delivery,
                       struct unibus_err *err)
{
    const struct unibus_post post = {.subject = delivery->reply, .payload = delivery->payload};
    if (delivery->reply == NULL) {
        client->foreign++;
        return;
    }
    unibus_flow_publish(client->bus, &post, err);
    count_one(client, bench_now_ns(), delivery->payload.len);
}

void bench_answer(void *arg, const struct unibus_delivery *delivery)
{
    struct bench_client *client = arg;
    struct unibus_err err = UNIBUS_ERR_INIT;
    if (client->run->is_sealed) {
        answer_in_room(client, delivery, &err);
    } else {
        answer_raw(client, delivery, &err);
    }
    if (err.status != UNIBUS_OK) {
        bench_fail(client, &err);
    }
}
