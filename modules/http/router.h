/* SPDX-License-Identifier: Apache-2.0
 *
 * Which route a method and a raw path mean. Routes are added on the main loop before the server is
 * ready and only read afterwards.
 *
 * A segment of a pattern is a literal ("rooms", "boxes:requested"), a parameter ("{kid}") or a
 * parameter with a literal behind it ("{kid}:request"). Literals match the raw bytes. When several
 * patterns match, at the first segment where they differ a literal goes before "{kid}:request", and
 * that before "{kid}". */
#ifndef HTTP_ROUTER_H
#define HTTP_ROUTER_H

#include <unibus/error.h>
#include <unibus/httpd.h>

#include "head.h"

/* A flag of the module's own routes: the handler never blocks, so without a signature it runs on
 * the loop and answers also while every worker is busy. */
#define HTTP_INLINE 0x80000000u

#define HTTP_SEGMENTS_MAX 12

struct http_segment {
    const char *text; /* of a literal, or what follows the parameter */
    uint32_t len;
    bool is_param;
};

struct http_route {
    struct ub_http_route pub; /* method and pattern point into `words` */
    struct http_segment segments[HTTP_SEGMENTS_MAX];
    uint32_t segment_count;
    char *words;
};

struct http_router {
    struct http_route **routes;
    size_t count;
};

void http_router_init(struct http_router *router);
void http_router_fini(struct http_router *router);

/* Copies. UB_EINVAL for a pattern of another form, UB_EEXISTS. */
enum ub_status http_router_add(struct http_router *router, const struct ub_http_route *route,
                               struct ub_err *err);

struct http_route_row {
    const char *method, *pattern;
    ub_http_handler_fn handler;
};

/* A table of routes that differ in nothing else; the first that fails ends it. */
enum ub_status http_router_add_rows(struct http_router *router, const struct http_route_row *rows,
                                    size_t count, uint32_t flags, void *arg, struct ub_err *err);

struct http_match {
    const struct http_route *route;              /* NULL = none */
    char allow[96];                              /* the methods of the path; "" = no such path */
    struct http_span params[UB_HTTP_PARAMS_MAX]; /* raw, within the path */
    uint32_t param_count;
};

/* Threads: any. */
void http_router_match(const struct http_router *router, const char *method, const char *path,
                       struct http_match *match_out);

#endif
