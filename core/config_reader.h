/* SPDX-License-Identifier: Apache-2.0
 *
 * The run of a config: its files, one Lua state, and the words of the config language. Each word
 * copies what it is given into struct config at once; no Lua value outlives the run.
 *
 *     config_reader.c   files and chunks, the run, what went wrong in it
 *     config_words.c    unibus, node, posture, log, module, secret
 *     config_include.c  include
 *     config_env.c      env, envfile
 *     config_collect.c  a table into a block */
#ifndef CORE_CONFIG_READER_H
#define CORE_CONFIG_READER_H

#include "config.h"
#include "config_sandbox.h"

#define CONFIG_LANGUAGE    "1"
#define READER_SOURCES_MAX 256 /* files that one config may name */
#define READER_DEPTH_MAX   8   /* of includes in each other */
#define READER_BYTES_MAX   (4u * 1024u * 1024u)

/* A file with Lua in it. */
struct source {
    const char *file;      /* for messages: as given, or beside the file that includes it */
    const char *dir;       /* absolute: where its relative paths start */
    const char *shown_dir; /* the same for messages, with its "/", or "" */
    const char *real;      /* its true path */
    const char *text;
    size_t len;
    struct ub_where named; /* the line of its include; {NULL, 0} = the main file */
    bool is_open;          /* its chunk runs */
};

struct reader {
    struct config *config;
    struct report *report;
    struct source *sources; /* READER_SOURCES_MAX; chunk n is sources[n] */
    size_t count;
    size_t file_count;      /* sources and env files */
    size_t bytes;           /* of all of them */
    size_t depth;           /* of includes */
    size_t copied;          /* texts so far: many settings may share one large Lua string */
    struct ub_where raised; /* where the latest Lua error was raised */
    bool is_broken;         /* some chunk did not come to its end */
};

/* Runs the main file; faults go to the report. main_source->text is the caller's. */
void reader_run(struct config *config, const struct source *main_source, struct report *report);

/* ---- for the words: inside the run ------------------------------------------------------------
 */

struct reader *reader_of(lua_State *lua);

/* Where the script is; never NULL. */
struct ub_where reader_where(lua_State *lua);
const struct source *reader_source(lua_State *lua);

/* Compiles and runs a source, which must stay. Its own faults are reported and the caller goes on;
 * a limit that was hit ends the whole run. */
void reader_run_chunk(lua_State *lua, struct source *source);

/* Raises SANDBOX_MEMORY when what was copied out of Lua exceeds its bound. */
void reader_count_copy(lua_State *lua, size_t bytes);

/* The text argument 1 as a path: absolute in *path_out, for messages in *shown_out. False with a
 * fault (silent for a hole) when it is none. */
bool reader_path(lua_State *lua, const char *word, const char **path_out, const char **shown_out);

/* Counts one more file; raises when there are too many. */
void reader_count_file(lua_State *lua, size_t bytes);

/* Each adds its words to the table on top of the stack. */
void words_add(lua_State *lua);
void include_add(lua_State *lua);
void env_add(lua_State *lua);

/* Frees the texts of the included files. */
void include_free(struct reader *reader);

/* The value at index, when it is secret "file": its path, and the folder where that starts. */
struct secret_box {
    const char *path, *dir;
};
const struct secret_box *words_secret(lua_State *lua, int index);

/* Copies the table that is argument 1 into the block (config_collect.c). */
void collect_block(lua_State *lua, struct config_block *block);

#endif
