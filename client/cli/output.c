/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define COLUMNS_MAX 12

bool out_is_json(const struct cli *cli)
{
    return cli_option(cli, "json") != NULL;
}

static bool is_bold(const struct cli *cli)
{
    const char *no_color = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && cli_option(cli, "no-color") == NULL &&
           (no_color == NULL || no_color[0] == '\0');
}

/* The length of the UTF-8 character at `at`, its code point in *point_out; 0 when it is none. */
static size_t decode(const unsigned char *at, size_t left, uint32_t *point_out)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = at[0] < 0x80             ? 1
                 : (at[0] & 0xe0) == 0xc0 ? 2
                 : (at[0] & 0xf0) == 0xe0 ? 3
                 : (at[0] & 0xf8) == 0xf0 ? 4
                                          : 0;
    if (len == 0 || len > left) {
        return 0;
    }
    uint32_t point = len == 1 ? at[0] : at[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
        point = point << 6 | (at[i] & 0x3fu);
    }
    *point_out = point;
    return point < least[len] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000) ? 0 : len;
}

/* Controls command a terminal; the others turn the order of what is read, or begin a line. */
static bool is_dangerous(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x061c || point == 0x200e ||
           point == 0x200f || (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069);
}

/* break_text: what a line end becomes. */
static void write_safe(FILE *to, const char *text, size_t len, const char *break_text)
{
    for (size_t i = 0; i < len;) {
        uint32_t point = 0;
        size_t used = decode((const unsigned char *)text + i, len - i, &point);
        if (used == 0) {
            fputc('?', to);
        } else if (point == '\n') {
            fputs(break_text, to);
        } else if (point == '\t') {
            fputc(' ', to);
        } else if (is_dangerous(point)) {
            fputc('?', to);
        } else {
            fwrite(text + i, 1, used, to);
        }
        i += used > 0 ? used : 1;
    }
}

void out_safe(FILE *to, const char *text, size_t len)
{
    write_safe(to, text, len, " ");
}

void out_safe_lines(FILE *to, const char *text, size_t len)
{
    write_safe(to, text, len, "\n    ");
}

/* A terminal would take controls out of JSON too. */
static size_t json_flags(void)
{
    return isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0;
}

json_t *out_json_text(const char *text)
{
    json_t *value = json_string(text);
    if (value != NULL) {
        return value;
    }
    char *safe = NULL;
    size_t len;
    FILE *to = open_memstream(&safe, &len);
    if (to != NULL) {
        out_safe(to, text, strlen(text));
        fclose(to);
        value = json_string(safe);
    }
    free(safe);
    return value != NULL ? value : json_string("?");
}

static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80 ? 1 : 0;
    }
    return width;
}

static void write_value(FILE *to, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        out_safe(to, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        fprintf(to, "%lld", (long long)json_integer_value(value));
        break;
    case JSON_TRUE:
        fputs("yes", to);
        break;
    case JSON_FALSE:
        fputs("no", to);
        break;
    case JSON_ARRAY:
        for (size_t i = 0; i < json_array_size(value); i++) {
            fputs(i > 0 ? ", " : "", to);
            write_value(to, json_array_get(value, i));
        }
        break;
    default:
        fputs("-", to);
    }
}

/* The caller frees. */
static char *cell_text(const json_t *row, const char *key)
{
    const json_t *value = json_object_get(row, key);
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);
    if (to == NULL) {
        return NULL;
    }
    if (value == NULL) {
        fputs("-", to);
    } else {
        write_value(to, value);
    }
    fclose(to);
    return text;
}

static void print_json(const json_t *document)
{
    json_dumpf(document, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY | json_flags());
    putchar('\n');
}

static void measure(const json_t *rows, const struct out_column *columns, size_t *widths)
{
    for (size_t c = 0; columns[c].key != NULL; c++) {
        widths[c] = width_of(columns[c].title);
        for (size_t r = 0; r < json_array_size(rows); r++) {
            char *text = cell_text(json_array_get(rows, r), columns[c].key);
            size_t width = text != NULL ? width_of(text) : 0;
            widths[c] = width > widths[c] ? width : widths[c];
            free(text);
        }
    }
}

/* The last column needs no padding. */
static void print_cell(const char *text, size_t width, bool is_last)
{
    fputs(text, stdout);
    for (size_t i = width_of(text); !is_last && i < width + 2; i++) {
        putchar(' ');
    }
}

void out_table(const struct cli *cli, json_t *rows, const struct out_column *columns)
{
    size_t widths[COLUMNS_MAX] = {0};
    if (out_is_json(cli)) {
        print_json(rows);
        json_decref(rows);
        return;
    }
    measure(rows, columns, widths);
    fputs(is_bold(cli) ? "\033[1m" : "", stdout);
    for (size_t c = 0; columns[c].key != NULL; c++) {
        print_cell(columns[c].title, widths[c], columns[c + 1].key == NULL);
    }
    fputs(is_bold(cli) ? "\033[0m\n" : "\n", stdout);
    for (size_t r = 0; r < json_array_size(rows); r++) {
        for (size_t c = 0; columns[c].key != NULL; c++) {
            char *text = cell_text(json_array_get(rows, r), columns[c].key);
            print_cell(text != NULL ? text : "", widths[c], columns[c + 1].key == NULL);
            free(text);
        }
        putchar('\n');
    }
    json_decref(rows);
}

void out_fields(const struct cli *cli, json_t *object, const struct out_column *fields)
{
    size_t width = 0;
    for (size_t f = 0; fields[f].key != NULL; f++) {
        size_t one = width_of(fields[f].title);
        width = json_object_get(object, fields[f].key) != NULL && one > width ? one : width;
    }
    if (out_is_json(cli)) {
        print_json(object);
    }
    for (size_t f = 0; !out_is_json(cli) && fields[f].key != NULL; f++) {
        if (json_object_get(object, fields[f].key) != NULL) {
            char *text = cell_text(object, fields[f].key);
            print_cell(fields[f].title, width, false);
            printf("%s\n", text != NULL ? text : "");
            free(text);
        }
    }
    json_decref(object);
}

void out_json_line(json_t *object)
{
    json_dumpf(object, stdout, JSON_COMPACT | json_flags());
    putchar('\n');
    fflush(stdout);
    json_decref(object);
}

void out_say(const struct cli *cli, const char *format, ...)
{
    if (out_is_json(cli)) {
        return;
    }
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#define BAR_WIDTH 30

void out_progress(void *arg, int64_t done, int64_t total)
{
    struct out_progress *progress = arg;
    bool is_wanted = isatty(STDERR_FILENO) && cli_option(progress->cli, "no-progress") == NULL;
    if (!is_wanted || total <= 0 || (done < total && now_ms() - progress->drawn_ms < 100)) {
        return;
    }
    progress->drawn_ms = now_ms();
    progress->is_drawn = true;
    int filled = (int)(done * BAR_WIDTH / total);
    fprintf(stderr, "\r%s [", progress->title);
    for (int i = 0; i < BAR_WIDTH; i++) {
        fputc(i < filled ? '#' : '.', stderr);
    }
    fprintf(stderr, "] %3d%% ", (int)(done * 100 / total));
    if (progress->note[0] != '\0') {
        fprintf(stderr, "%s ", progress->note);
    } else {
        fprintf(stderr, "%.1f MiB ", (double)done / 1048576);
    }
    fflush(stderr);
}

void out_progress_end(struct out_progress *progress)
{
    if (progress->is_drawn) {
        fputc('\n', stderr);
    }
}
