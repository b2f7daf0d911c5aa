/* SPDX-License-Identifier: Apache-2.0
 *
 * Sealed boxes over HTTP: the recipient's own, late ones, wishes, staged ones. */
#include <stdlib.h>
#include <string.h>

#include <ubr/text.h>

#include "boxes.h"
#include "posted.h"
#include "rate.h"
#include "rooms.h"
#include "routes.h"
#include "staged.h"
#include "view.h"

#define REQUESTS_MAX     1024  /* of one room */
#define REQUEST_AGAIN_MS 60000 /* an answered wish may be repeated after this */
#define STAGED_BODY_MAX  (1024 * 1024)

/* What the path names. */
struct target {
    struct memb_room *room;
    uint32_t epoch;
    uint8_t kid[UBR_KID_LEN];
    uint8_t key[MEMB_EPOCH_KID_LEN];
};

static bool read_epoch(const char *text, uint32_t *epoch_out)
{
    size_t len = strlen(text);
    if (len < 1 || len > 10 || strspn(text, "0123456789") != len || text[0] == '0') {
        return false;
    }
    unsigned long long number = strtoull(text, NULL, 10);
    *epoch_out = (uint32_t)number;
    return number < UBR_LOG_EPOCH_END;
}

static uint32_t epoch_now(struct memb_room *room)
{
    memb_room_read(room);
    uint32_t epoch = ubr_log_state(room->log)->epoch;
    memb_room_unlock(room);
    return epoch;
}

static bool read_target(struct memb_call *call, const char *action, struct target *target_out)
{
    const struct ub_http_request *request = call->request;
    target_out->room = memb_call_room(call, false, NULL);
    if (target_out->room == NULL || !memb_may(call, action, "room", target_out->room->id32, NULL)) {
        return false;
    }
    if (!ubr_hex_decode_exact(ubr_bytes_of_text(request->params[2]), target_out->kid,
                              UBR_KID_LEN) ||
        !read_epoch(request->params[1], &target_out->epoch) ||
        target_out->epoch > epoch_now(target_out->room)) {
        memb_problem(call, UB_P_NOT_FOUND, "no such epoch or device");
        return false;
    }
    memb_epoch_kid_key(target_out->epoch, target_out->kid, target_out->key);
    return true;
}

static bool read_own_target(struct memb_call *call, struct target *target_out)
{
    if (!read_target(call, "box.read", target_out)) {
        return false;
    }
    if (memcmp(call->kid, target_out->kid, UBR_KID_LEN) != 0) {
        memb_problem(call, UB_P_FORBIDDEN, "only the device itself, by its own signature");
        return false;
    }
    return true;
}

static void answer_store(struct memb_call *call, enum ub_status status, const struct ub_err *err)
{
    memb_problem_store(call, memb_store_problem(status), UB_P_STORE_AWAY, err);
}

/* ---- GET --------------------------------------------------------------------------------------
 */

static json_t *view_boxes(const struct memb_kept_boxes *kept)
{
    json_t *items = json_array();
    for (size_t i = 0; i < kept->count; i++) {
        json_array_append_new(
            items,
            memb_view_object("uploader", memb_view_hex(kept->boxes[i].uploader, UBR_KID_LEN), "box",
                             memb_view_base64(kept->boxes[i].box, MEMB_BOX_LEN), NULL));
    }
    return memb_view_object("items", items, NULL);
}

static void get_boxes(struct memb_call *call)
{
    struct target target;
    struct memb_kept_boxes kept;
    struct ub_err err = UB_ERR_INIT;
    if (!read_own_target(call, &target)) {
        return;
    }
    enum ub_status status =
        memb_boxes_read(call->memb, target.room, target.epoch, target.kid, &kept, &err);
    if (status != UB_OK) {
        answer_store(call, status, &err);
    } else if (kept.count == 0) {
        memb_problem(call, UB_P_BOX_MISSING, "no box is kept: ask for one with :request");
    } else {
        memb_reply(call, 200, view_boxes(&kept), NULL, NULL);
    }
}

/* ---- PUT: a late box --------------------------------------------------------------------------
 */

struct late_body {
    struct memb_json_bytes box;
};

static const struct memb_json_field late_fields[] = {
    {"box", MEMB_JSON_BYTES, MEMB_JSON_REQUIRED, offsetof(struct late_body, box), MEMB_BOX_LEN,
     MEMB_BOX_LEN},
};

