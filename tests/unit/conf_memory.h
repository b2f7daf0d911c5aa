/* SPDX-License-Identifier: Apache-2.0
 *
 * Files and an environment in memory for tests of the grammar of a nats.conf. */
#ifndef CONF_MEMORY_H
#define CONF_MEMORY_H

#include <stdlib.h>
#include <string.h>

#include "conf.h"

struct conf_memory {
    const char *names[8], *texts[8];
    size_t lens[8]; /* 0 = as long as the string */
    const char *env[8][2];
};

static inline bool conf_memory_read(void *ctx, const char *path, char **bytes_out, size_t *len_out,
                                    const char **why)
{
    const struct conf_memory *memory = ctx;
    for (size_t i = 0; i < 8 && memory->names[i] != NULL; i++) {
        if (strcmp(memory->names[i], path) == 0) {
            *len_out = memory->lens[i] > 0 ? memory->lens[i] : strlen(memory->texts[i]);
            *bytes_out = malloc(*len_out + 1);
            memcpy(*bytes_out, memory->texts[i], *len_out);
            return true;
        }
    }
    *why = "No such file or directory";
    return false;
}

static inline const char *conf_memory_env(void *ctx, const char *name)
{
    const struct conf_memory *memory = ctx;
    for (size_t i = 0; i < 8 && memory->env[i][0] != NULL; i++) {
        if (strcmp(memory->env[i][0], name) == 0) {
            return memory->env[i][1];
        }
    }
    return NULL;
}

#endif
