/* SPDX-License-Identifier: Apache-2.0
 *
 * The life cycle: each step, steps left out, steps that fail, and what is left behind. */
#include "life_tool.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <malloc.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a process holds. */
struct holdings {
    size_t fds, threads, memory;
};

static size_t entries_of(const char *folder)
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    expect(dir != NULL);
    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count;
}

static struct holdings holdings_now(struct subject *s)
{
    kit_log_clear(s->host);
    return (struct holdings){entries_of("/proc/self/fd"), entries_of("/proc/self/task"),
                             mallinfo2().uordblks};
}

/* A thread that was joined may still be going for a moment. */
static void expect_given_back(struct subject *s, const struct holdings *before, const char *when)
{
    struct holdings now = holdings_now(s);
    for (int i = 0; i < 100 && (now.threads > before->threads || now.fds > before->fds); i++) {
        kit_run_for(s->host, 10);
        now = holdings_now(s);
    }
    if (now.fds > before->fds) {
        fail("%s: %zu file descriptors are left open", when, now.fds - before->fds);
    }
    if (now.threads > before->threads) {
        fail("%s: %zu threads still run", when, now.threads - before->threads);
    }
}

static void must(struct subject *s, bool is_done, const char *step)
{
    if (!is_done) {
        fail("%s: %s", step, kit_modules_faults(s->modules));
    }
}

static void run_once(struct subject *s)
{
    subject_shut(s);
    subject_start(s);
    subject_shut(s);
}

/* Libraries that are used for the first time keep a few things for good. */
static void warm_up(struct subject *s)
{
    for (int i = 0; i < 3; i++) {
        run_once(s);
    }
}

static void create_has_no_side_effects(struct subject *s)
{
    size_t files = entries_of(s->host->node->state_dir(s->host));
    struct holdings before = holdings_now(s);
    must(s, kit_module_create(s->modules, 0), "create");
    expect_given_back(s, &before, "after create");
    expect_int(entries_of(s->host->node->state_dir(s->host)), files);
}

static void destroy_without_start(struct subject *s)
{
    for (int i = 0; i < 5; i++) {
        must(s, kit_module_create(s->modules, 0), "create");
        kit_module_destroy(s->modules, 0);
    }
}

static void stop_without_ready(struct subject *s)
{
    subject_shut(s);
    subject_load(s);
    for (size_t i = s->spec_count; i > 0; i--) {
        must(s, kit_module_create(s->modules, i - 1), "create");
    }
    for (size_t i = s->spec_count; i > 0; i--) {
        must(s, kit_module_bind(s->modules, i - 1), "bind");
        must(s, kit_module_start(s->modules, i - 1), "start");
    }
    subject_shut(s);
}

static void start_stop_start(struct subject *s)
{
    for (int i = 0; i < 5; i++) {
        run_once(s);
    }
}

static void nothing_is_left_after_stop(struct subject *s)
{
    warm_up(s);
    struct holdings before = holdings_now(s);
    run_once(s);
    expect_given_back(s, &before, "after stop and destroy");
}

#define MEMORY_CYCLES 12

/* The allocator's caches of threads are off (check_prepare), so what it counts is what is held. */
static void memory_does_not_grow(struct subject *s)
{
    warm_up(s);
    size_t first = holdings_now(s).memory;
    if (first == 0) {
        case_skip("this build's allocator does not tell; its leak checker looks instead");
    }
    for (int i = 0; i < MEMORY_CYCLES; i++) {
        run_once(s);
    }
    size_t last = holdings_now(s).memory;
    if (last >= first + MEMORY_CYCLES * 16) {
        fail("%zu bytes are left after each start and stop", (last - first) / MEMORY_CYCLES);
    }
}

static void drain_comes_to_an_end(struct subject *s)
{
    subject_start(s);
    if (!kit_module_drain(s->modules, 0, 10000)) {
        fail("it has nothing to do, but is not drained after 10 s");
    }
}

/* ---- reload -----------------------------------------------------------------------------------
 */

static void reload_can_be_taken_back(struct subject *s)
{
    subject_start(s);
    const struct ub_module_ops *ops = kit_module_ops(s->modules, 0);
    if (ops->prepare == NULL) {
        case_skip("it has no prepare: every change needs a restart");
    }
    expect(ops->commit != NULL && ops->abort != NULL);
    for (int i = 0; i < 4; i++) {
        struct ub_err err = UB_ERR_INIT;
        void *token = NULL;
        void *self = kit_module_self(s->modules, 0);
        enum ub_status status =
            ops->prepare(self, kit_module_settings(s->modules, 0), &token, &err);
        if (status != UB_OK) {
            fail("prepare refuses the settings that run: %s", err.message);
        }
        (i % 2 ? ops->commit : ops->abort)(self, token);
    }
}

/* ---- posture and health -----------------------------------------------------------------------
 */

static void check_name(const char *what, const char *name)
{
    if (name == NULL || name[0] == '\0' || strpbrk(name, " \t\n\"\\") != NULL) {
        fail("%s is named \"%s\"", what, name != NULL ? name : "(null)");
    }
}

static void on_fact(void *ctx, const char *name, const char *value, const char *setting)
{
    const struct subject *s = ctx;
    check_name("a fact of the posture", name);
    expect(value != NULL);
    if (setting != NULL && !subject_has_setting(s, setting)) {
        fail("its fact %s comes from the setting \"%s\", which it does not have", name, setting);
    }
}

static void on_listener(void *ctx, const char *address, bool is_loopback, bool has_tls,
                        const char *setting)
{
    (void)is_loopback;
    (void)has_tls;
    check_name("a listener", address);
    expect(setting == NULL || subject_has_setting(ctx, setting));
}

