/* SPDX-License-Identifier: Apache-2.0 */
#include "decision.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

/* Bytes of each text before it is escaped. */
static const struct {
    size_t at, max;
} texts[DECISION_TEXTS] = {
    [DECISION_ACTION] = {offsetof(struct ub_decision, action), 64},
    [DECISION_RESOURCE_KIND] = {offsetof(struct ub_decision, resource_kind), 32},
    [DECISION_RESOURCE_ID] = {offsetof(struct ub_decision, resource_id), 256},
    [DECISION_PRINCIPAL] = {offsetof(struct ub_decision, id), 64},
    [DECISION_HANDLE] = {offsetof(struct ub_decision, handle), 64},
    [DECISION_ROLE] = {offsetof(struct ub_decision, role), 32},
    [DECISION_ADDRESS] = {offsetof(struct ub_decision, address), 64},
    [DECISION_PROVIDER] = {offsetof(struct ub_decision, provider), 64},
    [DECISION_CODE] = {offsetof(struct ub_decision, code), 64},
    [DECISION_REASON] = {offsetof(struct ub_decision, text), 512},
    [DECISION_PLACE] = {offsetof(struct ub_decision, place), 256},
    [DECISION_DIGEST] = {offsetof(struct ub_decision, digest), 80},
};
#define TEXT_MAX 512

static bool is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            return false;
        }
    }
    return true;
}

/* Shortened at the border of a character, then escaped. */
static void write_text(FILE *out, const char *text, size_t max)
{
    char cut[TEXT_MAX + 1];
    size_t len = text != NULL ? strnlen(text, max + 1) : 0;
    bool is_long = len > max;
    if (is_long) {
        for (len = max; len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80;) {
            len--;
        }
    }
    if (len > 0 && is_plain(text, len)) {
        fwrite(text, 1, len, out);
    } else if (len > 0) {
        memcpy(cut, text, len);
        cut[len] = '\0';
        log_escape(out, cut, LOG_ESCAPE_PLAIN);
    }
    fputs(is_long ? "\xe2\x80\xa6" : "", out);
    fputc('\0', out);
}

static void write_input(struct decision *decision, FILE *out, const char *input)
{
    size_t len = input != NULL ? strnlen(input, DECISION_INPUT_MAX + 1) : 0;
    decision->is_input_cut = len > DECISION_INPUT_MAX;
    if (len > 0 && !decision->is_input_cut) {
        fwrite(input, 1, len + 1, out);
    }
}

static bool write_texts(struct decision *decision, const struct ub_decision *from)
{
    long starts[DECISION_TEXTS + 1];
    size_t len = 0;
    FILE *out = open_memstream(&decision->bytes, &len);
    if (out == NULL) {
        return false;
    }
    for (size_t i = 0; i < DECISION_TEXTS; i++) {
        const char *text;
        memcpy(&text, (const char *)from + texts[i].at, sizeof(text));
        starts[i] = ftell(out);
        write_text(out, text, texts[i].max);
    }
    starts[DECISION_TEXTS] = ftell(out);
    write_input(decision, out, from->input_json);
    if (fclose(out) != 0 || decision->bytes == NULL) {
        return false;
    }
    for (size_t i = 0; i < DECISION_TEXTS; i++) {
        decision->texts[i] = decision->bytes + starts[i];
    }
    bool has_input = len > (size_t)starts[DECISION_TEXTS];
    decision->input = has_input ? decision->bytes + starts[DECISION_TEXTS] : NULL;
    return true;
}

struct decision *decision_new(const struct ub_decision *from, const char *id, int64_t time_ms)
{
    struct ub_decision known = {.took_us = -1};
    struct decision *decision = calloc(1, sizeof(*decision));
    if (decision == NULL) {
        return NULL;
    }
    memcpy(&known, from, from->size < sizeof(known) ? from->size : sizeof(known));
    decision->refs = 1;
    decision->time_ms = time_ms;
    decision->took_us = known.took_us;
    decision->is_allowed = known.is_allowed;
    snprintf(decision->id, sizeof(decision->id), "%s", id);
    if (!write_texts(decision, &known)) {
        decision_unref(&decision);
    }
    return decision;
}

struct decision *decision_ref(struct decision *decision)
{
    atomic_fetch_add_explicit(&decision->refs, 1, memory_order_relaxed);
    return decision;
}

void decision_unref(struct decision **decision)
{
    struct decision *gone = *decision;
    *decision = NULL;
    if (gone != NULL && atomic_fetch_sub_explicit(&gone->refs, 1, memory_order_acq_rel) == 1) {
        free(gone->bytes);
        free(gone);
    }
}

/* What a module gave as input is shown only when it is what the contract says: an object. */
static void add_input(json_t *json, const struct decision *decision)
{
    json_t *input = decision->input != NULL ? json_loads(decision->input, 0, NULL) : NULL;
    if (json_is_object(input)) {
        json_object_set(json, "input", input);
    } else if (decision->is_input_cut || decision->input != NULL) {
        json_object_set_new(json, "input_omitted", json_true());
    }
    json_decref(input);
}

json_t *decision_json(const struct decision *decision, const char *node)
{
    const char *const *text = decision->texts;
    json_t *json = json_pack(
        "{s:s, s:I, s:s, s:b, s:s, s:{s:s, s:s}, s:{s:s, s:s, s:s}, s:s, s:s, s:s, s:s, s:s, s:s}",
        "id", decision->id, "time_ms", (json_int_t)decision->time_ms, "node", node, "allowed",
        decision->is_allowed, "action", text[DECISION_ACTION], "resource", "kind",
        text[DECISION_RESOURCE_KIND], "id", text[DECISION_RESOURCE_ID], "principal", "id",
        text[DECISION_PRINCIPAL], "handle", text[DECISION_HANDLE], "role", text[DECISION_ROLE],
        "address", text[DECISION_ADDRESS], "provider", text[DECISION_PROVIDER], "code",
        text[DECISION_CODE], "text", text[DECISION_REASON], "place", text[DECISION_PLACE], "digest",
        text[DECISION_DIGEST]);
    if (json != NULL && decision->took_us >= 0) {
        json_object_set_new(json, "took_us", json_integer(decision->took_us));
    }
    if (json != NULL) {
        add_input(json, decision);
    }
    return json;
}
