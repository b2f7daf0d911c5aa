/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "room_maker.h"
#include "ubr/history.h"

/* Random rooms: what the log says about the past against a naive model that keeps the whole state
 * after every entry and reads the specification word by word. */

#define PEOPLE   6
#define STEPS    400
#define UNSIGNED UBR_POLICY_UNSIGNED

enum device_state { DEVICE_UNKNOWN, DEVICE_LIVE, DEVICE_GONE };

struct snapshot {
    uint8_t hash[UBR_HASH_LEN];
    uint8_t policy;
    uint32_t epoch;
    bool was_stale; /* before this entry */
    bool lost_someone;
    uint8_t epoch_cause; /* of an epoch entry, else 0 */
    enum ubr_role roles[PEOPLE];
    enum device_state devices[PEOPLE][MAKER_DEVICES_MAX];
};

struct model {
    struct maker maker;
    struct snapshot states[STEPS + 1];
    uint32_t len;
    uint32_t random;
};

static uint32_t pick(struct model *model, uint32_t count)
{
    model->random = model->random * 1664525 + 1013904223;
    return (model->random >> 8) % count;
}

static void note_devices(const struct model *model, struct snapshot *state)
{
    const struct snapshot *before = model->len > 0 ? &model->states[model->len - 1] : NULL;
    for (size_t p = 0; p < PEOPLE; p++) {
        const struct maker_person *person = &model->maker.people[p];
        const struct ubr_chain *pinned = ubr_log_pinned_chain(model->maker.log, person->account.pk);
        for (size_t d = 0; d < person->devices_len; d++) {
            const struct ubr_device *device =
                pinned ? ubr_chain_device(pinned, person->devices[d].kid) : NULL;
            state->devices[p][d] = !device              ? DEVICE_UNKNOWN
                                   : device->is_revoked ? DEVICE_GONE
                                                        : DEVICE_LIVE;
            bool was_live = before && before->devices[p][d] == DEVICE_LIVE;
            bool is_member = before && before->roles[p] != UBR_ROLE_NONE;
            state->lost_someone |= was_live && is_member && state->devices[p][d] == DEVICE_GONE;
        }
    }
}

/* After an entry that was taken. */
static void note_state(struct model *model, bool was_stale, uint8_t epoch_cause)
{
    const struct ubr_log *log = model->maker.log;
    struct snapshot *state = &model->states[model->len];
    memset(state, 0, sizeof *state);
    memcpy(state->hash, ubr_log_state(log)->head, UBR_HASH_LEN);
    state->policy = ubr_log_state(log)->policy;
    state->epoch = ubr_log_state(log)->epoch;
    state->was_stale = was_stale;
    state->epoch_cause = epoch_cause;
    note_devices(model, state);
    for (size_t p = 0; p < PEOPLE; p++) {
        struct ubr_member member;
        if (ubr_log_member(log, model->maker.people[p].account.pk, &member)) {
            state->roles[p] = member.role;
        } else if (model->len > 0 && model->states[model->len - 1].roles[p] != UBR_ROLE_NONE) {
            state->lost_someone = true;
        }
    }
    model->len++;
    assert_int_equal(ubr_log_state(log)->entries, model->len);
}

/* Makes a record in somebody's chain, if it may have one more. */
static void change_devices(struct model *model, size_t person)
{
    struct maker_person *who = &model->maker.people[person];
    size_t device = pick(model, (uint32_t)who->devices_len);
    bool is_live = !ubr_chain_device(&who->chain, who->devices[device].kid)->is_revoked;
    switch (pick(model, 3)) {
    case 0:
        if (who->devices_len < MAKER_DEVICES_MAX) {
            maker_add_device(&model->maker, person);
        }
        break;
    case 1:
        if (is_live) {
            maker_rotate_box(&model->maker, person, device);
        }
        break;
    default:
        /* Device 0 authors everything here: it stays. */
        if (is_live && device > 0) {
            maker_revoke(&model->maker, person, device);
        }
    }
}

/* Mostly an owner, of whom a room always has one. */
static size_t pick_author(struct model *model)
{
    size_t author = pick(model, PEOPLE);
    while (pick(model, 4) && model->states[model->len - 1].roles[author] != UBR_ROLE_OWNER) {
        author = pick(model, PEOPLE);
    }
    return author;
}

