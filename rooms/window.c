/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/window.h"

#include <string.h>

#include "ubr/hash.h"

#define SAVED_VERSION 1

uint64_t ubr_stream_tag(struct ubr_bytes name)
{
    uint8_t hash[UBR_HASH_LEN];
    struct ubr_reader reader;
    ubr_hash_plain(name, hash);
    ubr_reader_init(&reader, ubr_bytes_of(hash, sizeof hash));
    uint64_t tag = ubr_get_u64(&reader);
    return tag != 0 ? tag : 1;
}

void ubr_window_init(struct ubr_window *window)
{
    memset(window, 0, sizeof *window);
}

static size_t slot_of(uint64_t counter)
{
    return counter % UBR_WINDOW_COUNTERS;
}

static bool is_seen(const struct ubr_window *window, uint64_t counter)
{
    size_t slot = slot_of(counter);
    return counter >= window->base && counter < window->end &&
           (window->seen[slot / 8] >> slot % 8 & 1);
}

static void set_seen(struct ubr_window *window, uint64_t counter, struct ubr_place place)
{
    size_t slot = slot_of(counter);
    window->seen[slot / 8] = (uint8_t)(window->seen[slot / 8] | 1u << slot % 8);
    window->places[slot] = place;
}

static void clear_seen(struct ubr_window *window, uint64_t counter)
{
    size_t slot = slot_of(counter);
    window->seen[slot / 8] = (uint8_t)(window->seen[slot / 8] & ~(1u << slot % 8));
}

enum ubr_window_verdict ubr_window_judge(const struct ubr_window *window, uint64_t counter,
                                         struct ubr_place place)
{
    if (window == NULL || window->end == 0) {
        return UBR_WINDOW_FRESH;
    }
    if (counter < window->base) {
        return UBR_WINDOW_BELOW;
    }
    if (!is_seen(window, counter)) {
        return UBR_WINDOW_FRESH;
    }
    const struct ubr_place *first = &window->places[slot_of(counter)];
    bool is_same = place.stream != 0 && place.stream == first->stream && place.seq == first->seq;
    return is_same ? UBR_WINDOW_REDELIVERY : UBR_WINDOW_REPLAY;
}

/* Raises end above counter, and the base so that the window holds it. */
static void slide(struct ubr_window *window, uint64_t counter)
{
    if (counter - window->end >= UBR_WINDOW_COUNTERS) {
        memset(window->seen, 0, sizeof window->seen);
        window->end = counter;
    }
    while (window->end <= counter) {
        clear_seen(window, window->end++);
    }
    if (window->end - window->base > UBR_WINDOW_COUNTERS) {
        window->base = window->end - UBR_WINDOW_COUNTERS;
    }
}

enum ubr_window_verdict ubr_window_take(struct ubr_window *window, uint64_t counter,
                                        struct ubr_place place)
{
    enum ubr_window_verdict verdict = ubr_window_judge(window, counter, place);
    if (verdict != UBR_WINDOW_FRESH) {
        return verdict;
    }
    if (window->end == 0) {
        window->base = window->end = counter;
    }
    if (counter >= window->end) {
        slide(window, counter);
    }
    set_seen(window, counter, place);
    return verdict;
}

size_t ubr_window_save(const struct ubr_window *window, uint8_t saved_out[UBR_WINDOW_SAVED_MAX])
{
    uint16_t seen_n = 0;
    for (uint64_t counter = window->base; counter < window->end; counter++) {
        seen_n = (uint16_t)(seen_n + is_seen(window, counter));
    }

    struct ubr_writer writer;
    ubr_writer_init(&writer, saved_out, UBR_WINDOW_SAVED_MAX);
    ubr_put_u8(&writer, SAVED_VERSION);
    ubr_put_u64(&writer, window->base);
    ubr_put_u64(&writer, window->end);
    ubr_put_u16(&writer, seen_n);
    for (uint64_t counter = window->base; counter < window->end; counter++) {
        if (!is_seen(window, counter)) {
            continue;
        }
        ubr_put_u16(&writer, (uint16_t)(counter - window->base));
        ubr_put_u64(&writer, window->places[slot_of(counter)].stream);
        ubr_put_u64(&writer, window->places[slot_of(counter)].seq);
    }
    return writer.len;
}

static bool load_places(struct ubr_reader *reader, struct ubr_window *window)
{
    uint64_t next = window->base;
    for (uint16_t n = ubr_get_u16(reader); n > 0; n--) {
        uint64_t counter = window->base + ubr_get_u16(reader);
        struct ubr_place place = {.stream = ubr_get_u64(reader)};
        place.seq = ubr_get_u64(reader);
        if (reader->failed || counter < next || counter >= window->end) {
            return false;
        }
        set_seen(window, counter, place);
        next = counter + 1;
    }
    return ubr_reader_is_done(reader);
}

static bool bounds_are_valid(const struct ubr_window *window)
{
    if (window->end == 0) {
        return window->base == 0;
    }
    return window->base >= 1 && window->end <= UBR_U53_END && window->end > window->base &&
           window->end - window->base <= UBR_WINDOW_COUNTERS;
}

enum ubr_error ubr_window_load(struct ubr_bytes saved, struct ubr_window *window_out)
{
    struct ubr_reader reader;
    ubr_reader_init(&reader, saved);
    ubr_window_init(window_out);
    uint8_t version = ubr_get_u8(&reader);
    window_out->base = ubr_get_u64(&reader);
    window_out->end = ubr_get_u64(&reader);
    if (version == SAVED_VERSION && bounds_are_valid(window_out) &&
        load_places(&reader, window_out)) {
        return UBR_OK;
    }
    ubr_window_init(window_out);
    return UBR_E_PARSE;
}
