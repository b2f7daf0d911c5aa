/* SPDX-License-Identifier: Apache-2.0
 *
 * The config loader on any texts: Lua, lines of keys, include and envfile, --set, and a settings
 * table of every kind. A line "--@NAME" begins the next file, which lies beside the main one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <core/config.h>

struct every_record {
    const char *text;
    int64_t number;
    struct {
        struct ub_strings names;
    } in;
};

struct every_kind {
    bool flag;
    int64_t number, size, time;
    const char *text;
    int choice;
    const char *path, *state, *service;
    struct ub_listens listen;
    struct ub_strings names;
    struct ub_records list;
};

static const struct ub_field record_fields[] = {
    UB_FIELD_STRING(struct every_record, text, NULL, UB_REQUIRED, ""),
    UB_FIELD_INT(struct every_record, number, "5", 1, 10, 0, ""),
    UB_FIELD_STRINGS(struct every_record, in.names, "a", 0, ""),
};

static const struct ub_record record = UB_RECORD(struct every_record, record_fields);

static const struct ub_field fields[] = {
    UB_FIELD_BOOL(struct every_kind, flag, NULL, 0, ""),
    UB_FIELD_INT(struct every_kind, number, "5", 1, 10, 0, ""),
    UB_FIELD_SIZE(struct every_kind, size, "1 MiB", 1, 0, 0, ""),
    UB_FIELD_DURATION(struct every_kind, time, "5 min", 0, 0, 0, ""),
    UB_FIELD_STRING(struct every_kind, text, NULL, 0, ""),
    UB_FIELD_CHOICE(struct every_kind, choice, "a", "a|bc|def", 0, ""),
    UB_FIELD_PATH(struct every_kind, path, NULL, 0, ""),
    UB_FIELD_STATE_PATH(struct every_kind, state, "x", 0, ""),
    UB_FIELD_SERVICE(struct every_kind, service, "ub.kv", 0, ""),
    UB_FIELD_LISTEN(struct every_kind, listen, NULL, 0, ""),
    UB_FIELD_STRINGS(struct every_kind, names, NULL, 0, ""),
    UB_FIELD_RECORDS(struct every_kind, list, record, 0, ""),
};

static const struct field_table table = {fields, sizeof(fields) / sizeof(fields[0]),
                                         sizeof(fields[0]), sizeof(struct every_kind)};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);

/* Lua lives on realloc, whose hooks libFuzzer miscounts: it then looks for leaks after most runs,
 * finds none, and is 20 times slower. The unit tests of the config look for leaks. */
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

/* The last line, as a C string, is the assignment of a --set. */
static void set_from_tail(struct config *config, const uint8_t *data, size_t size,
                          struct report *report)
{
    char assignment[256];
    const uint8_t *newline = size > 0 ? memrchr(data, '\n', size) : NULL;
    size_t start = newline != NULL ? (size_t)(newline - data) + 1 : size;
    size_t len = size - start < sizeof(assignment) - 1 ? size - start : sizeof(assignment) - 1;
    memcpy(assignment, data + start, len);
    assignment[len] = '\0';
    config_set(config, assignment, report);
}

#define FILES_MAX 8

struct files {
    struct virtual_file items[FILES_MAX];
    char paths[FILES_MAX][128];
    size_t count;
};

/* Where the next "\n--@" begins, or the end. */
static const char *next_mark(const char *at, const char *end)
{
    const char *mark = memmem(at, (size_t)(end - at), "\n--@", 4);
    return mark != NULL ? mark : end;
}

/* All files but the first. */
static void split(struct files *files, const char *at, const char *end)
{
    while (at < end && files->count < FILES_MAX) {
        const char *name = at + 4; /* behind the mark */
        const char *name_end = memchr(name, '\n', (size_t)(end - name));
        name_end = name_end != NULL ? name_end : end;
        const char *text = name_end < end ? name_end + 1 : end;
        at = next_mark(name_end, end);
        char *path = files->paths[files->count];
        snprintf(path, sizeof(files->paths[0]), "/etc/unibus/%.*s",
                 (int)(name_end - name < 64 ? name_end - name : 64), name);
        size_t len = at > text ? (size_t)(at - text) : 0;
        files->items[files->count++] = (struct virtual_file){path, text, len};
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct files files;
    const char *text = (const char *)data;
    const char *main_end = size > 0 ? next_mark(text, text + size) : text;
    static const struct fill_context context = {.config_dir = "/etc/unibus", .state_dir = "/state"};
    struct config config;
    struct core_settings core = {.node = {NULL, NULL}};
    struct report report = {.items = NULL};
    config_init(&config);
    files.count = 0;
    split(&files, main_end, text + size);
    config.virtual_files = files.items;
    config.virtual_count = files.count;
    config_load_text(&config, "fuzz.lua", "/etc/unibus", text, (size_t)(main_end - text), &report);
    set_from_tail(&config, data, size, &report);
    core_settings_fill(&core, &config, &report);
    for (size_t i = 0; i < config.module_count; i++) {
        struct settings settings;
        settings_fill(&settings, &table, &config.modules[i], &context, &report);
        settings_fini(&settings);
    }
    report_sort(&report);
    core_settings_fini(&core);
    config_fini(&config);
    report_fini(&report);
    return 0;
}
