/* SPDX-License-Identifier: Apache-2.0 */
#include "config_kind.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* Largest first in each family; the first family is the one that texts are written in. */
static const struct unit size_units[] = {{"TiB", (int64_t)1 << 40},
                                         {"GiB", (int64_t)1 << 30},
                                         {"MiB", (int64_t)1 << 20},
                                         {"KiB", (int64_t)1 << 10},
                                         {"B", 1},
                                         {"TB", INT64_C(1000000000000)},
                                         {"GB", 1000000000},
                                         {"MB", 1000000},
                                         {"kB", 1000},
                                         {"", 1},
                                         {NULL, 0}};

static const struct unit duration_units[] = {{"d", 86400000}, {"h", 3600000}, {"min", 60000},
                                             {"s", 1000},     {"ms", 1},      {NULL, 0}};

static bool quantity_parse(const char *text, const struct unit *units, int64_t *out)
{
    int64_t number = 0;
    const char *at = text;
    for (; isdigit((unsigned char)*at); at++) {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, *at - '0', &number)) {
            return false;
        }
    }
    if (at == text) {
        return false;
    }
    at += strspn(at, " ");
    for (const struct unit *unit = units; unit->name != NULL; unit++) {
        if (strcmp(unit->name, at) == 0) {
            return !__builtin_mul_overflow(number, unit->factor, out);
        }
    }
    return false;
}

bool size_parse(const char *text, int64_t *bytes_out)
{
    return quantity_parse(text, size_units, bytes_out);
}

bool duration_parse(const char *text, int64_t *ms_out)
{
    return quantity_parse(text, duration_units, ms_out);
}

static void quantity_text(int64_t value, const struct unit *units, char *out, size_t out_size)
{
    const struct unit *unit = units;
    while (unit->factor > 1 && (value == 0 || value % unit->factor != 0)) {
        unit++;
    }
    snprintf(out, out_size, "%" PRId64 " %s", value / unit->factor, unit->name);
}

void size_text(int64_t bytes, char *out, size_t out_size)
{
    quantity_text(bytes, size_units, out, out_size);
}

void duration_text(int64_t ms, char *out, size_t out_size)
{
    quantity_text(ms, duration_units, out, out_size);
}

/* ---- listen -----------------------------------------------------------------------------------
 */

static bool is_loopback_v4(const char *host, bool *is_loopback_out)
{
    struct in_addr address;
    if (inet_pton(AF_INET, host, &address) != 1) {
        return false;
    }
    *is_loopback_out = (ntohl(address.s_addr) >> 24) == 127;
    return true;
}

static bool is_loopback_v6(const char *host, bool *is_loopback_out)
{
    struct in6_addr address;
    if (inet_pton(AF_INET6, host, &address) != 1) {
        return false;
    }
    *is_loopback_out = IN6_IS_ADDR_LOOPBACK(&address) ||
                       (IN6_IS_ADDR_V4MAPPED(&address) && address.s6_addr[12] == 127);
    return true;
}

static bool port_parse(const char *text, uint16_t *port_out)
{
    char *end = NULL;
    unsigned long port = strtoul(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || port > 65535) {
        return false;
    }
    *port_out = (uint16_t)port;
    return true;
}

static const char *host_parse(const char *host, bool is_bracketed, bool *is_loopback_out)
{
    if (is_bracketed) {
        return is_loopback_v6(host, is_loopback_out) ? NULL : "what is in [ ] is no IPv6 address";
    }
    if (strcmp(host, "localhost") == 0) {
        *is_loopback_out = true;
        return NULL;
    }
    if (strchr(host, ':') != NULL) {
        return "an IPv6 address is written in [ ], as in \"[::1]:8470\"";
    }
    return is_loopback_v4(host, is_loopback_out)
               ? NULL
               : "the host is no IP address: names are not looked up, except localhost";
}

const char *listen_parse(struct arena *arena, const char *text, struct ub_listen *listen_out)
{
    const char *colon = strrchr(text, ':');
    bool is_bracketed = text[0] == '[';
    if (colon == NULL || colon == text || (is_bracketed && colon[-1] != ']')) {
        return "an address and a port are needed, as in \"127.0.0.1:8470\" or \"[::1]:8470\"";
    }
    struct ub_listen listen = {.text = arena_copy(arena, text, strlen(text))};
    if (!port_parse(colon + 1, &listen.port)) {
        return "the port is no number from 0 to 65535";
    }
    size_t len = (size_t)(colon - text) - (is_bracketed ? 2 : 0);
    listen.host = arena_copy(arena, text + (is_bracketed ? 1 : 0), len);
    const char *why = host_parse(listen.host, is_bracketed, &listen.is_loopback);
    if (why == NULL) {
        *listen_out = listen;
    }
    return why;
}
