/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/kv.h"

static const struct {
    const char *text;
    enum ubr_kv_marker marker;
} markers[] = {
    {"DEL", UBR_KV_MARKER_DELETE},
    {"PURGE", UBR_KV_MARKER_PURGE},
};

enum ubr_kv_marker ubr_kv_marker_of(const struct ubr_bytes *kv_operation, bool is_rollup)
{
    if (kv_operation == NULL) {
        return is_rollup ? UBR_KV_MARKER_PURGE : UBR_KV_MARKER_NONE;
    }
    for (size_t i = 0; i < sizeof markers / sizeof *markers; i++) {
        if (ubr_bytes_are_equal(*kv_operation, ubr_bytes_of_text(markers[i].text))) {
            return markers[i].marker;
        }
    }
    return UBR_KV_MARKER_OTHER;
}

enum ubr_error ubr_kv_check_payload(enum ubr_kv_marker marker, struct ubr_bytes payload)
{
    bool is_bare = marker != UBR_KV_MARKER_NONE && payload.len == 0;
    return is_bare ? UBR_E_KV_UNSIGNED_DELETE : UBR_OK;
}

enum ubr_kv_operation ubr_kv_operation_of(const struct ubr_extensions *ext)
{
    if (!ubr_ext_is_set(ext, UBR_EXT_KV_OPERATION)) {
        return UBR_KV_PUT;
    }
    return (enum ubr_kv_operation)ext->kv_operation;
}

enum ubr_error ubr_kv_check_envelope(enum ubr_kv_marker marker, const struct ubr_extensions *ext)
{
    bool agrees = marker == UBR_KV_MARKER_NONE || (int)marker == (int)ubr_kv_operation_of(ext);
    return agrees ? UBR_OK : UBR_E_KV_UNSIGNED_DELETE;
}

enum ubr_error ubr_kv_advance(uint64_t *highest, uint64_t counter)
{
    if (counter < *highest) {
        return UBR_E_MSG_REPLAY;
    }
    *highest = counter;
    return UBR_OK;
}
