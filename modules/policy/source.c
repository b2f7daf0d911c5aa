/* SPDX-License-Identifier: Apache-2.0 */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include <ubp/script.h>
#include <unibus/error.h>

#define CODE_READ "E-POLICY-READ"

struct plcy_source *plcy_source_new(const char *path, const char *text, size_t len)
{
    struct plcy_source *source = calloc(1, sizeof(*source));
    if (source == NULL) {
        return NULL;
    }
    source->path = strdup(path);
    source->text = malloc(len + 1);
    if (source->path == NULL || source->text == NULL) {
        plcy_source_free(&source);
        return NULL;
    }
    memcpy(source->text, text, len);
    source->text[len] = '\0';
    source->len = len;
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, (const unsigned char *)source->text, len);
    sodium_bin2hex(source->digest, sizeof(source->digest), hash, sizeof(hash));
    return source;
}

void plcy_source_free(struct plcy_source **source)
{
    if (*source != NULL) {
        free((*source)->path);
        free((*source)->text);
        free(*source);
        *source = NULL;
    }
}

/* Who can write its folder can put another script in its place, unless the sticky bit forbids it;
 * `path` is where the script is, or a link to it. */
static bool folder_is_sound(const char *path, const char *named, struct ub_err *err)
{
    struct stat info;
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    if (folder == NULL) {
        ub_fail(err, UB_ENOMEM, "no memory for the script");
        return false;
    }
    bool is_sound =
        stat(folder, &info) != 0 || (info.st_mode & S_IWOTH) == 0 || (info.st_mode & S_ISVTX) != 0;
    if (!is_sound) {
        ub_fail_code(err, UB_EINVAL, CODE_READ,
                     "script \"%s\" lies in a folder that anybody may write: chmod o-w %s", named,
                     folder);
    }
    free(folder);
    return is_sound;
}

static bool folders_are_sound(const char *path, struct ub_err *err)
{
    char *real = realpath(path, NULL);
    bool is_sound =
        folder_is_sound(path, path, err) && (real == NULL || folder_is_sound(real, path, err));
    free(real);
    return is_sound;
}

/* Whoever may write the script decides who may do what. */
static bool file_is_sound(int fd, const char *path, struct ub_err *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        ub_fail_code(err, UB_EINVAL, CODE_READ, "script \"%s\" is not a file", path);
    } else if ((info.st_mode & S_IWOTH) != 0) {
        ub_fail_code(err, UB_EINVAL, CODE_READ,
                     "script \"%s\" may be written by anybody: chmod o-w it", path);
    } else if (info.st_size > UBP_TEXT_MAX) {
        ub_fail_code(err, UB_EINVAL, CODE_READ, "script \"%s\" is larger than 256 KiB", path);
    } else {
        return true;
    }
    return false;
}

/* At most UBP_TEXT_MAX + 1 bytes, so that a file that grows meanwhile is noticed by the loader. */
static bool read_all(int fd, char *out, size_t *len_out)
{
    *len_out = 0;
    while (*len_out <= UBP_TEXT_MAX) {
        ssize_t got = read(fd, out + *len_out, UBP_TEXT_MAX + 1 - *len_out);
        if (got == 0) {
            return true;
        }
        if (got < 0 && errno != EINTR) {
            return false;
        }
        *len_out += got > 0 ? (size_t)got : 0;
    }
    return true;
}

static struct plcy_source *read_open(int fd, const char *path, struct ub_err *err)
{
    size_t len;
    struct plcy_source *source = NULL;
    if (!file_is_sound(fd, path, err) || !folders_are_sound(path, err)) {
        return NULL;
    }
    char *text = malloc(UBP_TEXT_MAX + 1);
    if (text == NULL) {
        ub_fail(err, UB_ENOMEM, "no memory for the script");
    } else if (!read_all(fd, text, &len)) {
        ub_fail_code(err, UB_EIO, CODE_READ, "script \"%s\": %s", path, strerror(errno));
    } else if ((source = plcy_source_new(path, text, len)) == NULL) {
        ub_fail(err, UB_ENOMEM, "no memory for the script");
    }
    free(text);
    return source;
}

struct plcy_source *plcy_source_read(const char *path, struct ub_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        ub_fail_code(err, UB_EIO, CODE_READ, "script \"%s\" cannot be read: %s", path,
                     strerror(errno));
        return NULL;
    }
    struct plcy_source *source = read_open(fd, path, err);
    close(fd);
    return source;
}

void plcy_source_place(const struct plcy_source *source, uint32_t line, char *out, size_t out_size)
{
    if (line != 0) {
        snprintf(out, out_size, "%s:%u", source->path, line);
    } else {
        snprintf(out, out_size, "%s", source->path);
    }
}
