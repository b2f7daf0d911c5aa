/* SPDX-License-Identifier: Apache-2.0 */
#include "config_reader.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "check.h"
#include "suggest.h"

#define READER_CHUNK "config" /* chunk n is "config<n>" in Lua's messages */

struct reader *reader_of(lua_State *lua)
{
    return sandbox_of(lua)->user;
}

/* ---- places -----------------------------------------------------------------------------------
 */

/* The source that a chunk's name means; the main file when it means none. */
static struct source *source_of_chunk(const struct reader *reader, const char *chunk)
{
    size_t prefix = strlen(READER_CHUNK), number = 0;
    if (strncmp(chunk, READER_CHUNK, prefix) == 0) {
        number = strtoul(chunk + prefix, NULL, 10);
    }
    return &reader->sources[number < reader->count ? number : 0];
}

const struct source *reader_source(lua_State *lua)
{
    char chunk[SANDBOX_CHUNK_MAX];
    sandbox_at(lua, chunk);
    return source_of_chunk(reader_of(lua), chunk);
}

struct ub_where reader_where(lua_State *lua)
{
    char chunk[SANDBOX_CHUNK_MAX];
    uint32_t line = sandbox_at(lua, chunk);
    return (struct ub_where){source_of_chunk(reader_of(lua), chunk)->file, line};
}

/* The innermost file that runs. */
static const struct source *source_open(const struct reader *reader)
{
    size_t i = reader->count - 1;
    while (i > 0 && !reader->sources[i].is_open) {
        i--;
    }
    return &reader->sources[i];
}

/* ---- names that do not exist ------------------------------------------------------------------
 */

/* The known names are the keys of the table on top of the stack. */
static void suggest_from_table(lua_State *lua, struct suggest *suggest)
{
    int table = lua_gettop(lua);
    lua_pushnil(lua);
    while (lua_next(lua, table) != 0) {
        if (lua_type(lua, -2) == LUA_TSTRING) {
            suggest_offer(suggest, lua_tostring(lua, -2));
        }
        lua_pop(lua, 1);
    }
}

static void on_unknown(struct sandbox *sandbox, lua_State *lua, const char *of, const char *name)
{
    const struct reader *reader = sandbox->user;
    struct suggest suggest = {.written = name};
    char hint[128];
    suggest_from_table(lua, &suggest);
    suggest_text(&suggest, hint, sizeof(hint));
    if (of != NULL) {
        report_add(reader->report, ERROR_CONFIG_NAME, reader_where(lua),
                   "%s.%s is not part of the config language%s", of, name, hint);
    } else {
        report_add(reader->report, ERROR_CONFIG_NAME, reader_where(lua), "unknown name \"%s\"%s",
                   name, hint);
    }
}

static void on_assign(struct sandbox *sandbox, lua_State *lua, const char *name)
{
    const struct reader *reader = sandbox->user;
    bool is_block = strcmp(name, "module") == 0 || config_find(reader->config, name) != NULL;
    report_add(reader->report, ERROR_CONFIG_NAME, reader_where(lua),
               is_block ? "\"%s\" cannot be assigned: write it without \"=\""
                        : "\"%s\" cannot be assigned: write \"local\" before a name of your own",
               name);
}

/* ---- bounds -----------------------------------------------------------------------------------
 */

void reader_count_copy(lua_State *lua, size_t bytes)
{
    struct reader *reader = reader_of(lua);
    reader->copied += bytes + 16; /* an empty text takes memory too */
    if (reader->copied > SANDBOX_MEMORY_MAX) {
        struct sandbox *sandbox = sandbox_of(lua);
        sandbox->hit = SANDBOX_MEMORY;
        sandbox->hit_line = sandbox_at(lua, sandbox->hit_chunk);
        luaL_error(lua, "limit");
    }
}

void reader_count_file(lua_State *lua, size_t bytes)
{
    struct reader *reader = reader_of(lua);
    reader->bytes += bytes;
    if (++reader->file_count > READER_SOURCES_MAX) {
        luaL_error(lua, "the config names more than %d files", READER_SOURCES_MAX);
    }
    if (reader->bytes > READER_BYTES_MAX) {
        luaL_error(lua, "the files of the config have more than %d MiB", READER_BYTES_MAX >> 20);
    }
}

/* ---- paths ------------------------------------------------------------------------------------
 */

bool reader_path(lua_State *lua, const char *word, const char **path_out, const char **shown_out)
{
    struct reader *reader = reader_of(lua);
    const struct source *source = reader_source(lua);
    size_t len = 0;
    const char *path = lua_type(lua, 1) == LUA_TSTRING ? lua_tolstring(lua, 1, &len) : "";
    if (len == 0 || len >= PATH_MAX / 2 || memchr(path, '\0', len) != NULL) {
        if (!sandbox_is_hole(lua, 1)) {
            report_add(reader->report, ERROR_CONFIG_SHAPE, reader_where(lua),
                       "%s needs a path: %s \"%s\"", word, word,
                       word[0] == 'i' ? "conf.d" : "nodes.env");
        }
        return false;
    }
    reader_count_copy(lua, 2 * (len + strlen(source->dir)));
    bool is_absolute = path[0] == '/';
    struct arena *arena = &reader->config->arena;
    *path_out = is_absolute ? arena_copy(arena, path, len)
                            : arena_printf(arena, "%s/%s", source->dir, path);
    *shown_out = is_absolute ? *path_out : arena_printf(arena, "%s%s", source->shown_dir, path);
    return true;
}

/* ---- what went wrong --------------------------------------------------------------------------
 */

