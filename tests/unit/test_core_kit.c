/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <core/kit.h>
#include <core/secret.h>

static struct ub_host *host;

static int kit_setup(void **state)
{
    (void)state;
    host = kit_host_new("demo");
    return 0;
}

static int kit_teardown(void **state)
{
    (void)state;
    kit_host_free(&host);
    return 0;
}

static void facts_are_posted_and_read(void **state)
{
    (void)state;
    char out[8] = "";
    assert_int_equal(host->node->read_fact(host, "nats.url", out, sizeof(out)), 0);
    host->node->post_fact(host, "nats.url", "short");
    host->node->post_fact(host, "nats.url", "nats://127.0.0.1:4250");
    assert_int_equal(host->node->read_fact(host, "nats.url", out, sizeof(out)), 22);
    assert_string_equal(out, "nats://");
    char whole[22];
    host->node->read_fact(host, "nats.url", whole, sizeof(whole));
    assert_string_equal(whole, "nats://127.0.0.1:4250");
}

static void clock_stands_still_once_set(void **state)
{
    (void)state;
    assert_true(host->clock->now_ms(host) > 1600000000000);
    kit_clock_set(host, 1000, 5);
    usleep(2000);
    assert_int_equal(host->clock->now_ms(host), 1000);
    kit_clock_advance(host, 7);
    assert_int_equal(host->clock->now_ms(host), 1007);
    assert_int_equal(host->clock->mono_ns(host), 7000005);
}

static void state_folder_is_private_and_goes_away(void **state)
{
    (void)state;
    struct ub_host *other = kit_host_new("demo");
    struct stat st;
    char dir[256], file[300];
    snprintf(dir, sizeof(dir), "%s", other->node->state_dir(other));
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    snprintf(file, sizeof(file), "%s/x", dir);
    close(open(file, O_CREAT | O_WRONLY, 0600));
    kit_host_free(&other);
    assert_int_not_equal(stat(dir, &st), 0);
}

static void log_and_fail_are_kept(void **state)
{
    (void)state;
    ub_log(host, UB_LOG_DEBUG, "opened", "store opened", UB_TEXT("file", "x"));
    assert_non_null(strstr(kit_log(host), "debug demo opened: store opened file=x\n"));
    kit_log_clear(host);
    assert_string_equal(kit_log(host), "");
    /* in brackets: cmocka has a macro fail() */
    (host->node->fail)(host, "store-broken", "disk gone");
    assert_string_equal(kit_failed(host), "store-broken");
}

static void count(void *arg)
{
    (*(int *)arg)++;
}

static void timers_fire_on_demand(void **state)
{
    (void)state;
    int ticks = 0;
    struct ub_timer *timer =
        host->loop->timer_start(host->loop->main(host), 3600000, count, &ticks);
    kit_fire_timers(host);
    kit_fire_timers(host);
    assert_int_equal(ticks, 2);
    host->loop->timer_stop(&timer);
    kit_fire_timers(host);
    assert_int_equal(ticks, 2);
}

static void health_is_what_the_test_says(void **state)
{
    (void)state;
    bool is_healthy = true, is_ready = true;
    char *json = host->node->health_json(host, UB_DETAIL_PUBLIC, &is_healthy, &is_ready);
    assert_string_equal(json, "{\"status\":\"starting\"}");
    assert_false(is_healthy || is_ready);
    host->node->free_text(host, json);
    kit_health_set(host, "{\"status\":\"ok\"}", true, false);
    json = host->node->health_json(host, UB_DETAIL_ADMIN, &is_healthy, NULL);
    assert_string_equal(json, "{\"status\":\"ok\"}");
    assert_true(is_healthy);
    host->node->free_text(host, json);
}

static void secret_file_write(char *path, const char *text, mode_t mode)
{
    snprintf(path, 300, "%s/secret", host->node->state_dir(host));
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    assert_int_equal(chmod(path, mode), 0);
}

