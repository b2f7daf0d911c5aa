/* SPDX-License-Identifier: Apache-2.0
 *
 * The words of the config language: unibus, node, posture, log, module, secret, env. Each call
 * copies its table into struct config at once; no Lua value outlives the run. */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "check.h"
#include "config.h"
#include "config_sandbox.h"
#include "suggest.h"

#define CONFIG_LANGUAGE    "1"
#define CONFIG_CHUNK       "config"
#define CONFIG_MODULES_MAX 128
#define CONFIG_VALUES_MAX  512
#define CONFIG_LIST_MAX    1024
#define CONFIG_DEPTH_MAX   8

static const char secret_type[] = "secret";

struct reader {
    struct config *config;
    struct report *report;
    const char *text;
    size_t len;
    size_t copied; /* bytes so far: many settings may share one large Lua string or table */
};

static struct reader *reader_of(lua_State *lua)
{
    return sandbox_of(lua)->user;
}

static struct ub_where where_now(lua_State *lua)
{
    return (struct ub_where){reader_of(lua)->config->file, sandbox_line(lua)};
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
        report_add(reader->report, ERROR_CONFIG_NAME, where_now(lua),
                   "%s.%s is not part of the config language%s", of, name, hint);
    } else {
        report_add(reader->report, ERROR_CONFIG_NAME, where_now(lua), "unknown name \"%s\"%s", name,
                   hint);
    }
}

static void on_assign(struct sandbox *sandbox, lua_State *lua, const char *name)
{
    const struct reader *reader = sandbox->user;
    bool is_block = strcmp(name, "module") == 0 || config_find(reader->config, name) != NULL;
    report_add(reader->report, ERROR_CONFIG_NAME, where_now(lua),
               is_block ? "\"%s\" cannot be assigned: write it without \"=\""
                        : "\"%s\" cannot be assigned: write \"local\" before a name of your own",
               name);
}

/* ---- tables into blocks -----------------------------------------------------------------------
 */

struct collect {
    struct reader *reader;
    struct config_block *block;
    struct ub_where where; /* of the block's call */
    const char *path;      /* of a record: "users[2]."; else "" */
    struct where_keys keys;
};

static struct ub_where collect_where(const struct collect *collect, const char *name)
{
    const char *path = name;
    if (collect->path[0] != '\0') {
        path = arena_printf(&collect->reader->config->arena, "%s%s", collect->path, name);
    }
    return (struct ub_where){collect->where.file,
                             where_line(&collect->keys, path, collect->where.line)};
}

static void collect_fault(const struct collect *collect, const char *name, const char *what)
{
    report_add(collect->reader->report, ERROR_CONFIG_SHAPE, collect_where(collect, name),
               "%s: %s%s%s", collect->block->title, name, name[0] != '\0' ? " " : "", what);
}

static void collect_charge(const struct collect *collect, lua_State *lua, size_t bytes)
{
    collect->reader->copied += bytes;
    if (collect->reader->copied > SANDBOX_MEMORY_MAX) {
        sandbox_of(lua)->hit = SANDBOX_MEMORY;
        sandbox_of(lua)->hit_line = (int)collect->where.line;
        luaL_error(lua, "limit");
    }
}

/* A copy of the string at index; NULL with a fault when it cannot be a C string. */
static const char *collect_text(const struct collect *collect, lua_State *lua, int index,
                                const char *name)
{
    size_t len = 0;
    const char *text = lua_tolstring(lua, index, &len);
    if (memchr(text, '\0', len) != NULL) {
        collect_fault(collect, name, "contains a NUL byte");
        return NULL;
    }
    collect_charge(collect, lua, len);
    return arena_copy(&collect->reader->config->arena, text, len);
}

static size_t table_size(lua_State *lua, int table)
{
    size_t count = 0;
    lua_pushnil(lua);
    while (lua_next(lua, table) != 0) {
        lua_pop(lua, 1);
        count++;
    }
    return count;
}

