/* SPDX-License-Identifier: Apache-2.0 */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#include <ubr/name.h>
#include <ubr/text.h>

#include "identities.h"
#include "rooms.h"

/* Writers first: a steady stream of readers must not keep a removal waiting. */
bool memb_rwlock_init(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    bool is_made = pthread_rwlock_init(lock, &attr) == 0;
    pthread_rwlockattr_destroy(&attr);
    return is_made;
}

bool memb_model_init(struct memb_model *model)
{
    memset(model, 0, sizeof *model);
    pthread_mutex_init(&model->allowing, NULL);
    pthread_mutex_init(&model->creating, NULL);
    memb_rwlock_init(&model->lock);
    model->by_id = memb_map_new(UBR_FINGERPRINT_LEN);
    model->by_kid = memb_map_new(UBR_KID_LEN);
    model->by_handle = memb_map_new(UBR_HANDLE_MAX + 1);
    model->claims = memb_map_new(UBR_KEY_LEN);
    model->records = memb_map_new(UBR_HASH_LEN);
    model->rooms_by_id = memb_map_new(UBR_ROOM_ID_LEN);
    return model->by_id != NULL && model->by_kid != NULL && model->by_handle != NULL &&
           model->claims != NULL && model->records != NULL && model->rooms_by_id != NULL;
}

static bool free_claim(void *arg, const uint8_t *key, void *value)
{
    (void)arg;
    (void)key;
    free(value);
    return true;
}

void memb_model_fini(struct memb_model *model)
{
    for (size_t i = 0; i < model->rooms_len; i++) {
        memb_room_free(&model->rooms[i]);
    }
    for (size_t i = 0; i < model->identities_len; i++) {
        memb_identity_free(&model->identities[i]);
    }
    if (model->claims != NULL) {
        memb_map_sweep(model->claims, free_claim, NULL);
    }
    memb_map_free(&model->by_id);
    memb_map_free(&model->by_kid);
    memb_map_free(&model->by_handle);
    memb_map_free(&model->claims);
    memb_map_free(&model->records);
    memb_map_free(&model->rooms_by_id);
    free(model->rooms);
    free(model->identities);
    pthread_rwlock_destroy(&model->lock);
    pthread_mutex_destroy(&model->creating);
    pthread_mutex_destroy(&model->allowing);
}

void memb_model_read(struct memb_model *model)
{
    pthread_rwlock_rdlock(&model->lock);
}

void memb_model_write(struct memb_model *model)
{
    pthread_rwlock_wrlock(&model->lock);
}

void memb_model_unlock(struct memb_model *model)
{
    pthread_rwlock_unlock(&model->lock);
}

struct memb_identity *memb_model_identity(const struct memb_model *model, const char *id)
{
    uint8_t fingerprint[UBR_FINGERPRINT_LEN];
    if (!ubr_base32_decode_exact(ubr_bytes_of_text(id), fingerprint, sizeof fingerprint)) {
        return NULL;
    }
    return memb_map_get(model->by_id, fingerprint);
}

struct memb_identity *memb_model_account(const struct memb_model *model, const uint8_t *account_pk)
{
    const struct memb_claim *claim = memb_map_get(model->claims, account_pk);
    return claim != NULL && (claim->kinds & MEMB_CLAIM_ACCOUNT) ? claim->identity : NULL;
}

struct memb_identity *memb_model_by_handle(const struct memb_model *model, const char *handle)
{
    char key[UBR_HANDLE_MAX + 1] = {0};
    size_t len = strlen(handle);
    if (len > UBR_HANDLE_MAX) {
        return NULL;
    }
    memcpy(key, handle, len + 1);
    return memb_map_get(model->by_handle, key);
}

struct memb_identity *memb_model_by_kid(const struct memb_model *model, const uint8_t *kid)
{
    return memb_map_get(model->by_kid, kid);
}

struct memb_room *memb_model_room(const struct memb_model *model, const uint8_t *id)
{
    return memb_map_get(model->rooms_by_id, id);
}

struct memb_room *memb_model_room32(const struct memb_model *model, const char *id32)
{
    uint8_t id[UBR_ROOM_ID_LEN];
    return ubr_room32_parse(ubr_bytes_of_text(id32), id) ? memb_model_room(model, id) : NULL;
}

bool memb_identity_is_enabled(const struct memb_identity *identity)
{
    return !identity->is_disabled && !identity->is_removed;
}

const struct ubr_device *memb_identity_device(const struct memb_identity *identity,
                                              const uint8_t *kid)
{
    const struct ubr_device *device = ubr_chain_device(&identity->chain, kid);
    return device != NULL && !device->is_revoked ? device : NULL;
}

bool memb_push(void *array_of_pointers, size_t *len, size_t *cap, void *pointer)
{
    void **array;
    memcpy(&array, array_of_pointers, sizeof array);
    if (*len == *cap) {
        size_t more = *cap > 0 ? *cap * 2 : 8;
        void **grown = realloc(array, more * sizeof(void *));
        if (grown == NULL) {
            return false;
        }
        array = grown;
        *cap = more;
        memcpy(array_of_pointers, &array, sizeof array);
    }
    array[(*len)++] = pointer;
    return true;
}
