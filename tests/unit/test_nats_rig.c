/* SPDX-License-Identifier: Apache-2.0 */
#include "test_nats_rig.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

int64_t rig_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- sets -------------------------------------------------------------------------------------
 */

struct rig_perms {
    struct ub_perms base;
    _Atomic int refs;
    struct ub_perm_rule rules[RIG_RULES_MAX];
};

static void rig_perms_ref(const struct ub_perms *perms)
{
    atomic_fetch_add(&((struct rig_perms *)(uintptr_t)perms)->refs, 1);
}

static void rig_perms_unref(const struct ub_perms *perms)
{
    struct rig_perms *it = (struct rig_perms *)(uintptr_t)perms;
    if (atomic_fetch_sub(&it->refs, 1) != 1) {
        return;
    }
    for (uint32_t i = 0; i < it->base.rule_count; i++) {
        free((char *)(uintptr_t)it->rules[i].subject);
    }
    free(it);
}

const struct ub_perms *rig_perms(uint32_t flags, const struct ub_perm_rule *rules, size_t count,
                                 const struct ub_perms *limits_from)
{
    struct rig_perms *it = calloc(1, sizeof(*it));
    assert_non_null(it);
    assert_true(count <= RIG_RULES_MAX);
    if (limits_from != NULL) {
        it->base = *limits_from;
    }
    it->base.size = sizeof(it->base);
    it->base.flags = flags;
    it->base.provider = "rig";
    it->base.rule_count = (uint32_t)count;
    it->base.rule_stride = sizeof(struct ub_perm_rule);
    it->base.rules = it->rules;
    it->base.ref = rig_perms_ref;
    it->base.unref = rig_perms_unref;
    for (size_t i = 0; i < count; i++) {
        it->rules[i] = rules[i];
        it->rules[i].subject = strdup(rules[i].subject);
    }
    atomic_store(&it->refs, 1);
    return &it->base;
}

const struct ub_perms *rig_perms_all(void)
{
    const struct ub_perm_rule all = {.actions = UB_PUBLISH | UB_SUBSCRIBE, .subject = ">"};
    return rig_perms(0, &all, 1, NULL);
}

/* ---- users ------------------------------------------------------------------------------------
 */

static struct rig_user *user_find(struct rig_authz *authz, const char *name)
{
    for (size_t i = 0; i < authz->user_count; i++) {
        if (strcmp(authz->users[i].name, name) == 0) {
            return &authz->users[i];
        }
    }
    return NULL;
}

static struct rig_user *user_make(struct rig_authz *authz, const char *name)
{
    struct rig_user *user = user_find(authz, name);
    if (user == NULL) {
        assert_true(authz->user_count < sizeof(authz->users) / sizeof(authz->users[0]));
        user = &authz->users[authz->user_count++];
        snprintf(user->name, sizeof(user->name), "%s", name);
    }
    return user;
}

void rig_user_set(struct rig_authz *authz, const char *name, const struct ub_perms *perms)
{
    pthread_mutex_lock(&authz->lock);
    struct rig_user *user = user_make(authz, name);
    ub_perms_unref(&user->perms);
    user->perms = perms;
    pthread_mutex_unlock(&authz->lock);
}

/* "U…": prefix byte, key, CRC-16/XMODEM little-endian, in base32 without padding. */
static void nkey_encode(const uint8_t *key, char *out)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint8_t raw[35] = {20 << 3};
    uint16_t crc = 0;
    memcpy(raw + 1, key, 32);
    for (size_t i = 0; i < 33; i++) {
        crc = (uint16_t)(crc ^ raw[i] << 8);
        for (int bit = 0; bit < 8; bit++) {
            crc = (uint16_t)((crc & 0x8000) != 0 ? crc << 1 ^ 0x1021 : crc << 1);
        }
    }
    raw[33] = (uint8_t)crc;
    raw[34] = (uint8_t)(crc >> 8);
    for (size_t i = 0; i < 56; i++) {
        unsigned value = 0;
        for (size_t bit = i * 5; bit < i * 5 + 5; bit++) {
            value = value << 1 | ((unsigned)raw[bit / 8] >> (7 - bit % 8) & 1u);
        }
        out[i] = letters[value];
    }
    out[56] = '\0';
}

