/* SPDX-License-Identifier: Apache-2.0
 *
 * A Lua table into a block. */
#include <string.h>

#include <lauxlib.h>

#include "config_reader.h"
#include "utf8.h"

#define CONFIG_VALUES_MAX 512
#define CONFIG_LIST_MAX   1024
#define CONFIG_DEPTH_MAX  8

struct collect {
    struct reader *reader;
    struct config_block *block;
    const struct source *source; /* the file of the block's call */
    struct ub_where where;       /* of the block's call */
    const char *path;            /* of a record: "users[2]."; else "" */
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
    if (utf8_find_fault(text, len) != NULL) {
        collect_fault(collect, name, "is not valid UTF-8");
        return NULL;
    }
    reader_count_copy(lua, len);
    return arena_copy(&collect->reader->config->arena, text, len);
}

/* What a nested table is; never looks at more of it than a config may hold, because the limits of
 * the sandbox do not count what happens here. */
enum shape { SHAPE_LIST, SHAPE_NAMED, SHAPE_MIXED };

static enum shape table_shape(lua_State *lua, int table)
{
    size_t listed = lua_rawlen(lua, table), count = 0;
    lua_pushnil(lua);
    while (count <= CONFIG_LIST_MAX && lua_next(lua, table) != 0) {
        lua_pop(lua, 1);
        count++;
    }
    if (count > CONFIG_LIST_MAX) {
        lua_pop(lua, 1); /* the key */
    }
    if (listed == 0 && count > 0) {
        return SHAPE_NAMED;
    }
    return listed == count || listed > CONFIG_LIST_MAX ? SHAPE_LIST : SHAPE_MIXED;
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
    reader_count_copy(lua, count * sizeof(char *));
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
    reader_count_copy(lua, count * sizeof(struct config_block));
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
    const struct secret_box *secret = words_secret(lua, -1);
    if (secret != NULL) {
        value->kind = VALUE_SECRET;
        value->text = secret->path;
        value->dir = secret->dir;
    }
}

/* The value on top of the stack, which is no nested table. */
static void collect_value(const struct collect *collect, lua_State *lua, const char *name)
{
    if (block_find(collect->block, name) != NULL) {
        collect_fault(collect, name, "is given twice, in two forms");
        return;
    }
    struct config_value *value = block_put(collect->reader->config, collect->block, name);
    value->kind = VALUE_HOLE; /* until a case below succeeds */
    value->where = collect_where(collect, name);
    value->dir = collect->source->dir;
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
    if (depth == CONFIG_DEPTH_MAX) {
        collect_fault(collect, name, "is nested too deeply");
    } else {
        collect_table(collect, lua, arena_printf(&collect->reader->config->arena, "%s.", name),
                      depth + 1);
    }
}

static void collect_any(const struct collect *collect, lua_State *lua, const char *name, int depth)
{
    enum shape shape =
        lua_type(lua, -1) == LUA_TTABLE ? table_shape(lua, lua_gettop(lua)) : SHAPE_LIST;
    if (shape == SHAPE_MIXED) {
        collect_fault(collect, name, "mixes a list and named values");
    } else if (shape == SHAPE_NAMED) {
        collect_nested(collect, lua, name, depth);
    } else {
        collect_value(collect, lua, name);
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
    reader_count_copy(lua, collect->path[0] != '\0' ? sizeof(struct config_value) : 0);
    if (collect->block->count >= CONFIG_VALUES_MAX) {
        luaL_error(lua, "%s has more than %d settings", collect->block->title, CONFIG_VALUES_MAX);
    }
    const char *name = arena_printf(&collect->reader->config->arena, "%s%s", prefix, key);
    collect_any(collect, lua, name, depth);
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

/* Lua takes the last of two values for one key and says nothing. */
static void collect_twice(const struct collect *collect)
{
    for (size_t i = 0; i < collect->keys.count; i++) {
        const struct where_key *key = &collect->keys.items[i];
        if (key->first_line != 0) {
            report_add(collect->reader->report, ERROR_CONFIG_TWICE,
                       (struct ub_where){collect->where.file, key->line},
                       "%s: %s is given twice (first on line %u)", collect->block->title, key->name,
                       (unsigned)key->first_line);
        }
    }
}

void collect_block(lua_State *lua, struct config_block *block)
{
    struct reader *reader = reader_of(lua);
    const struct source *source = reader_source(lua);
    struct collect collect = {
        .reader = reader, .block = block, .source = source, .where = block->where, .path = ""};
    if (sandbox_is_hole(lua, 1) || block->is_read) {
        return;
    }
    block->is_read = true;
    if (source->file == block->where.file) { /* else a function of another file made the call */
        where_scan(&reader->config->arena, source->text, source->len, block->where.line,
                   block->is_module ? "module" : block->name, block->is_module ? block->name : NULL,
                   &collect.keys);
    }
    if (lua_type(lua, 1) != LUA_TTABLE) {
        collect_fault(&collect, "", "a table is needed: { name = value, … }");
        return;
    }
    lua_settop(lua, 1);
    collect_table(&collect, lua, "", 1);
    collect_twice(&collect);
    block->is_whole = true;
}
