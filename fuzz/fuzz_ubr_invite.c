/* SPDX-License-Identifier: Apache-2.0 */
#include "must.h"
#include "ubr/blob.h"
#include "ubr/invite.h"
#include "ubr/recovery.h"

/* Links and keys that people paste: an accepted text is exactly what the writer writes. */

static void try_invite(struct ubr_bytes text)
{
    struct ubr_invite invite;
    char again[UBR_INVITE_TEXT_MAX + 1];
    if (ubr_invite_parse(text, &invite) == UBR_OK) {
        MUST(ubr_invite_format(&invite, again) == UBR_OK);
        MUST(ubr_bytes_are_equal(text, ubr_bytes_of_text(again)));
    }
}

static void try_recovery(struct ubr_bytes text)
{
    uint8_t seed[UBR_RECOVERY_SEED_LEN];
    char again[UBR_RECOVERY_TEXT_LEN + 1];
    if (ubr_recovery_decode(text, seed) == UBR_OK) {
        ubr_recovery_encode(seed, again);
        MUST(ubr_bytes_are_equal(text, ubr_bytes_of_text(again)));
    }
    if (text.len >= sizeof seed) { /* any seed gives a key that gives it back */
        ubr_recovery_encode(text.ptr, again);
        MUST(ubr_recovery_decode(ubr_bytes_of_text(again), seed) == UBR_OK);
        MUST(sodium_memcmp(seed, text.ptr, sizeof seed) == 0);
    }
}

static void try_blob_texts(struct ubr_bytes text)
{
    uint8_t hash[UBR_HASH_LEN];
    char again[UBR_BLOB_ADDRESS_LEN + 1];
    if (ubr_blob_address_parse(text, hash)) {
        ubr_blob_address(hash, again);
        MUST(ubr_bytes_are_equal(text, ubr_bytes_of_text(again)));
    }
    if (ubr_blob_name_is_safe(text)) {
        MUST(text.len > 0 && text.ptr[0] != '.');
        for (size_t i = 0; i < text.len; i++) {
            MUST(text.ptr[i] >= 0x20 && text.ptr[i] != '/' && text.ptr[i] != '\\');
        }
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct ubr_bytes text = ubr_bytes_of(data, size);
    try_invite(text);
    try_recovery(text);
    try_blob_texts(text);
    return 0;
}
