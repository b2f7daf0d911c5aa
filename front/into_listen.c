/* SPDX-License-Identifier: Apache-2.0
 *
 * host, port and listen, and the command line over them. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "into.h"

#define DEFAULT_HOST "0.0.0.0"
#define DEFAULT_PORT 4222

void into_take_host(struct into *into, const struct into_row *row, const struct conf_value *value)
{
    (void)row;
    if (into_text(into, value, &into->host.text)) {
        into->host.place = value->place;
    }
}

/* -1 = any free port. */
static bool port_is_good(struct into *into, struct conf_place place, int64_t port)
{
    if (port >= -1 && port <= 65535) {
        return true;
    }
    conf_fault(into->report, ERROR_CONFIG_RANGE, place,
               "port %" PRId64 " is no port: 0 to 65535, or -1 for any free one", port);
    return false;
}

void into_take_port(struct into *into, const struct into_row *row, const struct conf_value *value)
{
    (void)row;
    int64_t port;
    if (into_int(into, value, &port) && port_is_good(into, value->place, port)) {
        into->port = port;
        into->port_place = value->place;
        into->has_port = true;
    }
}

static bool read_port(struct into *into, struct conf_place place, const char *text,
                      int64_t *port_out)
{
    char *end = NULL;
    errno = 0;
    *port_out = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0) {
        conf_fault(into->report, ERROR_CONFIG_FORM, place, "\"%.100s\" is no port", text);
        return false;
    }
    return port_is_good(into, place, *port_out);
}

/* "host:port", "[::1]:port", ":port"; a number alone is a port and leaves *host_out. */
static bool read_address(struct into *into, const struct conf_value *value, const char **host_out,
                         int64_t *port_out)
{
    const char *text;
    if (value->kind == CONF_INT) {
        *port_out = value->integer;
        return port_is_good(into, value->place, value->integer);
    }
    if (!into_text(into, value, &text)) {
        return false;
    }
    const char *colon = strrchr(text, ':');
    bool is_bracketed = text[0] == '[' && colon != NULL && colon > text && colon[-1] == ']';
    if (colon == NULL || (!is_bracketed && memchr(text, ':', (size_t)(colon - text)) != NULL)) {
        conf_fault(into->report, ERROR_CONFIG_FORM, value->place,
                   "%s: \"%.200s\" is no address: write \"host:port\" or \"[::1]:port\"",
                   value->key, text);
        return false;
    }
    size_t from = is_bracketed ? 1 : 0, to = (size_t)(colon - text) - from;
    *host_out = arena_printf(&into->config->arena, "%.*s", (int)(to - from), text + from);
    return read_port(into, value->place, colon + 1, port_out);
}

void into_take_listen(struct into *into, const struct into_row *row, const struct conf_value *value)
{
    const char *host = NULL;
    (void)row;
    if (read_address(into, value, &host, &into->port)) {
        into->has_port = true;
        into->port_place = value->place;
        into->host = host != NULL ? (struct into_text){host, value->place} : into->host;
    }
}

void into_take_monitor(struct into *into, const struct into_row *row,
                       const struct conf_value *value)
{
    (void)row;
    if (read_address(into, value, &into->monitor_host, &into->monitor_port)) {
        into->monitor_place = value->place;
    }
}

static void take_command_line(struct into *into)
{
    const struct options *options = into->options;
    const struct conf_place nowhere = {"the command line", 0, 0};
    if (options->host != NULL) {
        into->host = (struct into_text){options->host, nowhere};
    }
    if (options->port != NULL && read_port(into, nowhere, options->port, &into->port)) {
        into->has_port = true;
        into->port_place = nowhere;
    }
    if (options->http_port != NULL) {
        read_port(into, nowhere, options->http_port, &into->monitor_port);
        into->monitor_place = nowhere;
    }
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
           strcmp(host, "localhost") == 0;
}

static void put_address(struct into *into, const char *name, struct conf_place place,
                        const char *host, int64_t port)
{
    bool is_v6 = strchr(host, ':') != NULL;
    char text[INTO_TEXT_MAX];
    snprintf(text, sizeof(text), is_v6 ? "[%s]:%" PRId64 : "%s:%" PRId64, host,
             port == -1 ? 0 : port);
    into_put_text(into, into->nats, name, place, text);
}

void into_listen_end(struct into *into)
{
    take_command_line(into);
    bool has_host = into->host.text != NULL && into->host.text[0] != '\0';
    const char *host = has_host ? into->host.text : DEFAULT_HOST;
    int64_t port = into->has_port && into->port != 0 ? into->port : DEFAULT_PORT;
    struct conf_place place = has_host         ? into->host.place
                              : into->has_port ? into->port_place
                                               : (struct conf_place){"the default", 0, 0};
    put_address(into, "listen", place, host, port);
    if (into->monitor_port != 0) {
        bool has_own = into->monitor_host != NULL && into->monitor_host[0] != '\0';
        put_address(into, "monitor", into->monitor_place, has_own ? into->monitor_host : host,
                    into->monitor_port);
    }
    into->settings->is_open = !is_loopback(host);
}
