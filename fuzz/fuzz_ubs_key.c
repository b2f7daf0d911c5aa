/* SPDX-License-Identifier: Apache-2.0
 *
 * Encoded keys, as damage may leave them: no crash, and what is taken for a key is one: it encodes
 * to the same bytes. */
#include <stdint.h>
#include <string.h>

#include <ubs/key.h>

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ub_bytes code = {data, size};
    uint8_t scratch[UB_KV_KEY_MAX];
    char text[UBS_KEY_TEXT_MAX];
    struct ub_kv_key key;
    struct ubs_code again;
    ubs_key_text(code, text);
    MUST(strlen(text) < sizeof(text));
    if (ubs_key_decode(code, scratch, &key)) {
        MUST(ubs_key_encode(&key, false, &again, NULL) == UB_OK);
        MUST(again.len == size && memcmp(again.bytes, data, size) == 0);
    }
    return 0;
}
