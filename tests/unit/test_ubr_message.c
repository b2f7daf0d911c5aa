/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "room.h"

/* messages.json: every vector judged with its code, each good one sealed again byte for byte. */

#define VECTORS 70
#define REFUSED 47

struct run {
    struct vectors vectors;
    size_t sealed;
};

/* Leaves only the epochs that the vector's receiver holds. */
static size_t hold_keys(struct room *room, const json_t *inputs)
{
    const json_t *since = json_object_get(inputs, "ms_since_superseded");
    size_t held = 0;
    for (uint32_t epoch = 1; epoch <= ROOM_EPOCHS; epoch++) {
        char number[12];
        snprintf(number, sizeof number, "%u", epoch);
        if (json_object_get(json_object_get(inputs, "secrets"), number) != NULL) {
            room->keys[held] = room->keys[epoch - 1];
            if (json_is_integer(since)) {
                room->keys[held].superseded_mono_ms = 1000000 - (uint64_t)json_integer_value(since);
            }
            held++;
        }
    }
    return held;
}

static void fill_window(struct ubr_window *window, const json_t *inputs)
{
    uint64_t base = (uint64_t)vectors_int(inputs, "window_base");
    const json_t *accepted = json_object_get(inputs, "accepted");
    ubr_window_init(window);
    window->base = window->end = base;
    for (size_t i = 0; i < json_array_size(accepted); i++) {
        uint64_t counter = (uint64_t)json_integer_value(json_array_get(accepted, i));
        assert_int_equal(ubr_window_take(window, counter, (struct ubr_place){0, 0}),
                         UBR_WINDOW_FRESH);
    }
}

static const struct ubr_bytes *optional_text(const json_t *inputs, const char *field,
                                             struct ubr_bytes *text_out)
{
    const char *text = json_string_value(json_object_get(inputs, field));
    *text_out = text != NULL ? ubr_bytes_of_text(text) : (struct ubr_bytes){NULL, 0};
    return text != NULL ? text_out : NULL;
}

/* The extensions that a vector lists, as the block that carries them. */
static struct ubr_bytes listed_extensions(struct vectors *vectors, const json_t *vector,
                                          uint8_t *buf, size_t cap)
{
    const json_t *listed = json_object_get(vector_outputs(vector), "ext");
    struct ubr_writer writer;
    ubr_writer_init(&writer, buf, cap);
    for (unsigned type = 1; type < 256; type++) {
        char number[4];
        snprintf(number, sizeof number, "%u", type);
        if (json_object_get(listed, number) != NULL) {
            struct ubr_bytes value = vectors_hex(vectors, listed, number);
            ubr_put_u8(&writer, (uint8_t)type);
            ubr_put_u16(&writer, (uint16_t)value.len);
            ubr_put_bytes(&writer, value);
        }
    }
    return ubr_writer_bytes(&writer);
}

static void assert_extensions(struct vectors *vectors, const json_t *vector,
                              const struct ubr_msg *msg)
{
    uint8_t listed[UBR_EXT_LEN_MAX];
    uint8_t given[UBR_EXT_LEN_MAX];
    struct ubr_writer writer;
    ubr_writer_init(&writer, given, sizeof given);
    assert_int_equal(ubr_ext_put(&writer, &msg->ext), UBR_OK);
    struct ubr_bytes expected = listed_extensions(vectors, vector, listed, sizeof listed);
    assert_true(ubr_bytes_are_equal(expected, (struct ubr_bytes){given, writer.len}));
}

static void assert_records(struct vectors *vectors, const json_t *vector, const struct ubr_msg *msg)
{
    const json_t *records = json_object_get(vector_outputs(vector), "records");
    size_t cursor = 0;
    size_t n = 0;
    for (struct ubr_bytes record; ubr_msg_record_next(msg, &cursor, &record); n++) {
        struct ubr_bytes expected = json_is_array(records)
                                        ? vectors_hex_of(vectors, json_array_get(records, n))
                                        : vectors_hex(vectors, vector_outputs(vector), "content");
        assert_true(ubr_bytes_are_equal(record, expected));
    }
    assert_int_equal(n, msg->record_n);
    assert_int_equal(n, json_is_array(records) ? json_array_size(records) : 1);
}

