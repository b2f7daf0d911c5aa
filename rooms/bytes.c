/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/bytes.h"

#include <string.h>

struct ubr_bytes ubr_bytes_of(const void *ptr, size_t len)
{
    return (struct ubr_bytes){.ptr = ptr, .len = len};
}

struct ubr_bytes ubr_bytes_of_text(const char *text)
{
    return ubr_bytes_of(text, strlen(text));
}

bool ubr_bytes_are_equal(struct ubr_bytes a, struct ubr_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

void ubr_reader_init(struct ubr_reader *reader, struct ubr_bytes input)
{
    *reader = (struct ubr_reader){.next = input.ptr, .left = input.len};
}

struct ubr_bytes ubr_get_view(struct ubr_reader *reader, size_t len)
{
    if (reader->failed || len > reader->left) {
        reader->failed = true;
        return (struct ubr_bytes){0};
    }
    struct ubr_bytes view = {.ptr = reader->next, .len = len};
    if (len > 0) {
        reader->next += len;
        reader->left -= len;
    }
    return view;
}

static uint64_t get_integer(struct ubr_reader *reader, size_t width)
{
    struct ubr_bytes view = ubr_get_view(reader, width);
    uint64_t value = 0;
    for (size_t i = 0; i < view.len; i++) {
        value = value << 8 | view.ptr[i];
    }
    return value;
}

uint8_t ubr_get_u8(struct ubr_reader *reader)
{
    return (uint8_t)get_integer(reader, 1);
}

uint16_t ubr_get_u16(struct ubr_reader *reader)
{
    return (uint16_t)get_integer(reader, 2);
}

uint32_t ubr_get_u32(struct ubr_reader *reader)
{
    return (uint32_t)get_integer(reader, 4);
}

uint64_t ubr_get_u64(struct ubr_reader *reader)
{
    return get_integer(reader, 8);
}

void ubr_get_copy(struct ubr_reader *reader, void *out, size_t len)
{
    struct ubr_bytes view = ubr_get_view(reader, len);
    if (view.len > 0) {
        memcpy(out, view.ptr, view.len);
    } else if (len > 0) {
        memset(out, 0, len);
    }
}

struct ubr_bytes ubr_get_str8(struct ubr_reader *reader)
{
    return ubr_get_view(reader, ubr_get_u8(reader));
}

struct ubr_bytes ubr_get_rest(struct ubr_reader *reader)
{
    return ubr_get_view(reader, reader->left);
}

bool ubr_reader_is_done(const struct ubr_reader *reader)
{
    return !reader->failed && reader->left == 0;
}

void ubr_writer_init(struct ubr_writer *writer, void *buf, size_t cap)
{
    *writer = (struct ubr_writer){.buf = buf, .cap = cap};
}

/* Room for len more bytes, or NULL and the writer has failed. */
static uint8_t *reserve(struct ubr_writer *writer, size_t len)
{
    if (writer->failed || len > writer->cap - writer->len) {
        writer->failed = true;
        return NULL;
    }
    uint8_t *room = writer->buf + writer->len;
    writer->len += len;
    return room;
}

static void put_integer(struct ubr_writer *writer, uint64_t value, size_t width)
{
    uint8_t *room = reserve(writer, width);
    for (size_t i = width; room && i-- > 0; value >>= 8) {
        room[i] = (uint8_t)(value & 0xff);
    }
}

void ubr_put_u8(struct ubr_writer *writer, uint8_t value)
{
    put_integer(writer, value, 1);
}

void ubr_put_u16(struct ubr_writer *writer, uint16_t value)
{
    put_integer(writer, value, 2);
}

void ubr_put_u32(struct ubr_writer *writer, uint32_t value)
{
    put_integer(writer, value, 4);
}

void ubr_put_u64(struct ubr_writer *writer, uint64_t value)
{
    put_integer(writer, value, 8);
}

void ubr_put_copy(struct ubr_writer *writer, const void *ptr, size_t len)
{
    if (len == 0) {
        return;
    }
    uint8_t *room = reserve(writer, len);
    if (room) {
        memcpy(room, ptr, len);
    }
}

void ubr_put_bytes(struct ubr_writer *writer, struct ubr_bytes bytes)
{
    ubr_put_copy(writer, bytes.ptr, bytes.len);
}

void ubr_put_zeros(struct ubr_writer *writer, size_t len)
{
    if (len == 0) {
        return;
    }
    uint8_t *room = reserve(writer, len);
    if (room) {
        memset(room, 0, len);
    }
}

void ubr_put_str8(struct ubr_writer *writer, struct ubr_bytes bytes)
{
    if (bytes.len > UINT8_MAX) {
        writer->failed = true;
        return;
    }
    ubr_put_u8(writer, (uint8_t)bytes.len);
    ubr_put_bytes(writer, bytes);
}

struct ubr_bytes ubr_writer_bytes(const struct ubr_writer *writer)
{
    return writer->failed ? (struct ubr_bytes){0} : ubr_bytes_of(writer->buf, writer->len);
}
