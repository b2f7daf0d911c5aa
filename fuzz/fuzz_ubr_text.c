/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "must.h"
#include "ubr/name.h"
#include "ubr/nkey.h"
#include "ubr/text.h"

/* Text forms of bytes: what decodes is what the encoder writes, and what is encoded decodes. */

#define INPUT_MAX 512

struct codec {
    void (*encode)(struct ubr_bytes bytes, char *text_out);
    bool (*decode)(struct ubr_bytes text, uint8_t *out, size_t cap, size_t *len_out);
};

static const struct codec codecs[] = {
    {ubr_base64_encode, ubr_base64_decode},
    {ubr_base32_encode, ubr_base32_decode},
    {ubr_hex_encode, ubr_hex_decode},
};

static void try_codec(const struct codec *codec, struct ubr_bytes input)
{
    uint8_t bytes[INPUT_MAX];
    char text[UBR_HEX_LEN(INPUT_MAX) + 1];
    size_t len;
    if (codec->decode(input, bytes, sizeof bytes, &len)) {
        codec->encode(ubr_bytes_of(bytes, len), text);
        MUST(ubr_bytes_are_equal(input, ubr_bytes_of_text(text)));
    }
    codec->encode(input, text);
    MUST(codec->decode(ubr_bytes_of_text(text), bytes, sizeof bytes, &len));
    MUST(ubr_bytes_are_equal(input, ubr_bytes_of(bytes, len)));
}

static void try_names(struct ubr_bytes input)
{
    uint8_t bytes[UBR_KEY_LEN];
    char text[UBR_NKEY_SEED_LEN + 1];
    if (ubr_room32_parse(input, bytes)) {
        ubr_room32(bytes, text);
        MUST(ubr_bytes_are_equal(input, ubr_bytes_of_text(text)));
    }
    if (ubr_nkey_decode(input, bytes)) {
        ubr_nkey_encode(bytes, text);
        MUST(ubr_bytes_are_equal(input, ubr_bytes_of_text(text)));
    }
    if (ubr_nkey_seed_decode(input, bytes)) {
        ubr_nkey_seed_encode(bytes, text);
        MUST(ubr_bytes_are_equal(input, ubr_bytes_of_text(text)));
    }
    if (ubr_handle_is_valid(input)) {
        MUST(ubr_room_name_is_valid(input));
    }
    if (ubr_room_name_is_valid(input)) {
        MUST(ubr_text_is_valid(input) && !memchr(input.ptr ? input.ptr : bytes, 0, input.len));
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct ubr_bytes input = ubr_bytes_of(data, size < INPUT_MAX ? size : INPUT_MAX);
    for (size_t i = 0; i < sizeof codecs / sizeof codecs[0]; i++) {
        try_codec(&codecs[i], input);
    }
    try_names(input);
    return 0;
}
