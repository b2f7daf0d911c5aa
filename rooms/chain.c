/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/chain.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t no_head[UBR_HASH_LEN];

void ubr_chain_init(struct ubr_chain *chain, const uint8_t account_pk[UBR_KEY_LEN])
{
    *chain = (struct ubr_chain){0};
    memcpy(chain->account_pk, account_pk, UBR_KEY_LEN);
}

void ubr_chain_fini(struct ubr_chain *chain)
{
    free(chain->devices);
    free(chain->hashes);
    *chain = (struct ubr_chain){0};
}

enum ubr_error ubr_chain_copy(const struct ubr_chain *chain, struct ubr_chain *copy_out)
{
    ubr_chain_init(copy_out, chain->account_pk);
    if (chain->records_len == 0) {
        return UBR_OK;
    }
    size_t devices_bytes = chain->devices_len * sizeof *chain->devices;
    size_t hashes_bytes = chain->records_len * sizeof *chain->hashes;
    struct ubr_chain copy = *chain;
    copy.devices = malloc(devices_bytes);
    copy.hashes = malloc(hashes_bytes);
    if (!copy.devices || !copy.hashes) {
        free(copy.devices);
        free(copy.hashes);
        return UBR_E_MEMORY;
    }
    memcpy(copy.devices, chain->devices, devices_bytes);
    memcpy(copy.hashes, chain->hashes, hashes_bytes);
    *copy_out = copy;
    return UBR_OK;
}

const uint8_t *ubr_chain_head(const struct ubr_chain *chain)
{
    return chain->records_len > 0 ? chain->hashes[chain->records_len - 1] : no_head;
}

bool ubr_chain_contains(const struct ubr_chain *chain, const uint8_t head[UBR_HASH_LEN])
{
    for (size_t i = 0; i < chain->records_len; i++) {
        if (memcmp(chain->hashes[i], head, UBR_HASH_LEN) == 0) {
            return true;
        }
    }
    return false;
}

const struct ubr_device *ubr_chain_device(const struct ubr_chain *chain,
                                          const uint8_t kid[UBR_KID_LEN])
{
    for (size_t i = 0; i < chain->devices_len; i++) {
        if (memcmp(chain->devices[i].kid, kid, UBR_KID_LEN) == 0) {
            return &chain->devices[i];
        }
    }
    return NULL;
}

/* By key, not by kid: the rules of 4.6 speak of sign_pk. */
static struct ubr_device *device_with_key(const struct ubr_chain *chain,
                                          const uint8_t sign_pk[UBR_KEY_LEN])
{
    for (size_t i = 0; i < chain->devices_len; i++) {
        if (memcmp(chain->devices[i].sign_pk, sign_pk, UBR_KEY_LEN) == 0) {
            return &chain->devices[i];
        }
    }
    return NULL;
}

static enum ubr_error check_place(const struct ubr_chain *chain, const struct ubr_device_body *body)
{
    if (body->seq != chain->records_len ||
        memcmp(body->prev, ubr_chain_head(chain), UBR_HASH_LEN) != 0 ||
        memcmp(body->account_pk, chain->account_pk, UBR_KEY_LEN) != 0) {
        return UBR_E_DEVICE_CHAIN;
    }
    return body->seq < UBR_CHAIN_RECORDS_MAX ? UBR_OK : UBR_E_LIMIT;
}

/* Whether a revocation, a rotation or a new device is allowed; device is what its sign_pk has been
 * until now, NULL if unknown. */
static enum ubr_error check_change(const struct ubr_chain *chain,
                                   const struct ubr_device_body *body,
                                   const struct ubr_device *device)
{
    bool revokes = (body->flags & UBR_DEVICE_REVOKED) != 0;
    if (!device) {
        if (revokes) {
            return UBR_E_DEVICE_CHAIN;
        }
        return chain->live_len < UBR_CHAIN_LIVE_MAX ? UBR_OK : UBR_E_LIMIT;
    }
    if (device->is_revoked) {
        return UBR_E_DEVICE_REVOKED;
    }
    bool repeats = memcmp(device->box_pk, body->box_pk, UBR_KEY_LEN) == 0 &&
                   memcmp(device->nats_pk, body->nats_pk, UBR_KEY_LEN) == 0;
    return repeats == revokes ? UBR_OK : UBR_E_DEVICE_CHAIN;
}

/* Room for one more record and device, so that taking them cannot fail. Exact arrays: chains are
 * short and most never grow. */
static enum ubr_error reserve(struct ubr_chain *chain)
{
    struct ubr_device *devices =
        realloc(chain->devices, (chain->devices_len + 1) * sizeof *devices);
    if (!devices) {
        return UBR_E_MEMORY;
    }
    chain->devices = devices;
    uint8_t(*hashes)[UBR_HASH_LEN] =
        realloc(chain->hashes, (chain->records_len + 1) * sizeof *hashes);
    if (!hashes) {
        return UBR_E_MEMORY;
    }
    chain->hashes = hashes;
    return UBR_OK;
}

static void add_device(struct ubr_chain *chain, const struct ubr_device_body *body)
{
    struct ubr_device *device = &chain->devices[chain->devices_len++];
    *device = (struct ubr_device){0};
    memcpy(device->sign_pk, body->sign_pk, UBR_KEY_LEN);
    memcpy(device->box_pk, body->box_pk, UBR_KEY_LEN);
    memcpy(device->nats_pk, body->nats_pk, UBR_KEY_LEN);
    ubr_kid(body->sign_pk, device->kid);
    chain->live_len++;
}

static void take(struct ubr_chain *chain, struct ubr_bytes bytes,
                 const struct ubr_device_body *body)
{
    struct ubr_device *device = device_with_key(chain, body->sign_pk);
    if (!device) {
        add_device(chain, body);
    } else if (body->flags & UBR_DEVICE_REVOKED) {
        device->is_revoked = true;
        chain->live_len--;
    } else {
        memcpy(device->box_pk, body->box_pk, UBR_KEY_LEN);
        memcpy(device->nats_pk, body->nats_pk, UBR_KEY_LEN);
    }
    ubr_device_hash(bytes, chain->hashes[chain->records_len++]);
}

static enum ubr_error check(const struct ubr_chain *chain, const struct ubr_device_record *record,
                            struct ubr_device_body *body_out)
{
    enum ubr_error error = ubr_device_parse(record->body, body_out);
    if (error == UBR_OK) {
        error = check_place(chain, body_out);
    }
    if (error == UBR_OK) {
        error = ubr_device_check_keys(body_out);
    }
    if (error == UBR_OK) {
        error = check_change(chain, body_out, device_with_key(chain, body_out->sign_pk));
    }
    return error == UBR_OK ? ubr_device_check_signatures(record, body_out) : error;
}

enum ubr_error ubr_chain_append(struct ubr_chain *chain, const struct ubr_device_record *record)
{
    struct ubr_device_body body;
    enum ubr_error error = check(chain, record, &body);
    if (error == UBR_OK) {
        error = reserve(chain);
    }
    if (error == UBR_OK) {
        take(chain, record->body, &body);
    }
    return error;
}
