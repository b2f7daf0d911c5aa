/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include <ubr/text.h>

bool wire_get(const json_t *object, const char *key, uint8_t *out, size_t len)
{
    size_t got;
    return wire_get_upto(object, key, out, len, &got) && got == len;
}

bool wire_get_upto(const json_t *object, const char *key, uint8_t *out, size_t cap, size_t *len_out)
{
    const json_t *text = json_object_get(object, key);
    return json_is_string(text) &&
           ubr_base64_decode(ubr_bytes_of(json_string_value(text), json_string_length(text)), out,
                             cap, len_out);
}

static void put_text(json_t *object, const char *key, char *text, size_t len)
{
    json_object_set_new(object, key, json_stringn(text, len));
    sodium_memzero(text, len);
    free(text);
}

void wire_put(json_t *object, const char *key, struct ubr_bytes bytes)
{
    size_t len = UBR_BASE64_LEN(bytes.len);
    char *text = malloc(len + 1);
    if (text != NULL) {
        ubr_base64_encode(bytes, text);
        put_text(object, key, text, len);
    }
}

void wire_put_hex(json_t *object, const char *key, struct ubr_bytes bytes)
{
    size_t len = UBR_HEX_LEN(bytes.len);
    char *text = malloc(len + 1);
    if (text != NULL) {
        ubr_hex_encode(bytes, text);
        put_text(object, key, text, len);
    }
}

bool wire_get_hex(const json_t *object, const char *key, uint8_t *out, size_t len)
{
    const json_t *text = json_object_get(object, key);
    return json_is_string(text) &&
           ubr_hex_decode_exact(ubr_bytes_of(json_string_value(text), json_string_length(text)),
                                out, len);
}

const char *wire_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

int64_t wire_number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void wipe_values(json_t *doc)
{
    if (json_is_string(doc)) {
        sodium_memzero((char *)(uintptr_t)json_string_value(doc), json_string_length(doc));
    }
    for (size_t i = 0; i < json_array_size(doc); i++) {
        wipe_values(json_array_get(doc, i));
    }
    const char *key;
    json_t *value;
    json_object_foreach(doc, key, value)
    {
        wipe_values(value);
    }
}

void wire_wipe(json_t *doc)
{
    if (doc != NULL && doc->refcount == 1) {
        wipe_values(doc);
    }
    json_decref(doc);
}

bool wire_get_record(const json_t *object, struct wire_record *record_out)
{
    memset(record_out, 0, sizeof(*record_out));
    record_out->has_proofs = json_object_get(object, "pop") != NULL;
    return wire_get(object, "body", record_out->body, UBR_DEVICE_BODY_LEN) &&
           wire_get(object, "sig", record_out->sig, UBR_SIG_LEN) &&
           (!record_out->has_proofs ||
            (wire_get(object, "pop", record_out->pop, UBR_SIG_LEN) &&
             wire_get(object, "nats_pop", record_out->nats_pop, UBR_SIG_LEN)));
}

json_t *wire_record_json(const struct wire_record *record)
{
    json_t *object = json_object();
    wire_put(object, "body", ubr_bytes_of(record->body, sizeof(record->body)));
    wire_put(object, "sig", ubr_bytes_of(record->sig, UBR_SIG_LEN));
    if (record->has_proofs) {
        wire_put(object, "pop", ubr_bytes_of(record->pop, UBR_SIG_LEN));
        wire_put(object, "nats_pop", ubr_bytes_of(record->nats_pop, UBR_SIG_LEN));
    }
    return object;
}

struct ubr_device_record wire_record_view(const struct wire_record *record)
{
    size_t proof_len = record->has_proofs ? UBR_SIG_LEN : 0;
    return (struct ubr_device_record){
        .body = ubr_bytes_of(record->body, sizeof(record->body)),
        .sig = ubr_bytes_of(record->sig, UBR_SIG_LEN),
        .pop = ubr_bytes_of(record->pop, proof_len),
        .nats_pop = ubr_bytes_of(record->nats_pop, proof_len),
    };
}

static uint64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t wire_now_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

uint64_t wire_mono_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}