static void secret_is_read_without_its_newline(void **state)
{
    (void)state;
    char path[300];
    struct ub_secret *secret = NULL;
    secret_file_write(path, "hunter2\n", 0600);
    assert_int_equal(secret_read(path, &secret, NULL), UB_OK);
    struct ub_bytes bytes = host->secret->bytes(secret);
    assert_int_equal(bytes.len, 7);
    assert_memory_equal(bytes.ptr, "hunter2", 7);
    secret_free(&secret);
    assert_null(secret);
}

/* Nothing, as a password or a key, would be what everybody knows. */
static void secret_of_an_empty_line_is_refused(void **state)
{
    (void)state;
    char path[300];
    struct ub_secret *secret = NULL;
    struct ub_err err = UB_ERR_INIT;
    secret_file_write(path, "\n", 0600);
    assert_int_equal(secret_read(path, &secret, &err), UB_EINVAL);
    assert_null(secret);
    assert_non_null(strstr(err.message, "is an empty line"));
}

static void secret_that_others_read_is_refused(void **state)
{
    (void)state;
    char path[300], expected[800];
    struct ub_secret *secret = NULL;
    struct ub_err err = UB_ERR_INIT;
    secret_file_write(path, "hunter2", 0640);
    assert_int_equal(secret_read(path, &secret, &err), UB_EDENIED);
    snprintf(expected, sizeof(expected),
             "secret \"%s\" can be read by others (mode 0640): run chmod 600 %s", path, path);
    assert_string_equal(err.message, expected);
    secret_file_write(path, "", 0600);
    assert_int_equal(secret_read(path, &secret, &err), UB_EINVAL);
    assert_non_null(strstr(err.message, "has 0 bytes"));
    assert_int_equal(secret_read(host->node->state_dir(host), &secret, &err), UB_EINVAL);
    assert_int_equal(secret_read("/nonexistent", &secret, &err), UB_ENOTFOUND);
    assert_string_equal(err.message,
                        "cannot open secret \"/nonexistent\": No such file or directory");
    assert_null(secret);
}

struct demo_settings {
    int64_t workers;
    const char *file;
};

static const struct ub_field demo_fields[] = {
    UB_FIELD_INT(struct demo_settings, workers, "8", 1, 512, 0, "threads"),
    UB_FIELD_STATE_PATH(struct demo_settings, file, "demo.db", 0, "the file"),
};

static enum ub_status demo_create(const struct ub_host *h, const void *settings, void **self_out,
                                  struct ub_err *err)
{
    (void)h;
    (void)settings;
    (void)self_out;
    (void)err;
    return UB_OK;
}

static void demo_destroy(void *self)
{
    (void)self;
}

static const struct ub_module_ops demo_ops = {
    .size = sizeof(demo_ops), .create = demo_create, .destroy = demo_destroy};

static const struct ub_module demo = {.size = sizeof(demo),
                                      .abi_major = 1,
                                      .name = "demo",
                                      .ops = &demo_ops,
                                      .settings_size = sizeof(struct demo_settings),
                                      UB_TABLE(fields, field, demo_fields)};

static void settings_are_filled_from_texts(void **state)
{
    (void)state;
    static const char *const sets[] = {"workers=2", NULL};
    static const char *const bad[] = {"workers=0", NULL};
    const struct demo_settings *settings = kit_settings(host, &demo, sets);
    assert_non_null(settings);
    assert_int_equal(settings->workers, 2);
    char file[300];
    snprintf(file, sizeof(file), "%s/demo.db", host->node->state_dir(host));
    assert_string_equal(settings->file, file);
    assert_null(kit_settings(host, &demo, bad));
    assert_non_null(strstr(kit_log(host), "workers = 0 is too small: 1 to 512 (default 8)"));
}

#define KIT_TEST(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(facts_are_posted_and_read),
        KIT_TEST(clock_stands_still_once_set),
        KIT_TEST(state_folder_is_private_and_goes_away),
        KIT_TEST(log_and_fail_are_kept),
        KIT_TEST(timers_fire_on_demand),
        KIT_TEST(health_is_what_the_test_says),
        KIT_TEST(settings_are_filled_from_texts),
        KIT_TEST(secret_is_read_without_its_newline),
        KIT_TEST(secret_of_an_empty_line_is_refused),
        KIT_TEST(secret_that_others_read_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