/* 6.4: live, entitled, and either newer than the epoch or asking. */
static enum ubr_error check_late(struct target *target, bool *is_wanted_out, bool *has_asked_out)
{
    struct ubr_log_kid kid;
    struct memb_room *room = target->room;
    memb_room_read(room);
    enum ubr_error rule = ubr_log_check_entitled(room->log, target->kid, target->epoch);
    *has_asked_out = memb_map_get(room->requests, target->key) != NULL;
    *is_wanted_out = *has_asked_out;
    if (rule == UBR_OK && ubr_log_kid(room->log, target->kid, &kid)) {
        *is_wanted_out |= kid.first_seq > ubr_log_epoch(room->log, target->epoch)->seq;
    }
    memb_room_unlock(room);
    return rule;
}

static void mark_answered(struct target *target)
{
    memb_room_write(target->room);
    struct memb_request *request = memb_map_get(target->room->requests, target->key);
    if (request != NULL) {
        request->is_answered = true;
    }
    memb_room_unlock(target->room);
}

static void store_late(struct memb_call *call, struct target *target, const uint8_t *box,
                       bool has_asked)
{
    uint8_t value[MEMB_LATE_LEN], answered[MEMB_REQUEST_LEN];
    struct memb_txn *txn = memb_txn_new(call->memb, call->ticket);
    if (txn == NULL) {
        memb_problem(call, UB_P_INTERNAL, "no memory");
        return;
    }
    memb_late_write(memb_now_ms(call->memb), box, value);
    memb_request_write(memb_now_ms(call->memb), true, answered);
    struct memb_key *key =
        memb_txn_write(txn, UB_KV_CREATE, (struct ub_bytes){value, sizeof value}, 0);
    memb_key_box(key, "late", target->room->id, target->epoch, target->kid);
    memb_key_bytes(key, call->kid, UBR_KID_LEN);
    if (has_asked) {
        key = memb_txn_write(txn, UB_KV_PUT, (struct ub_bytes){answered, sizeof answered}, 0);
        memb_key_box(key, "request", target->room->id, target->epoch, target->kid);
    }
    bool is_done = memb_call_commit(call, txn, UB_P_EXISTS, 201, NULL, NULL);
    if (is_done) {
        mark_answered(target);
    }
    memb_txn_free(&txn);
    if (is_done) {
        memb_reply(call, 201, NULL, NULL, NULL);
    }
}

/* Write-once per uploader: the identical box again is no change. */
static bool is_taken(struct memb_call *call, const struct memb_kept_boxes *kept, const uint8_t *box)
{
    for (size_t i = 0; i < kept->count; i++) {
        if (memcmp(kept->boxes[i].uploader, call->kid, UBR_KID_LEN) != 0) {
            continue;
        }
        if (memcmp(kept->boxes[i].box, box, MEMB_BOX_LEN) == 0) {
            memb_reply(call, 200, NULL, NULL, NULL);
        } else {
            memb_problem(call, UB_P_EXISTS, "you have put a box for this device and epoch");
        }
        return true;
    }
    if (kept->count >= MEMB_UPLOADERS_MAX) {
        memb_problem(call, UB_P_EXISTS, "boxes of four uploaders are kept already");
        return true;
    }
    return false;
}

static void put_late(struct memb_call *call, struct target *target, const uint8_t *box)
{
    struct memb_kept_boxes kept;
    struct ub_err err = UB_ERR_INIT;
    bool is_wanted, has_asked;
    enum ubr_error rule = check_late(target, &is_wanted, &has_asked);
    if (rule != UBR_OK) {
        memb_problem_rule(call, UB_P_BOX_INVALID, rule);
        return;
    }
    enum ub_status status =
        memb_boxes_read(call->memb, target->room, target->epoch, target->kid, &kept, &err);
    if (status != UB_OK) {
        answer_store(call, status, &err);
    } else if (is_taken(call, &kept, box)) {
        return;
    } else if (!is_wanted) {
        memb_problem(call, UB_P_EXISTS, "the device had its box with the epoch and did not ask");
    } else {
        store_late(call, target, box, has_asked);
    }
}

static void put_box(struct memb_call *call)
{
    struct target target;
    struct late_body body = {0};
    json_t *root = NULL;
    if (!read_target(call, "box.put", &target) ||
        !memb_read_body(call, late_fields, MEMB_COUNT(late_fields), &body, &root)) {
        return;
    }
    pthread_mutex_lock(&target.room->writing);
    put_late(call, &target, body.box.ptr);
    pthread_mutex_unlock(&target.room->writing);
    memb_json_free_fields(late_fields, MEMB_COUNT(late_fields), &body);
    json_decref(root);
}

