/* SPDX-License-Identifier: Apache-2.0 */
#include "node.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <sodium.h>

#include <ubr/error.h>

#include "signature.h"

#define ANSWER_MAX (64 * 1024 * 1024)
#define DIGEST_LEN                                                                                 \
    (sizeof("sha-512=::") +                                                                        \
     sodium_base64_ENCODED_LEN(crypto_hash_sha512_BYTES, sodium_base64_VARIANT_ORIGINAL))

struct exchange {
    const struct unibus_request *request;
    struct unibus_reply *reply;
    struct curl_slist *headers;
    char *body; /* what is sent, when it is JSON */
    char digest[DIGEST_LEN];
    char if_match[96];
    char *answer;
    size_t answer_len, answer_room;
    int64_t downloaded;
    bool is_too_long; /* what is downloaded */
    CURL *curl;
    char fault[CURL_ERROR_SIZE];
};

static bool add_line(struct exchange *exchange, const char *line)
{
    struct curl_slist *more = curl_slist_append(exchange->headers, line);
    if (more != NULL) {
        exchange->headers = more;
    }
    return more != NULL;
}

/* value NULL = the header is not sent. */
static bool add_header(struct exchange *exchange, const char *name, const char *value)
{
    char *line = NULL;
    if (value == NULL) {
        return true;
    }
    if (asprintf(&line, "%s: %s", name, value) < 0) {
        return false;
    }
    bool added = add_line(exchange, line);
    free(line);
    return added;
}

static void format_digest(struct exchange *exchange, const uint8_t hash[crypto_hash_sha512_BYTES])
{
    char
        base64[sodium_base64_ENCODED_LEN(crypto_hash_sha512_BYTES, sodium_base64_VARIANT_ORIGINAL)];
    sodium_bin2base64(base64, sizeof(base64), hash, crypto_hash_sha512_BYTES,
                      sodium_base64_VARIANT_ORIGINAL);
    snprintf(exchange->digest, sizeof(exchange->digest), "sha-512=:%s:", base64);
}

/* The digest of a file from its start; leaves it there again. */
static bool digest_file(struct exchange *exchange, FILE *file)
{
    uint8_t buffer[65536], hash[crypto_hash_sha512_BYTES];
    crypto_hash_sha512_state state;
    crypto_hash_sha512_init(&state);
    rewind(file);
    size_t got;
    while ((got = fread(buffer, 1, sizeof(buffer), file)) > 0) {
        crypto_hash_sha512_update(&state, buffer, got);
    }
    crypto_hash_sha512_final(&state, hash);
    format_digest(exchange, hash);
    bool is_good = ferror(file) == 0;
    rewind(file);
    return is_good;
}

static bool prepare_body(struct exchange *exchange)
{
    const struct unibus_request *request = exchange->request;
    if (request->upload != NULL) {
        return digest_file(exchange, request->upload);
    }
    if (request->body == NULL) {
        return true;
    }
    exchange->body = json_dumps(request->body, JSON_COMPACT);
    if (exchange->body == NULL) {
        return false;
    }
    uint8_t hash[crypto_hash_sha512_BYTES];
    crypto_hash_sha512(hash, (const uint8_t *)exchange->body, strlen(exchange->body));
    format_digest(exchange, hash);
    return true;
}

static bool add_signature(struct unibus_node *node, struct exchange *exchange, const char *audience,
                          const char *content_type, const char *digest)
{
    uint8_t nonce[16];
    randombytes_buf(nonce, sizeof(nonce));
    const struct signature_input input = {
        .method = exchange->request->method,
        .path = exchange->request->path,
        .query = exchange->request->query,
        .audience = audience,
        .content_digest = digest,
        .content_type = content_type,
        .if_match = exchange->if_match[0] != '\0' ? exchange->if_match : NULL,
        .idempotency_key = exchange->request->idempotency_key,
        .created_s = (int64_t)time(NULL) + node->skew_ms / 1000,
        .nonce = nonce,
    };
    char *signature_input, *signature, *base;
    if (!signature_make(&input, &node->sign, &signature_input, &signature, &base)) {
        return false;
    }
    bool added = add_header(exchange, "Unibus-Audience", audience) &&
                 add_header(exchange, "Signature-Input", signature_input) &&
                 add_header(exchange, "Signature", signature);
    free(signature_input);
    free(signature);
    free(base);
    return added;
}

