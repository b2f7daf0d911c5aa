/* SPDX-License-Identifier: Apache-2.0
 *
 * What is asked of monitoring: addresses (first byte even) and request bodies. Whatever is accepted
 * has sound bounds and is answered in JSON; whatever is refused has words. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "monitor/query.h"
#include "monitor/rows.h"
#include "monitor/text.h"
#include "must.h"
#include "subject.h"

static void check_connz(const struct mon_pairs *pairs)
{
    struct mon_connz ask;
    struct mon_fault fault = {""};
    if (!mon_connz_read(pairs, &ask, &fault)) {
        MUST(fault.text[0] != '\0');
        return;
    }
    size_t first, end;
    MUST(ask.limit >= 1 && ask.limit <= MON_LIMIT_MAX && ask.offset >= 0);
    MUST(ask.sort < MON_SORTS && ask.state <= MON_ANY);
    MUST(ask.subject[0] == '\0' || nats_subject_is_pattern(nats_text(ask.subject)));
    mon_page(100000, ask.offset, ask.limit, &first, &end);
    MUST(first <= end && end <= 100000 && end - first <= (size_t)ask.limit);
}

static void check_others(const struct mon_pairs *pairs)
{
    struct mon_fault fault = {""};
    struct mon_subsz subsz;
    struct mon_healthz healthz;
    struct mon_filter filter;
    uint64_t cid;
    if (mon_subsz_read(pairs, &subsz, &fault)) {
        MUST(subsz.limit >= 1 && subsz.limit <= MON_LIMIT_MAX && subsz.offset >= 0);
        MUST(subsz.test[0] == '\0' || nats_subject_is_literal(nats_text(subsz.test)));
    }
    mon_healthz_read(pairs, &healthz, &fault);
    mon_filter_read(pairs, &filter, &fault);
    mon_pair_uint(pairs, "cid", &cid, &fault);
}

/* Any bytes, written as a value, are JSON again, at every depth of indentation. */
static void check_text(const uint8_t *data, size_t size)
{
    struct mon_text text;
    mon_text_init(&text, 1 << 20, (size & 1) != 0, 0);
    mon_open(&text, NULL, '{');
    mon_bytes(&text, "bytes", (struct ub_bytes){data, size});
    mon_open(&text, "list", '[');
    for (size_t i = 0; i < size && i < 8; i++) {
        mon_number(&text, NULL, data[i]);
        mon_duration(&text, NULL, (int64_t)data[i] << (data[i] % 40));
        mon_time(&text, NULL, (int64_t)data[i] << (data[i] % 38));
        mon_uptime(&text, NULL, (int64_t)data[i] << (data[i] % 40));
    }
    mon_close(&text, ']');
    mon_close(&text, '}');
    MUST(!text.is_broken);
    json_t *json = json_loadb(text.ptr, text.len, JSON_ALLOW_NUL, NULL);
    MUST(json != NULL);
    json_decref(json);
    mon_text_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mon_pairs pairs;
    struct mon_fault fault = {""};
    check_text(data, size);
    if (size == 0) {
        return 0;
    }
    char *address = strndup((const char *)data + 1, size - 1);
    MUST(address != NULL);
    bool is_fine = data[0] % 2 == 0
                       ? mon_pairs_of_address(&pairs, address, &fault)
                       : mon_pairs_of_body(&pairs, (struct ub_bytes){data + 1, size - 1}, &fault);
    MUST(is_fine || fault.text[0] != '\0');
    if (is_fine) {
        check_connz(&pairs);
        check_others(&pairs);
    }
    mon_pairs_fini(&pairs);
    free(address);
    return 0;
}
