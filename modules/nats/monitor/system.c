/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions over NATS. Whoever may publish to these subjects may ask: permissions decide, and only
 * operators, admins and users whose config names `$SYS` have them. A question is copied on the
 * asker's loop and answered on the monitor's; at most SYSTEM_WAITING_MAX wait, the others go
 * unanswered. */
#include <stdio.h>
#include <stdlib.h>

#include "../bus.h"
#include "../session.h"
#include "snapshot.h"

#define SYSTEM_WAITING_MAX 256
#define SYSTEM_INFO_MAX    ((size_t)1 << 20)

struct kind {
    const char *name;
    mon_answer_fn answer; /* NULL = STATSZ and IDZ, which are answered in another form */
    bool is_for_all;      /* also `$SYS.REQ.SERVER.PING.<name>` */
};

enum { KIND_STATSZ = 0, KIND_IDZ };

static const struct kind kinds[] = {
    [KIND_STATSZ] = {"STATSZ", NULL, true},
    [KIND_IDZ] = {"IDZ", NULL, true},
    {"VARZ", mon_varz, true},
    {"CONNZ", mon_connz, true},
    {"SUBSZ", mon_subsz, true},
    {"HEALTHZ", mon_healthz, true},
    {"ROUTEZ", mon_routez, true},
    {"GATEWAYZ", mon_gatewayz, true},
    {"LEAFZ", mon_leafz, true},
    {"ACCOUNTZ", mon_accountz, true},
    {"JSZ", mon_jsz, true},
    {"KICK", mon_kick, false},
    {"LDM", mon_lame_duck, false},
    {"RELOAD", mon_reload, false},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* One subscription: which kind it is for. */
struct place {
    struct nats_monitor *monitor;
    const struct kind *kind;
    struct ub_bus_sub *sub;
};

struct mon_system {
    struct nats_monitor *monitor;
    size_t count;
    struct place places[2 * KINDS + 2];
    _Atomic uint32_t waiting;
};

/* A question on its way to the monitor's loop. */
struct request {
    struct nats_monitor *monitor;
    const struct kind *kind;
    size_t reply_len, body_len;
    char asker[UB_ID_MAX];
    uint8_t bytes[]; /* reply, body */
};

/* ---- answers ----------------------------------------------------------------------------------
 */

static void send_text(struct nats_monitor *monitor, struct ub_bytes reply,
                      const struct mon_text *text)
{
    const struct ub_bus_send send = {
        .subject = reply,
        .payload = {(const uint8_t *)text->ptr, text->len},
    };
    if (!text->is_broken) {
        nats_bus_send(monitor->server, &send, 1, NULL, NULL);
    }
}

static bool contains(bool is_exact, const char *text, const char *wanted)
{
    return wanted[0] == '\0' ||
           (is_exact ? strcmp(text, wanted) == 0 : strstr(text, wanted) != NULL);
}

/* Is this server among those that are asked? It has no cluster, no domain and no tags. */
static bool is_meant(const struct nats_server *server, const struct mon_filter *filter)
{
    return contains(filter->is_exact, mon_server_name(server), filter->name) &&
           contains(filter->is_exact, server->settings->listen.items[0].host, filter->host) &&
           filter->cluster[0] == '\0' && filter->domain[0] == '\0' && !filter->has_tags;
}

static void write_error(struct mon_question *question, struct mon_text *text)
{
    mon_open(text, "error", '{');
    mon_number(text, "code", question->status);
    mon_string(text, "description", question->fault.text);
    mon_close(text, '}');
}

/* "data": its value begins where the answer puts it, so it is written apart and put in. */
static void write_data(struct mon_question *question, const struct kind *kind,
                       struct mon_text *text)
{
    struct mon_text data;
    mon_text_init(&data, MON_MESSAGE_MAX, false, 0);
    question->status = 500; /* what nats-server says whenever the question was well-formed */
    bool is_fine = kind->answer(question, &data);
    if (is_fine && data.is_broken) {
        snprintf(question->fault.text, sizeof(question->fault.text),
                 "the answer is too long; ask for a page of it by limit and offset");
        is_fine = false;
    }
    if (!is_fine) {
        write_error(question, text);
    } else if (data.len > 0) {
        mon_member(text, "data", data.ptr, data.len);
    }
    mon_text_fini(&data);
}

static void write_identity(const struct nats_server *server, struct mon_text *text)
{
    mon_string(text, "name", mon_server_name(server));
    mon_string(text, "host", server->settings->listen.items[0].host);
    mon_string(text, "id", server->server_id);
}

static void answer(struct mon_question *question, const struct kind *kind, struct ub_bytes reply)
{
    struct nats_monitor *monitor = question->monitor;
    struct mon_text text;
    mon_text_init(&text, MON_MESSAGE_MAX + 4096, false, 0);
    mon_open(&text, NULL, '{');
    if (kind == &kinds[KIND_IDZ]) {
        write_identity(monitor->server, &text);
    } else {
        mon_server_info(monitor, &text);
        if (question->fault.text[0] != '\0') {
            write_error(question, &text);
        } else if (kind == &kinds[KIND_STATSZ]) {
            mon_statsz(monitor, &text);
        } else {
            write_data(question, kind, &text);
        }
    }
    mon_close(&text, '}');
    send_text(monitor, reply, &text);
    mon_text_fini(&text);
}

static void request_answer(const struct request *request)
{
    struct mon_question question = {.monitor = request->monitor, .status = 400};
    struct ub_bytes reply = {request->bytes, request->reply_len};
    struct ub_bytes body = {request->bytes + request->reply_len, request->body_len};
    struct mon_filter filter = {0};
    bool is_fine = mon_pairs_of_body(&question.pairs, body, &question.fault) &&
                   mon_filter_read(&question.pairs, &filter, &question.fault);
    if (!is_fine || is_meant(request->monitor->server, &filter)) {
        answer(&question, request->kind, reply);
    }
    mon_pairs_fini(&question.pairs);
}

static void log_action(const struct request *request)
{
    ub_log(request->monitor->server->host, UB_LOG_INFO, "system-request",
           "an operator asked for it over NATS", UB_TEXT("request", request->kind->name),
           UB_TEXT("identity", request->asker),
           UB_TEXT("body", (const char *)request->bytes + request->reply_len));
}

static void on_request(void *arg)
{
    struct request *request = arg;
    if (!request->kind->is_for_all) {
        log_action(request);
    }
    request_answer(request);
    atomic_fetch_sub(&request->monitor->system->waiting, 1);
    free(request);
}

/* ---- the asker's loop -------------------------------------------------------------------------
 */

static void take_request(struct place *place, const struct ub_bus_source *source,
                         const struct ub_bus_message *message)
{
    struct nats_monitor *monitor = place->monitor;
    struct mon_system *system = monitor->system;
    size_t body = message->payload.len > MON_QUERY_MAX ? MON_QUERY_MAX + 1 : message->payload.len;
    if (message->reply.len == 0 || atomic_fetch_add(&system->waiting, 1) >= SYSTEM_WAITING_MAX) {
        if (message->reply.len > 0) {
            atomic_fetch_sub(&system->waiting, 1);
        }
        return;
    }
    struct request *request = calloc(1, sizeof(*request) + message->reply.len + body + 1);
    if (request == NULL) {
        atomic_fetch_sub(&system->waiting, 1);
        return;
    }
    request->monitor = monitor;
    request->kind = place->kind;
    request->reply_len = message->reply.len;
    request->body_len = body;
    if (source->principal != NULL) {
        memcpy(request->asker, source->principal->id, sizeof(request->asker));
    }
    memcpy(request->bytes, message->reply.ptr, message->reply.len);
    if (body > 0) {
        memcpy(request->bytes + message->reply.len, message->payload.ptr, body);
    }
    monitor->server->host->loop->post(monitor->loop, on_request, request);
}

static void on_questions(void *arg, const struct ub_bus_source *source,
                         const struct ub_bus_message *messages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        take_request(arg, source, &messages[i]);
    }
}