static void assert_shown(struct vectors *vectors, const json_t *vector, const struct ubr_msg *msg)
{
    vector_assert_bytes(vectors, vector, "account",
                        ubr_bytes_of(msg->account_pk, sizeof msg->account_pk));
    vector_assert_bytes(vectors, vector, "content", msg->content);
    assert_int_equal(msg->head_seq, vectors_int(vector_outputs(vector), "head_seq"));
    assert_int_equal(msg->is_signed,
                     vectors_hex(vectors, vector_outputs(vector), "sig").len == UBR_SIG_LEN);
    assert_non_null(msg->handle);
    assert_true(msg->role >= UBR_ROLE_WRITER);
    assert_false(msg->is_redelivery || msg->is_rerouted || msg->may_fetch);
    assert_records(vectors, vector, msg);
    assert_extensions(vectors, vector, msg);
}

/* Seals what was shown and wants the same bytes, except where the vector holds an extension of the
 * future, which this version reads over and cannot write. */
static void seal_again(struct run *run, const json_t *vector, const struct room *room,
                       const struct ubr_msg *msg)
{
    struct ubr_bytes wire = vectors_hex(&run->vectors, vector_inputs(vector), "wire");
    struct ubr_sign_key sign;
    struct ubr_bytes records[3];
    size_t record_n = 0;
    size_t cursor = 0;
    if (strcmp(vector_name(vector), "extension 200 ignored") == 0) {
        return;
    }
    device_key(msg->header.id.kid, &sign);
    while (record_n < 3 && ubr_msg_record_next(msg, &cursor, &records[record_n])) {
        record_n++;
    }
    struct ubr_msg_draft draft = {
        .room_id = ubr_log_state(room->log)->room_id,
        .key = &room->keys[msg->header.epoch - 1],
        .kid = msg->header.id.kid,
        .sign = msg->is_signed ? &sign : NULL,
        .counter = msg->header.id.counter,
        .time_ms = msg->header.time_ms,
        .nonce = msg->header.nonce,
        .subject = msg->subject,
        .head_seq = msg->head_seq,
        .head = ubr_log_hash_at(room->log, msg->head_seq),
        .ext = msg->ext,
        .records = records,
        .record_n = record_n,
        .is_batch = msg->header.flags & UBR_MSG_BATCH,
        .is_padded = msg->header.flags & UBR_MSG_PADDED,
    };
    size_t len = 0;
    uint8_t *again = malloc(wire.len);
    assert_non_null(again);
    assert_int_equal(ubr_msg_sealed_len(&draft), wire.len);
    assert_int_equal(ubr_msg_seal(&draft, again, wire.len - 1, &len), UBR_E_RANGE);
    assert_int_equal(ubr_msg_seal(&draft, again, wire.len, &len), UBR_OK);
    if (!ubr_bytes_are_equal(wire, (struct ubr_bytes){again, len})) {
        fail_msg("%s: sealed to other bytes", vector_name(vector));
    }
    free(again);
    run->sealed++;
}

static void judge_one(struct run *run, const json_t *vector)
{
    const json_t *inputs = vector_inputs(vector);
    static struct ubr_window window;
    struct room room;
    struct ubr_bytes ub_subject;
    struct ubr_bytes operation;
    struct ubr_msg msg;
    room_open(&room, vectors_text(inputs, "scenario"), (size_t)vectors_int(inputs, "head"));
    fill_window(&window, inputs);
    struct ubr_receiver receiver = room_receiver(&room, (uint64_t)vectors_int(inputs, "now_ms"));
    receiver.key_n = hold_keys(&room, inputs);
    receiver.is_history = json_is_true(json_object_get(inputs, "history"));
    struct ubr_delivery delivery = {
        .wire = vectors_hex(&run->vectors, inputs, "wire"),
        .subject = ubr_bytes_of_text(vectors_text(inputs, "delivered")),
        .ub_subject = optional_text(inputs, "ub_subject", &ub_subject),
        .window = &window,
        .kv_marker = ubr_kv_marker_of(optional_text(inputs, "kv_operation", &operation), false),
    };
    uint8_t *plain = malloc(delivery.wire.len + 1);
    assert_non_null(plain);
    vector_assert_code(vector, ubr_msg_accept(&receiver, &delivery, plain, &msg));
    if (vector_expect(vector) == UBR_OK) {
        assert_shown(&run->vectors, vector, &msg);
        seal_again(run, vector, &room, &msg);
    }
    free(plain);
    room_close(&room);
}

static void test_vectors(void **state)
{
    (void)state;
    struct run run = {.sealed = 0};
    vectors_open(&run.vectors, "messages", VECTORS, REFUSED);
    for (size_t i = 0; i < VECTORS; i++) {
        judge_one(&run, vectors_at(&run.vectors, i));
    }
    assert_int_equal(run.sealed, VECTORS - REFUSED - 1);
    vectors_close(&run.vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
