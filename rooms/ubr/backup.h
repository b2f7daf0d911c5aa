/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_BACKUP_H
#define UBR_BACKUP_H

#include <stddef.h>
#include <stdint.h>

#include "ubr/bytes.h"
#include "ubr/error.h"
#include "ubr/name.h"

/* The back-up of the key ring (UBR1, section 11.3): every room with its pinned head and the epoch
 * secrets held, symmetric under the back-up key. The server that stores it can neither read it nor
 * put keys in; it can offer an old one, which the generation betrays. */

#define UBR_BACKUP_KEY_LEN   32
#define UBR_BACKUP_NONCE_LEN 24
#define UBR_BACKUP_ITEMS_MAX 5119
#define UBR_BACKUP_FILE_MAX  (37 + 480 * 1024 + 16)

/* One epoch secret of one room. A room without any secret has one item with epoch 0 and a secret of
 * zeros. All items of a room repeat its pin (seq, head). */
struct ubr_backup_item {
    uint8_t room_id[UBR_ROOM_ID_LEN];
    uint64_t seq;
    uint8_t head[UBR_HASH_LEN];
    uint32_t epoch;
    uint8_t secret[UBR_KEY_LEN];
};

/* An opened back-up. Owns its items, which are secret: fini wipes and frees them. */
struct ubr_backup {
    uint64_t generation;
    struct ubr_backup_item *items; /* sorted by (room, epoch); NULL when there are none */
    size_t item_n;
};

/* Whose back-up it is and which one. generation grows by at least one with every back-up. */
struct ubr_backup_params {
    uint8_t key[UBR_BACKUP_KEY_LEN]; /* secret */
    uint8_t account_pk[UBR_KEY_LEN];
    uint64_t generation;                 /* < 2^53 */
    uint8_t nonce[UBR_BACKUP_NONCE_LEN]; /* random, one for one seal */
};

/* Length of the file for item_n items. */
size_t ubr_backup_len(size_t item_n);

/* Writes a back-up of exactly ubr_backup_len(item_n) bytes. E-LIMIT: more than 5,119 items.
 * E-RANGE: generation, or cap below that length. E-PARSE: items are not sorted or break the rules
 * above. E-MEMORY. */
enum ubr_error ubr_backup_seal(const struct ubr_backup_params *params,
                               const struct ubr_backup_item *items, size_t item_n,
                               uint8_t *file_out, size_t cap);

/* Reads a back-up. In this order: E-PARSE length or magic, E-VERSION, E-RANGE generation ≥ 2^53,
 * E-BACKUP-OLD generation < seen_generation, E-MEMORY, E-BACKUP-OPEN, E-PARSE content. On any error
 * *backup_out is empty. */
enum ubr_error ubr_backup_open(struct ubr_bytes file, const uint8_t key[UBR_BACKUP_KEY_LEN],
                               const uint8_t account_pk[UBR_KEY_LEN], uint64_t seen_generation,
                               struct ubr_backup *backup_out);

/* Wipes and frees the items. */
void ubr_backup_fini(struct ubr_backup *backup);

#endif
