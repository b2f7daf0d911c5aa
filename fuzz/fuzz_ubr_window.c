/* SPDX-License-Identifier: Apache-2.0 */
#include "must.h"
#include "ubr/window.h"

/* Replay windows: what loads is what save writes, and a counter taken is never fresh again. */

static void try_saved(struct ubr_bytes input)
{
    static uint8_t again[UBR_WINDOW_SAVED_MAX];
    struct ubr_window window;
    if (ubr_window_load(input, &window) == UBR_OK) {
        size_t len = ubr_window_save(&window, again);
        MUST(ubr_bytes_are_equal(input, ubr_bytes_of(again, len)));
    }
}

static void try_counters(struct ubr_bytes input)
{
    struct ubr_window window;
    struct ubr_reader reader;
    uint64_t counter = 5000;
    ubr_window_init(&window);
    ubr_reader_init(&reader, input);
    while (reader.left >= 2) { /* steps of −1,280 to +64,255 */
        counter += ubr_get_u16(&reader);
        counter -= counter > 6280 ? 1280 : 0;
        struct ubr_place place = {0, 0};
        enum ubr_window_verdict verdict = ubr_window_take(&window, counter, place);
        MUST((verdict == UBR_WINDOW_BELOW) == (counter < window.base));
        MUST(ubr_window_judge(&window, counter, place) != UBR_WINDOW_FRESH);
        MUST(window.end > counter && window.end - window.base <= UBR_WINDOW_COUNTERS);
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    try_saved(ubr_bytes_of(data, size));
    try_counters(ubr_bytes_of(data, size));
    return 0;
}
