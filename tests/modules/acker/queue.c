/* SPDX-License-Identifier: Apache-2.0 */
#include "acker.h"

#include <stdlib.h>
#include <time.h>

#define QUEUE_FIRST 1024
#define BUSY_NS     1000000 /* how long a worker with a flood under way waits for more work */

static bool items_make_room(struct acker_items *items, size_t more)
{
    size_t room = items->room == 0 ? QUEUE_FIRST : items->room;
    while (room < items->count + more) {
        room *= 2;
    }
    if (room == items->room) {
        return true;
    }
    struct acker_item *list = reallocarray(items->list, room, sizeof(*list));
    if (list == NULL) {
        return false;
    }
    items->list = list;
    items->room = room;
    return true;
}

/* One reference for neighbours in the same buffer: a batch comes from few reads. */
static void items_add(struct acker_items *items, enum acker_verb verb,
                      const struct ub_bus_message *messages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool is_next = i + 1 < count && messages[i + 1].buf == messages[i].buf;
        items->list[items->count++] = (struct acker_item){messages[i], verb, !is_next};
        if (!is_next) {
            ub_buf_ref(messages[i].buf);
        }
    }
}

void acker_deliver(void *arg, const struct ub_bus_source *source,
                   const struct ub_bus_message *messages, size_t count)
{
    const struct acker_listener *listener = arg;
    struct acker *acker = listener->acker;
    (void)source;
    pthread_mutex_lock(&acker->lock);
    bool was_idle = acker->queue.count == 0;
    if (items_make_room(&acker->queue, count)) {
        items_add(&acker->queue, listener->verb, messages, count);
    } /* else: not acknowledged, as with every message that a store cannot take */
    pthread_mutex_unlock(&acker->lock);
    if (was_idle) {
        pthread_cond_signal(&acker->has_work);
    }
    atomic_fetch_add_explicit(&acker->delivered, (int64_t)count, memory_order_relaxed);
    atomic_fetch_add_explicit(&acker->batches, 1, memory_order_relaxed);
}

static void wait_for_work(struct acker *acker, bool is_busy)
{
    struct timespec until;
    if (!is_busy) {
        pthread_cond_wait(&acker->has_work, &acker->lock);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += BUSY_NS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&acker->has_work, &acker->lock, &until);
}

bool acker_take(struct acker *acker, bool is_busy)
{
    pthread_mutex_lock(&acker->lock);
    while (acker->queue.count == 0 && !acker->is_over) {
        wait_for_work(acker, is_busy);
        if (is_busy) {
            break;
        }
    }
    struct acker_items empty = acker->taken;
    acker->taken = acker->queue;
    acker->queue = empty;
    bool goes_on = !acker->is_over || acker->taken.count > 0;
    pthread_mutex_unlock(&acker->lock);
    return goes_on;
}

void acker_items_drop(struct acker_items *items)
{
    for (size_t i = 0; i < items->count; i++) {
        if (items->list[i].owns_buf) {
            ub_buf_unref(&items->list[i].message.buf);
        }
    }
    items->count = 0;
}
