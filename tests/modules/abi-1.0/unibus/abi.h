/* SPDX-License-Identifier: Apache-2.0
 *
 * The border between the host and its modules: numbers, status, errors, byte ranges, buffers.
 *
 * History of the ABI (major.minor):
 *   1.0  first release
 *
 * Rules of the border
 *   - Major equal, module's minor <= host's.
 *   - Every struct that crosses the border starts with its size; the receiver copies
 *     min(size, own) into a zeroed struct of its own. Fields are appended, never moved or reused.
 *   - Text is UTF-8 and NUL-terminated unless it is a struct ub_bytes.
 *   - Pointers passed in are borrowed until the call returns, unless the name says `take_`.
 */
#ifndef UNIBUS_ABI_H
#define UNIBUS_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UB_ABI_MAJOR 1
#define UB_ABI_MINOR 0

#ifdef __cplusplus
#define UB_EXTERN_C extern "C"
#else
#define UB_EXTERN_C extern
#endif

#if defined(__GNUC__)
#define UB_EXPORT       __attribute__((visibility("default")))
#define UB_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define UB_MUST_USE     __attribute__((warn_unused_result))
#else
#define UB_EXPORT
#define UB_PRINTF(f, a)
#define UB_MUST_USE
#endif

/* What a fallible call answers. Zero is success; everything else comes with a filled ub_err. */
enum ub_status {
    UB_OK = 0,
    UB_EINVAL,       /* the caller's argument is wrong; trying again changes nothing */
    UB_ENOTFOUND,    /* no such thing */
    UB_EEXISTS,      /* create-only, and it is there already */
    UB_ECONFLICT,    /* the expected revision is not the current one */
    UB_EDENIED,      /* not allowed */
    UB_ELIMIT,       /* a size, count or quota would be exceeded */
    UB_EUNAVAILABLE, /* not now: queue full, store unhealthy, no quorum, shutting down */
    UB_EUNKNOWN,     /* the outcome is unknown (time-out after sending): safe to repeat */
    UB_EDAMAGED,     /* a stored record fails its checksum; never served */
    UB_EIO,          /* the operating system failed; errno is in the message */
    UB_ENOMEM,       /* no memory */
    UB_EUNSUPPORTED, /* this provider does not do that; see its capabilities */
    UB_EINTERNAL     /* a defect */
};

/* A borrowed range of bytes; valid until the call that received it returns. */
struct ub_bytes {
    const uint8_t *ptr;
    size_t len;
};

/* Where in the config something was said. line 0 = unknown. `file` lives as long as the config. */
struct ub_where {
    const char *file;
    uint32_t line;
};

#define UB_ERR_MESSAGE_MAX 512

/* Owned by the caller, filled by the callee: what, which value, where, what to do next.
 * `code` is a stable name such as "E-CONFIG-003", or empty. */
struct ub_err {
    uint32_t size;
    enum ub_status status;
    char code[32];
    struct ub_where where;
    char message[UB_ERR_MESSAGE_MAX];
};

#define UB_ERR_INIT                                                                                \
    {                                                                                              \
        sizeof(struct ub_err), UB_OK, {0}, {NULL, 0},                                              \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

/* An immutable, reference-counted range of bytes that may be kept and shared between threads.
 * Whoever makes one fills in both functions; users call ub_buf_ref / ub_buf_unref only.
 * Threads: any. */
struct ub_buf {
    uint32_t size;
    const uint8_t *ptr;
    size_t len;
    void (*ref)(struct ub_buf *buf);
    void (*unref)(struct ub_buf *buf);
};

static inline struct ub_buf *ub_buf_ref(struct ub_buf *buf)
{
    if (buf != NULL) {
        buf->ref(buf);
    }
    return buf;
}

/* Drops the caller's reference and nulls his pointer. */
static inline void ub_buf_unref(struct ub_buf **buf)
{
    if (*buf != NULL) {
        (*buf)->unref(*buf);
        *buf = NULL;
    }
}

#endif
