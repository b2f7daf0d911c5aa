/* SPDX-License-Identifier: Apache-2.0 */
#include "closed.h"

#include <stdlib.h>

#include "../shard.h"

static const char *const reason_texts[NATS_CLOSED_REASONS] = {
    [NATS_CLOSED_AUTHENTICATION] = "Authentication Failure",
    [NATS_CLOSED_AUTH_TIMEOUT] = "Authentication Timeout",
    [NATS_CLOSED_PROTOCOL_VERSION] = "Bad Client Protocol Version",
    [NATS_CLOSED_CLIENT] = "Client Closed",
    [NATS_CLOSED_REVOKED] = "Credentials Revoked",
    [NATS_CLOSED_INTERNAL] = "Internal Client",
    [NATS_CLOSED_KICKED] = "Kicked",
    [NATS_CLOSED_CONNECTIONS] = "Maximum Connections Exceeded",
    [NATS_CLOSED_CONTROL_LINE] = "Maximum Control Line Exceeded",
    [NATS_CLOSED_PAYLOAD] = "Maximum Message Payload Exceeded",
    [NATS_CLOSED_HEADERS] = "Message Header Violation",
    [NATS_CLOSED_NO_RESPONDERS] = "No Responders Requires Headers",
    [NATS_CLOSED_PARSE] = "Parse Error",
    [NATS_CLOSED_OPERATION] = "Protocol Violation",
    [NATS_CLOSED_SHUTDOWN] = "Server Shutdown",
    [NATS_CLOSED_PENDING] = "Slow Consumer (Pending Bytes)",
    [NATS_CLOSED_DEADLINE] = "Slow Consumer (Write Deadline)",
    [NATS_CLOSED_STALE] = "Stale Connection",
    [NATS_CLOSED_TLS] = "TLS Handshake Failure",
    [NATS_CLOSED_WRITE] = "Write Error",
};

static const struct {
    const char *code;
    enum nats_closed_reason reason;
} code_reasons[] = {
    {"login-refused", NATS_CLOSED_AUTHENTICATION},
    {"early-bytes", NATS_CLOSED_AUTHENTICATION},
    {"early-operation", NATS_CLOSED_AUTHENTICATION},
    {"login-timeout", NATS_CLOSED_AUTH_TIMEOUT},
    {"login-revoked", NATS_CLOSED_REVOKED},
    {"bad-connect", NATS_CLOSED_OPERATION},
    {"bad-protocol", NATS_CLOSED_PROTOCOL_VERSION},
    {"no-responders", NATS_CLOSED_NO_RESPONDERS},
    {"protocol", NATS_CLOSED_OPERATION},
    {"client-error", NATS_CLOSED_PARSE},
    {"headers", NATS_CLOSED_HEADERS},
    {"payload", NATS_CLOSED_PAYLOAD},
    {"control-line", NATS_CLOSED_CONTROL_LINE},
    {"too-many-connections", NATS_CLOSED_CONNECTIONS},
    {"draining", NATS_CLOSED_SHUTDOWN},
    {"lame-duck", NATS_CLOSED_SHUTDOWN},
    {"shutdown", NATS_CLOSED_SHUTDOWN},
    {"not-ready", NATS_CLOSED_SHUTDOWN},
    {"slow-consumer", NATS_CLOSED_PENDING},
    {"write-deadline", NATS_CLOSED_DEADLINE},
    {"write-failed", NATS_CLOSED_WRITE},
    {"stale", NATS_CLOSED_STALE},
    {"kicked", NATS_CLOSED_KICKED},
    {"tls-required", NATS_CLOSED_TLS},
    {"tls-handshake", NATS_CLOSED_TLS},
    {"tls-timeout", NATS_CLOSED_TLS},
    {"tls-broken", NATS_CLOSED_TLS},
    {"tls-crowded", NATS_CLOSED_TLS},
    {"login-queue-full", NATS_CLOSED_INTERNAL},
    {"out-of-memory", NATS_CLOSED_INTERNAL},
};

const char *nats_closed_text(enum nats_closed_reason reason)
{
    return reason_texts[reason];
}

enum nats_closed_reason nats_closed_reason_of(const char *code)
{
    for (size_t i = 0; code != NULL && i < sizeof(code_reasons) / sizeof(code_reasons[0]); i++) {
        if (strcmp(code, code_reasons[i].code) == 0) {
            return code_reasons[i].reason;
        }
    }
    return code == NULL ? NATS_CLOSED_CLIENT : NATS_CLOSED_OPERATION;
}

/* The three texts of CONNECT with their NULs. */
static size_t about_len(const char *about)
{
    size_t len = 0;
    for (int i = 0; about != NULL && i < 3; i++) {
        len += strlen(about + len) + 1;
    }
    return len;
}

static struct nats_closed *closed_new(const struct nats_conn *conn, const char *user)
{
    size_t user_len = strlen(user) + 1, about = about_len(conn->about);
    struct nats_closed *closed = malloc(sizeof(*closed) + user_len + about);
    if (closed == NULL) {
        return NULL;
    }
    *closed = (struct nats_closed){
        .cid = conn->cid,
        .reason = nats_closed_reason_of(conn->close_code),
        .opened_ms = conn->opened_ms,
        .last_ms = conn->last_in_ms > conn->last_out_ms ? conn->last_in_ms : conn->last_out_ms,
        .closed_ms = conn->shard->now_ms,
        .counts = conn->counts,
        .sub_count = conn->sub_count,
        .port = conn->port,
        .has_about = about > 0,
    };
    memcpy(closed->address, conn->address, sizeof(closed->address));
    memcpy(closed->text, user, user_len);
    if (about > 0) {
        memcpy(closed->text + user_len, conn->about, about);
    }
    return closed;
}

static struct nats_closed_ring *ring_of(struct nats_shard *shard)
{
    if (shard->closed == NULL) {
        uint32_t room = NATS_CLOSED_MAX / shard->server->shard_count;
        shard->closed = calloc(1, sizeof(*shard->closed) + room * sizeof(struct nats_closed *));
        if (shard->closed != NULL) {
            shard->closed->room = room;
        }
    }
    return shard->closed;
}

void nats_closed_add(struct nats_conn *conn, const char *user)
{
    struct nats_closed_ring *ring = ring_of(conn->shard);
    struct nats_closed *closed = ring == NULL ? NULL : closed_new(conn, user);
    if (closed != NULL) {
        struct nats_closed **place = &ring->items[ring->total % ring->room];
        free(*place);
        *place = closed;
        ring->total++;
    }
}

void nats_closed_ring_free(struct nats_closed_ring **ring)
{
    for (uint32_t i = 0; *ring != NULL && i < (*ring)->room; i++) {
        free((*ring)->items[i]);
    }
    free(*ring);
    *ring = NULL;
}
