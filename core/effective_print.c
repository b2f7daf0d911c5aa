/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "effective.h"

#define NAME_WIDTH_MAX  40 /* longer ones push their line to the right */
#define VALUE_WIDTH_MAX 44

static const void *slot_of(const struct effective *effective)
{
    return (const uint8_t *)effective->of.data + effective->field.offset;
}

/* ---- values, as the config would say them ------------------------------------------------------
 */

static char *quoted(const char *before, const char *dir, const char *text)
{
    char *all = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&all, &len);
    CHECK(out != NULL);
    fprintf(out, "%s\"", before);
    log_escape(out, dir, LOG_ESCAPE_LUA);
    log_escape(out, text, LOG_ESCAPE_LUA);
    fputc('"', out);
    CHECK(fclose(out) == 0);
    return all;
}

static char *nil_text(void)
{
    char *text = strdup("nil");
    CHECK(text != NULL);
    return text;
}

/* The module sees the whole path; the config says what lies below node.state. */
static char *state_path_text(const struct plan *plan, const struct effective *effective)
{
    const char *path = *(const char *const *)slot_of(effective);
    size_t len = strlen(plan->state_dir);
    bool is_below = path != NULL && strncmp(path, plan->state_dir, len) == 0 && path[len] == '/';
    return is_below ? quoted("", "", path + len + 1) : nil_text();
}

/* Absolute, because the output may be read again elsewhere. */
static char *secret_text(const struct effective *effective)
{
    const struct config_value *said = effective->said;
    if (said == NULL || said->text == NULL || said->kind == VALUE_SECRET_TEXT) {
        return nil_text();
    }
    bool is_relative = said->text[0] != '/' && said->dir != NULL;
    char *dir = NULL;
    CHECK(asprintf(&dir, "%s%s", is_relative ? said->dir : "", is_relative ? "/" : "") >= 0);
    char *text = quoted("secret ", dir, said->text);
    free(dir);
    return text;
}

/* 0 stands for "not given" where there is no default. */
static bool is_absent_number(const struct effective *effective)
{
    enum ub_kind kind = effective->field.kind;
    bool is_number = kind == UB_KIND_INT || kind == UB_KIND_SIZE || kind == UB_KIND_DURATION;
    return is_number && effective->said == NULL && effective->field.default_text == NULL;
}

static char *value_text(const struct plan *plan, const struct effective *effective)
{
    if (effective->field.kind == UB_KIND_STATE_PATH) {
        return state_path_text(plan, effective);
    }
    if (effective->field.kind == UB_KIND_SECRET) {
        return secret_text(effective);
    }
    return is_absent_number(effective) ? nil_text() : effective_text(effective);
}

/* ---- lines ------------------------------------------------------------------------------------
 */

struct line {
    char *key, *value;
    char origin[512];
};

static char *key_text(const struct effective *effective)
{
    char *key = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&key, &len);
    CHECK(out != NULL);
    effective_write_key(out, effective->field.name != NULL ? effective->field.name
                                                           : effective->said->name);
    CHECK(fclose(out) == 0);
    return key;
}

static struct line line_of(const struct plan *plan, const struct effective *effective)
{
    struct line line = {.key = key_text(effective), .value = value_text(plan, effective)};
    effective_origin(effective, line.origin, sizeof(line.origin));
    return line;
}

static int widest(int width, const char *text, int most)
{
    size_t len = strlen(text);
    return len <= (size_t)most && (int)len > width ? (int)len : width;
}

static void print_lines(const struct line *lines, size_t count, FILE *out)
{
    int key_width = 0, value_width = 0;
    for (size_t i = 0; i < count; i++) {
        key_width = widest(key_width, lines[i].key, NAME_WIDTH_MAX);
        value_width = widest(value_width, lines[i].value, VALUE_WIDTH_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        int pad = value_width - (int)strlen(lines[i].value);
        fprintf(out, "  %-*s = %s,%*s  -- ", key_width, lines[i].key, lines[i].value,
                pad > 0 ? pad : 0, "");
        log_escape(out, lines[i].origin, LOG_ESCAPE_QUOTED);
        fputc('\n', out);
    }
}

static void print_block(const struct plan *plan, const struct plan_block *block, FILE *out)
{
    struct effective effective;
    size_t count = 0;
    struct line *lines = calloc(block->table.count + 2, sizeof(*lines));
    CHECK(lines != NULL);
    while (effective_at(block, (uint32_t)count, &effective)) {
        lines[count++] = line_of(plan, &effective);
    }
    fprintf(out, "\n%s {%s", block->block->title, count > 0 ? "\n" : "");
    print_lines(lines, count, out);
    fputs("}\n", out);
    for (size_t i = 0; i < count; i++) {
        free(lines[i].key);
        free(lines[i].value);
    }
    free(lines);
}

void effective_print(const struct plan *plan, FILE *out)
{
    struct plan_block block;
    fputs("-- The settings in force of ", out);
    log_escape(out, plan->config.file, LOG_ESCAPE_QUOTED);
    fputs(", each with its origin\nunibus \"1\"\n", out);
    for (size_t i = 0; plan_block_at(plan, i, &block); i++) {
        print_block(plan, &block, out);
    }
}
