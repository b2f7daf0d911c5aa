/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

#include <jansson.h>

#include <core/log.h>

/* 2026-11-23T05:43:15.123Z */
#define NOW_MS 1795412595123

static struct clock test_clock;
static struct log test_log;

static int log_setup(void **state)
{
    (void)state;
    clock_set(&test_clock, NOW_MS, 0);
    log_init(&test_log, &test_clock, -1);
    test_log.is_kept = true;
    return 0;
}

static int log_teardown(void **state)
{
    (void)state;
    log_fini(&test_log);
    return 0;
}

static void emit_nasty(void)
{
    const struct ub_log_field fields[] = {UB_TEXT("who", "a\nb\x1b[31m\x7f"),
                                          UB_TEXT("bad", "\xff\xc0\x80"),
                                          UB_TEXT("c1", "\xc2\x9b"),
                                          UB_TEXT("bidi", "\xe2\x80\xae\xd8\x9c"),
                                          UB_TEXT("ok", "\xc3\xa4"),
                                          UB_TEXT("empty", ""),
                                          UB_TEXT("null", NULL),
                                          UB_TEXT("q", "say \"hi\" \\"),
                                          UB_NUMBER("n", -5)};
    log_emit(&test_log, UB_LOG_WARN, "nats", "refused", "not\tallowed", fields,
             sizeof(fields) / sizeof(fields[0]));
}

/* Nothing from outside can forge a line or reach the terminal. */
static void text_escapes_what_is_dangerous(void **state)
{
    (void)state;
    emit_nasty();
    assert_string_equal(test_log.kept,
                        "2026-11-23T05:43:15.123Z warn  nats refused: not\\tallowed "
                        "who=a\\nb\\x1b[31m\\x7f bad=\\xff\\xc0\\x80 c1=\\x9b bidi=\\u202e\\u061c "
                        "ok=\xc3\xa4 empty=\"\" null=\"\" q=\"say \\\"hi\\\" \\\\\" n=-5\n");
}

static void json_is_json_whatever_comes(void **state)
{
    (void)state;
    test_log.format = LOG_FORMAT_JSON;
    emit_nasty();
    assert_null(strchr(test_log.kept, '\x1b'));
    json_t *line = json_loads(test_log.kept, 0, NULL);
    assert_non_null(line);
    assert_string_equal(json_string_value(json_object_get(line, "time")),
                        "2026-11-23T05:43:15.123Z");
    assert_string_equal(json_string_value(json_object_get(line, "level")), "warn");
    assert_string_equal(json_string_value(json_object_get(line, "module")), "nats");
    assert_string_equal(json_string_value(json_object_get(line, "event")), "refused");
    assert_string_equal(json_string_value(json_object_get(line, "who")), "a\nb\x1b[31m\x7f");
    assert_int_equal(json_integer_value(json_object_get(line, "n")), -5);
    json_decref(line);
}

static void level_filters(void **state)
{
    (void)state;
    log_core(&test_log, UB_LOG_DEBUG, "hidden", "hidden", UB_NUMBER("n", 1));
    assert_null(test_log.kept);
    test_log.level = UB_LOG_ERROR;
    log_core(&test_log, UB_LOG_WARN, "hidden", "hidden", UB_NUMBER("n", 1));
    assert_null(test_log.kept);
    log_core(&test_log, UB_LOG_ERROR, "shown", "shown", UB_NUMBER("n", 1));
    assert_non_null(strstr(test_log.kept, "error core shown: shown n=1\n"));
}

static void *emit_many(void *arg)
{
    for (int i = 0; i < 500; i++) {
        log_core(&test_log, UB_LOG_INFO, "tick", arg, UB_NUMBER("i", i));
    }
    return NULL;
}

/* Lines of several threads do not mix. */
static void threads_do_not_mix_lines(void **state)
{
    (void)state;
    pthread_t threads[3];
    char names[3][8] = {"one", "two", "three"};
    for (int i = 0; i < 3; i++) {
        pthread_create(&threads[i], NULL, emit_many, names[i]);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    int lines = 0;
    for (char *line = strtok(test_log.kept, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        assert_memory_equal(line, "2026-11-23T05:43:15.123Z info  core tick: ", 42);
        lines++;
    }
    assert_int_equal(lines, 1500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(text_escapes_what_is_dangerous, log_setup, log_teardown),
        cmocka_unit_test_setup_teardown(json_is_json_whatever_comes, log_setup, log_teardown),
        cmocka_unit_test_setup_teardown(level_filters, log_setup, log_teardown),
        cmocka_unit_test_setup_teardown(threads_do_not_mix_lines, log_setup, log_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
