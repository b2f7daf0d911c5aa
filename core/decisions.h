/* SPDX-License-Identifier: Apache-2.0
 *
 * The decision log: the latest decisions of this node in memory, and a log line for each refusal.
 *
 * Whoever asks much does not push out what others did: when it is full, the oldest decision of the
 * asker who holds the most goes. An asker is an identity, or the address of somebody who is none
 * yet (the /64 of IPv6); all of the latter together give way first once they hold a quarter. */
#ifndef CORE_DECISIONS_H
#define CORE_DECISIONS_H

#include <pthread.h>

#include "clock.h"
#include "decision.h"
#include "log.h"

struct decisions_settings {
    int64_t keep;           /* at least 16 */
    int64_t sample;         /* one of so many that were allowed is kept; 0 = none */
    int64_t log_per_minute; /* lines for one asker */
};

/* All askers together may have so many times log_per_minute lines. */
#define DECISIONS_LOG_ASKERS 30

#define ASKER_KEY_MAX 72

TAILQ_HEAD(decision_list, decision);
TAILQ_HEAD(asker_list, asker);
LIST_HEAD(decision_chain, decision);
LIST_HEAD(asker_chain, asker);

/* Who asked; exists while one of his decisions is kept. */
struct asker {
    char key[ASKER_KEY_MAX]; /* the id, or "@" and the address */
    bool is_nobody;
    uint32_t count;
    struct decision_list own; /* oldest first */
    TAILQ_ENTRY(asker) same_count;
    LIST_ENTRY(asker) same_hash;
    uint64_t minute; /* of the two below */
    uint32_t lines, silent;
};

/* Askers by how much they hold: identities, and those who are nobody. */
struct asker_class {
    struct asker_list *by_count; /* keep + 2 lists */
    uint32_t total, most;
};

/* Lines that were not written in a minute. */
struct decisions_silence {
    uint64_t silent;
    uint32_t worst;
    char worst_key[ASKER_KEY_MAX];
};

struct decisions {
    const struct clock *clock;
    struct log *log;
    struct decisions_settings settings;
    pthread_mutex_t lock;     /* of all below; held for a few list operations only */
    struct decision_list all; /* oldest first */
    uint32_t count, chain_mask;
    struct decision_chain *by_id;
    struct asker_chain *by_key;
    struct asker_class known, nobody;
    uint8_t hash_key[16];
    uint64_t minute; /* of the lines and the silence */
    uint32_t lines;
    struct decisions_silence silence;
};

void decisions_init(struct decisions *decisions, const struct clock *clock, struct log *log);
void decisions_fini(struct decisions *decisions);
/* Before the first record. */
void decisions_configure(struct decisions *decisions, const struct decisions_settings *settings);

/* As ub_host_decision.record; `module` says who recorded it. Threads: any. */
void decisions_record(struct decisions *decisions, const char *module,
                      const struct ub_decision *decision, char *id_out);
/* As in struct ub_host_decision; `node` is the name that the answer carries. Threads: any. */
char *decisions_find_json(struct decisions *decisions, const char *node, const char *id);
char *decisions_list_json(struct decisions *decisions, const char *node, const char *since,
                          const char *principal, size_t max);
/* Tells of the lines that a minute did not get, when it is over. Threads: any. */
void decisions_tick(struct decisions *decisions);

/* ---- decisions_keep.c: who holds what; under the lock -----------------------------------------
 */

void decisions_tables_init(struct decisions *decisions);
void decisions_tables_fini(struct decisions *decisions);
/* Takes the reference. What had to go for it is the caller's to unref, or NULL; the asker is NULL
 * when there was no memory for one and nothing was kept. */
struct asker *decisions_keep(struct decisions *decisions, struct decision **decision,
                             struct decision **evicted_out);
struct decision *decisions_find(struct decisions *decisions, const char *id);
struct asker *decisions_asker(struct decisions *decisions, const char *key);
/* The key by which somebody is known: ASKER_KEY_MAX bytes. True = he is nobody yet. */
bool decisions_key(const char *id, const char *address, char *key_out);

/* ---- decisions_log.c: which refusals get a line -----------------------------------------------
 */

/* True when the refusal may be logged; when a minute is over, what it did not get goes to
 * *ended_out (silent = 0: nothing to tell). asker may be NULL. Under the lock. */
bool decisions_may_log(struct decisions *decisions, struct asker *asker,
                       struct decisions_silence *ended_out);
/* A new minute? As above. Under the lock. */
void decisions_turn(struct decisions *decisions, struct decisions_silence *ended_out);
/* Without the lock. */
void decisions_log_refusal(struct decisions *decisions, const char *module,
                           const struct decision *decision);
void decisions_log_silence(struct decisions *decisions, const struct decisions_silence *ended);

#endif