static bool add_headers(struct unibus_node *node, struct exchange *exchange, const char *audience)
{
    const struct unibus_request *request = exchange->request;
    const char *type = request->upload != NULL  ? "application/octet-stream"
                       : exchange->body != NULL ? "application/json"
                                                : NULL;
    const char *digest = exchange->digest[0] != '\0' ? exchange->digest : NULL;
    if (request->if_match != NULL) {
        snprintf(exchange->if_match, sizeof(exchange->if_match), "\"%s\"", request->if_match);
    }
    /* Without a body no type may go out, and curl would add one. */
    return add_line(exchange, "Expect:") && (type != NULL || add_line(exchange, "Content-Type:")) &&
           add_header(exchange, "Content-Type", type) &&
           add_header(exchange, "Content-Digest", digest) &&
           add_header(exchange, "If-Match",
                      request->if_match != NULL ? exchange->if_match : NULL) &&
           add_header(exchange, "Idempotency-Key", request->idempotency_key) &&
           add_header(exchange, "Accept", "application/json") &&
           (audience == NULL || add_signature(node, exchange, audience, type, digest));
}

static void take_etag(struct unibus_reply *reply, const char *value, size_t len)
{
    if (len >= 2 && value[0] == '"' && value[len - 1] == '"' && len - 2 < sizeof(reply->etag)) {
        memcpy(reply->etag, value + 1, len - 2);
        reply->etag[len - 2] = '\0';
    }
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
    struct exchange *exchange = arg;
    size_t len = size * count, name_len = 0;
    while (name_len < len && line[name_len] != ':') {
        name_len++;
    }
    size_t start = name_len + 1, end = len;
    while (start < end && line[start] == ' ') {
        start++;
    }
    while (end > start && isspace((unsigned char)line[end - 1])) {
        end--;
    }
    if (name_len == 4 && strncasecmp(line, "etag", 4) == 0) {
        take_etag(exchange->reply, line + start, end - start);
    } else if (name_len == 17 && strncasecmp(line, "unibus-generation", 17) == 0) {
        exchange->reply->generation = strtoll(line + start, NULL, 10);
    }
    return len;
}

static size_t keep_answer(struct exchange *exchange, const char *bytes, size_t len)
{
    if (len > ANSWER_MAX - exchange->answer_len) {
        return 0;
    }
    if (exchange->answer_len + len >= exchange->answer_room) {
        size_t room = (exchange->answer_len + len + 1) * 2;
        char *more = realloc(exchange->answer, room);
        if (more == NULL) {
            return 0;
        }
        exchange->answer = more;
        exchange->answer_room = room;
    }
    memcpy(exchange->answer + exchange->answer_len, bytes, len);
    exchange->answer_len += len;
    return len;
}

static size_t keep_download(struct exchange *exchange, const char *bytes, size_t len)
{
    const struct unibus_request *request = exchange->request;
    if ((int64_t)len > request->download_max_bytes - exchange->downloaded) {
        exchange->is_too_long = true;
        return 0;
    }
    exchange->downloaded += (int64_t)len;
    return fwrite(bytes, 1, len, request->download);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct exchange *exchange = arg;
    long status = 0;
    curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200 && exchange->request->download != NULL) {
        return keep_download(exchange, bytes, size * count);
    }
    return keep_answer(exchange, bytes, size * count);
}

static int on_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    const struct unibus_request *request = ((struct exchange *)arg)->request;
    (void)up_total;
    if (request->progress != NULL && request->upload != NULL) {
        request->progress(request->progress_arg, up, request->upload_bytes);
    } else if (request->progress != NULL && request->download != NULL) {
        request->progress(request->progress_arg, down, down_total > 0 ? down_total : -1);
    }
    return 0;
}

