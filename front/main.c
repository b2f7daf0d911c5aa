/* SPDX-License-Identifier: Apache-2.0
 *
 * unibus-nats-server: the core with the modules of a NATS server and nats-server's own way to be
 * started, configured, told and read. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "core/boot.h"
#include "core/linked.h"
#include "core/loop.h"
#include "core/process.h"

#include "files.h"
#include "into.h"
#include "log_line.h"
#include "signal_command.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct front {
    const char *program;
    struct options options;
    struct front_settings settings; /* in force */
    struct front_settings next;     /* of the latest load */
    struct boot boot;
    struct log_line line;
    struct event *events[5];
    char ports_path[PATH_MAX];
};

UB_PRINTF(3, 4)
static void tell(struct front *front, enum ub_log_level level, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    log_emit(&front->boot.node.log, level, LOG_LINE_OWN, "line", text, NULL, 0);
}

/* ---- the config -------------------------------------------------------------------------------
 */

static void on_load(void *ctx, struct config *config, struct report *report)
{
    struct front *front = ctx;
    front_settings_fini(&front->next);
    into_load(&front->options, &conf_disk, &front->next, config, report);
}

/* The settings that the core has just taken. */
static void take_next(struct front *front)
{
    front_settings_fini(&front->settings);
    front->settings = front->next;
    front->next = (struct front_settings){.note_count = 0};
    front->line.has_time = front->settings.has_time;
    front->line.is_utc = front->settings.is_utc;
}

static void tell_notes(struct front *front)
{
    for (size_t i = 0; i < front->settings.note_count; i++) {
        tell(front, UB_LOG_WARN, "%s", front->settings.notes[i]);
    }
}

static bool open_log(struct front *front)
{
    const char *path = front->settings.log_file;
    if (path[0] == '\0' || files_open_log(path, &front->boot.node.log.fd)) {
        return true;
    }
    tell(front, UB_LOG_ERROR, "cannot open the log file %s: %s", path, strerror(errno));
    return false;
}

static void on_line(void *ctx, FILE *out, const struct log_event *event)
{
    const struct front *front = ctx;
    log_line_write(&front->line, out, event);
}

/* ---- signals ----------------------------------------------------------------------------------
 */

static void reload(struct front *front)
{
    char before[INTO_TEXT_MAX];
    snprintf(before, sizeof(before), "%s", front->settings.log_file);
    if (!boot_reload(&front->boot)) {
        return;
    }
    take_next(front);
    if (strcmp(before, front->settings.log_file) != 0) {
        open_log(front);
    }
    tell_notes(front);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct front *front = arg;
    (void)what;
    switch (number) {
    case SIGHUP:
        tell(front, UB_LOG_DEBUG, "Trapped \"hangup\" signal");
        reload(front);
        break;
    case SIGUSR1:
        if (open_log(front)) {
            tell(front, UB_LOG_INFO, "File log re-opened");
        }
        break;
    case SIGUSR2:
        tell(front, UB_LOG_INFO, "Entering lame duck mode, stop accepting new clients");
        boot_retire(&front->boot);
        break;
    default:
        tell(front, UB_LOG_INFO, "Trapped \"%s\" signal",
             number == SIGINT ? "interrupt" : "terminated");
        boot_stop(&front->boot);
    }
}

static bool signals_start(struct front *front)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
    bool is_sound = true;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        front->events[i] =
            evsignal_new(loop_native(front->boot.node.main), numbers[i], on_signal, front);
        is_sound = is_sound && front->events[i] != NULL && event_add(front->events[i], NULL) == 0;
    }
    return is_sound;
}

static void signals_stop(struct front *front)
{
    for (size_t i = 0; i < sizeof(front->events) / sizeof(front->events[0]); i++) {
        if (front->events[i] != NULL) {
            event_free(front->events[i]);
        }
    }
}

/* ---- the run ----------------------------------------------------------------------------------
 */

static void fact(struct front *front, const char *name, char *out, size_t out_size)
{
    if (board_read(&front->boot.node.board, name, out, out_size) == 0) {
        out[0] = '\0';
    }
}

static void tell_start(struct front *front)
{
    const char *name = front->settings.name;
    tell(front, UB_LOG_INFO, "Starting nats-server");
    tell(front, UB_LOG_INFO, "  Version:  unibus %s", node_version());
    tell(front, UB_LOG_INFO, "  Name:     %s", name[0] != '\0' ? name : front->boot.node.name);
    if (front->options.config != NULL) {
        tell(front, UB_LOG_INFO, "Using configuration file: %s", front->options.config);
    }
    tell_notes(front);
}

