/* SPDX-License-Identifier: Apache-2.0 */
#include "kit.h"

#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "host.h"
#include "loop.h"
#include "secret.h"

struct kit {
    struct host host; /* first: the test's pointer is a pointer to this */
    struct node node;
    char module[64];
    char failed[64];
    char *log; /* the copy that kit_log handed out */
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

static int kit_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void kit_host_free(struct ub_host **host)
{
    struct kit *kit = kit_of(*host);
    nftw(kit->node.state_dir, kit_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    node_fini(&kit->node);
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

struct ub_secret *kit_secret_new(const void *bytes, size_t len)
{
    struct ub_secret *secret = secret_new(bytes, len);
    CHECK(secret != NULL);
    return secret;
}

void kit_secret_free(struct ub_secret **secret)
{
    secret_free(secret);
}

void kit_health_set(const struct ub_host *host, const char *json, bool is_healthy, bool is_ready)
{
    health_publish(&kit_of(host)->node.health, strdup(json), strdup(json), is_healthy, is_ready);
}

const char *kit_failed(const struct ub_host *host)
{
    return kit_of(host)->failed;
}
