/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates for one test run: P-256 keys, made by OpenSSL, never kept. */
#ifndef TEST_CERTS_H
#define TEST_CERTS_H

#include <stdint.h>

#include <openssl/ssl.h>

#define CERTS_DAY ((long)24 * 60 * 60)

/* A certificate to be made. Files: <dir>/<name>.crt and <name>.key (0600). */
struct cert_wish {
    const char *name;
    const char *issuer;     /* name of a CA made before; NULL = signs itself and is a CA */
    const char *subject[7]; /* "CN", "worker", "O", "Plant", NULL */
    long from_s, until_s;   /* from now; both 0 = a day ago to 30 days ahead */
};

void certs_make(const char *dir, const struct cert_wish *wish);

/* "<dir>/<name>.<kind>" in out (256 bytes); returns out. */
const char *certs_path(const char *dir, const char *name, const char *kind, char *out);

#endif
