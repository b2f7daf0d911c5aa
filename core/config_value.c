/* SPDX-License-Identifier: Apache-2.0
 *
 * One value into one field: a function for each kind. */
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <unibus/error.h>

#include "config_fill.h"
#include "config_kind.h"
#include "secret.h"
#include "suggest.h"

/* ---- words ------------------------------------------------------------------------------------
 */

static void written(const struct fill *fill, char *out, size_t size)
{
    const struct config_value *value = &fill->value;
    bool is_text = value->kind != VALUE_SECRET;
    if ((fill->field.kind == UB_KIND_SECRET && is_text) || (fill->field.flags & UB_HIDDEN) != 0) {
        snprintf(out, size, "…"); /* perhaps the secret itself, written in the wrong place */
        return;
    }
    switch (value->kind) {
    case VALUE_BOOL:
        snprintf(out, size, "%s", value->boolean ? "true" : "false");
        break;
    case VALUE_INT:
        snprintf(out, size, "%" PRId64, value->integer);
        break;
    case VALUE_NUMBER:
        snprintf(out, size, "%.14g", value->number);
        break;
    case VALUE_SECRET:
        snprintf(out, size, "secret \"%s\"", value->text);
        break;
    case VALUE_STRING:
        snprintf(out, size, "\"%.200s\"", value->text);
        break;
    case VALUE_SECRET_TEXT:
        snprintf(out, size, "…");
        break;
    default:
        snprintf(out, size, "{ … }");
    }
}

