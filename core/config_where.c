/* SPDX-License-Identifier: Apache-2.0
 *
 * Lua forgets where a table's keys stood, so the text is scanned once more: a small lexer, and a
 * path of the open braces. It only has to be right for what people write in a config; a key that it
 * does not find takes the line of the table around it. */
#include "config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define WHERE_DEPTH_MAX 16
#define WHERE_KEYS_MAX  16384
#define WHERE_NAME_MAX  64 /* a longer key takes the line of the table around it */

enum token_kind { TOKEN_END, TOKEN_NAME, TOKEN_STRING, TOKEN_SYMBOL };

struct token {
    enum token_kind kind;
    const char *text; /* of a string: without its quotes */
    size_t len;
    uint32_t line;
};

struct scan {
    const char *at, *end;
    uint32_t line;
};

static void scan_skip(struct scan *scan, size_t count)
{
    for (; count > 0 && scan->at < scan->end; count--, scan->at++) {
        scan->line += *scan->at == '\n';
    }
}

static bool scan_has(const struct scan *scan, const char *text)
{
    size_t len = strlen(text);
    return (size_t)(scan->end - scan->at) >= len && memcmp(scan->at, text, len) == 0;
}

/* Skips [[…]] or [=[…]=]; false when there is none. */
static bool scan_long_bracket(struct scan *scan, struct token *token)
{
    char close[16] = "]";
    size_t level = 0;
    while (scan->at + 1 + level < scan->end && scan->at[1 + level] == '=' && level < 12) {
        close[++level] = '=';
    }
    if (!scan_has(scan, "[") || scan->at + 1 + level >= scan->end || scan->at[1 + level] != '[') {
        return false;
    }
    memcpy(close + level + 1, "]", 2);
    scan_skip(scan, level + 2);
    token->text = scan->at;
    while (scan->at < scan->end && !scan_has(scan, close)) {
        scan_skip(scan, 1);
    }
    token->len = (size_t)(scan->at - token->text);
    scan_skip(scan, level + 2);
    return true;
}

static void scan_blank(struct scan *scan)
{
    struct token ignored;
    while (scan->at < scan->end) {
        if (isspace((unsigned char)*scan->at)) {
            scan_skip(scan, 1);
        } else if (scan_has(scan, "--")) {
            scan_skip(scan, 2);
            if (!scan_long_bracket(scan, &ignored)) {
                const char *line_end = memchr(scan->at, '\n', (size_t)(scan->end - scan->at));
                scan->at = line_end != NULL ? line_end : scan->end;
            }
        } else {
            return;
        }
    }
}

static void scan_quoted(struct scan *scan, struct token *token)
{
    char quote = *scan->at;
    scan_skip(scan, 1);
    token->text = scan->at;
    while (scan->at < scan->end && *scan->at != quote && *scan->at != '\n') {
        scan_skip(scan, *scan->at == '\\' ? 2 : 1);
    }
    token->len = (size_t)(scan->at - token->text);
    scan_skip(scan, 1);
}

static bool is_name_byte(char byte)
{
    return isalnum((unsigned char)byte) || byte == '_';
}

static struct token scan_next(struct scan *scan)
{
    scan_blank(scan);
    struct token token = {TOKEN_END, scan->at, 0, scan->line};
    if (scan->at >= scan->end) {
        return token;
    }
    if (*scan->at == '"' || *scan->at == '\'') {
        token.kind = TOKEN_STRING;
        scan_quoted(scan, &token);
    } else if (scan_long_bracket(scan, &token)) {
        token.kind = TOKEN_STRING;
    } else {
        token.kind = is_name_byte(*scan->at) ? TOKEN_NAME : TOKEN_SYMBOL;
        do {
            scan_skip(scan, 1);
            token.len++;
        } while (token.kind == TOKEN_NAME && scan->at < scan->end && is_name_byte(*scan->at));
    }
    return token;
}

static bool token_is(const struct token *token, enum token_kind kind, const char *text)
{
    return token->kind == kind && token->len == strlen(text) &&
           memcmp(token->text, text, token->len) == 0;
}

/* ---- the path of open braces ------------------------------------------------------------------
 */

