/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the reader of a nats.conf: the state of one file, and its tokens. */
#ifndef FRONT_CONF_READ_H
#define FRONT_CONF_READ_H

#include "conf.h"

struct conf_shared; /* conf_parse.c: what all files of one config share */

struct conf_file {
    struct conf *conf;
    struct report *report;
    struct conf_shared *shared;
    const char *name;
    const char *at, *end;
    const char *line_start;
    uint32_t line;
    const char *counted; /* up to here the columns of this line are in `column` */
    uint32_t column;
    char *scratch;  /* as long as text: what a text grows in */
    bool is_broken; /* its fault is reported: everything returns */
};

/* -1 = the end of the file. */
int conf_peek(const struct conf_file *file);
void conf_skip(struct conf_file *file); /* one byte, counting lines */
struct conf_place conf_here(struct conf_file *file);

/* The file reads these bytes, which stay the caller's; false = no memory. Then conf_file_fini. */
bool conf_file_init(struct conf_file *file, const char *name, const char *text, size_t len);
void conf_file_fini(struct conf_file *file);

/* Reports unless the file is broken already, and breaks it. */
UB_PRINTF(2, 3) void conf_break(struct conf_file *file, const char *format, ...);

/* What stands here, for messages: `"x"`, `a new line`, `the end of the file`. */
const char *conf_seen(const struct conf_file *file, char out[32]);

bool conf_is_blank(int c);                      /* space, tab */
bool conf_is_line(int c);                       /* \n, \r */
bool conf_skip_comment(struct conf_file *file); /* false = none stands here */
void conf_skip_blanks(struct conf_file *file);
void conf_skip_lines(struct conf_file *file); /* blanks and new lines */
void conf_skip_space(struct conf_file *file); /* blanks, new lines and comments */

/* The quote stands here. "…" has escapes, '…' has none. NULL when broken. */
const char *conf_quoted(struct conf_file *file);
/* ( … ) up to a line that is only ")". */
const char *conf_block(struct conf_file *file);
/* An unquoted word of a value, its escapes resolved; *is_escaped_out: it is a text then. */
const char *conf_word(struct conf_file *file, bool *is_escaped_out);
/* An unquoted key. */
const char *conf_bare_key(struct conf_file *file);

/* conf_word.c: what the word is; text stays in value->text. False with a break when it looks like a
 * number and is none that fits. A variable is not judged here. */
bool conf_judge_word(struct conf_file *file, struct conf_place place, const char *word,
                     struct conf_value *value);

#endif
