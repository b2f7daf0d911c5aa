/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

#define CONFIG_MAX_BYTES (1024u * 1024u)

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

static bool config_read(int fd, char **text_out, size_t *len_out)
{
    char *text = malloc(CONFIG_MAX_BYTES + 1);
    CHECK(text != NULL);
    size_t len = 0;
    while (len <= CONFIG_MAX_BYTES) {
        ssize_t got = read(fd, text + len, CONFIG_MAX_BYTES + 1 - len);
        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            free(text);
            return false;
        }
        len += got > 0 ? (size_t)got : 0;
    }
    *text_out = text;
    *len_out = len;
    return true;
}

/* Whoever can write the config can load code into the daemon. */
static bool config_is_guarded(int fd, const char *file, struct report *report)
{
    struct stat st;
    struct ub_where where = {file, 0};
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        report_add(report, ERROR_CONFIG_FILE, where, "is not a regular file");
        return false;
    }
    if ((st.st_mode & S_IWOTH) != 0) {
        report_add(report, ERROR_CONFIG_WRITABLE, where,
                   "can be written by others (mode %04o): run chmod o-w %s",
                   (unsigned)st.st_mode & 07777u, file);
        return false;
    }
    return true;
}

static char *folder_of(const char *file)
{
    char *real = realpath(file, NULL);
    CHECK(real != NULL);
    char *slash = strrchr(real, '/');
    slash[slash == real ? 1 : 0] = '\0';
    return real;
}

static void config_load_fd(struct config *config, const char *file, int fd, struct report *report)
{
    char *text = NULL;
    size_t len = 0;
    if (!config_is_guarded(fd, file, report)) {
        return;
    }
    if (!config_read(fd, &text, &len)) {
        report_add(report, ERROR_CONFIG_FILE, (struct ub_where){file, 0}, "cannot be read: %s",
                   strerror(errno));
        return;
    }
    if (len > CONFIG_MAX_BYTES) {
        report_add(report, ERROR_CONFIG_LIMIT, (struct ub_where){file, 0},
                   "has more than %u bytes; is it a config?", CONFIG_MAX_BYTES);
    } else {
        char *dir = folder_of(file);
        config_load_text(config, file, dir, text, len, report);
        free(dir);
    }
    free(text);
}

void config_load(struct config *config, const char *file, struct report *report)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        report_add(report, ERROR_CONFIG_FILE, (struct ub_where){file, 0}, "cannot be read: %s",
                   strerror(errno));
        return;
    }
    config_load_fd(config, file, fd, report);
    close(fd);
}
