/* SPDX-License-Identifier: Apache-2.0
 *
 * A fast hash for tables in memory, seeded at random per server so that a client cannot choose
 * collisions by heart. Not for anything that must be unforgeable: see replies.h for that. */
#ifndef NATS_HASH_H
#define NATS_HASH_H

#include <string.h>

#include <unibus/abi.h>

static inline uint64_t nats_hash_mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t nats_hash_eight(const uint8_t *ptr)
{
    uint64_t word;
    memcpy(&word, ptr, 8);
    return word;
}

/* Up to eight bytes as one word; ranges that overlap spare a copy of unknown length. */
static inline uint64_t nats_hash_few(const uint8_t *ptr, size_t len)
{
    if (len >= 4) {
        uint32_t low, high;
        memcpy(&low, ptr, 4);
        memcpy(&high, ptr + len - 4, 4);
        return low | (uint64_t)high << 32;
    }
    return len == 0 ? 0
                    : (uint64_t)ptr[0] | (uint64_t)ptr[len / 2] << 8 | (uint64_t)ptr[len - 1] << 16;
}

/* As memcmp == 0, for keys of a few dozen bytes. */
static inline bool nats_key_is(const uint8_t *a, const uint8_t *b, size_t len)
{
    if (len <= 8) {
        return nats_hash_few(a, len) == nats_hash_few(b, len);
    }
    for (size_t at = 0; at + 8 < len; at += 8) {
        if (nats_hash_eight(a + at) != nats_hash_eight(b + at)) {
            return false;
        }
    }
    return nats_hash_eight(a + len - 8) == nats_hash_eight(b + len - 8);
}

static inline uint64_t nats_hash(struct ub_bytes bytes, uint64_t seed)
{
    const uint8_t *ptr = bytes.ptr;
    size_t len = bytes.len;
    uint64_t hash = seed ^ (len * 0x9e3779b97f4a7c15u);
    for (; len > 8; ptr += 8, len -= 8) {
        hash = nats_hash_mix(hash ^ nats_hash_eight(ptr), 0xa0761d6478bd642fu);
    }
    uint64_t rest =
        bytes.len > 8 ? nats_hash_eight(bytes.ptr + bytes.len - 8) : nats_hash_few(ptr, len);
    hash = nats_hash_mix(hash ^ rest, 0xe7037ed1a0b428dbu);
    return nats_hash_mix(hash ^ seed, 0x8ebc6af09c88c6e3u);
}

#endif
