/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include <stdlib.h>

#include <jansson.h>
#include <sodium.h>

#include <unibus/error.h>

#include "loop.h"
#include "pool.h"
#include "reload.h"
#include "secret.h"

static const struct host *host_of(const struct ub_host *pub)
{
    return (const struct host *)pub;
}

static struct node *node_of(const struct ub_host *pub)
{
    return host_of(pub)->node;
}

static void host_log_emit(const struct ub_host *pub, enum ub_log_level level, const char *event,
                          const char *message, const struct ub_log_field *fields, size_t count)
{
    log_emit(&node_of(pub)->log, level, host_of(pub)->module, event, message, fields, count);
}

static bool host_log_is_enabled(const struct ub_host *pub, enum ub_log_level level)
{
    return log_is_enabled(&node_of(pub)->log, level);
}

static int64_t host_now_ms(const struct ub_host *pub)
{
    return clock_now_ms(&node_of(pub)->clock);
}

static int64_t host_mono_ns(const struct ub_host *pub)
{
    return clock_mono_ns(&node_of(pub)->clock);
}

static void host_random(const struct ub_host *pub, void *out, size_t len)
{
    (void)pub;
    randombytes_buf(out, len);
}

static struct ub_loop *host_main_loop(const struct ub_host *pub)
{
    return node_of(pub)->main;
}

static enum ub_status host_loop_open(const struct ub_host *pub, const char *name,
                                     struct ub_loop **loop_out, struct ub_err *err)
{
    (void)pub;
    return loop_open(name, loop_out, err);
}

static enum ub_status host_pool_open(const struct ub_host *pub, const char *name, unsigned threads,
                                     unsigned queue_max, struct ub_pool **pool_out,
                                     struct ub_err *err)
{
    (void)pub;
    return pool_open(name, threads, queue_max, pool_out, err);
}

static const char *host_name(const struct ub_host *pub)
{
    return node_of(pub)->name;
}

static const char *host_state_dir(const struct ub_host *pub)
{
    return node_of(pub)->state_dir;
}

static const char *host_version(const struct ub_host *pub)
{
    (void)pub;
    return node_version();
}

static struct ub_where host_where(const struct ub_host *pub, const char *setting)
{
    const struct host *host = host_of(pub);
    return host->where != NULL ? host->where(host->where_ctx, setting) : (struct ub_where){NULL, 0};
}

static void host_post_fact(const struct ub_host *pub, const char *name, const char *value)
{
    if (!board_post(&node_of(pub)->board, name, value)) {
        ub_log(pub, UB_LOG_ERROR, "fact-lost", "no memory to post a fact", UB_TEXT("fact", name));
    }
}

static size_t host_read_fact(const struct ub_host *pub, const char *name, char *out,
                             size_t out_size)
{
    return board_read(&node_of(pub)->board, name, out, out_size);
}

static char *host_health_json(const struct ub_host *pub, enum ub_detail detail,
                              bool *is_healthy_out, bool *is_ready_out)
{
    return health_read(&node_of(pub)->health, detail, is_healthy_out, is_ready_out);
}

static bool host_is_waiting(const struct ub_host *pub, char *what_out, size_t out_size)
{
    return health_is_waiting(&node_of(pub)->health, what_out, out_size);
}

static void host_free_text(const struct ub_host *pub, char *text)
{
    (void)pub;
    free(text);
}

static void host_fail(const struct ub_host *pub, const char *code, const char *why)
{
    struct node *node = node_of(pub);
    if (node->fail != NULL) {
        node->fail(node, host_of(pub)->module, code, why);
    }
}

static void host_record(const struct ub_host *pub, const struct ub_decision *decision, char *id_out)
{
    decisions_record(&node_of(pub)->decisions, host_of(pub)->module, decision, id_out);
}

static char *host_find_json(const struct ub_host *pub, const char *id)
{
    return decisions_find_json(&node_of(pub)->decisions, node_of(pub)->name, id);
}

