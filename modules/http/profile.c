/* SPDX-License-Identifier: Apache-2.0 */
#include "profile.h"

#include <stdio.h>
#include <string.h>

static enum http_profile refuse(char *why_out, const char *format, const char *name)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(why_out, HTTP_WHY_MAX, format, name);
#pragma GCC diagnostic pop
    return HTTP_REFUSED;
}

static int count_of(const struct http_head *head, const char *name)
{
    int first = http_head_find(head, name, 0);
    if (first < 0) {
        return 0;
    }
    return http_head_find(head, name, first + 1) < 0 ? 1 : 2;
}

const char *http_component_value(const struct http_head *head, enum http_component component)
{
    int index = http_head_find(head, http_component_names[component], 0);
    return index < 0 ? NULL : http_head_text(head, head->fields[index].value);
}

/* Doubled headers are refused with and without a signature: handlers rely on one value. */
static const char *doubled(const struct http_head *head)
{
    for (int i = HTTP_C_AUDIENCE; i < HTTP_COMPONENTS; i++) {
        if (count_of(head, http_component_names[i]) > 1) {
            return http_component_names[i];
        }
    }
    if (count_of(head, "signature") > 1) {
        return "signature";
    }
    return count_of(head, "signature-input") > 1 ? "signature-input" : NULL;
}

/* Every listed header that is there is covered, and nothing else is. */
static enum http_profile judge_covered(const struct http_head *head, uint32_t covered,
                                       char *why_out)
{
    for (int i = HTTP_C_AUDIENCE; i < HTTP_COMPONENTS; i++) {
        bool is_there = http_component_value(head, (enum http_component)i) != NULL;
        bool is_covered = (covered >> i & 1u) != 0;
        if (is_there && !is_covered) {
            return refuse(why_out, "header \"%s\" is there and not covered",
                          http_component_names[i]);
        }
        if (!is_there && is_covered) {
            return refuse(why_out, "header \"%s\" is covered and not there",
                          http_component_names[i]);
        }
    }
    return HTTP_SIGNED;
}

static enum http_profile judge_body(const struct http_head *head, char *why_out)
{
    static const enum http_component needed[] = {HTTP_C_CONTENT_DIGEST, HTTP_C_CONTENT_TYPE};
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]) && http_head_has_body(head); i++) {
        if (http_component_value(head, needed[i]) == NULL) {
            return refuse(why_out, "a signed body needs header \"%s\"",
                          http_component_names[needed[i]]);
        }
    }
    return HTTP_SIGNED;
}

enum http_profile http_profile_check(const struct http_head *head, struct http_signature *out,
                                     char *why_out)
{
    const char *twice = doubled(head);
    if (twice != NULL) {
        return refuse(why_out, "header \"%s\" is there more than once", twice);
    }
    int input = http_head_find(head, "signature-input", 0);
    int bytes = http_head_find(head, "signature", 0);
    if (input < 0 && bytes < 0) {
        return HTTP_UNSIGNED;
    }
    if (input < 0 || bytes < 0) {
        return refuse(why_out, "header \"%s\" is missing",
                      input < 0 ? "signature-input" : "signature");
    }
    if (!http_signature_parse(http_head_text(head, head->fields[input].value),
                              http_head_text(head, head->fields[bytes].value), out, why_out)) {
        return HTTP_REFUSED;
    }
    enum http_profile profile = judge_covered(head, out->covered, why_out);
    return profile == HTTP_SIGNED ? judge_body(head, why_out) : profile;
}