void rig_user_nkey(struct rig_authz *authz, const char *name, uint8_t seed_out[32])
{
    uint8_t secret[64];
    pthread_mutex_lock(&authz->lock);
    struct rig_user *user = user_make(authz, name);
    randombytes_buf(seed_out, 32);
    crypto_sign_seed_keypair(user->public_key, secret, seed_out);
    nkey_encode(user->public_key, user->nkey);
    pthread_mutex_unlock(&authz->lock);
}

uint32_t rig_user_changed(struct rig_authz *authz, const char *name)
{
    return authz->changed(authz->changed_arg, name, 5000);
}

static bool user_proves(const struct rig_user *user, const struct ub_cred *cred)
{
    if (cred->nkey != NULL) {
        return strcmp(cred->nkey, user->nkey) == 0 && cred->signature.len == 64 &&
               crypto_sign_verify_detached(cred->signature.ptr, cred->nonce.ptr, cred->nonce.len,
                                           user->public_key) == 0;
    }
    return cred->password != NULL && strcmp(cred->password, "pw") == 0;
}

static struct rig_user *user_of(struct rig_authz *authz, const struct ub_cred *cred)
{
    for (size_t i = 0; i < authz->user_count; i++) {
        struct rig_user *user = &authz->users[i];
        if ((cred->nkey != NULL && strcmp(cred->nkey, user->nkey) == 0) ||
            (cred->user != NULL && strcmp(cred->user, user->name) == 0)) {
            return user;
        }
    }
    return NULL;
}

static void change_within(struct rig_authz *authz, const char *name)
{
    pthread_mutex_lock(&authz->lock);
    const struct ub_perms *perms = authz->change_within;
    authz->change_within = NULL;
    pthread_mutex_unlock(&authz->lock);
    if (perms != NULL) {
        rig_user_set(authz, name, perms);
        rig_user_changed(authz, name);
    }
}

static enum ub_verdict rig_connect(void *self, const struct ub_cred *cred,
                                   struct ub_principal *principal_out,
                                   const struct ub_perms **perms_out, struct ub_reason *reason_out)
{
    struct rig_authz *authz = self;
    enum ub_verdict verdict = authz->stranger;
    if (authz->delay_ms > 0) {
        usleep((useconds_t)authz->delay_ms * 1000);
    }
    pthread_mutex_lock(&authz->lock);
    authz->has_tls = cred->has_tls;
    snprintf(authz->cert_subject, sizeof(authz->cert_subject), "%s",
             cred->cert_subject != NULL ? cred->cert_subject : "");
    const struct rig_user *user = user_of(authz, cred);
    if (user != NULL && (!user_proves(user, cred) || user->perms == NULL)) {
        snprintf(reason_out->text, sizeof(reason_out->text), "wrong proof");
        verdict = UB_DENY;
    } else if (user != NULL) {
        principal_out->role = UB_ROLE_MEMBER;
        principal_out->serial = user->serial;
        snprintf(principal_out->id, sizeof(principal_out->id), "%s", user->name);
        snprintf(principal_out->handle, sizeof(principal_out->handle), "%s", user->name);
        user->perms->ref(user->perms);
        *perms_out = user->perms;
        verdict = UB_ALLOW;
    }
    pthread_mutex_unlock(&authz->lock);
    if (verdict == UB_ALLOW && user != NULL) {
        change_within(authz, user->name);
    }
    return verdict;
}

static const struct ub_perms *rig_permissions(void *self, const struct ub_principal *principal)
{
    struct rig_authz *authz = self;
    pthread_mutex_lock(&authz->lock);
    authz->asked++;
    const struct rig_user *user = user_find(authz, principal->id);
    bool is_old = user != NULL && principal->serial < user->serial_min;
    const struct ub_perms *perms = user == NULL || is_old ? NULL : user->perms;
    if (perms != NULL) {
        perms->ref(perms);
    }
    pthread_mutex_unlock(&authz->lock);
    return perms;
}

static enum ub_status rig_watch(void *self, ub_authz_changed_fn fn, void *arg, struct ub_err *err)
{
    struct rig_authz *authz = self;
    (void)err;
    authz->changed = fn;
    authz->changed_arg = arg;
    return UB_OK;
}

static void rig_unwatch(void *self, ub_authz_changed_fn fn, void *arg)
{
    struct rig_authz *authz = self;
    (void)fn;
    (void)arg;
    authz->changed = NULL;
}