static UB_PRINTF(3, 4) void fault(struct fill *fill, enum error_id id, const char *format, ...)
{
    char text[1024], value[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    written(fill, value, sizeof(value));
    if (fill->value.origin == VALUE_FROM_DEFAULT) {
        report_add(fill->report, ERROR_MODULE_TABLE, fill->block->where,
                   "%s: its own default %s = %s%s; tell the author of the module",
                   fill->block->title, fill->field.name, value, text);
        fill->is_sound = false;
        return;
    }
    struct ub_where where = fill->value.where.file != NULL ? fill->value.where : fill->block->where;
    report_add(fill->report, id, where, "%s: %s = %s%s", fill->block->title, fill->field.name,
               value, text);
    fill->is_sound = false;
}

static void default_words(const struct fill *fill, char *out, size_t size)
{
    out[0] = '\0';
    if (fill->field.default_text != NULL) {
        snprintf(out, size, " (default %s)", fill->field.default_text);
    }
}

static void amount_words(enum ub_kind kind, int64_t amount, char *out, size_t size)
{
    if (kind == UB_KIND_SIZE) {
        size_text(amount, out, size);
    } else if (kind == UB_KIND_DURATION) {
        duration_text(amount, out, size);
    } else {
        snprintf(out, size, "%" PRId64, amount);
    }
}

/* "a", "b" or "c" */
static void choice_words(const char *choices, char *out, size_t size)
{
    size_t used = 0;
    for (const char *at = choices; *at != '\0' && used < size;) {
        size_t len = strcspn(at, "|");
        const char *next = at + len + (at[len] == '|');
        const char *before = at == choices                        ? ""
                             : strchr(next, '|') || *next != '\0' ? ", "
                                                                  : " or ";
        int put = snprintf(out + used, size - used, "%s\"%.*s\"", before, (int)len, at);
        used += put > 0 ? (size_t)put : 0;
        at = next;
    }
}

/* ---- one function a kind ----------------------------------------------------------------------
 */

static void needs(struct fill *fill, const char *what)
{
    fault(fill, ERROR_CONFIG_TYPE, ": %s is needed", what);
}

static void fill_bool(struct fill *fill)
{
    if (fill->value.kind != VALUE_BOOL) {
        needs(fill, "true or false");
        return;
    }
    *(bool *)fill->slot = fill->value.boolean;
}

/* Both 0 = any value from 0 up; a maximum of 0 over a minimum = no upper limit. */
static bool is_in_range(struct fill *fill, int64_t amount)
{
    int64_t low = fill->field.min;
    int64_t high = fill->field.max == 0 && low >= 0 ? INT64_MAX : fill->field.max;
    if (amount >= low && amount <= high) {
        return true;
    }
    char from[48], to[48], standard[128];
    amount_words(fill->field.kind, low, from, sizeof(from));
    amount_words(fill->field.kind, high, to, sizeof(to));
    default_words(fill, standard, sizeof(standard));
    const char *fit = amount < low ? "small" : "large";
    if (high == INT64_MAX) {
        fault(fill, ERROR_CONFIG_RANGE, " is too %s: %s or more%s", fit, from, standard);
    } else {
        fault(fill, ERROR_CONFIG_RANGE, " is too %s: %s to %s%s", fit, from, to, standard);
    }
    return false;
}

static void fill_int(struct fill *fill)
{
    if (fill->value.kind != VALUE_INT) {
        needs(fill, "a whole number");
    } else if (is_in_range(fill, fill->value.integer)) {
        *(int64_t *)fill->slot = fill->value.integer;
    }
}

static void fill_size(struct fill *fill)
{
    int64_t bytes = fill->value.integer;
    if (fill->value.kind == VALUE_STRING && !size_parse(fill->value.text, &bytes)) {
        fault(fill, ERROR_CONFIG_FORM,
              " is no size: write a whole number with B, KiB, MiB, GiB or TiB, as in \"64 MiB\"");
    } else if (fill->value.kind != VALUE_STRING && fill->value.kind != VALUE_INT) {
        needs(fill, "a size such as \"64 MiB\"");
    } else if (is_in_range(fill, bytes)) {
        *(int64_t *)fill->slot = bytes;
    }
}

static void fill_duration(struct fill *fill)
{
    int64_t ms = 0;
    if (fill->value.kind != VALUE_STRING) {
        needs(fill, "a duration with its unit, such as \"5 min\",");
    } else if (!duration_parse(fill->value.text, &ms)) {
        fault(fill, ERROR_CONFIG_FORM,
              " is no duration: write a whole number with ms, s, min, h or d, as in \"5 min\"");
    } else if (is_in_range(fill, ms)) {
        *(int64_t *)fill->slot = ms;
    }
}

static const char *keep(struct fill *fill, const char *text)
{
    return arena_copy(&fill->settings->arena, text, strlen(text));
}

static void fill_string(struct fill *fill)
{
    if (fill->value.kind != VALUE_STRING) {
        needs(fill, fill->field.kind == UB_KIND_SERVICE ? "the name of a module" : "a text");
        return;
    }
    *(const char **)fill->slot = keep(fill, fill->value.text);
}

static void choice_fault(struct fill *fill)
{
    char all[400], hint[128], one[64];
    struct suggest suggest = {.written = fill->value.text};
    for (const char *at = fill->field.choices; *at != '\0';) {
        size_t len = strcspn(at, "|");
        snprintf(one, sizeof(one), "%.*s", (int)len, at);
        suggest_offer(&suggest, keep(fill, one));
        at += len + (at[len] == '|');
    }
    choice_words(fill->field.choices, all, sizeof(all));
    suggest_text(&suggest, hint, sizeof(hint));
    fault(fill, ERROR_CONFIG_CHOICE, " is not among the choices: %s%s", all, hint);
}

static void fill_choice(struct fill *fill)
{
    if (fill->value.kind != VALUE_STRING) {
        char all[400];
        choice_words(fill->field.choices, all, sizeof(all));
        needs(fill, all);
        return;
    }
    int index = 0;
    for (const char *at = fill->field.choices; *at != '\0'; index++) {
        size_t len = strcspn(at, "|");
        if (strlen(fill->value.text) == len && memcmp(fill->value.text, at, len) == 0) {
            *(int *)fill->slot = index;
            return;
        }
        at += len + (at[len] == '|');
    }
    choice_fault(fill);
}

/* ---- paths ------------------------------------------------------------------------------------
 */

static const char *path_fault(const char *path)
{
    if (path[0] == '\0') {
        return " is empty";
    }
    for (const char *at = path; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7F) {
            return " has a control character in it";
        }
    }
    return strlen(path) >= PATH_MAX / 2 ? " is too long for a path" : NULL;
}

