/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "room.h"

/* Acceptance where no vector looks: boundaries, claims, waiting messages, redelivery, requests and
 * replies. All in scenario S of log.json:
 *
 *    0 create (carol)         7 policy: unsigned allowed   14 erin leaves     18 policy: signed
 * only 1 epoch 1                8 epoch 3                    15 epoch 6         19 epoch 8 2 add
 * dave, admin        9 frank becomes writer       16 carol-2 revoked 20 epoch 9 3 add erin, writer
 * 10 remove frank               17 epoch 7 4 add frank, reader     11 epoch 4 5 epoch 2 12 carol-1
 * rotates 6 device carol-2        13 epoch 5
 */

#define NOW 1700000100000

/* One message from its sender to its receiver; a test changes what it is about before judge(). */
struct bench {
    struct room room;
    struct ubr_receiver receiver;
    struct ubr_delivery delivery;
    struct ubr_msg_draft draft;
    struct ubr_sign_key sign;
    uint8_t kid[UBR_KID_LEN];
    uint8_t head[UBR_HASH_LEN];
    struct ubr_bytes record;
    uint8_t wire[4096];
    uint8_t plain[4096];
    struct ubr_window window;
    struct ubr_msg msg;
};

/* Device says "hi" at its head h, in the epoch in force there, to a receiver at c. */
static struct bench *bench_new(const char *device, uint32_t h, uint32_t c)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    room_open(&bench->room, "S", c);
    device_key_named(device, &bench->sign);
    ubr_kid(bench->sign.pk, bench->kid);
    const uint8_t *hash = ubr_log_hash_at(bench->room.log, h);
    memcpy(bench->head, hash != NULL ? hash : bench->head, sizeof bench->head);
    uint32_t epoch = ubr_log_epoch_at(bench->room.log, h);
    bench->record = ubr_bytes_of_text("hi");
    bench->receiver = room_receiver(&bench->room, NOW);
    bench->delivery.subject = ubr_bytes_of_text("ub.r.x.chat");
    bench->delivery.window = &bench->window;
    bench->draft = (struct ubr_msg_draft){
        .room_id = ubr_log_state(bench->room.log)->room_id,
        .key = &bench->room.keys[epoch - 1],
        .kid = bench->kid,
        .sign = &bench->sign,
        .counter = 7,
        .time_ms = NOW,
        .subject = bench->delivery.subject,
        .head_seq = h,
        .head = bench->head,
        .records = &bench->record,
        .record_n = 1,
    };
    return bench;
}

static void bench_free(struct bench **bench)
{
    room_close(&(*bench)->room);
    free(*bench);
    *bench = NULL;
}

static void seal(struct bench *bench)
{
    size_t len;
    assert_int_equal(ubr_msg_seal(&bench->draft, bench->wire, sizeof bench->wire, &len), UBR_OK);
    bench->delivery.wire = ubr_bytes_of(bench->wire, len);
}

static enum ubr_error accept(struct bench *bench)
{
    return ubr_msg_accept(&bench->receiver, &bench->delivery, bench->plain, &bench->msg);
}

static enum ubr_error judge(struct bench *bench)
{
    seal(bench);
    return accept(bench);
}

static void test_what_is_shown(void **state)
{
    (void)state;
    struct bench *bench = bench_new("dave-1", 8, 8);
    ubr_ext_set(&bench->draft.ext, UBR_EXT_REPLY_TO);
    bench->draft.ext.reply_to.counter = 9;
    assert_int_equal(judge(bench), UBR_OK);
    struct ubr_member dave;
    assert_true(ubr_log_member(bench->room.log, bench->msg.account_pk, &dave));
    assert_string_equal(bench->msg.handle, "dave");
    assert_int_equal(bench->msg.role, UBR_ROLE_ADMIN);
    assert_memory_equal(bench->msg.header.id.kid, bench->kid, sizeof bench->kid);
    assert_int_equal(bench->msg.header.id.counter, 7);
    assert_int_equal(bench->msg.header.time_ms, NOW);
    assert_int_equal(bench->msg.ext.reply_to.counter, 9);
    assert_true(bench->msg.is_signed);
    assert_true(ubr_bytes_are_equal(bench->msg.content, bench->record));
    assert_false(bench->msg.is_sender_gone || bench->msg.is_redelivery);
    bench_free(&bench);
}

