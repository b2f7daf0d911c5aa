/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLIENT_CLIENT_H
#define UNIBUS_CLIENT_CLIENT_H

#include <unibus-client/home.h>
#include <unibus-client/identity.h>
#include <unibus-client/node.h>

/* One device of one person at one node: the home, the identity in it, the node, and the device
 * chains of others. Threads: one at a time. */

struct unibus_client;

struct unibus_client_options {
    const char *home;         /* NULL: as in home.h */
    const char *server;       /* NULL: as kept in the home, else UNIBUS_SERVER_DEFAULT */
    const char *admin_socket; /* NULL: none */
    long timeout_ms;          /* 0: the node's default */
    /* Things worth telling that are no errors ("your clock is 412 s behind the node's"). */
    void (*notice)(void *arg, const char *text);
    void *notice_arg;
};

#define UNIBUS_SERVER_DEFAULT "http://127.0.0.1:8470"

/* Contacts nobody. An identity in the home signs the requests; a home without one is fine until
 * unibus_client_identity is asked for. */
enum unibus_status unibus_client_open(const struct unibus_client_options *options,
                                      struct unibus_client **client_out, struct unibus_err *err);
void unibus_client_close(struct unibus_client **client);

struct unibus_home *unibus_client_home(struct unibus_client *client);
struct unibus_node *unibus_client_node(struct unibus_client *client);
/* UNIBUS_NOT_FOUND when the home has none. Borrowed. */
enum unibus_status unibus_client_identity(struct unibus_client *client,
                                          const struct unibus_identity **identity_out,
                                          struct unibus_err *err);
/* Takes an identity that was made after opening. */
enum unibus_status unibus_client_reload_identity(struct unibus_client *client,
                                                 struct unibus_err *err);
/* Keeps the server's address in the home. */
enum unibus_status unibus_client_keep_server(struct unibus_client *client, const char *server,
                                             struct unibus_err *err);
void unibus_client_notice(struct unibus_client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same of an error that does not end the call: what, its sentence and its code. */
void unibus_client_notice_error(struct unibus_client *client, const char *what,
                                const struct unibus_err *err);

/* A GET whose answer is JSON; *json_out is a new reference. */
enum unibus_status unibus_client_get(struct unibus_client *client, const char *path,
                                     const char *query, json_t **json_out, struct unibus_err *err);
/* All pages of a list. */
enum unibus_status unibus_client_list(struct unibus_client *client, const char *path,
                                      json_t **items_out, struct unibus_err *err);
/* The allowlist's word on a handle or id: {"id","handle","role","account_pk",…}. */
enum unibus_status unibus_client_look_up(struct unibus_client *client, const char *who,
                                         json_t **identity_out, struct unibus_err *err);

#endif
