/* SPDX-License-Identifier: Apache-2.0
 *
 * The options of CONNECT. Strict where it matters: no duplicate members, no NUL, no depth, right
 * types. Members that we do not know are ignored, null is as good as absent. */
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>

#include "proto.h"

#define CONNECT_DEPTH_MAX 8

/* No NUL either: Jansson passes over one behind a word or a number. */
static bool shape_is_fine(struct ub_bytes json)
{
    size_t depth = 0;
    bool is_text = false;
    for (size_t i = 0; i < json.len; i++) {
        uint8_t c = json.ptr[i];
        if (is_text) {
            i += c == '\\';
            is_text = c != '"';
        } else if (c == '"') {
            is_text = true;
        } else if (c == '\0' || ((c == '{' || c == '[') && ++depth > CONNECT_DEPTH_MAX)) {
            return false;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return true;
}

/* The member; NULL when it is absent, or null, which is as good. */
static const json_t *take(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return value == NULL || json_typeof(value) == JSON_NULL ? NULL : value;
}

static bool take_bool(const json_t *object, const char *name, bool *out)
{
    const json_t *value = take(object, name);
    if (value == NULL) {
        return true;
    }
    *out = json_typeof(value) == JSON_TRUE;
    return *out || json_typeof(value) == JSON_FALSE;
}

/* *has_out says whether it was sent and is not empty. */
static bool take_text(const json_t *object, const char *name, char *out, size_t room, bool *has_out)
{
    const json_t *value = take(object, name);
    out[0] = '\0';
    if (value == NULL) {
        return true;
    }
    if (json_typeof(value) != JSON_STRING || json_string_length(value) >= room) {
        return false;
    }
    memcpy(out, json_string_value(value), json_string_length(value) + 1);
    *has_out = out[0] != '\0';
    return true;
}

/* A name is only shown: a long one is cut, not refused. */
static bool take_name(const json_t *object, struct nats_connect_options *options)
{
    const json_t *value = take(object, "name");
    if (value == NULL || json_typeof(value) != JSON_STRING) {
        return value == NULL;
    }
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);
    if (len >= sizeof(options->name)) {
        len = sizeof(options->name) - 1;
        while (((uint8_t)text[len] & 0xc0) == 0x80) {
            len--; /* not within a character: each has a first byte */
        }
    }
    memcpy(options->name, text, len);
    return true;
}

/* Only shown by monitoring: what is too long or no text is as good as not sent. */
static void take_short(const json_t *object, const char *name, char out[NATS_CONNECT_SHORT])
{
    const char *text = json_string_value(json_object_get(object, name)); /* NULL = no text */
    size_t len = text == NULL ? 0 : strlen(text);
    if (len > 0 && len < NATS_CONNECT_SHORT) {
        memcpy(out, text, len); /* the rest is zero */
    }
}

static bool take_flags(const json_t *object, struct nats_connect_options *options)
{
    options->is_verbose = options->is_pedantic = options->is_echo = true;
    return take_bool(object, "verbose", &options->is_verbose) &&
           take_bool(object, "pedantic", &options->is_pedantic) &&
           take_bool(object, "echo", &options->is_echo) &&
           take_bool(object, "headers", &options->has_headers) &&
           take_bool(object, "no_responders", &options->has_no_responders);
}

/* nats-server takes base64url without padding, then ordinary base64. */
static bool take_signature(const json_t *object, struct nats_connect_options *options)
{
    static const int variants[] = {sodium_base64_VARIANT_URLSAFE_NO_PADDING,
                                   sodium_base64_VARIANT_ORIGINAL};
    char text[128];
    bool is_sent = false;
    if (!take_text(object, "sig", text, sizeof(text), &is_sent)) {
        return false;
    }
    for (size_t i = 0; i < 2 && is_sent; i++) {
        size_t len;
        if (sodium_base642bin(options->signature, sizeof(options->signature), text, strlen(text),
                              NULL, &len, NULL, variants[i]) == 0 &&
            len == sizeof(options->signature)) {
            options->signature_len = len;
            return true;
        }
    }
    return true; /* what is no signature proves nothing: the login is refused, not the JSON */
}

static bool take_login(const json_t *object, struct nats_connect_options *options)
{
    return take_text(object, "nkey", options->nkey, sizeof(options->nkey), &options->has_nkey) &&
           take_text(object, "user", options->user, sizeof(options->user), &options->has_user) &&
           take_text(object, "pass", options->password, sizeof(options->password),
                     &options->has_password) &&
           take_text(object, "auth_token", options->token, sizeof(options->token),
                     &options->has_token) &&
           take_signature(object, options);
}

/* Whoever sends these wants something that would not be given: he is told so, not let in. */
static void take_foreign(const json_t *object, struct nats_connect_options *options)
{
    static const char *const names[] = {"jwt", "account", "new_account", "proxy_sig"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const json_t *value = take(object, names[i]);
        if (value != NULL && json_typeof(value) != JSON_FALSE &&
            !(json_typeof(value) == JSON_STRING && json_string_length(value) == 0)) {
            options->has_foreign = true;
        }
    }
}

static bool take_protocol(const json_t *object, struct nats_connect_options *options)
{
    const json_t *value = take(object, "protocol");
    if (value == NULL) {
        return true;
    }
    options->protocol = json_integer_value(value);
    return json_typeof(value) == JSON_INTEGER;
}

static bool take_all(const json_t *object, struct nats_connect_options *options)
{
    take_foreign(object, options);
    take_short(object, "lang", options->lang);
    take_short(object, "version", options->version);
    return json_typeof(object) == JSON_OBJECT && take_flags(object, options) &&
           take_name(object, options) && take_login(object, options) &&
           take_protocol(object, options);
}

bool nats_connect_parse(struct ub_bytes json, struct nats_connect_options *options_out)
{
    memset(options_out, 0, sizeof(*options_out));
    if (!shape_is_fine(json)) {
        return false;
    }
    json_error_t error;
    json_t *object = json_loadb((const char *)json.ptr, json.len, JSON_REJECT_DUPLICATES, &error);
    bool is_fine = object != NULL && take_all(object, options_out);
    json_decref(object);
    return is_fine;
}