/* ---- DELETE: "I have it" ----------------------------------------------------------------------
 */

/* Late boxes go at once; the first lies in the append's record, which is written again without it
 * within a minute (erase.c). Until then the mark keeps it from being served. */
static void add_erasure(struct memb_txn *txn, const struct target *target,
                        const struct memb_kept_boxes *kept, const uint8_t *mark)
{
    struct memb_key *key;
    const struct ub_bytes nothing = {NULL, 0};
    for (size_t i = kept->has_first; i < kept->count; i++) {
        key = memb_txn_write(txn, UB_KV_DELETE, nothing, 0);
        memb_key_box(key, "late", target->room->id, target->epoch, target->kid);
        memb_key_bytes(key, kept->boxes[i].uploader, UBR_KID_LEN);
    }
    if (kept->has_first) {
        key = memb_txn_write(txn, UB_KV_PUT, (struct ub_bytes){mark, MEMB_REQUEST_LEN}, 0);
        memb_key_box(key, "ack", target->room->id, target->epoch, target->kid);
    }
    key = memb_txn_write(txn, UB_KV_DELETE, nothing, 0);
    memb_key_box(key, "request", target->room->id, target->epoch, target->kid);
}

static bool note_ack(struct target *target, bool has_first)
{
    memb_room_write(target->room);
    bool is_done = !has_first || memb_map_put(target->room->acks, target->key, target->room);
    free(memb_map_remove(target->room->requests, target->key));
    memb_room_unlock(target->room);
    return is_done;
}

static void acknowledge(struct memb_call *call, struct target *target,
                        const struct memb_kept_boxes *kept)
{
    uint8_t mark[MEMB_REQUEST_LEN];
    struct memb_txn *txn = memb_txn_new(call->memb, call->ticket);
    if (txn == NULL) {
        memb_problem(call, UB_P_INTERNAL, "no memory");
        return;
    }
    memb_request_write(memb_now_ms(call->memb), true, mark);
    add_erasure(txn, target, kept, mark);
    bool is_done = memb_call_commit(call, txn, UB_P_HEAD_CONFLICT, 204, NULL, NULL);
    if (is_done && !note_ack(target, kept->has_first)) {
        memb_fail(call->memb, "no memory to hold what was stored");
    }
    memb_txn_free(&txn);
    if (is_done) {
        memb_reply(call, 204, NULL, NULL, NULL);
    }
}

static void delete_box(struct memb_call *call)
{
    struct target target;
    struct memb_kept_boxes kept;
    struct ub_err err = UB_ERR_INIT;
    if (!read_own_target(call, &target)) {
        return;
    }
    pthread_mutex_lock(&target.room->writing);
    enum ub_status status =
        memb_boxes_read(call->memb, target.room, target.epoch, target.kid, &kept, &err);
    if (status != UB_OK) {
        answer_store(call, status, &err);
    } else if (kept.count == 0) {
        memb_problem(call, UB_P_BOX_MISSING, "no box is kept");
    } else {
        acknowledge(call, &target, &kept);
    }
    pthread_mutex_unlock(&target.room->writing);
}

/* ---- wishes -----------------------------------------------------------------------------------
 */

enum wish { WISH_NEW, WISH_PENDING, WISH_TOO_SOON, WISH_FULL };

static enum wish judge_wish(struct target *target, int64_t now_ms)
{
    enum wish wish = WISH_NEW;
    memb_room_read(target->room);
    const struct memb_request *old = memb_map_get(target->room->requests, target->key);
    if (old != NULL && !old->is_answered) {
        wish = WISH_PENDING;
    } else if (old != NULL && now_ms - old->time_ms < REQUEST_AGAIN_MS) {
        wish = WISH_TOO_SOON;
    } else if (old == NULL && memb_map_count(target->room->requests) >= REQUESTS_MAX) {
        wish = WISH_FULL;
    }
    memb_room_unlock(target->room);
    return wish;
}

