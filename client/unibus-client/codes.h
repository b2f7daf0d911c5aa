/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLIENT_CODES_H
#define UNIBUS_CLIENT_CODES_H

#include <stdbool.h>
#include <stddef.h>

/* Every code that unibus_err may hold: the node's problem codes and those of UBR1. */
struct unibus_code {
    const char *code;    /* "handle-taken", "E-SIG" */
    const char *meaning; /* one line without final stop */
    const char *who;     /* who can mend it: "caller", "admin", "operator" */
    const char *fix;     /* what to do next, or "" */
};

/* All of them, in order. *cursor starts at 0; false at the end. */
bool unibus_code_next(size_t *cursor, struct unibus_code *code_out);
/* False, and *code_out stays as it is, when there is none of that name. */
bool unibus_code_find(const char *name, struct unibus_code *code_out);

#endif
