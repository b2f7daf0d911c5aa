/* SPDX-License-Identifier: Apache-2.0 */
#include "query.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <event2/http.h>
#include <jansson.h>

#include "../subject.h"

static bool say(struct mon_fault *fault, const char *what, const char *name, const char *value)
{
    snprintf(fault->text, sizeof(fault->text), "%s%.64s%s%.128s", what, name,
             value[0] != '\0' ? ": " : "", value);
    return false;
}

/* ---- pairs ------------------------------------------------------------------------------------
 */

/* Takes both texts. */
static bool pairs_add(struct mon_pairs *pairs, char *name, char *value)
{
    bool is_fine = name != NULL && value != NULL && pairs->count < MON_PAIRS_MAX;
    if (is_fine) {
        pairs->items[pairs->count].name = name;
        pairs->items[pairs->count++].value = value;
    } else {
        free(name);
        free(value);
    }
    return is_fine;
}

/* NULL also when it holds a NUL. */
static char *decoded(const char *part, size_t len)
{
    char *copy = strndup(part, len);
    size_t size = 0;
    char *plain = copy == NULL ? NULL : evhttp_uridecode(copy, 1, &size);
    free(copy);
    if (plain != NULL && strlen(plain) != size) {
        free(plain);
        plain = NULL;
    }
    return plain;
}

bool mon_pairs_of_address(struct mon_pairs *pairs, const char *query, struct mon_fault *fault)
{
    memset(pairs, 0, sizeof(*pairs));
    if (query != NULL && strlen(query) > MON_QUERY_MAX) {
        return say(fault, "the query is too long", "", "");
    }
    while (query != NULL && *query != '\0') {
        size_t len = strcspn(query, "&"), name = strcspn(query, "=&");
        size_t value = name < len ? name + 1 : len;
        if (len > 0 &&
            !pairs_add(pairs, decoded(query, name), decoded(query + value, len - value))) {
            mon_pairs_fini(pairs);
            return say(fault, "the query has more than 32 options, or a NUL", "", "");
        }
        query += query[len] == '&' ? len + 1 : len;
    }
    return true;
}

/* NULL = neither a text, a number nor a truth; lists count as "…". */
static char *value_text(const json_t *value)
{
    char digits[24];
    if (json_is_string(value)) {
        const char *text = json_string_value(value);
        return strlen(text) == json_string_length(value) ? strdup(text) : NULL;
    }
    if (json_is_integer(value)) {
        snprintf(digits, sizeof(digits), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return strdup(digits);
    }
    if (json_is_array(value)) {
        return strdup(json_array_size(value) > 0 ? "list" : "");
    }
    if (json_is_null(value)) {
        return strdup("");
    }
    return json_is_boolean(value) ? strdup(json_is_true(value) ? "true" : "false") : NULL;
}

static bool is_flat(struct ub_bytes body)
{
    size_t depth = 0;
    for (size_t i = 0; i < body.len; i++) {
        depth += body.ptr[i] == '{' || body.ptr[i] == '[';
    }
    return depth <= MON_PAIRS_MAX;
}

bool mon_pairs_of_body(struct mon_pairs *pairs, struct ub_bytes body, struct mon_fault *fault)
{
    json_error_t error;
    memset(pairs, 0, sizeof(*pairs));
    pairs->is_body = true;
    if (body.len == 0) {
        return true;
    }
    if (body.len > MON_QUERY_MAX || !is_flat(body)) {
        return say(fault, "the request is too long or too deep", "", "");
    }
    json_t *object = json_loadb((const char *)body.ptr, body.len, JSON_REJECT_DUPLICATES, &error);
    bool is_fine = json_is_object(object) || say(fault, "the request is not a JSON object", "",
                                                 object == NULL ? error.text : "");
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        if (is_fine && !pairs_add(pairs, strdup(name), value_text(value))) {
            is_fine = say(fault, "not an acceptable option: ", name, "");
        }
    }
    json_decref(object);
    if (!is_fine) {
        mon_pairs_fini(pairs);
    }
    return is_fine;
}

void mon_pairs_fini(struct mon_pairs *pairs)
{
    for (size_t i = 0; i < pairs->count; i++) {
        free(pairs->items[i].name);
        free(pairs->items[i].value);
    }
    pairs->count = 0;
}

const char *mon_pair(const struct mon_pairs *pairs, const char *name)
{
    for (size_t i = 0; i < pairs->count; i++) {
        if (strcmp(pairs->items[i].name, name) == 0) {
            return pairs->items[i].value;
        }
    }
    return "";
}