static bool collect_item(const struct collect *collect, lua_State *lua, const char *name,
                         const char **item_out)
{
    if (lua_type(lua, -1) != LUA_TSTRING) {
        if (!sandbox_is_hole(lua, -1)) {
            collect_fault(collect, name, "is a list with something else than texts in it");
        }
        return false;
    }
    *item_out = collect_text(collect, lua, -1, name);
    return *item_out != NULL;
}

static void collect_list(const struct collect *collect, lua_State *lua, struct config_value *value)
{
    size_t count = lua_rawlen(lua, -1);
    if (count > CONFIG_LIST_MAX) {
        collect_fault(collect, value->name, "is a list of more than 1024 texts");
        return;
    }
    collect_charge(collect, lua, count * sizeof(char *));
    const char **items = arena_alloc(&collect->reader->config->arena, count + 1, sizeof(*items));
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(lua, -1, (lua_Integer)i + 1);
        bool is_taken = collect_item(collect, lua, value->name, &items[i]);
        lua_pop(lua, 1);
        if (!is_taken) {
            return;
        }
    }
    value->kind = VALUE_LIST;
    value->items = items;
    value->item_count = count;
}

static void collect_table(const struct collect *collect, lua_State *lua, const char *prefix,
                          int depth);

/* The record on top of the stack; false when it is none. */
static bool collect_record(const struct collect *collect, lua_State *lua, const char *name,
                           size_t number, struct config_block *record)
{
    struct arena *arena = &collect->reader->config->arena;
    record->name = arena_printf(arena, "%s[%zu]", name, number);
    record->title = arena_printf(arena, "%s: %s", collect->block->title, record->name);
    record->where = collect_where(collect, record->name);
    struct collect inner = *collect;
    inner.block = record;
    inner.where = record->where;
    inner.path = arena_printf(arena, "%s.", record->name);
    if (lua_type(lua, -1) == LUA_TTABLE) {
        collect_table(&inner, lua, "", 1);
        return true;
    }
    if (!sandbox_is_hole(lua, -1)) {
        collect_fault(collect, record->name,
                      "is no table: each item of this list is { name = …, … }");
    }
    return false;
}

/* A list whose first item is a table. */
static void collect_records(const struct collect *collect, lua_State *lua,
                            struct config_value *value)
{
    size_t count = lua_rawlen(lua, -1);
    if (collect->path[0] != '\0') {
        collect_fault(collect, value->name, "is a list of tables inside of a list of tables");
        return;
    }
    if (count > CONFIG_LIST_MAX) {
        collect_fault(collect, value->name, "is a list of more than 1024 tables");
        return;
    }
    collect_charge(collect, lua, count * sizeof(struct config_block));
    struct config_block *records =
        arena_alloc(&collect->reader->config->arena, count, sizeof(*records));
    bool is_sound = true;
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(lua, -1, (lua_Integer)i + 1);
        is_sound &= collect_record(collect, lua, value->name, i + 1, &records[i]);
        lua_pop(lua, 1);
    }
    value->records = records;
    value->record_count = count;
    value->kind = is_sound ? VALUE_RECORDS : VALUE_HOLE;
}

static bool is_list_of_tables(lua_State *lua)
{
    bool is_table = lua_rawgeti(lua, -1, 1) == LUA_TTABLE;
    lua_pop(lua, 1);
    return is_table;
}

static void collect_number(lua_State *lua, struct config_value *value)
{
    int is_whole = 0;
    value->integer = lua_tointegerx(lua, -1, &is_whole);
    value->number = lua_tonumber(lua, -1);
    value->kind = is_whole != 0 ? VALUE_INT : VALUE_NUMBER;
}

static void collect_userdata(lua_State *lua, struct config_value *value)
{
    const char *const *path = luaL_testudata(lua, -1, secret_type);
    if (path != NULL) {
        value->kind = VALUE_SECRET;
        value->text = *path;
    }
}

