/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/batch.h"

bool ubr_batch_next(struct ubr_bytes *rest, struct ubr_bytes *record_out)
{
    struct ubr_reader reader;
    ubr_reader_init(&reader, *rest);
    uint32_t len = ubr_get_u32(&reader);
    struct ubr_bytes record = ubr_get_view(&reader, len);
    if (reader.failed) {
        return false;
    }
    *rest = ubr_get_rest(&reader);
    *record_out = record;
    return true;
}

enum ubr_error ubr_batch_check(struct ubr_bytes batch, size_t *records_out)
{
    size_t records = 0;
    for (struct ubr_bytes record; ubr_batch_next(&batch, &record);) {
        if (++records > UBR_BATCH_RECORDS_MAX) {
            return UBR_E_PARSE;
        }
    }
    if (records == 0 || batch.len != 0) {
        return UBR_E_PARSE;
    }
    *records_out = records;
    return UBR_OK;
}

void ubr_batch_put(struct ubr_writer *writer, struct ubr_bytes record)
{
    if (record.len > UINT32_MAX) {
        writer->failed = true;
        return;
    }
    ubr_put_u32(writer, (uint32_t)record.len);
    ubr_put_bytes(writer, record);
}
