/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_BYTES_H
#define UBR_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bounded big-endian reader and writer (UBR1, section 3). Failure is sticky: a chain of calls needs
 * one check at its end. Neither allocates; both only borrow the memory they are given. */

/* Borrowed bytes. ptr may be NULL when len is 0. */
struct ubr_bytes {
    const uint8_t *ptr;
    size_t len;
};

struct ubr_bytes ubr_bytes_of(const void *ptr, size_t len);
/* The bytes of a C string, without its final zero. */
struct ubr_bytes ubr_bytes_of_text(const char *text);
/* Same length and same content; not in constant time. */
bool ubr_bytes_are_equal(struct ubr_bytes a, struct ubr_bytes b);

/* Integers in signed structures stay below 2^53, so that JavaScript reads them exactly. */
#define UBR_U53_END (UINT64_C(1) << 53)

struct ubr_reader {
    const uint8_t *next;
    size_t left;
    bool failed;
};

void ubr_reader_init(struct ubr_reader *reader, struct ubr_bytes input);

/* Each reads the named width and goes on. Past the end: 0, and the reader has failed. */
uint8_t ubr_get_u8(struct ubr_reader *reader);
uint16_t ubr_get_u16(struct ubr_reader *reader);
uint32_t ubr_get_u32(struct ubr_reader *reader);
uint64_t ubr_get_u64(struct ubr_reader *reader);
/* Copies len bytes to out; on failure out is filled with zeros. */
void ubr_get_copy(struct ubr_reader *reader, void *out, size_t len);
/* The next len bytes, still in the input; {NULL, 0} on failure. */
struct ubr_bytes ubr_get_view(struct ubr_reader *reader, size_t len);
/* str8: u8 length and that many bytes, still in the input. */
struct ubr_bytes ubr_get_str8(struct ubr_reader *reader);
/* Everything that is left. */
struct ubr_bytes ubr_get_rest(struct ubr_reader *reader);
/* Nothing failed and nothing is left. */
bool ubr_reader_is_done(const struct ubr_reader *reader);

struct ubr_writer {
    uint8_t *buf;
    size_t cap;
    size_t len;
    bool failed;
};

/* Writes into buf[0..cap), which the caller keeps. */
void ubr_writer_init(struct ubr_writer *writer, void *buf, size_t cap);

/* Each appends; when there is no room nothing is written and the writer has failed. */
void ubr_put_u8(struct ubr_writer *writer, uint8_t value);
void ubr_put_u16(struct ubr_writer *writer, uint16_t value);
void ubr_put_u32(struct ubr_writer *writer, uint32_t value);
void ubr_put_u64(struct ubr_writer *writer, uint64_t value);
void ubr_put_copy(struct ubr_writer *writer, const void *ptr, size_t len);
void ubr_put_bytes(struct ubr_writer *writer, struct ubr_bytes bytes);
void ubr_put_zeros(struct ubr_writer *writer, size_t len);
/* str8; more than 255 bytes fail. */
void ubr_put_str8(struct ubr_writer *writer, struct ubr_bytes bytes);
/* What has been written so far; {NULL, 0} after a failure. */
struct ubr_bytes ubr_writer_bytes(const struct ubr_writer *writer);

#endif
