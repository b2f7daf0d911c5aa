/* SPDX-License-Identifier: Apache-2.0 */
#include "judge.h"

#include <stdlib.h>
#include <string.h>

#include "rooms.h"

static struct memb_verdict refuse(enum ub_problem problem, enum ubr_error rule, uint64_t seq,
                                  const char *detail)
{
    return (struct memb_verdict){.problem = problem, .rule = rule, .seq = seq, .detail = detail};
}

static struct memb_verdict refuse_entry(enum ubr_error rule, uint64_t seq)
{
    enum ub_problem problem = rule == UBR_E_MEMORY ? UB_P_INTERNAL : UB_P_ENTRY_INVALID;
    return refuse(problem, rule, seq, ubr_error_meaning(rule));
}

/* ---- what asks for a new epoch (7.2) ----------------------------------------------------------
 */

/* Everything that an entry may take away, remembered before it is taken. */
struct before {
    enum ubr_role author_role;
    unsigned history;
    bool has_chain;
    struct ubr_chain chain; /* pinned for the account of a device entry */
};

static enum ubr_error remember(const struct ubr_log *log, const struct ubr_entry *entry,
                               struct before *before_out)
{
    struct ubr_member member;
    *before_out = (struct before){0};
    before_out->history = ubr_log_state(log)->policy & UBR_POLICY_HISTORY;
    if (ubr_log_member(log, entry->author_pk, &member)) {
        before_out->author_role = member.role;
    }
    const struct ubr_chain *chain =
        entry->type == UBR_ENTRY_DEVICE ? ubr_log_pinned_chain(log, entry->account_pk) : NULL;
    if (chain == NULL) {
        return UBR_OK;
    }
    before_out->has_chain = true;
    return ubr_chain_copy(chain, &before_out->chain);
}

static void forget(struct before *before)
{
    if (before->has_chain) {
        ubr_chain_fini(&before->chain);
    }
}

/* A kid was taken away or has another box key. */
static bool has_lost_box(const struct ubr_chain *old, const struct ubr_chain *new)
{
    for (size_t i = 0; i < old->devices_len; i++) {
        const struct ubr_device *was = &old->devices[i];
        const struct ubr_device *is = ubr_chain_device(new, was->kid);
        if (!was->is_revoked &&
            (is == NULL || is->is_revoked || memcmp(is->box_pk, was->box_pk, UBR_KEY_LEN) != 0)) {
            return true;
        }
    }
    return false;
}

static bool asks_for_epoch(const struct ubr_log *log, const struct ubr_entry *entry,
                           const struct before *before)
{
    switch (entry->type) {
    case UBR_ENTRY_ADD:
        return before->history == UBR_HISTORY_NEXT_EPOCH;
    case UBR_ENTRY_REMOVE:
        return entry->reason != UBR_REMOVE_LEFT;
    case UBR_ENTRY_POLICY:
        return (ubr_log_state(log)->policy & UBR_POLICY_HISTORY) < before->history;
    case UBR_ENTRY_DEVICE: /* readers may not author epochs: the room stays stale */
        return before->author_role > UBR_ROLE_READER && before->has_chain &&
               has_lost_box(&before->chain, ubr_log_pinned_chain(log, entry->account_pk));
    default:
        return false;
    }
}

/* ---- one entry after the other ----------------------------------------------------------------
 */

struct walk {
    struct memb_room *room;
    bool is_plain;
    bool needs_epoch;
    uint8_t author_pk[UBR_KEY_LEN], author_kid[UBR_KID_LEN];
    struct memb_verdict verdict; /* so far */
};

static bool is_by(const struct walk *walk, const struct ubr_entry *entry)
{
    return memcmp(entry->author_pk, walk->author_pk, UBR_KEY_LEN) == 0 &&
           memcmp(entry->author_kid, walk->author_kid, UBR_KID_LEN) == 0;
}

static enum ubr_error keep_recipients(struct walk *walk)
{
    struct memb_verdict *verdict = &walk->verdict;
    uint8_t hash[UBR_HASH_LEN];
    uint32_t count;
    size_t cursor = 0;
    ubr_log_recipients_hash(walk->room->log, hash, &count);
    verdict->recipients = calloc((size_t)count + 1, sizeof *verdict->recipients);
    if (verdict->recipients == NULL) {
        return UBR_E_MEMORY;
    }
    while (verdict->recipients_len < count &&
           ubr_log_recipient_next(walk->room->log, &cursor,
                                  &verdict->recipients[verdict->recipients_len])) {
        verdict->recipients_len++;
    }
    return UBR_OK;
}

static enum ubr_error take_epoch(struct walk *walk, const struct ubr_entry *entry)
{
    if (walk->is_plain) {
        return UBR_E_POLICY; /* a plain room that has epochs would look sealed */
    }
    if (walk->verdict.has_epoch) {
        return UBR_E_LIMIT;
    }
    walk->needs_epoch = false;
    walk->verdict.has_epoch = true;
    memcpy(walk->verdict.commit, entry->commit, UBR_HASH_LEN);
    return keep_recipients(walk);
}

