/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_OPS_H
#define HTTP_OPS_H

#include "server.h"

/* ub.httpd 1.0; self is the server. */
extern const struct ub_httpd_ops http_ops;

/* GET /livez, /readyz, /healthz: from the node's last report, never from a store. */
enum ub_status http_health_routes(struct ub_http_server *server, struct ub_err *err);

/* GET /v1/decisions, /v1/decisions/{id}: from the node's decision log. */
enum ub_status http_decision_routes(struct ub_http_server *server, struct ub_err *err);

/* GET /v1/config, POST /v1/config:check and :reload, GET /v1/modules: for operators. */
enum ub_status http_config_routes(struct ub_http_server *server, struct ub_err *err);

#endif
