/* SPDX-License-Identifier: Apache-2.0
 *
 * Queries as they come: the value of a parameter is found where a plain search finds it, and stays
 * within its room. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "must.h"
#include "path.h"

#define ROOM 16

/* Where the value of the parameter starts, by looking at every place; NULL = there is none. */
static const char *search(const char *query, const char *name)
{
    char wanted[16];
    snprintf(wanted, sizeof(wanted), "%s=", name);
    for (const char *at = query; *at != '\0'; at++) {
        if ((at == query || at[-1] == '&') && strncmp(at, wanted, strlen(wanted)) == 0) {
            return at + strlen(wanted);
        }
    }
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"since", "limit", "a"};
    char *query = malloc(size + 1);
    MUST(query != NULL);
    memcpy(query, data, size);
    query[size] = '\0';
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *out = malloc(ROOM), decoded[ROOM]; /* from the heap: ASan sees a byte too far */
        MUST(out != NULL);
        const char *value = search(query, names[i]);
        bool is_fine = http_query_value(query, names[i], out, ROOM);
        size_t len = value == NULL ? 0 : strcspn(value, "&");
        if (value == NULL) {
            MUST(is_fine && out[0] == '\0');
        } else if (len >= ROOM) {
            MUST(!is_fine);
        } else {
            MUST(is_fine == (http_segment_decode(value, len, decoded) == NULL));
            MUST(!is_fine || strcmp(out, decoded) == 0);
        }
        free(out);
    }
    free(query);
    return 0;
}
