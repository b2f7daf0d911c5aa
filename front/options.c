/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum option_kind {
    OPTION_TEXT, /* takes a value */
    OPTION_ON,   /* true or false, alone true */
    OPTION_OFF,  /* the same, kept the other way round */
    OPTION_BOTH, /* debug and trace */
    OPTION_NONE  /* nats-server has it, unibus has not */
};

struct option_row {
    const char *names; /* "a|addr|net" */
    enum option_kind kind;
    size_t offset;
    const char *value; /* for the help */
    const char *doc;   /* of OPTION_NONE: what to do */
};

#define TEXT(names, field, value, doc)                                                             \
    {                                                                                              \
        names, OPTION_TEXT, offsetof(struct options, field), value, doc                            \
    }
#define ON(names, field, doc)                                                                      \
    {                                                                                              \
        names, OPTION_ON, offsetof(struct options, field), NULL, doc                               \
    }
#define NONE(names, doc)                                                                           \
    {                                                                                              \
        names, OPTION_NONE, 0, NULL, doc                                                           \
    }

static const struct option_row rows[] = {
    TEXT("a|addr|net", host, "HOST", "listen on this address (default 0.0.0.0)"),
    TEXT("p|port", port, "PORT", "listen on this port (default 4222); -1 = any free one"),
    TEXT("n|name|server_name", name, "NAME", "name shown to clients (default the host's)"),
    TEXT("c|config", config, "FILE", "a nats.conf"),
    ON("t", is_test, "judge the config and start nothing"),
    TEXT("sl|signal", signal, "COMMAND[=PID]",
         "ldm, stop, quit, term, reopen or reload to a running server; PID may be a file"),
    TEXT("P|pid", pid_file, "FILE", "write the process id there"),
    TEXT("ports_file_dir", ports_dir, "DIR", "write PROGRAM_PID.ports there: the URLs, as JSON"),
    TEXT("client_advertise", client_advertise, "HOST:PORT", "the address that clients are told"),
    TEXT("m|http_port", http_port, "PORT", "monitoring over HTTP"),
    TEXT("user", user, "USER", "who may log in,"),
    TEXT("pass", password, "PASSWORD", "with this password"),
    TEXT("auth", token, "TOKEN", "or: a token that lets in"),
    ON("tls", is_tls, "TLS without certificates of clients"),
    ON("tlsverify", is_tls_verify, "TLS with certificates of clients"),
    TEXT("tlscert", tls_cert, "FILE", "certificate of the server"),
    TEXT("tlskey", tls_key, "FILE", "its key"),
    TEXT("tlscacert", tls_ca, "FILE", "who signs certificates of clients"),
    TEXT("l|log|log_file", log_file, "FILE", "log there instead of standard error"),
    {"T|logtime", OPTION_OFF, offsetof(struct options, has_no_time), NULL,
     "time in each line (default true)"},
    ON("logtime_utc", is_utc, "time in UTC"),
    ON("D|debug", is_debug, "log more"),
    ON("V|trace|VV", is_trace, "accepted: the wire is not traced"),
    {"DV|DVV", OPTION_BOTH, 0, NULL, "both"},
    ON("js|jetstream", is_jetstream, "accepted: JetStream is not built yet"),
    TEXT("sd|store_dir", store_dir, "DIR", "accepted, for the same reason"),
    ON("v|version", is_version, "print the version"),
    ON("h|help", is_help, "print this"),
    NONE("ms|https_port", "monitoring has no TLS here: use -m on a loopback address"),
    NONE("s|syslog", "standard error goes to the journal under systemd; or use -l FILE"),
    NONE("r|remote_syslog", "use -l FILE and have a log shipper read it"),
    NONE("routes|cluster|cluster_name|cluster_listen|cluster_advertise|connect_retries|"
         "no_advertise",
         "one server has no routes; membershipd is what clusters"),
    NONE("profile", "use perf(1)"),
    NONE("log_size_limit", "rotate by logrotate(8) and --signal reopen"),
    NONE("max_traced_msg_len", "the wire is not traced"),
    NONE("help_tls", "see --help and docs/nats.md"),
};

