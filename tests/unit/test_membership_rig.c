/* SPDX-License-Identifier: Apache-2.0 */
#include "test_membership_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "core/kit.h"
#include "ubr/history.h"
#include "ubr/text.h"

extern const struct ub_module unibus_module_kv_sqlite, unibus_module_blob_fs,
    unibus_module_membership;

/* ---- the HTTP server that is a table ----------------------------------------------------------
 */

static struct rig *current; /* requests carry no context that a fake could use */

static enum ub_status httpd_route(void *self, const struct ub_http_route *route, struct ub_err *err)
{
    struct rig *rig = self;
    (void)err;
    assert_true(rig->routes_len < RIG_ROUTES_MAX);
    rig->routes[rig->routes_len++] = *route;
    return UB_OK;
}

static enum ub_status httpd_authenticator(void *self, const struct ub_httpd_auth_ops *ops,
                                          void *arg, struct ub_err *err)
{
    struct rig *rig = self;
    (void)err;
    rig->auth = ops;
    rig->auth_arg = arg;
    return UB_OK;
}

static const char *httpd_header(const struct ub_http_request *request, const char *name)
{
    (void)request;
    if (strcmp(name, "if-match") == 0) {
        return current->if_match;
    }
    if (strcmp(name, "range") == 0) {
        return current->range;
    }
    return strcmp(name, "idempotency-key") == 0 ? current->idem_key : NULL;
}

static enum ub_status httpd_read(const struct ub_http_request *request, void *out, size_t out_size,
                                 size_t *read_out, struct ub_err *err)
{
    (void)err;
    size_t left = request->body.len - current->body_sent;
    *read_out = left < out_size ? left : out_size;
    memcpy(out, request->body.ptr + current->body_sent, *read_out);
    current->body_sent += *read_out;
    return UB_OK;
}

static void take_headers(const struct ub_http_header *headers)
{
    struct rig_answer *answer = &current->answer;
    for (; headers != NULL && headers->name != NULL; headers++) {
        if (strcmp(headers->name, "ETag") == 0) {
            snprintf(answer->etag, sizeof answer->etag, "%s", headers->value);
        } else if (strcmp(headers->name, "Location") == 0) {
            snprintf(answer->location, sizeof answer->location, "%s", headers->value);
        } else if (strcmp(headers->name, "Unibus-Generation") == 0) {
            snprintf(answer->generation, sizeof answer->generation, "%s", headers->value);
        } else if (strcmp(headers->name, "Idempotency-Replayed") == 0) {
            answer->is_replay = true;
        }
    }
}

static void httpd_reply(const struct ub_http_request *request, int status,
                        const struct ub_http_header *headers, struct ub_bytes body)
{
    (void)request;
    assert_int_equal(current->answer.status, 0); /* exactly once */
    current->answer.status = status;
    take_headers(headers);
    if (body.len > 0) {
        current->answer.json = json_loadb((const char *)body.ptr, body.len, 0, NULL);
        assert_non_null(current->answer.json);
    }
}

struct problem {
    const char *code;
    int status;
};

static const struct problem problems[] = {{"", 0},
#define RIG_PROBLEM(name, code, status, retry, who, title, fix) {code, status},
                                          UB_PROBLEMS(RIG_PROBLEM)
#undef RIG_PROBLEM
};

static void answer_problem(enum ub_problem problem, const char *members)
{
    char text[2048];
    assert_int_equal(current->answer.status, 0);
    snprintf(text, sizeof text, "{%s}", members != NULL ? members : "");
    current->answer.status = problems[problem].status;
    current->answer.code = problems[problem].code;
    current->answer.json = json_loads(text, 0, NULL);
    assert_non_null(current->answer.json);
}

static void httpd_problem(const struct ub_http_request *request, enum ub_problem problem,
                          const char *members, const char *detail)
{
    (void)request;
    (void)detail;
    answer_problem(problem, members);
}

static enum ub_status httpd_begin(const struct ub_http_request *request, int status,
                                  const struct ub_http_header *headers, int64_t length,
                                  struct ub_err *err)
{
    (void)request;
    (void)err;
    assert_int_equal(current->answer.status, 0);
    current->answer.status = status;
    take_headers(headers);
    current->answer.bytes = malloc((size_t)length + 1);
    assert_non_null(current->answer.bytes);
    return UB_OK;
}