/* The value on top of the stack, which is no nested table. */
static void collect_value(const struct collect *collect, lua_State *lua, const char *name)
{
    struct config_value *value = block_put(collect->reader->config, collect->block, name);
    value->kind = VALUE_HOLE; /* until a case below succeeds */
    value->where = collect_where(collect, name);
    switch (lua_type(lua, -1)) {
    case LUA_TBOOLEAN:
        value->kind = VALUE_BOOL;
        value->boolean = lua_toboolean(lua, -1) != 0;
        break;
    case LUA_TNUMBER:
        collect_number(lua, value);
        break;
    case LUA_TSTRING:
        value->text = collect_text(collect, lua, -1, name);
        value->kind = value->text != NULL ? VALUE_STRING : VALUE_HOLE;
        break;
    case LUA_TTABLE:
        if (is_list_of_tables(lua)) {
            collect_records(collect, lua, value);
        } else {
            collect_list(collect, lua, value);
        }
        break;
    case LUA_TUSERDATA:
        collect_userdata(lua, value);
        break;
    default:
        collect_fault(collect, name, "is a function, not a value");
    }
}

static void collect_nested(const struct collect *collect, lua_State *lua, const char *name,
                           int depth)
{
    if (lua_rawlen(lua, -1) > 0) {
        collect_fault(collect, name, "mixes a list and named values");
    } else if (depth == CONFIG_DEPTH_MAX) {
        collect_fault(collect, name, "is nested too deeply");
    } else {
        collect_table(collect, lua, arena_printf(&collect->reader->config->arena, "%s.", name),
                      depth + 1);
    }
}

/* Key at -2, value at -1. */
static void collect_pair(const struct collect *collect, lua_State *lua, const char *prefix,
                         int depth)
{
    if (lua_type(lua, -2) != LUA_TSTRING) {
        collect_fault(collect, "", "a value has no name: write name = value");
        return;
    }
    const char *key = collect_text(collect, lua, -2, "a name");
    if (key == NULL) {
        return;
    }
    collect_charge(collect, lua, collect->path[0] != '\0' ? sizeof(struct config_value) : 0);
    if (collect->block->count >= CONFIG_VALUES_MAX) {
        luaL_error(lua, "%s has more than %d settings", collect->block->title, CONFIG_VALUES_MAX);
    }
    const char *name = arena_printf(&collect->reader->config->arena, "%s%s", prefix, key);
    bool is_table = lua_type(lua, -1) == LUA_TTABLE;
    if (is_table && table_size(lua, lua_gettop(lua)) != lua_rawlen(lua, -1)) {
        collect_nested(collect, lua, name, depth);
    } else {
        collect_value(collect, lua, name);
    }
}

static void collect_table(const struct collect *collect, lua_State *lua, const char *prefix,
                          int depth)
{
    luaL_checkstack(lua, 8, "config");
    int table = lua_gettop(lua);
    lua_pushnil(lua);
    while (lua_next(lua, table) != 0) {
        collect_pair(collect, lua, prefix, depth);
        lua_pop(lua, 1);
    }
}

static void collect_block(lua_State *lua, struct config_block *block)
{
    struct reader *reader = reader_of(lua);
    struct collect collect = {.reader = reader, .block = block, .where = block->where, .path = ""};
    if (sandbox_is_hole(lua, 1) || block->is_read) {
        return;
    }
    block->is_read = true;
    where_scan(&reader->config->arena, reader->text, reader->len, block->where.line,
               block->is_module ? "module" : block->name, block->is_module ? block->name : NULL,
               &collect.keys);
    if (lua_type(lua, 1) != LUA_TTABLE) {
        collect_fault(&collect, "", "a table is needed: { name = value, … }");
        return;
    }
    lua_settop(lua, 1);
    collect_table(&collect, lua, "", 1);
}

/* ---- the words --------------------------------------------------------------------------------
 */

static bool is_given_twice(lua_State *lua, const struct config_block *block)
{
    if (block == NULL || block->where.file == NULL) {
        return false;
    }
    report_add(reader_of(lua)->report, ERROR_CONFIG_TWICE, where_now(lua),
               "%s is given twice (first on line %u)", block->title, (unsigned)block->where.line);
    return true;
}

