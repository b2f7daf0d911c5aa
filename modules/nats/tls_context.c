/* SPDX-License-Identifier: Apache-2.0
 *
 * A certificate is never changed in place: a reload makes a whole new SSL_CTX, and every connection
 * holds a reference to the one that it began with. */
#include <stdlib.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <unibus/error.h>

#include "tls_own.h"

#define TLS_FAULT     "E-NATS-TLS"
#define TLS_DAY_MS    ((int64_t)24 * 60 * 60 * 1000)
#define TLS_SUITES_12 "ECDHE+AESGCM:ECDHE+CHACHA20"
#define TLS_SUITES_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define TLS_GROUPS    "X25519:P-256:P-384"

/* ---- the settings must fit together -----------------------------------------------------------
 */

static bool is_said(const char *path)
{
    return path != NULL && path[0] != '\0';
}

static enum ub_status settings_judge(const struct nats_settings *settings, struct ub_err *err)
{
    const struct nats_tls_settings *tls = &settings->tls;
    const char *fault = NULL;
    if (tls->mode == NATS_TLS_OFF) {
        fault = is_said(tls->cert) || tls->key != NULL || is_said(tls->ca)
                    ? "tls.mode is \"off\" and a certificate, key or CA is named; set "
                      "tls.mode = \"auto\", or take them out"
                    : NULL;
    } else if (!is_said(tls->cert) || tls->key == NULL) {
        fault = "tls.mode needs tls.cert = \"node.crt\" and tls.key = secret \"node.key\"";
    } else if (tls->mode == NATS_TLS_FIRST && tls->plain != NATS_PLAIN_NONE) {
        fault = "tls.mode = \"first\" has no plain clients; set tls.mode = \"auto\", or "
                "tls.plain = \"none\"";
    } else if ((tls->verify != NATS_VERIFY_OFF) != is_said(tls->ca)) {
        fault = is_said(tls->ca)
                    ? "tls.ca is named and tls.verify is \"off\"; set tls.verify = \"require\""
                    : "tls.verify needs tls.ca, whose certificates clients must have";
    }
    return fault == NULL ? UB_OK : ub_fail_code(err, UB_EINVAL, TLS_FAULT, "%s", fault);
}

/* ---- one SSL_CTX ------------------------------------------------------------------------------
 */

const char *nats_tls_why(const SSL *ssl)
{
    unsigned long code = ERR_peek_error(); /* the cause; later ones say where */
    long verdict = ssl == NULL ? X509_V_OK : SSL_get_verify_result(ssl);
    const char *why = code == 0                ? "the client has gone"
                      : ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code))
                      : verdict != X509_V_OK   ? X509_verify_cert_error_string(verdict)
                                               : ERR_reason_error_string(code);
    ERR_clear_error();
    return why != NULL ? why : "OpenSSL does not say why";
}

static enum ub_status file_fault(struct ub_err *err, const char *setting, const char *path)
{
    return ub_fail_code(err, UB_EINVAL, TLS_FAULT, "%s: \"%s\" cannot be used: %s", setting, path,
                        nats_tls_why(NULL));
}

/* A key with a passphrase is refused: nobody is there to ask. */
static int no_passphrase(char *out, int size, int is_writing, void *arg)
{
    (void)out;
    (void)size;
    (void)is_writing;
    (void)arg;
    return -1;
}

static enum ub_status use_key(const struct ub_host *host, SSL_CTX *ctx,
                              const struct nats_tls_settings *tls, struct ub_err *err)
{
    struct ub_bytes pem = host->secret->bytes(tls->key);
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    if (key == NULL) {
        return ub_fail_code(err, UB_EINVAL, TLS_FAULT,
                            "tls.key: not a private key in PEM without a passphrase: %s",
                            nats_tls_why(NULL));
    }
    bool is_taken = SSL_CTX_use_PrivateKey(ctx, key) == 1;
    EVP_PKEY_free(key);
    return is_taken ? UB_OK
                    : ub_fail_code(err, UB_EINVAL, TLS_FAULT,
                                   "tls.key is not the key of tls.cert \"%s\": %s", tls->cert,
                                   nats_tls_why(NULL));
}

