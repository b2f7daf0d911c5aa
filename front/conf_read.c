/* SPDX-License-Identifier: Apache-2.0 */
#include "conf_read.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- places -----------------------------------------------------------------------------------
 */

int conf_peek(const struct conf_file *file)
{
    return file->at < file->end ? (unsigned char)*file->at : -1;
}

void conf_skip(struct conf_file *file)
{
    bool is_line = *file->at++ == '\n';
    if (is_line) {
        file->line++;
        file->line_start = file->counted = file->at;
        file->column = 1;
    }
}

bool conf_file_init(struct conf_file *file, const char *name, const char *text, size_t len)
{
    file->name = name;
    file->at = file->line_start = file->counted = text;
    file->end = text + len;
    file->line = file->column = 1;
    file->scratch = malloc(len + 1);
    return file->scratch != NULL;
}

void conf_file_fini(struct conf_file *file)
{
    free(file->scratch);
    file->scratch = NULL;
}

/* Counts on from where it stopped: a config may be one long line. */
struct conf_place conf_here(struct conf_file *file)
{
    for (; file->counted < file->at; file->counted++) {
        file->column += ((unsigned char)*file->counted & 0xC0) != 0x80; /* no rest of a character */
    }
    return (struct conf_place){file->name, file->line, file->column};
}

void conf_fault(struct report *report, enum error_id id, struct conf_place place,
                const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    report_add_at(report, id, (struct ub_where){place.file, place.line}, place.column, "%s", text);
}

void conf_break(struct conf_file *file, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (!file->is_broken) {
        conf_fault(file->report, ERROR_FRONT_SYNTAX, conf_here(file), "%s", text);
        file->is_broken = true;
    }
}

const char *conf_seen(const struct conf_file *file, char out[32])
{
    int c = conf_peek(file);
    if (c == -1) {
        return "the end of the file";
    }
    if (conf_is_line(c)) {
        return "a new line";
    }
    snprintf(out, 32, c > 0x20 && c < 0x7F ? "\"%c\"" : "byte 0x%02x", (unsigned)c);
    return out;
}

/* ---- what is between --------------------------------------------------------------------------
 */

