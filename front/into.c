/* SPDX-License-Identifier: Apache-2.0 */
#include "into.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "core/suggest.h"

/* ---- rows of a map ----------------------------------------------------------------------------
 */

static bool next_name(const char **at, char *out, size_t size)
{
    size_t len = strcspn(*at, "|");
    if (**at == '\0') {
        return false;
    }
    snprintf(out, size, "%.*s", (int)len, *at);
    *at += len + ((*at)[len] == '|');
    return true;
}

static bool row_has(const struct into_row *row, const char *key)
{
    char name[64];
    for (const char *at = row->keys; next_name(&at, name, sizeof(name));) {
        if (strcasecmp(name, key) == 0) {
            return true;
        }
    }
    return false;
}

static void unknown(struct into *into, const struct conf_value *value, const struct into_row *rows,
                    size_t count, const char *of)
{
    struct suggest suggest = {.written = value->key};
    char hint[128];
    for (size_t i = 0; i < count; i++) {
        char name[64];
        const char *at = rows[i].take != into_refuse ? rows[i].keys : ""; /* no bad advice */
        while (next_name(&at, name, sizeof(name))) {
            suggest_offer(&suggest, arena_copy(&into->config->arena, name, strlen(name)));
        }
    }
    suggest_text(&suggest, hint, sizeof(hint));
    conf_fault(into->report, ERROR_CONFIG_UNKNOWN, value->place, "unknown field \"%.100s\"%s%s%s",
               value->key, hint, hint[0] == '\0' && of != NULL ? ": known are " : "",
               hint[0] == '\0' && of != NULL ? of : "");
}

static void tell_twice(struct into *into, const struct conf_value *map, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (strcasecmp(map->items[j].key, map->items[i].key) == 0) {
            into_note(into, map->items[i].place, "%s was given on line %u already: the last counts",
                      map->items[i].key, (unsigned)map->items[j].place.line);
            return;
        }
    }
}

void into_map(struct into *into, const struct conf_value *map, const struct into_row *rows,
              size_t count, const char *of)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct conf_value *value = &map->items[i];
        size_t k = 0;
        while (k < count && !row_has(&rows[k], value->key)) {
            k++;
        }
        if (k == count) {
            if (!value->is_used) {
                unknown(into, value, rows, count, of);
            }
        } else if (conf_find(map, value->key) == value) {
            tell_twice(into, map, i);
            rows[k].take(into, &rows[k], value);
        }
    }
}

/* ---- what the program itself keeps ------------------------------------------------------------
 */

static void take_own_text(struct into *into, const struct into_row *row,
                          const struct conf_value *value)
{
    struct front_settings *settings = into->settings;
    char *const places[] = {settings->name, settings->log_file, settings->pid_file,
                            settings->ports_dir};
    const char *text;
    if (!into_text(into, value, &text)) {
        return;
    }
    if (strlen(text) >= INTO_TEXT_MAX || text[0] == '\0') {
        conf_fault(into->report, ERROR_CONFIG_FORM, value->place, "%s has not 1 to %d bytes",
                   value->key, INTO_TEXT_MAX - 1);
        return;
    }
    snprintf(places[row->say[0] - '0'], INTO_TEXT_MAX, "%s", text);
}

static void take_name(struct into *into, const struct into_row *row, const struct conf_value *value)
{
    const char *text;
    if (!into_text(into, value, &text)) {
        return;
    }
    if (strpbrk(text, " \t\r\n") != NULL) {
        conf_fault(into->report, ERROR_CONFIG_FORM, value->place,
                   "server_name has white space in it");
        return;
    }
    into_put_text(into, into->nats, "server_name", value->place, text);
    take_own_text(into, row, value);
}

static void take_debug(struct into *into, const struct into_row *row,
                       const struct conf_value *value)
{
    (void)row;
    into_bool(into, value, &into->settings->is_debug);
}

