/* SPDX-License-Identifier: Apache-2.0 */
#include "must.h"
#include "ubr/chain.h"

/* A device body that parses is written again byte by byte: no other bytes mean the same. And no
 * bytes whatever, signed or not, are taken into a chain. */

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct ubr_bytes input = ubr_bytes_of(data, size);
    struct ubr_device_body body;
    if (ubr_device_parse(input, &body) != UBR_OK) {
        return 0;
    }
    uint8_t again[UBR_DEVICE_BODY_LEN];
    ubr_device_write(&body, again);
    MUST(ubr_bytes_are_equal(input, ubr_bytes_of(again, sizeof again)));

    struct ubr_chain chain;
    struct ubr_device_record record = {.body = input, .sig = ubr_bytes_of(data, UBR_SIG_LEN)};
    ubr_chain_init(&chain, body.account_pk);
    MUST(ubr_chain_append(&chain, &record) != UBR_OK);
    MUST(chain.records_len == 0);
    ubr_chain_fini(&chain);
    return 0;
}