/* ---- values -----------------------------------------------------------------------------------
 */

static bool read_bool(const struct mon_pairs *pairs, const char *name, bool *out,
                      struct mon_fault *fault)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
    static const char *const no[] = {"", "0", "f", "F", "false", "FALSE", "False"};
    const char *value = mon_pair(pairs, name);
    *out = false;
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        if (strcmp(value, no[i]) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        *out = *out || strcmp(value, yes[i]) == 0;
    }
    return *out || say(fault, "Error decoding boolean for ", name, value);
}

static bool is_number(const char *text, bool may_be_negative)
{
    text += may_be_negative && (*text == '-' || *text == '+');
    return *text != '\0' && strspn(text, "0123456789") == strlen(text);
}

static bool read_int(const struct mon_pairs *pairs, const char *name, int64_t *out,
                     struct mon_fault *fault)
{
    const char *value = mon_pair(pairs, name);
    errno = 0;
    *out = value[0] == '\0' ? 0 : strtoll(value, NULL, 10);
    return value[0] == '\0' || (is_number(value, true) && errno == 0) ||
           say(fault, "Error decoding int for ", name, value);
}

bool mon_pair_uint(const struct mon_pairs *pairs, const char *name, uint64_t *out,
                   struct mon_fault *fault)
{
    const char *value = mon_pair(pairs, name);
    errno = 0;
    *out = value[0] == '\0' ? 0 : strtoull(value, NULL, 10);
    return value[0] == '\0' || (is_number(value, false) && errno == 0) ||
           say(fault, "Error decoding uint64 for ", name, value);
}

static bool read_text(const struct mon_pairs *pairs, const char *name, char *out, size_t size,
                      struct mon_fault *fault)
{
    const char *value = mon_pair(pairs, name);
    if (strlen(value) >= size) {
        out[0] = '\0';
        return say(fault, "too long: ", name, "");
    }
    memcpy(out, value, strlen(value) + 1);
    return true;
}

static bool read_page(const struct mon_pairs *pairs, int64_t *offset_out, int64_t *limit_out,
                      struct mon_fault *fault)
{
    if (!read_int(pairs, "offset", offset_out, fault) ||
        !read_int(pairs, "limit", limit_out, fault)) {
        return false;
    }
    *offset_out = *offset_out < 0 ? 0 : *offset_out;
    *limit_out = *limit_out <= 0 ? MON_LIMIT : *limit_out;
    *limit_out = *limit_out > MON_LIMIT_MAX ? MON_LIMIT_MAX : *limit_out;
    return true;
}

/* ---- connz ------------------------------------------------------------------------------------
 */

static bool read_sort(const struct mon_pairs *pairs, enum mon_sort *out, struct mon_fault *fault)
{
    static const char *const names[MON_SORTS] = {
        "cid",        "start", "subs", "pending", "msgs_to", "msgs_from", "bytes_to",
        "bytes_from", "last",  "idle", "uptime",  "stop",    "reason",    "rtt"};
    const char *value = mon_pair(pairs, "sort");
    *out = MON_BY_CID;
    for (int i = 0; i < MON_SORTS; i++) {
        if (strcmp(value, names[i]) == 0) {
            *out = (enum mon_sort)i;
            return true;
        }
    }
    return value[0] == '\0' || say(fault, "invalid sorting option", "", value);
}

static bool read_state(const struct mon_pairs *pairs, enum mon_state *out, struct mon_fault *fault)
{
    static const struct {
        const char *name;
        bool is_body;
        enum mon_state state;
    } states[] = {
        {"", false, MON_OPEN},   {"open", false, MON_OPEN}, {"closed", false, MON_CLOSED},
        {"any", false, MON_ANY}, {"all", false, MON_ANY},   {"", true, MON_OPEN},
        {"0", true, MON_OPEN},   {"1", true, MON_CLOSED},   {"2", true, MON_ANY},
    };
    const char *value = mon_pair(pairs, "state");
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (states[i].is_body == pairs->is_body && strcasecmp(states[i].name, value) == 0) {
            *out = states[i].state;
            return true;
        }
    }
    return say(fault, "Error decoding state for ", value, "");
}