static enum ubr_error take_entry(struct walk *walk, const struct ubr_record_store *store,
                                 const struct memb_entry_bytes *bytes, struct ubr_entry *entry)
{
    struct before before;
    struct ubr_log *log = walk->room->log;
    enum ubr_error rule = remember(log, entry, &before);
    if (rule == UBR_OK) {
        rule = ubr_log_append(log, store, bytes->body, bytes->sig);
    }
    if (rule == UBR_OK && entry->type == UBR_ENTRY_EPOCH) {
        rule = take_epoch(walk, entry);
    } else if (rule == UBR_OK && asks_for_epoch(log, entry, &before)) {
        walk->needs_epoch = !walk->is_plain;
    }
    forget(&before);
    return rule;
}

/* A body that does not parse goes to the log all the same, whose order of checks names the code. */
static void walk_entry(struct walk *walk, const struct ubr_record_store *store,
                       const struct memb_entry_bytes *bytes)
{
    struct ubr_entry entry;
    uint64_t seq = ubr_log_state(walk->room->log)->entries;
    if (ubr_entry_parse(bytes->body, &entry) != UBR_OK) {
        free(walk->verdict.recipients);
        enum ubr_error rule = ubr_log_append(walk->room->log, store, bytes->body, bytes->sig);
        walk->verdict = refuse_entry(rule != UBR_OK ? rule : UBR_E_PARSE, seq);
        return;
    }
    if (!is_by(walk, &entry)) {
        free(walk->verdict.recipients);
        walk->verdict = refuse(UB_P_FORBIDDEN, UBR_OK, seq,
                               "all entries must be by the device that signed the request");
        return;
    }
    enum ubr_error rule = take_entry(walk, store, bytes, &entry);
    if (rule != UBR_OK) {
        free(walk->verdict.recipients);
        walk->verdict = refuse_entry(rule, seq);
    }
}

static void judge_end(struct walk *walk)
{
    const struct ubr_log_state *state = ubr_log_state(walk->room->log);
    struct memb_verdict *verdict = &walk->verdict;
    if (verdict->problem != UB_P_NONE) {
        return;
    }
    if (walk->needs_epoch || (!walk->is_plain && state->epoch == 0)) {
        free(verdict->recipients);
        *verdict = refuse(UB_P_NEEDS_EPOCH, UBR_OK, state->entries,
                          "an epoch entry must follow in the same append");
        return;
    }
    verdict->head_seq = state->entries - 1;
    memcpy(verdict->head, state->head, UBR_HASH_LEN);
    memcpy(verdict->room_id, state->room_id, UBR_ROOM_ID_LEN);
}

/* The admin socket has no device: there the first entry says whose append it is. */
static void find_author(struct walk *walk, const struct memb_append *append,
                        const struct memb_author *author)
{
    struct ubr_entry first;
    if (author->account_pk != NULL) {
        memcpy(walk->author_pk, author->account_pk, UBR_KEY_LEN);
        memcpy(walk->author_kid, author->kid, UBR_KID_LEN);
    } else if (ubr_entry_parse(append->entries[0].body, &first) == UBR_OK) {
        memcpy(walk->author_pk, first.author_pk, UBR_KEY_LEN);
        memcpy(walk->author_kid, first.author_kid, UBR_KID_LEN);
    }
}

static bool is_room_admin(const struct memb_room *room, const uint8_t *account_pk)
{
    struct ubr_member member;
    return ubr_log_member(room->log, account_pk, &member) && member.role >= UBR_ROLE_ADMIN;
}

struct memb_verdict memb_judge(struct memb_model *model, struct memb_room *room,
                               const struct memb_append *append, const struct memb_author *author)
{
    struct ubr_record_store store = memb_record_store(model);
    bool is_new = room->entries_len == 0;
    struct walk walk = {.room = room, .is_plain = is_new ? append->is_plain : room->is_plain};
    find_author(&walk, append, author);
    bool is_free_of_rate = is_new || is_room_admin(room, walk.author_pk);
    ubr_log_begin(room->log);
    for (uint16_t i = 0; i < append->entries_len && walk.verdict.problem == UB_P_NONE; i++) {
        walk_entry(&walk, &store, &append->entries[i]);
    }
    judge_end(&walk);
    ubr_log_abort(room->log);
    walk.verdict.is_author_admin = is_free_of_rate;
    return walk.verdict;
}

/* ---- boxes ------------------------------------------------------------------------------------
 */

static int by_kid(const void *a, const void *b)
{
    const struct memb_box *left = a, *right = b;
    return memcmp(left->kid, right->kid, UBR_KID_LEN);
}

bool memb_boxes_fit(const struct memb_verdict *verdict, struct memb_box *boxes, size_t count)
{
    if (count != verdict->recipients_len) {
        return false;
    }
    if (count > 0) {
        qsort(boxes, count, sizeof *boxes, by_kid);
    }
    for (size_t i = 0; i < count; i++) {
        if (memcmp(boxes[i].kid, verdict->recipients[i].kid, UBR_KID_LEN) != 0) {
            return false;
        }
    }
    return true;
}
