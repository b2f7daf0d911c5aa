/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON written straight into one text: indented by two, as nats-server answers over HTTP, or
 * compact. Any thread, one at a time. */
#ifndef NATS_MONITOR_TEXT_H
#define NATS_MONITOR_TEXT_H

#include <unibus/abi.h>

#define MON_DEPTH_MAX 8

struct mon_text {
    char *ptr; /* not terminated */
    size_t len, room, max;
    bool is_indented;
    bool is_broken; /* no memory, or longer than max: what is in it is worth nothing */
    bool has_member[MON_DEPTH_MAX];
    uint32_t depth;
};

/* max: bytes. depth: of the value that is written, when the text becomes part of another one. */
void mon_text_init(struct mon_text *text, size_t max, bool is_indented, uint32_t depth);
void mon_text_fini(struct mon_text *text);

/* Values; name NULL = an item of an array, or the whole. */
void mon_open(struct mon_text *text, const char *name, char bracket); /* '{' or '[' */
void mon_close(struct mon_text *text, char bracket);                  /* '}' or ']' */
void mon_bytes(struct mon_text *text, const char *name, struct ub_bytes value);
void mon_string(struct mon_text *text, const char *name, const char *value);
void mon_number(struct mon_text *text, const char *name, int64_t value);
void mon_unsigned(struct mon_text *text, const char *name, uint64_t value);
void mon_real(struct mon_text *text, const char *name, double value); /* finite */
void mon_bool(struct mon_text *text, const char *name, bool value);
void mon_null(struct mon_text *text, const char *name);
/* A value that was written by another mon_text without indentation. */
void mon_member(struct mon_text *text, const char *name, const char *ptr, size_t len);
/* An item that was written by another mon_text with the same indentation and depth, from where
 * mon_piece_begin said to its length afterwards. */
void mon_piece(struct mon_text *text, const char *ptr, size_t len);
size_t mon_piece_begin(struct mon_text *text);

/* Formats of Go. */
void mon_time(struct mon_text *text, const char *name, int64_t unix_ms);   /* RFC 3339, UTC */
void mon_uptime(struct mon_text *text, const char *name, int64_t ms);      /* "1d2h3m4s" */
void mon_duration(struct mon_text *text, const char *name, int64_t micro); /* "1.5ms", "250µs" */

/* Only when it is not empty, as Go's omitempty. */
static inline void mon_string_if(struct mon_text *text, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0') {
        mon_string(text, name, value);
    }
}

#endif
