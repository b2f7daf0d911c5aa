/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line, with nats-server's flags as Go reads them: one dash or two, `-p 4222`,
 * `-p=4222`, and `-D=false` for those that take no value. */
#ifndef FRONT_OPTIONS_H
#define FRONT_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include <unibus/abi.h>

/* What was given; NULL = it was not. */
struct options {
    const char *config, *host, *port, *name, *client_advertise;
    const char *http_port;
    const char *pid_file, *ports_dir, *log_file, *signal;
    const char *user, *password, *token;
    const char *tls_cert, *tls_key, *tls_ca;
    const char *store_dir;
    bool is_test, is_version, is_help, is_jetstream;
    bool is_debug, is_trace, is_tls, is_tls_verify, is_utc;
    bool has_no_time;
};

/* False with a sentence in fault. The texts are argv's. */
bool options_read(struct options *options, int argc, char **argv, char *fault, size_t fault_size);

void options_help(FILE *out, const char *program);

#endif
