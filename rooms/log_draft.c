/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "log_state.h"

void ubr_log_draft(const struct ubr_log *log, enum ubr_entry_type type,
                   const struct ubr_author *author, uint64_t time_ms, struct ubr_entry *entry_out)
{
    *entry_out = (struct ubr_entry){
        .type = type,
        .seq = log->state.entries,
        .time_ms = time_ms,
    };
    memcpy(entry_out->room_id, log->state.room_id, UBR_ROOM_ID_LEN);
    memcpy(entry_out->prev, log->state.head, UBR_HASH_LEN);
    memcpy(entry_out->author_pk, author->account_pk, UBR_KEY_LEN);
    memcpy(entry_out->author_kid, author->kid, UBR_KID_LEN);
}

void ubr_log_draft_epoch(const struct ubr_log *log, const struct ubr_author *author,
                         uint64_t time_ms, struct ubr_entry *entry_out)
{
    ubr_log_draft(log, UBR_ENTRY_EPOCH, author, time_ms, entry_out);
    entry_out->epoch = log->state.epoch + 1;
    ubr_log_members_hash(log, entry_out->members_hash);
    ubr_log_recipients_hash(log, entry_out->recipients_hash, &entry_out->recipients);
}
