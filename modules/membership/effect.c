/* SPDX-License-Identifier: Apache-2.0 */
#include "effect.h"

#include <stdlib.h>
#include <string.h>

#include "rooms.h"

void memb_effect_fini(struct memb_effect *effect)
{
    free(effect->ids);
    *effect = (struct memb_effect){0};
}

/* The role of an account in a sorted roster; *cursor goes along with ascending accounts. */
static enum ubr_role role_of(const struct memb_roster *roster, const uint8_t *account_pk,
                             size_t *cursor)
{
    int order = -1;
    while (*cursor < roster->count &&
           (order = memcmp(roster->items[*cursor].account_pk, account_pk, UBR_KEY_LEN)) < 0) {
        (*cursor)++;
    }
    return *cursor < roster->count && order == 0 ? roster->items[*cursor].role : UBR_ROLE_NONE;
}

static void note(struct memb *memb, struct memb_effect *effect, const uint8_t *account_pk)
{
    const struct memb_identity *identity = memb_model_account(&memb->model, account_pk);
    if (identity != NULL) {
        effect->ids[effect->count++] = identity->id;
    }
}

/* What was lost comes first: those who are told late are those who gained. */
static void note_all(struct memb *memb, const struct memb_roster *before,
                     const struct memb_roster *after, bool is_everybody, struct memb_effect *effect)
{
    size_t cursor = 0;
    memb_model_read(&memb->model);
    for (size_t i = 0; i < before->count; i++) {
        if (role_of(after, before->items[i].account_pk, &cursor) == UBR_ROLE_NONE) {
            note(memb, effect, before->items[i].account_pk);
        }
    }
    cursor = 0;
    for (size_t i = 0; i < after->count; i++) {
        const struct memb_roster_item *is = &after->items[i];
        if (role_of(before, is->account_pk, &cursor) != is->role || is_everybody) {
            note(memb, effect, is->account_pk);
        }
    }
    memb_model_unlock(&memb->model);
}

/* What the guards and rules of everybody in the room depend on. */
struct shape {
    uint32_t epoch;
    bool is_closed;
};

static struct shape shape_of(const struct memb_room *room)
{
    const struct ubr_log_state *state = ubr_log_state(room->log);
    return (struct shape){state->epoch, state->is_closed};
}

static bool find_concerned(struct memb *memb, struct memb_room *room,
                           const struct memb_roster *before, const struct memb_roster *after,
                           bool is_everybody, struct memb_effect *effect_out)
{
    effect_out->count = 0;
    effect_out->ids = calloc(before->count + after->count + 1, sizeof(const char *));
    if (effect_out->ids == NULL || !memb_rooms_index(&memb->model, room, before, after)) {
        return false;
    }
    note_all(memb, before, after, is_everybody, effect_out);
    return true;
}

bool memb_effect_publish(struct memb *memb, struct memb_room *room,
                         const struct memb_append *append, struct memb_effect *effect_out)
{
    struct memb_roster before = {0}, after = {0};
    uint16_t failed;
    bool is_new = room->entries_len == 0;
    memb_room_write(room);
    struct shape was = shape_of(room);
    bool is_done =
        memb_roster_of(room, &before) &&
        memb_room_take(&memb->model, room, append, memb_mono_ms(memb), &failed) == UBR_OK &&
        memb_roster_of(room, &after);
    struct shape is = shape_of(room);
    memb_room_unlock(room);
    bool is_everybody = was.epoch != is.epoch || was.is_closed != is.is_closed;
    is_done = is_done && (!is_new || memb_room_publish(&memb->model, room)) &&
              find_concerned(memb, room, &before, &after, is_everybody, effect_out);
    memb_roster_fini(&before);
    memb_roster_fini(&after);
    return is_done;
}

uint32_t memb_effect_tell(struct memb *memb, const struct memb_effect *effect)
{
    return memb_notify(memb, effect->ids, effect->count);
}