static bool note_wish(struct target *target, int64_t now_ms)
{
    struct memb_room *room = target->room;
    memb_room_write(room);
    struct memb_request *request = memb_map_get(room->requests, target->key);
    if (request == NULL) {
        request = calloc(1, sizeof *request);
        if (request != NULL && !memb_map_put(room->requests, target->key, request)) {
            free(request);
            request = NULL;
        }
    }
    if (request != NULL) {
        *request = (struct memb_request){.epoch = target->epoch, .time_ms = now_ms};
        memcpy(request->kid, target->kid, UBR_KID_LEN);
    }
    memb_room_unlock(room);
    return request != NULL;
}

static void store_wish(struct memb_call *call, struct target *target)
{
    uint8_t value[MEMB_REQUEST_LEN];
    int64_t now_ms = memb_now_ms(call->memb);
    struct memb_txn *txn = memb_txn_new(call->memb, call->ticket);
    if (txn == NULL) {
        memb_problem(call, UB_P_INTERNAL, "no memory");
        return;
    }
    memb_request_write(now_ms, false, value);
    struct memb_key *key =
        memb_txn_write(txn, UB_KV_PUT, (struct ub_bytes){value, sizeof value}, 0);
    memb_key_box(key, "request", target->room->id, target->epoch, target->kid);
    bool is_done = memb_call_commit(call, txn, UB_P_HEAD_CONFLICT, 202, NULL, NULL);
    if (is_done && !note_wish(target, now_ms)) {
        memb_fail(call->memb, "no memory to hold what was stored");
    }
    memb_txn_free(&txn);
    if (is_done) {
        memb_reply(call, 202, NULL, NULL, NULL);
    }
}

static enum ubr_error check_entitled(struct target *target)
{
    memb_room_read(target->room);
    enum ubr_error rule = ubr_log_check_entitled(target->room->log, target->kid, target->epoch);
    memb_room_unlock(target->room);
    return rule;
}

static void wish(struct memb_call *call, struct target *target)
{
    enum ubr_error rule = check_entitled(target);
    if (rule != UBR_OK) {
        memb_problem_rule(call, UB_P_BOX_INVALID, rule);
        return;
    }
    switch (judge_wish(target, memb_now_ms(call->memb))) {
    case WISH_NEW:
        store_wish(call, target);
        break;
    case WISH_PENDING:
        memb_reply(call, 202, NULL, NULL, NULL);
        break;
    case WISH_TOO_SOON:
        memb_problem(call, UB_P_RATE_LIMITED, "a box came less than a minute after the last wish");
        break;
    case WISH_FULL:
        memb_problem(call, UB_P_RATE_LIMITED, "too many wishes are open in this room");
    }
}

static void post_request(struct memb_call *call)
{
    struct target target;
    if (read_own_target(call, &target)) {
        pthread_mutex_lock(&target.room->writing);
        wish(call, &target);
        pthread_mutex_unlock(&target.room->writing);
    }
}

static bool view_wish(void *arg, const uint8_t *key, void *value)
{
    const struct memb_request *request = value;
    (void)key;
    if (!request->is_answered) {
        json_array_append_new(arg,
                              memb_view_object("epoch", json_integer(request->epoch), "kid",
                                               memb_view_hex(request->kid, UBR_KID_LEN), NULL));
    }
    return true;
}

static void get_requested(struct memb_call *call)
{
    struct memb_room *room = memb_call_room(call, false, NULL);
    if (room == NULL || !memb_may(call, "box.put", "room", room->id32, NULL)) {
        return;
    }
    json_t *items = json_array();
    memb_room_read(room);
    memb_map_sweep(room->requests, view_wish, items);
    memb_room_unlock(room);
    memb_reply(call, 200, memb_view_object("items", items, NULL), NULL, NULL);
}

/* ---- staged boxes -----------------------------------------------------------------------------
 */

static bool is_epoch_commit(struct memb_room *room, const uint8_t *commit)
{
    bool is_used = false;
    memb_room_read(room);
    for (uint32_t epoch = 1; epoch <= ubr_log_state(room->log)->epoch && !is_used; epoch++) {
        is_used = memcmp(ubr_log_epoch(room->log, epoch)->commit, commit, UBR_HASH_LEN) == 0;
    }
    memb_room_unlock(room);
    return is_used;
}

static bool has_room_for_chunk(struct memb_call *call, const struct memb_room *room,
                               const uint8_t *commit)
{
    struct memb_staged_list list;
    struct ub_err err = UB_ERR_INIT;
    enum ub_status status = memb_staged_read(call->memb, room->id, commit, &list, &err);
    if (status != UB_OK) {
        answer_store(call, status, &err);
        return false;
    }
    bool has_room = list.count < MEMB_STAGED_MAX;
    memb_staged_free(&list);
    if (!has_room) {
        memb_problem(call, UB_P_TOO_LARGE, "at most 32 records are staged for one epoch");
    }
    return has_room;
}

