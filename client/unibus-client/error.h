/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLIENT_ERROR_H
#define UNIBUS_CLIENT_ERROR_H

#include <stdbool.h>

/* What went wrong, in words and as a number. The numbers are the exit codes of `unibus`. */
enum unibus_status {
    UNIBUS_OK = 0,
    UNIBUS_FAILED = 1, /* anything without a number of its own */
    UNIBUS_USAGE = 2,  /* the call itself is wrong */
    UNIBUS_DENIED = 3, /* the node or the log says no */
    UNIBUS_NOT_FOUND = 4,
    UNIBUS_CONFLICT = 5,    /* it moved on; read again and decide again */
    UNIBUS_UNREACHABLE = 6, /* no answer */
    UNIBUS_UNVERIFIED = 7,  /* cryptography says no: never use what came */
    UNIBUS_TIMEOUT = 124,
};

/* Owned by the caller. code is stable: an HTTP problem code ("handle-taken"), a code of the
 * protocol ("E-SIG") or "". fix says what to do next, or is empty. */
struct unibus_err {
    enum unibus_status status;
    char code[32];
    char message[512];
    char fix[256];
};

#define UNIBUS_ERR_INIT                                                                            \
    {                                                                                              \
        UNIBUS_OK, "", "", ""                                                                      \
    }

/* Fill err and return its status, so that `return unibus_fail(err, …)` reads well. */
enum unibus_status unibus_fail(struct unibus_err *err, enum unibus_status status,
                               const char *format, ...) __attribute__((format(printf, 3, 4)));
enum unibus_status unibus_fail_code(struct unibus_err *err, enum unibus_status status,
                                    const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* A refusal by the protocol: code is an enum ubr_error; its meaning follows what was being done
 * ("cannot open the box of epoch 3: sealed box does not open"), and the fix is that of codes.h. */
enum unibus_status unibus_fail_ubr(struct unibus_err *err, enum unibus_status status, int code,
                                   const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Adds what to do next; returns the status that err holds. */
enum unibus_status unibus_fix(struct unibus_err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
