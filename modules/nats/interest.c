/* SPDX-License-Identifier: Apache-2.0 */
#include "interest.h"

#include <stdlib.h>

#define INTEREST_BUCKETS 1024

enum interest_state { INTEREST_WAITING, INTEREST_FIRING, INTEREST_FIRED };

struct ub_bus_interest {
    struct ub_bus_interest *next, **link; /* of the same bucket; or of those that fire */
    struct nats_sub *sub;                 /* the one it hangs on */
    ub_bus_gone_fn gone;
    void *arg;
    enum interest_state state;
    pthread_t firing_thread;
    bool is_unwatched; /* within gone: free it afterwards */
    size_t len;
    uint8_t subject[];
};

struct nats_interests {
    /* Taken before the list's lock, so that a watch and the end of a subscription exclude each
     * other. */
    pthread_mutex_t lock;
    pthread_cond_t is_fired;
    struct ub_bus_interest *buckets[INTEREST_BUCKETS]; /* by subscription */
    _Atomic size_t count;
};

struct nats_interests *nats_interests_new(void)
{
    struct nats_interests *interests = calloc(1, sizeof(*interests));
    if (interests != NULL) {
        pthread_mutex_init(&interests->lock, NULL);
        pthread_cond_init(&interests->is_fired, NULL);
    }
    return interests;
}

void nats_interests_free(struct nats_interests **interests)
{
    if (*interests == NULL) {
        return;
    }
    pthread_cond_destroy(&(*interests)->is_fired);
    pthread_mutex_destroy(&(*interests)->lock);
    free(*interests);
    *interests = NULL;
}

static struct ub_bus_interest **interest_bucket(struct nats_interests *interests,
                                                const struct nats_sub *sub)
{
    return &interests->buckets[((uintptr_t)sub >> 5) % INTEREST_BUCKETS];
}

static void interest_link(struct ub_bus_interest **head, struct ub_bus_interest *interest)
{
    interest->next = *head;
    interest->link = head;
    if (*head != NULL) {
        (*head)->link = &interest->next;
    }
    *head = interest;
}

static void interest_unlink(struct ub_bus_interest *interest)
{
    *interest->link = interest->next;
    if (interest->next != NULL) {
        interest->next->link = interest->link;
    }
}

/* Hangs it on a subscription that matches; false when there is none. */
static bool interest_attach(struct nats_server *server, struct ub_bus_interest *interest)
{
    struct ub_bytes subject = {interest->subject, interest->len};
    nats_sublist_write_begin(&server->sublist);
    bool is_found = nats_sublist_find_locked(&server->sublist, subject, NULL, NULL, &interest->sub);
    if (is_found) {
        interest->sub->is_watched = true;
        interest_link(interest_bucket(server->interests, interest->sub), interest);
    }
    nats_sublist_write_end(&server->sublist);
    return is_found;
}

enum ub_status nats_interest_watch(struct nats_server *server, struct ub_bytes subject,
                                   ub_bus_gone_fn gone, void *arg,
                                   struct ub_bus_interest **interest_out)
{
    struct nats_interests *interests = server->interests;
    if (!nats_subject_is_literal(subject)) {
        return UB_EINVAL;
    }
    struct ub_bus_interest *interest = calloc(1, sizeof(*interest) + subject.len);
    if (interest == NULL) {
        return UB_ENOMEM;
    }
    interest->gone = gone;
    interest->arg = arg;
    interest->len = subject.len;
    memcpy(interest->subject, subject.ptr, subject.len);
    atomic_fetch_add(&interests->count, 1); /* before it hangs anywhere: see nats_interest_lost */
    pthread_mutex_lock(&interests->lock);
    *interest_out = interest; /* before anybody may fire it */
    bool is_watched = interest_attach(server, interest);
    pthread_mutex_unlock(&interests->lock);
    if (!is_watched) {
        *interest_out = NULL;
        atomic_fetch_sub(&interests->count, 1);
        free(interest);
        return UB_ENOTFOUND;
    }
    return UB_OK;
}

void nats_interest_unwatch(struct nats_server *server, struct ub_bus_interest **interest)
{
    struct nats_interests *interests = server->interests;
    struct ub_bus_interest *it = *interest;
    *interest = NULL;
    if (it == NULL) {
        return;
    }
    pthread_mutex_lock(&interests->lock);
    bool is_within =
        it->state == INTEREST_FIRING && pthread_equal(it->firing_thread, pthread_self()) != 0;
    while (it->state == INTEREST_FIRING && !is_within) {
        pthread_cond_wait(&interests->is_fired, &interests->lock);
    }
    if (it->state == INTEREST_WAITING) {
        interest_unlink(it);
    }
    it->is_unwatched = true;
    pthread_mutex_unlock(&interests->lock);
    atomic_fetch_sub(&interests->count, 1);
    if (!is_within) {
        free(it);
    }
}

/* Those that hung on the subscription and found no other. */
static struct ub_bus_interest *interests_take_lost(struct nats_server *server,
                                                   const struct nats_sub *sub)
{
    struct ub_bus_interest *moving = NULL, *lost = NULL;
    struct ub_bus_interest *interest = *interest_bucket(server->interests, sub);
    for (struct ub_bus_interest *next; interest != NULL; interest = next) {
        next = interest->next;
        if (interest->sub == sub) {
            interest_unlink(interest);
            interest_link(&moving, interest);
        }
    }
    while (moving != NULL) {
        interest = moving;
        interest_unlink(interest);
        if (!interest_attach(server, interest)) {
            interest->state = INTEREST_FIRING;
            interest->firing_thread = pthread_self();
            interest_link(&lost, interest);
        }
    }
    return lost;
}

static void interest_fire(struct nats_interests *interests, struct ub_bus_interest *interest)
{
    interest->gone(interest->arg, (struct ub_bytes){interest->subject, interest->len});
    pthread_mutex_lock(&interests->lock);
    bool is_unwatched = interest->is_unwatched;
    interest->state = INTEREST_FIRED;
    pthread_cond_broadcast(&interests->is_fired);
    pthread_mutex_unlock(&interests->lock);
    if (is_unwatched) {
        free(interest);
    }
}

void nats_interest_lost(struct nats_server *server, struct nats_sub *sub)
{
    struct nats_interests *interests = server->interests;
    if (atomic_load(&interests->count) == 0) {
        return; /* a watch that was there before the change is counted: the list's lock ordered us
                 */
    }
    struct ub_bus_interest *lost = NULL;
    pthread_mutex_lock(&interests->lock);
    if (sub->is_watched) {
        sub->is_watched = false;
        lost = interests_take_lost(server, sub);
    }
    pthread_mutex_unlock(&interests->lock);
    for (struct ub_bus_interest *next; lost != NULL; lost = next) {
        next = lost->next;
        interest_fire(interests, lost);
    }
}
