/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../utf8.h"

#define TEXT_FIRST_ROOM 1024

void mon_text_init(struct mon_text *text, size_t max, bool is_indented, uint32_t depth)
{
    *text = (struct mon_text){.max = max, .is_indented = is_indented, .depth = depth};
}

void mon_text_fini(struct mon_text *text)
{
    free(text->ptr);
    *text = (struct mon_text){.is_broken = true};
}

static bool text_reserve(struct mon_text *text, size_t more)
{
    if (text->is_broken || more > text->max || text->len > text->max - more) {
        text->is_broken = true;
        return false;
    }
    size_t room = text->room == 0 ? TEXT_FIRST_ROOM : text->room;
    while (room < text->len + more) {
        room *= 2;
    }
    if (room == text->room) {
        return true;
    }
    char *grown = realloc(text->ptr, room);
    if (grown == NULL) {
        text->is_broken = true;
        return false;
    }
    text->ptr = grown;
    text->room = room;
    return true;
}

static void text_put(struct mon_text *text, const char *from, size_t len)
{
    if (len > 0 && text_reserve(text, len)) {
        memcpy(text->ptr + text->len, from, len);
        text->len += len;
    }
}

static void text_puts(struct mon_text *text, const char *from)
{
    text_put(text, from, strlen(from));
}

static void text_line(struct mon_text *text)
{
    if (text->is_indented) {
        text_put(text, "\n", 1);
        for (uint32_t i = 0; i < text->depth; i++) {
            text_put(text, "  ", 2);
        }
    }
}

static void text_escape(struct mon_text *text, uint8_t c)
{
    char escape[8];
    if (c == '"' || c == '\\') {
        snprintf(escape, sizeof(escape), "\\%c", c);
    } else {
        snprintf(escape, sizeof(escape), "\\u%04x", c < 0x80 ? c : 0xfffdu);
    }
    text_puts(text, escape);
}

static void text_quoted(struct mon_text *text, struct ub_bytes value)
{
    bool is_valid = nats_utf8_is_valid(value);
    size_t start = 0;
    text_put(text, "\"", 1);
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.ptr[i];
        if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f || (c >= 0x80 && !is_valid)) {
            text_put(text, (const char *)value.ptr + start, i - start);
            text_escape(text, c);
            start = i + 1;
        }
    }
    text_put(text, (const char *)value.ptr + start, value.len - start);
    text_put(text, "\"", 1);
}

static void text_name(struct mon_text *text, const char *name)
{
    if (text->depth > 0) {
        bool *has_member = &text->has_member[text->depth % MON_DEPTH_MAX];
        if (*has_member) {
            text_put(text, ",", 1);
        }
        *has_member = true;
        text_line(text);
    }
    if (name != NULL) {
        text_quoted(text, (struct ub_bytes){(const uint8_t *)name, strlen(name)});
        text_puts(text, text->is_indented ? ": " : ":");
    }
}

void mon_open(struct mon_text *text, const char *name, char bracket)
{
    text_name(text, name);
    text_put(text, &bracket, 1);
    if (++text->depth >= MON_DEPTH_MAX) {
        text->is_broken = true;
    }
    text->has_member[text->depth % MON_DEPTH_MAX] = false;
}

void mon_close(struct mon_text *text, char bracket)
{
    bool is_empty = !text->has_member[text->depth % MON_DEPTH_MAX];
    text->depth--;
    if (!is_empty) {
        text_line(text);
    }
    text_put(text, &bracket, 1);
}

void mon_bytes(struct mon_text *text, const char *name, struct ub_bytes value)
{
    text_name(text, name);
    text_quoted(text, value);
}

void mon_string(struct mon_text *text, const char *name, const char *value)
{
    mon_bytes(text, name, (struct ub_bytes){(const uint8_t *)value, strlen(value)});
}

void mon_number(struct mon_text *text, const char *name, int64_t value)
{
    char digits[24];
    snprintf(digits, sizeof(digits), "%" PRId64, value);
    text_name(text, name);
    text_puts(text, digits);
}

