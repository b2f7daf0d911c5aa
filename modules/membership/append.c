/* SPDX-License-Identifier: Apache-2.0 */
#include "append.h"

#include <stdlib.h>
#include <string.h>

#include <ubr/text.h>

#include "effect.h"
#include "judge.h"
#include "rate.h"
#include "rooms.h"
#include "staged.h"
#include "view.h"

/* An append on its way. */
struct job {
    struct memb_call *call;
    struct memb_room *room;
    struct memb_append *append;
    struct memb_verdict verdict;
    struct memb_staged_list staged;
    uint64_t first_seq;
    int status; /* of the answer */
};

static void answer_verdict(struct memb_call *call, const struct memb_verdict *verdict)
{
    char members[96];
    if (verdict->problem != UB_P_ENTRY_INVALID) {
        memb_problem(call, verdict->problem, verdict->detail);
        return;
    }
    snprintf(members, sizeof members, "\"seq\":%llu,\"rule\":\"%s\"",
             (unsigned long long)verdict->seq, ubr_error_name(verdict->rule));
    memb_problem_with(call, verdict->problem, members, verdict->detail);
}

static void answer_head_conflict(struct memb_call *call, struct memb_room *room)
{
    memb_room_read(room);
    json_t *view = memb_view_head(room);
    memb_room_unlock(room);
    char members[160] = "";
    char *text = view != NULL ? json_dumps(view, JSON_COMPACT) : NULL;
    if (text != NULL && strlen(text) < sizeof members - 16) {
        snprintf(members, sizeof members, "\"head\":%s", text);
    }
    memb_problem_with(call, UB_P_HEAD_CONFLICT, members[0] != '\0' ? members : NULL,
                      "the room's log has moved on: read it, decide and sign again");
    free(text);
    json_decref(view);
}

/* ---- boxes ------------------------------------------------------------------------------------
 */

static bool refuse_boxes(struct memb_call *call)
{
    memb_problem_rule(call, UB_P_BOX_INVALID, UBR_E_BOX_MISSING);
    return false;
}

static bool read_staged(struct job *job)
{
    struct memb_call *call = job->call;
    struct ub_err err = UB_ERR_INIT;
    int64_t oldest_ms = memb_now_ms(call->memb) - MEMB_STAGED_KEEP_MS;
    enum ub_status status =
        memb_staged_read(call->memb, job->verdict.room_id, job->verdict.commit, &job->staged, &err);
    if (status != UB_OK) {
        memb_problem_store(call, memb_store_problem(status), UB_P_STORE_AWAY, &err);
        return false;
    }
    for (size_t i = 0; i < job->staged.count; i++) {
        if (job->staged.chunks[i].staged.time_ms < oldest_ms) {
            return refuse_boxes(call);
        }
    }
    return true;
}

static size_t list_boxes(const struct memb_boxes *boxes, struct memb_box *out)
{
    for (uint32_t i = 0; i < boxes->count; i++) {
        out[i] = memb_boxes_at(boxes, i);
    }
    return boxes->count;
}

/* 6.4: exactly one box for each recipient, brought along or staged before. */
static bool check_boxes(struct job *job)
{
    if (!job->verdict.has_epoch) {
        return job->append->boxes.count == 0 || refuse_boxes(job->call);
    }
    if (!read_staged(job)) {
        return false;
    }
    struct memb_box *boxes =
        calloc(job->append->boxes.count + job->staged.boxes + 1, sizeof *boxes);
    if (boxes == NULL) {
        memb_problem(job->call, UB_P_INTERNAL, "no memory");
        return false;
    }
    size_t count = list_boxes(&job->append->boxes, boxes);
    for (size_t i = 0; i < job->staged.count; i++) {
        count += list_boxes(&job->staged.chunks[i].staged.boxes, boxes + count);
    }
    bool do_fit = memb_boxes_fit(&job->verdict, boxes, count);
    free(boxes);
    return do_fit || refuse_boxes(job->call);
}