bool conf_is_blank(int c)
{
    return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

bool conf_is_line(int c)
{
    return c == '\n' || c == '\r';
}

bool conf_skip_comment(struct conf_file *file)
{
    bool is_slashes = conf_peek(file) == '/' && file->end - file->at > 1 && file->at[1] == '/';
    if (conf_peek(file) != '#' && !is_slashes) {
        return false;
    }
    while (conf_peek(file) != -1 && !conf_is_line(conf_peek(file))) {
        conf_skip(file);
    }
    return true;
}

void conf_skip_blanks(struct conf_file *file)
{
    while (conf_is_blank(conf_peek(file))) {
        conf_skip(file);
    }
}

void conf_skip_lines(struct conf_file *file)
{
    while (conf_is_blank(conf_peek(file)) || conf_is_line(conf_peek(file))) {
        conf_skip(file);
    }
}

void conf_skip_space(struct conf_file *file)
{
    do {
        conf_skip_lines(file);
    } while (conf_skip_comment(file));
}

/* ---- texts ------------------------------------------------------------------------------------
 */

/* A text that grows; of the arena when it is whole. */
struct growing {
    struct conf_file *file;
    char *bytes;
    size_t len;
};

/* A text is never longer than its file, and is whole before the next one begins. */
static struct growing growing_of(struct conf_file *file)
{
    return (struct growing){file, file->scratch, 0};
}

static void grow(struct growing *text, char c)
{
    text->bytes[text->len++] = c;
}

static const char *grown(struct growing *text)
{
    const char *copy = NULL;
    if (!text->file->is_broken && memchr(text->bytes, '\0', text->len) != NULL) {
        conf_break(text->file, "a text with a NUL byte in it");
    } else if (!text->file->is_broken) {
        copy = arena_copy(&text->file->conf->arena, text->bytes, text->len);
    }
    explicit_bzero(text->bytes, text->len); /* perhaps a password */
    return copy;
}

static int hex_value(int c)
{
    return isdigit(c)             ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* \xXX, where the x stands here. */
static void grow_hex(struct growing *text)
{
    struct conf_file *file = text->file;
    bool is_hex = file->end - file->at > 2 && hex_value((unsigned char)file->at[1]) >= 0 &&
                  hex_value((unsigned char)file->at[2]) >= 0;
    if (!is_hex) {
        conf_break(file, "\\x needs two hexadecimal digits, as in \\x41");
        return;
    }
    grow(text, (char)(hex_value((unsigned char)file->at[1]) * 16 +
                      hex_value((unsigned char)file->at[2])));
    file->at += 3;
}

/* The backslash stands here. */
static void grow_escape(struct growing *text)
{
    static const char escapes[][2] = {
        {'t', '\t'}, {'n', '\n'}, {'r', '\r'}, {'"', '"'}, {'\\', '\\'}};
    struct conf_file *file = text->file;
    conf_skip(file);
    if (conf_peek(file) == 'x') {
        grow_hex(text);
        return;
    }
    for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
        if (conf_peek(file) == escapes[i][0]) {
            grow(text, escapes[i][1]);
            conf_skip(file);
            return;
        }
    }
    char seen[32];
    conf_break(file,
               "%s after a backslash: only \\xXX, \\t, \\n, \\r, \\\" and \\\\ mean something "
               "(quote with '…' to have none)",
               conf_seen(file, seen));
}

const char *conf_quoted(struct conf_file *file)
{
    struct conf_place start = conf_here(file);
    struct growing text = growing_of(file);
    int quote = conf_peek(file);
    conf_skip(file);
    while (!file->is_broken && conf_peek(file) != quote) {
        if (conf_peek(file) == -1) {
            conf_break(file, "the file ends inside of a text that began with %c on line %u", quote,
                       (unsigned)start.line);
        } else if (conf_peek(file) == '\\' && quote == '"') {
            grow_escape(&text);
        } else {
            grow(&text, *file->at);
            conf_skip(file);
        }
    }
    const char *copy = grown(&text);
    if (copy != NULL) {
        conf_skip(file);
    }
    return copy;
}

/* ")" as the only character of its line. */
static bool is_block_end(const struct conf_file *file)
{
    if (conf_peek(file) != ')' || file->at != file->line_start) {
        return false;
    }
    const char *next = file->at + 1;
    return next == file->end || *next == '\n' || *next == '\r';
}

const char *conf_block(struct conf_file *file)
{
    struct conf_place start = conf_here(file);
    struct growing text = growing_of(file);
    conf_skip(file);
    while (!file->is_broken && !is_block_end(file)) {
        if (conf_peek(file) == -1) {
            conf_break(file,
                       "the file ends inside of a block that began with \"(\" on line %u; it ends "
                       "with a line that is only \")\"",
                       (unsigned)start.line);
        } else {
            grow(&text, *file->at);
            conf_skip(file);
        }
    }
    const char *copy = grown(&text);
    if (copy != NULL) {
        conf_skip(file);
    }
    return copy;
}

static bool ends_word(int c)
{
    return c == -1 || conf_is_blank(c) || conf_is_line(c) || c == ',' || c == ';' || c == ']' ||
           c == '}';
}

const char *conf_word(struct conf_file *file, bool *is_escaped_out)
{
    struct growing text = growing_of(file);
    *is_escaped_out = false;
    while (!file->is_broken && !ends_word(conf_peek(file))) {
        if (conf_peek(file) == '\\') {
            *is_escaped_out = true;
            grow_escape(&text);
        } else {
            grow(&text, *file->at);
            conf_skip(file);
        }
    }
    return grown(&text);
}

const char *conf_bare_key(struct conf_file *file)
{
    static const char wrong[] = ",;[]{}()\"'";
    const char *start = file->at;
    while (conf_peek(file) != -1 && !conf_is_blank(conf_peek(file)) &&
           !conf_is_line(conf_peek(file)) && conf_peek(file) != ':' && conf_peek(file) != '=') {
        if (strchr(wrong, conf_peek(file)) != NULL) {
            break; /* `key{` begins a map */
        }
        conf_skip(file);
    }
    char seen[32];
    if (file->at == start || memchr(start, '\0', (size_t)(file->at - start)) != NULL) {
        conf_break(file, "a key is expected here, but there is %s", conf_seen(file, seen));
        return NULL;
    }
    return arena_copy(&file->conf->arena, start, (size_t)(file->at - start));
}
