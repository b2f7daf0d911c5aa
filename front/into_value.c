/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "into.h"

void into_note(struct into *into, struct conf_place place, const char *format, ...)
{
    struct front_settings *settings = into->settings;
    char text[1024], *note = NULL;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    bool has_place = place.line > 0;
    int len = has_place ? asprintf(&note, "%s:%u:%u: %s", place.file, (unsigned)place.line,
                                   (unsigned)place.column, text)
                        : asprintf(&note, "%s", text);
    if (len >= 0 && settings->note_count < INTO_NOTES_MAX) {
        settings->notes[settings->note_count++] = note;
    } else if (len >= 0) {
        free(note);
    }
}

void front_settings_fini(struct front_settings *settings)
{
    for (size_t i = 0; i < settings->note_count; i++) {
        free(settings->notes[i]);
    }
    *settings = (struct front_settings){.note_count = 0};
}

/* ---- into a block -----------------------------------------------------------------------------
 */

struct ub_where into_where(struct into *into, struct conf_place place)
{
    const char *file = place.file != NULL ? place.file : "the command line";
    return (struct ub_where){arena_copy(&into->config->arena, file, strlen(file)), place.line};
}

struct config_value *into_put(struct into *into, struct config_block *block, const char *name,
                              struct conf_place place)
{
    struct config_value *value = block_put(into->config, block, name);
    value->where = into_where(into, place);
    value->dir = into->config->dir;
    return value;
}

void into_put_text(struct into *into, struct config_block *block, const char *name,
                   struct conf_place place, const char *text)
{
    struct config_value *value = into_put(into, block, name, place);
    value->kind = VALUE_STRING;
    value->text = arena_copy(&into->config->arena, text, strlen(text));
}

void into_put_secret(struct into *into, struct config_block *block, const char *name,
                     struct conf_place place, const char *text)
{
    into_put_text(into, block, name, place, text);
    block_find(block, name)->kind = VALUE_SECRET_TEXT;
}

/* ---- kinds ------------------------------------------------------------------------------------
 */

bool into_is(struct into *into, const struct conf_value *value, enum conf_kind kind)
{
    if (value->kind == kind) {
        return true;
    }
    into_fault(into, value->place, "%s needs %s, but has %s",
               value->key != NULL ? value->key : "an item of this list", conf_kind_words(kind),
               conf_kind_words(value->kind));
    return false;
}

/* A number that stands where a text belongs is that text, as written: `password: 1234`. */
bool into_text(struct into *into, const struct conf_value *value, const char **text_out)
{
    bool is_number = value->kind == CONF_INT || value->kind == CONF_FLOAT;
    if (!is_number && !into_is(into, value, CONF_TEXT)) {
        return false;
    }
    *text_out = value->text;
    return true;
}

bool into_bool(struct into *into, const struct conf_value *value, bool *is_on_out)
{
    *is_on_out = value->boolean;
    return into_is(into, value, CONF_BOOL);
}

bool into_int(struct into *into, const struct conf_value *value, int64_t *number_out)
{
    *number_out = value->integer;
    return into_is(into, value, CONF_INT);
}

/* A bare number counts seconds, as in nats-server of old. But 2m is two million there, and whoever
 * writes it means minutes. */
bool into_duration(struct into *into, const struct conf_value *value, int64_t *ms_out)
{
    bool is_sound = value->kind == CONF_TEXT && duration_of_go(value->text, ms_out);
    if (value->kind == CONF_INT && value->has_suffix) {
        into_fault(into, value->place,
                   "%s: %s without quotes is the number %" PRId64 ": write \"%s\"", value->key,
                   value->text, value->integer, value->text);
        return false;
    }
    if (value->kind == CONF_INT && value->integer >= 0 && value->integer < INT64_MAX / 1000) {
        *ms_out = value->integer * 1000;
        is_sound = true;
    } else if (value->kind == CONF_FLOAT && value->number >= 0 && value->number < 1e12) {
        *ms_out = (int64_t)(value->number * 1000);
        is_sound = true;
    }
    if (!is_sound) {
        into_fault(into, value->place,
                   "%s is no duration: write a number with ms, s, m or h in quotes, as in \"2m\"",
                   value->key);
    }
    return is_sound;
}

/* ---- rows -------------------------------------------------------------------------------------
 */

void into_take_number(struct into *into, const struct into_row *row, const struct conf_value *value)
{
    int64_t number;
    if (into_int(into, value, &number)) {
        struct config_value *put = into_put(into, into->nats, row->say, value->place);
        put->kind = VALUE_INT;
        put->integer = number;
    }
}

/* Of connections: 0 and -1 are no limit there, which is the most that the module takes here. */
void into_take_limit(struct into *into, const struct into_row *row, const struct conf_value *value)
{
    struct conf_value copy = *value;
    bool is_unlimited = value->kind == CONF_INT && value->integer <= 0;
    if (is_unlimited) {
        copy.integer = strcmp(row->say, "max_connections") == 0 ? 1 << 24 : 0;
    }
    into_take_number(into, row, &copy);
}

void into_take_duration(struct into *into, const struct into_row *row,
                        const struct conf_value *value)
{
    int64_t ms;
    char text[32];
    if (into_duration(into, value, &ms)) {
        snprintf(text, sizeof(text), "%" PRId64 " ms", ms);
        into_put_text(into, into->nats, row->say, value->place, text);
    }
}

void into_take_string(struct into *into, const struct into_row *row, const struct conf_value *value)
{
    const char *text;
    if (into_text(into, value, &text)) {
        into_put_text(into, into->nats, row->say, value->place, text);
    }
}

void into_take_note(struct into *into, const struct into_row *row, const struct conf_value *value)
{
    bool is_off = value->kind == CONF_BOOL && !value->boolean;
    if (!is_off) {
        into_note(into, value->place, "%s %s", value->key, row->say);
    }
}

void into_take_nothing(struct into *into, const struct into_row *row,
                       const struct conf_value *value)
{
    (void)into;
    (void)row;
    (void)value;
}

void into_refuse(struct into *into, const struct into_row *row, const struct conf_value *value)
{
    bool is_off = value->kind == CONF_BOOL && !value->boolean;
    if (!is_off) {
        into_unsupported(into, value->place, "%s is not supported: %s", value->key, row->say);
    }
}