static bool read_subs(const struct mon_pairs *pairs, struct mon_connz *out, struct mon_fault *fault)
{
    if (pairs->is_body) {
        return read_bool(pairs, "subscriptions", &out->has_subs, fault) &&
               read_bool(pairs, "subscriptions_detail", &out->has_details, fault);
    }
    out->has_details = strcasecmp(mon_pair(pairs, "subs"), "detail") == 0;
    return out->has_details || read_bool(pairs, "subs", &out->has_subs, fault);
}

static bool connz_is_sound(struct mon_connz *out, struct mon_fault *fault)
{
    if (out->sort == MON_BY_STOP && out->state != MON_CLOSED) {
        return say(fault, "sort by stop only valid on closed connections", "", "");
    }
    if (out->sort == MON_BY_REASON && out->state != MON_CLOSED) {
        return say(fault, "sort by reason only valid on closed connections", "", "");
    }
    if (strcmp(out->subject, ">") == 0) {
        out->subject[0] = '\0';
    }
    if (out->subject[0] != '\0' && out->account[0] == '\0') {
        return say(fault, "filter by subject only valid with account filtering", "", "");
    }
    if (out->subject[0] != '\0' && !nats_subject_is_pattern(nats_text(out->subject))) {
        return say(fault, "filter_subject is no subject", "", "");
    }
    return true;
}

bool mon_connz_read(const struct mon_pairs *pairs, struct mon_connz *out, struct mon_fault *fault)
{
    memset(out, 0, sizeof(*out));
    bool is_fine =
        read_sort(pairs, &out->sort, fault) && read_bool(pairs, "auth", &out->has_auth, fault) &&
        read_subs(pairs, out, fault) && read_page(pairs, &out->offset, &out->limit, fault) &&
        mon_pair_uint(pairs, "cid", &out->cid, fault) && read_state(pairs, &out->state, fault) &&
        read_text(pairs, "user", out->user, sizeof(out->user), fault) &&
        read_text(pairs, "acc", out->account, sizeof(out->account), fault) &&
        read_text(pairs, "mqtt_client", out->mqtt_client, sizeof(out->mqtt_client), fault) &&
        read_text(pairs, "filter_subject", out->subject, sizeof(out->subject), fault) &&
        connz_is_sound(out, fault);
    out->limit = out->cid > 0 ? 1 : out->limit;
    return is_fine;
}

/* ---- the others -------------------------------------------------------------------------------
 */

bool mon_subsz_read(const struct mon_pairs *pairs, struct mon_subsz *out, struct mon_fault *fault)
{
    memset(out, 0, sizeof(*out));
    if (!read_bool(pairs, pairs->is_body ? "subscriptions" : "subs", &out->has_subs, fault) ||
        !read_page(pairs, &out->offset, &out->limit, fault) ||
        !read_text(pairs, pairs->is_body ? "account" : "acc", out->account, sizeof(out->account),
                   fault) ||
        !read_text(pairs, "test", out->test, sizeof(out->test), fault)) {
        return false;
    }
    return out->test[0] == '\0' || nats_subject_is_literal(nats_text(out->test)) ||
           say(fault, "invalid test subject, must be valid publish subject", "", out->test);
}

bool mon_healthz_read(const struct mon_pairs *pairs, struct mon_healthz *out,
                      struct mon_fault *fault)
{
    bool is_ignored;
    memset(out, 0, sizeof(*out));
    return read_bool(pairs, "js-enabled", &is_ignored, fault) &&
           read_bool(pairs, "js-enabled-only", &is_ignored, fault) &&
           read_bool(pairs, "js-server-only", &is_ignored, fault) &&
           read_bool(pairs, "js-meta-only", &is_ignored, fault) &&
           read_bool(pairs, "details", &out->has_details, fault) &&
           read_text(pairs, "account", out->account, sizeof(out->account), fault) &&
           read_text(pairs, "stream", out->stream, sizeof(out->stream), fault) &&
           read_text(pairs, "consumer", out->consumer, sizeof(out->consumer), fault);
}

bool mon_filter_read(const struct mon_pairs *pairs, struct mon_filter *out, struct mon_fault *fault)
{
    memset(out, 0, sizeof(*out));
    out->has_tags = mon_pair(pairs, "tags")[0] != '\0';
    return read_bool(pairs, "exact_match", &out->is_exact, fault) &&
           read_text(pairs, "server_name", out->name, sizeof(out->name), fault) &&
           read_text(pairs, "host", out->host, sizeof(out->host), fault) &&
           read_text(pairs, "cluster", out->cluster, sizeof(out->cluster), fault) &&
           read_text(pairs, "domain", out->domain, sizeof(out->domain), fault);
}
