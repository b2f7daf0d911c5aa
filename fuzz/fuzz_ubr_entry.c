/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "must.h"
#include "ubr/text.h"
#include "ubr/view.h"

/* An entry that parses is written again byte by byte: no other bytes mean the same. Each input is
 * tried as it is, and with version, length and room id set right, which chance does not find. */

static void check_view(const struct ubr_entry *entry)
{
    struct ubr_view_field fields[UBR_VIEW_FIELDS_MAX];
    size_t len = ubr_entry_view(entry, fields);
    MUST(len > 0 && len <= UBR_VIEW_FIELDS_MAX);
    for (size_t i = 0; i < len; i++) {
        MUST(fields[i].kind != UBR_VIEW_TEXT || ubr_text_is_valid(fields[i].bytes));
    }
}

static void try_entry(struct ubr_bytes input)
{
    struct ubr_entry entry;
    struct ubr_entry_body again;
    if (ubr_entry_parse(input, &entry) == UBR_OK) {
        MUST(ubr_entry_write(&entry, &again) == UBR_OK);
        MUST(ubr_bytes_are_equal(input, ubr_entry_body_bytes(&again)));
        check_view(&entry);
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    uint8_t fixed[UBR_ENTRY_BODY_MAX];
    try_entry(ubr_bytes_of(data, size));
    if (size < UBR_ENTRY_HEADER_LEN || size > sizeof fixed) {
        return 0;
    }
    size_t payload_len = size - UBR_ENTRY_HEADER_LEN;
    memcpy(fixed, data, size);
    fixed[0] = 1;
    fixed[118] = (uint8_t)(payload_len >> 8);
    fixed[119] = (uint8_t)(payload_len & 0xff);
    struct ubr_bytes body = ubr_bytes_of(fixed, size);
    ubr_entry_room_id(body, fixed + 2);
    try_entry(body);
    return 0;
}