/* Answered at once, on the loop of the asker: nobody else's state is needed. */
static void on_user_info(void *arg, const struct ub_bus_source *source,
                         const struct ub_bus_message *messages, size_t count)
{
    struct nats_monitor *monitor = ((struct place *)arg)->monitor;
    struct nats_server *server = monitor->server;
    const struct nats_conn *conn =
        source->conn == 0 ? NULL
                          : nats_shard_conn(nats_shard_of(server, source->conn), source->conn);
    for (size_t i = 0; i < count && conn != NULL; i++) {
        struct mon_text text;
        mon_text_init(&text, SYSTEM_INFO_MAX, false, 0);
        mon_open(&text, NULL, '{');
        mon_server_info(monitor, &text);
        mon_user_info(conn, &text);
        mon_close(&text, '}');
        if (messages[i].reply.len > 0) {
            send_text(monitor, messages[i].reply, &text);
        }
        mon_text_fini(&text);
    }
}

/* ---- open and close ---------------------------------------------------------------------------
 */

static enum ub_status system_subscribe(struct mon_system *system, const struct kind *kind,
                                       const char *subject, struct ub_err *err)
{
    struct place *place = &system->places[system->count];
    *place = (struct place){.monitor = system->monitor, .kind = kind};
    const struct ub_bus_sub_options options = {
        .size = sizeof(options),
        .subject = subject,
        .deliver = kind == NULL ? on_user_info : on_questions,
        .arg = place,
    };
    enum ub_status status =
        nats_bus_ops.subscribe(system->monitor->server, &options, &place->sub, err);
    system->count += status == UB_OK;
    return status;
}

static enum ub_status subscribe_kind(struct mon_system *system, const struct kind *kind,
                                     struct ub_err *err)
{
    char subject[128];
    snprintf(subject, sizeof(subject), "$SYS.REQ.SERVER.%s.%s", system->monitor->server->server_id,
             kind->name);
    enum ub_status status = system_subscribe(system, kind, subject, err);
    if (status == UB_OK && kind->is_for_all) {
        snprintf(subject, sizeof(subject), "$SYS.REQ.SERVER.PING.%s", kind->name);
        status = system_subscribe(system, kind, subject, err);
    }
    return status;
}

enum ub_status mon_system_open(struct nats_monitor *monitor, struct ub_err *err)
{
    struct mon_system *system = calloc(1, sizeof(*system));
    if (system == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory for monitoring");
    }
    system->monitor = monitor;
    monitor->system = system;
    enum ub_status status = system_subscribe(system, NULL, NATS_MONITOR_USER_INFO, err);
    if (status == UB_OK) {
        status = system_subscribe(system, &kinds[KIND_STATSZ], "$SYS.REQ.SERVER.PING", err);
    }
    for (size_t i = 0; i < KINDS && status == UB_OK; i++) {
        status = subscribe_kind(system, &kinds[i], err);
    }
    return status;
}

void mon_system_close(struct mon_system **system)
{
    for (size_t i = 0; *system != NULL && i < (*system)->count; i++) {
        nats_bus_ops.unsubscribe((*system)->monitor->server, &(*system)->places[i].sub);
    }
    /* The memory stays until the monitor's loop has ended: requests may be on their way. */
}
