/* SPDX-License-Identifier: Apache-2.0 */
#include "node.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include <unibus-client/codes.h>

#define TIMEOUT_DEFAULT_MS 10000
#define TRIES_MAX          4
#define WORD_MAX           128
#define SKEW_MAX_MS        (24 * 3600 * INT64_C(1000))
#define TIME_MAX_MS        (INT64_C(1) << 53)

static char *copy_without_slash(const char *text)
{
    char *copy = text == NULL ? NULL : strdup(text);
    size_t len = copy == NULL ? 0 : strlen(copy);
    while (len > 0 && copy[len - 1] == '/') {
        copy[--len] = '\0';
    }
    return copy;
}

enum unibus_status unibus_node_open(const struct unibus_node_options *options,
                                    struct unibus_node **node_out, struct unibus_err *err)
{
    struct unibus_node *node = calloc(1, sizeof(*node));
    if (node == NULL) {
        return unibus_fail(err, UNIBUS_FAILED, "no memory");
    }
    node->curl = curl_easy_init();
    node->server = copy_without_slash(options->server);
    node->admin_socket = options->admin_socket != NULL ? strdup(options->admin_socket) : NULL;
    node->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_DEFAULT_MS;
    node->notice = options->notice;
    node->first_contact = options->first_contact;
    node->arg = options->arg;
    if (node->curl == NULL || (node->server == NULL && node->admin_socket == NULL)) {
        unibus_node_close(&node);
        return unibus_fail(err, UNIBUS_FAILED, "cannot prepare a connection to a node");
    }
    *node_out = node;
    return UNIBUS_OK;
}

void unibus_node_close(struct unibus_node **node)
{
    if (*node == NULL) {
        return;
    }
    curl_easy_cleanup((*node)->curl);
    ubr_sign_key_wipe(&(*node)->sign);
    json_decref((*node)->info);
    free((*node)->server);
    free((*node)->admin_socket);
    free((*node)->pinned_cluster);
    free(*node);
    *node = NULL;
}

void unibus_node_sign_as(struct unibus_node *node, const struct ubr_sign_key *sign)
{
    node->sign = *sign;
    node->is_signing = true;
}

const char *unibus_node_server(const struct unibus_node *node)
{
    return node->server != NULL ? node->server : "";
}

static const char *member_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static enum unibus_status status_of(long http_status)
{
    switch (http_status) {
    case 401:
    case 403:
    case 422:
        return UNIBUS_DENIED;
    case 404:
    case 410:
        return UNIBUS_NOT_FOUND;
    case 409:
    case 412:
        return UNIBUS_CONFLICT;
    case 408:
    case 504:
        return UNIBUS_TIMEOUT;
    case 502:
    case 503:
        return UNIBUS_UNREACHABLE;
    default:
        return UNIBUS_FAILED;
    }
}

/* Both go into headers, signatures and the home: they must be plain words. */
static bool is_word(const char *text)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    size_t len = strlen(text);
    return len > 0 && len <= WORD_MAX && strspn(text, allowed) == len;
}

/* The problem document in words; the rule that was broken says more than the code around it. */
static enum unibus_status problem(const struct unibus_request *request,
                                  const struct unibus_reply *reply, struct unibus_err *err)
{
    const char *rule = member_text(reply->json, "rule");
    const char *code = rule[0] != '\0' ? rule : member_text(reply->json, "code");
    const char *detail = member_text(reply->json, "detail");
    struct unibus_code known = {"", member_text(reply->json, "title"), "", ""};
    unibus_code_find(code, &known);
    unibus_fail_code(err, status_of(reply->http_status), code, "%s%s%s (%s %s answered %ld)",
                     known.meaning[0] != '\0' ? known.meaning : "the node refused",
                     detail[0] != '\0' ? ": " : "", detail, request->method, request->path,
                     reply->http_status);
    const char *decision = member_text(reply->json, "decision");
    return is_word(decision) ? unibus_fix(err, "unibus why %s", decision)
                             : unibus_fix(err, "%s", known.fix);
}

