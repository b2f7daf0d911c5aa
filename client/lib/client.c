/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <ubr/text.h>

#define CONFIG "config.json"

void unibus_client_notice(struct unibus_client *client, const char *format, ...)
{
    if (client->notice == NULL) {
        return;
    }
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    client->notice(client->notice_arg, text);
}

void unibus_client_notice_error(struct unibus_client *client, const char *what,
                                const struct unibus_err *err)
{
    bool has_code = err->code[0] != '\0';
    unibus_client_notice(client, "%s: %s%s%s%s", what, err->message, has_code ? " [" : "",
                         err->code, has_code ? "]" : "");
}

/* Empty when absent; damage is an error, or the pin of the cluster would be lost by it. */
static enum unibus_status read_config(struct unibus_client *client, json_t **doc_out,
                                      struct unibus_err *err)
{
    enum unibus_status status = unibus_home_read(client->home, CONFIG, doc_out, err);
    if (status != UNIBUS_NOT_FOUND) {
        return status;
    }
    *doc_out = json_object();
    return UNIBUS_OK;
}

static enum unibus_status set_config(struct unibus_client *client, const char *key,
                                     const char *value, struct unibus_err *err)
{
    enum unibus_status status = unibus_home_lock(client->home, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    json_t *doc = NULL;
    status = read_config(client, &doc, err);
    if (status == UNIBUS_OK && strcmp(wire_text(doc, key), value) != 0) {
        json_object_set_new(doc, key, json_string(value));
        status = unibus_home_write(client->home, CONFIG, doc, err);
    }
    json_decref(doc);
    unibus_home_unlock(client->home);
    return status;
}

static void on_first_contact(void *arg, const char *cluster_id)
{
    struct unibus_client *client = arg;
    struct unibus_err err = UNIBUS_ERR_INIT;
    if (set_config(client, "cluster_id", cluster_id, &err) != UNIBUS_OK) {
        unibus_client_notice(client, "%s", err.message);
    }
}

static void on_node_notice(void *arg, const char *text)
{
    unibus_client_notice(arg, "%s", text);
}

static enum unibus_status open_node(struct unibus_client *client,
                                    const struct unibus_client_options *options,
                                    struct unibus_err *err)
{
    json_t *config = NULL;
    enum unibus_status status = read_config(client, &config, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    const char *kept = wire_text(config, "server");
    const struct unibus_node_options node_options = {
        .server = options->server != NULL ? options->server
                  : kept[0] != '\0'       ? kept
                                          : UNIBUS_SERVER_DEFAULT,
        .admin_socket = options->admin_socket,
        .timeout_ms = options->timeout_ms,
        .notice = on_node_notice,
        .first_contact = on_first_contact,
        .arg = client,
    };
    status = unibus_node_open(&node_options, &client->node, err);
    if (status == UNIBUS_OK && wire_text(config, "cluster_id")[0] != '\0') {
        status = unibus_node_pin_cluster(client->node, wire_text(config, "cluster_id"), err);
    }
    json_decref(config);
    return status;
}

enum unibus_status unibus_client_reload_identity(struct unibus_client *client,
                                                 struct unibus_err *err)
{
    if (client->has_identity) {
        unibus_identity_clear(&client->identity);
        client->has_identity = false;
    }
    enum unibus_status status = unibus_identity_load(client->home, &client->identity, err);
    if (status == UNIBUS_OK) {
        client->has_identity = true;
        unibus_node_sign_as(client->node, &client->identity.sign);
    }
    return status;
}

enum unibus_status unibus_client_open(const struct unibus_client_options *options,
                                      struct unibus_client **client_out, struct unibus_err *err)
{
    if (sodium_init() < 0) {
        return unibus_fail(err, UNIBUS_FAILED, "libsodium does not start");
    }
    struct unibus_client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        return unibus_fail(err, UNIBUS_FAILED, "no memory");
    }
    client->notice = options->notice;
    client->notice_arg = options->notice_arg;
    enum unibus_status status = unibus_home_open(options->home, &client->home, err);
    if (status == UNIBUS_OK) {
        status = open_node(client, options, err);
    }
    if (status == UNIBUS_OK) {
        status = unibus_client_reload_identity(client, err);
        status = status == UNIBUS_NOT_FOUND ? UNIBUS_OK : status;
    }
    if (status != UNIBUS_OK) {
        unibus_client_close(&client);
        return status;
    }
    *client_out = client;
    return UNIBUS_OK;
}

void unibus_client_close(struct unibus_client **client)
{
    if (*client == NULL) {
        return;
    }
    contacts_fini(&(*client)->contacts);
    if ((*client)->has_identity) {
        unibus_identity_clear(&(*client)->identity);
    }
    unibus_node_close(&(*client)->node);
    unibus_home_close(&(*client)->home);
    free(*client);
    *client = NULL;
}

struct unibus_home *unibus_client_home(struct unibus_client *client)
{
    return client->home;
}

struct unibus_node *unibus_client_node(struct unibus_client *client)
{
    return client->node;
}

enum unibus_status unibus_client_identity(struct unibus_client *client,
                                          const struct unibus_identity **identity_out,
                                          struct unibus_err *err)
{
    if (!client->has_identity) {
        unibus_fail(err, UNIBUS_NOT_FOUND, "there is no identity in %s",
                    unibus_home_path(client->home));
        return unibus_fix(err, "make one: unibus id new (or choose another --home)");
    }
    *identity_out = &client->identity;
    return UNIBUS_OK;
}

enum unibus_status unibus_client_keep_server(struct unibus_client *client, const char *server,
                                             struct unibus_err *err)
{
    return set_config(client, "server", server, err);
}

enum unibus_status unibus_client_get(struct unibus_client *client, const char *path,
                                     const char *query, json_t **json_out, struct unibus_err *err)
{
    const struct unibus_request request = {.method = "GET", .path = path, .query = query};
    struct unibus_reply reply;
    enum unibus_status status = unibus_node_call(client->node, &request, &reply, err);
    if (status == UNIBUS_OK && !json_is_object(reply.json)) {
        status = unibus_fail(err, UNIBUS_FAILED, "GET %s: the answer is not a JSON object", path);
    }
    if (status == UNIBUS_OK) {
        *json_out = json_incref(reply.json);
    }
    unibus_reply_clear(&reply);
    return status;
}

#define LIST_PAGES_MAX 10000

enum unibus_status unibus_client_list(struct unibus_client *client, const char *path,
                                      json_t **items_out, struct unibus_err *err)
{
    json_t *items = json_array();
    char query[1024] = "limit=500";
    enum unibus_status status = UNIBUS_OK;
    for (int page = 0; page < LIST_PAGES_MAX && query[0] != '\0'; page++) {
        json_t *json;
        status = unibus_client_get(client, path, query, &json, err);
        if (status != UNIBUS_OK) {
            break;
        }
        json_array_extend(items, json_object_get(json, "items"));
        const char *next = wire_text(json, "next");
        int len = snprintf(query, sizeof(query), "limit=500&cursor=%s", next);
        if (next[0] == '\0' || len < 0 || (size_t)len >= sizeof(query)) {
            query[0] = '\0';
        }
        json_decref(json);
    }
    if (status != UNIBUS_OK) {
        json_decref(items);
        return status;
    }
    *items_out = items;
    return UNIBUS_OK;
}

static enum unibus_status nobody(const char *who, struct unibus_err *err)
{
    unibus_fail_code(err, UNIBUS_NOT_FOUND, "not-found", "nobody on the allowlist is \"%s\"", who);
    return unibus_fix(err, "`unibus identity ls` shows who is");
}

static bool is_id(const char *text)
{
    uint8_t raw[UBR_FINGERPRINT_LEN];
    return ubr_base32_decode_exact(ubr_bytes_of_text(text), raw, sizeof(raw));
}

static enum unibus_status look_up_handle(struct unibus_client *client, const char *handle,
                                         json_t **identity_out, struct unibus_err *err)
{
    if (!ubr_handle_is_valid(ubr_bytes_of_text(handle))) {
        return nobody(handle, err);
    }
    char query[96];
    json_t *json;
    snprintf(query, sizeof(query), "handle=%s", handle);
    enum unibus_status status = unibus_client_get(client, "/v1/identities", query, &json, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    json_t *found = json_array_get(json_object_get(json, "items"), 0);
    *identity_out = json_incref(found);
    json_decref(json);
    return found != NULL ? UNIBUS_OK : nobody(handle, err);
}

/* The key must be the one that the id names, and the handle the one that was asked for: the node's
 * word for whose key a handle is, is all we have. */
static enum unibus_status check_identity(const json_t *identity, const char *who,
                                         struct unibus_err *err)
{
    uint8_t account_pk[UBR_KEY_LEN];
    char id[33] = "";
    bool has_key = wire_get(identity, "account_pk", account_pk, sizeof(account_pk));
    if (has_key) {
        ubr_fingerprint_text(account_pk, id);
    }
    bool is_asked = strcmp(is_id(who) ? id : wire_text(identity, "handle"), who) == 0;
    return has_key && is_asked && strcmp(id, wire_text(identity, "id")) == 0
               ? UNIBUS_OK
               : unibus_fail(err, UNIBUS_UNVERIFIED,
                             "the node gives another identity, or another key, than \"%s\"", who);
}

enum unibus_status unibus_client_look_up(struct unibus_client *client, const char *who,
                                         json_t **identity_out, struct unibus_err *err)
{
    json_t *found = NULL;
    enum unibus_status status;
    if (is_id(who)) {
        char path[64];
        snprintf(path, sizeof(path), "/v1/identities/%s", who);
        status = unibus_client_get(client, path, NULL, &found, err);
        status = status == UNIBUS_NOT_FOUND ? nobody(who, err) : status;
    } else {
        status = look_up_handle(client, who, &found, err);
    }
    if (status == UNIBUS_OK) {
        status = check_identity(found, who, err);
    }
    if (status != UNIBUS_OK) {
        json_decref(found);
        return status;
    }
    *identity_out = found;
    return UNIBUS_OK;
}
