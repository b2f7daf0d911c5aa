/* SPDX-License-Identifier: Apache-2.0 */
#include "quote.h"

#include <stdio.h>
#include <string.h>

#include "quote_print.h"
#include "utf8.h"

struct quote_out {
    char *at;
    size_t room, len;
};

static void quote_put(struct quote_out *out, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++, out->len++) {
        if (out->len + 1 < out->room) {
            out->at[out->len] = bytes[i];
        }
    }
}

bool nats_is_printable(uint32_t rune)
{
    size_t low = 0, high = sizeof(quote_printable) / sizeof(quote_printable[0]);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (rune > quote_printable[middle].last) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < sizeof(quote_printable) / sizeof(quote_printable[0]) &&
           rune >= quote_printable[low].first;
}

static const char *quote_short_form(uint32_t rune)
{
    static const char *const forms[] = {
        ['\a'] = "\\a", ['\b'] = "\\b", ['\f'] = "\\f", ['\n'] = "\\n", ['\r'] = "\\r",
        ['\t'] = "\\t", ['\v'] = "\\v", ['"'] = "\\\"", ['\\'] = "\\\\"};
    return rune < sizeof(forms) / sizeof(forms[0]) ? forms[rune] : NULL;
}

static void quote_number(struct quote_out *out, uint32_t rune)
{
    char text[16];
    const char *format = rune < ' ' || rune == 0x7f ? "\\x%02x"
                         : rune < 0x10000           ? "\\u%04x"
                                                    : "\\U%08x";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    int len = snprintf(text, sizeof(text), format, rune);
#pragma GCC diagnostic pop
    quote_put(out, text, (size_t)len);
}

/* Quotes the first character and returns its length. */
static size_t quote_rune(struct quote_out *out, struct ub_bytes text)
{
    uint32_t rune;
    size_t len = nats_utf8_decode(text, &rune);
    if (len == 0) {
        char hex[8];
        snprintf(hex, sizeof(hex), "\\x%02x", text.ptr[0]);
        quote_put(out, hex, 4);
        return 1;
    }
    const char *form = quote_short_form(rune);
    if (form != NULL) {
        quote_put(out, form, 2);
    } else if (nats_is_printable(rune)) {
        quote_put(out, (const char *)text.ptr, len);
    } else {
        quote_number(out, rune);
    }
    return len;
}

size_t nats_quote(struct ub_bytes text, char *out, size_t out_size)
{
    struct quote_out quoted = {out, out_size, 0};
    quote_put(&quoted, "\"", 1);
    while (text.len > 0) {
        size_t len = quote_rune(&quoted, text);
        text.ptr += len;
        text.len -= len;
    }
    quote_put(&quoted, "\"", 1);
    if (out_size > 0) {
        out[quoted.len < out_size ? quoted.len : out_size - 1] = '\0';
    }
    return quoted.len;
}
