/* SPDX-License-Identifier: Apache-2.0 */
#include "certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#define CERTS_PATH_MAX 256

const char *certs_path(const char *dir, const char *name, const char *kind, char *out)
{
    assert_in_range(snprintf(out, CERTS_PATH_MAX, "%s/%s.%s", dir, name, kind), 1, 255);
    return out;
}

static FILE *open_private(const char *path)
{
    mode_t old = umask(077);
    unlink(path);
    FILE *file = fopen(path, "w");
    umask(old);
    assert_non_null(file);
    return file;
}

static void write_pair(const char *dir, const char *name, X509 *cert, EVP_PKEY *key)
{
    char path[CERTS_PATH_MAX];
    FILE *file = open_private(certs_path(dir, name, "crt", path));
    assert_int_equal(PEM_write_X509(file, cert), 1);
    fclose(file);
    file = open_private(certs_path(dir, name, "key", path));
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
}

static void read_pair(const char *dir, const char *name, X509 **cert, EVP_PKEY **key)
{
    char path[CERTS_PATH_MAX];
    FILE *file = fopen(certs_path(dir, name, "crt", path), "r");
    assert_non_null(file);
    *cert = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    file = fopen(certs_path(dir, name, "key", path), "r");
    assert_non_null(file);
    *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    fclose(file);
    assert_true(*cert != NULL && *key != NULL);
}

static void extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static X509 *cert_new(const struct cert_wish *wish, EVP_PKEY *key)
{
    X509 *cert = X509_new();
    uint64_t serial;
    assert_non_null(cert);
    RAND_bytes((uint8_t *)&serial, sizeof(serial));
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial);
    bool is_default = wish->from_s == 0 && wish->until_s == 0;
    X509_gmtime_adj(X509_getm_notBefore(cert), is_default ? -CERTS_DAY : wish->from_s);
    X509_gmtime_adj(X509_getm_notAfter(cert), is_default ? 30 * CERTS_DAY : wish->until_s);
    for (size_t i = 0; wish->subject[i] != NULL; i += 2) {
        assert_int_equal(
            X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), wish->subject[i], MBSTRING_UTF8,
                                       (const uint8_t *)wish->subject[i + 1], -1, -1, 0),
            1);
    }
    X509_set_pubkey(cert, key);
    return cert;
}

void certs_make(const char *dir, const struct cert_wish *wish)
{
    EVP_PKEY *key = EVP_EC_gen("P-256"), *issuer_key = key;
    assert_non_null(key);
    X509 *cert = cert_new(wish, key), *issuer = cert;
    if (wish->issuer != NULL) {
        read_pair(dir, wish->issuer, &issuer, &issuer_key);
    }
    X509_set_issuer_name(cert, X509_get_subject_name(issuer));
    if (wish->issuer == NULL) {
        extend(cert, issuer, NID_basic_constraints, "critical,CA:TRUE");
        extend(cert, issuer, NID_key_usage, "critical,keyCertSign");
    } else {
        extend(cert, issuer, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1");
    }
    assert_true(X509_sign(cert, issuer_key, EVP_sha256()) > 0);
    write_pair(dir, wish->name, cert, key);
    if (wish->issuer != NULL) {
        X509_free(issuer);
        EVP_PKEY_free(issuer_key);
    }
    X509_free(cert);
    EVP_PKEY_free(key);
}
