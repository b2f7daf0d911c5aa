/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include <stdlib.h>

int64_t mon_key(enum mon_sort sort, const struct mon_keys *keys)
{
    const int64_t by[MON_SORTS] = {
        [MON_BY_CID] = 0, /* the cid itself */
        [MON_BY_START] = 0,
        [MON_BY_SUBS] = keys->subs,
        [MON_BY_PENDING] = keys->pending,
        [MON_BY_MSGS_TO] = keys->msgs_to,
        [MON_BY_MSGS_FROM] = keys->msgs_from,
        [MON_BY_BYTES_TO] = keys->bytes_to,
        [MON_BY_BYTES_FROM] = keys->bytes_from,
        [MON_BY_LAST] = keys->last,
        [MON_BY_IDLE] = -keys->last,
        [MON_BY_UPTIME] = keys->uptime,
        [MON_BY_STOP] = keys->stop,
        [MON_BY_REASON] = keys->reason,
        [MON_BY_RTT] = keys->rtt,
    };
    bool is_ascending = sort == MON_BY_UPTIME || sort == MON_BY_REASON;
    return is_ascending ? by[sort] : -by[sort];
}

void mon_rows_add(struct mon_rows *rows, const struct mon_row *row)
{
    if (rows->count == rows->room) {
        size_t room = rows->room == 0 ? 64 : rows->room * 2;
        struct mon_row *grown = reallocarray(rows->items, room, sizeof(*grown));
        if (grown == NULL) {
            rows->is_broken = true;
            return;
        }
        rows->items = grown;
        rows->room = room;
    }
    rows->items[rows->count++] = *row;
}

void mon_rows_fini(struct mon_rows *rows)
{
    free(rows->items);
    *rows = (struct mon_rows){0};
}

static int by_cid(const void *a, const void *b)
{
    const struct mon_row *x = a, *y = b;
    return x->cid < y->cid ? -1 : x->cid > y->cid;
}

static int by_key(const void *a, const void *b)
{
    const struct mon_row *x = a, *y = b;
    return x->key != y->key ? (x->key < y->key ? -1 : 1) : by_cid(a, b);
}

void mon_rows_sort(struct mon_rows *rows, enum mon_sort sort)
{
    bool is_by_cid = sort == MON_BY_CID || sort == MON_BY_START;
    if (rows->count > 1) {
        qsort(rows->items, rows->count, sizeof(*rows->items), is_by_cid ? by_cid : by_key);
    }
}

void mon_page(size_t count, int64_t offset, int64_t limit, size_t *first_out, size_t *end_out)
{
    size_t first = offset < 0 ? 0 : (size_t)offset, some = limit < 0 ? 0 : (size_t)limit;
    *first_out = first < count ? first : count;
    *end_out = some < count - *first_out ? *first_out + some : count;
}
