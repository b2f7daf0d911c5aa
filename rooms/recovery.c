/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/recovery.h"

#include <sodium.h>
#include <string.h>

#define PREFIX_LEN   6
#define SEED_DIGITS  52 /* 256 bits in digits of 5, the last 4 bits are padding */
#define CHECK_DIGITS 6

_Static_assert(PREFIX_LEN + SEED_DIGITS + CHECK_DIGITS == UBR_RECOVERY_TEXT_LEN, "BIP 173");

static const char prefix[PREFIX_LEN] = {'u', 'b', 's', 'e', 'c', '1'};
static const char alphabet[32] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/* The human-readable part "ubsec" as the checksum takes it: high bits, zero, low bits. */
static const uint8_t prefix_digits[] = {3, 3, 3, 3, 3, 0, 21, 2, 19, 5, 3};

/* One step of the BCH code of BIP 173. */
static uint32_t polymod_step(uint32_t state, uint8_t digit)
{
    static const uint32_t generator[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
                                         0x2a1462b3};
    uint32_t top = state >> 25;
    state = ((state & 0x1ffffff) << 5) ^ digit;
    for (unsigned i = 0; i < 5; i++) {
        state ^= generator[i] & (0 - ((top >> i) & 1));
    }
    return state;
}

static uint32_t polymod(const uint8_t *digits, size_t len)
{
    uint32_t state = 1;
    for (size_t i = 0; i < sizeof prefix_digits; i++) {
        state = polymod_step(state, prefix_digits[i]);
    }
    for (size_t i = 0; i < len; i++) {
        state = polymod_step(state, digits[i]);
    }
    return state;
}

/* Bit i of the seed, most significant first; the padding bits after its end are zero. */
static unsigned seed_bit(const uint8_t *seed, size_t i)
{
    return i < 8 * UBR_RECOVERY_SEED_LEN ? ((unsigned)seed[i / 8] >> (7 - i % 8)) & 1 : 0;
}

static void digits_of_seed(const uint8_t *seed, uint8_t digits_out[SEED_DIGITS])
{
    for (size_t i = 0; i < SEED_DIGITS; i++) {
        unsigned digit = 0;
        for (size_t bit = 0; bit < 5; bit++) {
            digit = digit << 1 | seed_bit(seed, 5 * i + bit);
        }
        digits_out[i] = (uint8_t)digit;
    }
}

static void seed_of_digits(const uint8_t digits[SEED_DIGITS], uint8_t *seed_out)
{
    memset(seed_out, 0, UBR_RECOVERY_SEED_LEN);
    for (size_t i = 0; i < 8 * UBR_RECOVERY_SEED_LEN; i++) {
        unsigned bit = ((unsigned)digits[i / 5] >> (4 - i % 5)) & 1;
        seed_out[i / 8] = (uint8_t)(seed_out[i / 8] | bit << (7 - i % 8));
    }
}

static void append_checksum(uint8_t digits[SEED_DIGITS + CHECK_DIGITS])
{
    memset(digits + SEED_DIGITS, 0, CHECK_DIGITS);
    uint32_t check = polymod(digits, SEED_DIGITS + CHECK_DIGITS) ^ 1;
    for (unsigned i = 0; i < CHECK_DIGITS; i++) {
        digits[SEED_DIGITS + i] = (check >> (5 * (CHECK_DIGITS - 1 - i))) & 31;
    }
}

void ubr_recovery_encode(const uint8_t seed[UBR_RECOVERY_SEED_LEN],
                         char text_out[UBR_RECOVERY_TEXT_LEN + 1])
{
    uint8_t digits[SEED_DIGITS + CHECK_DIGITS];
    digits_of_seed(seed, digits);
    append_checksum(digits);
    memcpy(text_out, prefix, PREFIX_LEN);
    for (size_t i = 0; i < sizeof digits; i++) {
        text_out[PREFIX_LEN + i] = alphabet[digits[i]];
    }
    text_out[UBR_RECOVERY_TEXT_LEN] = '\0';
    sodium_memzero(digits, sizeof digits);
}

static bool read_digits(const uint8_t *text, uint8_t *digits_out)
{
    for (size_t i = 0; i < SEED_DIGITS + CHECK_DIGITS; i++) {
        const char *found = memchr(alphabet, text[PREFIX_LEN + i], sizeof alphabet);
        if (found == NULL) {
            return false;
        }
        digits_out[i] = (uint8_t)(found - alphabet);
    }
    return true;
}

enum ubr_error ubr_recovery_decode(struct ubr_bytes text, uint8_t seed_out[UBR_RECOVERY_SEED_LEN])
{
    uint8_t digits[SEED_DIGITS + CHECK_DIGITS];
    memset(seed_out, 0, UBR_RECOVERY_SEED_LEN);
    if (text.len != UBR_RECOVERY_TEXT_LEN || memcmp(text.ptr, prefix, PREFIX_LEN) != 0) {
        return UBR_E_RECOVERY_KEY;
    }
    bool good = read_digits(text.ptr, digits) && polymod(digits, sizeof digits) == 1 &&
                (digits[SEED_DIGITS - 1] & 15) == 0;
    if (good) {
        seed_of_digits(digits, seed_out);
    }
    sodium_memzero(digits, sizeof digits);
    return good ? UBR_OK : UBR_E_RECOVERY_KEY;
}