/* --set is said in the shell's folder, a default in the config's, the rest in its file's. */
static const char *path_join(struct fill *fill, const char *path)
{
    if (path[0] == '/') {
        return keep(fill, path);
    }
    char here[PATH_MAX] = "/";
    const char *base = fill->value.dir != NULL ? fill->value.dir : fill->context->config_dir;
    if (fill->value.origin == VALUE_FROM_SET && !fill->context->is_kit &&
        getcwd(here, sizeof(here)) != NULL) {
        base = here;
    }
    return arena_printf(&fill->settings->arena, "%s%s%s", base,
                        base[strlen(base) - 1] == '/' ? "" : "/", path);
}

static void fill_path(struct fill *fill)
{
    if (fill->value.kind != VALUE_STRING) {
        needs(fill, "a path");
        return;
    }
    const char *why = path_fault(fill->value.text);
    if (why != NULL) {
        fault(fill, ERROR_CONFIG_FORM, "%s", why);
        return;
    }
    *(const char **)fill->slot = path_join(fill, fill->value.text);
}

static bool path_has_dot_dot(const char *path)
{
    for (const char *at = path; *at != '\0';) {
        size_t len = strcspn(at, "/");
        if (len == 2 && at[0] == '.' && at[1] == '.') {
            return true;
        }
        at += len + strspn(at + len, "/");
    }
    return false;
}

static void fill_state_path(struct fill *fill)
{
    if (fill->value.kind != VALUE_STRING) {
        needs(fill, "a path below node.state");
        return;
    }
    const char *path = fill->value.text;
    const char *why = path_fault(path);
    if (why != NULL) {
        fault(fill, ERROR_CONFIG_FORM, "%s", why);
    } else if (path[0] == '/' || path_has_dot_dot(path)) {
        fault(fill, ERROR_CONFIG_STATE_PATH,
              " leaves node.state: write a path below %s, without \"..\"",
              fill->context->state_dir);
    } else {
        *(const char **)fill->slot =
            arena_printf(&fill->settings->arena, "%s/%s", fill->context->state_dir, path);
    }
}

/* Takes the text into guarded memory and leaves nothing where it stood: that is memory of the
 * config, which stays as long as the node. */
static enum ub_status take_secret_text(struct fill *fill, struct ub_secret **secret_out,
                                       struct ub_err *err)
{
    char *text = (char *)(uintptr_t)fill->value.text;
    *secret_out = secret_new(text, strlen(text));
    explicit_bzero(text, strlen(text));
    return *secret_out != NULL ? UB_OK : ub_fail(err, UB_ENOMEM, "no memory for a secret");
}

static void fill_secret(struct fill *fill)
{
    struct ub_err err = UB_ERR_INIT;
    struct ub_secret *secret = NULL;
    enum ub_status status;
    if (fill->value.kind == VALUE_SECRET_TEXT) {
        status = take_secret_text(fill, &secret, &err);
    } else if (fill->value.kind == VALUE_SECRET) {
        status = secret_read(path_join(fill, fill->value.text), &secret, &err);
    } else {
        needs(fill, "secret \"file\"");
        return;
    }
    if (status != UB_OK) {
        report_add(fill->report, ERROR_CONFIG_SECRET, fill->value.where, "%s: %s: %s",
                   fill->block->title, fill->field.name, err.message);
        fill->is_sound = false;
        return;
    }
    struct kept_secret *kept = arena_alloc(&fill->settings->arena, 1, sizeof(*kept));
    *kept = (struct kept_secret){fill->settings->secrets, secret};
    fill->settings->secrets = kept;
    *(struct ub_secret **)fill->slot = secret;
}

