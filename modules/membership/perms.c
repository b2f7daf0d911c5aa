/* SPDX-License-Identifier: Apache-2.0 */
#include "perms.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <ubr/name.h>

#include "rooms.h"

#define GRACE_MS   60000 /* the previous epoch is accepted so long (13.2) */
#define CONDITIONS 3     /* magic and version, epoch, kid */
#define WHY_MAX    80
#define NODE_RULES 4 /* at most, of a role on the node */

/* Everything that the rules of one room point to. */
struct room_part {
    char subjects[MEMB_ROOM_RULES][64];
    char why[WHY_MAX];
    char what[WHY_MAX];
    uint8_t kid[UBR_KID_LEN];
    uint8_t epochs[2][4];
    struct ub_guard_alternative magic, kids, of_epoch[2];
    struct ub_guard_condition conditions[CONDITIONS];
    struct ub_guard guard;
};

struct perms {
    struct ub_perms public;
    atomic_uint refs;
    char inbox_token[33];
    struct room_part *parts; /* one block, behind the rules */
    struct ub_perm_rule rules[];
};

static void perms_ref(const struct ub_perms *perms)
{
    atomic_fetch_add(&((struct perms *)(uintptr_t)perms)->refs, 1);
}

static void perms_unref(const struct ub_perms *perms)
{
    struct perms *own = (struct perms *)(uintptr_t)perms;
    if (atomic_fetch_sub(&own->refs, 1) == 1) {
        free(own->parts);
        free(own);
    }
}

void memb_room_rules(const char *room32, enum ubr_role role, bool is_plain, bool is_closed,
                     struct memb_room_rule rules_out[MEMB_ROOM_RULES])
{
    char upper[MEMB_ID_LEN + 1] = {0};
    bool may_publish = role >= UBR_ROLE_WRITER && !is_closed;
    uint32_t actions = UB_SUBSCRIBE | (may_publish ? UB_PUBLISH : 0);
    for (size_t i = 0; room32[i] != '\0' && i < MEMB_ID_LEN; i++) {
        upper[i] = (char)toupper((unsigned char)room32[i]);
    }
    rules_out[0] = (struct memb_room_rule){actions, 0, may_publish && !is_plain, ""};
    rules_out[1] = rules_out[2] = (struct memb_room_rule){actions, 2, false, ""};
    snprintf(rules_out[0].subject, sizeof rules_out[0].subject, "ub.r.%s.>", room32);
    snprintf(rules_out[1].subject, sizeof rules_out[1].subject, "$KV.UB_R_%s.>", upper);
    snprintf(rules_out[2].subject, sizeof rules_out[2].subject, "$O.UB_R_%s.>", upper);
}

static void put_epoch(struct room_part *part, uint32_t at, uint32_t epoch, int64_t until_mono_ms)
{
    uint8_t *bytes = part->epochs[at];
    for (int i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(epoch >> (24 - 8 * i));
    }
    part->of_epoch[at] = (struct ub_guard_alternative){{bytes, 4}, until_mono_ms};
}

/* 13.2: what is published in a sealed room must look like an envelope of now by this device. */
static void fill_guard(struct room_part *part, const struct memb_room *room, const uint8_t *kid,
                       int64_t mono_ms)
{
    static const uint8_t magic[3] = {'U', 'B', 1};
    uint32_t epoch = ubr_log_state(room->log)->epoch, count = 0;
    int64_t until = room->epoch_since_mono_ms + GRACE_MS;
    memcpy(part->kid, kid, UBR_KID_LEN);
    if (epoch > 0) {
        put_epoch(part, count++, epoch, 0);
    }
    if (epoch > 1 && until > mono_ms) {
        put_epoch(part, count++, epoch - 1, until);
    }
    part->magic = (struct ub_guard_alternative){{magic, sizeof magic}, 0};
    part->kids = (struct ub_guard_alternative){{part->kid, UBR_KID_LEN}, 0};
    part->conditions[0] = (struct ub_guard_condition){0, sizeof magic, 1, &part->magic};
    part->conditions[1] = (struct ub_guard_condition){4, 4, count, part->of_epoch};
    part->conditions[2] = (struct ub_guard_condition){8, UBR_KID_LEN, 1, &part->kids};
    snprintf(part->what, sizeof part->what, "a sealed envelope of epoch %u by this device", epoch);
    part->guard = (struct ub_guard){CONDITIONS, part->conditions, part->what};
}

