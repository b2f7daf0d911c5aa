/* SPDX-License-Identifier: Apache-2.0
 *
 * The checks of a module's file: path, owner, who can write it, pin, dlopen, symbol. */
#include "loader.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "suggest.h"

#define LOADER_SYMBOL "unibus_module"

/* Elf64_Sym of the ELF specification, the start of which is all that is read here. */
struct elf64_symbol {
    uint32_t name;
    uint8_t info, other;
    uint16_t section;
    uint64_t value, size;
};

struct load {
    const struct loader *loader;
    struct config *config;
    const struct config_block *block;
    struct report *report;
    const char *file;
};

#define load_fault(load, id, setting, ...)                                                         \
    report_add((load)->report, (id), load_where((load), (setting)), __VA_ARGS__)

static struct ub_where load_where(const struct load *load, const char *setting)
{
    const struct config_value *value = setting != NULL ? block_find(load->block, setting) : NULL;
    return value != NULL ? value->where : load->block->where;
}

/* A reserved text setting of every module block; NULL when it is not given. */
static bool load_reserved(const struct load *load, const char *name, const char **text_out)
{
    const struct config_value *value = block_find(load->block, name);
    *text_out = value != NULL ? value->text : NULL;
    if (value == NULL || value->kind == VALUE_STRING) {
        return true;
    }
    if (value->kind != VALUE_HOLE) {
        load_fault(load, ERROR_CONFIG_TYPE, name, "%s: %s: a text is needed", load->block->title,
                   name);
    }
    return false;
}

static void suggest_files(const char *dir_name, struct suggest *suggest, char *best, size_t size)
{
    DIR *dir = opendir(dir_name);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        char name[256];
        snprintf(name, sizeof(name), "%s", entry->d_name);
        char *suffix = strstr(name, ".so");
        if (suffix == NULL || suffix[3] != '\0') {
            continue;
        }
        *suffix = '\0';
        const char *before = suggest->best;
        suggest_offer(suggest, name);
        if (suggest->best != before) {
            snprintf(best, size, "%s", name);
            suggest->best = best;
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

static void load_missing(const struct load *load, const char *path)
{
    struct suggest suggest = {.written = load->block->name};
    char best[256], hint[300];
    suggest_files(load->loader->module_dir, &suggest, best, sizeof(best));
    suggest_text(&suggest, hint, sizeof(hint));
    load_fault(load, ERROR_MODULE_FILE, "path", "%s: there is no file %s%s", load->block->title,
               path, hint);
}

/* The file's true path, in load->file. */
static bool load_find(struct load *load)
{
    const char *path = NULL;
    if (!load_reserved(load, "path", &path)) {
        return false;
    }
    if (path != NULL && path[0] != '/') {
        load_fault(
            load, ERROR_MODULE_PATH, "path",
            "%s: path = \"%s\" is not absolute: write the whole path, or leave it out to take "
            "%s.so from %s",
            load->block->title, path, load->block->name, load->loader->module_dir);
        return false;
    }
    if (path == NULL) {
        path = arena_printf(&load->config->arena, "%s/%s.so", load->loader->module_dir,
                            load->block->name);
    }
    char *real = realpath(path, NULL);
    if (real == NULL) {
        load_missing(load, path);
        return false;
    }
    load->file = arena_copy(&load->config->arena, real, strlen(real));
    free(real);
    return true;
}

/* A group counts as others unless it is root's or this process's own. */
static bool is_writable_by_others(const struct stat *st)
{
    bool is_our_group = st->st_gid == 0 || st->st_gid == getegid();
    return (st->st_mode & S_IWOTH) != 0 || ((st->st_mode & S_IWGRP) != 0 && !is_our_group);
}

static bool load_owner_fits(const struct load *load, const char *path, const struct stat *st)
{
    if (st->st_uid == 0 || st->st_uid == geteuid()) {
        return true;
    }
    load_fault(load, ERROR_MODULE_OWNER, "path",
               "%s: %s belongs to user %u, but a module belongs to root or to user %u, who runs "
               "this process: run chown root %s",
               load->block->title, path, (unsigned)st->st_uid, (unsigned)geteuid(), path);
    return false;
}

static bool load_file_is_guarded(const struct load *load)
{
    struct stat st;
    if (stat(load->file, &st) != 0 || !S_ISREG(st.st_mode)) {
        load_fault(load, ERROR_MODULE_FILE, "path", "%s: %s is not a regular file",
                   load->block->title, load->file);
        return false;
    }
    if (is_writable_by_others(&st)) {
        load_fault(load, ERROR_MODULE_WRITABLE, "path",
                   "%s: %s can be written by others (mode %04o): run chmod go-w %s",
                   load->block->title, load->file, (unsigned)st.st_mode & 07777u, load->file);
        return false;
    }
    return load_owner_fits(load, load->file, &st);
}

/* Who can write a folder can put another file in its place; above it, a sticky bit protects. */
static bool load_folder_is_guarded(const struct load *load, const char *folder, bool is_nearest)
{
    struct stat st;
    if (stat(folder, &st) != 0) {
        load_fault(load, ERROR_MODULE_FILE, "path", "%s: cannot look at folder %s: %s",
                   load->block->title, folder, strerror(errno));
        return false;
    }
    bool is_protected = !is_nearest && (st.st_mode & S_ISVTX) != 0;
    if (is_writable_by_others(&st) && !is_protected) {
        load_fault(
            load, ERROR_MODULE_WRITABLE, "path",
            "%s: %s lies in folder %s, which can be written by others (mode %04o): run chmod "
            "go-w %s",
            load->block->title, load->file, folder, (unsigned)st.st_mode & 07777u, folder);
        return false;
    }
    return !is_nearest || load_owner_fits(load, folder, &st);
}

static bool load_folders_are_guarded(const struct load *load)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof(folder), "%s", load->file);
    for (bool is_nearest = true;; is_nearest = false) {
        char *slash = strrchr(folder, '/');
        slash[slash == folder ? 1 : 0] = '\0';
        if (!load_folder_is_guarded(load, folder, is_nearest)) {
            return false;
        }
        if (folder[1] == '\0') {
            return true;
        }
    }
}