static enum unibus_status check_cluster(struct unibus_node *node, struct unibus_err *err)
{
    const char *cluster = member_text(node->info, "cluster_id");
    if (!is_word(cluster) || !is_word(member_text(node->info, "nonce_epoch"))) {
        return unibus_fail(err, UNIBUS_FAILED, "%s is not a unibus node: no cluster id in /v1/info",
                           node->server);
    }
    if (node->pinned_cluster == NULL) {
        node->pinned_cluster = strdup(cluster);
        if (node->first_contact != NULL) {
            node->first_contact(node->arg, cluster);
        }
    } else if (strcmp(node->pinned_cluster, cluster) != 0) {
        unibus_fail_code(err, UNIBUS_UNVERIFIED, "wrong-cluster",
                         "this is the node of cluster %s, but your home belongs to cluster %s",
                         cluster, node->pinned_cluster);
        return unibus_fix(err, "use another --home for each cluster");
    }
    return UNIBUS_OK;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The node's clock minus ours. False when the node does not say a time that can be. */
static bool read_skew(const json_t *time_ms, int64_t *skew_ms_out)
{
    int64_t time = json_is_integer(time_ms) ? json_integer_value(time_ms) : -1;
    *skew_ms_out = time >= 0 && time < TIME_MAX_MS ? time - now_ms() : 0;
    return time >= 0 && time < TIME_MAX_MS;
}

static enum unibus_status fetch_info(struct unibus_node *node, struct unibus_err *err)
{
    const struct unibus_request request = {.method = "GET", .path = "/v1/info"};
    struct unibus_reply reply;
    enum unibus_status status = http_exchange(node, &request, NULL, &reply, err);
    if (status == UNIBUS_OK && reply.http_status != 200) {
        status = problem(&request, &reply, err);
    }
    if (status == UNIBUS_OK) {
        json_decref(node->info);
        node->info = json_incref(reply.json);
        status = check_cluster(node, err);
    }
    unibus_reply_clear(&reply);
    return status;
}

enum unibus_status unibus_node_info(struct unibus_node *node, struct unibus_node_info *info_out,
                                    struct unibus_err *err)
{
    enum unibus_status status = node->info != NULL ? UNIBUS_OK : fetch_info(node, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    int64_t skew_ms;
    read_skew(json_object_get(node->info, "time_ms"), &skew_ms);
    const char *url = json_string_value(json_array_get(json_object_get(node->info, "nats"), 0));
    *info_out = (struct unibus_node_info){
        .cluster_id = member_text(node->info, "cluster_id"),
        .nonce_epoch = member_text(node->info, "nonce_epoch"),
        .nats_url = url != NULL ? url : "",
        .skew_ms = skew_ms,
        .document = node->info,
    };
    return UNIBUS_OK;
}

enum unibus_status unibus_node_pin_cluster(struct unibus_node *node, const char *cluster_id,
                                           struct unibus_err *err)
{
    free(node->pinned_cluster);
    node->pinned_cluster = strdup(cluster_id);
    return node->info != NULL ? check_cluster(node, err) : UNIBUS_OK;
}

static bool mend_nonce_epoch(struct unibus_node *node)
{
    json_decref(node->info);
    node->info = NULL;
    return true;
}

/* A node may mend our clock, but not by much: what is signed for a far day could be used then. */
static bool mend_clock(struct unibus_node *node, const struct unibus_reply *reply)
{
    int64_t skew_ms;
    if (!read_skew(json_object_get(reply->json, "server_time_ms"), &skew_ms)) {
        return false;
    }
    char text[128];
    int64_t seconds = skew_ms / 1000;
    bool is_far = skew_ms > SKEW_MAX_MS || skew_ms < -SKEW_MAX_MS;
    snprintf(text, sizeof(text), "your clock is %" PRId64 " s %s the node's%s",
             seconds < 0 ? -seconds : seconds, seconds < 0 ? "ahead of" : "behind",
             is_far ? ": nothing is signed for such a time" : "");
    if (node->notice != NULL) {
        node->notice(node->arg, text);
    }
    node->skew_ms = is_far ? node->skew_ms : skew_ms;
    return !is_far;
}

/* Whether a 401 was mended, so that signing again makes sense; each thing once a call. */
static bool mend(struct unibus_node *node, const char *method, const struct unibus_reply *reply,
                 unsigned *mended)
{
    const char *code = reply->http_status == 401 ? member_text(reply->json, "code") : "";
    if (strcmp(code, "nonce-epoch") == 0 && (*mended & 1) == 0) {
        *mended |= 1;
        return mend_nonce_epoch(node);
    }
    if (strcmp(code, "clock-skew") == 0 && (*mended & 2) == 0) {
        *mended |= 2;
        return mend_clock(node, reply);
    }
    /* curl sends again by itself when a connection breaks before the answer; the nonce is spent
     * then. Only what may be done twice is signed anew. */
    if (strcmp(code, "nonce-replayed") == 0 && (*mended & 4) == 0) {
        *mended |= 4;
        return strcmp(method, "GET") == 0 || strcmp(method, "PUT") == 0;
    }
    return false;
}

static enum unibus_status exchange_signed(struct unibus_node *node,
                                          const struct unibus_request *request,
                                          struct unibus_reply *reply_out, struct unibus_err *err)
{
    memset(reply_out, 0, sizeof(*reply_out));
    if (node->admin_socket != NULL || !node->is_signing) {
        return http_exchange(node, request, NULL, reply_out, err);
    }
    struct unibus_node_info info;
    enum unibus_status status = unibus_node_info(node, &info, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    char audience[512];
    int len = snprintf(audience, sizeof(audience), "%s.%s", info.cluster_id, info.nonce_epoch);
    if (len < 0 || (size_t)len >= sizeof(audience)) {
        return unibus_fail(err, UNIBUS_FAILED, "the node's cluster id is too long");
    }
    return http_exchange(node, request, audience, reply_out, err);
}

enum unibus_status unibus_node_call(struct unibus_node *node, const struct unibus_request *request,
                                    struct unibus_reply *reply_out, struct unibus_err *err)
{
    unsigned mended = 0;
    for (int i = 0; i < TRIES_MAX; i++) {
        enum unibus_status status = exchange_signed(node, request, reply_out, err);
        if (status != UNIBUS_OK) {
            return status;
        }
        if (reply_out->http_status >= 200 && reply_out->http_status < 300) {
            return UNIBUS_OK;
        }
        if (!mend(node, request->method, reply_out, &mended)) {
            break;
        }
        unibus_reply_clear(reply_out);
    }
    return problem(request, reply_out, err);
}

void unibus_reply_clear(struct unibus_reply *reply)
{
    json_decref(reply->json);
    reply->json = NULL;
}