static enum ub_status httpd_write(const struct ub_http_request *request, struct ub_bytes bytes,
                                  struct ub_err *err)
{
    (void)request;
    (void)err;
    memcpy(current->answer.bytes + current->answer.bytes_len, bytes.ptr, bytes.len);
    current->answer.bytes_len += bytes.len;
    return UB_OK;
}

static void httpd_end(const struct ub_http_request *request)
{
    (void)request;
}

static const struct ub_httpd_ops httpd_ops = {
    .size = sizeof(struct ub_httpd_ops),
    .route = httpd_route,
    .authenticator = httpd_authenticator,
    .header = httpd_header,
    .read = httpd_read,
    .reply = httpd_reply,
    .problem = httpd_problem,
    .begin = httpd_begin,
    .write = httpd_write,
    .end = httpd_end,
};

/* ---- life -------------------------------------------------------------------------------------
 */

static const void *provided(const struct ub_module *module, const char *iface)
{
    for (uint32_t i = 0; i < module->provide_count; i++) {
        if (strcmp(module->provides[i].iface, iface) == 0) {
            return module->provides[i].ops;
        }
    }
    fail_msg("%s does not provide %s", module->name, iface);
    return NULL;
}

const struct ub_authz_ops *rig_authz(const struct rig *rig)
{
    return provided(rig->memb.module, UB_AUTHZ_IFACE);
}

void rig_init(struct rig *rig, size_t people)
{
    memset(rig, 0, sizeof *rig);
    rig->host = kit_host_new("membership");
    rig->kv.module = &unibus_module_kv_sqlite;
    rig->blob.module = &unibus_module_blob_fs;
    rig->memb.module = &unibus_module_membership;
    rig->kv_ops = *(const struct ub_kv_ops *)provided(rig->kv.module, UB_KV_IFACE);
    maker_init(&rig->maker, people);
    rig_clear(rig);
    current = rig;
}

static void create(struct rig *rig, struct rig_module *module, const char *const *sets)
{
    struct ub_err err = UB_ERR_INIT;
    module->settings = kit_settings(rig->host, module->module, sets);
    assert_non_null(module->settings);
    if (module->module->ops->create(rig->host, module->settings, &module->self, &err) != UB_OK) {
        fail_msg("create %s: %s", module->module->name, err.message);
    }
}

static void bind(struct rig *rig, const char *iface, const void *ops, void *self)
{
    struct ub_err err = UB_ERR_INIT;
    struct ub_service service = {sizeof service, iface, 1, 0, "rig", ops, self};
    assert_int_equal(rig->memb.module->ops->bind(rig->memb.self, &service, &err), UB_OK);
}

static void run(struct rig_module *module)
{
    struct ub_err err = UB_ERR_INIT;
    if (module->module->ops->start(module->self, &err) != UB_OK) {
        fail_msg("start %s: %s", module->module->name, err.message);
    }
}

static void end(struct rig_module *module, bool has_started)
{
    if (has_started && module->module->ops->stop != NULL) {
        module->module->ops->stop(module->self);
    }
    module->module->ops->destroy(module->self);
    module->self = NULL;
}

enum ub_status rig_start(struct rig *rig, struct ub_err *err)
{
    rig->routes_len = 0;
    create(rig, &rig->kv, NULL);
    create(rig, &rig->blob, NULL);
    create(rig, &rig->memb, rig->memb_sets);
    run(&rig->kv);
    run(&rig->blob);
    bind(rig, UB_KV_IFACE, &rig->kv_ops, rig->kv.self);
    bind(rig, UB_BLOB_IFACE, provided(rig->blob.module, UB_BLOB_IFACE), rig->blob.self);
    bind(rig, UB_HTTPD_IFACE, &httpd_ops, rig);
    if (rig->policy != NULL) {
        bind(rig, UB_AUTHZ_IFACE, rig->policy, rig->policy_self);
    }
    enum ub_status status = rig->memb.module->ops->start(rig->memb.self, err);
    if (status != UB_OK) {
        end(&rig->memb, false);
        end(&rig->blob, true);
        end(&rig->kv, true);
    }
    return status;
}

void rig_stop(struct rig *rig)
{
    if (rig->memb.self != NULL) {
        end(&rig->memb, true);
        end(&rig->blob, true);
        end(&rig->kv, true);
    }
}

void rig_restart(struct rig *rig)
{
    struct ub_err err = UB_ERR_INIT;
    rig_stop(rig);
    if (rig_start(rig, &err) != UB_OK) {
        fail_msg("restart: %s", err.message);
    }
}

