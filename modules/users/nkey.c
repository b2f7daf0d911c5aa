/* SPDX-License-Identifier: Apache-2.0 */
#include "nkey.h"

#include <string.h>

#define NKEY_BYTES  35
#define PREFIX_USER (20u << 3)

static int base32_value(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' : c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

/* CRC-16/XMODEM: polynomial 0x1021, from 0, not reflected. */
static uint16_t crc16(const uint8_t *bytes, size_t len)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc ^= (uint32_t)bytes[i] << 8;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 0x8000u) != 0 ? crc << 1 ^ 0x1021u : crc << 1;
        }
        crc &= 0xFFFFu;
    }
    return (uint16_t)crc;
}

bool users_nkey_decode(const char *text, uint8_t key_out[32])
{
    uint8_t raw[NKEY_BYTES] = {0};
    uint32_t bits = 0, held = 0;
    size_t len = 0;
    if (strlen(text) != USERS_NKEY_LEN) {
        return false;
    }
    for (const char *at = text; *at != '\0'; at++) {
        int value = base32_value(*at);
        if (value < 0) {
            return false;
        }
        bits = (bits << 5 | (uint32_t)value) & 0xFFFu;
        held += 5;
        if (held >= 8) {
            held -= 8;
            raw[len++] = (uint8_t)(bits >> held);
        }
    }
    uint16_t said = (uint16_t)(raw[33] | raw[34] << 8);
    if (raw[0] != PREFIX_USER || said != crc16(raw, 33)) {
        return false;
    }
    memcpy(key_out, raw + 1, 32);
    return true;
}