void mon_unsigned(struct mon_text *text, const char *name, uint64_t value)
{
    char digits[24];
    snprintf(digits, sizeof(digits), "%" PRIu64, value);
    text_name(text, name);
    text_puts(text, digits);
}

void mon_real(struct mon_text *text, const char *name, double value)
{
    char digits[32];
    snprintf(digits, sizeof(digits), "%.10g", value);
    text_name(text, name);
    text_puts(text, digits);
}

void mon_bool(struct mon_text *text, const char *name, bool value)
{
    text_name(text, name);
    text_puts(text, value ? "true" : "false");
}

void mon_null(struct mon_text *text, const char *name)
{
    text_name(text, name);
    text_puts(text, "null");
}

void mon_member(struct mon_text *text, const char *name, const char *ptr, size_t len)
{
    text_name(text, name);
    text_put(text, ptr, len);
}

void mon_piece(struct mon_text *text, const char *ptr, size_t len)
{
    bool *has_member = &text->has_member[text->depth % MON_DEPTH_MAX];
    if (*has_member) {
        text_put(text, ",", 1);
    }
    *has_member = true;
    text_put(text, ptr, len);
}

size_t mon_piece_begin(struct mon_text *text)
{
    text->has_member[text->depth % MON_DEPTH_MAX] = false;
    return text->len;
}

/* ---- formats ----------------------------------------------------------------------------------
 */

/* The digits of a fraction of `scale`, without zeros at its end and with a point before; "" for 0.
 */
static const char *fraction(int64_t value, int64_t scale, char out[16])
{
    size_t len = 0;
    out[len++] = '.';
    for (; value > 0 && scale > 1; value %= scale) {
        scale /= 10;
        out[len++] = (char)('0' + value / scale);
    }
    out[len > 1 ? len : 0] = '\0';
    return out;
}

void mon_time(struct mon_text *text, const char *name, int64_t unix_ms)
{
    char date[32], all[64], part[16];
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm;
    if (gmtime_r(&seconds, &tm) == NULL ||
        strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
        snprintf(date, sizeof(date), "0001-01-01T00:00:00");
    }
    snprintf(all, sizeof(all), "%s%sZ", date, fraction(unix_ms % 1000, 1000, part));
    mon_string(text, name, all);
}

void mon_uptime(struct mon_text *text, const char *name, int64_t ms)
{
    long long s = ms > 0 ? ms / 1000 : 0;
    long long d = s / 86400, h = s / 3600 % 24, m = s / 60 % 60;
    char all[96];
    if (d >= 365) {
        snprintf(all, sizeof(all), "%lldy%lldd%lldh%lldm%llds", d / 365, d % 365, h, m, s % 60);
    } else if (d > 0) {
        snprintf(all, sizeof(all), "%lldd%lldh%lldm%llds", d, h, m, s % 60);
    } else if (h > 0) {
        snprintf(all, sizeof(all), "%lldh%lldm%llds", h, m, s % 60);
    } else if (m > 0) {
        snprintf(all, sizeof(all), "%lldm%llds", m, s % 60);
    } else {
        snprintf(all, sizeof(all), "%llds", s);
    }
    mon_string(text, name, all);
}

void mon_duration(struct mon_text *text, const char *name, int64_t micro)
{
    char all[64], part[16];
    long long s = micro / 1000000;
    fraction(micro % 1000000, 1000000, part);
    if (micro <= 0) {
        snprintf(all, sizeof(all), "0s");
    } else if (micro < 1000) {
        snprintf(all, sizeof(all), "%lldµs", (long long)micro);
    } else if (micro < 1000000) {
        snprintf(all, sizeof(all), "%lld%sms", (long long)micro / 1000,
                 fraction(micro % 1000, 1000, part));
    } else if (s < 60) {
        snprintf(all, sizeof(all), "%lld%ss", s, part);
    } else if (s < 3600) {
        snprintf(all, sizeof(all), "%lldm%lld%ss", s / 60, s % 60, part);
    } else {
        snprintf(all, sizeof(all), "%lldh%lldm%lld%ss", s / 3600, s / 60 % 60, s % 60, part);
    }
    mon_string(text, name, all);
}
