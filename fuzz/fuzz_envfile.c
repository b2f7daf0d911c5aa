/* SPDX-License-Identifier: Apache-2.0
 *
 * An env file of any bytes. What was taken, written again in single quotes, reads as the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <core/config_envfile.h>

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct envfile *envfile, FILE *out)
{
    for (size_t i = 0; i < envfile->count; i++) {
        const struct envfile_entry *entry = &envfile->items[i];
        bool has_quote = strchr(entry->value, '\'') != NULL;
        fprintf(out, "%s=%s", entry->name, has_quote ? "\"" : "'");
        for (const char *at = entry->value; *at != '\0'; at++) {
            fprintf(out, has_quote && strchr("\"\\$`", *at) != NULL ? "\\%c" : "%c", *at);
        }
        fprintf(out, "%s\n", has_quote ? "\"" : "'");
    }
}

static void must_read_the_same(struct arena *arena, const struct envfile *first)
{
    char *text = NULL;
    size_t len = 0;
    struct report report = {.items = NULL};
    struct envfile second;
    FILE *out = open_memstream(&text, &len);
    write_again(first, out);
    fclose(out);
    envfile_parse(arena, "again.env", text, len, &second, &report);
    MUST(second.is_sound && report.count == 0 && second.count == first->count);
    for (size_t i = 0; i < first->count; i++) {
        MUST(strcmp(first->items[i].name, second.items[i].name) == 0);
        MUST(strcmp(first->items[i].value, second.items[i].value) == 0);
    }
    report_fini(&report);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {NULL};
    struct report report = {.items = NULL};
    struct envfile envfile;
    if (size > 0 && memchr(data, '\0', size) != NULL) {
        return 0; /* refused before (config_files.c) */
    }
    envfile_parse(&arena, "fuzz.env", (const char *)data, size, &envfile, &report);
    MUST(envfile.is_sound == (report.count == 0));
    must_read_the_same(&arena, &envfile);
    report_fini(&report);
    arena_fini(&arena);
    return 0;
}
