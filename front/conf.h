/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration grammar of nats-server (its conf/lex.go and conf/parse.go), read into a tree.
 * It knows no setting; conf_into.h does.
 *
 *     key: value    key = value    key value    "quoted key" { nested: map }    [ a, b ]
 *     # comment     // comment     include "other.conf"     $variable     ( block )
 *
 * Keys end at white space, ":", "=". Values of a map are separated by a new line, "," or ";", those
 * of a list by a new line or ",". Unquoted words are booleans (true, yes, on …), variables ($x),
 * dates, numbers (with k, kb, ki, kib, m … e), else texts. A variable is a key of this map or of
 * one around it that was written before, else it is taken from the environment and read like a
 * value.
 *
 *     conf_read.c      characters, places, comments, quoted texts
 *     conf_word.c      what an unquoted word is
 *     conf_parse.c     maps, lists, includes, variables */
#ifndef FRONT_CONF_H
#define FRONT_CONF_H

#include "core/arena.h"
#include "core/report.h"

#define CONF_DEPTH_MAX   32             /* of maps and lists in each other */
#define CONF_INCLUDE_MAX 16             /* of files in each other */
#define CONF_FILES_MAX   256            /* files in all */
#define CONF_VALUES_MAX  (256u * 1024u) /* in all, so that includes cannot multiply without end */
#define CONF_BYTES_MAX   (4u * 1024u * 1024u) /* of one file */

enum conf_kind { CONF_BOOL, CONF_INT, CONF_FLOAT, CONF_TEXT, CONF_DATE, CONF_LIST, CONF_MAP };

struct conf_place {
    const char *file;      /* as given, or beside the file that includes it */
    uint32_t line, column; /* from 1; column in characters of UTF-8 */
};

struct conf_value {
    const char *key;         /* as written; NULL in a list */
    struct conf_place place; /* of the key, in a list of the value */
    enum conf_kind kind;
    bool boolean;
    bool has_suffix; /* INT: written like 64k */
    bool is_used;    /* a variable referred to it: an unknown key is then no fault */
    int64_t integer;
    double number;
    const char *text;         /* TEXT without NUL; INT, FLOAT and DATE as written */
    struct conf_value *items; /* LIST, MAP; in the order of the file */
    size_t count, room;
};

/* How a file is found; the disk, or a test's memory. */
struct conf_reader {
    /* The whole file as malloc'ed bytes, or false with a text in why. */
    bool (*read)(void *ctx, const char *path, char **bytes_out, size_t *len_out, const char **why);
    const char *(*env)(void *ctx, const char *name); /* NULL = not set */
    void *ctx;
};

struct conf {
    struct arena arena;
    struct conf_value root; /* a MAP */
};

/* Reads the file and what it includes. False when a fault was reported; what could be read is in
 * conf all the same. After a fault in the grammar the rest of that file is not read: what follows
 * could mean anything. conf_fini follows in both cases. */
bool conf_load(struct conf *conf, const struct conf_reader *reader, const char *path,
               struct report *report);

/* Wipes all texts: passwords may be among them. */
void conf_fini(struct conf *conf);

/* The last of this name, as in nats-server; keys compare without case. NULL = there is none. */
const struct conf_value *conf_find(const struct conf_value *map, const char *key);

/* The disk: regular files up to CONF_BYTES_MAX; and the environment. */
extern const struct conf_reader conf_disk;

/* A fault at a place. */
UB_PRINTF(4, 5)
void conf_fault(struct report *report, enum error_id id, struct conf_place place,
                const char *format, ...);

/* `a text`, `a list` … for messages. */
const char *conf_kind_words(enum conf_kind kind);

#endif
