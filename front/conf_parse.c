/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf_read.h"

#define ENV_DEPTH_MAX 8 /* of variables whose text names another */

/* A map that is being read: variables are looked up in it and in those around it. */
struct scope {
    struct conf_value *map;
    const struct scope *around;
};

struct conf_shared {
    const struct conf_reader *reader;
    size_t include_depth, file_count, value_count;
    unsigned depth, env_depth;
};

static void parse_value(struct conf_file *file, const struct scope *scope,
                        struct conf_value *value);
static void parse_file(struct conf_file *from, const struct scope *scope, const char *path,
                       struct conf_place named);

/* ---- the tree ---------------------------------------------------------------------------------
 */

const struct conf_value *conf_find(const struct conf_value *map, const char *key)
{
    const struct conf_value *found = NULL;
    for (size_t i = 0; i < map->count; i++) {
        if (map->items[i].key != NULL && strcasecmp(map->items[i].key, key) == 0) {
            found = &map->items[i];
        }
    }
    return found;
}

/* A copy is added when its value is whole, so that no pointer into the items is kept meanwhile. */
static void append(struct conf_file *file, struct conf_value *to, const struct conf_value *value)
{
    if (++file->shared->value_count > CONF_VALUES_MAX) {
        conf_break(file, "more than %u values", CONF_VALUES_MAX);
        return;
    }
    if (to->count == to->room) {
        size_t room = to->room == 0 ? 4 : to->room * 2;
        struct conf_value *items = arena_alloc(&file->conf->arena, room, sizeof(*items));
        if (to->count > 0) {
            memcpy(items, to->items, to->count * sizeof(*items));
        }
        to->items = items;
        to->room = room;
    }
    to->items[to->count++] = *value;
}

const char *conf_kind_words(enum conf_kind kind)
{
    static const char *const words[] = {"true or false", "a number", "a fraction", "a text",
                                        "a date",        "a list",   "a map"};
    return words[kind];
}

/* ---- variables --------------------------------------------------------------------------------
 */

/* The value of an environment variable is read as if it stood in the file. */
static bool take_env(struct conf_file *file, const struct scope *scope, struct conf_place place,
                     const char *name, struct conf_value *value)
{
    const struct conf_reader *reader = file->shared->reader;
    const char *text = reader->env(reader->ctx, name);
    if (text == NULL) {
        return false;
    }
    struct conf_file inner = *file;
    if (file->shared->env_depth++ == ENV_DEPTH_MAX) {
        conf_fault(file->report, ERROR_FRONT_SYNTAX, place, "$%.100s refers to itself", name);
        file->is_broken = true;
        return true;
    }
    if (!conf_file_init(&inner, arena_printf(&file->conf->arena, "$%s", name), text,
                        strlen(text))) {
        conf_break(file, "no memory");
        return true;
    }
    conf_skip_blanks(&inner);
    parse_value(&inner, scope, value);
    conf_skip_space(&inner);
    if (!inner.is_broken && conf_peek(&inner) != -1) {
        conf_break(&inner, "the variable has more than one value in it: quote it");
    }
    file->shared->env_depth--;
    file->is_broken |= inner.is_broken;
    conf_file_fini(&inner);
    return true;
}

static void take_variable(struct conf_file *file, const struct scope *scope,
                          struct conf_place place, const char *name, struct conf_value *value)
{
    for (const struct scope *at = scope; at != NULL; at = at->around) {
        for (size_t i = at->map->count; i > 0; i--) {
            struct conf_value *item = &at->map->items[i - 1];
            if (strcmp(item->key, name) == 0) { /* with case, as in nats-server */
                struct conf_value copy = *item;
                item->is_used = true;
                copy.key = value->key;
                copy.place = value->place;
                copy.is_used = false;
                *value = copy;
                return;
            }
        }
    }
    if (!take_env(file, scope, place, name, value) && !file->is_broken) {
        conf_fault(file->report, ERROR_FRONT_SYNTAX, place,
                   "$%.100s is neither a key before this place nor set in the environment", name);
        file->is_broken = true;
    }
}

