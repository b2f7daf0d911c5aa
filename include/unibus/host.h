/* SPDX-License-Identifier: Apache-2.0
 *
 * What the core gives to a module: one table a subject. A module keeps the pointer that create
 * received; it lives until destroy has returned. */
#ifndef UNIBUS_HOST_H
#define UNIBUS_HOST_H

#include <unibus/abi.h>

struct ub_host;
struct ub_loop;
struct ub_pool;
struct ub_timer;
struct ub_secret;

/* ---- log: structured, one event a line ------------------------------------------------------- */

enum ub_log_level { UB_LOG_ERROR = 0, UB_LOG_WARN, UB_LOG_INFO, UB_LOG_DEBUG };

enum ub_log_kind { UB_LOG_TEXT, UB_LOG_NUMBER };

struct ub_log_field {
    const char *name;
    enum ub_log_kind kind;
    const char *text; /* control characters are escaped by the sink */
    int64_t number;
};

#define UB_TEXT(name, value)                                                                       \
    {                                                                                              \
        (name), UB_LOG_TEXT, (value), 0                                                            \
    }
#define UB_NUMBER(name, value)                                                                     \
    {                                                                                              \
        (name), UB_LOG_NUMBER, NULL, (int64_t)(value)                                              \
    }

struct ub_host_log {
    uint32_t size;
    /* `event` is a stable name in kebab-case ("connection-closed"); `message` is for people. Never
     * put a secret, a payload or a token in a field. Threads: any. */
    void (*emit)(const struct ub_host *host, enum ub_log_level level, const char *event,
                 const char *message, const struct ub_log_field *fields, size_t count);
    bool (*is_enabled)(const struct ub_host *host, enum ub_log_level level);
};

/* ---- time and randomness: from here only, so that tests can replace them --------------------- */

struct ub_host_clock {
    uint32_t size;
    int64_t (*now_ms)(const struct ub_host *host);  /* wall clock, Unix milliseconds */
    int64_t (*mono_ns)(const struct ub_host *host); /* monotonic, nanoseconds */
    void (*random)(const struct ub_host *host, void *out, size_t len); /* cannot fail */
};

/* ---- loops and threads ------------------------------------------------------------------------
 */

typedef void (*ub_task_fn)(void *arg);

struct ub_host_loop {
    uint32_t size;
    /* The loop on which life-cycle calls run. */
    struct ub_loop *(*main)(const struct ub_host *host);
    /* A loop with a thread of its own; `name` shows in ps -L. Close it in stop: runs what was
     * posted, then joins the thread. */
    enum ub_status (*open)(const struct ub_host *host, const char *name, struct ub_loop **loop_out,
                           struct ub_err *err);
    void (*close)(struct ub_loop **loop);
    /* Run fn(arg) on the loop, in order. Threads: any. One wake-up for a burst of posts. */
    void (*post)(struct ub_loop *loop, ub_task_fn fn, void *arg);
    bool (*is_current)(const struct ub_loop *loop);
    /* The libevent 2.1 `struct event_base *` of the loop; touch it on the loop's thread only. */
    void *(*native)(struct ub_loop *loop);
    /* Calls fn(arg) every `every_ms` on the loop until stopped. Threads: the loop's. */
    struct ub_timer *(*timer_start)(struct ub_loop *loop, int64_t every_ms, ub_task_fn fn,
                                    void *arg);
    void (*timer_stop)(struct ub_timer **timer);
};

/* Anything that blocks goes through a pool: a bounded queue before a fixed number of threads. */
struct ub_host_pool {
    uint32_t size;
    enum ub_status (*open)(const struct ub_host *host, const char *name, unsigned threads,
                           unsigned queue_max, struct ub_pool **pool_out, struct ub_err *err);
    /* Finishes what is queued, then joins. */
    void (*close)(struct ub_pool **pool);
    /* Runs work(arg) on a thread of the pool. UB_EUNAVAILABLE at once when the queue is full; then
     * nothing is run and arg stays the caller's. Threads: any. */
    enum ub_status (*submit)(struct ub_pool *pool, ub_task_fn work, void *arg);
    /* work(arg) on the pool, then done(arg) on the loop. */
    enum ub_status (*offload)(struct ub_pool *pool, ub_task_fn work, struct ub_loop *loop,
                              ub_task_fn done, void *arg);
};

