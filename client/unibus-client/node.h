/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLIENT_NODE_H
#define UNIBUS_CLIENT_NODE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>
#include <ubr/name.h>

#include <unibus-client/error.h>

/* The control plane of one node over HTTP: JSON in, JSON out, requests signed by the profile of
 * docs/http-api.md. The cluster id is pinned by whoever keeps it (unibus_node_pin_cluster); the
 * nonce epoch may change and is fetched anew, once, when the node says so. */

struct unibus_node;

struct unibus_node_options {
    const char *server;       /* "http://127.0.0.1:8470" */
    const char *admin_socket; /* path; then nothing is signed. NULL: server is used */
    long timeout_ms;          /* for connecting and for an answer without body; 0 = 10 s */
    /* Told when something was mended on the way ("your clock is 412 s behind"); may be NULL. */
    void (*notice)(void *arg, const char *text);
    /* Told the cluster id when the first answer names it and none is pinned; may be NULL. */
    void (*first_contact)(void *arg, const char *cluster_id);
    void *arg;
};

enum unibus_status unibus_node_open(const struct unibus_node_options *options,
                                    struct unibus_node **node_out, struct unibus_err *err);
void unibus_node_close(struct unibus_node **node);

/* Who signs: the device's sign key. Copied; wiped by close. */
void unibus_node_sign_as(struct unibus_node *node, const struct ubr_sign_key *sign);

/* The address, without final slash; "" when only the admin socket is used. */
const char *unibus_node_server(const struct unibus_node *node);

/* What /v1/info said; fetched on first use. Strings live as long as the node. */
struct unibus_node_info {
    const char *cluster_id;
    const char *nonce_epoch;
    const char *nats_url; /* the first; "" when the node has no bus */
    int64_t skew_ms;      /* the node's clock minus ours */
    const json_t *document;
};
enum unibus_status unibus_node_info(struct unibus_node *node, struct unibus_node_info *info_out,
                                    struct unibus_err *err);
/* Refuses (UNIBUS_UNVERIFIED) a node of another cluster. */
enum unibus_status unibus_node_pin_cluster(struct unibus_node *node, const char *cluster_id,
                                           struct unibus_err *err);

/* done and total in bytes; total -1 = unknown. */
typedef void (*unibus_progress_fn)(void *arg, int64_t done, int64_t total);

struct unibus_request {
    const char *method;
    const char *path;   /* percent-encoded by the caller where needed; ids never need it */
    const char *query;  /* without '?'; NULL = none */
    const json_t *body; /* NULL = none */
    FILE *upload;       /* instead of body: application/octet-stream from its start */
    int64_t upload_bytes;
    const char *if_match; /* without quotes; NULL = none */
    const char *idempotency_key;
    FILE *download;             /* the body of a 200 goes here instead of reply.json */
    int64_t download_max_bytes; /* a longer one is E-BLOB-SIZE, and is not read on */
    unibus_progress_fn progress;
    void *progress_arg;
};

struct unibus_reply {
    long http_status;
    json_t *json; /* owned by the caller; NULL when there is no JSON body */
    char etag[80];
    int64_t generation;
};

/* Anything but 2xx is an error: code, words and status from the problem document, which stays in
 * reply_out->json. Always give the reply back with unibus_reply_clear. */
enum unibus_status unibus_node_call(struct unibus_node *node, const struct unibus_request *request,
                                    struct unibus_reply *reply_out, struct unibus_err *err);
void unibus_reply_clear(struct unibus_reply *reply);

#endif
