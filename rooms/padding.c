/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/padding.h"

#include <sodium.h>

static unsigned floor_log2(uint64_t value)
{
    unsigned log = 0;
    while (value >>= 1) {
        log++;
    }
    return log;
}

uint64_t ubr_padme(uint64_t len)
{
    unsigned exponent = floor_log2(len);
    unsigned kept_bits = floor_log2(exponent) + 1;
    if (exponent <= kept_bits) {
        return len;
    }
    uint64_t mask = (UINT64_C(1) << (exponent - kept_bits)) - 1;
    return (len + mask) & ~mask;
}

uint64_t ubr_padding_len(uint64_t n)
{
    return ubr_padme(UBR_PADDING_PREFIX_LEN + n);
}

void ubr_padding_put(struct ubr_writer *writer, struct ubr_bytes data)
{
    if (data.len > UINT32_MAX) {
        writer->failed = true;
        return;
    }
    size_t zeros = (size_t)(ubr_padding_len(data.len) - UBR_PADDING_PREFIX_LEN - data.len);
    ubr_put_u32(writer, (uint32_t)data.len);
    ubr_put_bytes(writer, data);
    ubr_put_zeros(writer, zeros);
}

enum ubr_error ubr_padding_open(struct ubr_bytes padded, struct ubr_bytes *data_out)
{
    struct ubr_reader reader;
    ubr_reader_init(&reader, padded);
    uint32_t n = ubr_get_u32(&reader);
    struct ubr_bytes data = ubr_get_view(&reader, n);
    struct ubr_bytes zeros = ubr_get_rest(&reader);
    if (reader.failed || padded.len != ubr_padding_len(n)) {
        return UBR_E_PARSE;
    }
    if (zeros.len > 0 && !sodium_is_zero(zeros.ptr, zeros.len)) {
        return UBR_E_PARSE;
    }
    *data_out = data;
    return UBR_OK;
}