static void forget_answer(struct rig *rig)
{
    json_decref(rig->answer.json);
    free(rig->answer.bytes);
    rig->answer = (struct rig_answer){.code = ""};
}

void rig_fini(struct rig *rig)
{
    rig_stop(rig);
    forget_answer(rig);
    json_decref(rig->entries);
    json_decref(rig->boxes);
    maker_fini(&rig->maker);
    kit_host_free(&rig->host);
}

/* ---- requests ---------------------------------------------------------------------------------
 */

/* Whether the path fits the pattern; parameters go to buffers that last until the next call. */
static bool fits(const char *pattern, const char *path, struct ub_http_request *request)
{
    static char buffers[UB_HTTP_PARAMS_MAX][256];
    request->param_count = 0;
    while (*pattern != '\0') {
        if (*pattern != '{') {
            if (*pattern++ != *path++) {
                return false;
            }
            continue;
        }
        const char *close = strchr(pattern, '}');
        const char *suffix = close + 1;
        size_t len = strcspn(path, suffix[0] == ':' ? "/:" : "/");
        if (len == 0 || len >= sizeof buffers[0]) {
            return false;
        }
        memcpy(buffers[request->param_count], path, len);
        buffers[request->param_count][len] = '\0';
        request->params[request->param_count] = buffers[request->param_count];
        request->param_count++;
        path += len;
        pattern = suffix;
    }
    return *path == '\0';
}

static const struct ub_http_route *find_route(struct rig *rig, struct ub_http_request *request)
{
    for (size_t i = 0; i < rig->routes_len; i++) {
        const char *method = rig->routes[i].method;
        if (strcmp(method, request->method) == 0 &&
            fits(rig->routes[i].pattern, request->raw_path, request)) {
            return &rig->routes[i];
        }
    }
    fail_msg("no route for %s %s", request->method, request->raw_path);
    return NULL;
}

static void audience_of(struct rig *rig, char out[80])
{
    struct rig_answer saved = rig->answer;
    rig->answer = (struct rig_answer){.code = ""};
    assert_int_equal(rig_call(rig, RIG_ADMIN, "GET", "/v1/info", NULL), 200);
    snprintf(out, 80, "%s.%s", rig_text(rig, "cluster_id"), rig_text(rig, "nonce_epoch"));
    forget_answer(rig);
    rig->answer = saved;
}

static void fill_nonce(struct rig *rig, const struct rig_signing *signing, uint8_t out[16])
{
    memset(out, 0, 16);
    if (signing->nonce != NULL) {
        memcpy(out, signing->nonce, 16);
    } else {
        uint64_t number = ++rig->nonces;
        memcpy(out, &number, sizeof number);
    }
}

static enum ub_problem authenticate(struct rig *rig, size_t who, const struct rig_signing *signing,
                                    struct ub_http_request *request, struct ub_http_answer *answer)
{
    static char base[1024];
    const struct maker_device *device = &rig->maker.people[who].devices[signing->device];
    struct ub_http_signed signed_request = {
        .size = sizeof signed_request,
        .method = request->method,
        .raw_path = request->raw_path,
        .raw_query = request->raw_query,
        .audience = signing->audience,
        .created_s = rig->host->clock->now_ms(rig->host) / 1000 + signing->clock_off_s,
        .is_safe = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0,
    };
    signed_request.expires_s = signed_request.created_s + 60;
    memcpy(signed_request.kid, device->kid, UBR_KID_LEN);
    signed_request.kid[0] ^= signing->is_unknown_kid;
    fill_nonce(rig, signing, signed_request.nonce);
    snprintf(base, sizeof base, "\"@method\": %s\n\"@path\": %s", request->method,
             request->raw_path);
    signed_request.base = (struct ub_bytes){(const uint8_t *)base, strlen(base)};
    crypto_sign_detached(signed_request.signature, NULL, signed_request.base.ptr,
                         signed_request.base.len, device->sign.sk);
    signed_request.signature[10] ^= signing->is_bad;
    return rig->auth->authenticate(rig->auth_arg, &signed_request, &request->principal,
                                   &request->ticket, answer);
}