/* ---- the node ---------------------------------------------------------------------------------
 */

/* How much of the report a caller may see. */
enum ub_detail { UB_DETAIL_PUBLIC = 0, UB_DETAIL_ADMIN };

struct ub_host_node {
    uint32_t size;
    const char *(*name)(const struct ub_host *host);
    const char *(*state_dir)(const struct ub_host *host); /* absolute, exists, 0700, ours */
    const char *(*version)(const struct ub_host *host);
    /* Where a setting of this module was said; line 0 when it is a default. Threads: the main
     * loop's; the text lives until the next reload. */
    struct ub_where (*where)(const struct ub_host *host, const char *setting);

    /* The board: small public facts of the running node under dotted names ("nats.url"), so that
     * modules need not know each other. read copies into out and returns the length that it needs
     * (0 = nobody posted it). Threads: any. */
    void (*post_fact)(const struct ub_host *host, const char *name, const char *value);
    size_t (*read_fact)(const struct ub_host *host, const char *name, char *out, size_t out_size);

    /* The health report as JSON from the latest snapshot (never waits); free with free_text.
     * *is_healthy_out and *is_ready_out may be NULL. Threads: any. */
    char *(*health_json)(const struct ub_host *host, enum ub_detail detail, bool *is_healthy_out,
                         bool *is_ready_out);
    void (*free_text)(const struct ub_host *host, char *text);
    /* Ask the node to stop in good order, because this module cannot go on. Threads: any. */
    void (*fail)(const struct ub_host *host, const char *code, const char *why);
    /* since 1.1 */
    /* True while a module of this node waits for a peer, a quorum, an engine …: new clients are
     * then refused. what_out gets the first thing that is awaited, "" = none. Never waits itself.
     * Threads: any. */
    bool (*is_waiting)(const struct ub_host *host, char *what_out, size_t out_size);
};

/* ---- secrets: locked memory that no log function accepts --------------------------------------
 */

struct ub_host_secret {
    uint32_t size;
    /* The bytes of a secret, borrowed; valid while the secret is. */
    struct ub_bytes (*bytes)(const struct ub_secret *secret);
};

/* ---- decisions: why something was allowed or refused (`unibus why ID`); since 1.1 --------------
 */

/* One decision about somebody's request. Texts are copied, shortened and escaped; NULL = "". Never
 * put a secret or a payload here. */
struct ub_decision {
    uint32_t size;
    bool is_allowed;
    const char *action;        /* "connect", "room.create", "publish", "subscribe" … */
    const char *resource_kind; /* "room", "subject" … */
    const char *resource_id;
    const char *id, *handle, *role; /* of the principal; id "" = nobody yet */
    const char *address;
    const char *provider; /* the module whose word it was */
    const char *code;     /* kebab-case, stable */
    const char *text;     /* the reason, for people */
    const char *place;    /* file:line of the rule, or "" */
    const char *digest;   /* of the policy script, or "" */
    /* What was asked, already masked, in the form of POST /v1/policy:explain, so that `unibus
     * policy diff --replay` can ask a script the same: {"action", "principal":
     * {"id","handle","role", "device"}, "resource": {"kind","id"}, "context": {…}, "conn":
     * {"transport","ip","tls", "loopback","user","client","cert"}}; a member that is not known is
     * left out. NULL = nothing.
     */
    const char *input_json;
    int64_t took_us; /* -1 = not measured */
};

#define UB_DECISION_ID_MAX 32