/* ---- values -----------------------------------------------------------------------------------
 */

static void parse_word(struct conf_file *file, const struct scope *scope, struct conf_value *value)
{
    struct conf_place place = conf_here(file);
    bool is_escaped;
    char seen[32];
    const char *word = conf_word(file, &is_escaped);
    if (word == NULL) {
        return;
    }
    if (*word == '\0' && !is_escaped) {
        conf_break(file, "a value is expected here, but there is %s", conf_seen(file, seen));
        return;
    }
    /* "$2a$…" is a bcrypt hash, not a variable. */
    bool is_hash = strncmp(word, "$2", 2) == 0 && strlen(word) > 3 && word[3] == '$';
    if (is_escaped || is_hash) {
        value->kind = CONF_TEXT;
        value->text = word;
    } else if (word[0] == '$') {
        take_variable(file, scope, place, word + 1, value);
    } else {
        conf_judge_word(file, place, word, value);
    }
}

/* Behind a value: a comma, a new line or (of a map) ";" lead to the next one. False = to nothing.
 */
static bool next_follows(struct conf_file *file, char closing)
{
    char seen[32];
    conf_skip_blanks(file);
    conf_skip_comment(file);
    int c = conf_peek(file);
    if (c == ',' || (c == ';' && closing == '}')) {
        conf_skip(file);
        return true;
    }
    if (c == closing || conf_is_line(c)) {
        return true; /* the closing one is seen by the loop */
    }
    conf_break(file, "\",\", a new line or \"%c\" is expected after a value, but there is %s",
               closing, conf_seen(file, seen));
    return false;
}

static void parse_list(struct conf_file *file, const struct scope *scope, struct conf_value *value)
{
    char seen[32];
    value->kind = CONF_LIST;
    conf_skip(file);
    for (conf_skip_space(file); !file->is_broken && conf_peek(file) != ']'; conf_skip_space(file)) {
        struct conf_value item = {.place = conf_here(file)};
        if (conf_peek(file) == ',' || conf_peek(file) == -1) {
            conf_break(file, "a value or \"]\" is expected in a list, but there is %s",
                       conf_seen(file, seen));
            return;
        }
        parse_value(file, scope, &item);
        if (!file->is_broken && next_follows(file, ']')) {
            append(file, value, &item);
        }
    }
    if (!file->is_broken) {
        conf_skip(file);
    }
}

/* The key stands here. Of the file itself, a value does not begin on the line after ":". */
static void parse_key(struct conf_file *file, bool is_top, struct conf_value *value)
{
    char seen[32];
    int c = conf_peek(file);
    value->place = conf_here(file);
    value->key = c == '"' || c == '\'' ? conf_quoted(file) : conf_bare_key(file);
    if (value->key == NULL) {
        return;
    }
    conf_skip_lines(file);
    if (conf_peek(file) == ':' || conf_peek(file) == '=') {
        conf_skip(file);
        conf_skip_blanks(file);
    }
    if (conf_peek(file) == -1) {
        conf_break(file, "the key \"%.100s\" has no value, the file ends", value->key);
    } else if (is_top && conf_is_line(conf_peek(file))) {
        conf_break(file, "the key \"%.100s\" has no value: there is %s after its \":\"", value->key,
                   conf_seen(file, seen));
    } else {
        conf_skip_lines(file);
    }
}

/* `include` and white space and a path; false = an ordinary key stands here. */
static bool parse_include(struct conf_file *file, const struct scope *scope)
{
    static const char word[] = "include";
    size_t len = sizeof(word) - 1;
    bool is_escaped;
    if ((size_t)(file->end - file->at) <= len || strncasecmp(file->at, word, len) != 0 ||
        !conf_is_blank((unsigned char)file->at[len])) {
        return false;
    }
    struct conf_place place = conf_here(file);
    file->at += len;
    conf_skip_blanks(file);
    if (conf_peek(file) == '=' || conf_peek(file) == ':') {
        conf_break(file, "include has no \"%c\": write include \"other.conf\"", conf_peek(file));
        return true;
    }
    bool is_quoted = conf_peek(file) == '"' || conf_peek(file) == '\'';
    const char *path = is_quoted ? conf_quoted(file) : conf_word(file, &is_escaped);
    if (path != NULL && *path == '\0') {
        conf_break(file, "include needs a path: include \"other.conf\"");
    } else if (path != NULL) {
        parse_file(file, scope, path, place);
    }
    return true;
}