static void test_redelivery_and_replay(void **state)
{
    (void)state;
    struct bench *bench = bench_new("dave-1", 8, 8);
    struct ubr_place place = {ubr_stream_tag(ubr_bytes_of_text("UB_R_X")), 40};
    bench->delivery.place = place;
    assert_int_equal(judge(bench), UBR_OK);
    ubr_window_take(&bench->window, 7, place);
    assert_int_equal(accept(bench), UBR_OK);
    assert_true(bench->msg.is_redelivery);
    bench->delivery.place.seq++;
    assert_int_equal(accept(bench), UBR_E_MSG_REPLAY);
    bench->receiver.is_history = true; /* a replay is one for readers of history, too */
    assert_int_equal(accept(bench), UBR_E_MSG_REPLAY);
    bench->delivery.place = (struct ubr_place){0, 0};
    assert_int_equal(accept(bench), UBR_E_MSG_REPLAY);
    bench->draft.counter = 6; /* below the base: late when live, of unknown age in history */
    assert_int_equal(judge(bench), UBR_OK);
    bench->receiver.is_history = false;
    assert_int_equal(judge(bench), UBR_E_MSG_LATE);
    bench->delivery.window = NULL;
    assert_int_equal(judge(bench), UBR_OK);
    bench_free(&bench);
}

static void test_max_age_and_expiry(void **state)
{
    (void)state;
    struct bench *bench = bench_new("dave-1", 8, 8);
    seal(bench);
    bench->receiver.now_ms = NOW + UBR_MSG_MAX_AGE_MS;
    assert_int_equal(accept(bench), UBR_OK);
    bench->receiver.now_ms++;
    assert_int_equal(accept(bench), UBR_E_MSG_LATE);
    bench->receiver.now_ms = NOW - UBR_MSG_MAX_AGE_MS;
    assert_int_equal(accept(bench), UBR_OK);
    bench->receiver.now_ms--;
    assert_int_equal(accept(bench), UBR_E_MSG_LATE);
    bench->receiver.is_history = true;
    assert_int_equal(accept(bench), UBR_OK);

    bench->receiver = room_receiver(&bench->room, NOW);
    ubr_ext_set(&bench->draft.ext, UBR_EXT_EXPIRES);
    bench->draft.ext.expires_ms = NOW;
    assert_int_equal(judge(bench), UBR_OK);
    bench->draft.ext.expires_ms = NOW - 1;
    assert_int_equal(judge(bench), UBR_E_MSG_LATE);
    bench_free(&bench);
}

static void test_grace_after_an_epoch(void **state)
{
    (void)state;
    struct bench *bench = bench_new("dave-1", 19, 20);
    uint64_t *superseded = &bench->room.keys[8 - 1].superseded_mono_ms;
    uint64_t now = bench->receiver.now_mono_ms;
    seal(bench);
    *superseded = now - UBR_MSG_GRACE_MS;
    assert_int_equal(accept(bench), UBR_OK);
    *superseded = now - UBR_MSG_GRACE_MS - 1;
    assert_int_equal(accept(bench), UBR_E_MSG_LATE);
    *superseded = now + 1; /* no clock says that */
    assert_int_equal(accept(bench), UBR_E_MSG_LATE);
    *superseded = 0;
    bench->receiver.now_mono_ms = 1000; /* nor does a clock that has just begun */
    assert_int_equal(accept(bench), UBR_E_MSG_LATE);
    bench_free(&bench);
}

/* A message that was here before the receiver verified a removal is not late because of it. */
static void test_waiting_during_a_removal(void **state)
{
    (void)state;
    struct bench *bench = bench_new("dave-1", 9, 10);
    assert_int_equal(judge(bench), UBR_E_MSG_LATE);
    bench->delivery.entries_since = 1;
    assert_int_equal(accept(bench), UBR_OK);
    bench->delivery.entries_since = 1000;
    assert_int_equal(accept(bench), UBR_OK);
    bench->delivery.entries_since = 0;
    bench->receiver.is_history = true;
    assert_int_equal(accept(bench), UBR_OK);
    assert_false(bench->msg.is_sender_gone);
    bench_free(&bench);
}

