/* SPDX-License-Identifier: Apache-2.0 */
#include "idem.h"

#include <stdlib.h>
#include <string.h>

#define KEY_MAX      255
#define EXPIRE_BATCH 100

static const char *caller_id(const struct memb_call *call)
{
    return call->identity != NULL ? call->identity->id : "admin-socket";
}

static void add_part(struct ubr_hasher *hasher, const char *text)
{
    ubr_hasher_add_u32(hasher, (uint32_t)strlen(text));
    ubr_hasher_add(hasher, text, strlen(text));
}

static void hash_request(struct memb_call *call, const char *key)
{
    struct ubr_hasher hasher;
    ubr_hasher_begin_plain(&hasher, UBR_HASH_LEN);
    add_part(&hasher, caller_id(call));
    add_part(&hasher, key);
    ubr_hasher_end(&hasher, call->idem_key);
    ubr_hasher_begin_plain(&hasher, UBR_HASH_LEN);
    add_part(&hasher, call->request->method);
    add_part(&hasher, call->request->raw_path);
    add_part(&hasher, call->request->raw_query);
    ubr_hasher_add(&hasher, call->request->body.ptr, call->request->body.len);
    ubr_hasher_end(&hasher, call->idem_hash);
}

static void idem_path(const struct memb_call *call, struct memb_key *key)
{
    memb_key_set(key, "idem");
    memb_key_text(key, caller_id(call));
    memb_key_bytes(key, call->idem_key, UBR_HASH_LEN);
}

static bool claim(struct memb_call *call)
{
    struct memb *memb = call->memb;
    pthread_mutex_lock(&memb->idem_lock);
    bool is_free = memb_map_get(memb->idem_running, call->idem_key) == NULL &&
                   memb_map_put(memb->idem_running, call->idem_key, memb);
    pthread_mutex_unlock(&memb->idem_lock);
    return is_free;
}

void memb_idem_end(struct memb_call *call)
{
    if (call->has_idem) {
        call->has_idem = false;
        pthread_mutex_lock(&call->memb->idem_lock);
        memb_map_remove(call->memb->idem_running, call->idem_key);
        pthread_mutex_unlock(&call->memb->idem_lock);
    }
}

static void replay(struct memb_call *call, const struct memb_idem *idem, int64_t revision)
{
    char location[MEMB_IDEM_LOCATION_MAX + 1] = {0};
    char generation[24];
    struct ub_http_header headers[5] = {{"Idempotency-Replayed", "true"},
                                        {"Unibus-Generation", generation}};
    size_t count = 2;
    json_t *body = json_loadb((const char *)idem->body.ptr, idem->body.len, 0, NULL);
    if (json_object_get(body, "head") != NULL && json_object_get(body, "seq") == NULL) {
        json_object_set_new(body, "generation", json_integer(revision));
        if (json_object_get(body, "id") == NULL) {
            json_object_set_new(body, "applied", json_pack("{s:i}", "connections_changed", 0));
        }
    }
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    snprintf(generation, sizeof generation, "%lld",
             (long long)memb_generation_now(&call->memb->generation));
    if (text != NULL) {
        headers[count++] = (struct ub_http_header){"Content-Type", "application/json"};
    }
    if (idem->location.len > 0) {
        memcpy(location, idem->location.ptr, idem->location.len);
        headers[count] = (struct ub_http_header){"Location", location};
    }
    struct ub_bytes bytes = {(const uint8_t *)text, text != NULL ? strlen(text) : 0};
    memb_idem_end(call);
    call->memb->httpd->reply(call->request, idem->status, headers, bytes);
    free(text);
    json_decref(body);
}

static void answer_again(struct memb_call *call, const struct ub_kv_value *value)
{
    struct memb_idem idem;
    if (!memb_idem_parse(value->bytes, &idem)) {
        memb_problem(call, UB_P_INTERNAL, "the stored answer is damaged");
    } else if (memcmp(idem.request_hash, call->idem_hash, UBR_HASH_LEN) != 0) {
        memb_problem(call, UB_P_IDEMPOTENCY_MISMATCH, "use a new key for another request");
    } else {
        replay(call, &idem, value->revision);
    }
}

