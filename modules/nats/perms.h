/* SPDX-License-Identifier: Apache-2.0
 *
 * A permission set compiled for fast answers. Immutable and shared by all connections that were
 * granted the same set(s); any thread.
 *
 * Several providers may have answered: the first one's set is the grant, the deny rules of all
 * narrow it, and the allow rules of the others count outside the reserved name spaces only
 * (authz.h). Queue restrictions mean what nats-server means by "subject queue": an allow rule with
 * a queue admits that group only, and where one covers the subject, queue subscriptions need it. */
#ifndef NATS_PERMS_H
#define NATS_PERMS_H

#include <stdatomic.h>

#include <unibus/authz.h>

#include "subject.h"

#define NATS_SETS_MAX   8 /* providers that granted or narrowed one connection */
#define NATS_GUARDS_MAX 4 /* different guards on one subject */

struct nats_perms_index;

struct nats_perms {
    _Atomic uint32_t refs;
    uint64_t id;      /* never used twice */
    uint64_t content; /* nats_perms_content of its sets */
    bool has_inbox_rules;
    uint32_t set_count;
    const struct ub_perms *sets[NATS_SETS_MAX]; /* a reference each */
    struct nats_perms_index *index;             /* every rule, by subject */
    struct ub_perm_rule *rules;
    uint8_t *rule_sets; /* from which of the sets each rule is */
    uint32_t rule_count;
    const struct ub_perm_rule **subscribe_denials;
    uint32_t subscribe_denial_count;
    const char *inbox_token; /* NULL = none */
    int64_t max_subscriptions, max_payload_bytes, max_response_count, max_response_ms;
};

/* Compiles count (1 to NATS_SETS_MAX) sets and takes a reference to each. NULL, with a reason in
 * err, when memory is short or a deny rule is not a valid pattern: then nobody may connect by it.
 * An invalid allow rule grants nothing. */
struct nats_perms *nats_perms_new(const struct ub_perms *const *sets, uint32_t count,
                                  struct ub_err *err);
void nats_perms_unref(const struct nats_perms **perms);

static inline const struct nats_perms *nats_perms_ref(const struct nats_perms *perms)
{
    if (perms != NULL) {
        atomic_fetch_add_explicit(&((struct nats_perms *)(uintptr_t)perms)->refs, 1,
                                  memory_order_relaxed);
    }
    return perms;
}

/* A hash of what the sets say, and whether a compiled set says the same: providers may make a new
 * set for each question. perms_same.c */
uint64_t nats_perms_content(const struct ub_perms *const *sets, uint32_t count);
bool nats_perms_says(const struct nats_perms *perms, const struct ub_perms *const *sets,
                     uint32_t count);
/* The i-th rule, whatever the provider's idea of its size. */
struct ub_perm_rule nats_perms_rule(const struct ub_perms *set, uint32_t i);

enum nats_publish_right {
    NATS_PUBLISH_DENIED = 0,
    NATS_PUBLISH_ALLOWED,
    NATS_PUBLISH_GUARDED /* allowed when one of the guards accepts the payload */
};

struct nats_verdict {
    enum nats_publish_right right;
    bool has_denial;      /* by a deny rule, not for want of an allow rule */
    uint32_t guard_count; /* with GUARDED; more than NATS_GUARDS_MAX on one subject: denied */
    const struct ub_guard *guards[NATS_GUARDS_MAX];
};

/* May it publish on a literal subject? Inbox rules are not in it. */
struct nats_verdict nats_perms_publish(const struct nats_perms *perms, struct ub_bytes subject);

/* May it subscribe to a pattern, in a queue group when queue is not empty? Inbox rules are in it as
 * far as they are about the shape of the pattern; who owns the token is in inbox.h.
 * *needs_filter_out: messages must be asked after by nats_perms_may_receive. */
bool nats_perms_subscribe(const struct nats_perms *perms, struct ub_bytes pattern,
                          struct ub_bytes queue, bool *needs_filter_out);

/* May a subscription to `pattern`, allowed with a filter, receive this literal subject? */
bool nats_perms_may_receive(const struct nats_perms *perms, struct ub_bytes pattern,
                            struct ub_bytes queue, struct ub_bytes subject);

/* The module whose rule it is; rule: one of perms->rules. */
static inline const char *nats_perms_provider(const struct nats_perms *perms,
                                              const struct ub_perm_rule *rule)
{
    return perms->sets[perms->rule_sets[rule - perms->rules]]->provider;
}

/* Does the payload meet the guard? now_ms is monotonic. */
bool nats_guard_accepts(const struct ub_guard *guard, struct ub_bytes payload, int64_t now_ms);

/* Is this pattern below `_INBOX.`, literally so? */
bool nats_is_inbox(struct ub_bytes subject);

#endif
