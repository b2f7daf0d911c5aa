/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLIENT_WIRE_H
#define UNIBUS_CLIENT_WIRE_H

#include <jansson.h>

#include <ubr/bytes.h>
#include <ubr/device.h>

/* Bytes in JSON: base64url in strings, as the node and the home have them. */

/* Exactly len bytes; false when the member is absent or anything else. */
bool wire_get(const json_t *object, const char *key, uint8_t *out, size_t len);
/* At most cap bytes. */
bool wire_get_upto(const json_t *object, const char *key, uint8_t *out, size_t cap,
                   size_t *len_out);
void wire_put(json_t *object, const char *key, struct ubr_bytes bytes);
/* The member as text; "" when absent. */
const char *wire_text(const json_t *object, const char *key);
/* The member as a number; 0 when absent. */
int64_t wire_number(const json_t *object, const char *key);
void wire_put_hex(json_t *object, const char *key, struct ubr_bytes bytes);
bool wire_get_hex(const json_t *object, const char *key, uint8_t *out, size_t len);

/* Zeros every string in it, then gives the reference up. */
void wire_wipe(json_t *doc);

/* A device record that owns its bytes. */
struct wire_record {
    uint8_t body[UBR_DEVICE_BODY_LEN], sig[UBR_SIG_LEN], pop[UBR_SIG_LEN], nats_pop[UBR_SIG_LEN];
    bool has_proofs;
};

bool wire_get_record(const json_t *object, struct wire_record *record_out);
json_t *wire_record_json(const struct wire_record *record);
/* Borrows. */
struct ubr_device_record wire_record_view(const struct wire_record *record);

/* Unix time and the monotonic clock. */
uint64_t wire_now_ms(void);
uint64_t wire_mono_ms(void);

#endif
