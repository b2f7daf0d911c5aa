/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct ubr_place live = {0, 0};

static void test_new_window(void **state)
{
    (void)state;
    struct ubr_window window;
    ubr_window_init(&window);
    assert_int_equal(ubr_window_judge(NULL, 9, live), UBR_WINDOW_FRESH);
    assert_int_equal(ubr_window_judge(&window, 9, live), UBR_WINDOW_FRESH);
    assert_int_equal(ubr_window_take(&window, 9, live), UBR_WINDOW_FRESH);
    assert_int_equal(window.base, 9);
    assert_int_equal(ubr_window_judge(&window, 8, live), UBR_WINDOW_BELOW);
    assert_int_equal(ubr_window_judge(&window, 9, live), UBR_WINDOW_REPLAY);
    assert_int_equal(ubr_window_judge(&window, 10, live), UBR_WINDOW_FRESH);
}

static void test_places(void **state)
{
    (void)state;
    struct ubr_window window;
    struct ubr_place at = {ubr_stream_tag((struct ubr_bytes){(const uint8_t *)"S", 1}), 40};
    struct ubr_place elsewhere = {at.stream, 41};
    struct ubr_place other_stream = {at.stream + 1, 40};
    ubr_window_init(&window);
    assert_int_equal(ubr_window_take(&window, 1, at), UBR_WINDOW_FRESH);
    assert_int_equal(ubr_window_take(&window, 1, at), UBR_WINDOW_REDELIVERY);
    assert_int_equal(ubr_window_take(&window, 1, elsewhere), UBR_WINDOW_REPLAY);
    assert_int_equal(ubr_window_take(&window, 1, other_stream), UBR_WINDOW_REPLAY);
    assert_int_equal(ubr_window_take(&window, 1, live), UBR_WINDOW_REPLAY);
}

static void test_sliding(void **state)
{
    (void)state;
    struct ubr_window window;
    ubr_window_init(&window);
    for (uint64_t counter = 100; counter < 100 + UBR_WINDOW_COUNTERS; counter += 2) {
        assert_int_equal(ubr_window_take(&window, counter, live), UBR_WINDOW_FRESH);
    }
    assert_int_equal(window.base, 100);
    assert_int_equal(ubr_window_take(&window, 101, live), UBR_WINDOW_FRESH);
    assert_int_equal(ubr_window_take(&window, 100 + UBR_WINDOW_COUNTERS, live), UBR_WINDOW_FRESH);
    assert_int_equal(window.base, 101);
    assert_int_equal(ubr_window_judge(&window, 100, live), UBR_WINDOW_BELOW);
    assert_int_equal(ubr_window_judge(&window, 101, live), UBR_WINDOW_REPLAY);
    assert_int_equal(ubr_window_judge(&window, 103, live), UBR_WINDOW_FRESH);
    assert_int_equal(ubr_window_take(&window, 1000000, live), UBR_WINDOW_FRESH);
    assert_int_equal(window.base, 1000001 - UBR_WINDOW_COUNTERS);
    assert_int_equal(ubr_window_judge(&window, 999999, live), UBR_WINDOW_FRESH);
    assert_int_equal(ubr_window_judge(&window, window.base, live), UBR_WINDOW_FRESH);
}

/* Against a plain table of everything ever taken. */
static void test_model(void **state)
{
    (void)state;
    enum { LAST = 20000 };
    static uint8_t taken[LAST + 1];
    struct ubr_window window;
    uint64_t highest = 0;
    memset(taken, 0, sizeof taken);
    ubr_window_init(&window);
    srand(1);
    for (int i = 0; i < 60000; i++) {
        uint64_t around = highest < 1500 ? 1 : highest - 1500;
        uint64_t counter = around + (uint64_t)(rand() % 1600) + (rand() % 500 == 0 ? 2500 : 0);
        if (counter > LAST) {
            break;
        }
        enum ubr_window_verdict verdict = ubr_window_take(&window, counter, live);
        if (verdict == UBR_WINDOW_BELOW) {
            assert_true(counter < window.base);
            continue;
        }
        assert_int_equal(verdict, taken[counter] ? UBR_WINDOW_REPLAY : UBR_WINDOW_FRESH);
        taken[counter] = 1;
        highest = counter > highest ? counter : highest;
        assert_true(highest - counter < UBR_WINDOW_COUNTERS);
        assert_int_equal(window.end, highest + 1);
    }
    assert_true(highest > 5000);
}

static void test_save_and_load(void **state)
{
    (void)state;
    struct ubr_window window;
    struct ubr_window back;
    static uint8_t saved[UBR_WINDOW_SAVED_MAX];
    ubr_window_init(&window);
    size_t len = ubr_window_save(&window, saved);
    assert_int_equal(len, 19);
    assert_int_equal(ubr_window_load((struct ubr_bytes){saved, len}, &back), UBR_OK);
    for (uint64_t counter = 1; counter < 3000; counter += 1 + counter % 3) {
        ubr_window_take(&window, counter, (struct ubr_place){5, counter * 2});
    }
    len = ubr_window_save(&window, saved);
    assert_int_equal(ubr_window_load((struct ubr_bytes){saved, len}, &back), UBR_OK);
    assert_int_equal(back.base, window.base);
    assert_int_equal(back.end, window.end);
    for (uint64_t counter = window.base; counter < window.end + 5; counter++) {
        struct ubr_place place = {5, counter * 2};
        assert_int_equal(ubr_window_judge(&back, counter, place),
                         ubr_window_judge(&window, counter, place));
    }
    for (size_t cut = 0; cut < len; cut += 7) {
        assert_int_equal(ubr_window_load((struct ubr_bytes){saved, cut}, &back), UBR_E_PARSE);
        assert_int_equal(back.end, 0);
    }
    saved[0] = 2;
    assert_int_equal(ubr_window_load((struct ubr_bytes){saved, len}, &back), UBR_E_PARSE);
}

static void test_full_window_fits(void **state)
{
    (void)state;
    struct ubr_window window;
    static uint8_t saved[UBR_WINDOW_SAVED_MAX];
    ubr_window_init(&window);
    for (uint64_t counter = 1; counter <= 2 * UBR_WINDOW_COUNTERS; counter++) {
        ubr_window_take(&window, counter, live);
    }
    assert_int_equal(ubr_window_save(&window, saved), UBR_WINDOW_SAVED_MAX);
    assert_int_equal(ubr_window_load((struct ubr_bytes){saved, sizeof saved}, &window), UBR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_window),    cmocka_unit_test(test_places),
        cmocka_unit_test(test_sliding),       cmocka_unit_test(test_model),
        cmocka_unit_test(test_save_and_load), cmocka_unit_test(test_full_window_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