static void test_sender_gone_since(void **state)
{
    (void)state;
    struct bench *bench = bench_new("carol-2", 15, 16); /* revoked by 16 */
    assert_int_equal(judge(bench), UBR_E_MSG_LATE);
    bench->delivery.entries_since = 1; /* does not help the revoked one himself */
    assert_int_equal(accept(bench), UBR_E_MSG_LATE);
    bench->receiver.is_history = true;
    assert_int_equal(accept(bench), UBR_OK);
    assert_true(bench->msg.is_sender_gone);
    bench_free(&bench);
}

static enum ubr_error judge_claim(struct bench *bench, uint32_t h)
{
    bench->draft.head_seq = h;
    enum ubr_error error = judge(bench);
    assert_true(bench->msg.may_fetch);
    return error;
}

static void test_head_claims(void **state)
{
    (void)state;
    struct bench *bench = bench_new("dave-1", 8, 8);
    assert_int_equal(judge_claim(bench, 9), UBR_E_HEAD_UNPROVEN);
    assert_int_equal(bench->msg.head_seq, 9); /* who claims what */
    assert_true(ubr_log_member(bench->room.log, bench->msg.account_pk, NULL));
    assert_memory_equal(bench->msg.header.id.kid, bench->kid, sizeof bench->kid);
    assert_null(bench->msg.content.ptr);
    assert_int_equal(judge_claim(bench, 8 + UBR_MSG_HEAD_CLAIM_MAX), UBR_E_HEAD_UNPROVEN);
    assert_int_equal(judge_claim(bench, 9 + UBR_MSG_HEAD_CLAIM_MAX), UBR_E_LOG_BEHIND);
    assert_int_equal(judge_claim(bench, UINT32_MAX), UBR_E_LOG_BEHIND);
    bench_free(&bench);
}

/* A claim stops all sending here, so it counts only if nothing else speaks against the message. */
static void test_head_claims_that_do_not_count(void **state)
{
    (void)state;
    struct bench *bench = bench_new("dave-1", 8, 8);
    bench->draft.sign = NULL;
    assert_int_equal(judge_claim(bench, 9), UBR_E_LOG_BEHIND);
    bench->draft.sign = &bench->sign;
    bench->draft.time_ms = NOW - UBR_MSG_MAX_AGE_MS - 1;
    assert_int_equal(judge_claim(bench, 9), UBR_E_LOG_BEHIND);
    bench->draft.time_ms = NOW;
    bench->draft.key =
        &bench->room.keys[2 - 1]; /* an epoch that was over before the claimed head */
    assert_int_equal(judge_claim(bench, 9), UBR_E_LOG_BEHIND);
    bench->draft.key = &bench->room.keys[3 - 1];
    bench->draft.subject = ubr_bytes_of_text("ub.r.x.other");
    bench->delivery.ub_subject = &bench->draft.subject;
    assert_int_equal(judge_claim(bench, 9), UBR_E_LOG_BEHIND);
    bench->receiver.may_be_rerouted = true;
    assert_int_equal(judge_claim(bench, 9), UBR_E_HEAD_UNPROVEN);
    ubr_window_take(&bench->window, 7, (struct ubr_place){0, 0});
    assert_int_equal(judge_claim(bench, 9), UBR_E_LOG_BEHIND);
    bench_free(&bench);

    bench = bench_new("frank-1", 8, 8); /* a reader */
    assert_int_equal(judge_claim(bench, 9), UBR_E_LOG_BEHIND);
    bench_free(&bench);
    bench = bench_new("frank-1", 10, 10); /* not a member any more */
    assert_int_equal(judge_claim(bench, 11), UBR_E_LOG_BEHIND);
    bench->receiver.is_history = true;
    assert_int_equal(judge_claim(bench, 11), UBR_E_LOG_BEHIND);
    bench_free(&bench);
    bench = bench_new("dave-1", 19, 20); /* in time by its age, but not in the epoch it claims */
    bench->room.keys[8 - 1].superseded_mono_ms = bench->receiver.now_mono_ms;
    assert_int_equal(judge(bench), UBR_OK);
    assert_int_equal(judge_claim(bench, 21), UBR_E_LOG_BEHIND);
    bench_free(&bench);
}

