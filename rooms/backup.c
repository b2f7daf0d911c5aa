/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/backup.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "ubr/hash.h"

#define MAGIC      "UBKB"
#define MAGIC_LEN  4
#define VERSION    1
#define HEADER_LEN 37 /* magic, version, generation, nonce */
#define TAG_LEN    crypto_aead_xchacha20poly1305_ietf_ABYTES
#define COUNT_LEN  4
#define ITEM_LEN   (UBR_ROOM_ID_LEN + 8 + UBR_HASH_LEN + 4 + UBR_KEY_LEN)
#define BLOCK_LEN  4096
#define PLAIN_MAX  (480 * 1024)
#define AAD_MAX    (UBR_DS_MAX + UBR_KEY_LEN + 8)
#define SEQ_END    1000000 /* no valid log reaches it */
#define EPOCH_END  (UINT32_C(1) << 31)

_Static_assert((PLAIN_MAX - COUNT_LEN) / ITEM_LEN == UBR_BACKUP_ITEMS_MAX, "11.3");
_Static_assert(HEADER_LEN + PLAIN_MAX + TAG_LEN == UBR_BACKUP_FILE_MAX, "11.3");

static size_t plain_len(size_t item_n)
{
    size_t len = COUNT_LEN + item_n * ITEM_LEN;
    return (len + BLOCK_LEN - 1) / BLOCK_LEN * BLOCK_LEN;
}

size_t ubr_backup_len(size_t item_n)
{
    return HEADER_LEN + plain_len(item_n) + TAG_LEN;
}

static struct ubr_bytes put_aad(uint8_t buf[AAD_MAX], const uint8_t *account_pk,
                                uint64_t generation)
{
    struct ubr_writer writer;
    ubr_writer_init(&writer, buf, AAD_MAX);
    ubr_put_bytes(&writer, ubr_ds(UBR_DS_BACKUP));
    ubr_put_copy(&writer, account_pk, UBR_KEY_LEN);
    ubr_put_u64(&writer, generation);
    return ubr_writer_bytes(&writer);
}

/* One item alone: bounds, and what epoch 0 means. */
static bool item_is_valid(const struct ubr_backup_item *item)
{
    return item->seq < SEQ_END && item->epoch < EPOCH_END &&
           (item->epoch != 0 || sodium_is_zero(item->secret, sizeof item->secret));
}

/* Two neighbours: sorted without repeats, one pin a room, epoch 0 only in a room without others. */
static bool items_are_in_order(const struct ubr_backup_item *a, const struct ubr_backup_item *b)
{
    int rooms = memcmp(a->room_id, b->room_id, sizeof a->room_id);
    if (rooms != 0) {
        return rooms < 0;
    }
    return a->epoch != 0 && a->epoch < b->epoch && a->seq == b->seq &&
           memcmp(a->head, b->head, sizeof a->head) == 0;
}

static bool items_are_valid(const struct ubr_backup_item *items, size_t item_n)
{
    for (size_t i = 0; i < item_n; i++) {
        if (!item_is_valid(&items[i]) || (i > 0 && !items_are_in_order(&items[i - 1], &items[i]))) {
            return false;
        }
    }
    return true;
}

static void put_item(struct ubr_writer *writer, const struct ubr_backup_item *item)
{
    ubr_put_copy(writer, item->room_id, sizeof item->room_id);
    ubr_put_u64(writer, item->seq);
    ubr_put_copy(writer, item->head, sizeof item->head);
    ubr_put_u32(writer, item->epoch);
    ubr_put_copy(writer, item->secret, sizeof item->secret);
}

static void get_item(struct ubr_reader *reader, struct ubr_backup_item *item_out)
{
    ubr_get_copy(reader, item_out->room_id, sizeof item_out->room_id);
    item_out->seq = ubr_get_u64(reader);
    ubr_get_copy(reader, item_out->head, sizeof item_out->head);
    item_out->epoch = ubr_get_u32(reader);
    ubr_get_copy(reader, item_out->secret, sizeof item_out->secret);
}

static void put_header(struct ubr_writer *writer, const struct ubr_backup_params *params)
{
    ubr_put_copy(writer, MAGIC, MAGIC_LEN);
    ubr_put_u8(writer, VERSION);
    ubr_put_u64(writer, params->generation);
    ubr_put_copy(writer, params->nonce, sizeof params->nonce);
}