static enum ubr_error act(struct model *model, uint8_t *epoch_cause_out)
{
    struct maker *maker = &model->maker;
    size_t author = pick_author(model);
    size_t target = pick(model, PEOPLE);
    enum ubr_role role = (enum ubr_role)(1 + pick(model, 4));
    *epoch_cause_out = 0;
    switch (pick(model, 8)) {
    case 0:
    case 1:
        return maker_add(maker, author, target, role);
    case 2:
        return maker_remove(maker, author, target);
    case 3:
        return maker_role(maker, author, target, role);
    case 4:
        change_devices(model, target);
        return maker_pin(maker, author, target);
    case 5:
        return maker_policy(maker, author,
                            (uint8_t)(pick(model, 3) | (pick(model, 2) ? UNSIGNED : 0)));
    default:
        *epoch_cause_out = (uint8_t)(1 + pick(model, 6));
        return maker_epoch(maker, author, (enum ubr_cause) * epoch_cause_out);
    }
}

static uint32_t entry_of_epoch(const struct model *model, uint32_t epoch)
{
    uint32_t seq = 0;
    while (seq < model->len && model->states[seq].epoch < epoch) {
        seq++;
    }
    return seq;
}

static unsigned history_at(const struct model *model, uint32_t seq)
{
    return model->states[seq].policy & UBR_POLICY_HISTORY;
}

/* The seq of the add that began the membership at t. */
static uint32_t add_before(const struct model *model, size_t person, uint32_t t)
{
    while (t > 0 && model->states[t - 1].roles[person] != UBR_ROLE_NONE) {
        t--;
    }
    return t;
}

/* 6.6, (a). */
static bool was_there(const struct model *model, size_t person, uint32_t epoch)
{
    for (uint32_t t = entry_of_epoch(model, epoch);
         t < model->len && model->states[t].epoch == epoch; t++) {
        if (model->states[t].roles[person] == UBR_ROLE_NONE) {
            continue;
        }
        uint32_t added = add_before(model, person, t);
        if (history_at(model, added) != 0 || entry_of_epoch(model, epoch) > added) {
            return true;
        }
    }
    return false;
}

/* 6.6, (b). */
static bool could_read_all(const struct model *model, size_t person, uint32_t epoch)
{
    uint32_t added = add_before(model, person, model->len - 1);
    for (uint32_t t = entry_of_epoch(model, epoch); t <= added; t++) {
        if (history_at(model, t) != UBR_HISTORY_ALL) {
            return false;
        }
    }
    return entry_of_epoch(model, epoch) <= added;
}

static enum ubr_error expected_entitled(const struct model *model, size_t person, size_t device,
                                        uint32_t epoch)
{
    const struct snapshot *now = &model->states[model->len - 1];
    if (now->devices[person][device] == DEVICE_UNKNOWN) {
        return UBR_E_KID_UNKNOWN;
    }
    if (now->devices[person][device] == DEVICE_GONE) {
        return UBR_E_DEVICE_REVOKED;
    }
    bool is_given = now->roles[person] != UBR_ROLE_NONE &&
                    (was_there(model, person, epoch) || could_read_all(model, person, epoch));
    return is_given ? UBR_OK : UBR_E_BOX_HISTORY;
}

static enum ubr_error expected_sender(const struct model *model, size_t person, size_t device,
                                      uint32_t h)
{
    if (model->states[model->len - 1].devices[person][device] == DEVICE_UNKNOWN) {
        return UBR_E_KID_UNKNOWN;
    }
    if (model->states[h].roles[person] == UBR_ROLE_NONE) {
        return UBR_E_NOT_MEMBER;
    }
    if (model->states[h].devices[person][device] == DEVICE_UNKNOWN) {
        return UBR_E_KID_UNKNOWN;
    }
    if (model->states[h].devices[person][device] == DEVICE_GONE) {
        return UBR_E_DEVICE_REVOKED;
    }
    return model->states[h].roles[person] >= UBR_ROLE_WRITER ? UBR_OK : UBR_E_ROLE;
}