static void test_what_a_fetch_may_change(void **state)
{
    (void)state;
    struct bench *bench = bench_new("mallory-1", 8, 8);
    assert_int_equal(judge(bench), UBR_E_KID_UNKNOWN);
    assert_true(bench->msg.may_fetch);
    bench_free(&bench);
    bench = bench_new("carol-2", 5, 8); /* known, but not yet at its own head */
    assert_int_equal(judge(bench), UBR_E_KID_UNKNOWN);
    assert_false(bench->msg.may_fetch);
    bench->draft.key = &bench->room.keys[4 - 1];
    assert_int_equal(judge(bench), UBR_E_LOG_BEHIND);
    assert_true(bench->msg.may_fetch);
    struct ubr_log *empty = ubr_log_new();
    bench->receiver.log = empty;
    assert_int_equal(accept(bench), UBR_E_LOG_BEHIND);
    ubr_log_free(&empty);
    bench_free(&bench);
}

static void test_requests_and_replies(void **state)
{
    (void)state;
    struct bench *bench = bench_new("dave-1", 8, 8);
    struct ubr_msg_id request = {.kid = {1}, .counter = 3};
    bench->delivery.expected = UBR_MSG_REQUEST;
    assert_int_equal(judge(bench), UBR_E_EXT);
    ubr_ext_set(&bench->draft.ext, UBR_EXT_EXPIRES);
    bench->draft.ext.expires_ms = NOW + 1000;
    assert_int_equal(judge(bench), UBR_OK);

    bench->delivery.expected = UBR_MSG_REPLY;
    bench->delivery.request = &request;
    assert_int_equal(judge(bench), UBR_E_EXT);
    ubr_ext_set(&bench->draft.ext, UBR_EXT_REPLY_TO);
    bench->draft.ext.reply_to = request;
    assert_int_equal(judge(bench), UBR_OK);
    bench->draft.ext.reply_to.counter = 4;
    assert_int_equal(judge(bench), UBR_E_EXT);
    bench->draft.ext.reply_to.counter = 3;
    bench->draft.ext.reply_to.kid[15] = 1;
    assert_int_equal(judge(bench), UBR_E_EXT);
    bench->delivery.request = NULL;
    assert_int_equal(accept(bench), UBR_E_EXT);
    bench_free(&bench);
}

static void test_subjects(void **state)
{
    (void)state;
    struct bench *bench = bench_new("dave-1", 8, 8);
    struct ubr_bytes delivered = ubr_bytes_of_text("mapped.chat");
    bench->delivery.ub_subject = &bench->draft.subject;
    bench->delivery.subject = delivered;
    assert_int_equal(judge(bench), UBR_E_MSG_REROUTED);
    bench->receiver.may_be_rerouted = true;
    assert_int_equal(judge(bench), UBR_OK);
    assert_true(bench->msg.is_rerouted);
    assert_true(ubr_bytes_are_equal(bench->msg.subject, bench->draft.subject));

    static uint8_t long_subject[UBR_MSG_SUBJECT_MAX + 1];
    struct ubr_bytes longest = {long_subject, UBR_MSG_SUBJECT_MAX};
    struct ubr_bytes longer = {long_subject, sizeof long_subject};
    bench->draft.subject = longest;
    bench->delivery.ub_subject = &longest;
    assert_int_equal(judge(bench), UBR_OK);
    bench->delivery.ub_subject = &longer;
    assert_int_equal(accept(bench), UBR_E_MSG_OPEN);
    bench_free(&bench);
}

static void test_unsigned_messages(void **state)
{
    (void)state;
    struct bench *bench = bench_new("dave-1", 8, 8);
    bench->draft.sign = NULL;
    assert_int_equal(judge(bench), UBR_OK);
    assert_false(bench->msg.is_signed);
    bench_free(&bench);
    bench = bench_new("dave-1", 6, 8); /* before it was allowed */
    bench->draft.sign = NULL;
    bench->receiver.is_history = true;
    assert_int_equal(judge(bench), UBR_E_MSG_UNSIGNED);
    bench_free(&bench);
    bench = bench_new("dave-1", 17, 18); /* allowed then, forbidden now */
    bench->draft.sign = NULL;
    bench->receiver.is_history = true;
    assert_int_equal(judge(bench), UBR_E_MSG_UNSIGNED);
    bench_free(&bench);
}

