/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_KV_H
#define UBR_KV_H

#include <stdbool.h>
#include <stdint.h>

#include "ubr/bytes.h"
#include "ubr/error.h"
#include "ubr/extension.h"

/* KV values of sealed rooms (UBR1, section 9.8). NATS headers are not authenticated: what a
 * deletion says must stand in the envelope. */

/* What the NATS headers of a KV message claim. */
enum ubr_kv_marker {
    UBR_KV_MARKER_NONE = 0,
    UBR_KV_MARKER_DELETE = UBR_KV_DELETE, /* KV-Operation: DEL */
    UBR_KV_MARKER_PURGE = UBR_KV_PURGE,   /* KV-Operation: PURGE, or a roll-up alone */
    UBR_KV_MARKER_OTHER,                  /* anything else: no envelope can say that */
};

/* The claim of the headers. kv_operation: value of KV-Operation, or NULL when absent. is_rollup:
 * Nats-Rollup or Nats-Marker-Reason is present. */
enum ubr_kv_marker ubr_kv_marker_of(const struct ubr_bytes *kv_operation, bool is_rollup);

/* Before all other checks of a KV message. E-KV-UNSIGNED-DELETE: a marker without envelope. */
enum ubr_error ubr_kv_check_payload(enum ubr_kv_marker marker, struct ubr_bytes payload);

/* After acceptance (message.h). E-KV-UNSIGNED-DELETE: the marker is not what the envelope says.
 * Without a marker the envelope alone counts. On an error the last valid value stays. */
enum ubr_error ubr_kv_check_envelope(enum ubr_kv_marker marker, const struct ubr_extensions *ext);

/* What an accepted envelope does to its key. */
enum ubr_kv_operation ubr_kv_operation_of(const struct ubr_extensions *ext);

/* Keeps the highest counter per (key, kid): *highest is 0 at the start, persisted with the value.
 * E-MSG-REPLAY: the counter is lower, a roll-back of this key. */
enum ubr_error ubr_kv_advance(uint64_t *highest, uint64_t counter);

#endif