static void report_limit(const struct reader *reader, const struct sandbox *sandbox)
{
    bool has_line = sandbox->hit_line > 0;
    const struct source *source =
        has_line ? source_of_chunk(reader, sandbox->hit_chunk) : source_open(reader);
    struct ub_where where = {source->file, sandbox->hit_line};
    if (sandbox->hit == SANDBOX_MEMORY) {
        report_add(reader->report, ERROR_CONFIG_LIMIT, where,
                   "the config needs more than %u MiB of memory", SANDBOX_MEMORY_MAX >> 20);
    } else if (sandbox->hit == SANDBOX_STEPS) {
        report_add(reader->report, ERROR_CONFIG_LIMIT, where,
                   "the config runs too long: more than %d steps (an endless loop?)",
                   SANDBOX_STEPS_MAX);
    } else {
        report_add(reader->report, ERROR_CONFIG_LIMIT, where,
                   "the config runs too long: more than %d ms", SANDBOX_TIME_MS);
    }
}

/* Lua says "config0:4: words"; the name of the file is ours. False when it says no place. */
static bool place_of_text(const struct reader *reader, const char **text, struct ub_where *where)
{
    size_t prefix = strlen(READER_CHUNK);
    const char *colon = strchr(*text, ':');
    char *end = NULL;
    if (strncmp(*text, READER_CHUNK, prefix) != 0 || colon == NULL) {
        return false;
    }
    unsigned long line = strtoul(colon + 1, &end, 10);
    if (end == colon + 1 || end[0] != ':') {
        return false;
    }
    *where = (struct ub_where){source_of_chunk(reader, *text)->file, (uint32_t)line};
    *text = end + 1 + (end[1] == ' ');
    return true;
}

/* The error is on top of the stack. */
static void report_lua(const struct reader *reader, lua_State *lua)
{
    const char *text = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1)
                                                        : "error with a value that is no text";
    struct ub_where where = reader->raised;
    place_of_text(reader, &text, &where);
    report_add(reader->report, ERROR_CONFIG_LUA, where, "%s", text);
}

/* A message handler: runs where the error is raised, before the stack unwinds. */
static int on_raise(lua_State *lua)
{
    reader_of(lua)->raised = reader_where(lua);
    return 1;
}

/* ---- the run ----------------------------------------------------------------------------------
 */

static int load_chunk(lua_State *lua, const struct source *source)
{
    char name[32];
    const struct reader *reader = reader_of(lua);
    snprintf(name, sizeof(name), "=" READER_CHUNK "%zu", (size_t)(source - reader->sources));
    int result = luaL_loadbufferx(lua, source->text, source->len, name, "t");
    if (result == LUA_OK) {
        sandbox_set_globals(lua);
    }
    return result;
}

void reader_run_chunk(lua_State *lua, struct source *source)
{
    struct reader *reader = reader_of(lua);
    reader->raised = (struct ub_where){source->file, 0};
    lua_pushcfunction(lua, on_raise);
    int result = load_chunk(lua, source);
    if (result == LUA_OK) {
        source->is_open = true;
        result = lua_pcall(lua, 0, 0, -2);
    }
    if (result != LUA_OK) {
        reader->is_broken = true;
        if (sandbox_of(lua)->hit != SANDBOX_NO_LIMIT) {
            lua_error(lua); /* is_open stays, so that the message finds the file */
        }
        report_lua(reader, lua);
        lua_pop(lua, 1);
    }
    source->is_open = false;
    lua_pop(lua, 1);
}

static int run_protected(lua_State *lua)
{
    sandbox_push_globals(lua);
    words_add(lua);
    include_add(lua);
    env_add(lua);
    sandbox_keep_globals(lua);
    reader_run_chunk(lua, &reader_of(lua)->sources[0]);
    return 0;
}

static void run_sandbox(struct reader *reader)
{
    struct sandbox sandbox = {.user = reader, .on_unknown = on_unknown, .on_assign = on_assign};
    CHECK(sandbox_init(&sandbox));
    lua_pushcfunction(sandbox.lua, run_protected);
    bool is_run = lua_pcall(sandbox.lua, 0, 0, 0) == LUA_OK;
    if (!is_run && sandbox.hit != SANDBOX_NO_LIMIT) {
        report_limit(reader, &sandbox);
    } else if (!is_run) {
        report_lua(reader, sandbox.lua);
    }
    reader->is_broken |= !is_run;
    sandbox_fini(&sandbox);
}

static void reader_judge(const struct reader *reader)
{
    const struct config *config = reader->config;
    struct ub_where where = {config->file, 0};
    if (!config->has_version) {
        report_add(reader->report, ERROR_CONFIG_VERSION, where,
                   "the version of the config language is missing: begin with unibus \"%s\"",
                   CONFIG_LANGUAGE);
    }
    if (config->module_count == 0) {
        report_add(reader->report, ERROR_CONFIG_EMPTY, where,
                   "no module is named, so nothing would run");
    }
}

void reader_run(struct config *config, const struct source *main_source, struct report *report)
{
    struct reader reader = {.config = config, .report = report, .count = 1, .file_count = 1};
    reader.sources = calloc(READER_SOURCES_MAX, sizeof(*reader.sources));
    CHECK(reader.sources != NULL);
    reader.sources[0] = *main_source;
    reader.bytes = main_source->len;
    run_sandbox(&reader);
    config->is_run = !reader.is_broken;
    if (config->is_run) {
        reader_judge(&reader);
    }
    include_free(&reader);
    free(reader.sources);
}