/* node, posture, log; upvalue 1 is the name. */
static int word_core(lua_State *lua)
{
    struct reader *reader = reader_of(lua);
    struct config_block *block =
        config_find(reader->config, lua_tostring(lua, lua_upvalueindex(1)));
    if (!is_given_twice(lua, block)) {
        block->where = where_now(lua);
        collect_block(lua, block);
    }
    return 0;
}

/* Receives the table of `module "x" {…}`; upvalue 1 is the number of the block, -1 = ignore. */
static int word_module_table(lua_State *lua)
{
    struct config *config = reader_of(lua)->config;
    lua_Integer index = lua_tointeger(lua, lua_upvalueindex(1));
    if (index >= 0 && (size_t)index < config->module_count) {
        collect_block(lua, &config->modules[index]);
    }
    return 0;
}

static bool is_module_name(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!islower((unsigned char)name[i]) && !isdigit((unsigned char)name[i]) &&
            name[i] != '-') {
            return false;
        }
    }
    return len > 0 && len <= 64 && name[0] != '-';
}

static lua_Integer module_block(lua_State *lua)
{
    struct reader *reader = reader_of(lua);
    size_t len = 0;
    const char *name = lua_type(lua, 1) == LUA_TSTRING ? lua_tolstring(lua, 1, &len) : "";
    if (sandbox_is_hole(lua, 1)) {
        return -1;
    }
    if (!is_module_name(name, len)) {
        report_add(reader->report, ERROR_CONFIG_SHAPE, where_now(lua),
                   "module needs a name of a-z, 0-9 and \"-\": module \"kv-sqlite\" { … }");
        return -1;
    }
    const struct config_block *known = config_find(reader->config, name);
    if (known != NULL && !known->is_module) {
        report_add(reader->report, ERROR_CONFIG_SHAPE, where_now(lua),
                   "module \"%s\": this is a block of the node itself: write %s { … }", name, name);
        return -1;
    }
    if (is_given_twice(lua, known)) {
        return -1;
    }
    if (reader->config->module_count == CONFIG_MODULES_MAX) {
        luaL_error(lua, "more than %d modules", CONFIG_MODULES_MAX);
    }
    config_add_module(reader->config, name, where_now(lua));
    return (lua_Integer)reader->config->module_count - 1;
}

static int word_module(lua_State *lua)
{
    lua_pushinteger(lua, module_block(lua));
    lua_pushcclosure(lua, word_module_table, 1);
    return 1;
}

static int word_unibus(lua_State *lua)
{
    struct reader *reader = reader_of(lua);
    const char *version = lua_type(lua, 1) == LUA_TSTRING ? lua_tostring(lua, 1) : "";
    reader->config->has_version = true;
    if (strcmp(version, CONFIG_LANGUAGE) != 0) {
        report_add(reader->report, ERROR_CONFIG_VERSION, where_now(lua),
                   "config language \"%s\" is unknown: this membershipd understands unibus \"%s\"",
                   version, CONFIG_LANGUAGE);
    }
    return 0;
}

/* The file is read when the settings are filled; Lua only ever holds its name. */
static int word_secret(lua_State *lua)
{
    struct reader *reader = reader_of(lua);
    size_t len = 0;
    const char *path = lua_type(lua, 1) == LUA_TSTRING ? lua_tolstring(lua, 1, &len) : "";
    if (len == 0 || len >= PATH_MAX || memchr(path, '\0', len) != NULL) {
        if (!sandbox_is_hole(lua, 1)) {
            report_add(reader->report, ERROR_CONFIG_SHAPE, where_now(lua),
                       "secret needs the name of a file: secret \"node.key\"");
        }
        sandbox_push_hole(lua);
        return 1;
    }
    const char **box = lua_newuserdatauv(lua, sizeof(*box), 0);
    *box = arena_copy(&reader->config->arena, path, len);
    luaL_newmetatable(lua, secret_type);
    lua_setmetatable(lua, -2);
    return 1;
}

