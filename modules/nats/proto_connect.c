/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "authz.h"
#include "errors.h"
#include "info.h"
#include "listener.h"
#include "monitor/monitor.h"
#include "quote.h"
#include "tls.h"

static void make_nonce(struct nats_conn *conn)
{
    const struct ub_host *host = conn->shard->server->host;
    uint8_t random[11];
    host->clock->random(host, random, sizeof(random));
    sodium_bin2base64(conn->nonce, sizeof(conn->nonce), random, sizeof(random),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

void nats_proto_greet(struct nats_conn *conn)
{
    struct nats_server *server = conn->shard->server;
    char info[NATS_INFO_MAX], urls[NATS_INFO_URLS_MAX];
    make_nonce(conn);
    nats_info_urls(server, urls);
    int len = snprintf(info, sizeof(info),
                       "INFO {%s%s%s\"client_id\":%llu,\"client_ip\":\"%s\",\"nonce\":\"%s\"} \r\n",
                       server->info, urls, nats_tls_info(conn), (unsigned long long)conn->cid,
                       conn->address, conn->nonce);
    nats_conn_send(conn, info, (size_t)len);
}

/* Kept for monitoring, when the client said something at all. */
static void connect_note(struct nats_conn *conn, const struct nats_connect_options *options)
{
    size_t name = strlen(options->name) + 1, lang = strlen(options->lang) + 1;
    size_t version = strlen(options->version) + 1, len = name + lang + version;
    conn->protocol = options->protocol > 0;
    free(conn->about);
    conn->about = len > 3 ? malloc(len) : NULL;
    if (conn->about != NULL) {
        memcpy(conn->about, options->name, name);
        memcpy(conn->about + name, options->lang, lang);
        memcpy(conn->about + name + lang, options->version, version);
    }
}

static void connect_accept(struct nats_conn *conn)
{
    nats_monitor_connected(conn);
    conn->is_connected = true;
    if (conn->is_verbose) {
        nats_conn_send(conn, "+OK\r\n", 5);
    }
}

/* While the node waits for a peer or a quorum nobody new comes in; who is in stays. */
static bool connect_must_wait(struct nats_conn *conn)
{
    const struct ub_host *host = conn->shard->server->host;
    char what[128], text[640];
    if (conn->is_connected || !host->node->is_waiting(host, what, sizeof(what))) {
        return false;
    }
    size_t len = strlen(NATS_ERR_NOT_READY);
    memcpy(text, NATS_ERR_NOT_READY, len);
    nats_quote(nats_text(what), text + len, sizeof(text) - len);
    nats_conn_fail(conn, text, "not-ready", "the node waits and takes no new clients");
    return true;
}

void nats_proto_connect(struct nats_conn *conn, struct ub_bytes json)
{
    struct nats_connect_options options;
    if (!nats_connect_parse(json, &options)) {
        nats_conn_fail(conn, NATS_ERR_UNKNOWN, "bad-connect", "CONNECT is not acceptable JSON");
        return;
    }
    conn->is_verbose = options.is_verbose;
    conn->is_pedantic = options.is_pedantic;
    conn->is_echo = options.is_echo;
    conn->has_headers = options.has_headers;
    conn->has_no_responders = options.has_no_responders;
    connect_note(conn, &options);
    if (options.has_foreign) {
        nats_conn_fail(conn, NATS_ERR_AUTHORIZATION, "login-refused",
                       "CONNECT names an account or a token that only nats-server knows");
    } else if (options.protocol < 0 || options.protocol > 1) {
        nats_conn_fail(conn, NATS_ERR_PROTOCOL, "bad-protocol", "protocol is neither 0 nor 1");
    } else if (options.has_no_responders && !options.has_headers) {
        nats_conn_fail(conn, NATS_ERR_NO_RESPONDERS, "no-responders",
                       "no_responders without headers");
    } else if (connect_must_wait(conn)) {
        ; /* it has been told */
    } else if (conn->shard->server->settings->auth == NATS_AUTH_OFF) {
        connect_accept(conn);
    } else {
        nats_authz_ask(conn, &options);
    }
    sodium_memzero(&options, sizeof(options));
}
