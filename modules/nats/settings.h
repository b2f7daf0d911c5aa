/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NATS_SETTINGS_H
#define NATS_SETTINGS_H

#include <stdatomic.h>

#include <unibus/settings.h>

enum nats_auth { NATS_AUTH_OFF = 0, NATS_AUTH_ENFORCE };
enum nats_tls_mode { NATS_TLS_OFF = 0, NATS_TLS_UPGRADE, NATS_TLS_FIRST, NATS_TLS_AUTO };
enum nats_tls_plain { NATS_PLAIN_NONE = 0, NATS_PLAIN_LOOPBACK, NATS_PLAIN_ALL };
enum nats_tls_verify { NATS_VERIFY_OFF = 0, NATS_VERIFY_OPTIONAL, NATS_VERIFY_REQUIRE };
enum nats_tls_version { NATS_TLS_1_2 = 0, NATS_TLS_1_3 };

struct nats_tls_settings {
    int mode;  /* enum nats_tls_mode */
    int plain; /* enum nats_tls_plain: who may go on without TLS */
    const char *cert;
    struct ub_secret *key; /* not after create or prepare has returned */
    const char *ca;
    int verify;            /* enum nats_tls_verify */
    int min_version;       /* enum nats_tls_version */
    int64_t timeout, wait; /* ms */
};

/* Filled by the core from the table in module.c. */
struct nats_settings {
    struct ub_listens listen, monitor;
    int auth; /* enum nats_auth */
    const char *server_name;
    int64_t threads; /* 0 = one a processor */
    int64_t max_payload, max_control_line, max_pending, max_connections, max_subscriptions;
    int64_t ping_interval, ping_max, write_deadline, auth_timeout;
    struct nats_tls_settings tls;
    struct ub_strings advertise;
    int64_t lame_duck_duration, lame_duck_grace;
    int64_t max_subscription_tokens;
};

/* Those that a reload may change: written on the main loop, read by all I/O loops. Each is for
 * itself: between two reads a reload may have come. */
struct nats_live {
    _Atomic int64_t max_pending, max_connections, max_subscriptions, max_subscription_tokens;
    _Atomic int64_t ping_interval, ping_max, write_deadline, auth_timeout;
};

void nats_live_take(struct nats_live *live, const struct nats_settings *settings);

#endif
