/* SPDX-License-Identifier: Apache-2.0 */
#include "attempts.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

void users_attempts_init(struct users_attempts *attempts, const uint8_t key[16])
{
    memset(attempts, 0, sizeof(*attempts));
    pthread_mutex_init(&attempts->lock, NULL);
    memcpy(attempts->key, key, sizeof(attempts->key));
}

void users_attempts_fini(struct users_attempts *attempts)
{
    pthread_mutex_destroy(&attempts->lock);
}

/* Whoever has one IPv6 address has the 2^64 beside it, and would have as many tries. */
static const char *place_of(const char *address, char net[INET6_ADDRSTRLEN])
{
    struct in6_addr in;
    if (address == NULL || inet_pton(AF_INET6, address, &in) != 1 || IN6_IS_ADDR_V4MAPPED(&in)) {
        return address != NULL ? address : "";
    }
    memset(in.s6_addr + 8, 0, 8);
    return inet_ntop(AF_INET6, &in, net, INET6_ADDRSTRLEN);
}

/* The slot of an address and a user (NULL = all of them), empty when its minute is over or it was
 * somebody else's: a stranger who pushes others out had to fail himself for it. Under the lock. */
static struct users_attempt *slot_of(struct users_attempts *attempts,
                                     const struct users_attempt_by *by, const char *user)
{
    char text[512], net[INET6_ADDRSTRLEN];
    uint8_t out[crypto_shorthash_BYTES];
    uint64_t hash;
    snprintf(text, sizeof(text), "%s%s%s", place_of(by->address, net), user != NULL ? "\n" : "",
             user != NULL ? user : "");
    crypto_shorthash(out, (const uint8_t *)text, strlen(text), attempts->key);
    memcpy(&hash, out, sizeof(hash));
    struct users_attempt *slot = &attempts->slots[hash % USERS_ATTEMPTS_SLOTS];
    if (slot->hash != hash || by->now_ms - slot->since_ms >= USERS_ATTEMPTS_MS) {
        *slot = (struct users_attempt){hash, by->now_ms, 0};
    }
    return slot;
}

bool users_attempts_may(struct users_attempts *attempts, const struct users_attempt_by *by)
{
    pthread_mutex_lock(&attempts->lock);
    bool may = slot_of(attempts, by, by->user)->count < USERS_ATTEMPTS_OF_USER &&
               (by->is_loopback || slot_of(attempts, by, NULL)->count < USERS_ATTEMPTS_OF_ADDRESS);
    pthread_mutex_unlock(&attempts->lock);
    return may;
}

bool users_attempts_failed(struct users_attempts *attempts, const struct users_attempt_by *by)
{
    pthread_mutex_lock(&attempts->lock);
    bool is_reached = ++slot_of(attempts, by, by->user)->count == USERS_ATTEMPTS_OF_USER;
    if (!by->is_loopback) {
        is_reached |= ++slot_of(attempts, by, NULL)->count == USERS_ATTEMPTS_OF_ADDRESS;
    }
    pthread_mutex_unlock(&attempts->lock);
    return is_reached;
}

void users_attempts_succeeded(struct users_attempts *attempts, const struct users_attempt_by *by)
{
    pthread_mutex_lock(&attempts->lock);
    slot_of(attempts, by, by->user)->count = 0;
    pthread_mutex_unlock(&attempts->lock);
}