static void add_rules(struct perms *perms, struct room_part *part, const struct memb_room *room,
                      enum ubr_role role)
{
    struct memb_room_rule rules[MEMB_ROOM_RULES];
    memb_room_rules(room->id32, role, room->is_plain, ubr_log_state(room->log)->is_closed, rules);
    snprintf(part->why, sizeof part->why, "room %s as %s", room->id32, ubr_role_name(role));
    for (size_t i = 0; i < MEMB_ROOM_RULES; i++) {
        memcpy(part->subjects[i], rules[i].subject, sizeof rules[i].subject);
        perms->rules[perms->public.rule_count++] = (struct ub_perm_rule){
            .actions = rules[i].actions,
            .family_token = rules[i].family_token,
            .subject = part->subjects[i],
            .guard = rules[i].is_guarded ? &part->guard : NULL,
            .why = part->why,
        };
    }
}

static void add_room(struct perms *perms, struct room_part *part, struct memb_room *room,
                     const uint8_t *account_pk, const uint8_t *kid, int64_t mono_ms)
{
    struct ubr_member member;
    memb_room_read(room);
    if (ubr_log_member(room->log, account_pk, &member)) {
        fill_guard(part, room, kid, mono_ms);
        add_rules(perms, part, room, member.role);
    }
    memb_room_unlock(room);
}

/* Who runs the node sees its connections and may end them over the bus; what is in the messages
 * stays unseen. Only operators reload. */
static void add_node_rules(struct perms *perms, enum ub_role role)
{
    static const struct ub_perm_rule rules[] = {
        {.actions = UB_PUBLISH, .subject = "$SYS.REQ.SERVER.>", .why = "role admin or operator"},
        {.actions = UB_SUBSCRIBE, .subject = "$SYS.ACCOUNT.>", .why = "role admin or operator"},
        {.actions = UB_SUBSCRIBE, .subject = "$SYS.SERVER.>", .why = "role admin or operator"},
        {.actions = UB_PUBLISH,
         .is_deny = true,
         .subject = "$SYS.REQ.SERVER.*.RELOAD",
         .why = "only operators reload"},
    };
    for (size_t i = 0; i < NODE_RULES && role >= UB_ROLE_ADMIN; i++) {
        if (!rules[i].is_deny || role != UB_ROLE_OPERATOR) {
            perms->rules[perms->public.rule_count++] = rules[i];
        }
    }
}

static struct perms *new_perms(size_t rooms)
{
    struct perms *perms = calloc(1, sizeof *perms + (rooms * MEMB_ROOM_RULES + NODE_RULES) *
                                                        sizeof(struct ub_perm_rule));
    struct room_part *parts = calloc(rooms + 1, sizeof *parts);
    if (perms == NULL || parts == NULL) {
        free(perms);
        free(parts);
        return NULL;
    }
    perms->parts = parts;
    atomic_init(&perms->refs, 1);
    perms->public = (struct ub_perms){
        .size = sizeof(struct ub_perms),
        .flags = UB_PERM_INBOX,
        .provider = "membership",
        .rule_stride = sizeof(struct ub_perm_rule),
        .rules = perms->rules,
        .inbox_token = perms->inbox_token,
        .ref = perms_ref,
        .unref = perms_unref,
    };
    return perms;
}

const struct ub_perms *memb_perms_make(struct memb *memb, const struct memb_identity *identity,
                                       const uint8_t *kid, const uint8_t *nats_pk)
{
    struct memb_room **rooms;
    size_t count;
    if (!memb_rooms_of(&memb->model, identity, &rooms, &count)) {
        return NULL;
    }
    struct perms *perms = new_perms(count);
    if (perms != NULL) {
        int64_t mono_ms = memb_mono_ms(memb);
        ubr_inbox_token(nats_pk, perms->inbox_token);
        add_node_rules(perms, identity->role);
        for (size_t i = 0; i < count; i++) {
            add_room(perms, &perms->parts[i], rooms[i], identity->account_pk, kid, mono_ms);
        }
    }
    free(rooms);
    return perms != NULL ? &perms->public : NULL;
}
