/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_CHAIN_H
#define UBR_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ubr/device.h"
#include "ubr/name.h"

/* The device chain of one account (UBR1, 4.6): the records taken so far and the devices they leave.
 * A head, the hash of a record, fixes the whole set of devices. Not thread-safe. */

#define UBR_CHAIN_RECORDS_MAX 1024
#define UBR_CHAIN_LIVE_MAX    16

struct ubr_device {
    uint8_t kid[UBR_KID_LEN];
    uint8_t sign_pk[UBR_KEY_LEN];
    uint8_t box_pk[UBR_KEY_LEN];
    uint8_t nats_pk[UBR_KEY_LEN];
    bool is_revoked;
};

/* Read the members freely; only the functions below change them. */
struct ubr_chain {
    uint8_t account_pk[UBR_KEY_LEN];
    struct ubr_device *devices; /* in the order of their first records */
    size_t devices_len;
    size_t live_len;
    uint8_t (*hashes)[UBR_HASH_LEN]; /* of record 0, 1, … */
    size_t records_len;
};

/* An empty chain. Takes no memory until the first record. */
void ubr_chain_init(struct ubr_chain *chain, const uint8_t account_pk[UBR_KEY_LEN]);
void ubr_chain_fini(struct ubr_chain *chain);

/* copy_out, uninitialised before, gets its own memory. UBR_E_MEMORY leaves it empty. */
enum ubr_error ubr_chain_copy(const struct ubr_chain *chain, struct ubr_chain *copy_out);

/* Checks the next record in the order of 4.6 and takes it. The first failure names the code, and
 * nothing changes: PARSE, VERSION, FLAG, DEVICE_CHAIN, LIMIT, KEY_WEAK, KEY_REUSE, RANGE,
 * DEVICE_REVOKED, SIG, POP, MEMORY. */
enum ubr_error ubr_chain_append(struct ubr_chain *chain, const struct ubr_device_record *record);

/* Hash of the newest record; zeros for an empty chain: what prev of the next record is. */
const uint8_t *ubr_chain_head(const struct ubr_chain *chain);

/* Whether a record with this hash is in the chain, that is, the chain equals or extends that head.
 */
bool ubr_chain_contains(const struct ubr_chain *chain, const uint8_t head[UBR_HASH_LEN]);

/* The device with this kid, live or revoked, or NULL. Valid until the next append. */
const struct ubr_device *ubr_chain_device(const struct ubr_chain *chain,
                                          const uint8_t kid[UBR_KID_LEN]);

#endif
