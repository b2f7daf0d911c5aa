/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_EXTENSION_H
#define UBR_EXTENSION_H

#include <stdbool.h>
#include <stdint.h>

#include "ubr/bytes.h"
#include "ubr/error.h"
#include "ubr/name.h"

/* Extensions of a message (UBR1, section 9.2): u8 type, u16 length, value, in ascending order. They
 * lie inside the ciphertext and under the signature. */

#define UBR_EXT_LEN_MAX 1024

enum ubr_ext_type {
    UBR_EXT_MEDIA_TYPE = 1,
    UBR_EXT_REPLY_TO = 2,
    UBR_EXT_EXPECTED_REVISION = 3,
    UBR_EXT_EXPIRES = 4,
    UBR_EXT_KV_OPERATION = 5,
    UBR_EXT_PREVIOUS_COUNTER = 6,
};

/* What a KV envelope does; without the extension it is a put. */
enum ubr_kv_operation {
    UBR_KV_PUT = 1,
    UBR_KV_DELETE = 2,
    UBR_KV_PURGE = 3,
};

/* A message by its sender and counter, as a reply refers to it. */
struct ubr_msg_id {
    uint8_t kid[UBR_KID_LEN];
    uint64_t counter;
};

/* The extensions of one message. A field counts only if its type is set. */
struct ubr_extensions {
    uint8_t types;               /* bit 1 << type; use the functions below */
    uint8_t kv_operation;        /* enum ubr_kv_operation */
    struct ubr_bytes media_type; /* 1–255 bytes of text */
    struct ubr_msg_id reply_to;  /* this message answers that request */
    uint64_t expected_revision;  /* KV revision that the sender expected */
    uint64_t expires_ms;         /* Unix time */
    uint64_t previous_counter;   /* the sender's previous counter on this subject, 0 = first */
};

void ubr_ext_set(struct ubr_extensions *ext, enum ubr_ext_type type);
bool ubr_ext_is_set(const struct ubr_extensions *ext, enum ubr_ext_type type);

/* Appends the extensions that are set. E-EXT: a value outside the table, or no room. */
enum ubr_error ubr_ext_put(struct ubr_writer *writer, const struct ubr_extensions *ext);

/* Reads the whole block; ext_out->media_type stays inside it. Types ≥ 128 that are not known are
 * skipped. E-EXT: longer than 1,024 bytes, not ascending, unknown below 128, wrong length, a value
 * outside the table, an integer ≥ 2^53. */
enum ubr_error ubr_ext_parse(struct ubr_bytes block, struct ubr_extensions *ext_out);

#endif
