/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLI_H
#define UNIBUS_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include <unibus-client/client.h>

/* The command line: one table of commands, from which parsing, help and suggestions are made. */

#define CLI_ARGS_MAX 4

struct cli;

struct cli_command {
    const char *noun;
    const char *verb;      /* NULL: the noun is the whole command */
    const char *arguments; /* "ROOM WHO"; the optional ones in brackets */
    int args_min, args_max;
    const char *options; /* names from the table of options, separated by blanks */
    const char *help;    /* one line */
    enum unibus_status (*run)(struct cli *cli, struct unibus_err *err);
};

struct cli_option {
    const char *name;
    char letter;       /* '\0' = none */
    const char *value; /* NULL = a flag */
    const char *help;
    bool is_global; /* every command takes it */
};

extern const struct cli_command cli_commands[]; /* ended by a NULL noun */
extern const struct cli_option cli_options[];   /* ended by a NULL name */
#define CLI_OPTIONS_MAX 64

struct cli {
    const char *program;
    bool is_ctl; /* called as membershipctl */
    const struct cli_command *command;
    const char *args[CLI_ARGS_MAX];
    int args_len;
    int argc;                            /* as the program was called */
    char **argv;                         /* for options that may stand several times */
    const char *values[CLI_OPTIONS_MAX]; /* as cli_options; NULL = not given */
    struct unibus_client *client;
};

/* Fills cli. UNIBUS_USAGE with a suggestion when it cannot. wants_help_out: --help was there. */
enum unibus_status cli_parse(struct cli *cli, int argc, char **argv, bool *wants_help_out,
                             struct unibus_err *err);
/* The value of an option ("" of a flag), or NULL. */
const char *cli_option(const struct cli *cli, const char *name);
/* Whether a command takes the option. */
bool cli_command_takes(const struct cli_command *command, const struct cli_option *option);

/* The known word nearest to what was typed, or NULL when none is near. */
const char *cli_nearest(const char *typed, const char *const *words, size_t count);

/* Help of everything, of a noun, of one command; false when there is no such command. */
bool cli_help(const struct cli *cli, const char *noun, const char *verb);

/* Opens cli->client as the options say. */
enum unibus_status cli_open(struct cli *cli, struct unibus_err *err);

/* A number of a unit: "500ms", "10s", "2m", "1h"; without unit: seconds. -1 when it is none. */
long long cli_duration_ms(const char *text);

/* Commands. */
enum unibus_status cli_init(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_id_new(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_id_show(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_id_fingerprint(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_identity_add(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_identity_ls(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_identity_show(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_identity_rm(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_room_new(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_room_add(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_room_role(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_room_remove(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_room_leave(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_room_rotate(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_room_ls(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_room_show(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_room_members(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_room_log(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_room_permissions(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_room_invite(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_room_join(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_room_trust_head(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_pub(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_sub(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_blob_put(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_blob_get(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_policy_check(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_policy_test(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_policy_explain(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_policy_diff(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_policy_show(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_explain(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_why(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_policy_decisions(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_config_show(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_config_diff(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_config_reload(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_module_ls(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_module_new(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_bench_pub(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_bench_sub(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_bench_req(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_bench_fanout(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_info(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_module_check(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_module_inspect(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_errors_ls(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_errors_lookup(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_passwd(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_version(struct cli *cli, struct unibus_err *err);
enum unibus_status cli_help_command(struct cli *cli, struct unibus_err *err);

#endif
