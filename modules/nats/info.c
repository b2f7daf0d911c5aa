/* SPDX-License-Identifier: Apache-2.0 */
#include "info.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include <unibus/error.h>

#include "listener.h"
#include "shard.h"
#include "tls.h"

/* JSON of a text with its quotes, escaped; NULL = no memory. To free(). */
static char *json_text(const char *text)
{
    json_t *value = json_string(text);
    char *dumped = value == NULL ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    json_decref(value);
    return dumped;
}

/* max_payload comes last: a connection may have one of its own. */
static int info_print(struct nats_server *server, const char *name, const char *address)
{
    const struct ub_host *host = server->host;
    int len = snprintf(server->info, sizeof(server->info),
                       "\"server_id\":\"%s\",\"server_name\":%s,\"version\":\"%s\",\"proto\":1,"
                       "\"go\":\"unibus %s\",\"host\":%s,\"port\":%u,\"headers\":true,%s",
                       server->server_id, name, NATS_VERSION, host->node->version(host), address,
                       nats_listeners_port(server),
                       server->settings->auth == NATS_AUTH_OFF ? "" : "\"auth_required\":true,");
    if (len < 0 || (size_t)len >= sizeof(server->info)) {
        return -1;
    }
    server->info_common_len = (size_t)len;
    size_t room = sizeof(server->info) - (size_t)len;
    int rest = snprintf(server->info + len, room, "\"max_payload\":%lld,",
                        (long long)server->settings->max_payload);
    return rest > 0 && (size_t)rest < room ? len + rest : -1;
}

enum ub_status nats_info_make(struct nats_server *server, struct ub_err *err)
{
    const char *configured = server->settings->server_name;
    bool has_name = configured != NULL && configured[0] != '\0';
    char *name = json_text(has_name ? configured : server->host->node->name(server->host));
    char *address = json_text(server->settings->listen.items[0].host);
    bool is_fine = name != NULL && address != NULL && info_print(server, name, address) > 0;
    free(name);
    free(address);
    nats_info_advertise(server, &server->settings->advertise);
    return is_fine ? UB_OK : ub_fail(err, UB_EINVAL, "server_name is too long for INFO");
}

/* ---- connect_urls -----------------------------------------------------------------------------
 */

/* "host:port", "[v6]:port"; what else JSON or a client could not take. */
static bool url_is_fine(const char *url)
{
    const char *colon = strrchr(url, ':');
    if (colon == NULL || colon == url || strlen(url) >= NATS_URL_MAX) {
        return false;
    }
    bool has_bracket = url[0] == '[';
    if (has_bracket ? colon[-1] != ']' : memchr(url, ':', (size_t)(colon - url)) != NULL) {
        return false;
    }
    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || port == 0 || port > 65535) {
        return false;
    }
    size_t plain = strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               ".-_:[]%");
    return url[plain] == '\0';
}

enum ub_status nats_info_check(const struct ub_strings *advertise, struct ub_err *err)
{
    size_t len = 32;
    for (size_t i = 0; i < advertise->count; i++) {
        if (!url_is_fine(advertise->items[i])) {
            return ub_fail(err, UB_EINVAL,
                           "advertise: \"%s\" is no address for clients; write \"name:port\"",
                           advertise->items[i]);
        }
        len += strlen(advertise->items[i]) + 3;
    }
    return len < NATS_INFO_URLS_MAX
               ? UB_OK
               : ub_fail(err, UB_EINVAL, "advertise: %zu addresses are too many for INFO",
                         advertise->count);
}

struct url_list {
    char text[NATS_INFO_URLS_MAX];
    size_t len, count;
};

static void urls_add(struct url_list *urls, const char *url)
{
    size_t room = sizeof(urls->text) - urls->len;
    int len = snprintf(urls->text + urls->len, room, "%s\"%s\"",
                       urls->count == 0 ? "\"connect_urls\":[" : ",", url);
    if (len > 0 && (size_t)len + sizeof("],") < room) { /* else it is left out */
        urls->len += (size_t)len;
        urls->count++;
    }
}

static bool listen_is_any(const struct ub_listen *listen)
{
    return strcmp(listen->host, "0.0.0.0") == 0 || strcmp(listen->host, "::") == 0;
}

/* Several listeners are the places where the same node is reached. One alone is no news to whoever
 * has come by it, and may be the wrong address (behind a port mapping). Loopback is not told to
 * those who are elsewhere, and any address is no address. */
