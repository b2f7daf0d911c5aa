/* SPDX-License-Identifier: Apache-2.0
 *
 * `unibus module new`: a copy of the template's source under another name. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output.h"

#define NAME_MAX_LEN 32
#define FILE_MAX_LEN ((size_t)1 << 20)
#define OLD_NAME     "template"

struct copying {
    char from[PATH_MAX]; /* folder of the template */
    const char *name;    /* "grey-list"; also the folder that is made */
    json_t *files;       /* names of what was written */
};

/* How the name is written here: in C, where it is part of an identifier, and in capitals. */
struct spelling {
    char text[NAME_MAX_LEN + 1];
};

static struct spelling spell(const char *name, bool is_identifier, bool is_upper)
{
    struct spelling spelling = {""};
    for (size_t i = 0; i < NAME_MAX_LEN && name[i] != '\0'; i++) {
        char c = is_identifier && name[i] == '-' ? '_' : name[i];
        spelling.text[i] = (char)(is_upper && c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
    return spelling;
}

/* Letters, digits and single hyphens between them: good for a file, the config and an identifier.
 */
static bool name_is_fine(const char *name)
{
    size_t len = strlen(name);
    bool is_fine = len > 0 && len <= NAME_MAX_LEN && name[0] >= 'a' && name[0] <= 'z' &&
                   name[len - 1] != '-' && strstr(name, "--") == NULL;
    return is_fine && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* Writes text with each `template` replaced; an underscore behind it makes it an identifier. */
static void write_renamed(FILE *to, const char *text, const char *name)
{
    const size_t len = strlen(OLD_NAME);
    for (const char *at = text; *at != '\0';) {
        bool is_lower = strncmp(at, OLD_NAME, len) == 0;
        bool is_upper = strncmp(at, "TEMPLATE", len) == 0;
        if (!is_lower && !is_upper) {
            fputc(*at++, to);
            continue;
        }
        at += len;
        fputs(spell(name, *at == '_', is_upper).text, to);
    }
}

static char *read_whole(const char *path, struct unibus_err *err)
{
    FILE *file = fopen(path, "re");
    char *text = file != NULL ? calloc(1, FILE_MAX_LEN + 1) : NULL;
    size_t len = text != NULL ? fread(text, 1, FILE_MAX_LEN + 1, file) : 0;
    bool is_read = text != NULL && ferror(file) == 0 && len <= FILE_MAX_LEN;
    if (!is_read) {
        unibus_fail(err, UNIBUS_FAILED, "cannot read %s: %s", path,
                    errno != 0 ? strerror(errno) : "too long");
        free(text);
        text = NULL;
    }
    if (file != NULL) {
        fclose(file);
    }
    return text;
}

static enum unibus_status copy_file(struct copying *copying, const char *file,
                                    struct unibus_err *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    snprintf(from, sizeof(from), "%s/%s", copying->from, file);
    snprintf(to, sizeof(to), "%s/%s", copying->name, file);
    char *text = read_whole(from, err);
    if (text == NULL) {
        return UNIBUS_FAILED;
    }
    FILE *out = fopen(to, "wxe");
    if (out != NULL) {
        write_renamed(out, text, copying->name);
    }
    free(text);
    bool is_written = out != NULL && ferror(out) == 0;
    if (out == NULL || fclose(out) != 0 || !is_written) {
        return unibus_fail(err, UNIBUS_FAILED, "cannot write %s: %s", to, strerror(errno));
    }
    json_array_append_new(copying->files, out_json_text(file));
    return UNIBUS_OK;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static enum unibus_status copy_all(struct copying *copying, struct unibus_err *err)
{
    struct dirent **entries = NULL;
    enum unibus_status status = UNIBUS_OK;
    int count = scandir(copying->from, &entries, is_visible, alphasort);
    if (count <= 0) {
        status = unibus_fail(err, UNIBUS_FAILED, "cannot read %s: %s", copying->from,
                             count < 0 ? strerror(errno) : "it is empty");
    }
    for (int i = 0; i < count; i++) {
        if (status == UNIBUS_OK) {
            status = copy_file(copying, entries[i]->d_name, err);
        }
        free(entries[i]);
    }
    free(entries);
    return status;
}

/* Half a module is none: takes away what was written into the folder that was made here. */
static void undo(const struct copying *copying)
{
    size_t i;
    json_t *file;
    json_array_foreach(copying->files, i, file)
    {
        char path[PATH_MAX];
        snprintf(path, sizeof(path), "%s/%s", copying->name, json_string_value(file));
        unlink(path);
    }
    rmdir(copying->name);
}

/* As seen from this program: in the build folder, or where an installation has it. */
static enum unibus_status template_find(struct copying *copying, struct unibus_err *err)
{
    static const char *const places[] = {"share/unibus/template", UNIBUS_TEMPLATE_INSTALLED};
    char program[PATH_MAX / 2];
    ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
    program[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(program, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        snprintf(copying->from, sizeof(copying->from), "%s/%s", program, places[i]);
        if (access(copying->from, R_OK) == 0) {
            return UNIBUS_OK;
        }
    }
    unibus_fail(err, UNIBUS_FAILED, "the template is not there: %s", copying->from);
    return unibus_fix(err, "install unibus whole: cmake --install BUILD");
}

static enum unibus_status folder_make(const char *name, struct unibus_err *err)
{
    if (mkdir(name, 0777) == 0) {
        return UNIBUS_OK;
    }
    if (errno != EEXIST) {
        return unibus_fail(err, UNIBUS_FAILED, "cannot make folder %s: %s", name, strerror(errno));
    }
    unibus_fail(err, UNIBUS_CONFLICT, "%s is there already, nothing was written", name);
    return unibus_fix(err, "choose another name, or move it away");
}

enum unibus_status cli_module_new(struct cli *cli, struct unibus_err *err)
{
    struct copying copying = {.name = cli->args[0]};
    if (!name_is_fine(copying.name)) {
        unibus_fail(err, UNIBUS_USAGE, "\"%s\" cannot be the name of a module", copying.name);
        return unibus_fix(err,
                          "a to z, 0 to 9 and single hyphens, at most %d, a letter first: "
                          "grey-list",
                          NAME_MAX_LEN);
    }
    enum unibus_status status = template_find(&copying, err);
    if (status == UNIBUS_OK) {
        status = folder_make(copying.name, err);
    }
    if (status != UNIBUS_OK) {
        return status;
    }
    copying.files = json_array();
    status = copy_all(&copying, err);
    if (status != UNIBUS_OK) {
        undo(&copying);
        json_decref(copying.files);
        return status;
    }
    if (out_is_json(cli)) {
        out_json_line(json_pack("{s:s, s:o}", "name", copying.name, "files", copying.files));
        return UNIBUS_OK;
    }
    out_say(cli, "%s/ has %zu files; build it, run its tests, see what it is:\n", copying.name,
            json_array_size(copying.files));
    json_decref(copying.files);
    out_say(cli,
            "  cd %s\n  cmake -B build && cmake --build build && ctest --test-dir build\n"
            "  less README.md module.c",
            copying.name);
    return UNIBUS_OK;
}