enum ubr_error ubr_backup_seal(const struct ubr_backup_params *params,
                               const struct ubr_backup_item *items, size_t item_n,
                               uint8_t *file_out, size_t cap)
{
    if (item_n > UBR_BACKUP_ITEMS_MAX) {
        return UBR_E_LIMIT;
    }
    if (params->generation >= UBR_U53_END || cap < ubr_backup_len(item_n)) {
        return UBR_E_RANGE;
    }
    if (!items_are_valid(items, item_n)) {
        return UBR_E_PARSE;
    }

    struct ubr_writer writer;
    ubr_writer_init(&writer, file_out, HEADER_LEN + plain_len(item_n));
    put_header(&writer, params);
    ubr_put_u32(&writer, (uint32_t)item_n);
    for (size_t i = 0; i < item_n; i++) {
        put_item(&writer, &items[i]);
    }
    ubr_put_zeros(&writer, writer.cap - writer.len);

    uint8_t aad_buf[AAD_MAX];
    struct ubr_bytes aad = put_aad(aad_buf, params->account_pk, params->generation);
    uint8_t *plain = file_out + HEADER_LEN;
    crypto_aead_xchacha20poly1305_ietf_encrypt(plain, NULL, plain, plain_len(item_n), aad.ptr,
                                               aad.len, NULL, params->nonce, params->key);
    return UBR_OK;
}

static enum ubr_error parse_items(struct ubr_reader *reader, struct ubr_backup *backup_out)
{
    for (size_t i = 0; i < backup_out->item_n; i++) {
        get_item(reader, &backup_out->items[i]);
    }
    struct ubr_bytes zeros = ubr_get_rest(reader);
    if (zeros.len > 0 && !sodium_is_zero(zeros.ptr, zeros.len)) {
        return UBR_E_PARSE;
    }
    return items_are_valid(backup_out->items, backup_out->item_n) ? UBR_OK : UBR_E_PARSE;
}

static enum ubr_error parse_plain(struct ubr_bytes plain, struct ubr_backup *backup_out)
{
    struct ubr_reader reader;
    ubr_reader_init(&reader, plain);
    uint32_t item_n = ubr_get_u32(&reader);
    if (reader.failed || item_n > UBR_BACKUP_ITEMS_MAX || plain.len != plain_len(item_n)) {
        return UBR_E_PARSE;
    }
    if (item_n > 0 && (backup_out->items = calloc(item_n, sizeof *backup_out->items)) == NULL) {
        return UBR_E_MEMORY;
    }
    backup_out->item_n = item_n;
    return parse_items(&reader, backup_out);
}

struct file_header {
    uint64_t generation;
    const uint8_t *nonce;
    struct ubr_bytes sealed;
};

static enum ubr_error parse_header(struct ubr_bytes file, struct file_header *header_out)
{
    struct ubr_reader reader;
    ubr_reader_init(&reader, file);
    if (file.len < HEADER_LEN + TAG_LEN || file.len > UBR_BACKUP_FILE_MAX ||
        memcmp(ubr_get_view(&reader, MAGIC_LEN).ptr, MAGIC, MAGIC_LEN) != 0) {
        return UBR_E_PARSE;
    }
    if (ubr_get_u8(&reader) != VERSION) {
        return UBR_E_VERSION;
    }
    header_out->generation = ubr_get_u64(&reader);
    header_out->nonce = ubr_get_view(&reader, UBR_BACKUP_NONCE_LEN).ptr;
    header_out->sealed = ubr_get_rest(&reader);
    return header_out->generation < UBR_U53_END ? UBR_OK : UBR_E_RANGE;
}

static enum ubr_error decrypt(const struct file_header *header, const uint8_t *key,
                              const uint8_t *account_pk, uint8_t *plain_out)
{
    uint8_t aad_buf[AAD_MAX];
    struct ubr_bytes aad = put_aad(aad_buf, account_pk, header->generation);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain_out, NULL, NULL, header->sealed.ptr,
                                                   header->sealed.len, aad.ptr, aad.len,
                                                   header->nonce, key) != 0) {
        return UBR_E_BACKUP_OPEN;
    }
    return UBR_OK;
}

enum ubr_error ubr_backup_open(struct ubr_bytes file, const uint8_t key[UBR_BACKUP_KEY_LEN],
                               const uint8_t account_pk[UBR_KEY_LEN], uint64_t seen_generation,
                               struct ubr_backup *backup_out)
{
    struct file_header header;
    memset(backup_out, 0, sizeof *backup_out);
    enum ubr_error error = parse_header(file, &header);
    if (error != UBR_OK) {
        return error;
    }
    if (header.generation < seen_generation) {
        return UBR_E_BACKUP_OLD;
    }

    size_t len = header.sealed.len - TAG_LEN;
    uint8_t *plain = malloc(len > 0 ? len : 1);
    if (plain == NULL) {
        return UBR_E_MEMORY;
    }
    error = decrypt(&header, key, account_pk, plain);
    if (error == UBR_OK) {
        error = parse_plain(ubr_bytes_of(plain, len), backup_out);
    }
    sodium_memzero(plain, len);
    free(plain);
    if (error != UBR_OK) {
        ubr_backup_fini(backup_out);
    } else {
        backup_out->generation = header.generation;
    }
    return error;
}

void ubr_backup_fini(struct ubr_backup *backup)
{
    if (backup->items != NULL) {
        sodium_memzero(backup->items, backup->item_n * sizeof *backup->items);
    }
    free(backup->items);
    memset(backup, 0, sizeof *backup);
}
