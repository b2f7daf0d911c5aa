/* SPDX-License-Identifier: Apache-2.0
 *
 * `unibus module …`: another program does it, because whoever loads a module runs its code, and
 * this program holds keys. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output.h"

#define HELPER      "unibus-module-check"
#define FORWARD_MAX 128

struct forward {
    char *words[FORWARD_MAX];
    size_t count;
};

static bool add(struct forward *forward, const char *word)
{
    if (forward->count + 1 >= FORWARD_MAX) {
        return false;
    }
    forward->words[forward->count++] = (char *)(uintptr_t)word;
    return true;
}

/* These may be given several times; the last one is all that cli->values keeps. */
static bool add_repeated(struct forward *forward, const struct cli *cli, const char *option)
{
    size_t len = strlen(option);
    bool has_room = true;
    for (int i = 1; i < cli->argc && has_room; i++) {
        const char *word = cli->argv[i];
        if (strcmp(word, "--") == 0) {
            break;
        }
        if (strcmp(word, option) == 0 && i + 1 < cli->argc) {
            has_room = add(forward, word) && add(forward, cli->argv[++i]);
        } else if (strncmp(word, option, len) == 0 && word[len] == '=') {
            has_room = add(forward, word);
        }
    }
    return has_room;
}

static void add_flag(struct forward *forward, const struct cli *cli, const char *name,
                     const char *word)
{
    if (cli_option(cli, name) != NULL) {
        add(forward, word);
    }
}

static void add_value(struct forward *forward, const struct cli *cli, const char *name,
                      const char *word)
{
    const char *value = cli_option(cli, name);
    if (value != NULL) {
        add(forward, word);
        add(forward, value);
    }
}

/* Beside this program (a build), or where it is installed, seen from this program. */
static bool find_helper(char *out, size_t size)
{
    static const char *const folders[] = {".", UNIBUS_LIBEXEC};
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(self, '/');
    for (size_t i = 0; slash != NULL && i < sizeof(folders) / sizeof(folders[0]); i++) {
        snprintf(out, size, "%.*s/%s/" HELPER, (int)(slash - self), self, folders[i]);
        if (access(out, X_OK) == 0) {
            return true;
        }
    }
    return false;
}

static enum unibus_status start_helper(struct cli *cli, struct forward *forward,
                                       struct unibus_err *err)
{
    char path[PATH_MAX + 128];
    if (!find_helper(path, sizeof(path))) {
        unibus_fail(err, UNIBUS_NOT_FOUND,
                    "there is no program " HELPER " beside %s nor in " UNIBUS_LIBEXEC " from there",
                    cli->program);
        return unibus_fix(err, "build or install it: it comes with the sources of unibus");
    }
    forward->words[0] = path;
    forward->words[forward->count] = NULL;
    fflush(stdout);
    signal(SIGPIPE, SIG_DFL);
    execv(path, forward->words);
    return unibus_fail(err, UNIBUS_FAILED, "cannot start %s: %s", path, strerror(errno));
}

enum unibus_status cli_module_check(struct cli *cli, struct unibus_err *err)
{
    struct forward forward = {.count = 1};
    add(&forward, "check");
    bool has_room = add_repeated(&forward, cli, "--set") && add_repeated(&forward, cli, "--with");
    if (!has_room || forward.count + 16 > FORWARD_MAX) {
        return unibus_fail(err, UNIBUS_USAGE, "there are too many --set and --with");
    }
    add_value(&forward, cli, "case", "--case");
    add_value(&forward, cli, "case-timeout", "--case-timeout");
    add_flag(&forward, cli, "verbose", "--verbose");
    add_flag(&forward, cli, "json", "--json");
    add_flag(&forward, cli, "no-progress", "--no-progress");
    add(&forward, "--");
    add(&forward, cli->args[0]);
    return start_helper(cli, &forward, err);
}

enum unibus_status cli_module_inspect(struct cli *cli, struct unibus_err *err)
{
    struct forward forward = {.count = 1};
    add(&forward, "inspect");
    add_flag(&forward, cli, "json", "--json");
    add(&forward, "--");
    add(&forward, cli->args[0]);
    return start_helper(cli, &forward, err);
}
