/* SPDX-License-Identifier: Apache-2.0
 *
 * What subjects, subscriptions and permissions mean, written so that it can be read and not so that
 * it is fast: a pattern is the set of those literal subjects of a small world that it matches, one
 * bit each. "Covers" is then a subset and "overlaps" an intersection; nothing of it is in the code
 * under test. The world is one token deeper and one word wider than the patterns that are drawn, so
 * that `>`, `*` and a literal never look alike. */
#ifndef TEST_NATS_ORACLE_H
#define TEST_NATS_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ORACLE_WORDS       7
#define ORACLE_WORLD       (7 + 49 + 343 + 2401) /* literal subjects of 1 to 4 words */
#define ORACLE_WORLD_BITS  ((ORACLE_WORLD + 63) / 64)
#define ORACLE_SUBJECT_MAX 48
#define ORACLE_POOL        400

struct oracle_pattern {
    char text[ORACLE_SUBJECT_MAX];
    uint32_t family; /* as ub_perm_rule.family_token */
    uint64_t bits[ORACLE_WORLD_BITS];
};

/* The seed of this run: UNIBUS_ORACLE_SEED, or one from the clock; printed, so that a failure can
 * be had again. */
uint64_t oracle_seed(void);
uint32_t oracle_draw(uint32_t below); /* one thread; oracle_seed first */

void oracle_init(void); /* lists the world */
const char *oracle_subject(size_t at);

/* By the letter of the definition, token by token. */
bool oracle_literal_matches(const char *pattern, uint32_t family, const char *subject);
/* Fills bits from text and family. */
void oracle_pattern_fill(struct oracle_pattern *pattern);
void oracle_pattern_draw(struct oracle_pattern *pattern);

bool oracle_has(const struct oracle_pattern *pattern, size_t subject);
bool oracle_covers(const struct oracle_pattern *outer, const struct oracle_pattern *inner);
bool oracle_overlaps(const struct oracle_pattern *a, const struct oracle_pattern *b);

#endif
