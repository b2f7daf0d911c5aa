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

#include "loader_elf.h"
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

/* With a path of its own, the only help is that there is a module of this name elsewhere. */
static void load_missing_path(const struct load *load, const char *path)
{
    const char *usual =
        arena_printf(&load->config->arena, "%s/%s.so", load->loader->module_dir, load->block->name);
    bool is_there = access(usual, F_OK) == 0;
    load_fault(load, ERROR_MODULE_FILE, "path", "%s: there is no file %s%s%s%s", load->block->title,
               path, is_there ? " (leave path out to take " : "", is_there ? usual : "",
               is_there ? ")" : "");
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
    bool is_named = path != NULL;
    if (!is_named) {
        path = arena_printf(&load->config->arena, "%s/%s.so", load->loader->module_dir,
                            load->block->name);
    }
    char *real = realpath(path, NULL);
    if (real == NULL && errno != ENOENT) {
        load_fault(load, ERROR_MODULE_FILE, "path", "%s: cannot reach %s: %s", load->block->title,
                   path, strerror(errno));
        return false;
    }
    if (real == NULL) {
        (is_named ? load_missing_path : load_missing)(load, path);
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
    bool is_open = is_writable_by_others(&st);
    if (is_open) {
        load_fault(load, ERROR_MODULE_WRITABLE, "path",
                   "%s: %s can be written by others (mode %04o): run chmod go-w %s",
                   load->block->title, load->file, (unsigned)st.st_mode & 07777u, load->file);
    }
    return load_owner_fits(load, load->file, &st) && !is_open;
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

/* What the system's words mean for the author of a module. */
static const char *dlerror_advice(const char *said)
{
    if (strstr(said, "undefined symbol") != NULL) {
        return "; link the library that has it into the module: nothing of membershipd itself can "
               "be called, only what create and bind hand over";
    }
    if (strstr(said, "cannot open shared object file") != NULL) {
        return "; install that library, or link it into the module";
    }
    return strstr(said, "version `") != NULL ? "; rebuild the module on this system" : "";
}

static bool load_is_library(const struct load *load)
{
    char words[256];
    const char *why = elf_fault(load->file, words, sizeof(words));
    if (why != NULL) {
        load_fault(load, ERROR_MODULE_LOAD, "path", "%s: %s %s", load->block->title, load->file,
                   why);
    }
    return why == NULL;
}

static bool load_open(const struct load *load, struct loaded *loaded_out)
{
    void *handle = dlopen(load->file, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        const char *said = dlerror();
        load_fault(load, ERROR_MODULE_LOAD, "path", "%s: cannot be loaded: %s%s",
                   load->block->title, said, dlerror_advice(said));
        return false;
    }
    const struct ub_module *module = dlsym(handle, LOADER_SYMBOL);
    if (module == NULL) {
        load_fault(load, ERROR_MODULE_SYMBOL, "path",
                   "%s: %s has no symbol \"" LOADER_SYMBOL
                   "\", so it is not a unibus module: declare one with UB_MODULE = { … } "
                   "(include/unibus/module.h)",
                   load->block->title, load->file);
        return false;
    }
    return loader_adopt(module, symbol_size_of(module), load->file, load->block, loaded_out,
                        load->report);
}

/* No file is looked at, so what the config says of one would silently mean nothing. */
static bool load_linked(const struct load *load, const struct ub_module *linked,
                        struct loaded *loaded_out)
{
    static const char *const of_files[] = {"path", "sha256"};
    bool is_sound = true;
    for (size_t i = 0; i < 2; i++) {
        if (block_find(load->block, of_files[i]) != NULL) {
            load_fault(load, ERROR_MODULE_PATH, of_files[i],
                       "%s: %s has no meaning: this module is linked into this membershipd, leave "
                       "it out",
                       load->block->title, of_files[i]);
            is_sound = false;
        }
    }
    return loader_adopt(linked, 0, NULL, load->block, loaded_out, load->report) && is_sound;
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
    struct load load = {loader, config, block, report, NULL};
    if (linked != NULL) {
        return load_linked(&load, linked, loaded_out);
    }
    if (!load_find(&load)) {
        return false;
    }
    bool is_file = load_file_is_guarded(&load);
    bool is_safe = load_folders_are_guarded(&load);
    bool is_pinned = load_pin_fits(&load);
    return is_file && is_safe && is_pinned && load_is_library(&load) &&
           load_open(&load, loaded_out);
}
