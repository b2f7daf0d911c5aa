/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/device.h"

#include <string.h>

#define VERSION 1

enum ubr_error ubr_device_parse(struct ubr_bytes bytes, struct ubr_device_body *body_out)
{
    if (bytes.len != UBR_DEVICE_BODY_LEN) {
        return UBR_E_PARSE;
    }
    struct ubr_reader reader;
    ubr_reader_init(&reader, bytes);
    if (ubr_get_u8(&reader) != VERSION) {
        return UBR_E_VERSION;
    }
    body_out->flags = ubr_get_u8(&reader);
    if ((body_out->flags & ~UBR_DEVICE_REVOKED) != 0) {
        return UBR_E_FLAG;
    }
    body_out->seq = ubr_get_u32(&reader);
    ubr_get_copy(&reader, body_out->prev, UBR_HASH_LEN);
    ubr_get_copy(&reader, body_out->account_pk, UBR_KEY_LEN);
    ubr_get_copy(&reader, body_out->sign_pk, UBR_KEY_LEN);
    ubr_get_copy(&reader, body_out->box_pk, UBR_KEY_LEN);
    ubr_get_copy(&reader, body_out->nats_pk, UBR_KEY_LEN);
    body_out->time_ms = ubr_get_u64(&reader);
    return ubr_reader_is_done(&reader) ? UBR_OK : UBR_E_PARSE;
}

void ubr_device_write(const struct ubr_device_body *body, uint8_t bytes_out[UBR_DEVICE_BODY_LEN])
{
    struct ubr_writer writer;
    ubr_writer_init(&writer, bytes_out, UBR_DEVICE_BODY_LEN);
    ubr_put_u8(&writer, VERSION);
    ubr_put_u8(&writer, body->flags);
    ubr_put_u32(&writer, body->seq);
    ubr_put_copy(&writer, body->prev, UBR_HASH_LEN);
    ubr_put_copy(&writer, body->account_pk, UBR_KEY_LEN);
    ubr_put_copy(&writer, body->sign_pk, UBR_KEY_LEN);
    ubr_put_copy(&writer, body->box_pk, UBR_KEY_LEN);
    ubr_put_copy(&writer, body->nats_pk, UBR_KEY_LEN);
    ubr_put_u64(&writer, body->time_ms);
}

void ubr_device_hash(struct ubr_bytes bytes, uint8_t hash_out[UBR_HASH_LEN])
{
    ubr_hash(UBR_DS_DEVICE_HASH, bytes, hash_out);
}

void ubr_device_sign(const struct ubr_sign_key *account, const uint8_t bytes[UBR_DEVICE_BODY_LEN],
                     uint8_t sig_out[UBR_SIG_LEN])
{
    ubr_sign(account, UBR_DS_DEVICE, ubr_bytes_of(bytes, UBR_DEVICE_BODY_LEN), sig_out);
}

void ubr_device_prove(const struct ubr_sign_key *sign, const struct ubr_sign_key *nats,
                      const uint8_t bytes[UBR_DEVICE_BODY_LEN], uint8_t pop_out[UBR_SIG_LEN],
                      uint8_t nats_pop_out[UBR_SIG_LEN])
{
    struct ubr_bytes body = ubr_bytes_of(bytes, UBR_DEVICE_BODY_LEN);
    ubr_sign(sign, UBR_DS_DEVICE_POP, body, pop_out);
    ubr_sign(nats, UBR_DS_NATS_POP, body, nats_pop_out);
}

enum ubr_error ubr_device_check_keys(const struct ubr_device_body *body)
{
    if (!ubr_sign_pk_is_valid(body->account_pk) || !ubr_sign_pk_is_valid(body->sign_pk) ||
        !ubr_box_pk_is_valid(body->box_pk) || !ubr_sign_pk_is_valid(body->nats_pk)) {
        return UBR_E_KEY_WEAK;
    }
    if (memcmp(body->nats_pk, body->sign_pk, UBR_KEY_LEN) == 0 ||
        memcmp(body->nats_pk, body->account_pk, UBR_KEY_LEN) == 0) {
        return UBR_E_KEY_REUSE;
    }
    return body->time_ms < UBR_U53_END ? UBR_OK : UBR_E_RANGE;
}

static bool is_signed(const uint8_t pk[UBR_KEY_LEN], enum ubr_label label, struct ubr_bytes body,
                      struct ubr_bytes sig)
{
    return sig.len == UBR_SIG_LEN && ubr_signature_is_good(pk, label, body, sig.ptr);
}

enum ubr_error ubr_device_check_signatures(const struct ubr_device_record *record,
                                           const struct ubr_device_body *body)
{
    if (!is_signed(body->account_pk, UBR_DS_DEVICE, record->body, record->sig)) {
        return UBR_E_SIG;
    }
    if (body->flags & UBR_DEVICE_REVOKED) {
        return record->pop.len == 0 && record->nats_pop.len == 0 ? UBR_OK : UBR_E_PARSE;
    }
    bool is_held = is_signed(body->sign_pk, UBR_DS_DEVICE_POP, record->body, record->pop) &&
                   is_signed(body->nats_pk, UBR_DS_NATS_POP, record->body, record->nats_pop);
    return is_held ? UBR_OK : UBR_E_POP;
}
