/* SPDX-License-Identifier: Apache-2.0
 *
 * What a config file says, before any module has judged it: blocks of named values with their
 * lines. Lua is run once, in a sandbox (config_reader.h, config_sandbox.h); afterwards there is
 * only data. */
#ifndef CORE_CONFIG_H
#define CORE_CONFIG_H

#include <unibus/module.h>

#include "arena.h"
#include "decisions.h"
#include "report.h"

enum value_kind {
    VALUE_BOOL,
    VALUE_INT,
    VALUE_NUMBER, /* a fraction; no setting takes one */
    VALUE_STRING,
    VALUE_LIST, /* of strings; an empty table too */
    VALUE_RECORDS,
    VALUE_SECRET,      /* text is the path of its file */
    VALUE_SECRET_TEXT, /* text is the secret itself, wiped when a field has taken it: of a front
                          whose language has passwords in it; Lua cannot make one */
    VALUE_HOLE         /* stands for a value whose fault is reported already */
};

/* A text of the command line or of a field's default is read as the field's kind says. */
enum value_origin { VALUE_FROM_FILE = 0, VALUE_FROM_SET, VALUE_FROM_DEFAULT };

struct config_block;

struct config_value {
    const char *name; /* nested tables are dotted: "tls.cert" */
    enum value_kind kind;
    bool boolean;
    int64_t integer;
    double number;
    const char *text;
    const char *const *items;
    size_t item_count;
    const struct config_block *records; /* titles like `module "users": users[2]` */
    size_t record_count;
    struct ub_where where;
    const char *dir; /* absolute: where a relative path in it starts; NULL = as the kind says */
    enum value_origin origin;
};

struct config_block {
    const char *name;  /* of the module, or "node", "posture" …; of a record "users[2]" */
    const char *title; /* for messages: `module "nats"`, `node` */
    bool is_module;
    bool is_read;  /* its table has been seen */
    bool is_whole; /* and copied to its end */
    struct ub_where where;
    struct config_value *values;
    size_t count, room;
};

/* A file of a config that lies in memory (fuzzing). */
struct virtual_file {
    const char *path; /* absolute */
    const char *text;
    size_t len;
};

struct config {
    struct arena arena;
    const struct virtual_file *virtual_files; /* not NULL = the disk is not looked at */
    size_t virtual_count;
    const char *file; /* as given, for messages */
    const char *dir;  /* absolute: where relative paths of the file start */
    struct config_block node, posture, log, decisions;
    struct config_block *modules;
    size_t module_count, module_room;
    bool has_version;
    bool is_run; /* to its end: false = blocks may be missing */
};

void config_init(struct config *config);
void config_fini(struct config *config);

/* Reads and runs the file. Faults go to the report; what could be read is in config all the same,
 * so that the faults of all blocks come at once. */
void config_load(struct config *config, const char *file, struct report *report);

/* The same for a text in memory; what it includes is read from dir. `file` and `dir` are copied. */
void config_load_text(struct config *config, const char *file, const char *dir, const char *text,
                      size_t len, struct report *report);

/* Applies `module.key=value` of the command line over the file (config_set.c). */
void config_set(struct config *config, const char *assignment, struct report *report);

/* NULL when it is not there. */
struct config_block *config_find(struct config *config, const char *name);
struct config_value *block_find(const struct config_block *block, const char *name);

/* A new value of the block, or the one of this name again; zeroed but for its name. */
struct config_value *block_put(struct config *config, struct config_block *block, const char *name);
struct config_block *config_add_module(struct config *config, const char *name,
                                       struct ub_where where);

/* Where a setting was said, or {NULL, 0} (struct host's where). ctx is a struct config_block. */
struct ub_where block_where(const void *ctx, const char *setting);

/* ---- config_where.c: the line of each key -----------------------------------------------------
 */

struct where_key {
    const char *name; /* dotted; "users[2].name" in the second record of users */
    uint32_t line;
    uint32_t first_line; /* of the same name in the same table before; 0 = it is the first */
    uint32_t table;      /* number of the opening brace */
};

struct where_keys {
    struct where_key *items;
    size_t count;
};

/* Finds the keys of the table that `opener` (`module` with `name`, or `node` with NULL) begins at
 * or after line `line` of the text. */
void where_scan(struct arena *arena, const char *text, size_t len, uint32_t line,
                const char *opener, const char *name, struct where_keys *keys_out);

/* The line of the key, else of the nearest table around it, else `fallback`. */
uint32_t where_line(const struct where_keys *keys, const char *name, uint32_t fallback);

/* ---- config_fill.c: values into a settings struct ---------------------------------------------
 */

struct kept_secret {
    struct kept_secret *next;
    struct ub_secret *secret;
};

struct settings {
    struct arena arena;
    void *data; /* the struct that the field table describes */
    struct kept_secret *secrets;
};

struct fill_context {
    const char *config_dir; /* paths of the file start here */
    const char *state_dir;  /* state paths lie below it; absolute */
    bool is_kit; /* relative paths of --set start at config_dir, not in the shell's folder */
};

/* A table of fields as a descriptor carries it. */
struct field_table {
    const struct ub_field *fields;
    uint32_t count, stride;
    size_t settings_size;
};

/* Field i in this host's form. */
struct ub_field field_at(const struct field_table *table, uint32_t i);

/* The table of a UB_KIND_RECORDS field's records. */
struct field_table record_table(const struct ub_record *raw);

/* Fills settings->data from the block; false when a fault was reported. settings_fini follows in
 * both cases. */
bool settings_fill(struct settings *settings, const struct field_table *table,
                   const struct config_block *block, const struct fill_context *context,
                   struct report *report);
void settings_fini(struct settings *settings);

/* Wipes the secrets that only UB_LIVE fields have: others have taken their place. */
void settings_drop_live_secrets(struct settings *settings, const struct field_table *table);

/* ---- config_node.c: the blocks of the core itself ---------------------------------------------
 */

struct node_settings {
    const char *name;  /* 1 to 63 of a-z A-Z 0-9 _ - */
    const char *state; /* as written */
};

struct posture_settings {
    int require; /* enum posture_level */
};

struct log_settings {
    int level;  /* enum ub_log_level */
    int format; /* enum log_format */
};

#define CORE_BLOCKS 4

struct core_settings {
    struct node_settings node;
    struct posture_settings posture;
    struct log_settings log;
    struct decisions_settings decisions;
    struct settings kept[CORE_BLOCKS];
};

/* A block of the core, for `membershipd explain`. */
struct core_block {
    const char *name, *summary;
    struct field_table table;
};
/* False past the last. */
bool core_block_at(size_t i, struct core_block *block_out);

/* False when a fault was reported. */
bool core_settings_fill(struct core_settings *core, const struct config *config,
                        struct report *report);
void core_settings_fini(struct core_settings *core);

#endif
