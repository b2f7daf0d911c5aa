/* SPDX-License-Identifier: Apache-2.0 */
#include "config_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "utf8.h"

/* ---- faults -----------------------------------------------------------------------------------
 */

static void missing_fault(const struct config_file *file, const char *why, struct report *report)
{
    if (file->named.file == NULL) {
        report_add(report, ERROR_CONFIG_FILE, (struct ub_where){file->shown, 0},
                   "cannot be read: %s", why);
    } else {
        report_add(report, ERROR_CONFIG_INCLUDE, file->named, "%s cannot be read: %s", file->shown,
                   why);
    }
}

static const char *kind_words(mode_t mode)
{
    return S_ISDIR(mode)                    ? "is a folder, not a file"
           : S_ISFIFO(mode)                 ? "is a pipe (FIFO), not a file"
           : S_ISCHR(mode) || S_ISBLK(mode) ? "is a device, not a file"
           : S_ISSOCK(mode)                 ? "is a socket, not a file"
                                            : "is not a regular file";
}

static bool is_guarded(const struct stat *st, const char *shown, struct report *report)
{
    if ((st->st_mode & S_IWOTH) == 0) {
        return true;
    }
    report_add(report, ERROR_CONFIG_WRITABLE, (struct ub_where){shown, 0},
               "can be written by others (mode %04o): run chmod o-w %s",
               (unsigned)st->st_mode & 07777u, shown);
    return false;
}

/* Who can write a folder can put another file in its place, unless its sticky bit forbids it. */
static bool folder_is_guarded(const char *path, const char *shown, struct report *report)
{
    struct stat st;
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL || slash == path ? 1 : (size_t)(slash - path);
    char *folder = strndup(slash == NULL ? "." : path, len);
    CHECK(folder != NULL);
    bool is_open = stat(folder, &st) == 0 && (st.st_mode & S_IWOTH) != 0;
    bool is_sound = !is_open || (st.st_mode & S_ISVTX) != 0;
    if (!is_sound) {
        report_add(
            report, ERROR_CONFIG_WRITABLE, (struct ub_where){shown, 0},
            "lies in folder %s, which can be written by others (mode %04o): run chmod o-w %s",
            folder, (unsigned)st.st_mode & 07777u, folder);
    }
    free(folder);
    return is_sound;
}

/* The folder of the file itself, and that of a link which leads to it. */
static bool folders_are_guarded(const struct config_file *file, struct report *report)
{
    char *real = realpath(file->path, NULL);
    bool is_sound = folder_is_guarded(file->path, file->shown, report) &&
                    (real == NULL || folder_is_guarded(real, file->shown, report));
    free(real);
    return is_sound;
}

/* ---- one file ---------------------------------------------------------------------------------
 */

static bool read_all(int fd, char **text_out, size_t *len_out)
{
    char *text = calloc(1, CONFIG_MAX_BYTES + 1);
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

static bool read_fd(const struct config_file *file, int fd, struct report *report, char **text_out,
                    size_t *len_out)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        missing_fault(file, strerror(errno), report);
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        report_add(report, ERROR_CONFIG_FILE, (struct ub_where){file->shown, 0}, "%s",
                   kind_words(st.st_mode));
        return false;
    }
    bool is_sound = is_guarded(&st, file->shown, report);
    is_sound &= folders_are_guarded(file, report);
    if (!is_sound) {
        return false;
    }
    if (!read_all(fd, text_out, len_out)) {
        missing_fault(file, strerror(errno), report);
        return false;
    }
    return true;
}

static const struct virtual_file *virtual_find(const struct config *config, const char *path)
{
    for (size_t i = 0; i < config->virtual_count; i++) {
        if (strcmp(config->virtual_files[i].path, path) == 0) {
            return &config->virtual_files[i];
        }
    }
    errno = ENOENT;
    return NULL;
}

static bool read_virtual(const struct config *config, const struct config_file *file,
                         struct report *report, char **text_out, size_t *len_out)
{
    const struct virtual_file *found = virtual_find(config, file->path);
    if (found == NULL) {
        missing_fault(file, "it is not there", report);
        return false;
    }
    *text_out = calloc(1, found->len + 1);
    CHECK(*text_out != NULL);
    if (found->len > 0) {
        memcpy(*text_out, found->text, found->len);
    }
    *len_out = found->len;
    return true;
}

static bool read_disk(const struct config_file *file, struct report *report, char **text_out,
                      size_t *len_out)
{
    /* O_NONBLOCK: a pipe that nobody writes to must not hold the start up. */
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        struct stat st;
        bool is_odd = errno == ENXIO && stat(file->path, &st) == 0;
        missing_fault(file, is_odd ? kind_words(st.st_mode) : strerror(errno), report);
        return false;
    }
    bool is_read = read_fd(file, fd, report, text_out, len_out);
    close(fd);
    return is_read;
}

static uint32_t line_of(const char *text, const char *at)
{
    uint32_t line = 1;
    for (; text < at; text++) {
        line += *text == '\n';
    }
    return line;
}

