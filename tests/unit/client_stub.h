/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLIENT_STUB_H
#define CLIENT_STUB_H

#include <stdbool.h>

#include <jansson.h>

/* What the client's tests talk to: a node that answers from a table, on a unix socket, so that
 * nothing needs a signature; and a NATS server that chooses its nonce. Both are threads. */

struct stub_node;

/* Listens on <folder>/admin.sock. */
struct stub_node *stub_node_start(const char *folder);
void stub_node_stop(struct stub_node **node);
const char *stub_node_socket(const struct stub_node *node);
/* "GET /v1/info" → status and body, from now on. body may be NULL; borrowed. What is not in the
 * table gets 404. The query does not count. */
void stub_node_answer(struct stub_node *node, const char *request, int status, const json_t *body);
/* How often a request came. */
int stub_node_count(struct stub_node *node, const char *request);

struct stub_nats;

/* info: the whole JSON after "INFO ", as bytes. */
struct stub_nats *stub_nats_start(const char *info, size_t info_len);
void stub_nats_stop(struct stub_nats **nats);
int stub_nats_port(const struct stub_nats *nats);
/* Whether a CONNECT with a signature has come. */
bool stub_nats_was_signed(struct stub_nats *nats);

/* A folder of its own in /tmp; the caller removes it with stub_folder_remove and frees. */
char *stub_folder_make(void);
void stub_folder_remove(char *folder);

#endif