static void test_kv(void **state)
{
    (void)state;
    struct bench *bench = bench_new("dave-1", 8, 8);
    bench->receiver.is_history = true;
    ubr_ext_set(&bench->draft.ext, UBR_EXT_KV_OPERATION);
    bench->draft.ext.kv_operation = UBR_KV_PURGE;
    bench->draft.record_n = 0;
    assert_int_equal(judge(bench), UBR_OK); /* the header is gone: still a purge */
    assert_int_equal(ubr_kv_operation_of(&bench->msg.ext), UBR_KV_PURGE);
    bench->delivery.kv_marker = ubr_kv_marker_of(NULL, true);
    assert_int_equal(judge(bench), UBR_OK);
    bench->delivery.kv_marker = UBR_KV_MARKER_DELETE;
    assert_int_equal(judge(bench), UBR_E_KV_UNSIGNED_DELETE);
    assert_null(bench->msg.content.ptr);
    bench->delivery.wire.len = 0;
    assert_int_equal(accept(bench), UBR_E_KV_UNSIGNED_DELETE);
    bench->delivery.kv_marker = UBR_KV_MARKER_NONE;
    assert_int_equal(accept(bench), UBR_E_PARSE);
    bench_free(&bench);
}

/* No bit of a message can change, and no byte be lost, without notice; and what was opened before
 * the refusal is wiped. */
