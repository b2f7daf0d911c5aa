/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "must.h"
#include "ubr/keyfile.h"

/* The key file: a parser before a costly function. A cost within bounds is lowered to the least, so
 * that runs are many; one out of bounds stays, and must be refused at once. */

#define COST_AT  6
#define COST_END 18

static const struct ubr_keyfile_params cheap = {
    .ops = UBR_KEYFILE_OPS_MIN, .mem_bytes = UBR_KEYFILE_MEM_MIN, .salt = {1}, .nonce = {2}};

static bool cost_is_allowed(const uint8_t *file)
{
    struct ubr_reader reader;
    ubr_reader_init(&reader, ubr_bytes_of(file + COST_AT, COST_END - COST_AT));
    uint32_t ops = ubr_get_u32(&reader);
    uint64_t mem = ubr_get_u64(&reader);
    return ops >= UBR_KEYFILE_OPS_MIN && ops <= UBR_KEYFILE_OPS_MAX && mem >= UBR_KEYFILE_MEM_MIN &&
           mem <= UBR_KEYFILE_MEM_MAX && mem % 1024 == 0;
}

static void try_file(struct ubr_bytes input)
{
    uint8_t secret[UBR_KEYFILE_SECRET_LEN];
    uint8_t file[2 * UBR_KEYFILE_LEN] = {0};
    size_t len = input.len < sizeof file ? input.len : sizeof file;
    struct ubr_writer writer;
    if (len > 0) {
        memcpy(file, input.ptr, len);
    }
    bool is_allowed = cost_is_allowed(file);
    if (is_allowed && len >= COST_END) {
        ubr_writer_init(&writer, file + COST_AT, COST_END - COST_AT);
        ubr_put_u32(&writer, cheap.ops);
        ubr_put_u64(&writer, cheap.mem_bytes);
    }
    enum ubr_error error =
        ubr_keyfile_open(ubr_bytes_of(file, len), ubr_bytes_of_text("passphrase"), secret);
    MUST(is_allowed || error == UBR_E_PARSE || error == UBR_E_VERSION ||
         error == UBR_E_KEYFILE_PARAMS);
}

static void try_round_trip(struct ubr_bytes passphrase)
{
    static const uint8_t secret[UBR_KEYFILE_SECRET_LEN] = {42};
    uint8_t back[UBR_KEYFILE_SECRET_LEN];
    uint8_t file[UBR_KEYFILE_LEN];
    MUST(ubr_keyfile_seal(&cheap, passphrase, secret, file) == UBR_OK);
    MUST(ubr_keyfile_open(ubr_bytes_of(file, sizeof file), passphrase, back) == UBR_OK);
    MUST(memcmp(secret, back, sizeof secret) == 0);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct ubr_bytes input = ubr_bytes_of(data, size);
    try_file(input);
    if (size % 64 == 0) { /* seldom: Argon2 twice */
        try_round_trip(input);
    }
    return 0;
}