static void handle(struct rig *rig, const struct ub_http_route *route, size_t who,
                   const struct rig_signing *signing, struct ub_http_request *request)
{
    struct ub_http_answer answer = {.size = sizeof answer};
    request->is_admin_socket = who == RIG_ADMIN;
    if (who != RIG_ADMIN) {
        enum ub_problem problem = authenticate(rig, who, signing, request, &answer);
        if (problem != UB_P_NONE) {
            assert_null(request->ticket);
            answer_problem(problem, answer.members);
            return;
        }
    }
    assert_true((int64_t)request->body.len <= route->body_max_bytes);
    route->handler(route->arg, request);
    assert_int_not_equal(rig->answer.status, 0);
    if (request->ticket != NULL) {
        rig->auth->finish(rig->auth_arg, &request->ticket);
    }
}

int rig_call_bytes(struct rig *rig, size_t who, const char *method, const char *path,
                   const void *body, size_t len)
{
    char raw_path[512], audience[80];
    struct rig_signing signing = rig->signing;
    const char *query = strchr(path, '?');
    current = rig;
    snprintf(raw_path, sizeof raw_path, "%.*s", (int)strcspn(path, "?"), path);
    struct ub_http_request request = {.size = sizeof request,
                                      .id = "1",
                                      .method = method,
                                      .raw_path = raw_path,
                                      .raw_query = query != NULL ? query + 1 : "",
                                      .body = {body, len},
                                      .body_length = (int64_t)len,
                                      .address = "127.0.0.1",
                                      .is_loopback = true};
    forget_answer(rig);
    if (who != RIG_ADMIN && signing.audience == NULL) {
        const char *headers[3] = {rig->if_match, rig->idem_key, rig->range};
        rig->if_match = rig->idem_key = rig->range = NULL;
        audience_of(rig, audience);
        rig->if_match = headers[0], rig->idem_key = headers[1], rig->range = headers[2];
        signing.audience = audience;
    }
    rig->body_sent = 0;
    handle(rig, find_route(rig, &request), who, &signing, &request);
    rig->if_match = rig->idem_key = rig->range = NULL;
    rig->signing = (struct rig_signing){0};
    return rig->answer.status;
}

int rig_call(struct rig *rig, size_t who, const char *method, const char *path, json_t *take_body)
{
    char *text = take_body != NULL ? json_dumps(take_body, JSON_COMPACT) : NULL;
    int status = rig_call_bytes(rig, who, method, path, text, text != NULL ? strlen(text) : 0);
    free(text);
    json_decref(take_body);
    return status;
}

const char *rig_text(const struct rig *rig, const char *member)
{
    const char *text = json_string_value(json_object_get(rig->answer.json, member));
    return text != NULL ? text : "";
}

/* ---- people -----------------------------------------------------------------------------------
 */

static json_t *base64_json(const uint8_t *bytes, size_t len)
{
    char *text = malloc(UBR_BASE64_LEN(len) + 1);
    assert_non_null(text);
    ubr_base64_encode(ubr_bytes_of(bytes, len), text);
    json_t *json = json_string(text);
    free(text);
    return json;
}

json_t *rig_record(const struct rig *rig, size_t person, uint32_t seq)
{
    const uint8_t *hash = rig->maker.people[person].chain.hashes[seq];
    for (size_t i = 0; i < rig->maker.records_len; i++) {
        const struct maker_record *record = &rig->maker.records[i];
        if (memcmp(record->hash, hash, UBR_HASH_LEN) != 0) {
            continue;
        }
        json_t *json = json_object();
        json_object_set_new(json, "body", base64_json(record->body, sizeof record->body));
        json_object_set_new(json, "sig", base64_json(record->sig, UBR_SIG_LEN));
        if (!record->is_revocation) {
            json_object_set_new(json, "pop", base64_json(record->pop, UBR_SIG_LEN));
            json_object_set_new(json, "nats_pop", base64_json(record->nats_pop, UBR_SIG_LEN));
        }
        return json;
    }
    fail_msg("no such record");
    return NULL;
}

int rig_enlist(struct rig *rig, size_t person, const char *role)
{
    return rig_call(rig, RIG_ADMIN, "POST", "/v1/identities",
                    json_pack("{s:s,s:s,s:o}", "handle", rig->maker.people[person].handle, "role",
                              role, "device", rig_record(rig, person, 0)));
}

const char *rig_id(const struct rig *rig, size_t person)
{
    static char ids[8][33];
    ubr_fingerprint_text(rig->maker.people[person].account.pk, ids[person % 8]);
    return ids[person % 8];
}

/* ---- rooms ------------------------------------------------------------------------------------
 */

