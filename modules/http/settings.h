/* SPDX-License-Identifier: Apache-2.0
 *
 * The settings of the module; the table with defaults and words is in module.c. */
#ifndef HTTP_SETTINGS_H
#define HTTP_SETTINGS_H

#include <unibus/settings.h>

struct http_settings {
    struct ub_listens listen;
    const char *admin_socket;
    int64_t workers, queue;
    int64_t max_connections;
    int64_t max_target, max_headers, max_header_count; /* bytes, bytes, lines */
    int64_t head_timeout, idle_timeout, stall_timeout; /* ms */
};

#endif
