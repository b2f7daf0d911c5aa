/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/message.h"

#include <string.h>

#include "message_parts.h"
#include "ubr/epoch.h"
#include "ubr/text.h"

#define MAGIC       "UB"
#define MAGIC_LEN   2
#define VERSION     1
#define KNOWN_FLAGS (UBR_MSG_SIGNED | UBR_MSG_PADDED | UBR_MSG_BATCH)
#define EPOCH_END   (UINT32_C(1) << 31)

_Static_assert(UBR_MSG_HEADER_LEN + UBR_SIG_LEN + 4 + UBR_MSG_HEAD_HASH_LEN + 2 + MSG_TAG_LEN ==
                   UBR_MSG_LEN_SIGNED,
               "9.1");
_Static_assert(UBR_MSG_LEN_SIGNED - UBR_SIG_LEN == UBR_MSG_LEN_UNSIGNED, "9.1");
_Static_assert(UBR_BASE64_LEN(UBR_MSG_NONCE_LEN) == UBR_MSG_NATS_ID_LEN, "9.8");

static void get_fields(struct ubr_reader *reader, struct ubr_msg_header *header_out)
{
    header_out->epoch = ubr_get_u32(reader);
    ubr_get_copy(reader, header_out->id.kid, sizeof header_out->id.kid);
    header_out->id.counter = ubr_get_u64(reader);
    header_out->time_ms = ubr_get_u64(reader);
    ubr_get_copy(reader, header_out->nonce, sizeof header_out->nonce);
}

static bool fields_are_in_range(const struct ubr_msg_header *header)
{
    return header->epoch >= 1 && header->epoch < EPOCH_END && header->id.counter >= 1 &&
           header->id.counter < UBR_U53_END && header->time_ms < UBR_U53_END;
}

enum ubr_error ubr_msg_parse_header(struct ubr_bytes wire, struct ubr_msg_header *header_out)
{
    struct ubr_reader reader;
    ubr_reader_init(&reader, wire);
    if (wire.len < UBR_MSG_HEADER_LEN ||
        memcmp(ubr_get_view(&reader, MAGIC_LEN).ptr, MAGIC, MAGIC_LEN) != 0) {
        return UBR_E_PARSE;
    }
    if (wire.len > UBR_MSG_LEN_MAX) {
        return UBR_E_LIMIT;
    }
    if (ubr_get_u8(&reader) != VERSION) {
        return UBR_E_VERSION;
    }
    header_out->flags = ubr_get_u8(&reader);
    if ((header_out->flags & ~KNOWN_FLAGS) != 0) {
        return UBR_E_FLAG;
    }
    get_fields(&reader, header_out);
    if (!fields_are_in_range(header_out)) {
        return UBR_E_RANGE;
    }
    bool is_signed = header_out->flags & UBR_MSG_SIGNED;
    return wire.len < (is_signed ? UBR_MSG_LEN_SIGNED : UBR_MSG_LEN_UNSIGNED) ? UBR_E_PARSE
                                                                              : UBR_OK;
}

enum ubr_error msg_put_header(struct ubr_writer *writer, const struct ubr_msg_header *header)
{
    if (!fields_are_in_range(header)) {
        return UBR_E_RANGE;
    }
    ubr_put_copy(writer, MAGIC, MAGIC_LEN);
    ubr_put_u8(writer, VERSION);
    ubr_put_u8(writer, header->flags);
    ubr_put_u32(writer, header->epoch);
    ubr_put_copy(writer, header->id.kid, sizeof header->id.kid);
    ubr_put_u64(writer, header->id.counter);
    ubr_put_u64(writer, header->time_ms);
    ubr_put_copy(writer, header->nonce, sizeof header->nonce);
    return UBR_OK;
}

void ubr_msg_key_init(struct ubr_msg_key *key, uint32_t epoch, const uint8_t secret[UBR_KEY_LEN])
{
    key->epoch = epoch;
    key->superseded_mono_ms = 0;
    ubr_epoch_key(secret, UBR_EPOCH_KEY_MSG, key->key);
}

void ubr_msg_nats_id(const struct ubr_msg_header *header, char text_out[UBR_MSG_NATS_ID_LEN + 1])
{
    ubr_base64_encode(ubr_bytes_of(header->nonce, sizeof header->nonce), text_out);
}

void msg_aad_init(struct msg_aad *aad, const uint8_t room_id[UBR_ROOM_ID_LEN],
                  const uint8_t header[UBR_MSG_HEADER_LEN], struct ubr_bytes subject)
{
    struct ubr_writer writer;
    ubr_writer_init(&writer, aad->buf, sizeof aad->buf);
    ubr_put_bytes(&writer, ubr_ds(UBR_DS_MSG));
    ubr_put_copy(&writer, room_id, UBR_ROOM_ID_LEN);
    ubr_put_copy(&writer, header, UBR_MSG_HEADER_LEN);
    ubr_put_u16(&writer, (uint16_t)subject.len);
    ubr_put_bytes(&writer, subject);
    aad->len = writer.len;
}

void msg_digest(const struct msg_aad *aad, struct ubr_bytes inner, uint8_t hash_out[UBR_HASH_LEN])
{
    struct ubr_hasher hasher;
    ubr_hasher_begin(&hasher, UBR_DS_MSG_TBS, UBR_HASH_LEN);
    ubr_hasher_add_u32(&hasher, (uint32_t)aad->len);
    ubr_hasher_add(&hasher, aad->buf, aad->len);
    ubr_hasher_add_bytes(&hasher, inner);
    ubr_hasher_end(&hasher, hash_out);
}
