/* SPDX-License-Identifier: Apache-2.0
 *
 * The nonce epoch: a request that was signed before the nonces were lost is dead, without comparing
 * clocks (http-and-cli 11). */
#include <string.h>

#include <ubr/text.h>

#include "memb.h"
#include "store.h"

void memb_nonce_epoch(struct memb *memb, char epoch_out[MEMB_NONCE_EPOCH_LEN + 1],
                      int64_t *revision_out)
{
    pthread_mutex_lock(&memb->nonces.lock);
    memcpy(epoch_out, memb->nonces.epoch, MEMB_NONCE_EPOCH_LEN + 1);
    if (revision_out != NULL) {
        *revision_out = memb->nonces.epoch_revision;
    }
    pthread_mutex_unlock(&memb->nonces.lock);
}

static void keep(struct memb *memb, const char *epoch, int64_t revision)
{
    pthread_mutex_lock(&memb->nonces.lock);
    if (revision > memb->nonces.epoch_revision || strcmp(epoch, memb->nonces.epoch) != 0) {
        memcpy(memb->nonces.epoch, epoch, MEMB_NONCE_EPOCH_LEN);
        memb->nonces.epoch[MEMB_NONCE_EPOCH_LEN] = '\0';
        memb->nonces.epoch_revision = revision;
    }
    memb->nonces.is_away = false;
    pthread_mutex_unlock(&memb->nonces.lock);
}

static enum ub_status keep_value(struct memb *memb, const struct ub_kv_value *value,
                                 struct ub_err *err)
{
    char epoch[MEMB_NONCE_EPOCH_LEN + 1] = {0};
    uint8_t bytes[16];
    struct ubr_bytes text = ubr_bytes_of(value->bytes.ptr, value->bytes.len);
    if (!ubr_hex_decode_exact(text, bytes, sizeof bytes)) {
        return ub_fail(err, UB_EDAMAGED, "nonces/epoch is not 32 hex digits");
    }
    memcpy(epoch, value->bytes.ptr, MEMB_NONCE_EPOCH_LEN);
    keep(memb, epoch, value->revision);
    return UB_OK;
}

static enum ub_status write_epoch(struct memb *memb, enum ub_kv_verb verb, const char *epoch,
                                  int64_t expected, struct ub_err *err)
{
    struct memb_key key;
    memb_key_set(&key, "epoch");
    struct ub_kv_write write = {memb->nonce_bucket,
                                verb,
                                key.key,
                                {(const uint8_t *)epoch, MEMB_NONCE_EPOCH_LEN},
                                expected};
    int64_t revision = 0;
    enum ub_status status = memb->kv->write(memb->nonce_bucket, &write, &revision, err);
    if (status == UB_OK) {
        keep(memb, epoch, revision);
    }
    return status;
}

static enum ub_status create_epoch(struct memb *memb, struct ub_err *err)
{
    char epoch[MEMB_NONCE_EPOCH_LEN + 1];
    uint8_t bytes[16];
    memb->host->clock->random(memb->host, bytes, sizeof bytes);
    ubr_hex_encode(ubr_bytes_of(bytes, sizeof bytes), epoch);
    return write_epoch(memb, UB_KV_CREATE, epoch, 0, err);
}

enum ub_status memb_nonce_epoch_read(struct memb *memb, struct ub_err *err)
{
    struct memb_key key;
    struct ub_kv_value value = {.size = sizeof value};
    memb_key_set(&key, "epoch");
    for (int i = 0; i < 3; i++) {
        enum ub_status status =
            memb->kv->get(memb->nonce_bucket, &key.key, UB_KV_NEWEST, &value, err);
        if (status == UB_OK) {
            status = keep_value(memb, &value, err);
            memb->kv->value_free(memb->kv_self, &value);
            return status;
        }
        if (status != UB_ENOTFOUND) {
            return status;
        }
        status = create_epoch(memb, err);
        if (status != UB_EEXISTS) { /* else somebody was faster: read his */
            return status;
        }
    }
    return ub_fail(err, UB_EUNAVAILABLE, "nonces/epoch comes and goes");
}

void memb_nonce_epoch_refresh(struct memb *memb)
{
    char epoch[MEMB_NONCE_EPOCH_LEN + 1];
    int64_t revision;
    struct ub_err err = UB_ERR_INIT;
    memb_nonce_epoch(memb, epoch, &revision);
    enum ub_status status = write_epoch(memb, UB_KV_UPDATE, epoch, revision, &err);
    if (status == UB_ECONFLICT || status == UB_ENOTFOUND) {
        status = memb_nonce_epoch_read(memb, &err);
    }
    if (status != UB_OK) {
        pthread_mutex_lock(&memb->nonces.lock);
        memb->nonces.is_away = true;
        pthread_mutex_unlock(&memb->nonces.lock);
        ub_log(memb->host, UB_LOG_WARN, "nonce-epoch", "the nonce epoch could not be renewed",
               UB_TEXT("why", err.message));
    }
}

enum ub_problem memb_nonce_look_up(struct memb *memb, const uint8_t key[MEMB_NONCE_KEY_LEN])
{
    struct memb_key path;
    struct ub_kv_value value = {.size = sizeof value};
    struct ub_err err = UB_ERR_INIT;
    memb_key_set(&path, "n");
    memb_key_bytes(&path, key, UBR_KID_LEN);
    memb_key_bytes(&path, key + UBR_KID_LEN, 16);
    enum ub_status status =
        memb->kv->get(memb->nonce_bucket, &path.key, UB_KV_NEWEST, &value, &err);
    if (status == UB_OK) {
        memb->kv->value_free(memb->kv_self, &value);
        return UB_P_NONCE_REPLAYED;
    }
    return status == UB_ENOTFOUND ? UB_P_NONE : UB_P_STORE_AWAY;
}