/* ---- the server's own limits ------------------------------------------------------------------
 */

static bool check_rate(struct job *job)
{
    int64_t wait_ms;
    char members[48];
    if (job->verdict.is_author_admin || job->call->identity == NULL ||
        memb_rate_take(job->call->memb, job->call->identity, job->append->entries_len, &wait_ms)) {
        return true;
    }
    snprintf(members, sizeof members, "\"retry_after_s\":%lld", (long long)wait_ms / 1000 + 1);
    memb_problem_with(job->call, UB_P_RATE_LIMITED, members,
                      "too many entries in this hour by somebody below room admin");
    return false;
}

static bool check_size(struct job *job)
{
    if (memb_append_size(job->append) <= MEMB_RECORD_MAX) {
        return true;
    }
    memb_problem(job->call, UB_P_TOO_LARGE,
                 "an append with its boxes is at most 524288 bytes: stage boxes before it");
    return false;
}

static bool judge(struct job *job)
{
    struct memb_call *call = job->call;
    struct memb_author author = {call->identity != NULL ? call->identity->account_pk : NULL,
                                 call->kid};
    memb_room_write(job->room);
    job->first_seq = job->room->entries_len;
    job->verdict = memb_judge(&call->memb->model, job->room, job->append, &author);
    memb_room_unlock(job->room);
    if (job->verdict.problem != UB_P_NONE) {
        answer_verdict(call, &job->verdict);
        return false;
    }
    return check_size(job) && check_boxes(job) && check_rate(job);
}

/* ---- storing ----------------------------------------------------------------------------------
 */

static json_t *view_of_head(const struct memb_verdict *verdict)
{
    return memb_view_object("seq", json_integer((json_int_t)verdict->head_seq), "hash",
                            memb_view_hex(verdict->head, UBR_HASH_LEN), NULL);
}

/* Without what is known only after the commit: generation, applied. */
static json_t *answer_of(const struct job *job)
{
    char id[MEMB_ID_LEN + 1];
    json_t *head = view_of_head(&job->verdict);
    ubr_room32(job->verdict.room_id, id);
    return job->first_seq == 0 ? memb_view_object("id", json_string(id), "head", head, NULL)
                               : memb_view_object("head", head, NULL);
}

/* Chunks that were counted must be there still when the epoch lands. */
static void expect_staged(struct job *job, struct memb_txn *txn)
{
    for (size_t i = 0; i < job->staged.count; i++) {
        const struct memb_staged_chunk *chunk = &job->staged.chunks[i];
        memb_staged_key(
            memb_txn_write(txn, UB_KV_CHECK, (struct ub_bytes){NULL, 0}, chunk->revision),
            job->verdict.room_id, job->verdict.commit, chunk->first_kid);
    }
}

static bool commit_record(struct job *job, struct memb_txn *txn, const uint8_t *buf, size_t len,
                          const json_t *answer)
{
    char location[64], id[MEMB_ID_LEN + 1];
    struct memb_key *key = memb_txn_write(txn, UB_KV_CREATE, (struct ub_bytes){buf, len}, 0);
    memb_key_set(key, "room");
    memb_key_bytes(key, job->verdict.room_id, UBR_ROOM_ID_LEN);
    memb_key_u64(key, job->first_seq);
    expect_staged(job, txn);
    ubr_room32(job->verdict.room_id, id);
    snprintf(location, sizeof location, "/v1/rooms/%s", id);
    return memb_call_commit(job->call, txn, job->first_seq == 0 ? UB_P_EXISTS : UB_P_HEAD_CONFLICT,
                            job->status, job->first_seq == 0 ? location : NULL, answer);
}