static void urls_of_listeners(const struct nats_server *server, struct url_list *urls)
{
    const struct ub_listens *listens = &server->settings->listen;
    bool has_remote = false;
    for (size_t i = 0; i < listens->count; i++) {
        has_remote = has_remote || !listens->items[i].is_loopback;
    }
    for (size_t i = 0; i < listens->count && listens->count > 1; i++) {
        const struct ub_listen *listen = &listens->items[i];
        char url[NATS_URL_MAX];
        if (listen_is_any(listen) || (has_remote && listen->is_loopback)) {
            continue;
        }
        bool is_v6 = strchr(listen->host, ':') != NULL;
        snprintf(url, sizeof(url), is_v6 ? "[%s]:%u" : "%s:%u", listen->host,
                 nats_listener_port(server, i));
        urls_add(urls, url);
    }
}

void nats_info_advertise(struct nats_server *server, const struct ub_strings *advertise)
{
    struct url_list urls = {.len = 0};
    for (size_t i = 0; i < advertise->count; i++) {
        urls_add(&urls, advertise->items[i]);
    }
    if (advertise->count == 0) {
        urls_of_listeners(server, &urls);
    }
    if (urls.count > 0) {
        memcpy(urls.text + urls.len, "],", sizeof("],"));
    } else {
        urls.text[0] = '\0';
    }
    pthread_mutex_lock(&server->info_lock);
    bool is_new = strcmp(server->info_urls, urls.text) != 0;
    memcpy(server->info_urls, urls.text, sizeof(urls.text));
    pthread_mutex_unlock(&server->info_lock);
    if (is_new && atomic_load(&server->is_running)) {
        nats_info_send_all(server);
    }
}

void nats_info_urls(struct nats_server *server, char *out)
{
    pthread_mutex_lock(&server->info_lock);
    memcpy(out, server->info_urls, NATS_INFO_URLS_MAX);
    pthread_mutex_unlock(&server->info_lock);
}

/* ---- to clients -------------------------------------------------------------------------------
 */

static void info_write(struct nats_conn *conn, const char *urls, bool is_ldm)
{
    const struct nats_server *server = conn->shard->server;
    char line[NATS_INFO_MAX];
    int len = snprintf(line, sizeof(line),
                       "INFO {%.*s\"max_payload\":%zu,%s%s\"client_id\":%llu,\"client_ip\":\"%s\","
                       "\"connect_info\":true,\"remote_account\":\"$G\"%s} \r\n",
                       (int)server->info_common_len, server->info, conn->max_payload, urls,
                       nats_tls_info(conn), (unsigned long long)conn->cid, conn->address,
                       is_ldm ? ",\"ldm\":true" : "");
    nats_conn_send(conn, line, (size_t)len);
}

/* Clients of protocol 0 expect no INFO but the first. */
static bool knows_info(const struct nats_conn *conn)
{
    return conn->is_connected && conn->protocol != 0;
}

void nats_info_send(struct nats_conn *conn)
{
    struct nats_server *server = conn->shard->server;
    char urls[NATS_INFO_URLS_MAX] = "";
    bool is_ldm = atomic_load(&server->lame_since_ms) != 0;
    if (!is_ldm) { /* else these are no places to go to */
        nats_info_urls(server, urls);
    }
    if (knows_info(conn)) {
        info_write(conn, urls, is_ldm);
    }
}

bool nats_info_send_away(struct nats_conn *conn)
{
    char urls[NATS_INFO_URLS_MAX] = "";
    if (!knows_info(conn) || !conn->has_ponged) {
        return false;
    }
    if (atomic_load(&conn->shard->server->lame_since_ms) == 0) {
        nats_info_urls(conn->shard->server, urls);
    }
    info_write(conn, urls, true);
    return true;
}

static void send_on_shard(void *arg)
{
    struct nats_shard *shard = arg;
    nats_shard_enter(shard);
    for (struct nats_conn *conn = shard->all; conn != NULL; conn = conn->all_next) {
        if (conn->has_ponged && !conn->is_doomed && conn->state != NATS_CONN_LINGERING) {
            nats_info_send(conn);
        }
    }
}

void nats_info_send_all(struct nats_server *server)
{
    for (uint32_t i = 0; i < server->shard_count; i++) {
        server->host->loop->post(server->shards[i].loop, send_on_shard, &server->shards[i]);
    }
}
