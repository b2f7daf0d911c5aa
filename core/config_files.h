/* SPDX-License-Identifier: Apache-2.0
 *
 * The files that a config is read from: the disk, or a table in memory (fuzzing). Whoever can write
 * one of them can load code into the daemon, so all are judged alike. */
#ifndef CORE_CONFIG_FILES_H
#define CORE_CONFIG_FILES_H

#include "config.h"

#define CONFIG_MAX_BYTES (1024u * 1024u)
#define CONFIG_NAMES_MAX 256 /* files of one folder */

/* A file by its place and by what messages call it. */
struct config_file {
    const char *path;      /* as it is opened: absolute, or from the working directory */
    const char *shown;     /* for messages */
    struct ub_where named; /* which line asks for it; {NULL, 0} = the command line */
};

/* The text of a regular file that others cannot write: at most CONFIG_MAX_BYTES, without NUL, valid
 * UTF-8, a byte order mark taken off. False with a fault otherwise. The caller frees *text_out. */
bool files_read(const struct config *config, const struct config_file *file, struct report *report,
                char **text_out, size_t *len_out);

/* The same checks for a text that is there already; moves *text past a byte order mark. */
bool files_judge_text(const char *shown, const char **text, size_t *len, struct report *report);

/* The true path in the arena: no links, no "..". NULL (errno says why) when there is none. */
const char *files_real(struct config *config, const char *path);

bool files_is_folder(const struct config *config, const char *path);

/* The names that end in ".lua" and do not begin with a dot, sorted by their bytes, in the arena.
 * False with a fault. */
bool files_list(struct config *config, const struct config_file *folder, struct report *report,
                const char **names_out[], size_t *count_out);

/* What precedes the last "/" of an absolute path, "/" at least; in the arena. */
const char *files_folder_of(struct config *config, const char *path);

#endif
