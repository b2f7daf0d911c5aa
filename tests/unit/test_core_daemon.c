/* SPDX-License-Identifier: Apache-2.0
 *
 * The program membershipd itself: command line, signals, exit codes. */
#include "test_core_node.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include <jansson.h>

#define DAEMON     UB_BUILD_DIR "/membershipd"
#define GOOD(text) LUA("module \"good\" { path = \"" TEST_MODULES "/good.so\", " text " }\n")

static char output[65536];

static const char *output_read(void)
{
    FILE *file = fopen("out", "r");
    assert_non_null(file);
    output[fread(output, 1, sizeof(output) - 1, file)] = '\0';
    fclose(file);
    return output;
}

/* Standard output and error go to the file "out". */
static pid_t daemon_start(const char *const *args)
{
    int fd = open("out", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves no daemon behind */
        dup2(fd, 1);
        dup2(fd, 2);
        const char *argv[16] = {DAEMON};
        for (size_t i = 0; args[i] != NULL; i++) {
            argv[i + 1] = args[i];
        }
        execv(DAEMON, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(fd);
    return pid;
}

static int daemon_wait(pid_t pid)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

#define RUN(...) daemon_wait(daemon_start((const char *const[]){__VA_ARGS__, NULL}))

/* Waits for a word in the output, 10 s at most. */
static void output_wait(const char *word)
{
    const struct timespec pause = {0, 10000000};
    for (int i = 0; i < 1000 && strstr(output_read(), word) == NULL; i++) {
        nanosleep(&pause, NULL);
    }
    assert_non_null(strstr(output, word));
}

static void usage_is_exit_2(void **state)
{
    (void)state;
    assert_int_equal(RUN("--nonsense"), 2);
    assert_string_equal(output_read(),
                        "membershipd: --nonsense: unknown option (membershipd --help "
                        "lists the options)\n");
    assert_int_equal(RUN("-c"), 2);
    assert_int_equal(RUN("--check"), 2);
    assert_int_equal(RUN("-c", "x.lua", "--json"), 2);
    assert_int_equal(RUN("--help"), 0);
    assert_non_null(strstr(output_read(), "--set module.key=value"));
    assert_int_equal(RUN("--version"), 0);
    assert_non_null(strstr(output_read(), "ABI 1.1"));
}

static void check_has_no_side_effect(void **state)
{
    (void)state;
    file_write("unibus.lua", GOOD(""), 0600);
    assert_int_equal(RUN("-c", "unibus.lua", "--check"), 0);
    assert_non_null(strstr(output_read(), "unibus.lua: ok\n"));
    assert_int_not_equal(access("local_files", F_OK), 0);
    assert_int_equal(RUN("-c", "unibus.lua", "--check", "--set", "good.workers=0"), 1);
    assert_non_null(strstr(output_read(), "--set: module \"good\": workers = 0 is too small: 1 to "
                                          "512 (default 8)\n1 error, nothing was started.\n"));
    assert_int_equal(RUN("-c", "unibus.lua", "--check", "--json", "--set=good.workers=0"), 1);
    assert_non_null(strstr(output_read(), "\"code\": \"E-CONFIG-011\""));
}

static void sigterm_stops_in_good_order(void **state)
{
    (void)state;
    file_write("unibus.lua", GOOD("drain_polls = 2"), 0600);
    const char *const args[] = {"-c", "unibus.lua", NULL};
    pid_t pid = daemon_start(args);
    output_wait(" core ready: ");
    kill(pid, SIGHUP);
    output_wait(" core reloaded: no change: nothing to do");
    char in_use[64];
    pid_t second = fork();
    if (second == 0) {
        execl("/bin/sh", "sh", "-c", DAEMON " -c unibus.lua >out2 2>&1", (char *)NULL);
        _exit(127);
    }
    assert_int_equal(daemon_wait(second), 1);
    snprintf(in_use, sizeof(in_use), "is in use by process %ld", (long)pid);
    assert_int_equal(rename("out2", "out3"), 0);
    FILE *file = fopen("out3", "r");
    char text[1024];
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    assert_non_null(strstr(text, in_use));
    kill(pid, SIGTERM);
    assert_int_equal(daemon_wait(pid), 0);
    output_read();
    assert_non_null(strstr(output, "call=drain"));
    assert_non_null(strstr(output, "call=stop"));
    assert_non_null(strstr(output, "call=destroy"));
    assert_true(strstr(output, "call=destroy") < strstr(output, " core stopped: "));
}

static void second_signal_does_not_wait(void **state)
{
    (void)state;
    file_write("unibus.lua", GOOD("drain_polls = 1000000"), 0600);
    const char *const args[] = {"-c", "unibus.lua", NULL};
    pid_t pid = daemon_start(args);
    output_wait(" core ready: ");
    kill(pid, SIGINT);
    output_wait(" core draining: ");
    kill(pid, SIGTERM);
    assert_int_equal(daemon_wait(pid), 0);
    assert_non_null(strstr(output_read(), "stop-now"));
}

static void faults_are_json_events_when_the_log_is(void **state)
{
    (void)state;
    file_write("unibus.lua", GOOD("fails = \"start\"") "log { format = \"json\" }\n", 0600);
    assert_int_equal(RUN("-c", "unibus.lua"), 1);
    output_read();
    assert_non_null(strstr(output, "\"event\":\"start-refused\""));
    assert_non_null(strstr(output, "\"code\":\"E-GOOD-001\""));
    for (char *line = strtok(output, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        assert_int_equal(line[0], '{');
    }
}

static void explain_prints_the_tables(void **state)
{
    (void)state;
    assert_int_equal(RUN("explain", "posture.require"), 0);
    assert_string_equal(output_read(), "posture: what the node must at least be\n"
                                       "  require                refuse to start in anything "
                                       "weaker\n"
                                       "                         choice: dev, enforce, cluster; "
                                       "default enforce; a change takes effect on reload\n");
    assert_int_equal(RUN("explain", "--json"), 0);
    json_t *blocks = json_loads(output_read(), 0, NULL);
    assert_true(json_array_size(blocks) >= 3); /* the core's, and modules that are built */
    json_decref(blocks);
    assert_int_equal(RUN("explain", "posture.requires"), 1);
    assert_string_equal(
        output_read(),
        "posture has no setting \"requires\" (did you mean \"require\"?) (membershipd explain "
        "posture lists them)\n");
    assert_int_equal(RUN("explain", "no-such-module"), 1);
    assert_non_null(strstr(output_read(), "there is no file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(usage_is_exit_2),
        FOLDER_TEST(check_has_no_side_effect),
        FOLDER_TEST(sigterm_stops_in_good_order),
        FOLDER_TEST(second_signal_does_not_wait),
        FOLDER_TEST(faults_are_json_events_when_the_log_is),
        FOLDER_TEST(explain_prints_the_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
