/* SPDX-License-Identifier: Apache-2.0
 *
 * What an unquoted word is: a boolean, a date, a number, or a text. "10.0.0.1", "2min" and "3rd"
 * are texts, as in nats-server: what begins like a number and goes on otherwise. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf_read.h"

static bool take_bool(const char *word, struct conf_value *value)
{
    static const char *const words[] = {"true", "yes", "on", "false", "no", "off"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(word, words[i]) == 0) {
            value->kind = CONF_BOOL;
            value->boolean = i < 3;
            return true;
        }
    }
    return false;
}

/* 2026-11-23T12:00:00Z, and no other zone. */
static bool take_date(const char *word, struct conf_value *value)
{
    static const char form[] = "0000-00-00T00:00:00Z";
    for (size_t i = 0; i < sizeof(form); i++) {
        bool is_digit = form[i] == '0';
        if (is_digit ? !isdigit((unsigned char)word[i]) : word[i] != form[i]) {
            return false;
        }
    }
    value->kind = CONF_DATE;
    return true;
}

/* The factor of k, kb, ki, kib, m … e; 1 for none, 0 for what is no suffix. */
static int64_t suffix_factor(const char *suffix)
{
    static const char letters[] = "kmgtpe";
    if (*suffix == '\0') {
        return 1;
    }
    const char *letter = strchr(letters, tolower((unsigned char)*suffix));
    if (letter == NULL) {
        return 0;
    }
    static const char *const rests[] = {"b", "i", "ib"};
    bool is_binary = false;
    for (size_t i = 0; i < 3; i++) {
        is_binary |= strcasecmp(suffix + 1, rests[i]) == 0;
    }
    if (!is_binary && suffix[1] != '\0') {
        return 0;
    }
    int64_t factor = 1;
    for (ptrdiff_t i = 0; i <= letter - letters; i++) {
        factor *= is_binary ? 1024 : 1000;
    }
    return factor;
}

static bool take_integer(struct conf_file *file, struct conf_place place, const char *word,
                         struct conf_value *value)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(word, &end, 10);
    int64_t factor = suffix_factor(end), product;
    if (factor == 0) {
        return false;
    }
    if (errno != 0 || __builtin_mul_overflow((int64_t)number, factor, &product)) {
        if (!file->is_broken) {
            conf_fault(file->report, ERROR_FRONT_SYNTAX, place, "%.100s is too large for a number",
                       word);
        }
        file->is_broken = true;
        return true;
    }
    value->kind = CONF_INT;
    value->integer = product;
    value->has_suffix = *end != '\0';
    return true;
}

/* 1.5, -0.25; "1.2.3.4" and "1." are none. */
static bool take_float(const char *word, struct conf_value *value)
{
    const char *at = word + (*word == '-');
    size_t whole = strspn(at, "0123456789");
    size_t part = at[whole] == '.' ? strspn(at + whole + 1, "0123456789") : 0;
    if (whole == 0 || part == 0 || at[whole + 1 + part] != '\0') {
        return false;
    }
    value->kind = CONF_FLOAT;
    value->number = strtod(word, NULL);
    return true;
}

bool conf_judge_word(struct conf_file *file, struct conf_place place, const char *word,
                     struct conf_value *value)
{
    const char *digits = word + (*word == '-');
    bool is_numeric = isdigit((unsigned char)*digits) != 0;
    value->text = word;
    value->kind = CONF_TEXT;
    if (take_bool(word, value) || !is_numeric) {
        return true;
    }
    if (take_date(word, value) || take_float(word, value)) {
        return true;
    }
    take_integer(file, place, word, value);
    return !file->is_broken;
}
