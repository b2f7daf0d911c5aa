/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_files.h"
#include "config_reader.h"

static struct config_block block_of_core(const char *name)
{
    return (struct config_block){.name = name, .title = name};
}

void config_init(struct config *config)
{
    *config = (struct config){.node = block_of_core("node"),
                              .posture = block_of_core("posture"),
                              .log = block_of_core("log"),
                              .decisions = block_of_core("decisions")};
}

void config_fini(struct config *config)
{
    arena_fini(&config->arena);
    *config = (struct config){.file = NULL};
}

struct config_block *config_find(struct config *config, const char *name)
{
    struct config_block *const core[] = {&config->node, &config->posture, &config->log,
                                         &config->decisions};
    for (size_t i = 0; i < sizeof(core) / sizeof(core[0]); i++) {
        if (strcmp(core[i]->name, name) == 0) {
            return core[i];
        }
    }
    for (size_t i = 0; i < config->module_count; i++) {
        if (strcmp(config->modules[i].name, name) == 0) {
            return &config->modules[i];
        }
    }
    return NULL;
}

struct config_value *block_find(const struct config_block *block, const char *name)
{
    for (size_t i = 0; i < block->count; i++) {
        if (strcmp(block->values[i].name, name) == 0) {
            return &block->values[i];
        }
    }
    return NULL;
}

/* Doubles an array in the arena; the old one stays until the config goes. */
static void *grow(struct arena *arena, const void *items, size_t count, size_t *room, size_t size)
{
    *room = *room == 0 ? 8 : *room * 2;
    void *bigger = arena_alloc(arena, *room, size);
    if (count > 0) {
        memcpy(bigger, items, count * size);
    }
    return bigger;
}

struct config_value *block_put(struct config *config, struct config_block *block, const char *name)
{
    struct config_value *value = block_find(block, name);
    if (value == NULL) {
        if (block->count == block->room) {
            block->values = grow(&config->arena, block->values, block->count, &block->room,
                                 sizeof(*block->values));
        }
        value = &block->values[block->count++];
    }
    *value = (struct config_value){.name = arena_copy(&config->arena, name, strlen(name))};
    return value;
}

struct config_block *config_add_module(struct config *config, const char *name,
                                       struct ub_where where)
{
    if (config->module_count == config->module_room) {
        config->modules = grow(&config->arena, config->modules, config->module_count,
                               &config->module_room, sizeof(*config->modules));
    }
    struct config_block *block = &config->modules[config->module_count++];
    *block = (struct config_block){.name = arena_copy(&config->arena, name, strlen(name)),
                                   .title = arena_printf(&config->arena, "module \"%s\"", name),
                                   .is_module = true,
                                   .where = where};
    return block;
}

struct ub_where block_where(const void *ctx, const char *setting)
{
    const struct config_value *value = block_find(ctx, setting);
    return value != NULL ? value->where : (struct ub_where){NULL, 0};
}

/* Messages name a file as the operator did, unless a link led elsewhere. */
static const char *shown_dir_of(struct config *config, const char *file, const char *dir)
{
    const char *slash = strrchr(file, '/');
    size_t len = slash != NULL ? (size_t)(slash - file) + 1 : 0;
    const char *written = arena_copy(&config->arena, file, len);
    const char *real = files_real(config, len > 0 ? written : ".");
    return real != NULL && strcmp(real, dir) == 0 ? written
                                                  : arena_printf(&config->arena, "%s/", dir);
}

void config_load(struct config *config, const char *file, struct report *report)
{
    const struct config_file main_file = {.path = file, .shown = file};
    char *text = NULL;
    size_t len = 0;
    config->file = arena_copy(&config->arena, file, strlen(file));
    if (!files_read(config, &main_file, report, &text, &len)) {
        return;
    }
    /* An editor or a tool may take the file away meanwhile, above all during a reload. */
    const char *real = files_real(config, file);
    if (real == NULL) {
        report_add(report, ERROR_CONFIG_FILE, (struct ub_where){config->file, 0},
                   "cannot be read: it was taken away while it was read (%s)", strerror(errno));
        free(text);
        return;
    }
    config->dir = files_folder_of(config, real);
    const struct source source = {.file = config->file,
                                  .dir = config->dir,
                                  .shown_dir = shown_dir_of(config, file, config->dir),
                                  .real = real,
                                  .text = text,
                                  .len = len};
    reader_run(config, &source, report);
    free(text);
}

void config_load_text(struct config *config, const char *file, const char *dir, const char *text,
                      size_t len, struct report *report)
{
    config->file = arena_copy(&config->arena, file, strlen(file));
    config->dir = arena_copy(&config->arena, dir, strlen(dir));
    if (!files_judge_text(file, &text, &len, report)) {
        return;
    }
    const struct source source = {.file = config->file,
                                  .dir = config->dir,
                                  .shown_dir = "",
                                  .real = arena_printf(&config->arena, "%s/%s", dir, file),
                                  .text = text,
                                  .len = len};
    reader_run(config, &source, report);
}
