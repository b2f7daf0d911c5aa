/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>
#include <string.h>

#include "must.h"
#include "ubr/backup.h"

/* The back-up: as a file, as the plaintext in a file of its owner, and as the items in that. What
 * opens is what would be written. */

#define HEADER_LEN 37
#define PLAIN_MAX  (8 * 4096)

static struct ubr_backup_params params = {.key = {1}, .account_pk = {2}, .nonce = {3}};

static void write_again(struct ubr_bytes file, const struct ubr_backup *backup)
{
    static uint8_t again[UBR_BACKUP_FILE_MAX];
    params.generation = backup->generation;
    memcpy(params.nonce, file.ptr + 13, sizeof params.nonce);
    MUST(ubr_backup_seal(&params, backup->items, backup->item_n, again, sizeof again) == UBR_OK);
    MUST(ubr_bytes_are_equal(file, ubr_bytes_of(again, ubr_backup_len(backup->item_n))));
}

static void try_file(struct ubr_bytes file)
{
    struct ubr_backup backup;
    if (ubr_backup_open(file, params.key, params.account_pk, 0, &backup) == UBR_OK) {
        write_again(file, &backup);
    }
    ubr_backup_fini(&backup);
}

static void try_plain(struct ubr_bytes plain)
{
    static uint8_t file[HEADER_LEN + PLAIN_MAX + 16] = "UBKB\1";
    uint8_t aad[UBR_DS_MAX + UBR_KEY_LEN + 8];
    struct ubr_writer writer;
    if (plain.len > PLAIN_MAX) {
        return;
    }
    ubr_writer_init(&writer, aad, sizeof aad);
    ubr_put_bytes(&writer, ubr_ds(UBR_DS_BACKUP));
    ubr_put_copy(&writer, params.account_pk, sizeof params.account_pk);
    ubr_put_u64(&writer, 0);
    crypto_aead_xchacha20poly1305_ietf_encrypt(file + HEADER_LEN, NULL, plain.ptr, plain.len, aad,
                                               writer.len, NULL, file + 13, params.key);
    try_file(ubr_bytes_of(file, HEADER_LEN + plain.len + 16));
}

/* The input as items and the zeros that belong after them: so the fuzzer needs not find 4,096. */
static void try_items(struct ubr_bytes items)
{
    static uint8_t plain[PLAIN_MAX];
    struct ubr_writer writer;
    size_t n = items.len / 96;
    if (ubr_backup_len(n) > HEADER_LEN + PLAIN_MAX + 16) {
        return;
    }
    ubr_writer_init(&writer, plain, ubr_backup_len(n) - HEADER_LEN - 16);
    ubr_put_u32(&writer, (uint32_t)n);
    ubr_put_copy(&writer, items.ptr, n * 96);
    ubr_put_zeros(&writer, writer.cap - writer.len);
    try_plain(ubr_writer_bytes(&writer));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct ubr_bytes input = ubr_bytes_of(data, size);
    try_file(input);
    try_plain(input);
    try_items(input);
    return 0;
}
