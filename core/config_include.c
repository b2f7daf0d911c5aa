/* SPDX-License-Identifier: Apache-2.0
 *
 * include "file" and include "folder". */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "config_files.h"
#include "config_reader.h"

static const struct source *source_known(const struct reader *reader, const char *real)
{
    for (size_t i = 0; i < reader->count; i++) {
        if (strcmp(reader->sources[i].real, real) == 0) {
            return &reader->sources[i];
        }
    }
    return NULL;
}

/* "a.lua, b.lua, a.lua": how the files that run now came to include this one again. */
static const char *circle_of(const struct reader *reader, const struct source *again)
{
    const char *circle = "";
    for (const struct source *at = again; at < reader->sources + reader->count; at++) {
        if (at->is_open) {
            circle = arena_printf(&reader->config->arena, "%s%s -> ", circle, at->file);
        }
    }
    return arena_printf(&reader->config->arena, "%s%s", circle, again->file);
}

/* Once each: a second time could only say the same again. */
static bool is_new(const struct reader *reader, const struct config_file *file, const char *real)
{
    const struct source *known = source_known(reader, real);
    if (known == NULL) {
        return true;
    }
    if (known->is_open) {
        report_add(reader->report, ERROR_CONFIG_AGAIN, file->named, "%s includes itself: %s",
                   known->file, circle_of(reader, known));
        return false;
    }
    char first[256];
    report_place(known->named, file->named, first, sizeof(first));
    report_add(reader->report, ERROR_CONFIG_AGAIN, file->named, "%s is included twice (first %s%s)",
               known->file, first[0] == 'l' ? "on " : "at ", first);
    return false;
}

static struct source *source_add(struct reader *reader, const struct config_file *file,
                                 const char *real, char *text, size_t len)
{
    struct config *config = reader->config;
    const char *slash = strrchr(file->shown, '/');
    size_t shown_len = slash != NULL ? (size_t)(slash - file->shown) + 1 : 0;
    struct source *source = &reader->sources[reader->count++];
    *source = (struct source){.file = file->shown,
                              .dir = files_folder_of(config, real),
                              .shown_dir = arena_copy(&config->arena, file->shown, shown_len),
                              .real = real,
                              .text = text,
                              .len = len,
                              .named = file->named};
    return source;
}

static void include_file(lua_State *lua, const struct config_file *file)
{
    struct reader *reader = reader_of(lua);
    char *text = NULL;
    size_t len = 0;
    const char *real = files_real(reader->config, file->path);
    if (real == NULL) {
        report_add(reader->report, ERROR_CONFIG_INCLUDE, file->named, "%s cannot be read: %s",
                   file->shown, strerror(errno));
        reader->is_broken = true;
        return;
    }
    if (!is_new(reader, file, real)) {
        return;
    }
    reader_count_file(lua, 0);
    if (!files_read(reader->config, file, reader->report, &text, &len)) {
        reader->is_broken = true;
        return;
    }
    struct source *source = source_add(reader, file, real, text, len);
    reader->bytes += len;
    reader_run_chunk(lua, source);
}

static void include_folder(lua_State *lua, const struct config_file *folder)
{
    struct reader *reader = reader_of(lua);
    struct arena *arena = &reader->config->arena;
    const char **names = NULL;
    size_t count = 0;
    size_t len = strlen(folder->shown);
    const char *slash = len > 0 && folder->shown[len - 1] == '/' ? "" : "/";
    if (!files_list(reader->config, folder, reader->report, &names, &count)) {
        reader->is_broken = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct config_file file = {
            .path = arena_printf(arena, "%s/%s", folder->path, names[i]),
            .shown = arena_printf(arena, "%s%s%s", folder->shown, slash, names[i]),
            .named = folder->named};
        include_file(lua, &file);
    }
}

static int word_include(lua_State *lua)
{
    struct reader *reader = reader_of(lua);
    struct config_file file = {.named = reader_where(lua)};
    if (!reader_path(lua, "include", &file.path, &file.shown)) {
        return 0;
    }
    if (reader->depth == READER_DEPTH_MAX) {
        report_add(reader->report, ERROR_CONFIG_AGAIN, file.named,
                   "include of %s: files include each other more than %d deep", file.shown,
                   READER_DEPTH_MAX);
        reader->is_broken = true;
        return 0;
    }
    reader->depth++;
    if (files_is_folder(reader->config, file.path)) {
        include_folder(lua, &file);
    } else {
        include_file(lua, &file);
    }
    reader->depth--;
    return 0;
}

void include_add(lua_State *lua)
{
    lua_pushcfunction(lua, word_include);
    lua_setfield(lua, -2, "include");
}

void include_free(struct reader *reader)
{
    for (size_t i = 1; i < reader->count; i++) {
        free((char *)reader->sources[i].text);
    }
}
