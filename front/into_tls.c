/* SPDX-License-Identifier: Apache-2.0
 *
 * tls of a nats.conf, and the flags for it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "into.h"

static void put_nats(struct into *into, const char *name, struct conf_place place, const char *text)
{
    into_put_text(into, into->nats, name, place, text);
}

static void take_path(struct into *into, const struct into_row *row, const struct conf_value *value)
{
    const char *text;
    if (into_text(into, value, &text)) {
        put_nats(into, row->say, value->place, text);
    }
}

/* nats-server takes a key that others can read; so the front reads it and hands it over as a
 * secret. Read again at each reload, like the certificate. */
static void put_key(struct into *into, struct conf_place place, const char *path)
{
    const char *why = NULL;
    char *bytes = NULL;
    size_t len = 0;
    if (!into->reader->read(into->reader->ctx, path, &bytes, &len, &why)) {
        conf_fault(into->report, ERROR_CONFIG_SECRET, place, "key_file %.300s cannot be read: %s",
                   path, why);
        return;
    }
    char *text = arena_copy(&into->config->arena, bytes, len); /* up to a NUL, which no key has */
    explicit_bzero(bytes, len);
    free(bytes);
    struct config_value *put = into_put(into, into->nats, "tls.key", place);
    put->kind = VALUE_SECRET_TEXT;
    put->text = text;
}

static void take_key(struct into *into, const struct into_row *row, const struct conf_value *value)
{
    (void)row;
    const char *path;
    if (into_text(into, value, &path)) {
        put_key(into, value->place, path);
    }
}

static void take_verify(struct into *into, const struct into_row *row,
                        const struct conf_value *value)
{
    bool is_on;
    if (into_bool(into, value, &is_on)) {
        put_nats(into, row->say, value->place, is_on ? "require" : "off");
    }
}

static void take_timeout(struct into *into, const struct into_row *row,
                         const struct conf_value *value)
{
    int64_t ms;
    char text[32];
    if (into_duration(into, value, &ms)) {
        snprintf(text, sizeof(text), "%" PRId64 " ms", ms);
        put_nats(into, row->say, value->place, text);
    }
}

/* true: TLS from the first byte; "auto", or how long to wait for it before INFO is sent in clear.
 */
static void take_first(struct into *into, const struct into_row *row,
                       const struct conf_value *value)
{
    int64_t ms;
    char text[32];
    (void)row;
    if (value->kind == CONF_BOOL) {
        put_nats(into, "tls.mode", value->place, value->boolean ? "first" : "upgrade");
    } else if (value->kind == CONF_TEXT && strcasecmp(value->text, "auto") == 0) {
        put_nats(into, "tls.mode", value->place, "auto");
    } else if (value->kind == CONF_TEXT && duration_of_go(value->text, &ms)) {
        snprintf(text, sizeof(text), "%" PRId64 " ms", ms);
        put_nats(into, "tls.mode", value->place, "auto");
        put_nats(into, "tls.wait", value->place, text);
    } else {
        into_fault(into, value->place, "%s is true, false, auto or a duration", value->key);
    }
}

static void take_version(struct into *into, const struct into_row *row,
                         const struct conf_value *value)
{
    const char *text;
    if (into_text(into, value, &text)) {
        put_nats(into, row->say, value->place, text);
    }
}

void into_take_tls(struct into *into, const struct into_row *row, const struct conf_value *value)
{
    static const char own[] = "is accepted and has no effect: the server's own are in force";
    static const struct into_row rows[] = {
        {"cert_file", take_path, "tls.cert"},
        {"key_file", take_key, NULL},
        {"ca_file", take_path, "tls.ca"},
        {"verify", take_verify, "tls.verify"},
        {"timeout", take_timeout, "tls.timeout"},
        {"handshake_first|first|immediate", take_first, NULL},
        {"min_version", take_version, "tls.min_version"},
        {"cipher_suites|curve_preferences|connection_rate_limit", into_take_note, own},
        {"insecure", into_take_note, own},
        {"verify_and_map|verify_cert_and_check_known_urls", into_refuse,
         "users are not taken from certificates here: use verify and users with nkeys"},
        {"pinned_certs", into_refuse, "use verify with a CA of your own"},
        {"certs|cert_store|cert_match|cert_match_by|cert_match_skip_invalid|ca_certs_match|"
         "ocsp_peer|"
         "ocsp_disable_ca|allow_insecure_cipher_suites",
         into_refuse, "one certificate in cert_file and key_file is what is taken"},
    };
    (void)row;
    if (into_is(into, value, CONF_MAP)) {
        into->has_tls = true;
        into->tls_place = value->place;
        into_map(into, value, rows, sizeof(rows) / sizeof(rows[0]), "cert_file, key_file, ca_file");
    }
}

void into_take_non_tls(struct into *into, const struct into_row *row,
                       const struct conf_value *value)
{
    bool is_on;
    (void)row;
    if (into_bool(into, value, &is_on) && is_on) {
        put_nats(into, "tls.plain", value->place, "all");
    }
}

void into_tls_end(struct into *into)
{
    const struct options *options = into->options;
    const struct conf_place nowhere = {"the command line", 0, 0};
    bool is_said = options->is_tls || options->is_tls_verify || options->tls_cert != NULL;
    if (is_said) {
        into->has_tls = true;
        into->tls_place = nowhere;
    }
    if (options->tls_cert != NULL) {
        put_nats(into, "tls.cert", nowhere, options->tls_cert);
    }
    if (options->tls_key != NULL) {
        put_key(into, nowhere, options->tls_key);
    }
    if (options->tls_ca != NULL) {
        put_nats(into, "tls.ca", nowhere, options->tls_ca);
    }
    if (options->is_tls_verify) {
        put_nats(into, "tls.verify", nowhere, "require");
    }
    if (into->has_tls && block_find(into->nats, "tls.mode") == NULL) {
        put_nats(into, "tls.mode", into->tls_place, "upgrade");
    }
}
