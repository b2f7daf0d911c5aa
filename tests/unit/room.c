/* SPDX-License-Identifier: Apache-2.0 */
#include "room.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

void room_open(struct room *room, const char *scenario, size_t head)
{
    uint8_t secret[UBR_KEY_LEN];
    vectors_open(&room->log_vectors, "log", LOG_VECTORS, LOG_VECTORS_REFUSED);
    scenario_init(&room->scenario, &room->log_vectors, scenario);
    room->log = scenario_play(&room->scenario, head + 1);
    for (uint32_t epoch = 1; epoch <= ROOM_EPOCHS; epoch++) {
        memset(secret, (int)(0xe0 + epoch), sizeof secret);
        ubr_msg_key_init(&room->keys[epoch - 1], epoch, secret);
    }
}

void room_close(struct room *room)
{
    ubr_log_free(&room->log);
    scenario_fini(&room->scenario);
    vectors_close(&room->log_vectors);
}

struct ubr_receiver room_receiver(const struct room *room, uint64_t now_ms)
{
    return (struct ubr_receiver){
        .log = room->log,
        .keys = room->keys,
        .key_n = ROOM_EPOCHS,
        .now_ms = now_ms,
        .now_mono_ms = 1000000,
        .max_age_ms = UBR_MSG_MAX_AGE_MS,
    };
}

static const char *const devices[] = {"alice",   "bob",     "carol-1",  "carol-2",
                                      "dave-1",  "dave-2",  "erin-1",   "erin-2",
                                      "frank-1", "frank-2", "mallory-1"};

void device_key_named(const char *name, struct ubr_sign_key *key_out)
{
    char text[64];
    uint8_t seed[UBR_SEED_LEN];
    struct ubr_service_keys service;
    if (strchr(name, '-') == NULL) { /* the service identities */
        memset(seed, strcmp(name, "alice") == 0 ? 0xa1 : 0xb2, sizeof seed);
        ubr_service_keys_derive(seed, 0, &service);
        *key_out = service.sign;
        return;
    }
    snprintf(text, sizeof text, "ubr1-vector/%s/sign", name);
    ubr_hash_plain(ubr_bytes_of_text(text), seed);
    ubr_sign_key_from_seed(seed, key_out);
}

void device_key(const uint8_t kid[UBR_KID_LEN], struct ubr_sign_key *key_out)
{
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        uint8_t candidate[UBR_KID_LEN];
        device_key_named(devices[i], key_out);
        ubr_kid(key_out->pk, candidate);
        if (memcmp(candidate, kid, UBR_KID_LEN) == 0) {
            return;
        }
    }
    fail_msg("no test device has this kid");
}