static void compare_device(const struct model *model, size_t person, size_t device,
                           size_t outcomes[UBR_ERROR_COUNT])
{
    const struct ubr_log *log = model->maker.log;
    const uint8_t *kid = model->maker.people[person].devices[device].kid;
    for (uint32_t h = 0; h < model->len; h++) {
        assert_int_equal(ubr_log_sender_at(log, kid, h, NULL),
                         expected_sender(model, person, device, h));
    }
    for (uint32_t epoch = 1; epoch <= model->states[model->len - 1].epoch; epoch++) {
        enum ubr_error expected = expected_entitled(model, person, device, epoch);
        assert_int_equal(ubr_log_check_entitled(log, kid, epoch), expected);
        outcomes[expected]++;
    }
    struct ubr_log_kid found;
    assert_int_equal(ubr_log_kid(log, kid, &found),
                     model->states[model->len - 1].devices[person][device] != DEVICE_UNKNOWN);
}

static void compare_range(const struct model *model, uint32_t h)
{
    const struct ubr_log *log = model->maker.log;
    bool is_unsigned = true;
    bool is_lost = false;
    for (uint32_t c = h; c < model->len; c++) {
        is_unsigned &= (model->states[c].policy & UNSIGNED) != 0;
        is_lost |= c > h && model->states[c].lost_someone;
        assert_int_equal(ubr_log_allowed_unsigned(log, h, c), is_unsigned);
        assert_int_equal(ubr_log_lost_someone(log, h, c), is_lost);
    }
}

static void compare_epochs(const struct model *model)
{
    const struct ubr_log *log = model->maker.log;
    bool has_grace = true;
    assert_null(ubr_log_epoch(log, 0));
    assert_null(ubr_log_epoch(log, model->states[model->len - 1].epoch + 1));
    for (uint32_t epoch = model->states[model->len - 1].epoch; epoch > 0; epoch--) {
        const struct snapshot *state = &model->states[entry_of_epoch(model, epoch)];
        const struct ubr_log_epoch *found = ubr_log_epoch(log, epoch);
        assert_int_equal(found->seq, entry_of_epoch(model, epoch));
        assert_int_equal(found->cause, state->epoch_cause);
        assert_int_equal(found->was_stale, state->was_stale);
        assert_int_equal(found->commit[0], (uint8_t)epoch);
        assert_int_equal(ubr_log_epoch_has_grace(log, epoch), has_grace);
        has_grace &= state->epoch_cause >= UBR_CAUSE_SCHEDULED && !state->was_stale;
    }
}

static void compare(const struct model *model, size_t outcomes[UBR_ERROR_COUNT])
{
    const struct ubr_log *log = model->maker.log;
    for (uint32_t h = 0; h < model->len; h++) {
        assert_memory_equal(ubr_log_hash_at(log, h), model->states[h].hash, UBR_HASH_LEN);
        assert_int_equal(ubr_log_epoch_at(log, h), model->states[h].epoch);
        compare_range(model, h);
        for (size_t p = 0; p < PEOPLE; p++) {
            assert_int_equal(ubr_log_role_at(log, model->maker.people[p].account.pk, h),
                             model->states[h].roles[p]);
        }
    }
    compare_epochs(model);
    for (size_t p = 0; p < PEOPLE; p++) {
        for (size_t d = 0; d < model->maker.people[p].devices_len; d++) {
            compare_device(model, p, d, outcomes);
        }
    }
}

static void run_room(uint32_t seed, size_t outcomes[UBR_ERROR_COUNT])
{
    struct model *model = calloc(1, sizeof *model);
    assert_non_null(model);
    model->random = seed;
    maker_init(&model->maker, PEOPLE);
    maker_found(&model->maker, (uint8_t)(seed % 3));
    note_state(model, false, 0);
    for (size_t step = 0; step < STEPS; step++) {
        bool was_stale = ubr_log_state(model->maker.log)->is_stale;
        uint8_t cause;
        uint8_t before[UBR_HASH_LEN];
        uint8_t after[UBR_HASH_LEN];
        ubr_log_state_hash(model->maker.log, before);
        if (act(model, &cause) == UBR_OK) {
            note_state(model, was_stale, cause);
        } else {
            ubr_log_state_hash(model->maker.log, after);
            assert_memory_equal(before, after, UBR_HASH_LEN);
        }
    }
    assert_in_range(model->len, 40, STEPS);
    compare(model, outcomes);
    maker_fini(&model->maker);
    free(model);
}

static void test_random_rooms_against_a_model(void **state)
{
    (void)state;
    size_t outcomes[UBR_ERROR_COUNT] = {0};
    for (uint32_t seed = 1; seed <= 12; seed++) {
        run_room(seed, outcomes);
    }
    print_message("entitled %zu times, not entitled %zu, revoked %zu\n", outcomes[UBR_OK],
                  outcomes[UBR_E_BOX_HISTORY], outcomes[UBR_E_DEVICE_REVOKED]);
    assert_in_range(outcomes[UBR_OK], 200, 1000000);
    assert_in_range(outcomes[UBR_E_BOX_HISTORY], 200, 1000000);
    assert_in_range(outcomes[UBR_E_DEVICE_REVOKED], 20, 1000000);
}