static void posture_is_told_before_start(struct subject *s)
{
    const struct ub_module_ops *ops = kit_module_ops(s->modules, 0);
    const struct ub_posture_sink sink = {sizeof(sink), s, on_fact, on_listener};
    must(s, kit_module_create(s->modules, 0), "create");
    if (ops->posture == NULL) {
        case_skip("it states nothing");
    }
    ops->posture(kit_module_self(s->modules, 0), &sink);
}

static void on_number(void *ctx, const char *name, int64_t value)
{
    (void)ctx;
    (void)value;
    check_name("a number of its health", name);
}

static void on_text(void *ctx, const char *name, const char *value)
{
    (void)ctx;
    check_name("a text of its health", name);
    expect(value != NULL);
}

static void on_problem(void *ctx, const char *code, const char *what, const char *fix)
{
    (void)ctx;
    (void)fix;
    fail("fresh and idle it has a problem: %s %s", code != NULL ? code : "(no code)",
         what != NULL ? what : "");
}

static void on_waiting(void *ctx, const char *what)
{
    (void)ctx;
    expect(what != NULL && what[0] != '\0');
}

static void health_is_told_at_once(struct subject *s)
{
    const struct ub_health_sink sink = {sizeof(sink), s,          on_number,
                                        on_text,      on_problem, on_waiting};
    subject_start(s);
    const struct ub_module_ops *ops = kit_module_ops(s->modules, 0);
    if (ops->health == NULL) {
        case_skip("it states nothing");
    }
    int64_t worst_ms = 0;
    for (int i = 0; i < 20; i++) {
        int64_t began_ms = case_now_ms();
        ops->health(kit_module_self(s->modules, 0), &sink);
        int64_t took_ms = case_now_ms() - began_ms;
        worst_ms = i == 0 || took_ms < worst_ms ? took_ms : worst_ms;
        kit_run_for(s->host, 5);
    }
    if (worst_ms > 50) {
        fail("health takes at least %" PRId64 " ms: it blocks the main loop", worst_ms);
    }
}

/* ---- a start that fails -----------------------------------------------------------------------
 */

static int bound_socket(int *port_out)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    expect(fd >= 0 && bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, 1) == 0);
    expect_int(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port_out = ntohs(address.sin_port);
    return fd;
}

/* Makes the settings such that start should fail: a state path below a file, a port that is taken.
 * False when the field is of neither kind. */
static bool spoil(struct subject *s, const struct ub_field *field)
{
    if (field->kind == UB_KIND_STATE_PATH && field->default_text != NULL) {
        subject_set(s, field->name, "a-file/below");
        return true;
    }
    if (field->kind == UB_KIND_LISTEN) {
        char address[32];
        int port;
        (void)bound_socket(&port);
        snprintf(address, sizeof(address), "127.0.0.1:%d", port);
        subject_set(s, field->name, address);
        return true;
    }
    return false;
}

static void put_a_file(struct subject *s)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/a-file", s->host->node->state_dir(s->host));
    FILE *file = fopen(path, "w");
    expect(file != NULL && fclose(file) == 0);
}

/* One start; false when it fails, and everything is shut again. */
static bool start_or_shut(struct subject *s)
{
    subject_load(s);
    bool is_up = kit_modules_start(s->modules);
    if (!is_up && strlen(kit_modules_faults(s->modules)) < 20) {
        fail("start fails without words: \"%s\"", kit_modules_faults(s->modules));
    }
    subject_shut(s);
    return is_up;
}

static void expect_unwound(struct subject *s)
{
    start_or_shut(s);
    struct holdings before = holdings_now(s);
    for (int i = 0; i < 5; i++) {
        expect(!start_or_shut(s));
    }
    expect_given_back(s, &before, "after a start that failed");
}

static void failing_start_unwinds(struct subject *s)
{
    const char *tried = "it has neither a state path nor a listener that could be spoilt";
    subject_shut(s);
    put_a_file(s);
    for (uint32_t i = 0; i < s->module->field_count; i++) {
        struct ub_field field = kit_field_at(s->module, i);
        if (spoil(s, &field)) {
            tried = "it starts with a state path below a file, or with a port that is taken";
            if (!start_or_shut(s)) {
                expect_unwound(s);
                return;
            }
        }
    }
    case_skip("%s", tried);
}

/* ---- two at a time ----------------------------------------------------------------------------
 */

static void two_nodes_in_one_process(struct subject *s)
{
    static struct subject other;
    subject_start(s);
    subject_init(&other, s->spec, NULL);
    subject_start(&other);
    subject_shut(s);
    subject_fini(&other);
}

const struct check_case life_cases[] = {
    LIFE_CASE(create_has_no_side_effects, "no file, no thread, no descriptor before start"),
    LIFE_CASE(destroy_without_start, "create and destroy, five times"),
    LIFE_CASE(stop_without_ready, "stop after a start that was never ready"),
    LIFE_CASE(start_stop_start, "five whole lives on the same state"),
    LIFE_CASE(nothing_is_left_after_stop, "descriptors and threads are given back"),
    LIFE_CASE(memory_does_not_grow, "memory is given back, life after life"),
    LIFE_CASE(failing_start_unwinds, "a start that fails says why and leaves nothing"),
    LIFE_CASE(drain_comes_to_an_end, "idle, it is drained within 10 s"),
    LIFE_CASE(reload_can_be_taken_back, "prepare with abort and with commit, twice each"),
    LIFE_CASE(posture_is_told_before_start, "posture may be asked after create"),
    LIFE_CASE(health_is_told_at_once, "health does not block and finds nothing wrong"),
    LIFE_CASE(two_nodes_in_one_process, "no state is shared between two instances"),
    {.name = NULL},
};