static bool file_sha256(const char *file, char hex[crypto_hash_sha256_BYTES * 2 + 1])
{
    uint8_t chunk[16384], hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0) {
        got = read(fd, chunk, sizeof(chunk));
        crypto_hash_sha256_update(&state, chunk, got > 0 ? (size_t)got : 0);
    }
    if (fd >= 0) {
        close(fd);
    }
    crypto_hash_sha256_final(&state, hash);
    sodium_bin2hex(hex, crypto_hash_sha256_BYTES * 2 + 1, hash, sizeof(hash));
    return got == 0;
}

static bool load_pin_fits(const struct load *load)
{
    const char *pin = NULL;
    char hex[crypto_hash_sha256_BYTES * 2 + 1];
    if (!load_reserved(load, "sha256", &pin)) {
        return false;
    }
    if (pin == NULL) {
        return true;
    }
    if (strlen(pin) != 64 || strspn(pin, "0123456789abcdefABCDEF") != 64) {
        load_fault(load, ERROR_MODULE_SHA256, "sha256",
                   "%s: sha256 = \"%.80s\" is no SHA-256: 64 hexadecimal digits are needed",
                   load->block->title, pin);
        return false;
    }
    bool is_same = file_sha256(load->file, hex) && strcasecmp(hex, pin) == 0;
    if (!is_same) {
        load_fault(load, ERROR_MODULE_SHA256, "sha256",
                   "%s: %s has sha256 %s, but the config pins %s", load->block->title, load->file,
                   hex, pin);
    }
    return is_same;
}

/* How many bytes the file really has for the symbol; 0 = unknown. */
static size_t symbol_size_of(const void *symbol)
{
    Dl_info info;
    void *extra = NULL;
    if (sizeof(void *) != 8 || dladdr1(symbol, &info, &extra, RTLD_DL_SYMENT) == 0 ||
        extra == NULL) {
        return 0;
    }
    return (size_t)((const struct elf64_symbol *)extra)->size;
}

static bool load_open(const struct load *load, struct loaded *loaded_out)
{
    void *handle = dlopen(load->file, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        load_fault(load, ERROR_MODULE_LOAD, "path", "%s: cannot be loaded: %s", load->block->title,
                   dlerror());
        return false;
    }
    const struct ub_module *module = dlsym(handle, LOADER_SYMBOL);
    if (module == NULL) {
        load_fault(load, ERROR_MODULE_SYMBOL, "path",
                   "%s: %s has no symbol \"" LOADER_SYMBOL "\", so it is not a unibus module",
                   load->block->title, load->file);
        return false;
    }
    return loader_adopt(module, symbol_size_of(module), load->file, load->block, loaded_out,
                        load->report);
}

static const struct ub_module *loader_static(const struct loader *loader, const char *name)
{
    for (size_t i = 0; i < loader->static_count; i++) {
        if (strcmp(loader->statics[i]->name, name) == 0) {
            return loader->statics[i];
        }
    }
    return NULL;
}

bool loader_load(const struct loader *loader, struct config *config,
                 const struct config_block *block, struct loaded *loaded_out, struct report *report)
{
    const struct ub_module *linked = loader_static(loader, block->name);
    if (linked != NULL) {
        return loader_adopt(linked, 0, NULL, block, loaded_out, report);
    }
    struct load load = {loader, config, block, report, NULL};
    return load_find(&load) && load_file_is_guarded(&load) && load_folders_are_guarded(&load) &&
           load_pin_fits(&load) && load_open(&load, loaded_out);
}
