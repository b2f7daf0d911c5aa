/* SPDX-License-Identifier: Apache-2.0 */
#include <ubs/key.h>

#include <string.h>

#include <unibus/error.h>

static enum ub_status key_check(const struct ub_kv_key *key, bool prefix_ok, struct ub_err *err)
{
    if (key->count > UB_KV_SEGMENTS_MAX || (key->count == 0 && !prefix_ok)) {
        return ub_fail(err, UB_EINVAL, "a key has 1 to %d segments, not %u", UB_KV_SEGMENTS_MAX,
                       key->count);
    }
    size_t total = 0;
    for (uint32_t i = 0; i < key->count; i++) {
        size_t len = key->segments[i].len;
        if (len == 0 || len > UB_KV_SEGMENT_MAX) {
            return ub_fail(err, UB_EINVAL, "segment %u of the key has %zu bytes; 1 to %d are legal",
                           i + 1, len, UB_KV_SEGMENT_MAX);
        }
        total += len;
    }
    if (total > UB_KV_KEY_MAX) {
        return ub_fail(err, UB_EINVAL, "the key has %zu bytes; at most %d are legal", total,
                       UB_KV_KEY_MAX);
    }
    return UB_OK;
}

static void put_segment(struct ubs_code *code, struct ub_bytes segment)
{
    for (size_t i = 0; i < segment.len; i++) {
        uint8_t byte = segment.ptr[i];
        if (byte <= 1) {
            code->bytes[code->len++] = 1;
            byte = (uint8_t)(byte + 1);
        }
        code->bytes[code->len++] = byte;
    }
    code->bytes[code->len++] = 0;
}

enum ub_status ubs_key_encode(const struct ub_kv_key *key, bool prefix_ok,
                              struct ubs_code *code_out, struct ub_err *err)
{
    code_out->len = 0;
    enum ub_status status = key_check(key, prefix_ok, err);
    for (uint32_t i = 0; status == UB_OK && i < key->count; i++) {
        put_segment(code_out, key->segments[i]);
    }
    return status;
}

void ubs_key_range(const struct ubs_code *prefix, struct ubs_code *last_out)
{
    *last_out = *prefix;
    if (prefix->len > 0) {
        last_out->bytes[prefix->len - 1] = 1; /* after the end mark of the segment */
    }
}

bool ubs_key_is_below(struct ub_bytes code, const struct ubs_code *prefix)
{
    return code.len > prefix->len && memcmp(code.ptr, prefix->bytes, prefix->len) == 0;
}

/* One segment at code[*at]; moves *at behind its end mark. Returns its length, 0 on damage. */
static size_t get_segment(struct ub_bytes code, size_t *at, uint8_t *out, size_t room)
{
    size_t len = 0;
    for (size_t i = *at; i < code.len; i++) {
        uint8_t byte = code.ptr[i];
        if (byte == 0) {
            *at = i + 1;
            return len;
        }
        if (byte == 1) {
            if (++i == code.len || code.ptr[i] < 1 || code.ptr[i] > 2) {
                return 0;
            }
            byte = (uint8_t)(code.ptr[i] - 1);
        }
        if (len == room) {
            return 0;
        }
        out[len++] = byte;
    }
    return 0;
}

bool ubs_key_decode(struct ub_bytes code, uint8_t scratch[UB_KV_KEY_MAX], struct ub_kv_key *key_out)
{
    size_t at = 0, used = 0;
    key_out->count = 0;
    while (at < code.len) {
        size_t len = get_segment(code, &at, scratch + used, UB_KV_KEY_MAX - used);
        if (len == 0 || len > UB_KV_SEGMENT_MAX || key_out->count == UB_KV_SEGMENTS_MAX) {
            return false;
        }
        key_out->segments[key_out->count++] = (struct ub_bytes){scratch + used, len};
        used += len;
    }
    return key_out->count > 0;
}

static bool is_plain(uint8_t byte)
{
    return byte > ' ' && byte < 0x7f && byte != '/' && byte != '\\';
}

void ubs_key_text(struct ub_bytes code, char out[UBS_KEY_TEXT_MAX])
{
    uint8_t scratch[UB_KV_KEY_MAX];
    struct ub_kv_key key;
    if (!ubs_key_decode(code, scratch, &key)) {
        snprintf(out, UBS_KEY_TEXT_MAX, "(unreadable)");
        return;
    }
    size_t len = 0;
    for (uint32_t i = 0; i < key.count; i++) {
        for (size_t j = 0; j < key.segments[i].len; j++) {
            uint8_t byte = key.segments[i].ptr[j];
            if (len > UBS_KEY_TEXT_MAX - 12) {
                snprintf(out + len, UBS_KEY_TEXT_MAX - len, "...");
                return;
            }
            len += (size_t)snprintf(out + len, UBS_KEY_TEXT_MAX - len,
                                    is_plain(byte) ? "%c" : "\\x%02x", byte);
        }
        out[len++] = '/';
    }
    out[len - 1] = '\0';
}
