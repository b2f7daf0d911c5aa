/* SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool files_write_pid(const char *path)
{
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        return false;
    }
    bool is_written = fprintf(file, "%ld", (long)getpid()) > 0;
    return fclose(file) == 0 && is_written;
}

void files_ports_path(const char *dir, const char *program, char *out, size_t out_size)
{
    const char *slash = strrchr(program, '/');
    snprintf(out, out_size, "%s/%s_%ld.ports", dir, slash != NULL ? slash + 1 : program,
             (long)getpid());
}

/* ---- URLs -------------------------------------------------------------------------------------
 */

/* "nats://0.0.0.0:4222" and "nats://[::]:4222" mean every address of their family. */
static int family_of_all(const char *url)
{
    return strstr(url, "://0.0.0.0:") != NULL ? AF_INET
           : strstr(url, "://[::]:") != NULL  ? AF_INET6
                                              : AF_UNSPEC;
}

static bool address_text(const struct ifaddrs *one, int family, char *out, size_t size)
{
    if (one->ifa_addr == NULL || one->ifa_addr->sa_family != family) {
        return false;
    }
    const void *at =
        family == AF_INET
            ? (const void *)&((const struct sockaddr_in *)(const void *)one->ifa_addr)->sin_addr
            : &((const struct sockaddr_in6 *)(const void *)one->ifa_addr)->sin6_addr;
    return inet_ntop(family, at, out, (socklen_t)size) != NULL;
}

static void write_urls(FILE *file, const char *name, const char *url)
{
    int family = family_of_all(url);
    const char *scheme_end = strstr(url, "://"), *port = strrchr(url, ':');
    struct ifaddrs *all = NULL;
    bool is_first = true;
    fprintf(file, "\"%s\":[", name);
    if (family == AF_UNSPEC || scheme_end == NULL || getifaddrs(&all) != 0) {
        fprintf(file, "\"%s\"]", url);
        return;
    }
    for (struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
        char text[INET6_ADDRSTRLEN];
        if (address_text(one, family, text, sizeof(text))) {
            fprintf(file, family == AF_INET ? "%s\"%.*s://%s%s\"" : "%s\"%.*s://[%s]%s\"",
                    is_first ? "" : ",", (int)(scheme_end - url), url, text, port);
            is_first = false;
        }
    }
    freeifaddrs(all);
    fputc(']', file);
}

bool files_write_ports(const char *path, const char *nats, const char *monitor)
{
    char part[PATH_MAX];
    snprintf(part, sizeof(part), "%s.part", path);
    FILE *file = fopen(part, "we");
    if (file == NULL) {
        return false;
    }
    fputc('{', file);
    write_urls(file, "nats", nats);
    if (monitor != NULL) {
        fputc(',', file);
        write_urls(file, "monitoring", monitor);
    }
    fputc('}', file);
    return fclose(file) == 0 && rename(part, path) == 0;
}

/* ---- the log ----------------------------------------------------------------------------------
 */

bool files_open_log(const char *path, int *fd)
{
    int opened = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
    if (opened < 0) {
        return false;
    }
    if (*fd <= STDERR_FILENO) {
        *fd = opened;
        return true;
    }
    bool is_taken = dup3(opened, *fd, O_CLOEXEC) >= 0; /* at once, for whoever writes just now */
    int failure = errno;
    close(opened);
    errno = failure;
    return is_taken;
}