static bool has_name(const char *names, const char *name, size_t len)
{
    for (const char *at = names; *at != '\0';) {
        size_t one = strcspn(at, "|");
        if (one == len && memcmp(at, name, len) == 0) {
            return true;
        }
        at += one + (at[one] == '|');
    }
    return false;
}

static const struct option_row *find(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (has_name(rows[i].names, name, len)) {
            return &rows[i];
        }
    }
    return NULL;
}

static bool read_bool(const char *text, bool *value_out)
{
    static const char *const words[] = {"true",  "1", "t", "T", "TRUE",  "True",
                                        "false", "0", "f", "F", "FALSE", "False"};
    for (size_t i = 0; text != NULL && i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            *value_out = i < 6;
            return true;
        }
    }
    *value_out = true;
    return text == NULL;
}

static bool take_switch(struct options *options, const struct option_row *row, const char *value)
{
    bool is_on;
    if (!read_bool(value, &is_on)) {
        return false;
    }
    bool *field = (bool *)((char *)options + row->offset);
    if (row->kind == OPTION_BOTH) {
        options->is_debug = options->is_trace = is_on;
    } else {
        *field = row->kind == OPTION_ON ? is_on : !is_on;
    }
    return true;
}

/* -name, --name, -name=value: what stands between dashes and "=". NULL = it is no option. */
static const char *name_of(const char *argument, size_t *len_out, const char **value_out)
{
    const char *name = argument + strspn(argument, "-");
    ptrdiff_t dashes = name - argument;
    if (dashes < 1 || dashes > 2 || *name == '\0') {
        return NULL;
    }
    *len_out = strcspn(name, "=");
    *value_out = name[*len_out] == '=' ? name + *len_out + 1 : NULL;
    return name;
}

bool options_read(struct options *options, int argc, char **argv, char *fault, size_t fault_size)
{
    *options = (struct options){.config = NULL};
    for (int i = 1; i < argc; i++) {
        size_t len = 0;
        const char *value = NULL, *name = name_of(argv[i], &len, &value);
        const struct option_row *row = name != NULL ? find(name, len) : NULL;
        if (row == NULL) {
            snprintf(fault, fault_size, "unknown %s \"%.200s\"",
                     name != NULL ? "option" : "command", argv[i]);
            return false;
        }
        if (row->kind == OPTION_NONE) {
            snprintf(fault, fault_size, "-%.*s is not supported: %s", (int)len, name, row->doc);
            return false;
        }
        if (row->kind != OPTION_TEXT) {
            if (!take_switch(options, row, value)) {
                snprintf(fault, fault_size, "-%.*s takes true or false, not \"%.100s\"", (int)len,
                         name, value);
                return false;
            }
            continue;
        }
        if (value == NULL && i + 1 < argc) {
            value = argv[++i];
        }
        if (value == NULL) {
            snprintf(fault, fault_size, "-%.*s needs a value: %s", (int)len, name, row->value);
            return false;
        }
        *(const char **)((char *)options + row->offset) = value;
    }
    return true;
}

static void help_names(const struct option_row *row, char *out, size_t size)
{
    size_t used = 0;
    for (const char *at = row->names; *at != '\0' && used < size;) {
        size_t len = strcspn(at, "|");
        int put = snprintf(out + used, size - used, "%s%s%.*s", at == row->names ? "" : ", ",
                           len <= 2 ? "-" : "--", (int)len, at);
        used += put > 0 ? (size_t)put : 0;
        at += len + (at[len] == '|');
    }
    if (row->value != NULL && used < size) {
        snprintf(out + used, size - used, " %s", row->value);
    }
}

void options_help(FILE *out, const char *program)
{
    fprintf(out,
            "usage: %s [-a HOST] [-p PORT] [-c nats.conf] …\n\n"
            "The NATS server of unibus with nats-server's flags and configuration.\n\n",
            program);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char names[128];
        if (rows[i].kind != OPTION_NONE) {
            help_names(&rows[i], names, sizeof(names));
            fprintf(out, "  %-34s %s\n", names, rows[i].doc);
        }
    }
    fputs("\nSignals: TERM and INT stop, HUP reads the config again, USR1 opens the log file "
          "again, USR2 lame duck.\nExit: 0 stopped or checked, 1 failed, 2 usage.\n",
          out);
}
