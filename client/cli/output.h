/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLI_OUTPUT_H
#define UNIBUS_CLI_OUTPUT_H

#include "cli.h"

/* Every command makes one JSON document; with --json it is printed, without it a table or a list of
 * fields is made from the same. Control characters never reach the terminal. */

struct out_column {
    const char *key;
    const char *title;
};

/* An array of objects. columns ends with a NULL key. Takes the reference. */
void out_table(const struct cli *cli, json_t *rows, const struct out_column *columns);
/* One object: a line a field; absent fields are left out. Takes the reference. */
void out_fields(const struct cli *cli, json_t *object, const struct out_column *fields);
/* One line of JSON, at once. Takes the reference. */
void out_json_line(json_t *object);
/* Text that others wrote, on one line: control and bidirectional characters and what is no UTF-8
 * become '?'. */
void out_safe(FILE *to, const char *text, size_t len);
/* The same with its line ends; further lines are indented, so that none looks like another's. */
void out_safe_lines(FILE *to, const char *text, size_t len);
/* A string of JSON, also from what is no UTF-8. */
json_t *out_json_text(const char *text);
/* A sentence for people; nothing with --json. */
void out_say(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool out_is_json(const struct cli *cli);

/* A progress bar on stderr, on a terminal only. Zeros and title begin one. */
struct out_progress {
    const struct cli *cli;
    const char *title;
    char note[48]; /* behind the bar; empty: how many MiB */
    long long drawn_ms;
    bool is_drawn;
};
void out_progress(void *progress, int64_t done, int64_t total);
void out_progress_end(struct out_progress *progress);

#endif
