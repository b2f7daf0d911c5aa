/* SPDX-License-Identifier: Apache-2.0 */
#include "config_envfile.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct parse {
    struct arena *arena;
    struct report *report;
    struct envfile *envfile;
    struct ub_where where;
};

#define parse_fault(parse, ...)                                                                    \
    ((parse)->envfile->is_sound = false,                                                           \
     report_add((parse)->report, ERROR_CONFIG_ENVFILE, (parse)->where, __VA_ARGS__))

const struct envfile_entry *envfile_find(const struct envfile *envfile, const char *name)
{
    for (size_t i = 0; i < envfile->count; i++) {
        if (strcmp(envfile->items[i].name, name) == 0) {
            return &envfile->items[i];
        }
    }
    return NULL;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

static const char *skip_blank(const char *at, const char *end)
{
    while (at < end && is_blank(*at)) {
        at++;
    }
    return at;
}

static bool is_name(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)text[i]) && text[i] != '_') {
            return false;
        }
    }
    return len > 0 && len <= 128 && !isdigit((unsigned char)text[0]);
}

/* NULL with a fault when the line has none. */
static const char *parse_name(struct parse *parse, const char *at, const char *equals)
{
    const char *end = equals;
    while (end > at && is_blank(end[-1])) {
        end--;
    }
    size_t len = (size_t)(end - at);
    if (is_name(at, len)) {
        return arena_copy(parse->arena, at, len);
    }
    bool is_shell = len > 7 && memcmp(at, "export ", 7) == 0;
    parse_fault(parse, "\"%.*s\" is no name: %s", (int)(len < 64 ? len : 64), at,
                is_shell ? "leave out \"export\", this is no shell"
                         : "letters, digits and \"_\", not a digit first");
    return NULL;
}

/* From behind the opening quote; NULL with a fault. */
static const char *parse_quoted(struct parse *parse, const char *at, const char *end, char quote)
{
    char *value = arena_alloc(parse->arena, (size_t)(end - at) + 1, 1);
    size_t len = 0;
    for (; at < end && *at != quote; at++) {
        if (quote == '"' && *at == '\\' && at + 1 < end && strchr("\"\\$`", at[1]) != NULL) {
            at++;
        }
        value[len++] = *at;
    }
    if (at == end) {
        parse_fault(parse, "the value's %s is not closed on this line",
                    quote == '"' ? "\" quote" : "' quote");
        return NULL;
    }
    if (skip_blank(at + 1, end) != end) {
        parse_fault(parse, "text after the closing quote: quote the whole value");
        return NULL;
    }
    return value;
}

static const char *parse_plain(struct parse *parse, const char *at, const char *end)
{
    char *value = arena_alloc(parse->arena, (size_t)(end - at) + 1, 1);
    size_t len = 0, kept = 0; /* kept: up to the last byte that is no trailing blank */
    for (; at < end; at++) {
        bool is_escape = *at == '\\';
        if (is_escape && (at + 1 == end || (at[1] == '\r' && at + 2 == end))) {
            parse_fault(parse, "the line ends with \"\\\": a value cannot go on in the next line");
            return NULL;
        }
        at += is_escape;
        value[len++] = *at;
        kept = is_escape || !is_blank(*at) ? len : kept;
    }
    value[kept] = '\0';
    return value;
}

static const char *parse_value(struct parse *parse, const char *at, const char *end)
{
    at = skip_blank(at, end);
    return at < end && (*at == '"' || *at == '\'') ? parse_quoted(parse, at + 1, end, *at)
                                                   : parse_plain(parse, at, end);
}

static void parse_add(struct parse *parse, const char *name, const char *value)
{
    struct envfile *envfile = parse->envfile;
    const struct envfile_entry *first = envfile_find(envfile, name);
    if (first != NULL) {
        parse_fault(parse, "%s is given twice (first on line %u)", name, (unsigned)first->line);
    } else if (envfile->count == ENVFILE_ENTRIES_MAX) {
        parse_fault(parse, "the file has more than %d values", ENVFILE_ENTRIES_MAX);
    } else {
        envfile->items[envfile->count++] = (struct envfile_entry){name, value, parse->where.line};
    }
}

static void parse_line(struct parse *parse, const char *at, const char *end)
{
    at = skip_blank(at, end);
    if (at == end || *at == '#' || *at == ';') {
        return;
    }
    const char *equals = memchr(at, '=', (size_t)(end - at));
    if (equals == NULL) {
        parse_fault(parse, "no \"=\" on this line: write NAME=value, or # before a comment");
        return;
    }
    const char *name = parse_name(parse, at, equals);
    const char *value = name != NULL ? parse_value(parse, equals + 1, end) : NULL;
    if (value != NULL) {
        parse_add(parse, name, value);
    }
}

void envfile_parse(struct arena *arena, const char *file, const char *text, size_t len,
                   struct envfile *envfile_out, struct report *report)
{
    struct parse parse = {arena, report, envfile_out, {file, 0}};
    *envfile_out = (struct envfile){
        .items = arena_alloc(arena, ENVFILE_ENTRIES_MAX, sizeof(struct envfile_entry)),
        .is_sound = true};
    for (const char *at = text, *end = text + len; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = newline != NULL ? newline : end;
        parse.where.line++;
        parse_line(&parse, at, line_end);
        at = newline != NULL ? newline + 1 : end;
    }
}
