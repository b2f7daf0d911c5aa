/* SPDX-License-Identifier: Apache-2.0 */
#include "nats_oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Families, a reserved name space by its first token and one by any token. Patterns are drawn from
 * all but the last. */
static const char *const words[ORACLE_WORDS] = {"a",      "b",        "a_b", "_INBOX",
                                                "UB_R_X", "UB_R_X_k", "zz"};

static char world[ORACLE_WORLD][ORACLE_SUBJECT_MAX];
static size_t world_count;
static uint64_t state;

uint64_t oracle_seed(void)
{
    const char *given = getenv("UNIBUS_ORACLE_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10)
                                  : (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
    printf("UNIBUS_ORACLE_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    state = seed * 2 + 1;
    return seed;
}

uint32_t oracle_draw(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state * 0x2545f4914f6cdd1du) >> 33) % below;
}

static void list_world(const char *prefix, int depth)
{
    for (int i = 0; i < ORACLE_WORDS; i++) {
        char *subject = world[world_count++];
        snprintf(subject, ORACLE_SUBJECT_MAX, "%s%s%s", prefix, prefix[0] == '\0' ? "" : ".",
                 words[i]);
        if (depth > 1) {
            list_world(subject, depth - 1);
        }
    }
}

void oracle_init(void)
{
    world_count = 0;
    list_world("", 4);
}

const char *oracle_subject(size_t at)
{
    return world[at];
}

static bool token_matches(const char *rule, size_t rule_len, bool is_family, const char *token,
                          size_t token_len)
{
    if (rule_len == 1 && rule[0] == '*') {
        return true;
    }
    if (token_len < rule_len || strncmp(rule, token, rule_len) != 0) {
        return false;
    }
    return token_len == rule_len || (is_family && token[rule_len] == '_');
}

static bool matches_from(const char *pattern, uint32_t family, const char *subject, uint32_t place)
{
    size_t p = strcspn(pattern, "."), s = strcspn(subject, ".");
    if (p == 1 && pattern[0] == '>') {
        return true;
    }
    if (!token_matches(pattern, p, place == family, subject, s)) {
        return false;
    }
    if (pattern[p] == '\0' || subject[s] == '\0') {
        return pattern[p] == subject[s];
    }
    return matches_from(pattern + p + 1, family, subject + s + 1, place + 1);
}

bool oracle_literal_matches(const char *pattern, uint32_t family, const char *subject)
{
    return matches_from(pattern, family, subject, 1);
}

void oracle_pattern_fill(struct oracle_pattern *pattern)
{
    memset(pattern->bits, 0, sizeof(pattern->bits));
    for (size_t i = 0; i < ORACLE_WORLD; i++) {
        if (oracle_literal_matches(pattern->text, pattern->family, world[i])) {
            pattern->bits[i / 64] |= (uint64_t)1 << i % 64;
        }
    }
}

void oracle_pattern_draw(struct oracle_pattern *pattern)
{
    uint32_t count = 1 + oracle_draw(3);
    pattern->text[0] = '\0';
    pattern->family = oracle_draw(2) == 0 ? 0 : oracle_draw(4);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t kind = oracle_draw(8);
        bool is_last = i + 1 == count;
        strcat(pattern->text, i > 0 ? "." : "");
        strcat(pattern->text, kind < 2               ? "*"
                              : kind == 2 && is_last ? ">"
                                                     : words[oracle_draw(ORACLE_WORDS - 1)]);
    }
    oracle_pattern_fill(pattern);
}

bool oracle_has(const struct oracle_pattern *pattern, size_t subject)
{
    return (pattern->bits[subject / 64] >> subject % 64 & 1) != 0;
}

bool oracle_covers(const struct oracle_pattern *outer, const struct oracle_pattern *inner)
{
    for (size_t i = 0; i < ORACLE_WORLD_BITS; i++) {
        if ((inner->bits[i] & ~outer->bits[i]) != 0) {
            return false;
        }
    }
    return true;
}

bool oracle_overlaps(const struct oracle_pattern *a, const struct oracle_pattern *b)
{
    for (size_t i = 0; i < ORACLE_WORLD_BITS; i++) {
        if ((a->bits[i] & b->bits[i]) != 0) {
            return true;
        }
    }
    return false;
}
