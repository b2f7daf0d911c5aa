/* SPDX-License-Identifier: Apache-2.0
 *
 * The settings that are in force, each with its value and where it was said: for
 * `GET /v1/config`, `--print-effective` and the difference that a reload makes. Secrets are named
 * by their file, never shown. */
#ifndef CORE_EFFECTIVE_H
#define CORE_EFFECTIVE_H

#include "plan.h"

struct json_t;

/* One setting of a block. */
struct effective {
    struct plan_block of;
    const struct config_value *said; /* NULL = a default, or what the core worked out */
    struct ub_field field;           /* zeroed for the reserved `path` and `sha256` of a module */
};

/* Setting number i of the block: its fields in the order of the table, then path and sha256 if they
 * were said. False past the last. */
bool effective_at(const struct plan_block *block, uint32_t i, struct effective *effective_out);

/* "http.listen". The text of the value is as an operator writes it in Lua: `"64 MiB"`, `true`,
 * `{ "a", "b" }`, `secret "/path"`, `nil`. Both malloc'ed; free them. */
char *effective_name(const struct effective *effective);
char *effective_text(const struct effective *effective);

/* The name as a key in Lua: `listen`, `["tls.cert"]`. */
void effective_write_key(FILE *out, const char *name);

/* "unibus.lua:7", "--set", or "default". */
void effective_origin(const struct effective *effective, char *out, size_t out_size);

/* Whether a reload may change it. */
bool effective_is_live(const struct effective *effective);

/* Same value: numbers, texts and paths as the module sees them, a service by who provides it, a
 * secret by its bytes. Both are the same field. */
bool effective_is_same(const struct effective *a, const struct effective *b);

/* {"file", "settings": [{"name": "http.listen", "block": "http", "setting": "listen", "value",
 * "text", "kind", "origin", "live"}]}: value is a JSON boolean, integer, text or list of texts;
 * null for what is absent and for a secret. To be decref'ed (jansson). Threads: the one that owns
 * the plan. */
struct json_t *effective_json(const struct plan *plan);

/* The same as a config that means the same, the origin of each value as a comment
 * (effective_print.c). Of secrets only the file is named. */
void effective_print(const struct plan *plan, FILE *out);

#endif