static void set_body(CURL *curl, const struct exchange *exchange)
{
    const struct unibus_request *request = exchange->request;
    if (request->upload != NULL) {
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_READDATA, request->upload);
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->upload_bytes);
    } else if (exchange->body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(exchange->body));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, exchange->body);
    } else if (strcmp(request->method, "GET") != 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)0);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
}

static void set_times(const struct unibus_node *node, const struct unibus_request *request)
{
    curl_easy_setopt(node->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(node->curl, CURLOPT_CONNECTTIMEOUT_MS, node->timeout_ms);
    if (request->upload == NULL && request->download == NULL) {
        curl_easy_setopt(node->curl, CURLOPT_TIMEOUT_MS, node->timeout_ms);
    } else {
        curl_easy_setopt(node->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(node->curl, CURLOPT_LOW_SPEED_TIME, 30L);
    }
}

/* Paths go out as they were signed, redirections and proxies are not for signed requests. */
static void set_options(const struct unibus_node *node, struct exchange *exchange, const char *url)
{
    CURL *curl = node->curl;
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, node->admin_socket);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, exchange->fault);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, exchange->headers);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, exchange);
    set_times(node, exchange->request);
    set_body(curl, exchange);
}

static char *make_url(const struct unibus_node *node, const struct unibus_request *request)
{
    const char *base = node->admin_socket != NULL ? "http://admin" : node->server;
    bool has_query = request->query != NULL;
    char *url = NULL;
    int len = asprintf(&url, "%s%s%s%s", base, request->path, has_query ? "?" : "",
                       has_query ? request->query : "");
    return len < 0 ? NULL : url;
}

static enum unibus_status no_answer(const struct unibus_node *node, const struct exchange *exchange,
                                    CURLcode code, struct unibus_err *err)
{
    const char *where = node->admin_socket != NULL ? node->admin_socket : node->server;
    const char *why = exchange->fault[0] != '\0' ? exchange->fault : curl_easy_strerror(code);
    if (code == CURLE_OPERATION_TIMEDOUT) {
        unibus_fail(err, UNIBUS_TIMEOUT, "%s did not answer in time: %s", where, why);
        return unibus_fix(err, "give it more time: --timeout 1m; a change may have been made, look "
                               "before you repeat it");
    }
    if (exchange->is_too_long) {
        return unibus_fail_ubr(err, UNIBUS_UNVERIFIED, UBR_E_BLOB_SIZE,
                               "%s sends more than it should", where);
    }
    if (code == CURLE_WRITE_ERROR) {
        return unibus_fail(err, UNIBUS_FAILED, "cannot keep the answer of %s: %s", where, why);
    }
    unibus_fail(err, UNIBUS_UNREACHABLE, "%s cannot be reached: %s", where, why);
    return unibus_fix(err, "is the node running, and is the address right? (%s)",
                      node->admin_socket != NULL ? "--admin-socket" : "--server");
}

static void parse_answer(const struct exchange *exchange)
{
    if (exchange->answer_len > 0) {
        exchange->reply->json = json_loadb(exchange->answer, exchange->answer_len,
                                           JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    }
}

enum unibus_status http_exchange(struct unibus_node *node, const struct unibus_request *request,
                                 const char *audience, struct unibus_reply *reply_out,
                                 struct unibus_err *err)
{
    struct exchange exchange = {.request = request, .reply = reply_out, .curl = node->curl};
    memset(reply_out, 0, sizeof(*reply_out));
    enum unibus_status status = UNIBUS_OK;
    char *url = make_url(node, request);
    if (url == NULL || !prepare_body(&exchange) || !add_headers(node, &exchange, audience)) {
        status =
            unibus_fail(err, UNIBUS_FAILED, "cannot prepare %s %s", request->method, request->path);
    } else {
        set_options(node, &exchange, url);
        CURLcode code = curl_easy_perform(node->curl);
        curl_easy_getinfo(node->curl, CURLINFO_RESPONSE_CODE, &reply_out->http_status);
        if (code != CURLE_OK) {
            status = no_answer(node, &exchange, code, err);
        } else {
            parse_answer(&exchange);
        }
    }
    curl_slist_free_all(exchange.headers);
    free(exchange.body);
    free(exchange.answer);
    free(url);
    return status;
}
