/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/enroll.h"

#define BODY_MAX (UBR_HASH_LEN + 1 + 255 + UBR_HASH_LEN)

static struct ubr_bytes put_body(const struct ubr_enrollment *enrollment, uint8_t buf[BODY_MAX])
{
    struct ubr_writer writer;
    uint8_t token_hash[UBR_HASH_LEN];
    ubr_hash_plain(enrollment->token, token_hash);
    ubr_writer_init(&writer, buf, BODY_MAX);
    ubr_put_copy(&writer, token_hash, sizeof token_hash);
    ubr_put_str8(&writer, enrollment->cluster_id);
    ubr_put_copy(&writer, enrollment->device_hash, UBR_HASH_LEN);
    return ubr_writer_bytes(&writer);
}

enum ubr_error ubr_enroll_prove(const struct ubr_sign_key *account,
                                const struct ubr_enrollment *enrollment,
                                uint8_t proof_out[UBR_SIG_LEN])
{
    uint8_t buf[BODY_MAX];
    struct ubr_bytes body = put_body(enrollment, buf);
    if (body.len == 0) {
        return UBR_E_PARSE;
    }
    ubr_sign(account, UBR_DS_ENROLL, body, proof_out);
    return UBR_OK;
}

enum ubr_error ubr_enroll_check(const uint8_t account_pk[UBR_KEY_LEN],
                                const struct ubr_enrollment *enrollment,
                                const uint8_t proof[UBR_SIG_LEN])
{
    uint8_t buf[BODY_MAX];
    struct ubr_bytes body = put_body(enrollment, buf);
    if (body.len == 0) {
        return UBR_E_PARSE;
    }
    return ubr_signature_is_good(account_pk, UBR_DS_ENROLL, body, proof) ? UBR_OK : UBR_E_SIG;
}
