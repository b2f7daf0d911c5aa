/* SPDX-License-Identifier: Apache-2.0 */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include <unibus/error.h>

#define SECRET_MAX_BYTES (64u * 1024u)

struct ub_secret {
    size_t len;
    uint8_t *bytes; /* sodium_malloc */
};

static struct ub_secret *secret_alloc(size_t len)
{
    struct ub_secret *secret = calloc(1, sizeof(*secret));
    if (secret == NULL) {
        return NULL;
    }
    secret->len = len;
    secret->bytes = sodium_malloc(len > 0 ? len : 1);
    if (secret->bytes == NULL) {
        free(secret);
        return NULL;
    }
    return secret;
}

struct ub_secret *secret_new(const void *bytes, size_t len)
{
    struct ub_secret *secret = secret_alloc(len);
    if (secret != NULL && len > 0) {
        memcpy(secret->bytes, bytes, len);
        sodium_mprotect_readonly(secret->bytes);
    }
    return secret;
}

void secret_free(struct ub_secret **secret)
{
    if (*secret != NULL) {
        sodium_free((*secret)->bytes);
        free(*secret);
        *secret = NULL;
    }
}

struct ub_bytes secret_bytes(const struct ub_secret *secret)
{
    return (struct ub_bytes){secret->bytes, secret->len};
}

static enum ub_status secret_judge(const char *path, const struct stat *st, struct ub_err *err)
{
    unsigned mode = (unsigned)st->st_mode & 07777u;
    if (!S_ISREG(st->st_mode)) {
        return ub_fail(err, UB_EINVAL, "secret \"%s\" is not a regular file", path);
    }
    if ((mode & 077u) != 0) {
        return ub_fail(err, UB_EDENIED,
                       "secret \"%s\" can be read by others (mode %04o): run chmod 600 %s", path,
                       mode, path);
    }
    if (st->st_uid != geteuid() && st->st_uid != 0) {
        return ub_fail(err, UB_EDENIED,
                       "secret \"%s\" belongs to user %u, this process runs as user %u: run chown "
                       "%u %s",
                       path, (unsigned)st->st_uid, (unsigned)geteuid(), (unsigned)geteuid(), path);
    }
    if (st->st_size <= 0 || st->st_size > (off_t)SECRET_MAX_BYTES) {
        return ub_fail(err, UB_EINVAL, "secret \"%s\" has %lld bytes: 1 to %u are allowed", path,
                       (long long)st->st_size, SECRET_MAX_BYTES);
    }
    return UB_OK;
}

static enum ub_status secret_fill(int fd, const char *path, size_t size,
                                  struct ub_secret **secret_out, struct ub_err *err)
{
    struct ub_secret *secret = secret_alloc(size);
    if (secret == NULL) {
        return ub_fail(err, UB_ENOMEM, "no locked memory for secret \"%s\": raise LimitMEMLOCK",
                       path);
    }
    /* Straight into guarded memory: no stdio buffer keeps a copy. */
    for (size_t at = 0; at < size;) {
        ssize_t got = read(fd, secret->bytes + at, size - at);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            secret_free(&secret);
            return ub_fail(err, UB_EIO, "cannot read secret \"%s\": %s", path,
                           got == 0 ? "it became shorter" : strerror(errno));
        }
        at += got > 0 ? (size_t)got : 0;
    }
    if (secret->bytes[secret->len - 1] == '\n') {
        secret->len--;
    }
    if (secret->len == 0) {
        secret_free(&secret);
        return ub_fail(err, UB_EINVAL, "secret \"%s\" is an empty line: 1 to %u bytes are allowed",
                       path, SECRET_MAX_BYTES);
    }
    sodium_mprotect_readonly(secret->bytes);
    *secret_out = secret;
    return UB_OK;
}

enum ub_status secret_read(const char *path, struct ub_secret **secret_out, struct ub_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return ub_fail(err, errno == ENOENT ? UB_ENOTFOUND : UB_EIO,
                       "cannot open secret \"%s\": %s", path, strerror(errno));
    }
    /* Judged and read through one descriptor, so nothing can be swapped in between. */
    struct stat st;
    enum ub_status status =
        fstat(fd, &st) == 0 ? secret_judge(path, &st, err)
                            : ub_fail(err, UB_EIO, "cannot stat \"%s\": %s", path, strerror(errno));
    if (status == UB_OK) {
        status = secret_fill(fd, path, (size_t)st.st_size, secret_out, err);
    }
    close(fd);
    return status;
}