void rig_clear(struct rig *rig)
{
    json_decref(rig->entries);
    json_decref(rig->boxes);
    rig->entries = json_array();
    rig->boxes = json_array();
}

json_t *rig_box(uint8_t fill)
{
    uint8_t box[141];
    memset(box, fill, sizeof box);
    return base64_json(box, sizeof box);
}

void rig_entry(struct rig *rig, struct ubr_entry entry, size_t author)
{
    struct ubr_entry_body body;
    uint8_t sig[UBR_SIG_LEN];
    assert_int_equal(ubr_entry_write(&entry, &body), UBR_OK);
    ubr_entry_sign(&rig->maker.people[author].devices[0].sign, ubr_entry_body_bytes(&body), sig);
    json_array_append_new(rig->entries,
                          json_pack("{s:o,s:o}", "body", base64_json(body.buf, body.len), "sig",
                                    base64_json(sig, sizeof sig)));
    enum ubr_error rule = maker_append(&rig->maker, &entry, author, 0);
    if (rule != UBR_OK) {
        fail_msg("entry: %s", ubr_error_name(rule));
    }
}

void rig_add(struct rig *rig, size_t author, size_t target, enum ubr_role role)
{
    struct ubr_entry entry = maker_draft(&rig->maker, UBR_ENTRY_ADD, author, 0, target);
    entry.role = (uint8_t)role;
    rig_entry(rig, entry, author);
}

void rig_remove(struct rig *rig, size_t author, size_t target)
{
    struct ubr_entry entry = maker_draft(&rig->maker, UBR_ENTRY_REMOVE, author, 0, target);
    entry.reason = author == target ? UBR_REMOVE_LEFT : UBR_REMOVE_REMOVED;
    rig_entry(rig, entry, author);
}

void rig_epoch(struct rig *rig, size_t author, enum ubr_cause cause)
{
    static const uint8_t broken_link[UBR_LINK_LEN];
    struct ubr_entry entry = maker_draft(&rig->maker, UBR_ENTRY_EPOCH, author, 0, author);
    struct ubr_recipient recipient;
    char kid[33];
    entry.cause = (uint8_t)cause;
    entry.commit[0] = (uint8_t)entry.epoch;
    if (ubr_log_state(rig->maker.log)->is_link_due) {
        entry.link = ubr_bytes_of(broken_link, sizeof broken_link);
    }
    for (size_t cursor = 0; ubr_log_recipient_next(rig->maker.log, &cursor, &recipient);) {
        ubr_hex_encode(ubr_bytes_of(recipient.kid, UBR_KID_LEN), kid);
        json_array_append_new(rig->boxes,
                              json_pack("{s:s,s:o}", "kid", kid, "box", rig_box((uint8_t)cursor)));
    }
    rig_entry(rig, entry, author);
}

int rig_found(struct rig *rig, uint8_t policy, bool is_plain, char room_out[33])
{
    struct ubr_entry entry = maker_draft(&rig->maker, UBR_ENTRY_CREATE, 0, 0, 0);
    entry.suite = UBR_SUITE_1;
    entry.policy = policy;
    entry.name = ubr_bytes_of_text("ops");
    rig_entry(rig, entry, 0);
    if (!is_plain) {
        rig_epoch(rig, 0, UBR_CAUSE_FIRST);
    }
    ubr_room32(ubr_log_state(rig->maker.log)->room_id, room_out);
    int status = rig_call(rig, 0, "POST", "/v1/rooms",
                          json_pack("{s:O,s:O,s:s}", "entries", rig->entries, "boxes", rig->boxes,
                                    "mode", is_plain ? "plain" : "sealed"));
    rig_clear(rig);
    return status;
}

int rig_append(struct rig *rig, size_t author, const char *room, const char *head)
{
    char path[128], etag[80], hex[65];
    snprintf(path, sizeof path, "/v1/rooms/%s/log", room);
    if (head == NULL) {
        const struct ubr_log_state *state = ubr_log_state(rig->maker.log);
        size_t before = state->entries - json_array_size(rig->entries);
        ubr_hex_encode(ubr_bytes_of(ubr_log_hash_at(rig->maker.log, before - 1), 32), hex);
        head = hex;
    }
    snprintf(etag, sizeof etag, "\"%s\"", head);
    rig->if_match = etag;
    int status = rig_call(rig, author, "POST", path,
                          json_pack("{s:O,s:O}", "entries", rig->entries, "boxes", rig->boxes));
    rig_clear(rig);
    return status;
}
