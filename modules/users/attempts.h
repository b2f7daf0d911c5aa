/* SPDX-License-Identifier: Apache-2.0
 *
 * Wrong passwords and tokens, counted by minute: from one address for one user, and from one
 * address off loopback for all users; an IPv6 address counts as its /64. Beyond the limit nothing
 * is tried until the minute is over. Any thread. */
#ifndef USERS_ATTEMPTS_H
#define USERS_ATTEMPTS_H

#include <pthread.h>

#include <unibus/abi.h>

#define USERS_ATTEMPTS_OF_USER    10
#define USERS_ATTEMPTS_OF_ADDRESS 100
#define USERS_ATTEMPTS_SLOTS      4096
#define USERS_ATTEMPTS_MS         60000

struct users_attempts {
    pthread_mutex_t lock;
    uint8_t key[16]; /* so that nobody can aim at a slot */
    struct users_attempt {
        uint64_t hash;
        int64_t since_ms;
        uint32_t count;
    } slots[USERS_ATTEMPTS_SLOTS];
};

void users_attempts_init(struct users_attempts *attempts, const uint8_t key[16]);
void users_attempts_fini(struct users_attempts *attempts);

struct users_attempt_by {
    const char *address, *user;
    bool is_loopback;
    int64_t now_ms; /* monotonic */
};

/* May this one be tried? */
bool users_attempts_may(struct users_attempts *attempts, const struct users_attempt_by *by);
/* It was wrong. True when this one reached a limit. */
bool users_attempts_failed(struct users_attempts *attempts, const struct users_attempt_by *by);
/* It was right: the user's count from there starts anew. */
void users_attempts_succeeded(struct users_attempts *attempts, const struct users_attempt_by *by);

#endif