const struct ub_authz_ops rig_authz_ops = {
    .size = sizeof(struct ub_authz_ops),
    .connect = rig_connect,
    .permissions = rig_permissions,
    .watch = rig_watch,
    .unwatch = rig_unwatch,
};

static void authz_fini(struct rig_authz *authz)
{
    for (size_t i = 0; i < authz->user_count; i++) {
        ub_perms_unref(&authz->users[i].perms);
    }
    pthread_mutex_destroy(&authz->lock);
}

/* ---- server -----------------------------------------------------------------------------------
 */

void rig_init(struct rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    assert_true(sodium_init() >= 0);
    rig->listen = (struct ub_listen){"127.0.0.1", 0, true, "127.0.0.1:0"};
    rig->settings = (struct nats_settings){
        .listen = {1, &rig->listen},
        .auth = NATS_AUTH_ENFORCE,
        .server_name = "",
        .threads = 2,
        .max_payload = 1 << 20,
        .max_control_line = 4096,
        .max_pending = 64 << 20,
        .max_connections = 1000,
        .max_subscriptions = 262144,
        .ping_interval = 120000,
        .ping_max = 2,
        .write_deadline = 10000,
        .auth_timeout = 2000,
        .lame_duck_duration = 120000,
        .lame_duck_grace = 10000,
    };
    pthread_mutex_init(&rig->authz.lock, NULL);
    pthread_mutex_init(&rig->second.lock, NULL);
    rig_user_set(&rig->authz, "root", rig_perms_all());
}

static void rig_bind(struct rig *rig, struct rig_authz *authz, const char *name)
{
    struct ub_err err = UB_ERR_INIT;
    struct ub_service service = {sizeof(service), UB_AUTHZ_IFACE, 1, 0, name,
                                 &rig_authz_ops,  authz};
    assert_int_equal(unibus_module_nats.ops->bind(rig->server, &service, &err), UB_OK);
}

void rig_start(struct rig *rig)
{
    struct ub_err err = UB_ERR_INIT;
    void *self = NULL;
    rig->host = kit_host_new("nats");
    if (unibus_module_nats.ops->create(rig->host, &rig->settings, &self, &err) != UB_OK) {
        fail_msg("create: %s", err.message);
    }
    rig->server = self;
    rig_bind(rig, &rig->authz, "rig");
    if (rig->has_second) {
        rig_bind(rig, &rig->second, "second");
    }
    if (unibus_module_nats.ops->start(self, &err) != UB_OK) {
        fail_msg("start: %s", err.message);
    }
    assert_true(rig->host->node->read_fact(rig->host, "nats.url", rig->url, sizeof(rig->url)) > 0);
    rig->port = (uint16_t)atoi(strrchr(rig->url, ':') + 1);
    unibus_module_nats.ops->ready(self);
}

void rig_stop(struct rig *rig)
{
    unibus_module_nats.ops->stop(rig->server);
    unibus_module_nats.ops->destroy(rig->server);
    kit_host_free(&rig->host);
    authz_fini(&rig->authz);
    authz_fini(&rig->second);
}

int rig_set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    rig_init(rig);
    rig_start(rig);
    *state = rig;
    return 0;
}

int rig_tear_down(void **state)
{
    struct rig *rig = *state;
    rig_stop(rig);
    free(rig);
    return 0;
}

bool rig_log_has(struct rig *rig, const char *text)
{
    return strstr(kit_log(rig->host), text) != NULL;
}

/* ---- clients ----------------------------------------------------------------------------------
 */

void rig_dial(struct rig *rig, struct rig_client *client)
{
    int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(rig->port)};
    memset(client, 0, sizeof(*client));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

bool rig_more(struct rig_client *client, int64_t wait_ms, bool *is_closed_out)
{
    struct pollfd poll_fd = {client->fd, POLLIN, 0};
    *is_closed_out = false;
    if (client->room - client->len < 65536) {
        client->room = client->len + 131072;
        client->bytes = realloc(client->bytes, client->room);
        assert_non_null(client->bytes);
    }
    if (poll(&poll_fd, 1, (int)wait_ms) <= 0) {
        return false;
    }
    ssize_t got = recv(client->fd, client->bytes + client->len, 65535, 0);
    if (got <= 0) {
        *is_closed_out = true;
        return false;
    }
    client->len += (size_t)got;
    client->bytes[client->len] = '\0';
    return true;
}