static char *host_list_json(const struct ub_host *pub, const char *since, const char *principal,
                            size_t max)
{
    return decisions_list_json(&node_of(pub)->decisions, node_of(pub)->name, since, principal, max);
}

static const struct ub_host_log host_log = {
    .size = sizeof(host_log), .emit = host_log_emit, .is_enabled = host_log_is_enabled};

static const struct ub_host_clock host_clock = {.size = sizeof(host_clock),
                                                .now_ms = host_now_ms,
                                                .mono_ns = host_mono_ns,
                                                .random = host_random};

static const struct ub_host_loop host_loop = {.size = sizeof(host_loop),
                                              .main = host_main_loop,
                                              .open = host_loop_open,
                                              .close = loop_close,
                                              .post = loop_post,
                                              .is_current = loop_is_current,
                                              .native = loop_native,
                                              .timer_start = loop_timer_start,
                                              .timer_stop = loop_timer_stop};

static const struct ub_host_pool host_pool = {.size = sizeof(host_pool),
                                              .open = host_pool_open,
                                              .close = pool_close,
                                              .submit = pool_submit,
                                              .offload = pool_offload};

static const struct ub_host_node host_node = {.size = sizeof(host_node),
                                              .name = host_name,
                                              .state_dir = host_state_dir,
                                              .version = host_version,
                                              .where = host_where,
                                              .post_fact = host_post_fact,
                                              .read_fact = host_read_fact,
                                              .health_json = host_health_json,
                                              .free_text = host_free_text,
                                              .fail = host_fail,
                                              .is_waiting = host_is_waiting};

/* ---- the operator's view ----------------------------------------------------------------------
 */

static char *host_effective_json(const struct ub_host *pub)
{
    return view_read(&node_of(pub)->view, VIEW_CONFIG);
}

static char *host_modules_json(const struct ub_host *pub)
{
    return view_read(&node_of(pub)->view, VIEW_MODULES);
}

static enum ub_status host_reload(const struct ub_host *pub, bool is_dry, char **json_out,
                                  struct ub_err *err)
{
    struct node *node = node_of(pub);
    struct reload_result result;
    *json_out = NULL;
    if (node->reload == NULL) {
        return ub_fail(err, UB_EUNSUPPORTED, "this host has no config to reload");
    }
    if (loop_is_current(node->main)) {
        return ub_fail(err, UB_EINVAL, "reload waits for the main loop: call it on a worker");
    }
    reload_ask(node->reload, is_dry, &result);
    enum ub_status status = result.status;
    *json_out = json_dumps(result.json, JSON_COMPACT);
    if (status != UB_OK) {
        ub_fail(err, status, "%s", result.summary);
    }
    reload_result_fini(&result);
    return status;
}

static void host_fault(const struct ub_host *pub, const struct ub_err *err)
{
    const struct host *host = (const struct host *)pub;
    if (host->fault != NULL) {
        host->fault(host->fault_ctx, err);
    }
}

static const struct ub_host_config host_config = {.size = sizeof(host_config),
                                                  .effective_json = host_effective_json,
                                                  .modules_json = host_modules_json,
                                                  .reload = host_reload,
                                                  .fault = host_fault};

static const struct ub_host_secret host_secret = {.size = sizeof(host_secret),
                                                  .bytes = secret_bytes};

static const struct ub_host_decision host_decision = {.size = sizeof(host_decision),
                                                      .record = host_record,
                                                      .find_json = host_find_json,
                                                      .list_json = host_list_json};

void host_init(struct host *host, struct node *node, const char *module)
{
    *host = (struct host){.pub = {.size = sizeof(host->pub),
                                  .abi_major = UB_ABI_MAJOR,
                                  .abi_minor = UB_ABI_MINOR,
                                  .log = &host_log,
                                  .clock = &host_clock,
                                  .loop = &host_loop,
                                  .pool = &host_pool,
                                  .node = &host_node,
                                  .secret = &host_secret,
                                  .decision = &host_decision,
                                  .config = &host_config},
                          .node = node,
                          .module = module};
}