static void parse_pair(struct conf_file *file, const struct scope *scope)
{
    struct conf_value value = {.key = NULL};
    if (parse_include(file, scope)) {
        return;
    }
    parse_key(file, scope->around == NULL, &value);
    if (!file->is_broken) {
        parse_value(file, scope, &value);
    }
    if (!file->is_broken) {
        append(file, scope->map, &value);
    }
}

static void parse_map(struct conf_file *file, const struct scope *around, struct conf_value *value)
{
    const struct scope scope = {value, around};
    uint32_t line = file->line;
    value->kind = CONF_MAP;
    conf_skip(file);
    for (conf_skip_space(file); !file->is_broken && conf_peek(file) != '}'; conf_skip_space(file)) {
        if (conf_peek(file) == -1) {
            conf_break(file, "the file ends inside of a map that began with \"{\" on line %u",
                       (unsigned)line);
            return;
        }
        parse_pair(file, &scope);
        if (!file->is_broken) {
            next_follows(file, '}');
        }
    }
    if (!file->is_broken) {
        conf_skip(file);
    }
}

static void parse_any(struct conf_file *file, const struct scope *scope, struct conf_value *value)
{
    switch (conf_peek(file)) {
    case '{':
        parse_map(file, scope, value);
        break;
    case '[':
        parse_list(file, scope, value);
        break;
    case '"':
    case '\'':
        value->kind = CONF_TEXT;
        value->text = conf_quoted(file);
        break;
    case '(':
        value->kind = CONF_TEXT;
        value->text = conf_block(file);
        break;
    default:
        parse_word(file, scope, value);
    }
}

static void parse_value(struct conf_file *file, const struct scope *scope, struct conf_value *value)
{
    if (file->shared->depth == CONF_DEPTH_MAX) {
        conf_break(file, "maps and lists are nested more than %d deep", CONF_DEPTH_MAX);
        return;
    }
    file->shared->depth++;
    parse_any(file, scope, value);
    file->shared->depth--;
}

/* ---- files ------------------------------------------------------------------------------------
 */

/* Behind a pair of the file itself, which may stand in braces as a whole. */
static void parse_top_end(struct conf_file *file)
{
    char seen[32];
    conf_skip_blanks(file);
    conf_skip_comment(file);
    int c = conf_peek(file);
    if (c == ',' || c == ';' || c == '}') {
        conf_skip(file);
    } else if (c != -1 && !conf_is_line(c)) {
        conf_break(file, "a new line, \",\" or \";\" is expected after a value, but there is %s",
                   conf_seen(file, seen));
    }
}

static void parse_top(struct conf_file *file, const struct scope *scope)
{
    static const char mark[] = "\xEF\xBB\xBF";
    if (file->end - file->at >= 3 && memcmp(file->at, mark, 3) == 0) {
        file->at += 3;
        file->line_start = file->counted = file->at;
    }
    for (conf_skip_space(file); !file->is_broken && conf_peek(file) != -1; conf_skip_space(file)) {
        if (conf_peek(file) == '{' || conf_peek(file) == '}') {
            conf_skip(file);
            continue;
        }
        parse_pair(file, scope);
        if (!file->is_broken) {
            parse_top_end(file);
        }
    }
}

/* A relative path starts at the file that names it. */
static const char *path_beside(struct conf *conf, const char *file, const char *path)
{
    const char *slash = file != NULL ? strrchr(file, '/') : NULL;
    if (path[0] == '/' || slash == NULL) {
        return arena_copy(&conf->arena, path, strlen(path));
    }
    return arena_printf(&conf->arena, "%.*s%s", (int)(slash - file + 1), file, path);
}

