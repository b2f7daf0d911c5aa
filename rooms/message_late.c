/* SPDX-License-Identifier: Apache-2.0 */
#include "message_judge.h"

/* The five reasons of 9.5, one function each. */

static bool sender_is_gone(const struct judging *judging)
{
    return ubr_log_sender_at(judging->receiver->log, judging->msg->header.id.kid, judging->c,
                             NULL) != UBR_OK;
}

/* A loss counts only if the receiver had verified it when the message came. Of a head claim, h lies
 * beyond all that is known. */
static bool somebody_was_lost(const struct judging *judging)
{
    uint32_t since = judging->delivery->entries_since;
    uint32_t known = since <= judging->c ? judging->c - since : 0;
    uint32_t h = judging->msg->head_seq;
    return h < known && ubr_log_lost_someone(judging->receiver->log, h, known);
}

static bool epoch_is_over(const struct judging *judging)
{
    const struct ubr_log *log = judging->receiver->log;
    uint32_t epoch = judging->msg->header.epoch;
    if (epoch == ubr_log_state(log)->epoch) {
        return false;
    }
    uint64_t superseded = judging->key->superseded_mono_ms;
    uint64_t now = judging->receiver->now_mono_ms;
    bool is_within = superseded != 0 && superseded <= now && now - superseded <= UBR_MSG_GRACE_MS;
    return !is_within || !ubr_log_epoch_has_grace(log, epoch);
}

static bool is_too_old(const struct judging *judging)
{
    uint64_t now = judging->receiver->now_ms;
    uint64_t sent = judging->msg->header.time_ms;
    uint64_t distance = now > sent ? now - sent : sent - now;
    const struct ubr_extensions *ext = &judging->msg->ext;
    return distance > judging->receiver->max_age_ms ||
           (ubr_ext_is_set(ext, UBR_EXT_EXPIRES) && now > ext->expires_ms);
}

static bool is_below_window(const struct judging *judging)
{
    return ubr_window_judge(judging->delivery->window, judging->msg->header.id.counter,
                            judging->delivery->place) == UBR_WINDOW_BELOW;
}

static bool (*const reasons[])(const struct judging *judging) = {
    sender_is_gone, somebody_was_lost, epoch_is_over, is_too_old, is_below_window,
};

bool msg_is_late(const struct judging *judging)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (reasons[i](judging)) {
            return true;
        }
    }
    return false;
}
