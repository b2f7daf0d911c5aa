/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/extension.h"

#include <string.h>

#include "ubr/text.h"

#define IGNORABLE_FIRST 128 /* unknown types from here on are skipped */

/* Each kind of value is written and read by one function. A reader leaves the reader of the value
 * failed, or not at its end, when the value is not acceptable. */
struct kind {
    void (*put)(struct ubr_writer *writer, const void *field);
    bool (*get)(struct ubr_reader *reader, void *field);
};

static void put_text(struct ubr_writer *writer, const void *field)
{
    const struct ubr_bytes *text = field;
    ubr_put_bytes(writer, *text);
}

static bool get_text(struct ubr_reader *reader, void *field)
{
    struct ubr_bytes *text = field;
    *text = ubr_get_rest(reader);
    return text->len >= 1 && text->len <= 255 && ubr_text_is_valid(*text);
}

static void put_id(struct ubr_writer *writer, const void *field)
{
    const struct ubr_msg_id *id = field;
    ubr_put_copy(writer, id->kid, sizeof id->kid);
    ubr_put_u64(writer, id->counter);
}

static bool get_id(struct ubr_reader *reader, void *field)
{
    struct ubr_msg_id *id = field;
    ubr_get_copy(reader, id->kid, sizeof id->kid);
    id->counter = ubr_get_u64(reader);
    return id->counter < UBR_U53_END;
}

static void put_u53(struct ubr_writer *writer, const void *field)
{
    const uint64_t *value = field;
    ubr_put_u64(writer, *value);
}

static bool get_u53(struct ubr_reader *reader, void *field)
{
    uint64_t *value = field;
    *value = ubr_get_u64(reader);
    return *value < UBR_U53_END;
}

static void put_operation(struct ubr_writer *writer, const void *field)
{
    const uint8_t *operation = field;
    ubr_put_u8(writer, *operation);
}

static bool get_operation(struct ubr_reader *reader, void *field)
{
    uint8_t *operation = field;
    *operation = ubr_get_u8(reader);
    return *operation >= UBR_KV_PUT && *operation <= UBR_KV_PURGE;
}

static const struct kind text_kind = {put_text, get_text};
static const struct kind id_kind = {put_id, get_id};
static const struct kind u53_kind = {put_u53, get_u53};
static const struct kind operation_kind = {put_operation, get_operation};

struct row {
    const struct kind *kind;
    size_t offset;
};

#define FIELD(name) offsetof(struct ubr_extensions, name)

static const struct row rows[] = {
    [UBR_EXT_MEDIA_TYPE] = {&text_kind, FIELD(media_type)},
    [UBR_EXT_REPLY_TO] = {&id_kind, FIELD(reply_to)},
    [UBR_EXT_EXPECTED_REVISION] = {&u53_kind, FIELD(expected_revision)},
    [UBR_EXT_EXPIRES] = {&u53_kind, FIELD(expires_ms)},
    [UBR_EXT_KV_OPERATION] = {&operation_kind, FIELD(kv_operation)},
    [UBR_EXT_PREVIOUS_COUNTER] = {&u53_kind, FIELD(previous_counter)},
};

#define ROW_N (sizeof rows / sizeof *rows)

void ubr_ext_set(struct ubr_extensions *ext, enum ubr_ext_type type)
{
    ext->types = (uint8_t)(ext->types | 1u << type);
}

bool ubr_ext_is_set(const struct ubr_extensions *ext, enum ubr_ext_type type)
{
    return ext->types >> type & 1;
}

static enum ubr_error get_value(const struct row *row, struct ubr_bytes value,
                                struct ubr_extensions *ext_out)
{
    struct ubr_reader reader;
    ubr_reader_init(&reader, value);
    bool is_good = row->kind->get(&reader, (char *)ext_out + row->offset);
    return is_good && ubr_reader_is_done(&reader) ? UBR_OK : UBR_E_EXT;
}

static enum ubr_error get_extension(uint8_t type, struct ubr_bytes value,
                                    struct ubr_extensions *ext_out)
{
    if (type >= IGNORABLE_FIRST) {
        return UBR_OK;
    }
    if (type == 0 || type >= ROW_N) {
        return UBR_E_EXT;
    }
    ubr_ext_set(ext_out, (enum ubr_ext_type)type);
    return get_value(&rows[type], value, ext_out);
}

enum ubr_error ubr_ext_parse(struct ubr_bytes block, struct ubr_extensions *ext_out)
{
    struct ubr_reader reader;
    ubr_reader_init(&reader, block);
    memset(ext_out, 0, sizeof *ext_out);
    if (block.len > UBR_EXT_LEN_MAX) {
        return UBR_E_EXT;
    }
    for (int last = -1; reader.left > 0;) {
        uint8_t type = ubr_get_u8(&reader);
        struct ubr_bytes value = ubr_get_view(&reader, ubr_get_u16(&reader));
        if (reader.failed || type <= last || get_extension(type, value, ext_out) != UBR_OK) {
            return UBR_E_EXT;
        }
        last = type;
    }
    return UBR_OK;
}

/* Written values go through the same check as read ones: a sender cannot write what receivers
 * refuse. */
static void put_extension(struct ubr_writer *writer, uint8_t type, const struct ubr_extensions *ext)
{
    uint8_t buf[256];
    struct ubr_writer value;
    struct ubr_extensions check;
    ubr_writer_init(&value, buf, sizeof buf);
    rows[type].kind->put(&value, (const char *)ext + rows[type].offset);
    if (value.failed || get_value(&rows[type], ubr_writer_bytes(&value), &check) != UBR_OK) {
        writer->failed = true;
        return;
    }
    ubr_put_u8(writer, type);
    ubr_put_u16(writer, (uint16_t)value.len);
    ubr_put_bytes(writer, ubr_writer_bytes(&value));
}

enum ubr_error ubr_ext_put(struct ubr_writer *writer, const struct ubr_extensions *ext)
{
    for (size_t type = 1; type < ROW_N; type++) {
        if (ubr_ext_is_set(ext, (enum ubr_ext_type)type)) {
            put_extension(writer, (uint8_t)type, ext);
        }
    }
    return writer->failed ? UBR_E_EXT : UBR_OK;
}
