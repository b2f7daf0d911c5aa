/* SPDX-License-Identifier: Apache-2.0 */
#include "profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct base {
    char *text;
    size_t len, room;
    bool is_bad;
};

static void base_put(struct base *base, const char *text)
{
    size_t len = strlen(text);
    if (base->is_bad || len >= base->room - base->len) {
        base->is_bad = true;
        return;
    }
    memcpy(base->text + base->len, text, len + 1);
    base->len += len;
}

/* RFC 9421, section 2.1: values are ASCII; a line end or a tab would make the base ambiguous. */
static bool is_printable(const char *text)
{
    while (*text >= 0x20 && *text < 0x7f) {
        text++;
    }
    return *text == '\0';
}

static void base_line(struct base *base, const char *name, const char *value)
{
    base->is_bad = base->is_bad || value == NULL || !is_printable(value);
    base_put(base, "\"");
    base_put(base, name);
    base_put(base, "\": ");
    base_put(base, value == NULL ? "" : value);
}

static void base_fill(struct base *base, const struct http_head *head,
                      const struct http_signature *signature)
{
    base_line(base, "@method", http_head_text(head, head->method));
    base_put(base, "\n");
    base_line(base, "@path", http_head_text(head, head->path));
    base_put(base, "\n");
    base_line(base, "@query", "?");
    base_put(base, http_head_text(head, head->query));
    base_put(base, "\n");
    for (int i = HTTP_C_AUDIENCE; i < HTTP_COMPONENTS; i++) {
        if ((signature->covered >> i & 1u) != 0) {
            base_line(base, http_component_names[i],
                      http_component_value(head, (enum http_component)i));
            base_put(base, "\n");
        }
    }
    base_line(base, "@signature-params", signature->params);
}

char *http_base_new(const struct http_head *head, const struct http_signature *signature)
{
    /* Every part stands in the head already, once; the rest is names and punctuation. */
    struct base base = {NULL, 0, head->len + 512u, false};
    base.text = malloc(base.room);
    if (base.text == NULL) {
        return NULL;
    }
    base_fill(&base, head, signature);
    if (base.is_bad) {
        free(base.text);
        return NULL;
    }
    return base.text;
}
