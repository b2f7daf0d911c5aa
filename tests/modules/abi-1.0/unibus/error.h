/* SPDX-License-Identifier: Apache-2.0
 *
 * Filling and reading struct ub_err. Header-only, so that a module needs no library. */
#ifndef UNIBUS_ERROR_H
#define UNIBUS_ERROR_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <unibus/abi.h>

/* Sets status and message; returns the status, so that `return ub_fail(err, UB_EIO, …)` reads well.
 * err may be NULL when the caller does not want words. Wording: what, which value, what to do. */
static inline UB_PRINTF(3, 4) enum ub_status
    ub_fail(struct ub_err *err, enum ub_status status, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        err->status = status;
        vsnprintf(err->message, sizeof(err->message), format, args);
        va_end(args);
    }
    return status;
}

/* As ub_fail, with a stable code such as "E-CONFIG-003". */
static inline UB_PRINTF(4, 5) enum ub_status ub_fail_code(struct ub_err *err, enum ub_status status,
                                                          const char *code, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        err->status = status;
        snprintf(err->code, sizeof(err->code), "%s", code);
        vsnprintf(err->message, sizeof(err->message), format, args);
        va_end(args);
    }
    return status;
}

/* The word for a status, for logs. */
static inline const char *ub_status_name(enum ub_status status)
{
    static const char *const names[] = {"ok",          "invalid",       "not found", "exists",
                                        "conflict",    "denied",        "limit",     "unavailable",
                                        "unknown",     "damaged",       "I/O error", "no memory",
                                        "unsupported", "internal error"};
    return (unsigned)status < sizeof(names) / sizeof(names[0]) ? names[status] : "unknown status";
}

#endif
