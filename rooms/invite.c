/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/invite.h"

#include <stdio.h>
#include <string.h>

#include "ubr/text.h"

#define SCHEME     "unibus:room/1/"
#define HEAD       "?h="
#define FOUNDER    "&f="
#define NODE       "&n="
#define SEQ_END    1000000
#define SEQ_DIGITS 6

void ubr_invite_init(struct ubr_invite *invite)
{
    memset(invite, 0, sizeof *invite);
}

static size_t nodes_len(const struct ubr_invite *invite)
{
    return invite->node_n > 0 ? invite->node_end[invite->node_n - 1] : 0;
}

enum ubr_error ubr_invite_add_node(struct ubr_invite *invite, struct ubr_bytes address)
{
    size_t begin = nodes_len(invite);
    if (invite->node_n == UBR_INVITE_NODES_MAX || address.len == 0 ||
        address.len > sizeof invite->node_text - begin || !ubr_text_is_valid(address)) {
        return UBR_E_INVITE;
    }
    memcpy(invite->node_text + begin, address.ptr, address.len);
    invite->node_end[invite->node_n++] = (uint16_t)(begin + address.len);
    return UBR_OK;
}

struct ubr_bytes ubr_invite_node(const struct ubr_invite *invite, size_t i)
{
    size_t begin = i > 0 ? invite->node_end[i - 1] : 0;
    return ubr_bytes_of(invite->node_text + begin, invite->node_end[i] - begin);
}

/* RFC 3986, section 2.3. */
static bool is_unreserved(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

static const char hex_digits[] = "0123456789ABCDEF";

static void put_escaped(struct ubr_writer *writer, struct ubr_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.ptr[i];
        char escape[] = {'%', hex_digits[byte >> 4], hex_digits[byte & 15]};
        if (is_unreserved(byte)) {
            ubr_put_u8(writer, byte);
        } else {
            ubr_put_copy(writer, escape, sizeof escape);
        }
    }
}

static void put_text(struct ubr_writer *writer, const char *text)
{
    ubr_put_bytes(writer, ubr_bytes_of_text(text));
}

static void put_trusted_part(struct ubr_writer *writer, const struct ubr_invite *invite)
{
    char text[UBR_HEX_LEN(UBR_HASH_LEN) + 1];
    put_text(writer, SCHEME);
    ubr_room32(invite->room_id, text);
    put_text(writer, text);
    put_text(writer, HEAD);
    snprintf(text, sizeof text, "%u.", (unsigned)invite->seq);
    put_text(writer, text);
    ubr_hex_encode(ubr_bytes_of(invite->head, sizeof invite->head), text);
    put_text(writer, text);
    put_text(writer, FOUNDER);
    ubr_base32_encode(ubr_bytes_of(invite->founder, sizeof invite->founder), text);
    put_text(writer, text);
}

enum ubr_error ubr_invite_format(const struct ubr_invite *invite,
                                 char link_out[UBR_INVITE_TEXT_MAX + 1])
{
    struct ubr_writer writer;
    ubr_writer_init(&writer, link_out, UBR_INVITE_TEXT_MAX);
    put_trusted_part(&writer, invite);
    for (size_t i = 0; i < invite->node_n; i++) {
        put_text(&writer, NODE);
        put_escaped(&writer, ubr_invite_node(invite, i));
    }
    link_out[writer.failed ? 0 : writer.len] = '\0';
    return writer.failed || invite->seq >= SEQ_END ? UBR_E_INVITE : UBR_OK;
}

static bool take_text(struct ubr_reader *reader, const char *text)
{
    struct ubr_bytes expected = ubr_bytes_of_text(text);
    return ubr_bytes_are_equal(ubr_get_view(reader, expected.len), expected);
}

static bool take_room(struct ubr_reader *reader, uint8_t *room_id_out)
{
    struct ubr_bytes text = ubr_get_view(reader, UBR_BASE32_LEN(UBR_ROOM_ID_LEN));
    return !reader->failed && ubr_room32_parse(text, room_id_out);
}

static bool take_fingerprint(struct ubr_reader *reader, uint8_t *fingerprint_out)
{
    struct ubr_bytes text = ubr_get_view(reader, UBR_BASE32_LEN(UBR_FINGERPRINT_LEN));
    return !reader->failed && ubr_base32_decode_exact(text, fingerprint_out, UBR_FINGERPRINT_LEN);
}

static bool take_hash(struct ubr_reader *reader, uint8_t *hash_out)
{
    struct ubr_bytes text = ubr_get_view(reader, UBR_HEX_LEN(UBR_HASH_LEN));
    return !reader->failed && ubr_hex_decode_exact(text, hash_out, UBR_HASH_LEN);
}

/* Digits without leading zero, and the dot after them. */
static bool take_seq(struct ubr_reader *reader, uint32_t *seq_out)
{
    const uint8_t *text = reader->next;
    uint32_t seq = 0;
    for (size_t digits = 0; digits <= SEQ_DIGITS; digits++) {
        uint8_t byte = ubr_get_u8(reader);
        if (byte == '.' && digits > 0 && (digits == 1 || text[0] != '0')) {
            *seq_out = seq;
            return !reader->failed;
        }
        if (byte < '0' || byte > '9') {
            return false;
        }
        seq = 10 * seq + (uint32_t)(byte - '0');
    }
    return false;
}

static int hex_value(uint8_t byte)
{
    const char *found = byte != 0 ? strchr(hex_digits, byte) : NULL;
    return found != NULL ? (int)(found - hex_digits) : -1;
}

/* One character of an address: itself, or an escape of a byte that needs one. */
static bool take_escaped(struct ubr_reader *reader, uint8_t *byte_out)
{
    uint8_t byte = ubr_get_u8(reader);
    if (byte == '%') {
        int high = hex_value(ubr_get_u8(reader));
        int low = hex_value(ubr_get_u8(reader));
        *byte_out = (uint8_t)(16 * high + low);
        return high >= 0 && low >= 0 && !is_unreserved(*byte_out);
    }
    *byte_out = byte;
    return is_unreserved(byte);
}

static bool take_node(struct ubr_reader *reader, struct ubr_invite *invite)
{
    uint8_t address[UBR_INVITE_TEXT_MAX];
    size_t len = 0;
    if (!take_text(reader, NODE)) {
        return false;
    }
    while (reader->left > 0 && *reader->next != '&') {
        if (len == sizeof address || !take_escaped(reader, &address[len++])) {
            return false;
        }
    }
    return ubr_invite_add_node(invite, ubr_bytes_of(address, len)) == UBR_OK;
}

static bool take_trusted_part(struct ubr_reader *reader, struct ubr_invite *invite_out)
{
    return take_text(reader, SCHEME) && take_room(reader, invite_out->room_id) &&
           take_text(reader, HEAD) && take_seq(reader, &invite_out->seq) &&
           take_hash(reader, invite_out->head) && take_text(reader, FOUNDER) &&
           take_fingerprint(reader, invite_out->founder);
}

enum ubr_error ubr_invite_parse(struct ubr_bytes link, struct ubr_invite *invite_out)
{
    struct ubr_reader reader;
    ubr_reader_init(&reader, link);
    ubr_invite_init(invite_out);
    if (link.len > UBR_INVITE_TEXT_MAX || !take_trusted_part(&reader, invite_out)) {
        return UBR_E_INVITE;
    }
    while (reader.left > 0) {
        if (!take_node(&reader, invite_out)) {
            return UBR_E_INVITE;
        }
    }
    return UBR_OK;
}
