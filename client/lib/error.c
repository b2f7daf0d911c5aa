/* SPDX-License-Identifier: Apache-2.0 */
#include <unibus-client/error.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <ubr/error.h>

#include <unibus-client/codes.h>

static enum unibus_status fill(struct unibus_err *err, enum unibus_status status, const char *code,
                               const char *format, va_list args)
    __attribute__((format(printf, 4, 0)));

static enum unibus_status fill(struct unibus_err *err, enum unibus_status status, const char *code,
                               const char *format, va_list args)
{
    err->status = status;
    err->fix[0] = '\0';
    snprintf(err->code, sizeof(err->code), "%s", code);
    vsnprintf(err->message, sizeof(err->message), format, args);
    return status;
}

enum unibus_status unibus_fail(struct unibus_err *err, enum unibus_status status,
                               const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, status, "", format, args);
    va_end(args);
    return status;
}

enum unibus_status unibus_fail_code(struct unibus_err *err, enum unibus_status status,
                                    const char *code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, status, code, format, args);
    va_end(args);
    return status;
}

enum unibus_status unibus_fail_ubr(struct unibus_err *err, enum unibus_status status, int code,
                                   const char *format, ...)
{
    const char *name = ubr_error_name((enum ubr_error)code);
    va_list args;
    va_start(args, format);
    fill(err, status, name, format, args);
    va_end(args);
    size_t len = strlen(err->message);
    snprintf(err->message + len, sizeof(err->message) - len, ": %s",
             ubr_error_meaning((enum ubr_error)code));
    struct unibus_code known;
    if (unibus_code_find(name, &known)) {
        snprintf(err->fix, sizeof(err->fix), "%s", known.fix);
    }
    return status;
}

enum unibus_status unibus_fix(struct unibus_err *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(err->fix, sizeof(err->fix), format, args);
    va_end(args);
    return err->status;
}