static bool write_files(struct front *front)
{
    struct front_settings *settings = &front->settings;
    char url[512], monitor[512];
    fact(front, "nats.url", url, sizeof(url));
    fact(front, "nats.monitor_url", monitor, sizeof(monitor));
    if (settings->pid_file[0] != '\0' && !files_write_pid(settings->pid_file)) {
        tell(front, UB_LOG_ERROR, "cannot write the pid file %s: %s", settings->pid_file,
             strerror(errno));
        return false;
    }
    if (settings->ports_dir[0] == '\0') {
        return true;
    }
    files_ports_path(settings->ports_dir, front->program, front->ports_path,
                     sizeof(front->ports_path));
    if (files_write_ports(front->ports_path, url, monitor[0] != '\0' ? monitor : NULL)) {
        return true;
    }
    tell(front, UB_LOG_ERROR, "cannot write the ports file %s: %s", front->ports_path,
         strerror(errno));
    front->ports_path[0] = '\0';
    return false;
}

static const char *address_of(const char *url)
{
    const char *address = strstr(url, "://");
    return address != NULL ? address + 3 : url;
}

static void tell_ready(struct front *front)
{
    char url[512];
    fact(front, "nats.monitor_url", url, sizeof(url));
    if (url[0] != '\0') {
        tell(front, UB_LOG_INFO, "Starting http monitor on %s", address_of(url));
    }
    fact(front, "nats.url", url, sizeof(url));
    tell(front, UB_LOG_INFO, "Listening for client connections on %s", address_of(url));
    tell(front, UB_LOG_INFO, "Server is ready");
}

static int run_server(struct front *front)
{
    struct boot *boot = &front->boot;
    tell_start(front);
    if (!signals_start(front) || !boot_start(boot)) {
        report_print(&boot->report, stderr, "everything that had started was stopped again");
        return EXIT_FAILED;
    }
    if (!write_files(front)) {
        return EXIT_FAILED;
    }
    tell_ready(front);
    int code = boot_run(boot) ? EXIT_OK : EXIT_FAILED;
    log_core(&boot->node.log, UB_LOG_INFO, "stopped", "stopped", UB_NUMBER("exit", code));
    return code;
}

static int run_test(struct front *front)
{
    for (size_t i = 0; i < front->settings.note_count; i++) {
        fprintf(stderr, "%s\n", front->settings.notes[i]);
    }
    fprintf(stderr, "%s: configuration file %s is valid\n", front->program, front->options.config);
    return EXIT_OK;
}

static int run_planned(struct front *front)
{
    if (!boot_plan(&front->boot)) {
        report_print(&front->boot.report, stderr, "nothing was started");
        return EXIT_FAILED;
    }
    take_next(front);
    if (front->options.is_test) {
        return run_test(front);
    }
    if (!open_log(front)) {
        return EXIT_FAILED;
    }
    return run_server(front);
}

static int run(struct front *front)
{
    const struct plan_front plan_front = {on_load, on_line, front};
    const struct plan_source source = {
        .config_file = front->options.config != NULL ? front->options.config : "the command line",
        .front = &plan_front,
        .loader = {"", linked_modules, linked_count},
    };
    if (!boot_init(&front->boot, &source, STDERR_FILENO)) {
        report_print(&front->boot.report, stderr, "nothing was started");
        report_fini(&front->boot.report);
        return EXIT_FAILED;
    }
    int code = run_planned(front);
    signals_stop(front);
    if (front->ports_path[0] != '\0') {
        unlink(front->ports_path);
    }
    boot_fini(&front->boot);
    front_settings_fini(&front->settings);
    front_settings_fini(&front->next);
    return code;
}

/* ---- the process ------------------------------------------------------------------------------
 */

/* The last NATS version that all features are of, first, because programs read it from here. */
static int print_version(void)
{
    printf("nats-server: v%s (unibus %s)\n", UNIBUS_NATS_VERSION, node_version());
    return EXIT_OK;
}

static int fail(const struct front *front, const char *fault, int code)
{
    fprintf(stderr, "%s: %s\n", front->program, fault);
    return code;
}

int main(int argc, char **argv)
{
    static struct front front;
    char fault[512];
    front.program = argc > 0 ? argv[0] : "unibus-nats-server";
    front.line.pid = (long)getpid();
    front.line.has_time = true;
    process_harden();
    if (!options_read(&front.options, argc, argv, fault, sizeof(fault))) {
        fail(&front, fault, EXIT_USAGE);
        return fail(&front, "--help lists the options", EXIT_USAGE);
    }
    if (front.options.is_help) {
        options_help(stdout, front.program);
        return EXIT_OK;
    }
    if (front.options.is_version) {
        return print_version();
    }
    if (front.options.signal != NULL) {
        return signal_command(front.options.signal, fault, sizeof(fault))
                   ? EXIT_OK
                   : fail(&front, fault, EXIT_FAILED);
    }
    if (front.options.is_test && front.options.config == NULL) {
        return fail(&front, "-t judges a configuration file: name it with -c", EXIT_FAILED);
    }
    return run(&front);
}
