/* SPDX-License-Identifier: Apache-2.0
 *
 * Chunked bodies (RFC 9112, section 7.1), narrower: no extensions, no trailers, no white space. */
#ifndef HTTP_CHUNKED_H
#define HTTP_CHUNKED_H

#include "head.h"

enum http_chunked_state {
    HTTP_CHUNK_SIZE = 0,
    HTTP_CHUNK_SIZE_LF,
    HTTP_CHUNK_DATA,
    HTTP_CHUNK_DATA_CR,
    HTTP_CHUNK_DATA_LF,
    HTTP_CHUNK_LAST_CR,
    HTTP_CHUNK_LAST_LF,
    HTTP_CHUNK_END
};

/* Zeroed = at the start of a body. */
struct http_chunked {
    enum http_chunked_state state;
    uint64_t left;
    unsigned digits;
};

/* Takes framing bytes up to the next data, or to the end of the body (state HTTP_CHUNK_END). When
 * it answers fine with state HTTP_CHUNK_DATA, `left` data bytes follow; the caller takes them, and
 * says how many with http_chunked_take. */
struct http_fault http_chunked_frame(struct http_chunked *chunked, const uint8_t *in, size_t len,
                                     size_t *used_out);
void http_chunked_take(struct http_chunked *chunked, size_t len);

#endif