static bool check_stage_rate(struct memb_call *call)
{
    int64_t wait_ms;
    char members[48];
    if (memb_stage_take(call->memb, call->identity, &wait_ms)) {
        return true;
    }
    snprintf(members, sizeof members, "\"retry_after_s\":%lld", (long long)(wait_ms / 1000 + 1));
    memb_problem_with(call, UB_P_RATE_LIMITED, members, "too many boxes were staged by you");
    return false;
}

static void store_chunk(struct memb_call *call, const struct memb_room *room, const uint8_t *commit,
                        const struct memb_boxes *boxes)
{
    size_t size = MEMB_STAGED_BASE + (size_t)boxes->count * MEMB_BOX_ITEM_LEN;
    struct memb_staged staged = {memb_now_ms(call->memb), call->kid, *boxes};
    uint8_t *buf = malloc(size);
    struct memb_txn *txn = memb_txn_new(call->memb, call->ticket);
    bool is_done = false;
    if (buf == NULL || txn == NULL) {
        memb_problem(call, UB_P_INTERNAL, "no memory");
    } else {
        struct ubr_bytes value = memb_staged_write(&staged, buf, size);
        memb_staged_key(memb_txn_write(txn, UB_KV_PUT, (struct ub_bytes){value.ptr, value.len}, 0),
                        room->id, commit, memb_boxes_at(boxes, 0).kid);
        is_done = memb_call_commit(call, txn, UB_P_HEAD_CONFLICT, 204, NULL, NULL);
    }
    memb_txn_free(&txn);
    free(buf);
    if (is_done) {
        memb_reply(call, 204, NULL, NULL, NULL);
    }
}

static void stage(struct memb_call *call, struct memb_room *room, const struct memb_boxes *boxes)
{
    uint8_t commit[UBR_HASH_LEN];
    if (!ubr_hex_decode_exact(ubr_bytes_of_text(call->request->params[1]), commit, UBR_HASH_LEN)) {
        memb_problem(call, UB_P_NOT_FOUND, "a commit is 64 hex digits");
    } else if (boxes->count == 0) {
        memb_problem_rule(call, UB_P_BOX_INVALID, UBR_E_BOX_MISSING);
    } else if (is_epoch_commit(room, commit)) {
        memb_problem(call, UB_P_EXISTS, "that epoch is in the log: bring late boxes");
    } else if (MEMB_STAGED_BASE + (size_t)boxes->count * MEMB_BOX_ITEM_LEN > MEMB_RECORD_MAX) {
        memb_problem(call, UB_P_TOO_LARGE, "at most 3339 boxes a request: bring several");
    } else if (check_stage_rate(call) && has_room_for_chunk(call, room, commit)) {
        store_chunk(call, room, commit, boxes);
    }
}

static void put_staged(struct memb_call *call)
{
    struct memb_posted posted;
    struct memb_room *room = memb_call_room(call, false, NULL);
    if (room == NULL || !memb_may(call, "box.stage", "room", room->id32, NULL) ||
        !memb_posted_read(call, MEMB_POSTED_STAGED, &posted)) {
        return;
    }
    pthread_mutex_lock(&room->writing);
    stage(call, room, &posted.append.boxes);
    pthread_mutex_unlock(&room->writing);
    memb_posted_fini(&posted);
}

#define BOX "/v1/rooms/{room}/epochs/{n}/boxes/{kid}"

static const struct memb_route routes[] = {
    {"GET", BOX, UB_HTTP_SIGNED, 0, get_boxes},
    {"PUT", BOX, UB_HTTP_SIGNED, 4096, put_box},
    {"DELETE", BOX, UB_HTTP_SIGNED, 0, delete_box},
    {"POST", BOX ":request", UB_HTTP_SIGNED, 0, post_request},
    {"GET", "/v1/rooms/{room}/boxes:requested", UB_HTTP_SIGNED, 0, get_requested},
    {"PUT", "/v1/rooms/{room}/staged/{commit}", UB_HTTP_SIGNED, STAGED_BODY_MAX, put_staged},
};

const struct memb_route_table memb_box_routes = {routes, MEMB_COUNT(routes)};
