/* SPDX-License-Identifier: Apache-2.0
 *
 * From a nats.conf and the command line to the config of a node with the modules `nats` and, when
 * somebody has to log in, `users`. Values go into the core's struct config as its own reader puts
 * them there, each with its place: so the core judges kinds and ranges, compares at a reload and
 * names line and file, and no text of another language is ever written.
 *
 *     into.c         the rows: every key of nats-server and what becomes of it
 *     into_value.c   kinds of values
 *     into_listen.c  addresses
 *     into_users.c   authorization and accounts
 *     into_perms.c   permissions of one user
 *     into_tls.c     tls */
#ifndef FRONT_INTO_H
#define FRONT_INTO_H

#include "conf.h"
#include "options.h"

#include "core/config.h"

#define INTO_NOTES_MAX 64
#define INTO_TEXT_MAX  512

/* What the program itself needs, and what it should tell. Owns its texts. */
struct front_settings {
    char name[INTO_TEXT_MAX], log_file[INTO_TEXT_MAX], pid_file[INTO_TEXT_MAX],
        ports_dir[INTO_TEXT_MAX];
    bool is_debug, has_time, is_utc;
    bool has_auth, is_open;      /* open: reachable from other machines without authentication */
    char *notes[INTO_NOTES_MAX]; /* warnings, to free */
    size_t note_count;
};

void front_settings_fini(struct front_settings *settings);

/* Fills config and settings; faults go to the report. settings is zeroed or one that
 * front_settings_fini had. */
void into_load(const struct options *options, const struct conf_reader *reader,
               struct front_settings *settings, struct config *config, struct report *report);

/* ---- inside -----------------------------------------------------------------------------------
 */

struct into_text {
    const char *text; /* NULL = not said */
    struct conf_place place;
};

struct into {
    const struct options *options;
    const struct conf_reader *reader;
    const struct conf *conf;
    struct front_settings *settings;
    struct config *config;
    struct report *report;
    struct config_block *nats;
    struct into_text host, name;
    int64_t port; /* -1 = any free one */
    struct conf_place port_place;
    const char *monitor_host; /* NULL = that of the clients */
    int64_t monitor_port;     /* 0 = none */
    struct conf_place monitor_place;
    bool has_port, has_tls;
    struct conf_place tls_place;
    /* the users, until they are counted */
    struct config_block *users;
    struct config_block *records;
    size_t record_count, record_room;
    struct into_text no_auth_user;
    const char *system_account; /* of its users */
    struct conf_place account;  /* of the first account that is not the system's; line 0 = none */
    const char *account_name;
    const struct conf_value *default_permissions;
    bool has_single; /* user and password, or a token, for everybody */
    bool has_plain;  /* a password that is no hash */
};

struct into_row {
    const char *keys; /* "http_port|monitor_port" */
    void (*take)(struct into *into, const struct into_row *row, const struct conf_value *value);
    const char *say; /* a setting of module nats, or what to tell */
};

/* Takes each key of the map by its row; unknown ones are faults, with a suggestion. */
void into_map(struct into *into, const struct conf_value *map, const struct into_row *rows,
              size_t count, const char *of);

UB_PRINTF(3, 4)
void into_note(struct into *into, struct conf_place place, const char *format, ...);
#define into_fault(into, place, ...)                                                               \
    conf_fault((into)->report, ERROR_CONFIG_TYPE, place, __VA_ARGS__)
#define into_unsupported(into, place, ...)                                                         \
    conf_fault((into)->report, ERROR_FRONT_UNSUPPORTED, place, __VA_ARGS__)

/* A value of a block at this place; its kind is still to be set. */
struct config_value *into_put(struct into *into, struct config_block *block, const char *name,
                              struct conf_place place);
void into_put_text(struct into *into, struct config_block *block, const char *name,
                   struct conf_place place, const char *text);
void into_put_secret(struct into *into, struct config_block *block, const char *name,
                     struct conf_place place, const char *text);
struct ub_where into_where(struct into *into, struct conf_place place);

/* The value as a kind; false with a fault. Texts stay conf's. */
bool into_text(struct into *into, const struct conf_value *value, const char **text_out);
bool into_bool(struct into *into, const struct conf_value *value, bool *is_on_out);
bool into_int(struct into *into, const struct conf_value *value, int64_t *number_out);
bool into_duration(struct into *into, const struct conf_value *value, int64_t *ms_out);
bool into_is(struct into *into, const struct conf_value *value, enum conf_kind kind);

/* Rows' functions. */
void into_take_number(struct into *into, const struct into_row *row,
                      const struct conf_value *value);
void into_take_limit(struct into *into, const struct into_row *row, const struct conf_value *value);
void into_take_duration(struct into *into, const struct into_row *row,
                        const struct conf_value *value);
void into_take_string(struct into *into, const struct into_row *row,
                      const struct conf_value *value);
void into_take_note(struct into *into, const struct into_row *row, const struct conf_value *value);
void into_take_nothing(struct into *into, const struct into_row *row,
                       const struct conf_value *value);
void into_refuse(struct into *into, const struct into_row *row, const struct conf_value *value);

void into_take_listen(struct into *into, const struct into_row *row,
                      const struct conf_value *value);
void into_take_host(struct into *into, const struct into_row *row, const struct conf_value *value);
void into_take_port(struct into *into, const struct into_row *row, const struct conf_value *value);
void into_take_monitor(struct into *into, const struct into_row *row,
                       const struct conf_value *value);
/* After all keys: command line over file, into the module's setting. */
void into_listen_end(struct into *into);

void into_take_tls(struct into *into, const struct into_row *row, const struct conf_value *value);
void into_take_non_tls(struct into *into, const struct into_row *row,
                       const struct conf_value *value);
void into_tls_end(struct into *into);

void into_take_authorization(struct into *into, const struct into_row *row,
                             const struct conf_value *value);
void into_take_accounts(struct into *into, const struct into_row *row,
                        const struct conf_value *value);
void into_take_no_auth_user(struct into *into, const struct into_row *row,
                            const struct conf_value *value);
void into_users_end(struct into *into);

/* publish, subscribe and allow_responses of one block: prefix "permissions." or
 * "default_permissions.". */
void into_permissions(struct into *into, struct config_block *block, const char *prefix,
                      const struct conf_value *value, bool is_system);

#endif
