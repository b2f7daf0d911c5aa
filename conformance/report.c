/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <jansson.h>

#include "table.h"

#define OUTCOME_COUNT (OUTCOME_HUNG + 1)

size_t report_count(const struct result *results, size_t count, const char *suite,
                    enum outcome outcome)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        bool is_meant = suite == NULL || strcmp(results[i].suite, suite) == 0;
        found += is_meant && results[i].outcome == outcome;
    }
    return found;
}

static size_t count_bad(const struct result *results, size_t count, const char *suite)
{
    size_t found = 0;
    for (int outcome = OUTCOME_FAILED; outcome < OUTCOME_COUNT; outcome++) {
        found += report_count(results, count, suite, (enum outcome)outcome);
    }
    return found;
}

/* From text that may be anything. */
static json_t *safe_json(const char *text)
{
    json_t *value = json_string(text);
    return value != NULL ? value : json_string("(not UTF-8)");
}

static json_t *case_json(const struct result *result)
{
    json_t *one = json_pack("{s:s, s:s, s:s, s:s, s:I}", "suite", result->suite, "name",
                            result->one->name, "doc", result->one->doc, "outcome",
                            outcome_name(result->outcome), "ms", (json_int_t)result->took_ms);
    if (result->words[0] != '\0') {
        json_object_set_new(one, "words", safe_json(result->words));
    }
    if (outcome_is_bad(result->outcome) && result->log[0] != '\0') {
        json_object_set_new(one, "log", safe_json(result->log));
    }
    return one;
}

json_t *report_results(const json_t *about, const struct result *results, size_t count)
{
    json_t *counts = json_object(), *cases = json_array();
    for (int outcome = 0; outcome < OUTCOME_COUNT; outcome++) {
        json_object_set_new(
            counts, outcome_name((enum outcome)outcome),
            json_integer((json_int_t)report_count(results, count, NULL, (enum outcome)outcome)));
    }
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(cases, case_json(&results[i]));
    }
    return json_pack("{s:b, s:O, s:O, s:o, s:o}", "ok", count_bad(results, count, NULL) == 0,
                     "module", json_object_get(about, "name"), "version",
                     json_object_get(about, "version"), "counts", counts, "cases", cases);
}

static void number_text(size_t number, char out[24])
{
    snprintf(out, 24, "%zu", number);
}

static void seconds_text(int64_t ms, char out[24])
{
    snprintf(out, 24, "%" PRId64 ".%" PRId64 " s", ms / 1000, ms % 1000 / 100);
}

static void add_suite(struct table *table, const struct result *results, size_t count,
                      const char *suite)
{
    char all[24], passed[24], skipped[24], bad[24], took[24];
    size_t cases = 0;
    int64_t took_ms = 0;
    for (size_t i = 0; i < count; i++) {
        bool is_meant = strcmp(results[i].suite, suite) == 0;
        cases += is_meant;
        took_ms += is_meant ? results[i].took_ms : 0;
    }
    number_text(cases, all);
    number_text(report_count(results, count, suite, OUTCOME_PASSED), passed);
    number_text(report_count(results, count, suite, OUTCOME_SKIPPED), skipped);
    number_text(count_bad(results, count, suite), bad);
    seconds_text(took_ms, took);
    table_row(table, suite, all, passed, skipped, bad, took);
}

/* One row an interface. */
static void print_suites(const struct result *results, size_t count, FILE *out)
{
    struct table *table = table_new(6);
    table_row(table, "INTERFACE", "CASES", "PASSED", "SKIPPED", "FAILED", "TIME");
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(results[i].suite, results[i - 1].suite) != 0) {
            add_suite(table, results, count, results[i].suite);
        }
    }
    table_print(table, out);
    table_free(&table);
}

/* The cases of one interface, from the first of them; answers how many. */
static size_t print_cases(const struct result *results, size_t count, FILE *out)
{
    struct table *table = table_new(4);
    size_t i = 0;
    table_row(table, results->suite, "RESULT", "TIME", "WHAT IT DEMANDS");
    for (; i < count && strcmp(results[i].suite, results->suite) == 0; i++) {
        char took[24];
        seconds_text(results[i].took_ms, took);
        table_row(table, results[i].one->name, outcome_name(results[i].outcome), took,
                  results[i].one->doc);
    }
    table_print(table, out);
    table_free(&table);
    fputc('\n', out);
    return i;
}

static void print_bad(const struct result *result, FILE *out)
{
    fprintf(out, "\n%s  %s %s: %s\n    ", outcome_name(result->outcome), result->suite,
            result->one->name, result->one->doc);
    table_safe(result->words, out);
    fputc('\n', out);
    for (const char *line = result->log; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        char text[256];
        snprintf(text, sizeof(text), "%.*s", (int)len, line);
        fputs("    | ", out);
        table_safe(text, out);
        fputc('\n', out);
        line += len + (line[len] == '\n');
    }
}

void report_print_results(const json_t *about, const struct result *results, size_t count,
                          bool is_verbose, FILE *out)
{
    size_t bad = count_bad(results, count, NULL);
    const char *name = json_string_value(json_object_get(about, "name"));
    for (size_t i = 0; is_verbose && i < count;) {
        i += print_cases(&results[i], count - i, out);
    }
    print_suites(results, count, out);
    for (size_t i = 0; i < count; i++) {
        if (outcome_is_bad(results[i].outcome)) {
            print_bad(&results[i], out);
        } else if (results[i].outcome == OUTCOME_SKIPPED && (is_verbose || bad == 0)) {
            fprintf(out, "skipped  %s %s: ", results[i].suite, results[i].one->name);
            table_safe(results[i].words, out);
            fputc('\n', out);
        }
    }
    fprintf(out, "\n%s: %zu cases, %zu passed, %zu skipped, %zu failed\n", name, count,
            report_count(results, count, NULL, OUTCOME_PASSED),
            report_count(results, count, NULL, OUTCOME_SKIPPED), bad);
}

void report_print_errors(const json_t *about, FILE *out)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(about, "errors"), i, one)
    {
        const char *message = json_string_value(json_object_get(one, "message"));
        const char *code = json_string_value(json_object_get(one, "code"));
        const char *fix = json_string_value(json_object_get(one, "fix"));
        table_safe(message != NULL ? message : "", out);
        fprintf(out, " [%s]\n  %s\n", code != NULL ? code : "", fix != NULL ? fix : "");
    }
}
