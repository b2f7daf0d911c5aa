/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys as bytes that sort as the segments do. Within a segment 00 becomes 01 01 and 01 becomes
 * 01 02; every segment ends with 00. So a shorter key sorts before what is below it, and what is
 * below a prefix is one range. */
#ifndef UBS_KEY_H
#define UBS_KEY_H

#include <unibus/kv.h>

#define UBS_KEY_CODE_MAX (2 * UB_KV_KEY_MAX + UB_KV_SEGMENTS_MAX)
#define UBS_KEY_TEXT_MAX 160

struct ubs_code {
    size_t len;
    uint8_t bytes[UBS_KEY_CODE_MAX];
};

/* A key or, when prefix_ok, a prefix of 0 to 8 segments. UB_EINVAL says which limit is broken. */
enum ub_status ubs_key_encode(const struct ub_kv_key *key, bool prefix_ok,
                              struct ubs_code *code_out, struct ub_err *err);

/* The range of what is below the prefix: first < code < last; an empty last means no end. */
void ubs_key_range(const struct ubs_code *prefix, struct ubs_code *last_out);

/* Is code strictly below the prefix? */
bool ubs_key_is_below(struct ub_bytes code, const struct ubs_code *prefix);

/* Segments of key_out point into scratch. False when the bytes are no key (damage). */
bool ubs_key_decode(struct ub_bytes code, uint8_t scratch[UB_KV_KEY_MAX],
                    struct ub_kv_key *key_out);

/* For messages: segments joined by '/', other than plain characters as \xNN, cut with "...". */
void ubs_key_text(struct ub_bytes code, char out[UBS_KEY_TEXT_MAX]);

#endif
