/* SPDX-License-Identifier: Apache-2.0 */
#include "chunked.h"

/* 2^60 is beyond any body, and the sum cannot overflow. */
#define SIZE_DIGITS_MAX 15u

static const struct http_fault fine = {UB_P_NONE, NULL};

static struct http_fault bad(const char *why)
{
    return (struct http_fault){UB_P_BAD_REQUEST, why};
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static struct http_fault size_byte(struct http_chunked *chunked, uint8_t byte)
{
    if (byte == '\r' && chunked->digits > 0) {
        chunked->state = HTTP_CHUNK_SIZE_LF;
        return fine;
    }
    int value = hex_value(byte);
    if (value < 0) {
        return bad("the size of a chunk must be hexadecimal digits and CRLF, without extension");
    }
    if (++chunked->digits > SIZE_DIGITS_MAX) {
        return bad("the size of a chunk has too many digits");
    }
    chunked->left = chunked->left << 4 | (uint64_t)value;
    return fine;
}

static struct http_fault expect_byte(struct http_chunked *chunked, uint8_t byte, uint8_t wanted,
                                     enum http_chunked_state next)
{
    if (byte != wanted) {
        return bad("CRLF is missing in a chunked body (trailers are not read)");
    }
    chunked->state = next;
    return fine;
}

static struct http_fault chunk_byte(struct http_chunked *chunked, uint8_t byte)
{
    switch (chunked->state) {
    case HTTP_CHUNK_SIZE:
        return size_byte(chunked, byte);
    case HTTP_CHUNK_SIZE_LF:
        return expect_byte(chunked, byte, '\n',
                           chunked->left > 0 ? HTTP_CHUNK_DATA : HTTP_CHUNK_LAST_CR);
    case HTTP_CHUNK_DATA_CR:
        return expect_byte(chunked, byte, '\r', HTTP_CHUNK_DATA_LF);
    case HTTP_CHUNK_DATA_LF:
        chunked->digits = 0;
        return expect_byte(chunked, byte, '\n', HTTP_CHUNK_SIZE);
    case HTTP_CHUNK_LAST_CR:
        return expect_byte(chunked, byte, '\r', HTTP_CHUNK_LAST_LF);
    case HTTP_CHUNK_LAST_LF:
        return expect_byte(chunked, byte, '\n', HTTP_CHUNK_END);
    case HTTP_CHUNK_DATA:
    case HTTP_CHUNK_END:
        break;
    }
    return bad("bytes after the end of a body");
}

struct http_fault http_chunked_frame(struct http_chunked *chunked, const uint8_t *in, size_t len,
                                     size_t *used_out)
{
    struct http_fault fault = fine;
    size_t used = 0;
    while (used < len && fault.problem == UB_P_NONE && chunked->state != HTTP_CHUNK_DATA &&
           chunked->state != HTTP_CHUNK_END) {
        fault = chunk_byte(chunked, in[used++]);
    }
    *used_out = used;
    return fault;
}

void http_chunked_take(struct http_chunked *chunked, size_t len)
{
    chunked->left -= len;
    if (chunked->left == 0) {
        chunked->state = HTTP_CHUNK_DATA_CR;
    }
}