/* True when there is no stored answer. An old one counts until it is swept away. */
static bool is_first(struct memb_call *call)
{
    struct memb_key key;
    struct ub_err err = UB_ERR_INIT;
    struct ub_kv_value value = {.size = sizeof value};
    struct memb *memb = call->memb;
    idem_path(call, &key);
    enum ub_status status = memb->kv->get(memb->control, &key.key, UB_KV_NEWEST, &value, &err);
    if (status == UB_ENOTFOUND) {
        return true;
    }
    if (status == UB_OK) {
        answer_again(call, &value);
        memb->kv->value_free(memb->kv_self, &value);
    } else {
        memb_problem_store(call, memb_store_problem(status), UB_P_STORE_AWAY, &err);
    }
    return false;
}

bool memb_idem_begin(struct memb_call *call)
{
    const char *key = memb_header(call, "idempotency-key");
    if (key == NULL || strcmp(call->request->method, "POST") != 0) {
        return true;
    }
    if (key[0] == '\0' || strlen(key) > KEY_MAX) {
        memb_problem(call, UB_P_BAD_REQUEST, "Idempotency-Key has 1 to 255 characters");
        return false;
    }
    hash_request(call, key);
    if (!claim(call)) {
        memb_problem(call, UB_P_IN_PROGRESS, "the first request with this key is under way");
        return false;
    }
    call->has_idem = true;
    if (!is_first(call)) {
        return false; /* answered, and the answer ended it */
    }
    return true;
}

bool memb_idem_add(struct memb_call *call, struct memb_txn *txn, int status, const char *location,
                   const json_t *body, void **stored_out)
{
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : strdup("");
    size_t cap = 512 + (text != NULL ? strlen(text) : 0);
    uint8_t *buf = malloc(cap);
    if (text == NULL || buf == NULL) {
        free(text);
        free(buf);
        return false;
    }
    struct memb_idem idem = {memb_now_ms(call->memb), call->idem_hash, (uint16_t)status,
                             ubr_bytes_of_text(location != NULL ? location : ""),
                             ubr_bytes_of_text(text)};
    struct ubr_bytes value = memb_idem_write(&idem, buf, cap);
    free(text);
    idem_path(call, memb_txn_write(txn, UB_KV_CREATE, (struct ub_bytes){value.ptr, value.len}, 0));
    *stored_out = buf;
    return value.ptr != NULL;
}

/* ---- after 24 hours ---------------------------------------------------------------------------
 */

struct old_keys {
    struct memb_txn *txn;
    int64_t before_ms;
    size_t count;
    uint8_t ids[EXPIRE_BATCH][64 + UBR_HASH_LEN];
};

static bool note_old(void *arg, const struct ub_kv_entry *entry)
{
    struct old_keys *old = arg;
    struct memb_idem idem;
    const uint8_t *hash = memb_key_segment(&entry->key, 2, UBR_HASH_LEN);
    if (hash == NULL || (memb_idem_parse(entry->value, &idem) && idem.time_ms >= old->before_ms)) {
        return true;
    }
    uint8_t *id = old->ids[old->count++];
    size_t id_len = entry->key.segments[1].len;
    memcpy(id, entry->key.segments[1].ptr, id_len);
    memcpy(id + 64, hash, UBR_HASH_LEN);
    struct memb_key *key =
        memb_txn_write(old->txn, UB_KV_DELETE, (struct ub_bytes){NULL, 0}, entry->revision);
    memb_key_set(key, "idem");
    memb_key_bytes(key, id, id_len);
    memb_key_bytes(key, id + 64, UBR_HASH_LEN);
    return old->count < EXPIRE_BATCH;
}

void memb_idem_expire(struct memb *memb)
{
    struct memb_key prefix;
    struct ub_err err = UB_ERR_INIT;
    struct old_keys *old = calloc(1, sizeof *old);
    if (old == NULL || (old->txn = memb_txn_new(memb, NULL)) == NULL) {
        free(old);
        return;
    }
    old->before_ms = memb_now_ms(memb) - MEMB_IDEM_KEEP_MS;
    memb_key_set(&prefix, "idem");
    enum ub_status status =
        memb->kv->list(memb->control, &prefix.key, NULL, 0, note_old, old, &err);
    if (status == UB_OK && old->count > 0) {
        memb_txn_commit(old->txn, &err);
    }
    memb_txn_free(&old->txn);
    free(old);
}
