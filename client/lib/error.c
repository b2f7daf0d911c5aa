/* SPDX-License-Identifier: Apache-2.0 */
#include <unibus-client/error.h>

#include <stdarg.h>
#include <stdio.h>

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

enum unibus_status unibus_fix(struct unibus_err *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(err->fix, sizeof(err->fix), format, args);
    va_end(args);
    return err->status;
}
