/* SPDX-License-Identifier: Apache-2.0
 *
 * One decision that is kept: texts bounded, and escaped like a log line, so that nothing from
 * outside reaches a terminal from them. Immutable once it is made, shared by reference count. */
#ifndef CORE_DECISION_H
#define CORE_DECISION_H

#include <stdatomic.h>
#include <sys/queue.h>

#include <jansson.h>

#include <unibus/host.h>

/* What the texts of a record are, in the order in which they are kept. */
enum decision_text {
    DECISION_ACTION,
    DECISION_RESOURCE_KIND,
    DECISION_RESOURCE_ID,
    DECISION_PRINCIPAL,
    DECISION_HANDLE,
    DECISION_ROLE,
    DECISION_ADDRESS,
    DECISION_PROVIDER,
    DECISION_CODE,
    DECISION_REASON,
    DECISION_PLACE,
    DECISION_DIGEST,
    DECISION_TEXTS
};

#define DECISION_INPUT_MAX 2048 /* of input_json; a longer one is left out, and that is said */

struct asker;

struct decision {
    _Atomic uint32_t refs;
    char id[UB_DECISION_ID_MAX];
    int64_t time_ms, took_us;
    bool is_allowed, is_input_cut;
    const char *texts[DECISION_TEXTS]; /* never NULL */
    const char *input;                 /* JSON as it came, or NULL */
    char *bytes;                       /* what the texts point into */
    /* Under the lock of struct decisions. */
    struct asker *asker;
    TAILQ_ENTRY(decision) all, own;
    LIST_ENTRY(decision) same_hash;
};

/* A copy with one reference; NULL without memory. A table of an older minor is read as far as it
 * goes. */
struct decision *decision_new(const struct ub_decision *from, const char *id, int64_t time_ms);
struct decision *decision_ref(struct decision *decision);
void decision_unref(struct decision **decision);

/* NULL without memory. */
json_t *decision_json(const struct decision *decision, const char *node);

#endif
