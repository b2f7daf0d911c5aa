/* SPDX-License-Identifier: Apache-2.0
 *
 * The NATS server of one node: what all its loops share. */
#ifndef NATS_SERVER_H
#define NATS_SERVER_H

#include <unibus/bus.h>
#include <unibus/module.h>

#include "buf.h"
#include "inbox.h"
#include "perms.h"
#include "replies.h"
#include "settings.h"
#include "sublist.h"

#define NATS_VERSION       "2.11.0" /* of the protocol: whose features clients may expect */
#define NATS_SHARDS_MAX    64
#define NATS_PROVIDERS_MAX NATS_SETS_MAX
#define NATS_SERVER_ID_LEN 56

struct nats_shard;
struct nats_listener;
struct nats_sessions;
struct nats_interests;
struct nats_monitor;
struct nats_tls_context;

struct nats_provider {
    const struct ub_authz_ops *ops;
    void *self;
    const char *module;
    struct nats_server *server; /* argument of changed() */
};

struct ub_httpd_ops;

struct nats_server {
    const struct ub_host *host;
    const struct nats_settings *settings;
    struct nats_live live;
    struct nats_tls_context *tls; /* NULL = there is no TLS */
    struct nats_provider providers[NATS_PROVIDERS_MAX];
    uint32_t provider_count, watched_count;
    const struct ub_httpd_ops *httpd; /* NULL = there is no HTTP server */
    atomic_uint visitors;             /* threads of http that are inside */

    struct nats_sublist sublist;
    struct nats_inbox_table *inboxes;
    struct nats_sessions *sessions;
    struct nats_interests *interests;
    struct nats_monitor *monitor; /* NULL before start and after stop */
    struct nats_pool pool;
    _Atomic size_t freed; /* bytes that went back to malloc, perhaps not to the system yet */
    struct ub_pool *auth_pool;
    uint64_t seed;
    uint8_t reply_key[NATS_REPLY_KEY_BYTES];
    char server_id[NATS_SERVER_ID_LEN + 1];
    char info[1024];        /* the members of INFO that are the same for all, with a comma behind */
    size_t info_common_len; /* without the last of them, max_payload */
    pthread_mutex_t info_lock;
    char info_urls[2048];        /* under info_lock: connect_urls with a comma behind, or "" */
    pthread_mutex_t change_lock; /* one change of rights at a time */
    pthread_cond_t change_is_done;
    bool is_changing; /* under change_lock */

    struct nats_shard *shards;
    uint32_t shard_count;
    uint32_t next_shard; /* loop 0 only */
    struct nats_listener *listeners;
    size_t listener_count;

    _Atomic int64_t connection_count;
    int fd_max; /* sockets above are closed at once: what is left is for the stores */
    _Atomic bool is_running, is_draining;
    _Atomic int64_t lame_since_ms; /* lame duck; 0 = not */
};

static inline int64_t nats_now_ms(const struct nats_server *server)
{
    return server->host->clock->mono_ns(server->host) / 1000000;
}

/* Life cycle: the main loop. start binds the ports, ready lets clients in. */
enum ub_status nats_server_new(const struct ub_host *host, const struct nats_settings *settings,
                               struct nats_server **server_out, struct ub_err *err);
void nats_server_free(struct nats_server **server);
enum ub_status nats_server_start(struct nats_server *server, struct ub_err *err);
void nats_server_ready(struct nats_server *server);
void nats_server_drain(struct nats_server *server);
void nats_server_stop(struct nats_server *server);

#endif
