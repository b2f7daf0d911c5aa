/* SPDX-License-Identifier: Apache-2.0 */
#include "signal_command.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    int number;
} commands[] = {{"stop", SIGKILL},   {"quit", SIGINT},   {"term", SIGTERM},
                {"reopen", SIGUSR1}, {"reload", SIGHUP}, {"ldm", SIGUSR2}};

/* -1 = none of them. */
static int number_of(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strlen(commands[i].name) == len && memcmp(commands[i].name, name, len) == 0) {
            return commands[i].number;
        }
    }
    return -1;
}

/* 0 = no pid. */
static pid_t pid_of(const char *text)
{
    char *end = NULL;
    errno = 0;
    long pid = strtol(text, &end, 10);
    while (end != text && isspace((unsigned char)*end)) {
        end++;
    }
    bool is_pid = end != text && *end == '\0' && errno == 0 && pid > 0 && pid <= INT_MAX;
    return is_pid ? (pid_t)pid : 0;
}

static pid_t pid_of_file(const char *path)
{
    char text[32] = "";
    FILE *file = fopen(path, "re");
    size_t got = file != NULL ? fread(text, 1, sizeof(text) - 1, file) : 0;
    text[got] = '\0';
    if (file != NULL) {
        fclose(file);
    }
    return pid_of(text);
}

static bool is_same_program(pid_t pid)
{
    char link[64], theirs[PATH_MAX], own[PATH_MAX];
    snprintf(link, sizeof(link), "/proc/%ld/exe", (long)pid);
    ssize_t their_len = readlink(link, theirs, sizeof(theirs));
    ssize_t own_len = readlink("/proc/self/exe", own, sizeof(own));
    return own_len > 0 && own_len == their_len && memcmp(own, theirs, (size_t)own_len) == 0;
}

/* The other process of this program; *count_out of them. */
static pid_t find_process(size_t *count_out)
{
    DIR *all = opendir("/proc");
    pid_t found = 0;
    *count_out = 0;
    for (struct dirent *entry; all != NULL && (entry = readdir(all)) != NULL;) {
        pid_t pid = pid_of(entry->d_name);
        if (pid > 0 && pid != getpid() && is_same_program(pid)) {
            found = pid;
            ++*count_out;
        }
    }
    if (all != NULL) {
        closedir(all);
    }
    return found;
}

static pid_t target_of(const char *said, char *fault, size_t fault_size)
{
    size_t count = 0;
    pid_t pid;
    if (said != NULL && said[0] != '\0') {
        pid = pid_of(said);
        pid = pid > 0 ? pid : pid_of_file(said);
        if (pid == 0) {
            snprintf(fault, fault_size, "\"%.200s\" is no process id and no file with one", said);
        }
        return pid;
    }
    pid = find_process(&count);
    if (count != 1) {
        snprintf(fault, fault_size, "%s: name the process, as in --signal reload=PID",
                 count == 0 ? "no server of this program runs here (that this user may see)"
                            : "several servers run here");
    }
    return count == 1 ? pid : 0;
}

bool signal_command(const char *text, char *fault, size_t fault_size)
{
    size_t len = strcspn(text, "=");
    int number = number_of(text, len);
    if (number < 0) {
        snprintf(fault, fault_size,
                 "unknown signal \"%.*s\": ldm, stop, quit, term, reopen or reload", (int)len,
                 text);
        return false;
    }
    pid_t pid = target_of(text[len] == '=' ? text + len + 1 : NULL, fault, fault_size);
    if (pid == 0) {
        return false;
    }
    if (kill(pid, number) != 0) {
        snprintf(fault, fault_size, "process %ld: %s", (long)pid, strerror(errno));
        return false;
    }
    return true;
}
