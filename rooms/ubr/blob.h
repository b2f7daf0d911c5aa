/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_BLOB_H
#define UBR_BLOB_H

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ubr/bytes.h"
#include "ubr/error.h"
#include "ubr/hash.h"
#include "ubr/name.h"

/* Encrypted blobs (UBR1, section 10), chunk by chunk. An object is a 24-byte header and chunks of
 * 65,536 bytes of plaintext, each 17 bytes longer when encrypted. Nothing here allocates. */

#define UBR_BLOB_KEY_LEN      32
#define UBR_BLOB_HEADER_LEN   24
#define UBR_BLOB_CHUNK        65536 /* bytes of plaintext; the last chunk may be shorter */
#define UBR_BLOB_CHUNK_EXTRA  17
#define UBR_BLOB_SEALED_CHUNK (UBR_BLOB_CHUNK + UBR_BLOB_CHUNK_EXTRA)
#define UBR_BLOB_ADDRESS_LEN  67 /* characters: "b2-" and 64 hex digits */
#define UBR_BLOB_NAME_MAX     255

/* What a message says about a blob; its JSON form is the caller's. key is secret. */
struct ubr_blob_ref {
    uint8_t hash[UBR_HASH_LEN]; /* of the object: the address */
    uint8_t key[UBR_BLOB_KEY_LEN];
    uint64_t size;         /* bytes of plaintext */
    uint64_t osize;        /* bytes of the object */
    struct ubr_bytes name; /* the sender's suggestion, or empty; see ubr_blob_name_is_safe */
    struct ubr_bytes type; /* media type, or empty */
};

/* Length of the object of size bytes. E-BLOB-SIZE: size ≥ 2^53, or the sum would be. */
enum ubr_error ubr_blob_osize(uint64_t size, uint64_t *osize_out);

/* Chunks of size bytes: an empty blob has one, empty. size < 2^53. */
uint64_t ubr_blob_chunks(uint64_t size);

/* "b2-<64 hex>", which `b2sum -l 256` confirms. */
void ubr_blob_address(const uint8_t hash[UBR_HASH_LEN], char text_out[UBR_BLOB_ADDRESS_LEN + 1]);
/* False unless text is exactly what ubr_blob_address writes. */
bool ubr_blob_address_parse(struct ubr_bytes text, uint8_t hash_out[UBR_HASH_LEN]);

/* Whether the suggested name can be a file name as it stands: 1–255 bytes of valid text without
 * '/', '\', leading dot and bidirectional controls. If not, use the address. The caller creates the
 * file exclusively, in a folder of its own choice. */
bool ubr_blob_name_is_safe(struct ubr_bytes name);

/* Encryption: init writes the header, push each chunk, finish. Holds the key: fini wipes it, also
 * after an error. */
struct ubr_blob_sealer {
    crypto_secretstream_xchacha20poly1305_state stream;
    struct ubr_hasher hasher;
    uint8_t key[UBR_BLOB_KEY_LEN];
    uint8_t room_id[UBR_ROOM_ID_LEN];
    uint64_t size;
    uint64_t left; /* bytes of plaintext to come */
    bool is_done;
};

/* Draws a fresh random key for a blob of exactly size bytes. E-BLOB-SIZE: size ≥ 2^53. */
enum ubr_error ubr_blob_seal_init(struct ubr_blob_sealer *sealer,
                                  const uint8_t room_id[UBR_ROOM_ID_LEN], uint64_t size,
                                  uint8_t header_out[UBR_BLOB_HEADER_LEN]);

/* Plaintext bytes of the next chunk: 65,536, or what is left; 0 also for the one chunk of an empty
 * blob. */
size_t ubr_blob_seal_want(const struct ubr_blob_sealer *sealer);

/* Encrypts the next chunk, which has exactly the wanted length, to plain.len + 17 bytes at
 * sealed_out. To be called ubr_blob_chunks(size) times. E-BLOB-SIZE: other length, or too often. */
enum ubr_error ubr_blob_seal_push(struct ubr_blob_sealer *sealer, struct ubr_bytes plain,
                                  uint8_t *sealed_out);

/* Gives the reference (name and type empty). E-BLOB-SIZE: chunks are missing. */
enum ubr_error ubr_blob_seal_finish(struct ubr_blob_sealer *sealer, struct ubr_blob_ref *ref_out);

void ubr_blob_seal_fini(struct ubr_blob_sealer *sealer);

/* Verification and decryption in one pass: init, push header and each chunk, finish. What push
 * gives is unverified until finish says UBR_OK: write it to a temporary file and rename that. */
struct ubr_blob_opener {
    crypto_secretstream_xchacha20poly1305_state stream;
    struct ubr_hasher hasher;
    uint8_t key[UBR_BLOB_KEY_LEN];
    uint8_t hash[UBR_HASH_LEN];
    uint8_t room_id[UBR_ROOM_ID_LEN];
    uint64_t size;
    uint64_t osize;
    uint64_t taken;         /* bytes of the object so far */
    enum ubr_error failure; /* of the first bad chunk; the hash goes before it */
};

/* E-BLOB-SIZE: ref's osize does not follow from its size, known before any download. Holds the key:
 * fini wipes it, also after an error. */
enum ubr_error ubr_blob_open_init(struct ubr_blob_opener *opener, const struct ubr_blob_ref *ref,
                                  const uint8_t room_id[UBR_ROOM_ID_LEN]);

/* Bytes of the object that the next push takes: the header, a sealed chunk, 0 at the end. */
size_t ubr_blob_open_want(const struct ubr_blob_opener *opener);

/* Takes the wanted bytes and gives the plaintext: none for the header, else 17 bytes less, all
 * zeros once a chunk has failed. plain_out has room for 65,536 bytes. E-BLOB-SIZE: another length
 * than wanted, that is, the object is shorter or longer than osize. */
enum ubr_error ubr_blob_open_push(struct ubr_blob_opener *opener, struct ubr_bytes sealed,
                                  uint8_t *plain_out, size_t *len_out);

/* The verdict over the whole object, in this order: E-BLOB-SIZE, E-BLOB-HASH, and of the first bad
 * chunk E-BLOB-OPEN or E-BLOB-TRUNCATED (the end is not marked, or marked too early). */
enum ubr_error ubr_blob_open_finish(struct ubr_blob_opener *opener);

void ubr_blob_open_fini(struct ubr_blob_opener *opener);

#endif
