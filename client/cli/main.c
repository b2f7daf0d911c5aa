/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/resource.h>

#include "output.h"

#define ADMIN_SOCKET "local_files/admin.sock"

static const char *program_name(const char *path)
{
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    return slash != NULL ? slash + 1 : path != NULL ? path : "unibus";
}

static void show_error(const struct cli *cli, const struct unibus_err *err)
{
    fprintf(stderr, "%s: ", cli->program);
    out_safe(stderr, err->message, strlen(err->message));
    if (err->code[0] != '\0') {
        fputs(" [", stderr);
        out_safe(stderr, err->code, strlen(err->code));
        fputc(']', stderr);
    }
    fputc('\n', stderr);
    if (err->fix[0] != '\0') {
        fputs("  ", stderr);
        out_safe(stderr, err->fix, strlen(err->fix));
        fputc('\n', stderr);
    }
}

static void on_notice(void *arg, const char *text)
{
    const struct cli *cli = arg;
    fprintf(stderr, "%s: note: ", cli->program);
    out_safe(stderr, text, strlen(text));
    fputc('\n', stderr);
}

static const char *setting(const struct cli *cli, const char *option, const char *environment)
{
    const char *given = cli_option(cli, option);
    const char *env = environment != NULL ? getenv(environment) : NULL;
    return given != NULL ? given : env != NULL && env[0] != '\0' ? env : NULL;
}

enum unibus_status cli_open(struct cli *cli, struct unibus_err *err)
{
    const char *socket = setting(cli, "admin-socket", "UNIBUS_ADMIN_SOCKET");
    bool wants_socket = cli->is_ctl || cli->command->run == cli_init;
    const char *timeout = cli_option(cli, "timeout");
    long long timeout_ms = timeout != NULL ? cli_duration_ms(timeout) : 0;
    if (timeout_ms < 0) {
        return unibus_fail(err, UNIBUS_USAGE, "\"%s\" is not a duration (500ms, 10s, 2m)", timeout);
    }
    const struct unibus_client_options options = {
        .home = setting(cli, "home", NULL),
        .server = setting(cli, "server", "UNIBUS_SERVER"),
        .admin_socket = socket == NULL && wants_socket ? ADMIN_SOCKET : socket,
        .timeout_ms = (long)timeout_ms,
        .notice = on_notice,
        .notice_arg = cli,
    };
    return unibus_client_open(&options, &cli->client, err);
}

/* Keys live in this process: no core dumps of it. */
static void no_core_dumps(void)
{
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
}

static enum unibus_status run(struct cli *cli, struct unibus_err *err)
{
    enum unibus_status status = cli->command->run(cli, err);
    unibus_client_close(&cli->client);
    if (status == UNIBUS_OK && (fflush(stdout) != 0 || ferror(stdout) != 0)) {
        status = unibus_fail(err, UNIBUS_FAILED, "cannot write the output");
    }
    return status;
}

int main(int argc, char **argv)
{
    struct cli cli = {
        .program = program_name(argc > 0 ? argv[0] : NULL), .argc = argc, .argv = argv};
    struct unibus_err err = UNIBUS_ERR_INIT;
    bool wants_help = false;
    no_core_dumps();
    signal(SIGPIPE, SIG_IGN);
    cli.is_ctl = strcmp(cli.program, "membershipctl") == 0;
    enum unibus_status status = cli_parse(&cli, argc, argv, &wants_help, &err);
    if (status == UNIBUS_OK && wants_help) {
        status = cli_help_command(&cli, &err);
    } else if (status == UNIBUS_OK) {
        status = run(&cli, &err);
    }
    if (status != UNIBUS_OK) {
        show_error(&cli, &err);
    }
    return (int)status;
}