static void test_every_byte_counts(void **state)
{
    (void)state;
    struct bench *bench = bench_new("dave-1", 8, 8);
    bench->draft.is_padded = true;
    seal(bench);
    size_t len = bench->delivery.wire.len;
    for (size_t bit = 0; bit < 8 * len; bit++) {
        bench->wire[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(accept(bench), UBR_OK);
        bench->wire[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t cut = 0; cut < len; cut++) {
        bench->delivery.wire.len = cut;
        assert_int_not_equal(accept(bench), UBR_OK);
    }
    bench->delivery.wire.len = len;
    assert_int_equal(accept(bench), UBR_OK);
    bench->receiver.now_ms = 0;
    assert_int_equal(accept(bench), UBR_E_MSG_LATE);
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(bench->plain[i], 0);
    }
    bench_free(&bench);
}

static void test_size_limit(void **state)
{
    (void)state;
    struct bench *bench = bench_new("dave-1", 8, 8);
    uint8_t *content = calloc(1, UBR_MSG_LEN_MAX);
    uint8_t *wire = malloc(UBR_MSG_LEN_MAX + 1);
    uint8_t *plain = malloc(UBR_MSG_LEN_MAX + 1);
    size_t len;
    assert_true(content != NULL && wire != NULL && plain != NULL);
    bench->record = ubr_bytes_of(content, UBR_MSG_LEN_MAX - UBR_MSG_LEN_SIGNED);
    assert_int_equal(ubr_msg_sealed_len(&bench->draft), UBR_MSG_LEN_MAX);
    assert_int_equal(ubr_msg_seal(&bench->draft, wire, UBR_MSG_LEN_MAX, &len), UBR_OK);
    bench->delivery.wire = ubr_bytes_of(wire, len);
    assert_int_equal(ubr_msg_accept(&bench->receiver, &bench->delivery, plain, &bench->msg),
                     UBR_OK);
    bench->delivery.wire.len++;
    wire[len] = 0;
    assert_int_equal(ubr_msg_accept(&bench->receiver, &bench->delivery, plain, &bench->msg),
                     UBR_E_LIMIT);
    bench->record.len++;
    assert_int_equal(ubr_msg_sealed_len(&bench->draft), SIZE_MAX);
    assert_int_equal(ubr_msg_seal(&bench->draft, wire, SIZE_MAX, &len), UBR_E_LIMIT);
    bench->record.len = SIZE_MAX - 2; /* also not by overflow */
    bench->draft.is_batch = true;
    assert_int_equal(ubr_msg_seal(&bench->draft, wire, SIZE_MAX, &len), UBR_E_LIMIT);
    free(plain);
    free(wire);
    free(content);
    bench_free(&bench);
}

static enum ubr_error try_seal(const struct ubr_msg_draft *draft)
{
    uint8_t wire[4096];
    size_t len;
    return ubr_msg_seal(draft, wire, sizeof wire, &len);
}

static void test_drafts_out_of_range(void **state)
{
    (void)state;
    struct bench *bench = bench_new("dave-1", 8, 8);
    struct ubr_bytes two[2] = {bench->record, bench->record};
    struct ubr_msg_key epoch_0 = {.epoch = 0};
    struct ubr_msg_draft draft = bench->draft;
    draft.counter = 0;
    assert_int_equal(try_seal(&draft), UBR_E_RANGE);
    draft.counter = UBR_U53_END;
    assert_int_equal(try_seal(&draft), UBR_E_RANGE);
    draft = bench->draft;
    draft.time_ms = UBR_U53_END;
    assert_int_equal(try_seal(&draft), UBR_E_RANGE);
    draft = bench->draft;
    draft.key = &epoch_0;
    assert_int_equal(try_seal(&draft), UBR_E_RANGE);
    draft = bench->draft;
    draft.subject.len = UBR_MSG_SUBJECT_MAX + 1;
    assert_int_equal(try_seal(&draft), UBR_E_RANGE);
    draft = bench->draft;
    draft.records = two;
    draft.record_n = 2;
    assert_int_equal(try_seal(&draft), UBR_E_RANGE);
    draft.is_batch = true;
    assert_int_equal(try_seal(&draft), UBR_OK);
    draft.record_n = 0;
    assert_int_equal(try_seal(&draft), UBR_E_RANGE);
    draft = bench->draft;
    ubr_ext_set(&draft.ext, UBR_EXT_KV_OPERATION);
    assert_int_equal(try_seal(&draft), UBR_E_EXT);
    assert_int_equal(ubr_msg_sealed_len(&draft), SIZE_MAX);
    bench_free(&bench);
}

static void test_nonces_are_random(void **state)
{
    (void)state;
    struct bench *bench = bench_new("dave-1", 8, 8);
    struct ubr_msg_header a;
    struct ubr_msg_header b;
    char id[UBR_MSG_NATS_ID_LEN + 1];
    seal(bench);
    assert_int_equal(ubr_msg_parse_header(bench->delivery.wire, &a), UBR_OK);
    seal(bench);
    assert_int_equal(ubr_msg_parse_header(bench->delivery.wire, &b), UBR_OK);
    assert_memory_not_equal(a.nonce, b.nonce, sizeof a.nonce);
    memset(a.nonce, 0xff, sizeof a.nonce);
    ubr_msg_nats_id(&a, id);
    assert_string_equal(id, "________________________________");
    bench_free(&bench);
}

static void test_padded_batches(void **state)
{
    (void)state;
    struct bench *bench = bench_new("dave-1", 8, 8);
    struct ubr_bytes records[] = {ubr_bytes_of_text("one"), {NULL, 0}, ubr_bytes_of_text("3")};
    bench->draft.records = records;
    bench->draft.record_n = 3;
    bench->draft.is_batch = true;
    bench->draft.is_padded = true;
    assert_int_equal(judge(bench), UBR_OK);
    assert_int_equal(bench->msg.record_n, 3);
    size_t cursor = 0;
    for (size_t i = 0; i < 3; i++) {
        struct ubr_bytes record;
        assert_true(ubr_msg_record_next(&bench->msg, &cursor, &record));
        assert_true(ubr_bytes_are_equal(record, records[i]));
    }
    struct ubr_bytes record;
    assert_false(ubr_msg_record_next(&bench->msg, &cursor, &record));
    assert_false(ubr_msg_record_next(&bench->msg, &cursor, &record));
    bench_free(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_shown),
        cmocka_unit_test(test_redelivery_and_replay),
        cmocka_unit_test(test_max_age_and_expiry),
        cmocka_unit_test(test_grace_after_an_epoch),
        cmocka_unit_test(test_waiting_during_a_removal),
        cmocka_unit_test(test_sender_gone_since),
        cmocka_unit_test(test_head_claims),
        cmocka_unit_test(test_head_claims_that_do_not_count),
        cmocka_unit_test(test_what_a_fetch_may_change),
        cmocka_unit_test(test_requests_and_replies),
        cmocka_unit_test(test_subjects),
        cmocka_unit_test(test_unsigned_messages),
        cmocka_unit_test(test_kv),
        cmocka_unit_test(test_every_byte_counts),
        cmocka_unit_test(test_size_limit),
        cmocka_unit_test(test_drafts_out_of_range),
        cmocka_unit_test(test_nonces_are_random),
        cmocka_unit_test(test_padded_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
