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

static inline uint64_t nats_hash_word(const uint8_t *ptr, size_t len)
{
    uint64_t word = 0;
    memcpy(&word, ptr, len);
    return word;
}

static inline uint64_t nats_hash(struct ub_bytes bytes, uint64_t seed)
{
    const uint8_t *ptr = bytes.ptr;
    size_t len = bytes.len;
    uint64_t hash = seed ^ (len * 0x9e3779b97f4a7c15u);
    for (; len >= 8; ptr += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, ptr, 8);
        hash = nats_hash_mix(hash ^ word, 0xa0761d6478bd642fu);
    }
    if (len > 0) {
        hash = nats_hash_mix(hash ^ nats_hash_word(ptr, len), 0xe7037ed1a0b428dbu);
    }
    return nats_hash_mix(hash ^ seed, 0x8ebc6af09c88c6e3u);
}

#endif