/* Stores and publishes; *effect_out says who is concerned. */
static bool take_effect(struct job *job, json_t *answer, struct memb_effect *effect_out)
{
    struct memb *memb = job->call->memb;
    size_t size = memb_append_size(job->append);
    uint8_t *buf = malloc(size);
    struct memb_txn *txn = memb_txn_new(memb, job->call->ticket);
    struct ubr_bytes value = {NULL, 0};
    if (buf != NULL && txn != NULL && answer != NULL) {
        value = memb_append_write(job->append, buf, size);
    }
    bool is_done = false;
    if (value.ptr == NULL) {
        memb_problem(job->call, UB_P_INTERNAL, "the record cannot be written");
    } else if (commit_record(job, txn, value.ptr, value.len, answer)) {
        is_done = true;
        json_object_set_new(answer, "generation", json_integer(txn->revision));
        if (!memb_effect_publish(memb, job->room, job->append, effect_out)) {
            memb_fail(memb, "what was stored cannot be held in memory");
        }
    }
    memb_txn_free(&txn);
    free(buf);
    return is_done;
}

static void finish(struct job *job, json_t *answer, struct memb_effect *effect)
{
    char location[64];
    uint32_t changed = memb_effect_tell(job->call->memb, effect);
    snprintf(location, sizeof location, "/v1/rooms/%s", job->room->id32);
    if (job->first_seq > 0) {
        json_object_set_new(answer, "applied",
                            json_pack("{s:I}", "connections_changed", (json_int_t)changed));
    }
    memb_reply(job->call, job->status, answer, NULL, job->first_seq == 0 ? location : NULL);
}

static void job_fini(struct job *job)
{
    free(job->verdict.recipients);
    memb_staged_free(&job->staged);
}

/* ---- POST …/log -------------------------------------------------------------------------------
 */

/* The identical entries are in the log already. Under room->lock. */
static bool is_repeat(const struct memb_room *room, const struct memb_append *append)
{
    struct ubr_entry first;
    /* The header's seq is any 64-bit number. */
    if (ubr_entry_parse_header(append->entries[0].body, &first) != UBR_OK ||
        first.seq > room->entries_len || append->entries_len > room->entries_len - first.seq) {
        return false;
    }
    for (uint16_t i = 0; i < append->entries_len; i++) {
        const struct memb_entry *entry = room->entries[first.seq + i];
        if (!ubr_bytes_are_equal(ubr_bytes_of(entry->body, entry->body_len),
                                 append->entries[i].body)) {
            return false;
        }
    }
    return true;
}

static void answer_repeat(struct memb_call *call, struct memb_room *room, bool is_new_room)
{
    memb_room_read(room);
    json_t *answer =
        memb_view_object("head", memb_view_head(room), "generation",
                         json_integer(memb_generation_now(&call->memb->generation)), NULL);
    memb_room_unlock(room);
    if (is_new_room) {
        json_object_set_new(answer, "id", json_string(room->id32));
    } else {
        json_object_set_new(answer, "applied", json_pack("{s:i}", "connections_changed", 0));
    }
    memb_reply(call, 200, answer, NULL, NULL);
}

static bool is_at_head(struct memb_room *room, const char *if_match)
{
    char head[UBR_HEX_LEN(UBR_HASH_LEN) + 1];
    memb_room_read(room);
    ubr_hex_encode(ubr_bytes_of(ubr_log_state(room->log)->head, UBR_HASH_LEN), head);
    memb_room_unlock(room);
    return strcmp(head, if_match) == 0;
}

static bool is_known(struct memb_room *room, const struct memb_append *append)
{
    memb_room_read(room);
    bool is_same = is_repeat(room, append);
    memb_room_unlock(room);
    return is_same;
}

static void append_alone(struct job *job, json_t **answer_out, struct memb_effect *effect_out)
{
    char if_match[80];
    if (is_known(job->room, job->append)) {
        answer_repeat(job->call, job->room, false);
    } else if (!memb_if_match(job->call, if_match, sizeof if_match)) {
        return;
    } else if (!is_at_head(job->room, if_match)) {
        answer_head_conflict(job->call, job->room);
    } else if (judge(job)) {
        json_t *answer = answer_of(job);
        if (take_effect(job, answer, effect_out)) {
            *answer_out = answer;
        } else {
            json_decref(answer);
        }
    }
}

