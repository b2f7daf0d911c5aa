/* SPDX-License-Identifier: Apache-2.0 */
#include "acker.h"

#include <stdio.h>
#include <stdlib.h>

#include <unibus/error.h>

#define ACK_MAX   32 /* {"seq":18446744073709551615} */
#define FLOOD_MAX 65536

/* What one call of send takes. */
struct answers {
    struct acker *acker;
    size_t count;
    struct ub_bus_send sends[ACKER_SEND_MAX];
    char acks[ACKER_SEND_MAX][ACK_MAX];
};

static void on_refused(void *arg, uint64_t tag)
{
    struct acker *acker = arg;
    (void)tag;
    atomic_fetch_add_explicit(&acker->refused, 1, memory_order_relaxed);
}

static void answers_send(struct answers *answers)
{
    struct acker *acker = answers->acker;
    if (answers->count > 0 && acker->bus->send(acker->bus_self, answers->sends, answers->count,
                                               on_refused, acker) == UB_OK) {
        atomic_fetch_add_explicit(&acker->answered, (int64_t)answers->count, memory_order_relaxed);
    }
    answers->count = 0;
}

/* By hand: snprintf would cost more than everything else that is done for a message. */
static struct ub_bytes ack_text(char *text, uint64_t sequence)
{
    char digits[20];
    size_t count = 0, len = 7;
    memcpy(text, "{\"seq\":", 7);
    do {
        digits[count++] = (char)('0' + sequence % 10);
        sequence /= 10;
    } while (sequence > 0);
    while (count > 0) {
        text[len++] = digits[--count];
    }
    text[len++] = '}';
    return (struct ub_bytes){(const uint8_t *)text, len};
}

static void answer_ack(struct answers *answers, const struct ub_bus_message *message)
{
    size_t at = answers->count++;
    uint64_t sequence = ++answers->acker->sequence;
    answers->sends[at] = (struct ub_bus_send){.subject = message->reply,
                                              .payload = ack_text(answers->acks[at], sequence),
                                              .flags = UB_BUS_REFUSE,
                                              .tag = sequence};
}

static void answer_echo(struct answers *answers, const struct ub_bus_message *message)
{
    struct acker *acker = answers->acker;
    struct ub_bus_target to;
    if (acker->bus->resolve(acker->bus_self, message->reply, &to) != UB_OK) {
        on_refused(acker, 0);
        return;
    }
    answers->sends[answers->count++] = (struct ub_bus_send){.subject = message->reply,
                                                            .headers = message->headers,
                                                            .payload = message->payload,
                                                            .buf = message->buf,
                                                            .to = to,
                                                            .flags = UB_BUS_REFUSE};
}

/* ---- pull: a request that stays until its asker goes ------------------------------------------
 */

static void on_gone(void *arg, struct ub_bytes subject)
{
    struct acker *acker = arg;
    (void)subject;
    atomic_fetch_sub(&acker->pulling, 1);
    atomic_fetch_add(&acker->gone, 1);
}

static void pull_keep(struct acker *acker, const struct ub_bus_message *message)
{
    for (size_t i = 0; i < ACKER_PULLS_MAX; i++) {
        if (acker->pulls[i] != NULL) {
            continue;
        }
        atomic_fetch_add(&acker->pulling, 1);
        if (acker->bus->watch_interest(acker->bus_self, message->reply, on_gone, acker,
                                       &acker->pulls[i]) != UB_OK) {
            atomic_fetch_sub(&acker->pulling, 1); /* he had gone already */
            atomic_fetch_add(&acker->gone, 1);
        }
        return;
    }
}

/* ---- flood: as fast as the receiver takes it --------------------------------------------------
 */

static void flood_begin(struct acker *acker, const struct ub_bus_message *message)
{
    struct acker_flood *flood = &acker->flood;
    char text[64];
    unsigned long size = 0;
    snprintf(text, sizeof(text), "%.*s", (int)message->payload.len,
             (const char *)message->payload.ptr);
    *flood = (struct acker_flood){.left = 0};
    snprintf(flood->subject, sizeof(flood->subject), "%.*s", (int)message->reply.len,
             (const char *)message->reply.ptr);
    if (acker->bus->resolve(acker->bus_self, message->reply, &flood->to) == UB_OK &&
        sscanf(text, "%lu %lu", &flood->left, &size) == 2 && size <= FLOOD_MAX) {
        flood->size = size;
    } else {
        flood->left = 0;
    }
}

static void flood_go_on(struct answers *answers)
{
    static const uint8_t payload[FLOOD_MAX];
    struct acker *acker = answers->acker;
    struct acker_flood *flood = &acker->flood;
    while (flood->left > 0) {
        size_t pending = acker->bus->pending_bytes(acker->bus_self, flood->to.conn);
        if (pending > (size_t)acker->settings->pending_max) {
            return;
        }
        for (size_t i = 0; i < 16 && flood->left > 0; i++, flood->left--) {
            answers->sends[answers->count++] = (struct ub_bus_send){
                .subject = {(const uint8_t *)flood->subject, strlen(flood->subject)},
                .payload = {payload, flood->size},
                .to = flood->to,
                .flags = UB_BUS_REFUSE};
        }
        answers_send(answers);
    }
}

/* ---- the worker -------------------------------------------------------------------------------
 */

static void answer(struct answers *answers, const struct acker_item *item)
{
    static void (*const answering[])(struct answers *, const struct ub_bus_message *) = {
        [ACKER_ACK] = answer_ack, [ACKER_ECHO] = answer_echo};
    if (item->message.reply.len == 0) {
        return;
    }
    if (item->verb == ACKER_PULL) {
        pull_keep(answers->acker, &item->message);
    } else if (item->verb == ACKER_FLOOD) {
        flood_begin(answers->acker, &item->message);
    } else {
        answering[item->verb](answers, &item->message);
    }
}

void *acker_work(void *arg)
{
    struct acker *acker = arg;
    struct answers *answers = calloc(1, sizeof(*answers));
    if (answers == NULL) {
        return NULL;
    }
    answers->acker = acker;
    while (acker_take(acker, acker->flood.left > 0)) {
        for (size_t i = 0; i < acker->taken.count; i++) {
            if (answers->count == ACKER_SEND_MAX) {
                answers_send(answers);
            }
            answer(answers, &acker->taken.list[i]);
        }
        answers_send(answers);
        acker_items_drop(&acker->taken);
        flood_go_on(answers);
    }
    free(answers);
    return NULL;
}
