/* SPDX-License-Identifier: Apache-2.0
 *
 * The simple part of systemd's EnvironmentFile= (systemd.exec(5)): lines of NAME=value. Pure.
 *
 *     # comment            also ;
 *     A=two words          blanks around name and value are dropped; \c is c
 *     B="with \"quotes\""  \" \\ \$ \` are escapes, other backslashes stay
 *     C='as it stands'
 *
 * Where systemd takes the last of two values, joins lines or ignores a line, this is a fault. */
#ifndef CORE_CONFIG_ENVFILE_H
#define CORE_CONFIG_ENVFILE_H

#include "arena.h"
#include "report.h"

#define ENVFILE_ENTRIES_MAX 1024

struct envfile_entry {
    const char *name, *value; /* in the arena */
    uint32_t line;
};

struct envfile {
    struct envfile_entry *items; /* in the arena */
    size_t count;
    bool is_sound; /* no fault was reported */
};

/* text has no NUL; `file` is for messages. Every fault is reported with its line, and the sound
 * lines are taken all the same. */
void envfile_parse(struct arena *arena, const char *file, const char *text, size_t len,
                   struct envfile *envfile_out, struct report *report);

/* NULL when it is not there. */
const struct envfile_entry *envfile_find(const struct envfile *envfile, const char *name);

#endif