static void take_logtime(struct into *into, const struct into_row *row,
                         const struct conf_value *value)
{
    (void)row;
    into_bool(into, value, &into->settings->has_time);
}

static void take_utc(struct into *into, const struct into_row *row, const struct conf_value *value)
{
    (void)row;
    into_bool(into, value, &into->settings->is_utc);
}

static void take_jetstream(struct into *into, const struct into_row *row,
                           const struct conf_value *value)
{
    bool is_off = value->kind == CONF_TEXT && strcasecmp(value->text, "disabled") == 0;
    if (!is_off) {
        into_take_note(into, row, value);
    }
}

/* ---- every key of nats-server -----------------------------------------------------------------
 */

#define NO_JETSTREAM "is accepted and has no effect: JetStream is not built yet"
#define NO_JWT       "there are no JWTs: write users with nkeys, or use identities of membershipd"
#define NO_ROUTES    "this is one server; membershipd is what clusters"
#define NO_EFFECT    "is accepted and has no effect here"

static const struct into_row rows[] = {
    {"listen", into_take_listen, NULL},
    {"host|net", into_take_host, NULL},
    {"port", into_take_port, NULL},
    {"server_name", take_name, "0"},
    {"client_advertise", into_take_string, "advertise"},
    {"http|http_port|monitor_port", into_take_monitor, NULL},
    {"https|https_port", into_refuse,
     "monitoring has no TLS: use http on a loopback address, and a proxy in front of it"},
    {"http_base_path", into_refuse, "use a proxy to move paths"},
    {"authorization", into_take_authorization, NULL},
    {"accounts", into_take_accounts, NULL},
    {"no_auth_user", into_take_no_auth_user, NULL},
    {"system_account|system", into_take_nothing, NULL}, /* read with the accounts */
    {"no_system_account|no_system|no_sys_acc", into_take_note, NO_EFFECT},
    {"max_payload", into_take_number, "max_payload"},
    {"max_control_line", into_take_number, "max_control_line"},
    {"max_pending", into_take_number, "max_pending"},
    {"max_connections|max_conn", into_take_limit, "max_connections"},
    {"max_subscriptions|max_subs", into_take_limit, "max_subscriptions"},
    {"max_subscription_tokens|max_sub_tokens", into_take_number, "max_subscription_tokens"},
    {"ping_interval", into_take_duration, "ping_interval"},
    {"ping_max", into_take_number, "ping_max"},
    {"write_deadline", into_take_duration, "write_deadline"},
    {"debug", take_debug, NULL},
    {"trace|trace_verbose|trace_headers", into_take_note, "is accepted: the wire is not traced"},
    {"logtime", take_logtime, NULL},
    {"logtime_utc", take_utc, NULL},
    {"log_file|logfile", take_own_text, "1"},
    {"pid_file|pidfile", take_own_text, "2"},
    {"ports_file_dir", take_own_text, "3"},
    {"log_size_limit|logfile_size_limit|log_max_num|logfile_max_num", into_take_note,
     "has no effect: rotate by logrotate(8) and --signal reopen"},
    {"syslog", into_refuse, "standard error goes to the journal under systemd; or use log_file"},
    {"remote_syslog", into_refuse, "use log_file and have a log shipper read it"},
    {"jetstream", take_jetstream, NO_JETSTREAM},
    {"store_dir|storedir", into_take_note, NO_JETSTREAM},
    {"default_js_domain", into_take_note, NO_JETSTREAM},
    {"lame_duck_duration", into_take_duration, "lame_duck_duration"},
    {"lame_duck_grace_period", into_take_duration, "lame_duck_grace"},
    {"mappings|maps", into_refuse, "subjects are not mapped"},
    {"cluster", into_refuse, NO_ROUTES},
    {"gateway", into_refuse, NO_ROUTES},
    {"leafnodes|leaf", into_refuse, NO_ROUTES},
    {"websocket|ws", into_refuse, "WebSocket is not built yet: take it out"},
    {"mqtt", into_refuse, "MQTT is not spoken: take it out"},
    {"tls", into_take_tls, NULL},
    {"allow_non_tls", into_take_non_tls, NULL},
    {"ocsp|ocsp_cache", into_refuse, "OCSP is not asked: take it out"},
    {"operator|operators|root|roots|trusted|trusted_keys|resolver|resolver_tls|account_resolver|"
     "account_resolver_tls|resolver_preload|resolver_pinned_accounts|default_sentinel",
     into_refuse, NO_JWT},
    {"no_header_support", into_refuse, "headers are always on"},
    {"disable_sublist_cache|connect_error_reports|reconnect_error_reports|server_tags|"
     "server_metadata|max_traced_msg_len|prof_block_rate|no_fast_producer_stall|"
     "max_closed_clients|strict",
     into_take_note, NO_EFFECT},
    {"prof_port", into_refuse, "use perf(1)"},
};

