/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "modules/membership/record.h"
#include "must.h"

/* Stored records: what parses is written again byte by byte, so no other bytes mean the same. The
 * first byte chooses the kind; the time is below 2^53 half of the time by setting its top byte. */

static uint8_t again[MEMB_RECORD_MAX + MEMB_ALLOW_MAX];

static void must_be_same(struct ub_bytes value, struct ubr_bytes written)
{
    MUST(written.len == value.len && memcmp(written.ptr, value.ptr, value.len) == 0);
}

static void try_allow(struct ub_bytes value)
{
    struct memb_allow allow;
    if (memb_allow_parse(value, &allow)) {
        must_be_same(value, memb_allow_write(&allow, again, sizeof again));
    }
}

static void try_append(struct ub_bytes value)
{
    struct memb_append append;
    if (memb_append_parse(value, &append)) {
        MUST(memb_append_size(&append) == value.len);
        must_be_same(value, memb_append_write(&append, again, sizeof again));
    }
}

static void try_staged(struct ub_bytes value)
{
    struct memb_staged staged;
    if (memb_staged_parse(value, &staged)) {
        must_be_same(value, memb_staged_write(&staged, again, sizeof again));
    }
}

static void try_idem(struct ub_bytes value)
{
    struct memb_idem idem;
    if (memb_idem_parse(value, &idem)) {
        must_be_same(value, memb_idem_write(&idem, again, sizeof again));
    }
}

static void try_small(struct ub_bytes value)
{
    const uint8_t *uploader;
    int64_t number;
    bool is_answered;
    if (memb_blob_parse(value, &uploader, &number)) {
        MUST(value.len == MEMB_BLOB_LEN && number >= 0);
    }
    if (memb_request_parse(value, &number, &is_answered)) {
        memb_request_write(number, is_answered, again);
        must_be_same(value, ubr_bytes_of(again, MEMB_REQUEST_LEN));
    }
    MUST(memb_late_parse(value) == NULL || value.len == MEMB_LATE_LEN);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static void (*const tries[])(struct ub_bytes) = {try_allow, try_append, try_staged, try_idem,
                                                     try_small};
    uint8_t fixed[4096];
    if (size < 3 || size - 1 > sizeof fixed) {
        return 0;
    }
    memcpy(fixed, data + 1, size - 1);
    if (data[0] & 0x80) {
        fixed[0] = 1;
        fixed[1] = 0;
    }
    tries[data[0] % 5]((struct ub_bytes){fixed, size - 1});
    return 0;
}