static void test_pins(void **state)
{
    (void)state;
    struct maker maker;
    uint8_t head[UBR_HASH_LEN];
    maker_init(&maker, 2);
    maker_found(&maker, UBR_HISTORY_JOINING);
    memcpy(head, ubr_log_state(maker.log)->head, sizeof head);
    assert_int_equal(maker_epoch(&maker, 0, UBR_CAUSE_FIRST), UBR_OK);
    assert_int_equal(ubr_log_check_pin(maker.log, 0, head), UBR_OK);
    assert_int_equal(ubr_log_check_pin(maker.log, 1, head), UBR_E_FORK);
    assert_int_equal(ubr_log_check_pin(maker.log, 2, head), UBR_E_ROLLBACK);
    assert_int_equal(ubr_log_check_pin(maker.log, UINT64_MAX, head), UBR_E_ROLLBACK);
    maker_fini(&maker);
}

/* Names the modes of 6.6 in a small room that one can follow by hand. */
static void test_entitled_by_hand(void **state)
{
    (void)state;
    static const enum ubr_error expected[3][3] = {
        {UBR_E_BOX_HISTORY, UBR_E_BOX_HISTORY, UBR_OK}, /* next epoch */
        {UBR_E_BOX_HISTORY, UBR_OK, UBR_OK},            /* joining */
        {UBR_OK, UBR_OK, UBR_OK},                       /* all */
    };
    for (uint8_t history = 0; history < 3; history++) {
        struct maker maker;
        maker_init(&maker, 2);
        maker_found(&maker, history);
        assert_int_equal(maker_epoch(&maker, 0, UBR_CAUSE_FIRST), UBR_OK);
        assert_int_equal(maker_epoch(&maker, 0, UBR_CAUSE_MANUAL), UBR_OK);
        assert_int_equal(maker_add(&maker, 0, 1, UBR_ROLE_READER), UBR_OK);
        assert_int_equal(maker_epoch(&maker, 0, UBR_CAUSE_MEMBER_ADDED), UBR_OK);
        const uint8_t *kid = maker.people[1].devices[0].kid;
        for (uint32_t epoch = 1; epoch <= 3; epoch++) {
            assert_int_equal(ubr_log_check_entitled(maker.log, kid, epoch),
                             expected[history][epoch - 1]);
        }
        assert_int_equal(ubr_log_check_entitled(maker.log, kid, 4), UBR_E_BOX_HISTORY);
        maker_fini(&maker);
    }
}

static void test_sender_has_the_handle_of_then(void **state)
{
    (void)state;
    struct maker maker;
    struct ubr_sender sender;
    maker_init(&maker, 2);
    maker_found(&maker, UBR_HISTORY_JOINING);
    assert_int_equal(maker_add(&maker, 0, 1, UBR_ROLE_WRITER), UBR_OK); /* 1 */
    assert_int_equal(maker_remove(&maker, 1, 1), UBR_OK);               /* 2 */
    strcpy(maker.people[1].handle, "other");
    assert_int_equal(maker_add(&maker, 0, 1, UBR_ROLE_READER), UBR_OK); /* 3 */
    const uint8_t *kid = maker.people[1].devices[0].kid;
    assert_int_equal(ubr_log_sender_at(maker.log, kid, 1, &sender), UBR_OK);
    assert_string_equal(sender.handle, "p1");
    assert_int_equal(sender.role, UBR_ROLE_WRITER);
    assert_int_equal(ubr_log_sender_at(maker.log, kid, 2, &sender), UBR_E_NOT_MEMBER);
    assert_int_equal(ubr_log_sender_at(maker.log, kid, 3, &sender), UBR_E_ROLE);
    assert_string_equal(sender.handle, "other");
    assert_memory_equal(sender.account_pk, maker.people[1].account.pk, UBR_KEY_LEN);
    maker_fini(&maker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_rooms_against_a_model),
        cmocka_unit_test(test_pins),
        cmocka_unit_test(test_entitled_by_hand),
        cmocka_unit_test(test_sender_has_the_handle_of_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