/* ---- the whole --------------------------------------------------------------------------------
 */

static const char *working_dir(struct arena *arena)
{
    char here[PATH_MAX] = "/";
    const char *dir = getcwd(here, sizeof(here)) != NULL ? here : "/";
    return arena_copy(arena, dir, strlen(dir));
}

/* Paths start at the working directory, as in nats-server. */
static void begin(struct into *into, const char *file)
{
    struct config *config = into->config;
    config->file = arena_copy(&config->arena, file, strlen(file));
    config->dir = working_dir(&config->arena);
    config->has_version = config->is_run = true;
    into->nats =
        config_add_module(config, "nats", into_where(into, (struct conf_place){file, 0, 0}));
    into->nats->is_read = into->nats->is_whole = true;
    into->settings->has_time = true;
}

static void take_text_flag(char *to, const char *flag)
{
    if (flag != NULL) {
        snprintf(to, INTO_TEXT_MAX, "%s", flag);
    }
}

/* The command line counts more than the file. */
static void take_flags(struct into *into)
{
    const struct options *options = into->options;
    struct front_settings *settings = into->settings;
    const struct conf_place nowhere = {NULL, 0, 0};
    take_text_flag(settings->log_file, options->log_file);
    take_text_flag(settings->pid_file, options->pid_file);
    take_text_flag(settings->ports_dir, options->ports_dir);
    if (options->name != NULL) {
        take_text_flag(settings->name, options->name);
        into_put_text(into, into->nats, "server_name", nowhere, options->name);
    }
    settings->is_debug |= options->is_debug;
    settings->is_utc |= options->is_utc;
    settings->has_time &= !options->has_no_time;
    if (options->is_jetstream || options->store_dir != NULL) {
        into_note(into, nowhere, "%s " NO_JETSTREAM, options->is_jetstream ? "-js" : "-sd");
    }
    if (options->is_trace) {
        into_note(into, nowhere, "-V is accepted: the wire is not traced");
    }
    if (options->client_advertise != NULL) {
        into_put_text(into, into->nats, "advertise", nowhere, options->client_advertise);
    }
}

static void put_log(struct into *into)
{
    into_put_text(into, &into->config->log, "level", (struct conf_place){NULL, 0, 0},
                  into->settings->is_debug ? "debug" : "info");
}

void into_load(const struct options *options, const struct conf_reader *reader,
               struct front_settings *settings, struct config *config, struct report *report)
{
    struct conf conf = {.root = {.kind = CONF_MAP}};
    struct into into = {.options = options,
                        .reader = reader,
                        .conf = &conf,
                        .settings = settings,
                        .config = config,
                        .report = report};
    begin(&into, options->config != NULL ? options->config : "the command line");
    if (options->config == NULL || conf_load(&conf, reader, options->config, report)) {
        into_map(&into, &conf.root, rows, sizeof(rows) / sizeof(rows[0]), NULL);
    }
    take_flags(&into);
    into_listen_end(&into);
    into_tls_end(&into);
    into_users_end(&into);
    put_log(&into);
    conf_fini(&conf);
}
