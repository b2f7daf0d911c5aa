/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLIENT_LIB_NODE_H
#define UNIBUS_CLIENT_LIB_NODE_H

#include <stdbool.h>

#include <curl/curl.h>

#include <unibus-client/node.h>

/* The inside of a node, shared by node.c (what is said) and http.c (how it is carried). */
struct unibus_node {
    CURL *curl;
    char *server, *admin_socket;
    long timeout_ms;
    void (*notice)(void *arg, const char *text);
    void (*first_contact)(void *arg, const char *cluster_id);
    void *arg;
    bool is_signing;
    struct ubr_sign_key sign;
    char *pinned_cluster;
    json_t *info;
    int64_t skew_ms;
};

/* One exchange, signed when audience is given. Fills reply_out whatever the HTTP status is; an
 * error only when there was no answer. */
enum unibus_status http_exchange(struct unibus_node *node, const struct unibus_request *request,
                                 const char *audience, struct unibus_reply *reply_out,
                                 struct unibus_err *err);

#endif
