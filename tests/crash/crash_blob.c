/* SPDX-License-Identifier: Apache-2.0
 *
 *     crash_blob write FOLDER OPERATIONS    commits so many blobs and says when
 *     crash_blob read FOLDER                says which are there, read to their end
 *
 * The journal of `write`: B <n> <hash>, A <n>; of `read`: V <hash>, X <hash> <why>. */
#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include <unibus/blob.h>

#include "open.h"

extern const struct ub_module unibus_module_blob_fs;

enum { PIECE = 3000, HEX = UB_BLOB_HASH_BYTES * 2 + 1 };

struct blobs {
    struct opened opened;
    const struct ub_blob_ops *ops;
};

/* Some empty, most of a few pieces, with the last one shorter. */
static size_t blob_bytes(int number, uint8_t **bytes_out)
{
    size_t len = (size_t)(number % 5) * PIECE + (size_t)(number % 5) * (size_t)number;
    *bytes_out = malloc(len + 1);
    if (*bytes_out == NULL) {
        abort();
    }
    for (size_t i = 0; i < len; i++) {
        (*bytes_out)[i] = (uint8_t)(i * 31 + (size_t)number * 7);
    }
    return len;
}

static void commit_one(struct blobs *blobs, int number)
{
    struct ub_err err = UB_ERR_INIT;
    struct ub_blob_writer *writer = NULL;
    struct ub_blob_hash hash;
    char hex[HEX];
    uint8_t *bytes;
    size_t len = blob_bytes(number, &bytes);
    crypto_generichash(hash.bytes, sizeof(hash.bytes), bytes, len, NULL, 0);
    sodium_bin2hex(hex, sizeof(hex), hash.bytes, sizeof(hash.bytes));
    journal("B %d %s", number, hex);
    enum ub_status status = blobs->ops->begin(blobs->opened.self, (int64_t)len, &writer, &err);
    for (size_t at = 0; status == UB_OK && at < len; at += PIECE) {
        size_t piece = len - at < PIECE ? len - at : PIECE;
        status = blobs->ops->append(writer, (struct ub_bytes){bytes + at, piece}, &err);
    }
    if (status == UB_OK) {
        status = blobs->ops->commit(&writer, &hash, &err);
    }
    free(bytes);
    if (status != UB_OK) {
        journal("X %d %s", number, err.message);
        exit(1);
    }
    journal("A %d", number);
}

static bool read_one(void *arg, const struct ub_blob_hash *hash, const struct ub_blob_stat *stat)
{
    struct blobs *blobs = arg;
    struct ub_err err = UB_ERR_INIT;
    struct ub_blob_reader *reader = NULL;
    struct ub_blob_stat opened = {.size = sizeof(opened)};
    char hex[HEX], piece[PIECE];
    size_t got = 0;
    (void)stat;
    sodium_bin2hex(hex, sizeof(hex), hash->bytes, sizeof(hash->bytes));
    enum ub_status status = blobs->ops->open(blobs->opened.self, hash, &reader, &opened, &err);
    for (int64_t at = 0; status == UB_OK; at += (int64_t)got) {
        status = blobs->ops->read(reader, at, piece, sizeof(piece), &got, &err);
        if (got < sizeof(piece)) {
            break;
        }
    }
    if (reader != NULL) {
        blobs->ops->close(&reader);
    }
    if (status == UB_OK) {
        journal("V %s", hex);
    } else {
        journal("X %s %s", hex, err.message);
    }
    return true;
}

int main(int argc, char **argv)
{
    struct blobs blobs;
    struct ub_err err = UB_ERR_INIT;
    if (argc < 3) {
        fprintf(stderr, "usage: crash_blob write|read FOLDER [OPERATIONS]\n");
        return 2;
    }
    opened_open(&blobs.opened, &unibus_module_blob_fs, argv[2]);
    blobs.ops = opened_ops(&blobs.opened, UB_BLOB_IFACE);
    for (int i = 0; argc > 3 && i < atoi(argv[3]); i++) {
        commit_one(&blobs, i);
    }
    if (argc == 3 && blobs.ops->list(blobs.opened.self, NULL, read_one, &blobs, &err) != UB_OK) {
        journal("X - %s", err.message);
    }
    if (argc == 3) {
        opened_close(&blobs.opened);
    }
    return 0;
}
