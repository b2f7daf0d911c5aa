/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_KEYFILE_H
#define UBR_KEYFILE_H

#include <stdint.h>

#include "ubr/bytes.h"
#include "ubr/error.h"

/* The key file (UBR1, section 11.1): 32 secret bytes under a passphrase, by Argon2id and
 * XChaCha20-Poly1305. The secret is an account seed or the key of the local key store. */

#define UBR_KEYFILE_LEN        106
#define UBR_KEYFILE_SECRET_LEN 32
#define UBR_KEYFILE_SALT_LEN   16
#define UBR_KEYFILE_NONCE_LEN  24

#define UBR_KEYFILE_OPS_MIN     1
#define UBR_KEYFILE_OPS_MAX     10
#define UBR_KEYFILE_OPS_DEFAULT 3
#define UBR_KEYFILE_MEM_MIN     (UINT64_C(8) << 20)
#define UBR_KEYFILE_MEM_MAX     (UINT64_C(1) << 30)
#define UBR_KEYFILE_MEM_DEFAULT (UINT64_C(256) << 20)

struct ubr_keyfile_params {
    uint32_t ops;       /* passes over the memory, 1..10 */
    uint64_t mem_bytes; /* 8 MiB..1 GiB, a multiple of 1,024 */
    uint8_t salt[UBR_KEYFILE_SALT_LEN];
    uint8_t nonce[UBR_KEYFILE_NONCE_LEN];
};

/* The default cost with a fresh random salt and nonce: one set for one seal. */
void ubr_keyfile_params_init(struct ubr_keyfile_params *params_out);

/* Writes a key file. The passphrase is taken as given, byte for byte. Runs for about a second and
 * takes mem_bytes of memory at the default cost. E-KEYFILE-PARAMS: cost out of bounds. E-MEMORY. */
enum ubr_error ubr_keyfile_seal(const struct ubr_keyfile_params *params,
                                struct ubr_bytes passphrase,
                                const uint8_t secret[UBR_KEYFILE_SECRET_LEN],
                                uint8_t file_out[UBR_KEYFILE_LEN]);

/* Reads a key file. In this order: E-PARSE length or magic, E-VERSION, E-KEYFILE-PARAMS (before any
 * memory is taken), E-MEMORY, E-KEYFILE-OPEN wrong passphrase or damage. On any error the secret is
 * zeros; the caller wipes it after use. */
enum ubr_error ubr_keyfile_open(struct ubr_bytes file, struct ubr_bytes passphrase,
                                uint8_t secret_out[UBR_KEYFILE_SECRET_LEN]);

#endif