/* ---- lists ------------------------------------------------------------------------------------
 */

/* One text counts as a list of one; false with a fault when it is neither. */
static bool list_of(struct fill *fill, const char *const **items_out, size_t *count_out,
                    const char *what)
{
    if (fill->value.kind == VALUE_STRING) {
        *items_out = &fill->value.text;
        *count_out = 1;
        return true;
    }
    if (fill->value.kind == VALUE_LIST) {
        *items_out = fill->value.items;
        *count_out = fill->value.item_count;
        return true;
    }
    needs(fill, what);
    return false;
}

static void fill_strings(struct fill *fill)
{
    const char *const *items = NULL;
    size_t count = 0;
    if (!list_of(fill, &items, &count, "a text or a list of texts")) {
        return;
    }
    const char **kept = arena_alloc(&fill->settings->arena, count + 1, sizeof(*kept));
    for (size_t i = 0; i < count; i++) {
        kept[i] = keep(fill, items[i]);
    }
    *(struct ub_strings *)fill->slot = (struct ub_strings){count, kept};
}

static void listen_fault(struct fill *fill, const char *item, const char *why)
{
    struct config_value whole = fill->value;
    fill->value.kind = VALUE_STRING; /* so that the message shows this one */
    fill->value.text = item;
    fault(fill, ERROR_CONFIG_FORM, ": %s", why);
    fill->value = whole;
}

static void fill_listen(struct fill *fill)
{
    const char *const *items = NULL;
    size_t count = 0;
    if (!list_of(fill, &items, &count,
                 "an address such as \"127.0.0.1:8470\", or a list of them,")) {
        return;
    }
    struct ub_listen *listens = arena_alloc(&fill->settings->arena, count + 1, sizeof(*listens));
    for (size_t i = 0; i < count; i++) {
        const char *why = listen_parse(&fill->settings->arena, items[i], &listens[i]);
        for (size_t j = 0; j < i && why == NULL; j++) {
            why = strcmp(items[i], items[j]) == 0 ? "named twice" : NULL;
        }
        if (why != NULL) {
            listen_fault(fill, items[i], why);
        }
    }
    *(struct ub_listens *)fill->slot = (struct ub_listens){count, listens};
}

static void fill_list_of_records(struct fill *fill)
{
    if (fill->value.origin == VALUE_FROM_SET) {
        fault(fill, ERROR_CONFIG_TYPE,
              " cannot be given by --set: a list of tables is written in the config file");
    } else if (fill->value.kind == VALUE_RECORDS ||
               (fill->value.kind == VALUE_LIST && fill->value.item_count == 0)) {
        fill_records(fill);
    } else {
        needs(fill, "a list of tables such as { { … }, { … } }");
    }
}

static void (*const fill_kinds[])(struct fill *fill) = {
    [UB_KIND_BOOL] = fill_bool,
    [UB_KIND_INT] = fill_int,
    [UB_KIND_SIZE] = fill_size,
    [UB_KIND_DURATION] = fill_duration,
    [UB_KIND_STRING] = fill_string,
    [UB_KIND_CHOICE] = fill_choice,
    [UB_KIND_PATH] = fill_path,
    [UB_KIND_STATE_PATH] = fill_state_path,
    [UB_KIND_SECRET] = fill_secret,
    [UB_KIND_LISTEN] = fill_listen,
    [UB_KIND_STRINGS] = fill_strings,
    [UB_KIND_SERVICE] = fill_string,
    [UB_KIND_RECORDS] = fill_list_of_records,
};

void fill_value(struct fill *fill)
{
    fill_kinds[fill->field.kind](fill);
}
