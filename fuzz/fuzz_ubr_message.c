/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "message_judge.h"
#include "must.h"

/* A message in a room of one: the input as the wire bytes of an outsider, and as what a member
 * wrote inside. What is read is what would be written, and a message so written is accepted. */

#define TIME 1700000000000

static const uint8_t secret[UBR_KEY_LEN] = {0xe1};
static struct ubr_service_keys alice;
static struct ubr_author author;
static struct ubr_device_record record;
static struct ubr_log *log;
static struct ubr_msg_key key;

static bool find_record(void *context, const uint8_t *account_pk, const uint8_t *hash,
                        struct ubr_device_record *record_out)
{
    (void)context, (void)account_pk, (void)hash;
    *record_out = record;
    return true;
}

static void make_device(uint8_t head_out[UBR_HASH_LEN])
{
    static uint8_t body[UBR_DEVICE_BODY_LEN];
    static uint8_t sigs[3][UBR_SIG_LEN];
    struct ubr_device_body fields = {.time_ms = TIME};
    memcpy(fields.account_pk, alice.sign.pk, UBR_KEY_LEN);
    memcpy(fields.sign_pk, alice.sign.pk, UBR_KEY_LEN);
    memcpy(fields.box_pk, alice.box.pk, UBR_KEY_LEN);
    memcpy(fields.nats_pk, alice.nats.pk, UBR_KEY_LEN);
    ubr_device_write(&fields, body);
    ubr_device_sign(&alice.sign, body, sigs[0]);
    ubr_device_prove(&alice.sign, &alice.nats, body, sigs[1], sigs[2]);
    record.body = ubr_bytes_of(body, sizeof body);
    record.sig = ubr_bytes_of(sigs[0], UBR_SIG_LEN);
    record.pop = ubr_bytes_of(sigs[1], UBR_SIG_LEN);
    record.nats_pop = ubr_bytes_of(sigs[2], UBR_SIG_LEN);
    ubr_device_hash(record.body, head_out);
}

static void append(struct ubr_entry *entry)
{
    struct ubr_entry_body body;
    uint8_t sig[UBR_SIG_LEN];
    struct ubr_record_store store = {.find = find_record};
    MUST(ubr_entry_write(entry, &body) == UBR_OK);
    ubr_entry_sign(&alice.sign, ubr_entry_body_bytes(&body), sig);
    MUST(ubr_log_append(log, &store, ubr_entry_body_bytes(&body), sig) == UBR_OK);
}

static void make_room(void)
{
    static const uint8_t seed[UBR_SEED_LEN] = {0xa1};
    struct ubr_entry entry;
    MUST(sodium_init() >= 0 && (log = ubr_log_new()) != NULL);
    ubr_service_keys_derive(seed, 0, &alice);
    memcpy(author.account_pk, alice.sign.pk, UBR_KEY_LEN);
    ubr_kid(alice.sign.pk, author.kid);
    ubr_log_draft(log, UBR_ENTRY_CREATE, &author, TIME, &entry);
    entry.suite = UBR_SUITE_1;
    entry.policy = UBR_POLICY_UNSIGNED;
    entry.handle = ubr_bytes_of_text("alice");
    make_device(entry.device_head);
    append(&entry);
    ubr_log_draft_epoch(log, &author, TIME, &entry);
    entry.cause = UBR_CAUSE_FIRST;
    append(&entry);
    ubr_msg_key_init(&key, 1, secret);
}

static const struct ubr_receiver *receiver(void)
{
    static struct ubr_receiver it = {.keys = &key, .key_n = 1, .now_ms = TIME};
    it.log = log;
    it.max_age_ms = UBR_MSG_MAX_AGE_MS;
    return &it;
}

static void try_wire(struct ubr_bytes wire)
{
    struct ubr_msg msg;
    struct ubr_delivery delivery = {.wire = wire, .subject = ubr_bytes_of_text("s")};
    uint8_t *plain = malloc(wire.len + 1);
    MUST(plain != NULL);
    MUST(ubr_msg_accept(receiver(), &delivery, plain, &msg) != UBR_OK);
    free(plain);
}

static size_t take_records(const struct ubr_msg *msg, struct ubr_bytes **records_out)
{
    size_t n = 0;
    size_t cursor = 0;
    struct ubr_bytes *records = calloc(msg->record_n, sizeof *records);
    MUST(records != NULL);
    while (n < msg->record_n && ubr_msg_record_next(msg, &cursor, &records[n])) {
        n++;
    }
    MUST(n == msg->record_n);
    *records_out = records;
    return n;
}

/* Extensions from the future are read over and not written again. */
static bool has_ignored_extension(struct ubr_bytes body, const struct ubr_extensions *ext)
{
    uint8_t buf[UBR_EXT_LEN_MAX];
    struct ubr_writer writer;
    struct ubr_reader reader;
    ubr_writer_init(&writer, buf, sizeof buf);
    ubr_reader_init(&reader, body);
    MUST(ubr_ext_put(&writer, ext) == UBR_OK);
    return ubr_get_u16(&reader) != writer.len;
}

static void seal_and_accept(const struct ubr_msg *read, struct ubr_bytes body)
{
    struct ubr_bytes *records;
    struct ubr_msg_draft draft = {
        .room_id = ubr_log_state(log)->room_id,
        .key = &key,
        .kid = author.kid,
        .sign = read->header.flags & UBR_MSG_SIGNED ? &alice.sign : NULL,
        .counter = 1,
        .time_ms = TIME,
        .subject = ubr_bytes_of_text("s"),
        .head_seq = 1,
        .head = ubr_log_state(log)->head,
        .ext = read->ext,
        .record_n = take_records(read, &records),
        .is_batch = read->header.flags & UBR_MSG_BATCH,
        .is_padded = read->header.flags & UBR_MSG_PADDED,
    };
    struct ubr_msg msg;
    draft.records = records;
    size_t len = ubr_msg_sealed_len(&draft);
    uint8_t *wire = malloc(len);
    uint8_t *plain = malloc(len);
    MUST(wire != NULL && plain != NULL);
    MUST(ubr_msg_seal(&draft, wire, len, &len) == UBR_OK);
    struct ubr_delivery delivery = {.wire = {wire, len}, .subject = draft.subject};
    enum ubr_error error = ubr_msg_accept(receiver(), &delivery, plain, &msg);
    bool is_expired = ubr_ext_is_set(&read->ext, UBR_EXT_EXPIRES) && read->ext.expires_ms < TIME;
    MUST(error == (is_expired ? UBR_E_MSG_LATE : UBR_OK));
    if (error == UBR_OK && !has_ignored_extension(body, &read->ext)) {
        size_t at = (msg.is_signed ? UBR_SIG_LEN : 0) + 4 + UBR_MSG_HEAD_HASH_LEN;
        MUST(ubr_bytes_are_equal(body, ubr_bytes_of(plain + at, len - 64 - 16 - at)));
    }
    free(plain);
    free(wire);
    free(records);
}

static void try_body(uint8_t flags, struct ubr_bytes body)
{
    struct ubr_msg msg = {.header.flags = flags & 7};
    struct ubr_delivery delivery = {.expected = UBR_MSG_ANY};
    struct judging judging = {.delivery = &delivery, .msg = &msg, .body = body};
    if (msg_read_body(&judging) == UBR_OK) {
        seal_and_accept(&msg, body);
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    if (log == NULL) {
        make_room();
    }
    try_wire(ubr_bytes_of(data, size));
    if (size > 0) {
        try_body(data[0], ubr_bytes_of(data + 1, size - 1));
    }
    return 0;
}
