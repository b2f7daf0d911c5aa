/* SPDX-License-Identifier: Apache-2.0 */
#include "kit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "host.h"
#include "loader.h"
#include "loop.h"

struct kit {
    struct host host; /* first: the test's pointer is a pointer to this */
    struct node node;
    char module[64];
    char failed[64];
    char *log; /* the copy that kit_log handed out */
    struct kit_filled *filled;
};

/* One kit_settings. */
struct kit_filled {
    struct kit_filled *next;
    struct settings settings;
};

static struct kit *kit_of(const struct ub_host *host)
{
    return (struct kit *)(uintptr_t)host;
}

static void kit_on_fail(struct node *node, const char *module, const char *code, const char *why)
{
    (void)module;
    struct kit *kit = node->fail_ctx;
    pthread_mutex_lock(&node->log.lock);
    snprintf(kit->failed, sizeof(kit->failed), "%s", code);
    pthread_mutex_unlock(&node->log.lock);
    log_core(&node->log, UB_LOG_ERROR, "node-failed", why, UB_TEXT("code", code));
}

static void kit_state_new(struct node *node)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(node->state_dir, sizeof(node->state_dir), "%s/unibus-kit-XXXXXX",
             tmp != NULL ? tmp : "/tmp");
    CHECK(mkdtemp(node->state_dir) != NULL);
}

struct ub_host *kit_host_new(const char *module)
{
    struct kit *kit = calloc(1, sizeof(*kit));
    CHECK(kit != NULL);
    CHECK(node_init(&kit->node, -1, NULL) == UB_OK);
    snprintf(kit->node.name, sizeof(kit->node.name), "test");
    snprintf(kit->module, sizeof(kit->module), "%s", module);
    kit_state_new(&kit->node);
    kit->node.log.level = UB_LOG_DEBUG;
    kit->node.log.is_kept = true;
    kit->node.fail = kit_on_fail;
    kit->node.fail_ctx = kit;
    host_init(&kit->host, &kit->node, kit->module);
    return &kit->host.pub;
}

/* Removes what is in the folder behind fd, and closes it. */
static void kit_empty(int fd)
{
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        if (unlinkat(fd, entry->d_name, 0) != 0) {
            kit_empty(openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
            unlinkat(fd, entry->d_name, AT_REMOVEDIR);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

void kit_host_free(struct ub_host **host)
{
    struct kit *kit = kit_of(*host);
    kit_empty(open(kit->node.state_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    rmdir(kit->node.state_dir);
    node_fini(&kit->node);
    while (kit->filled != NULL) {
        struct kit_filled *filled = kit->filled;
        kit->filled = filled->next;
        settings_fini(&filled->settings);
        free(filled);
    }
    free(kit->log);
    free(kit);
    *host = NULL;
}

/* Real time, also when the test's clock stands still. */
static int64_t kit_real_ms(void)
{
    static const struct clock system_clock;
    return clock_mono_ns(&system_clock) / 1000000;
}

bool kit_run_until(const struct ub_host *host, bool (*is_done)(void *arg), void *arg,
                   int64_t timeout_ms)
{
    int64_t end = kit_real_ms() + timeout_ms;
    while (!is_done(arg) && kit_real_ms() < end) {
        loop_step(kit_of(host)->node.main, 2);
    }
    return is_done(arg);
}

static bool kit_never(void *arg)
{
    (void)arg;
    return false;
}

void kit_run_for(const struct ub_host *host, int64_t ms)
{
    kit_run_until(host, kit_never, NULL, ms);
}

void kit_fire_timers(const struct ub_host *host)
{
    loop_timers_fire(kit_of(host)->node.main);
}

void kit_clock_set(const struct ub_host *host, int64_t now_ms, int64_t mono_ns)
{
    clock_set(&kit_of(host)->node.clock, now_ms, mono_ns);
}

void kit_clock_advance(const struct ub_host *host, int64_t ms)
{
    struct clock *clock = &kit_of(host)->node.clock;
    clock_set(clock, clock_now_ms(clock) + ms, clock_mono_ns(clock) + ms * 1000000);
}

const char *kit_log(const struct ub_host *host)
{
    struct kit *kit = kit_of(host);
    struct log *log = &kit->node.log;
    pthread_mutex_lock(&log->lock);
    free(kit->log);
    kit->log = strdup(log->kept != NULL ? log->kept : "");
    pthread_mutex_unlock(&log->lock);
    CHECK(kit->log != NULL);
    return kit->log;
}

void kit_log_clear(const struct ub_host *host)
{
    struct log *log = &kit_of(host)->node.log;
    pthread_mutex_lock(&log->lock);
    free(log->kept);
    log->kept = NULL;
    log->kept_len = 0;
    pthread_mutex_unlock(&log->lock);
}

static bool kit_fill(struct kit *kit, const struct ub_module *module, const char *const *sets,
                     struct settings *settings, struct report *report)
{
    struct config config;
    struct loaded loaded;
    config_init(&config);
    struct config_block *block =
        config_add_module(&config, module->name, (struct ub_where){"kit", 0});
    for (size_t i = 0; sets != NULL && sets[i] != NULL; i++) {
        char *assignment = arena_printf(&config.arena, "%s.%s", module->name, sets[i]);
        config_set(&config, assignment, report);
    }
    const struct fill_context context = {kit->node.state_dir, kit->node.state_dir, true};
    bool is_sound = loader_adopt(module, 0, NULL, block, &loaded, report);
    if (is_sound) {
        const struct field_table table = fields_of(&loaded.module);
        is_sound = settings_fill(settings, &table, block, &context, report) && report->count == 0;
    }
    config_fini(&config);
    return is_sound;
}

const void *kit_settings(const struct ub_host *host, const struct ub_module *module,
                         const char *const *sets)
{
    struct kit *kit = kit_of(host);
    struct report report = {.items = NULL};
    struct kit_filled *filled = calloc(1, sizeof(*filled));
    CHECK(filled != NULL);
    filled->next = kit->filled;
    kit->filled = filled;
    bool is_sound = kit_fill(kit, module, sets, &filled->settings, &report);
    if (!is_sound) {
        report_log(&report, &kit->node.log, "no settings");
    }
    report_fini(&report);
    return is_sound ? filled->settings.data : NULL;
}

void kit_health_set(const struct ub_host *host, const char *json, bool is_healthy, bool is_ready)
{
    health_publish(&kit_of(host)->node.health, strdup(json), strdup(json), is_healthy, is_ready);
}

void kit_waiting_set(const struct ub_host *host, const char *what)
{
    health_await(&kit_of(host)->node.health, what);
}

const char *kit_failed(const struct ub_host *host)
{
    return kit_of(host)->failed;
}
