/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "check.h"
#include "decisions.h"

static void class_init(struct asker_class *class, size_t keep)
{
    *class = (struct asker_class){.by_count = calloc(keep + 2, sizeof(*class->by_count))};
    CHECK(class->by_count != NULL);
    for (size_t i = 0; i < keep + 2; i++) { /* one too many, until it is evicted */
        TAILQ_INIT(&class->by_count[i]);
    }
}

void decisions_tables_init(struct decisions *decisions)
{
    size_t keep = (size_t)decisions->settings.keep, chains = 16;
    while (chains < keep) {
        chains *= 2;
    }
    TAILQ_INIT(&decisions->all);
    decisions->count = 0;
    decisions->chain_mask = (uint32_t)chains - 1;
    decisions->by_id = calloc(chains, sizeof(*decisions->by_id));
    decisions->by_key = calloc(chains, sizeof(*decisions->by_key));
    CHECK(decisions->by_id != NULL && decisions->by_key != NULL);
    class_init(&decisions->known, keep);
    class_init(&decisions->nobody, keep);
}

static struct asker_class *class_of(struct decisions *decisions, const struct asker *asker)
{
    return asker->is_nobody ? &decisions->nobody : &decisions->known;
}

/* One more or one less; moves the asker to the list of those who hold as many. */
static void asker_count(struct decisions *decisions, struct asker *asker, int by)
{
    struct asker_class *class = class_of(decisions, asker);
    TAILQ_REMOVE(&class->by_count[asker->count], asker, same_count);
    asker->count = (uint32_t)((int64_t)asker->count + by);
    class->total = (uint32_t)((int64_t) class->total + by);
    TAILQ_INSERT_TAIL(&class->by_count[asker->count], asker, same_count);
    if (asker->count > class->most) {
        class->most = asker->count;
    }
    while (class->most > 0 && TAILQ_EMPTY(&class->by_count[class->most])) {
        class->most--;
    }
}

static void asker_free_if_empty(struct decisions *decisions, struct asker *asker)
{
    if (asker->count == 0) {
        TAILQ_REMOVE(&class_of(decisions, asker)->by_count[0], asker, same_count);
        LIST_REMOVE(asker, same_hash);
        free(asker);
    }
}

static struct decision *drop(struct decisions *decisions, struct decision *decision)
{
    struct asker *asker = decision->asker;
    TAILQ_REMOVE(&decisions->all, decision, all);
    TAILQ_REMOVE(&asker->own, decision, own);
    LIST_REMOVE(decision, same_hash);
    decision->asker = NULL;
    decisions->count--;
    asker_count(decisions, asker, -1);
    asker_free_if_empty(decisions, asker);
    return decision;
}

void decisions_tables_fini(struct decisions *decisions)
{
    while (!TAILQ_EMPTY(&decisions->all)) {
        struct decision *decision = drop(decisions, TAILQ_FIRST(&decisions->all));
        decision_unref(&decision);
    }
    free(decisions->by_id);
    free(decisions->by_key);
    free(decisions->known.by_count);
    free(decisions->nobody.by_count);
}

static uint32_t hash_of(const struct decisions *decisions, const char *text)
{
    uint64_t hash;
    _Static_assert(crypto_shorthash_BYTES == sizeof(hash), "one word");
    crypto_shorthash((unsigned char *)&hash, (const unsigned char *)text, strlen(text),
                     decisions->hash_key);
    return (uint32_t)hash & decisions->chain_mask;
}

struct decision *decisions_find(struct decisions *decisions, const char *id)
{
    struct decision *decision;
    LIST_FOREACH(decision, &decisions->by_id[hash_of(decisions, id)], same_hash)
    {
        if (strcmp(decision->id, id) == 0) {
            return decision;
        }
    }
    return NULL;
}

struct asker *decisions_asker(struct decisions *decisions, const char *key)
{
    struct asker *asker;
    LIST_FOREACH(asker, &decisions->by_key[hash_of(decisions, key)], same_hash)
    {
        if (strcmp(asker->key, key) == 0) {
            return asker;
        }
    }
    return NULL;
}

bool decisions_key(const char *id, const char *address, char *key_out)
{
    struct in6_addr v6;
    char net[INET6_ADDRSTRLEN];
    if (id[0] != '\0') {
        snprintf(key_out, ASKER_KEY_MAX, "%s", id);
        return false;
    }
    if (inet_pton(AF_INET6, address, &v6) == 1 && !IN6_IS_ADDR_V4MAPPED(&v6)) {
        memset(&v6.s6_addr[8], 0, 8); /* one customer has a /64 at least */
        inet_ntop(AF_INET6, &v6, net, sizeof(net));
        snprintf(key_out, ASKER_KEY_MAX, "@%s", net);
    } else {
        snprintf(key_out, ASKER_KEY_MAX, "@%s", address);
    }
    return true;
}

static struct asker *asker_get(struct decisions *decisions, const struct decision *decision)
{
    char key[ASKER_KEY_MAX];
    bool is_nobody =
        decisions_key(decision->texts[DECISION_PRINCIPAL], decision->texts[DECISION_ADDRESS], key);
    struct asker *asker = decisions_asker(decisions, key);
    if (asker == NULL && (asker = calloc(1, sizeof(*asker))) != NULL) {
        memcpy(asker->key, key, sizeof(asker->key));
        asker->is_nobody = is_nobody;
        TAILQ_INIT(&asker->own);
        TAILQ_INSERT_TAIL(&class_of(decisions, asker)->by_count[0], asker, same_count);
        LIST_INSERT_HEAD(&decisions->by_key[hash_of(decisions, key)], asker, same_hash);
    }
    return asker;
}

/* The oldest of the asker with the most; among equals of him who got there first. That is never
 * what was kept just now: somebody who is alone in the class that must give way holds more. */
static struct decision *evict(struct decisions *decisions)
{
    const struct asker_class *nobody = &decisions->nobody, *known = &decisions->known;
    bool is_nobodys = known->total == 0 || nobody->total > decisions->settings.keep / 4;
    const struct asker_class *class = is_nobodys ? nobody : known;
    const struct asker *greedy = TAILQ_FIRST(&class->by_count[class->most]);
    return drop(decisions, TAILQ_FIRST(&greedy->own));
}

struct asker *decisions_keep(struct decisions *decisions, struct decision **decision,
                             struct decision **evicted_out)
{
    struct decision *kept = *decision;
    struct asker *asker = asker_get(decisions, kept);
    *evicted_out = NULL;
    if (asker == NULL) {
        return NULL;
    }
    *decision = NULL;
    kept->asker = asker;
    TAILQ_INSERT_TAIL(&decisions->all, kept, all);
    TAILQ_INSERT_TAIL(&asker->own, kept, own);
    LIST_INSERT_HEAD(&decisions->by_id[hash_of(decisions, kept->id)], kept, same_hash);
    asker_count(decisions, asker, 1);
    if (++decisions->count > decisions->settings.keep) {
        *evicted_out = evict(decisions);
    }
    return asker;
}