/* False with a fault. */
static bool may_open(const struct conf_file *from, struct conf_place named)
{
    const struct conf_shared *shared = from->shared;
    if (shared->include_depth > CONF_INCLUDE_MAX || shared->file_count > CONF_FILES_MAX) {
        conf_fault(from->report, ERROR_CONFIG_AGAIN, named, "%s: does a file include itself?",
                   shared->include_depth > CONF_INCLUDE_MAX ? "files include each other too deeply"
                                                            : "too many files are included");
        return false;
    }
    return true;
}

static void parse_file(struct conf_file *from, const struct scope *scope, const char *path,
                       struct conf_place named)
{
    struct conf_shared *shared = from->shared;
    const char *why = NULL, *whole = path_beside(from->conf, from->name, path);
    char *bytes = NULL;
    size_t len = 0;
    shared->include_depth++;
    shared->file_count++;
    if (!may_open(from, named)) {
        from->is_broken = true;
    } else if (!shared->reader->read(shared->reader->ctx, whole, &bytes, &len, &why)) {
        bool is_main = named.line == 0;
        conf_fault(from->report, is_main ? ERROR_CONFIG_FILE : ERROR_CONFIG_INCLUDE, named,
                   "%.500s cannot be read: %s", whole, why);
        from->is_broken |= is_main;
    } else {
        struct conf_file file = *from;
        if (conf_file_init(&file, whole, bytes, len)) {
            parse_top(&file, scope);
        } else {
            conf_break(&file, "no memory");
        }
        conf_file_fini(&file);
        from->is_broken |= file.is_broken;
        explicit_bzero(bytes, len); /* perhaps with passwords in it */
        free(bytes);
    }
    shared->include_depth--;
}

bool conf_load(struct conf *conf, const struct conf_reader *reader, const char *path,
               struct report *report)
{
    struct conf_shared shared = {.reader = reader};
    struct conf_file none = {.conf = conf, .report = report, .shared = &shared};
    size_t faults = report->count;
    *conf = (struct conf){.root = {.kind = CONF_MAP}};
    const struct scope scope = {&conf->root, NULL};
    parse_file(&none, &scope, path, (struct conf_place){path, 0, 0});
    return report->count == faults;
}

void conf_fini(struct conf *conf)
{
    arena_fini(&conf->arena);
    conf->root = (struct conf_value){.kind = CONF_MAP};
}

/* ---- the disk ---------------------------------------------------------------------------------
 */

static bool read_fd(int fd, size_t size, char **bytes_out, size_t *len_out)
{
    char *bytes = malloc(size + 1);
    size_t len = 0;
    while (bytes != NULL && len < size) {
        ssize_t got = read(fd, bytes + len, size - len);
        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            free(bytes);
            return false;
        }
        len += got > 0 ? (size_t)got : 0;
    }
    *bytes_out = bytes;
    *len_out = len;
    return bytes != NULL;
}

static bool disk_read(void *ctx, const char *path, char **bytes_out, size_t *len_out,
                      const char **why)
{
    (void)ctx;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    bool is_read = false;
    if (fd < 0 || fstat(fd, &st) != 0) {
        *why = strerror(errno);
    } else if (!S_ISREG(st.st_mode)) {
        *why = "it is not a regular file";
    } else if (st.st_size > (off_t)CONF_BYTES_MAX) {
        *why = "it has more than 4 MiB";
    } else {
        is_read = read_fd(fd, (size_t)st.st_size, bytes_out, len_out);
        *why = strerror(errno);
    }
    if (fd >= 0) {
        close(fd);
    }
    return is_read;
}

static const char *disk_env(void *ctx, const char *name)
{
    (void)ctx;
    return getenv(name);
}

const struct conf_reader conf_disk = {disk_read, disk_env, NULL};