void memb_append_to_room(struct memb_call *call, struct memb_room *room, struct memb_posted *posted)
{
    struct job job = {.call = call, .room = room, .append = &posted->append, .status = 200};
    struct memb_effect effect = {0};
    json_t *answer = NULL;
    pthread_mutex_lock(&room->writing);
    append_alone(&job, &answer, &effect);
    pthread_mutex_unlock(&room->writing);
    if (answer != NULL) {
        finish(&job, answer, &effect);
    }
    memb_effect_fini(&effect);
    job_fini(&job);
}

/* ---- POST /v1/rooms ---------------------------------------------------------------------------
 */

static struct memb_room *find_room(struct memb *memb, const struct memb_append *append)
{
    struct ubr_entry first;
    if (ubr_entry_parse_header(append->entries[0].body, &first) != UBR_OK) {
        return NULL;
    }
    memb_model_read(&memb->model);
    struct memb_room *room = memb_model_room(&memb->model, first.room_id);
    memb_model_unlock(&memb->model);
    return room;
}

/* Rooms that he has left count too: else one member could fill the node by founding and leaving. */
static size_t count_founded(struct memb *memb, const struct memb_identity *identity)
{
    size_t count = 0;
    memb_model_read(&memb->model);
    for (size_t i = 0; i < memb->model.rooms_len; i++) {
        const struct memb_room *room = memb->model.rooms[i];
        count += memcmp(room->founder_pk, identity->account_pk, UBR_KEY_LEN) == 0;
    }
    memb_model_unlock(&memb->model);
    return count;
}

static bool has_room_left(struct memb_call *call)
{
    struct memb *memb = call->memb;
    bool is_full = (int64_t)memb->model.rooms_len >= memb->live.max_rooms ||
                   (call->identity != NULL && (int64_t)count_founded(memb, call->identity) >=
                                                  memb->live.max_rooms_per_identity);
    if (is_full) {
        memb_problem(call, UB_P_QUOTA, "max_rooms or max_rooms_per_identity is reached");
    }
    return !is_full;
}

static void create_alone(struct job *job, json_t **answer_out, struct memb_effect *effect_out)
{
    struct memb_call *call = job->call;
    struct memb_room *same = find_room(call->memb, job->append);
    if (same != NULL) {
        /* The answer shows the present head: not to a founder who is no longer in the room. */
        bool is_founder = call->identity == NULL ||
                          (memcmp(call->identity->account_pk, same->founder_pk, UBR_KEY_LEN) == 0 &&
                           memb_room_role(same, call->identity->account_pk) != UBR_ROLE_NONE);
        if (is_founder && is_known(same, job->append) && same->is_plain == job->append->is_plain) {
            answer_repeat(call, same, true);
        } else {
            memb_problem(call, UB_P_EXISTS, "the room exists");
        }
        return;
    }
    job->room = memb_room_new();
    if (job->room == NULL) {
        memb_problem(call, UB_P_INTERNAL, "no memory");
        return;
    }
    if (has_room_left(call) && judge(job)) {
        json_t *answer = answer_of(job);
        if (take_effect(job, answer, effect_out)) {
            *answer_out = answer;
            return; /* the room is the model's */
        }
        json_decref(answer);
    }
    memb_room_free(&job->room);
}

void memb_append_new_room(struct memb_call *call, struct memb_posted *posted)
{
    struct job job = {.call = call, .append = &posted->append, .status = 201};
    struct memb_effect effect = {0};
    json_t *answer = NULL;
    pthread_mutex_lock(&call->memb->model.creating);
    create_alone(&job, &answer, &effect);
    pthread_mutex_unlock(&call->memb->model.creating);
    if (answer != NULL) {
        finish(&job, answer, &effect);
    }
    memb_effect_fini(&effect);
    job_fini(&job);
}