static enum ub_status use_ca(SSL_CTX *ctx, const struct nats_tls_settings *tls, struct ub_err *err)
{
    if (tls->verify == NATS_VERIFY_OFF) {
        return UB_OK;
    }
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(tls->ca);
    if (names == NULL || SSL_CTX_load_verify_file(ctx, tls->ca) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return file_fault(err, "tls.ca", tls->ca);
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    bool is_required = tls->verify == NATS_VERIFY_REQUIRE;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (is_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       NULL);
    /* A resumed session would outlive the certificate that it was made with. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(ctx, 0);
    return UB_OK;
}

static bool use_rules(SSL_CTX *ctx, const struct nats_tls_settings *tls)
{
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets need no memory of ours */
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_session_id_context(ctx, (const uint8_t *)"nats", 4);
    int least = tls->min_version == NATS_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
    return SSL_CTX_set_min_proto_version(ctx, least) == 1 &&
           SSL_CTX_set_cipher_list(ctx, TLS_SUITES_12) == 1 &&
           SSL_CTX_set_ciphersuites(ctx, TLS_SUITES_13) == 1 &&
           SSL_CTX_set1_groups_list(ctx, TLS_GROUPS) == 1;
}

static enum ub_status ctx_fill(const struct ub_host *host, SSL_CTX *ctx,
                               const struct nats_tls_settings *tls, struct ub_err *err)
{
    if (!use_rules(ctx, tls)) {
        return ub_fail_code(err, UB_EINTERNAL, TLS_FAULT, "OpenSSL lacks a cipher suite: %s",
                            nats_tls_why(NULL));
    }
    if (SSL_CTX_use_certificate_chain_file(ctx, tls->cert) != 1) {
        return file_fault(err, "tls.cert", tls->cert);
    }
    enum ub_status status = use_key(host, ctx, tls, err);
    return status == UB_OK ? use_ca(ctx, tls, err) : status;
}

void nats_tls_cert_unref(struct nats_tls_cert **cert)
{
    struct nats_tls_cert *it = *cert;
    *cert = NULL;
    if (it != NULL && atomic_fetch_sub(&it->refs, 1) == 1) {
        SSL_CTX_free(it->ctx);
        free(it);
    }
}

struct nats_tls_cert *nats_tls_cert_now(struct nats_tls_context *context)
{
    pthread_mutex_lock(&context->lock);
    struct nats_tls_cert *cert = context->cert;
    atomic_fetch_add(&cert->refs, 1);
    pthread_mutex_unlock(&context->lock);
    return cert;
}

/* NULL in *cert_out also when there is no TLS. */
static enum ub_status cert_new(const struct ub_host *host, const struct nats_settings *settings,
                               struct nats_tls_cert **cert_out, struct ub_err *err)
{
    enum ub_status status = settings_judge(settings, err);
    *cert_out = NULL;
    if (status != UB_OK || settings->tls.mode == NATS_TLS_OFF) {
        return status;
    }
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    struct nats_tls_cert *cert = calloc(1, sizeof(*cert));
    if (ctx == NULL || cert == NULL) {
        SSL_CTX_free(ctx);
        free(cert);
        return ub_fail(err, UB_ENOMEM, "no memory for TLS");
    }
    status = ctx_fill(host, ctx, &settings->tls, err);
    if (status != UB_OK) {
        SSL_CTX_free(ctx);
        free(cert);
        return status;
    }
    cert->ctx = ctx;
    cert->refs = 1;
    *cert_out = cert;
    return UB_OK;
}

/* ---- the one in force -------------------------------------------------------------------------
 */

static int64_t asn1_ms(const ASN1_TIME *time)
{
    struct tm broken;
    return ASN1_TIME_to_tm(time, &broken) == 1 ? (int64_t)timegm(&broken) * 1000 : 0;
}

void nats_tls_tell(const struct nats_tls_context *context)
{
    if (context == NULL) {
        return;
    }
    const X509 *cert = SSL_CTX_get0_certificate(context->cert->ctx);
    char subject[256] = "", hex[2 * EVP_MAX_MD_SIZE + 1] = "";
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    X509_NAME_oneline(X509_get_subject_name(cert), subject, sizeof(subject));
    X509_digest(cert, EVP_sha256(), digest, &len);
    for (unsigned i = 0; i < len; i++) {
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
    int64_t left_ms = context->not_after_ms - context->host->clock->now_ms(context->host);
    ub_log(context->host, left_ms > 0 ? UB_LOG_INFO : UB_LOG_WARN, "certificate-in-force",
           left_ms > 0 ? "new connections are shown this certificate"
                       : "this certificate has expired; clients will refuse it",
           UB_TEXT("subject", subject), UB_TEXT("sha256", hex),
           UB_NUMBER("days_left", left_ms / TLS_DAY_MS));
}

/* Takes next over; tells when it is another certificate than before. */
static void context_take(struct nats_tls_context *context, const struct nats_settings *settings,
                         struct nats_tls_cert *next)
{
    const X509 *cert = SSL_CTX_get0_certificate(next->ctx);
    pthread_mutex_lock(&context->lock);
    struct nats_tls_cert *old = context->cert;
    context->cert = next;
    pthread_mutex_unlock(&context->lock);
    context->is_verifying = settings->tls.verify == NATS_VERIFY_REQUIRE;
    context->timeout_ms = settings->tls.timeout;
    context->wait_ms = settings->tls.wait;
    context->not_before_ms = asn1_ms(X509_get0_notBefore(cert));
    context->not_after_ms = asn1_ms(X509_get0_notAfter(cert));
    if (old != NULL && X509_cmp(SSL_CTX_get0_certificate(old->ctx), cert) != 0) {
        nats_tls_tell(context);
    }
    nats_tls_cert_unref(&old);
}

enum ub_status nats_tls_context_new(const struct ub_host *host,
                                    const struct nats_settings *settings,
                                    struct nats_tls_context **context_out, struct ub_err *err)
{
    struct nats_tls_cert *cert = NULL;
    *context_out = NULL;
    enum ub_status status = cert_new(host, settings, &cert, err);
    if (cert == NULL) {
        return status;
    }
    struct nats_tls_context *context = calloc(1, sizeof(*context));
    BIO_METHOD *method = nats_tls_method_new();
    if (context == NULL || method == NULL) {
        free(context);
        BIO_meth_free(method);
        nats_tls_cert_unref(&cert);
        return ub_fail(err, UB_ENOMEM, "no memory for TLS");
    }
    context->host = host;
    context->method = method;
    context->under_way_max = TLS_UNDER_WAY_MAX;
    pthread_mutex_init(&context->lock, NULL);
    context_take(context, settings, cert);
    *context_out = context;
    return UB_OK;
}

void nats_tls_context_free(struct nats_tls_context **context)
{
    struct nats_tls_context *it = *context;
    *context = NULL;
    if (it != NULL) {
        nats_tls_cert_unref(&it->cert);
        BIO_meth_free(it->method);
        pthread_mutex_destroy(&it->lock);
        free(it);
    }
}

/* ---- reload -----------------------------------------------------------------------------------
 */

enum ub_status nats_tls_prepare(const struct nats_tls_context *context,
                                const struct nats_settings *settings,
                                struct nats_tls_change **change_out, struct ub_err *err)
{
    struct nats_tls_change *change = calloc(1, sizeof(*change));
    *change_out = change;
    if (change == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory for a reload");
    }
    change->settings = settings;
    enum ub_status status =
        context == NULL ? UB_OK : cert_new(context->host, settings, &change->cert, err);
    if (status != UB_OK) {
        nats_tls_abort(change_out);
    }
    return status;
}

void nats_tls_commit(struct nats_tls_context *context, struct nats_tls_change **change)
{
    if ((*change)->cert != NULL) {
        context_take(context, (*change)->settings, (*change)->cert);
        (*change)->cert = NULL;
    }
    nats_tls_abort(change);
}

void nats_tls_abort(struct nats_tls_change **change)
{
    nats_tls_cert_unref(&(*change)->cert);
    free(*change);
    *change = NULL;
}

int64_t nats_tls_timeout_ms(const struct nats_tls_context *context)
{
    return context != NULL ? context->timeout_ms : 2000; /* the default, as nats-server tells it */
}

/* ---- health -----------------------------------------------------------------------------------
 */

void nats_tls_health(const struct nats_tls_context *context, const struct ub_health_sink *sink)
{
    if (context == NULL) {
        return;
    }
    int64_t now_ms = context->host->clock->now_ms(context->host);
    sink->number(sink->ctx, "tls_handshakes", (int64_t)context->handshakes);
    sink->number(sink->ctx, "tls_failures", (int64_t)context->failures);
    sink->number(sink->ctx, "tls_days_left", (context->not_after_ms - now_ms) / TLS_DAY_MS);
    if (now_ms >= context->not_after_ms || now_ms < context->not_before_ms) {
        sink->problem(sink->ctx, "E-NATS-CERT",
                      now_ms < context->not_before_ms
                          ? "the certificate for NATS clients is not valid yet"
                          : "the certificate for NATS clients has expired",
                      "write a new one to tls.cert and tls.key and reload; check the clock");
    }
}
