/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys as bytes that sort as the segments do. Within a segment 00 becomes 01 01 and 01 becomes
 * 01 02; every segment ends with 00. So a shorter key sorts before what is below it, and what is
 * below a prefix is one range. */
#ifndef KVLM_KEY_H
#define KVLM_KEY_H

#include <unibus/kv.h>

#define KVLM_KEY_CODE_MAX (2 * UB_KV_KEY_MAX + UB_KV_SEGMENTS_MAX)
#define KVLM_KEY_TEXT_MAX 160

struct kvlm_code {
    size_t len;
    uint8_t bytes[KVLM_KEY_CODE_MAX];
};

/* A key or, when prefix_ok, a prefix of 0 to 8 segments. UB_EINVAL says which limit is broken. */
enum ub_status kvlm_key_encode(const struct ub_kv_key *key, bool prefix_ok,
                               struct kvlm_code *code_out, struct ub_err *err);

/* Is code strictly below the prefix? */
bool kvlm_key_is_below(struct ub_bytes code, const struct kvlm_code *prefix);

/* Segments of key_out point into scratch. False when the bytes are no key (damage). */
bool kvlm_key_decode(struct ub_bytes code, uint8_t scratch[UB_KV_KEY_MAX],
                     struct ub_kv_key *key_out);

/* For messages: segments joined by '/', other than plain characters as \xNN, cut with "...". */
void kvlm_key_text(struct ub_bytes code, char out[KVLM_KEY_TEXT_MAX]);

#endif