bool files_judge_text(const char *shown, const char **text, size_t *len, struct report *report)
{
    if (*len > CONFIG_MAX_BYTES) {
        report_add(report, ERROR_CONFIG_LIMIT, (struct ub_where){shown, 0},
                   "has more than %u bytes; is it a config?", CONFIG_MAX_BYTES);
        return false;
    }
    if (*len >= 4 && memcmp(*text, "\033Lua", 4) == 0) {
        report_add(report, ERROR_CONFIG_TEXT, (struct ub_where){shown, 0},
                   "is compiled Lua (byte code): a config is read as text only");
        return false;
    }
    const char *nul = *len > 0 ? memchr(*text, '\0', *len) : NULL;
    const char *fault = nul != NULL ? nul : utf8_find_fault(*text, *len);
    if (fault != NULL) {
        report_add(report, ERROR_CONFIG_TEXT, (struct ub_where){shown, line_of(*text, fault)},
                   nul != NULL ? "a NUL byte: this is no text file"
                               : "a byte that is not UTF-8 (0x%02x): save the file as UTF-8",
                   (unsigned char)*fault);
        return false;
    }
    if (*len >= 3 && memcmp(*text, "\xEF\xBB\xBF", 3) == 0) {
        *text += 3;
        *len -= 3;
    }
    return true;
}

bool files_read(const struct config *config, const struct config_file *file, struct report *report,
                char **text_out, size_t *len_out)
{
    bool is_read = config->virtual_files != NULL
                       ? read_virtual(config, file, report, text_out, len_out)
                       : read_disk(file, report, text_out, len_out);
    if (!is_read) {
        return false;
    }
    const char *text = *text_out;
    if (!files_judge_text(file->shown, &text, len_out, report)) {
        free(*text_out);
        return false;
    }
    memmove(*text_out, text, *len_out);
    return true;
}

/* ---- paths and folders ------------------------------------------------------------------------
 */

const char *files_real(struct config *config, const char *path)
{
    if (config->virtual_files != NULL) {
        return path;
    }
    char *real = realpath(path, NULL);
    if (real == NULL) {
        return NULL;
    }
    const char *kept = arena_copy(&config->arena, real, strlen(real));
    free(real);
    return kept;
}

const char *files_folder_of(struct config *config, const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL || slash == path
               ? "/"
               : arena_copy(&config->arena, path, (size_t)(slash - path));
}

/* The rest of the path below the folder, NULL when it lies elsewhere. */
static const char *below(const char *path, const char *folder)
{
    size_t len = strlen(folder);
    return strncmp(path, folder, len) == 0 && path[len] == '/' ? path + len + 1 : NULL;
}

bool files_is_folder(const struct config *config, const char *path)
{
    if (config->virtual_files == NULL) {
        struct stat st;
        return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    }
    for (size_t i = 0; i < config->virtual_count; i++) {
        if (below(config->virtual_files[i].path, path) != NULL) {
            return true;
        }
    }
    return false;
}

static bool is_config_name(const char *name)
{
    size_t len = strlen(name);
    return len > 4 && name[0] != '.' && strchr(name, '/') == NULL &&
           strcmp(name + len - 4, ".lua") == 0;
}

static bool list_take(struct config *config, const char *name, const char **names, size_t *count)
{
    if (is_config_name(name)) {
        if (*count == CONFIG_NAMES_MAX) {
            return false;
        }
        names[(*count)++] = arena_copy(&config->arena, name, strlen(name));
    }
    return true;
}

static bool list_virtual(struct config *config, const char *path, const char **names, size_t *count)
{
    bool has_room = true;
    for (size_t i = 0; has_room && i < config->virtual_count; i++) {
        const char *name = below(config->virtual_files[i].path, path);
        has_room = name == NULL || list_take(config, name, names, count);
    }
    return has_room;
}

static bool list_disk(struct config *config, DIR *dir, const char **names, size_t *count)
{
    bool has_room = true;
    for (struct dirent *entry; has_room && (entry = readdir(dir)) != NULL;) {
        has_room = list_take(config, entry->d_name, names, count);
    }
    return has_room;
}

static int name_compare(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* Judged and listed through one descriptor. */
static bool open_folder(const struct config_file *folder, struct report *report, DIR **dir_out)
{
    struct stat st;
    DIR *dir = opendir(folder->path);
    if (dir == NULL || fstat(dirfd(dir), &st) != 0) {
        missing_fault(folder, strerror(errno), report);
    } else if (is_guarded(&st, folder->shown, report)) {
        *dir_out = dir;
        return true;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return false;
}

bool files_list(struct config *config, const struct config_file *folder, struct report *report,
                const char **names_out[], size_t *count_out)
{
    DIR *dir = NULL;
    bool is_virtual = config->virtual_files != NULL;
    if (!is_virtual && !open_folder(folder, report, &dir)) {
        return false;
    }
    const char **names = arena_alloc(&config->arena, CONFIG_NAMES_MAX, sizeof(*names));
    *count_out = 0;
    bool has_room = is_virtual ? list_virtual(config, folder->path, names, count_out)
                               : list_disk(config, dir, names, count_out);
    if (dir != NULL) {
        closedir(dir);
    }
    if (!has_room) {
        report_add(report, ERROR_CONFIG_INCLUDE, folder->named, "%s has more than %d files",
                   folder->shown, CONFIG_NAMES_MAX);
        return false;
    }
    qsort(names, *count_out, sizeof(*names), name_compare);
    *names_out = names;
    return true;
}