struct ub_host_decision {
    uint32_t size;
    /* Keeps it among the latest and logs it when it is a refusal (so many lines a minute for one
     * asker); id_out (UB_DECISION_ID_MAX bytes) gets its id, "d-…". Of what was allowed only a
     * sample is kept: "" for the others. Who asked is `id`; only when that is "" it is `address`,
     * so never put an id there that nobody has proven. Never waits. Threads: any. */
    void (*record)(const struct ub_host *host, const struct ub_decision *decision, char *id_out);
    /* One as JSON; NULL when it is unknown or no longer kept. Free with node->free_text.
     * {"id","time_ms","node","allowed","action","resource":{"kind","id"},"principal":{"id","handle",
     * "role"},"address","provider","code","text","place","digest","took_us"?,"input"?:{…},
     * "input_omitted"?:true} */
    char *(*find_json)(const struct ub_host *host, const char *id);
    /* {"items": […], "next": id|null, "gap": bool}: those after the id `since` ("" or NULL = the
     * oldest kept) in order, at most max; `next` is the `since` of the next page. `gap`: `since` is
     * not kept any more, so it began at the oldest. principal NULL = of everybody, else only those
     * of this identity, or of "@address". NULL without memory. */
    char *(*list_json)(const struct ub_host *host, const char *since, const char *principal,
                       size_t max);
};

/* ---- the operator's view of the node; since 1.1 ------------------------------------------------
 */

struct ub_host_config {
    uint32_t size;
    /* The effective config as JSON: {"file", "settings": [{"name": "http.listen", "block",
     * "setting", "value", "text", "kind", "origin": "unibus.lua:7" | "--set" | "default",
     * "live"}]}; text is the value as written in Lua, secrets are named by their file. NULL = no
     * memory; free with node->free_text. Threads: any. */
    char *(*effective_json)(const struct ub_host *host);
    /* The loaded modules as JSON, not older than a second: {"modules": [{"name", "version",
     * "summary", "abi", "file", "provides": ["ub.kv 1.0"], "requires": [{"interface", "module"}],
     * "state": "running" | "waiting" | "degraded" | "stopped", "waiting": [], "problems": []}]}. */
    char *(*modules_json)(const struct ub_host *host);
    /* Reads the config file again, plans, and unless is_dry applies all of it or nothing; is_dry
     * asks the modules too, and takes it back. *json_out (free with node->free_text; NULL = no
     * memory) is
     * {"ok", "applied", "dry", "generation", "summary", "changes": [{"name", "from", "to",
     * "from_origin", "to_origin", "live"}], "errors": [{"code", "file", "line", "message", "fix",
     * "doc"}]}, also after an error: UB_EINVAL = the config is faulty or a module refuses it,
     * UB_ECONFLICT = a change needs a restart or a weaker posture results, UB_EEXISTS = another
     * reload is under way, UB_EUNAVAILABLE = the node is stopping. Blocks until the main loop has
     * done it: never on a loop. */
    enum ub_status (*reload)(const struct ub_host *host, bool is_dry, char **json_out,
                             struct ub_err *err);
    /* One of several faults of the settings: people want to hear of all of them at once. The last
     * one is returned as ever, the others are put here first, in order. Threads: main, within
     * create and prepare; at other times nobody hears it. */
    void (*fault)(const struct ub_host *host, const struct ub_err *err);
};

struct ub_host {
    uint32_t size;
    uint16_t abi_major, abi_minor;
    const struct ub_host_log *log;
    const struct ub_host_clock *clock;
    const struct ub_host_loop *loop;
    const struct ub_host_pool *pool;
    const struct ub_host_node *node;
    const struct ub_host_secret *secret;
    /* since 1.1 */
    const struct ub_host_decision *decision;
    const struct ub_host_config *config;
};

/* Logging with a list of fields: ub_log(host, UB_LOG_INFO, "listening", "listening",
 * UB_TEXT("address", text), UB_NUMBER("backlog", 128)); at least one field. */
#define ub_log(host, level, event, message, ...)                                                   \
    do {                                                                                           \
        const struct ub_log_field ub_fields_[] = {__VA_ARGS__};                                    \
        (host)->log->emit((host), (level), (event), (message), ub_fields_,                         \
                          sizeof(ub_fields_) / sizeof(ub_fields_[0]));                             \
    } while (0)

#endif