struct walk {
    struct arena *arena;
    struct scan scan;
    struct where_keys *keys;
    size_t room;
    struct {
        const char *name; /* full and dotted; "" for the first */
        size_t items;     /* values without a key so far */
        uint32_t table;
        unsigned parens; /* open in it: what they hold are no keys of it */
    } path[WHERE_DEPTH_MAX];
    size_t depth;
    uint32_t tables;     /* braces so far */
    const char *pending; /* the key whose value begins now */
};

static void keys_add(struct walk *walk, const char *name, uint32_t line)
{
    struct where_keys *keys = walk->keys;
    if (keys->count == WHERE_KEYS_MAX) {
        return;
    }
    if (keys->count == walk->room) {
        walk->room = walk->room == 0 ? 64 : walk->room * 2;
        struct where_key *bigger = arena_alloc(walk->arena, walk->room, sizeof(*bigger));
        if (keys->count > 0) {
            memcpy(bigger, keys->items, keys->count * sizeof(*bigger));
        }
        keys->items = bigger;
    }
    keys->items[keys->count++] =
        (struct where_key){name, line, 0, walk->path[walk->depth - 1].table};
}

static void walk_add(struct walk *walk, const struct token *token)
{
    const char *around = walk->path[walk->depth - 1].name;
    walk->pending = arena_printf(walk->arena, "%s%s%.*s", around, around[0] != '\0' ? "." : "",
                                 (int)token->len, token->text);
    keys_add(walk, walk->pending, token->line);
}

/* An item of a list. Only tables are worth a key: texts take the line of their list. */
static void walk_item(struct walk *walk, const struct token *token)
{
    size_t number = ++walk->path[walk->depth - 1].items;
    walk->pending = NULL;
    if (token_is(token, TOKEN_SYMBOL, "{")) {
        walk->pending =
            arena_printf(walk->arena, "%s[%zu]", walk->path[walk->depth - 1].name, number);
        keys_add(walk, walk->pending, token->line);
    }
}

/* A key is a name or ["name"] before a single `=`, after `{`, `,` or `;`; else it is an item. */
static void walk_key(struct walk *walk, struct token token)
{
    bool is_bracketed = token_is(&token, TOKEN_SYMBOL, "[");
    struct scan before = walk->scan;
    struct token key = is_bracketed ? scan_next(&walk->scan) : token;
    struct token next = scan_next(&walk->scan);
    if (is_bracketed && token_is(&next, TOKEN_SYMBOL, "]")) {
        next = scan_next(&walk->scan);
    }
    bool is_key = key.kind == (is_bracketed ? TOKEN_STRING : TOKEN_NAME) &&
                  key.len <= WHERE_NAME_MAX && token_is(&next, TOKEN_SYMBOL, "=");
    if (is_key) {
        walk_add(walk, &key);
    } else {
        walk->scan = before;
        walk_item(walk, &token);
    }
}

static void walk_open(struct walk *walk)
{
    const char *around = walk->depth > 0 ? walk->path[walk->depth - 1].name : "";
    walk->path[walk->depth].name = walk->pending != NULL ? walk->pending : around;
    walk->path[walk->depth].items = 0;
    walk->path[walk->depth].table = walk->tables++;
    walk->path[walk->depth].parens = 0;
    walk->depth++;
    walk->pending = NULL;
}

static void walk_symbol(struct walk *walk, const struct token *token)
{
    unsigned *parens = &walk->path[walk->depth - 1].parens;
    if (token_is(token, TOKEN_SYMBOL, "{")) {
        walk_open(walk);
    } else if (token_is(token, TOKEN_SYMBOL, "}")) {
        walk->depth--;
    } else if (token_is(token, TOKEN_SYMBOL, "(")) {
        ++*parens;
    } else if (token_is(token, TOKEN_SYMBOL, ")")) {
        *parens -= *parens > 0;
    } else if (token_is(token, TOKEN_SYMBOL, ",")) {
        walk->pending = NULL;
    }
}

/* After `{`, `,` or `;`: a key or an item begins here, unless a call's arguments do. */
static void walk_begin(struct walk *walk, const struct token *token)
{
    if (walk->path[walk->depth - 1].parens > 0) {
        return;
    }
    if (token->kind == TOKEN_NAME || token_is(token, TOKEN_SYMBOL, "[")) {
        walk_key(walk, *token);
    } else if (!token_is(token, TOKEN_SYMBOL, "}")) {
        walk_item(walk, token);
    }
}

