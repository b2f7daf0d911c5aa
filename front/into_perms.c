/* SPDX-License-Identifier: Apache-2.0
 *
 * Permissions of one user, or of those who have none of their own. */
#include <inttypes.h>
#include <string.h>

#include "into.h"

struct perms {
    struct into *into;
    struct config_block *block;
    const char *prefix;
    bool is_system;
};

static const char *dotted(const struct perms *perms, const char *name)
{
    return arena_printf(&perms->into->config->arena, "%s%s", perms->prefix, name);
}

/* $SYS belongs to the system account. There a user of another account hears nothing of it, whatever
 * his list says; here one account is all, so the pattern is left out. */
static bool is_foreign(const struct perms *perms, const struct conf_value *item, const char *text)
{
    if (perms->is_system || strncmp(text, "$SYS", 4) != 0) {
        return false;
    }
    into_note(perms->into, item->place,
              "\"%s\" is left out: only users of the system account reach $SYS", text);
    return true;
}

static void put_list(const struct perms *perms, const char *name, const struct conf_value *value)
{
    bool is_one = value->kind == CONF_TEXT, is_deny = strstr(name, "deny") != NULL;
    const struct conf_value *items = is_one ? value : value->items;
    size_t count = is_one ? 1 : value->count, kept = 0;
    if (!is_one && !into_is(perms->into, value, CONF_LIST)) {
        return;
    }
    if (count == 0) {
        if (!is_deny) {
            into_note(perms->into, value->place,
                      "an empty list of what is allowed allows everything; to allow nothing, write "
                      "deny: \">\"");
        }
        return; /* as in nats-server */
    }
    const char **texts = arena_alloc(&perms->into->config->arena, count, sizeof(*texts));
    for (size_t i = 0; i < count; i++) {
        const char *text;
        if (into_text(perms->into, &items[i], &text) &&
            (is_deny || !is_foreign(perms, &items[i], text))) {
            texts[kept++] = arena_copy(&perms->into->config->arena, text, strlen(text));
        }
    }
    struct config_value *put =
        into_put(perms->into, perms->block, dotted(perms, name), value->place);
    put->kind = VALUE_LIST;
    put->items = texts;
    put->item_count = kept;
}

/* publish: "a", publish: ["a"], publish: { allow: "a", deny: ["b"] } */
static void put_side(const struct perms *perms, const char *side, const struct conf_value *value)
{
    char name[64];
    if (value->kind != CONF_MAP) {
        snprintf(name, sizeof(name), "%s.allow", side);
        put_list(perms, name, value);
        return;
    }
    for (size_t i = 0; i < value->count; i++) {
        const struct conf_value *one = &value->items[i];
        bool is_known = strcasecmp(one->key, "allow") == 0 || strcasecmp(one->key, "deny") == 0;
        if (is_known) {
            bool is_deny = strcasecmp(one->key, "deny") == 0;
            snprintf(name, sizeof(name), "%s.%s", side, is_deny ? "deny" : "allow");
            put_list(perms, name, one);
        } else if (!one->is_used) {
            conf_fault(perms->into->report, ERROR_CONFIG_UNKNOWN, one->place,
                       "unknown field \"%.100s\": %s has allow and deny", one->key, value->key);
        }
    }
}

static void put_max(const struct perms *perms, const struct conf_value *value)
{
    int64_t number;
    if (into_int(perms->into, value, &number)) {
        struct config_value *put =
            into_put(perms->into, perms->block, dotted(perms, "allow_responses.max"), value->place);
        put->kind = VALUE_INT;
        put->integer = number;
    }
}

static void put_ttl(const struct perms *perms, const struct conf_value *value)
{
    int64_t ms;
    char text[32];
    if (into_duration(perms->into, value, &ms)) {
        snprintf(text, sizeof(text), "%" PRId64 " ms", ms);
        into_put_text(perms->into, perms->block, dotted(perms, "allow_responses.ttl"), value->place,
                      text);
    }
}

static void put_responses(const struct perms *perms, const struct conf_value *value)
{
    bool is_on = true;
    if (value->kind != CONF_MAP && !into_bool(perms->into, value, &is_on)) {
        return;
    }
    if (value->kind != CONF_MAP || value->count == 0) { /* a map may say more, which is then all */
        struct config_value *put =
            into_put(perms->into, perms->block, dotted(perms, "allow_responses"), value->place);
        put->kind = VALUE_BOOL;
        put->boolean = is_on;
    }
    for (size_t i = 0; value->kind == CONF_MAP && i < value->count; i++) {
        const struct conf_value *one = &value->items[i];
        bool is_max = strcasecmp(one->key, "max") == 0 || strcasecmp(one->key, "max_msgs") == 0 ||
                      strcasecmp(one->key, "max_messages") == 0 ||
                      strcasecmp(one->key, "max_responses") == 0;
        bool is_ttl = strcasecmp(one->key, "expires") == 0 ||
                      strcasecmp(one->key, "expiration") == 0 || strcasecmp(one->key, "ttl") == 0;
        if (is_max) {
            put_max(perms, one);
        } else if (is_ttl) {
            put_ttl(perms, one);
        } else if (!one->is_used) {
            conf_fault(perms->into->report, ERROR_CONFIG_UNKNOWN, one->place,
                       "unknown field \"%.100s\": %s has max and expires", one->key, value->key);
        }
    }
}

void into_permissions(struct into *into, struct config_block *block, const char *prefix,
                      const struct conf_value *value, bool is_system)
{
    static const struct {
        const char *key, *side; /* side NULL = responses */
    } keys[] = {{"publish", "publish"},    {"pub", "publish"},
                {"import", "publish"},     {"subscribe", "subscribe"},
                {"sub", "subscribe"},      {"export", "subscribe"},
                {"allow_responses", NULL}, {"publish_allow_responses", NULL}};
    const struct perms perms = {into, block, prefix, is_system};
    if (!into_is(into, value, CONF_MAP)) {
        return;
    }
    for (size_t i = 0; i < value->count; i++) {
        const struct conf_value *one = &value->items[i];
        size_t k = 0;
        while (k < sizeof(keys) / sizeof(keys[0]) && strcasecmp(one->key, keys[k].key) != 0) {
            k++;
        }
        if (k == sizeof(keys) / sizeof(keys[0])) {
            if (!one->is_used) {
                conf_fault(into->report, ERROR_CONFIG_UNKNOWN, one->place,
                           "unknown field \"%.100s\": permissions are publish, subscribe and "
                           "allow_responses",
                           one->key);
            }
        } else if (keys[k].side != NULL) {
            put_side(&perms, keys[k].side, one);
        } else {
            put_responses(&perms, one);
        }
    }
}