static void client_consume(struct rig_client *client, size_t len)
{
    memmove(client->bytes, client->bytes + len, client->len - len + 1);
    client->len -= len;
}

void rig_expect(struct rig_client *client, const char *text)
{
    int64_t deadline = rig_now_ms() + 10000;
    bool is_closed = false;
    size_t len = strlen(text), seen = 0; /* not all from the start again: it may be megabytes */
    while (true) {
        char *at =
            client->len == 0 ? NULL : memmem(client->bytes + seen, client->len - seen, text, len);
        if (at != NULL) {
            client_consume(client, (size_t)(at - client->bytes) + len);
            return;
        }
        seen = client->len < len ? 0 : client->len - len + 1;
        int64_t left = deadline - rig_now_ms();
        if (left <= 0 || (!rig_more(client, left, &is_closed) && is_closed)) {
            fail_msg("expected \"%s\", got \"%.2000s\"%s", text,
                     client->len == 0 ? "" : client->bytes, is_closed ? " and the end" : "");
        }
    }
}

void rig_expect_closed_within(struct rig_client *client, int64_t wait_ms)
{
    int64_t deadline = rig_now_ms() + wait_ms;
    bool is_closed = false;
    while (!is_closed) {
        int64_t left = deadline - rig_now_ms();
        if (left <= 0) {
            fail_msg("the connection stays open; last bytes \"%.300s\"",
                     client->len == 0 ? "" : client->bytes);
        }
        rig_more(client, left, &is_closed);
    }
}

void rig_expect_closed(struct rig_client *client)
{
    rig_expect_closed_within(client, 5000);
}

void rig_send_bytes(struct rig_client *client, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        ssize_t put = send(client->fd, at, len, MSG_NOSIGNAL);
        if (put <= 0) {
            return; /* the server closed: what it said is what counts */
        }
        at += put;
        len -= (size_t)put;
    }
}

void rig_send(struct rig_client *client, const char *text)
{
    rig_send_bytes(client, text, strlen(text));
}

/* The server measures the way once, 2 s after the start: a slow machine sees that in any test. */
static void client_drop_ping(struct rig_client *client)
{
    if (client->len >= 6 && memcmp(client->bytes, "PING\r\n", 6) == 0) {
        client_consume(client, 6);
    }
}

void rig_sync(struct rig_client *client, const char *between)
{
    char expected[8192];
    rig_send(client, "PING\r\n");
    if (between == NULL) {
        rig_expect(client, "PONG\r\n");
        return;
    }
    snprintf(expected, sizeof(expected), "%sPONG\r\n", between);
    client_drop_ping(client);
    int64_t deadline = rig_now_ms() + 10000;
    bool is_closed = false;
    while (client->len < strlen(expected) && rig_now_ms() < deadline && !is_closed) {
        rig_more(client, 100, &is_closed);
        client_drop_ping(client);
    }
    assert_string_equal(client->len == 0 ? "" : client->bytes, expected);
    client_consume(client, client->len);
}

void rig_open(struct rig *rig, struct rig_client *client)
{
    rig_dial(rig, client);
    bool is_closed;
    while (client->len == 0 || memchr(client->bytes, '\n', client->len) == NULL) {
        assert_true(rig_more(client, 5000, &is_closed));
    }
    const char *nonce = strstr(client->bytes, "\"nonce\":\"");
    assert_non_null(nonce);
    snprintf(client->nonce, sizeof(client->nonce), "%.15s", nonce + 9);
    rig_expect(client, "} \r\n");
}

void rig_login(struct rig *rig, struct rig_client *client, const char *user)
{
    char line[512], login[128] = "";
    rig_open(rig, client);
    if (user != NULL) {
        snprintf(login, sizeof(login), ",\"user\":\"%s\",\"pass\":\"pw\"", user);
    }
    snprintf(line, sizeof(line),
             "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,"
             "\"no_responders\":true,\"protocol\":1%s}\r\nPING\r\n",
             login);
    rig_send(client, line);
    rig_expect(client, "PONG\r\nINFO {");
    rig_expect(client, "} \r\n");
}

void rig_close(struct rig_client *client)
{
    close(client->fd);
    free(client->bytes);
    client->bytes = NULL;
}