/* From behind the first brace to its end, or until there is no room for more. */
static void walk_table(struct walk *walk)
{
    bool expects_key = true;
    walk_open(walk);
    while (walk->depth > 0 && walk->keys->count < WHERE_KEYS_MAX) {
        struct token token = scan_next(&walk->scan);
        bool is_open = token_is(&token, TOKEN_SYMBOL, "{");
        if (token.kind == TOKEN_END || (is_open && walk->depth == WHERE_DEPTH_MAX)) {
            return;
        }
        if (expects_key) {
            walk_begin(walk, &token);
        }
        walk_symbol(walk, &token);
        expects_key =
            is_open || token_is(&token, TOKEN_SYMBOL, ",") || token_is(&token, TOKEN_SYMBOL, ";");
    }
}

/* Stands behind `opener`, `name` and the brace when it answers true. */
static bool scan_find(struct scan *scan, const char *opener, const char *name)
{
    for (struct token token = scan_next(scan); token.kind != TOKEN_END; token = scan_next(scan)) {
        if (!token_is(&token, TOKEN_NAME, opener)) {
            continue;
        }
        struct token next = scan_next(scan);
        if (token_is(&next, TOKEN_SYMBOL, "(")) {
            next = scan_next(scan);
        }
        if (name != NULL && token_is(&next, TOKEN_STRING, name)) {
            next = scan_next(scan);
            next = token_is(&next, TOKEN_SYMBOL, ")") ? scan_next(scan) : next;
            next = token_is(&next, TOKEN_SYMBOL, "(") ? scan_next(scan) : next;
        }
        if (token_is(&next, TOKEN_SYMBOL, "{")) {
            return true;
        }
    }
    return false;
}

/* By name; of the same name the one further out, then the one further up. */
static int key_compare(const void *left, const void *right)
{
    const struct where_key *a = left, *b = right;
    int by_name = strcmp(a->name, b->name);
    if (by_name != 0) {
        return by_name;
    }
    return a->table != b->table ? (a->table > b->table) - (a->table < b->table)
                                : (a->line > b->line) - (a->line < b->line);
}

static void keys_sort(struct where_keys *keys)
{
    if (keys->count > 1) {
        qsort(keys->items, keys->count, sizeof(*keys->items), key_compare);
    }
    for (size_t i = 1; i < keys->count; i++) {
        const struct where_key *before = &keys->items[i - 1];
        struct where_key *key = &keys->items[i];
        if (before->table == key->table && strcmp(before->name, key->name) == 0) {
            key->first_line = before->first_line != 0 ? before->first_line : before->line;
        }
    }
}

void where_scan(struct arena *arena, const char *text, size_t len, uint32_t line,
                const char *opener, const char *name, struct where_keys *keys_out)
{
    struct walk walk = {.arena = arena, .scan = {text, text + len, 1}, .keys = keys_out};
    while (walk.scan.line < line && walk.scan.at < walk.scan.end) {
        scan_skip(&walk.scan, 1);
    }
    *keys_out = (struct where_keys){NULL, 0};
    if (scan_find(&walk.scan, opener, name)) {
        walk_table(&walk);
    }
    keys_sort(keys_out);
}

/* The first item that is not before the name. */
static const struct where_key *keys_find(const struct where_keys *keys, const char *name,
                                         size_t len)
{
    size_t low = 0, high = keys->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strncmp(keys->items[middle].name, name, len) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool is_it = low < keys->count && strncmp(keys->items[low].name, name, len) == 0 &&
                 keys->items[low].name[len] == '\0';
    return is_it ? &keys->items[low] : NULL;
}

uint32_t where_line(const struct where_keys *keys, const char *name, uint32_t fallback)
{
    for (size_t len = strlen(name); len > 0;) {
        const struct where_key *key = keys_find(keys, name, len);
        if (key != NULL) {
            return key->line;
        }
        do {
            len--;
        } while (len > 0 && name[len] != '.' && name[len] != '[');
    }
    return fallback;
}
