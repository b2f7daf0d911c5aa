/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>
#include <string.h>

#include "message_parts.h"
#include "ubr/batch.h"
#include "ubr/padding.h"

static uint8_t flags_of(const struct ubr_msg_draft *draft)
{
    return (uint8_t)((draft->sign != NULL ? UBR_MSG_SIGNED : 0) |
                     (draft->is_padded ? UBR_MSG_PADDED : 0) |
                     (draft->is_batch ? UBR_MSG_BATCH : 0));
}

/* Length of the content before padding; above the limit it only has to stay above. */
static size_t content_len(const struct ubr_msg_draft *draft)
{
    size_t len = 0;
    for (size_t i = 0; i < draft->record_n; i++) {
        size_t record = draft->records[i].len;
        if (record > UBR_MSG_LEN_MAX || len > UBR_MSG_LEN_MAX) {
            return SIZE_MAX;
        }
        len += record + (draft->is_batch ? 4 : 0);
    }
    return len;
}

static enum ubr_error put_extensions(const struct ubr_msg_draft *draft, struct ubr_writer *writer,
                                     uint8_t buf[UBR_EXT_LEN_MAX])
{
    ubr_writer_init(writer, buf, UBR_EXT_LEN_MAX);
    return ubr_ext_put(writer, &draft->ext);
}

/* SIZE_MAX above the limit. */
static size_t sealed_len(const struct ubr_msg_draft *draft, size_t ext_len)
{
    size_t len = content_len(draft);
    if (len > UBR_MSG_LEN_MAX) {
        return SIZE_MAX;
    }
    if (draft->is_padded) {
        len = (size_t)ubr_padding_len(len);
    }
    len += ext_len + (draft->sign != NULL ? UBR_MSG_LEN_SIGNED : UBR_MSG_LEN_UNSIGNED);
    return len <= UBR_MSG_LEN_MAX ? len : SIZE_MAX;
}

size_t ubr_msg_sealed_len(const struct ubr_msg_draft *draft)
{
    uint8_t buf[UBR_EXT_LEN_MAX];
    struct ubr_writer ext;
    return put_extensions(draft, &ext, buf) == UBR_OK ? sealed_len(draft, ext.len) : SIZE_MAX;
}

static bool record_count_is_allowed(const struct ubr_msg_draft *draft)
{
    return draft->is_batch ? draft->record_n >= 1 && draft->record_n <= UBR_BATCH_RECORDS_MAX
                           : draft->record_n <= 1;
}

static void put_records(struct ubr_writer *writer, const struct ubr_msg_draft *draft)
{
    for (size_t i = 0; i < draft->record_n; i++) {
        if (draft->is_batch) {
            ubr_batch_put(writer, draft->records[i]);
        } else {
            ubr_put_bytes(writer, draft->records[i]);
        }
    }
}

/* Padding goes around records that are written where they belong, without a copy of them. */
static void put_content(struct ubr_writer *writer, const struct ubr_msg_draft *draft)
{
    if (!draft->is_padded) {
        put_records(writer, draft);
        return;
    }
    size_t len = content_len(draft);
    ubr_put_u32(writer, (uint32_t)len);
    put_records(writer, draft);
    ubr_put_zeros(writer, (size_t)ubr_padding_len(len) - UBR_PADDING_PREFIX_LEN - len);
}

static enum ubr_error put_header(struct ubr_writer *writer, const struct ubr_msg_draft *draft,
                                 uint8_t nonce_out[UBR_MSG_NONCE_LEN])
{
    struct ubr_msg_header header = {
        .flags = flags_of(draft),
        .epoch = draft->key->epoch,
        .id.counter = draft->counter,
        .time_ms = draft->time_ms,
    };
    if (draft->nonce != NULL) {
        memcpy(nonce_out, draft->nonce, UBR_MSG_NONCE_LEN);
    } else {
        randombytes_buf(nonce_out, UBR_MSG_NONCE_LEN);
    }
    memcpy(header.id.kid, draft->kid, sizeof header.id.kid);
    memcpy(header.nonce, nonce_out, sizeof header.nonce);
    return msg_put_header(writer, &header);
}

static void put_inner(struct ubr_writer *writer, const struct ubr_msg_draft *draft,
                      struct ubr_bytes ext)
{
    ubr_put_u32(writer, draft->head_seq);
    ubr_put_copy(writer, draft->head, UBR_MSG_HEAD_HASH_LEN);
    ubr_put_u16(writer, (uint16_t)ext.len);
    ubr_put_bytes(writer, ext);
    put_content(writer, draft);
}

/* Signs inner into the 64 bytes before it. */
static void sign_inner(const struct ubr_msg_draft *draft, const struct msg_aad *aad, uint8_t *inner,
                       size_t len)
{
    uint8_t digest[UBR_HASH_LEN];
    msg_digest(aad, ubr_bytes_of(inner, len), digest);
    ubr_sign(draft->sign, UBR_DS_MSG_SIG, ubr_bytes_of(digest, sizeof digest), inner - UBR_SIG_LEN);
}

/* Turns header ‖ plain, with room for a signature and the tag, into the message, in place. */
static void seal_in_place(const struct ubr_msg_draft *draft, uint8_t *wire, size_t plain_len,
                          const uint8_t nonce[UBR_MSG_NONCE_LEN])
{
    struct msg_aad aad;
    uint8_t *plain = wire + UBR_MSG_HEADER_LEN;
    msg_aad_init(&aad, draft->room_id, wire, draft->subject);
    if (draft->sign != NULL) {
        sign_inner(draft, &aad, plain + UBR_SIG_LEN, plain_len - UBR_SIG_LEN);
    }
    crypto_aead_xchacha20poly1305_ietf_encrypt(plain, NULL, plain, plain_len, aad.buf, aad.len,
                                               NULL, nonce, draft->key->key);
}

enum ubr_error ubr_msg_seal(const struct ubr_msg_draft *draft, uint8_t *wire_out, size_t cap,
                            size_t *len_out)
{
    uint8_t ext_buf[UBR_EXT_LEN_MAX];
    uint8_t nonce[UBR_MSG_NONCE_LEN];
    struct ubr_writer ext;
    struct ubr_writer writer;
    if (draft->subject.len > UBR_MSG_SUBJECT_MAX || !record_count_is_allowed(draft)) {
        return UBR_E_RANGE;
    }
    if (put_extensions(draft, &ext, ext_buf) != UBR_OK) {
        return UBR_E_EXT;
    }
    size_t len = sealed_len(draft, ext.len);
    if (len == SIZE_MAX) {
        return UBR_E_LIMIT;
    }
    ubr_writer_init(&writer, wire_out, cap);
    if (cap < len || put_header(&writer, draft, nonce) != UBR_OK) {
        return UBR_E_RANGE;
    }
    ubr_put_zeros(&writer, draft->sign != NULL ? UBR_SIG_LEN : 0);
    put_inner(&writer, draft, ubr_writer_bytes(&ext));
    seal_in_place(draft, wire_out, writer.len - UBR_MSG_HEADER_LEN, nonce);
    *len_out = len;
    return UBR_OK;
}
