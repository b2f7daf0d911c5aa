/* SPDX-License-Identifier: Apache-2.0
 *
 * /subsz: all subscriptions of clients, in steps over the slots of each loop. Subscriptions of
 * modules are not among them. */
#include "snapshot.h"

void mon_write_sub(struct mon_text *text, const struct nats_sub *sub, uint64_t cid,
                   bool has_account)
{
    mon_open(text, NULL, '{');
    if (has_account) {
        mon_string(text, "account", NATS_MONITOR_ACCOUNT);
    }
    mon_bytes(text, "subject", nats_sub_subject(sub));
    if (sub->queue_len > 0) {
        mon_bytes(text, "qgroup", nats_sub_queue(sub));
    }
    mon_bytes(text, "sid", nats_sub_sid(sub));
    mon_unsigned(text, "msgs", sub->delivered);
    if (sub->max > 0) {
        mon_unsigned(text, "max", sub->max);
    }
    mon_unsigned(text, "cid", cid);
    mon_close(text, '}');
}

struct subsz {
    const struct mon_subsz *ask;
    struct mon_text *text; /* of the items */
    uint32_t slot, slot_count;
    int64_t total;
};

static void step_subs(struct nats_shard *shard, void *arg)
{
    struct subsz *subsz = arg;
    const struct mon_subsz *ask = subsz->ask;
    uint32_t stop = subsz->slot + MON_STEP_SLOTS;
    subsz->slot_count = shard->slot_room;
    for (; subsz->slot < stop && subsz->slot < shard->slot_room; subsz->slot++) {
        const struct nats_sub *sub = shard->slots[subsz->slot];
        bool is_free = sub == NULL || ((uintptr_t)sub & 1) != 0;
        if (is_free || (ask->test[0] != '\0' &&
                        !nats_subject_matches(nats_sub_subject(sub), 0, nats_text(ask->test)))) {
            continue;
        }
        if (subsz->total >= ask->offset && subsz->total - ask->offset < ask->limit) {
            mon_write_sub(subsz->text, sub, sub->conn->cid, true);
        }
        subsz->total++;
    }
}

static void subs_gather(struct mon_question *question, struct subsz *subsz)
{
    struct nats_server *server = question->monitor->server;
    for (uint32_t shard = 0; shard < server->shard_count; shard++) {
        subsz->slot = 0;
        do {
            mon_visit(server, shard, step_subs, subsz);
        } while (subsz->slot < subsz->slot_count && !subsz->text->is_broken);
    }
}

static void write_subsz(struct mon_question *question, struct mon_text *text,
                        const struct subsz *subsz, bool is_empty)
{
    struct nats_monitor *monitor = question->monitor;
    mon_string(text, "server_id", monitor->server->server_id);
    mon_time(text, "now", mon_unix_ms(monitor));
    mon_sublist_stats(monitor, text, is_empty);
    mon_number(text, "total", subsz->total);
    mon_number(text, "offset", subsz->ask->offset);
    mon_number(text, "limit", subsz->ask->limit);
    if (subsz->text->len > 0) {
        mon_open(text, "subscriptions_list", '[');
        mon_piece(text, subsz->text->ptr, subsz->text->len);
        mon_close(text, ']');
    }
    text->is_broken = text->is_broken || subsz->text->is_broken;
}

bool mon_subsz(struct mon_question *question, struct mon_text *text)
{
    struct mon_subsz ask;
    struct mon_text items;
    if (!mon_subsz_read(&question->pairs, &ask, &question->fault)) {
        return false;
    }
    mon_text_init(&items, text->max, text->is_indented, text->depth + 2);
    struct subsz subsz = {.ask = &ask, .text = &items};
    bool is_empty = ask.account[0] != '\0' && strcmp(ask.account, NATS_MONITOR_ACCOUNT) != 0;
    if (ask.has_subs && !is_empty) {
        subs_gather(question, &subsz);
    }
    mon_open(text, NULL, '{');
    if (items.len == 0 && !question->pairs.is_body) { /* over HTTP nats-server is as short */
        mon_sublist_stats(question->monitor, text, is_empty);
    } else {
        write_subsz(question, text, &subsz, is_empty);
    }
    mon_close(text, '}');
    mon_text_fini(&items);
    return true;
}