/* env.NAME must be set; env("NAME", "default") may be unset. */
static int word_env(lua_State *lua)
{
    const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "";
    const char *value = getenv(name);
    if (value != NULL) {
        lua_pushstring(lua, value);
    } else if (lua_gettop(lua) >= 3) {
        lua_pushvalue(lua, 3);
    } else {
        report_add(reader_of(lua)->report, ERROR_CONFIG_ENV, where_now(lua),
                   "environment variable %s is not set: set it, or write env(\"%s\", \"default\")",
                   name, name);
        sandbox_push_hole(lua);
    }
    return 1;
}

static void words_push_env(lua_State *lua)
{
    lua_createtable(lua, 0, 0);
    lua_createtable(lua, 0, 2);
    lua_pushcfunction(lua, word_env);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, word_env);
    lua_setfield(lua, -2, "__call");
    lua_setmetatable(lua, -2);
    lua_setfield(lua, -2, "env");
}

static void words_add(lua_State *lua)
{
    static const luaL_Reg words[] = {
        {"unibus", word_unibus}, {"module", word_module}, {"secret", word_secret}, {NULL, NULL}};
    static const char *const core[] = {"node", "posture", "log", "decisions"};
    luaL_setfuncs(lua, words, 0);
    for (size_t i = 0; i < sizeof(core) / sizeof(core[0]); i++) {
        lua_pushstring(lua, core[i]);
        lua_pushcclosure(lua, word_core, 1);
        lua_setfield(lua, -2, core[i]);
    }
    words_push_env(lua);
}

/* ---- the run ----------------------------------------------------------------------------------
 */

static int run_protected(lua_State *lua)
{
    const struct reader *reader = reader_of(lua);
    if (luaL_loadbufferx(lua, reader->text, reader->len, "=" CONFIG_CHUNK, "t") != LUA_OK) {
        return lua_error(lua);
    }
    sandbox_push_globals(lua);
    words_add(lua);
    sandbox_set_globals(lua);
    lua_call(lua, 0, 0);
    return 0;
}

static void report_limit(const struct reader *reader, const struct sandbox *sandbox)
{
    struct ub_where where = {reader->config->file,
                             sandbox->hit_line > 0 ? (uint32_t)sandbox->hit_line : 0};
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

/* Lua says "config:4: words"; the name of the file is ours. */
static void report_lua(const struct reader *reader, lua_State *lua)
{
    const char *text = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1)
                                                        : "error with a value that is no text";
    struct ub_where where = {reader->config->file, 0};
    size_t prefix = strlen(CONFIG_CHUNK ":");
    if (strncmp(text, CONFIG_CHUNK ":", prefix) == 0) {
        char *end = NULL;
        unsigned long line = strtoul(text + prefix, &end, 10);
        if (end != text + prefix && end[0] == ':') {
            where.line = (uint32_t)line;
            text = end + 1 + (end[1] == ' ');
        }
    }
    report_add(reader->report, ERROR_CONFIG_LUA, where, "%s", text);
}

static bool run_sandbox(struct reader *reader)
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
    sandbox_fini(&sandbox);
    return is_run;
}

void config_load_text(struct config *config, const char *file, const char *dir, const char *text,
                      size_t len, struct report *report)
{
    struct reader reader = {config, report, text, len, 0};
    config->file = arena_copy(&config->arena, file, strlen(file));
    config->dir = arena_copy(&config->arena, dir, strlen(dir));
    config->is_run = run_sandbox(&reader);
    if (!config->is_run) {
        return;
    }
    struct ub_where where = {config->file, 0};
    if (!config->has_version) {
        report_add(report, ERROR_CONFIG_VERSION, where,
                   "the version of the config language is missing: begin with unibus \"%s\"",
                   CONFIG_LANGUAGE);
    }
    if (config->module_count == 0) {
        report_add(report, ERROR_CONFIG_EMPTY, where, "no module is named, so nothing would run");
    }
}
