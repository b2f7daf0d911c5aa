/* SPDX-License-Identifier: Apache-2.0 */
#include "scenarios.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct ubr_bytes optional_hex(struct vectors *vectors, const json_t *object,
                                     const char *field)
{
    return json_object_get(object, field) ? vectors_hex(vectors, object, field)
                                          : (struct ubr_bytes){0};
}

void record_list_init(struct record_list *list, struct vectors *vectors, const json_t *records)
{
    size_t i;
    json_t *item;
    list->len = json_array_size(records);
    assert_int_not_equal(list->len, 0);
    list->records = calloc(list->len, sizeof *list->records);
    list->hashes = calloc(list->len, sizeof *list->hashes);
    assert_true(list->records && list->hashes);
    json_array_foreach(records, i, item)
    {
        list->records[i].body = vectors_hex(vectors, item, "body");
        list->records[i].sig = optional_hex(vectors, item, "sig");
        list->records[i].pop = optional_hex(vectors, item, "pop");
        list->records[i].nats_pop = optional_hex(vectors, item, "nats_pop");
        ubr_device_hash(list->records[i].body, list->hashes[i]);
    }
}

void record_list_fini(struct record_list *list)
{
    free(list->records);
    free(list->hashes);
    memset(list, 0, sizeof *list);
}

static bool find_record(void *context, const uint8_t account_pk[UBR_KEY_LEN],
                        const uint8_t hash[UBR_HASH_LEN], struct ubr_device_record *record_out)
{
    const struct record_list *list = context;
    (void)account_pk;
    for (size_t i = 0; i < list->len; i++) {
        if (memcmp(list->hashes[i], hash, UBR_HASH_LEN) == 0) {
            *record_out = list->records[i];
            return true;
        }
    }
    return false;
}

struct ubr_record_store record_list_store(struct record_list *list)
{
    return (struct ubr_record_store){.find = find_record, .context = list};
}

void scenario_init(struct scenario *scenario, struct vectors *vectors, const char *name)
{
    char records[16];
    snprintf(records, sizeof records, "%s/records", name);
    memset(scenario, 0, sizeof *scenario);
    scenario->vectors = vectors;
    scenario->name[0] = name[0];
    for (size_t i = 0; i < LOG_VECTORS; i++) {
        const json_t *vector = vectors_at(vectors, i);
        if (strcmp(vector_name(vector), records) == 0) {
            record_list_init(&scenario->records, vectors,
                             json_object_get(vector_inputs(vector), "records"));
        }
    }
    assert_int_not_equal(scenario->records.len, 0);
}

void scenario_fini(struct scenario *scenario)
{
    record_list_fini(&scenario->records);
}

bool scenario_has(const struct scenario *scenario, const json_t *vector)
{
    const char *name = json_string_value(json_object_get(vector_inputs(vector), "scenario"));
    return name && strcmp(name, scenario->name) == 0;
}

enum ubr_error scenario_append(struct scenario *scenario, struct ubr_log *log, const json_t *vector)
{
    struct ubr_record_store store = record_list_store(&scenario->records);
    struct ubr_bytes body = vectors_hex(scenario->vectors, vector_inputs(vector), "body");
    struct ubr_bytes sig = vectors_hex(scenario->vectors, vector_inputs(vector), "sig");
    assert_int_equal(sig.len, UBR_SIG_LEN);
    return ubr_log_append(log, &store, body, sig.ptr);
}

struct ubr_log *scenario_play(struct scenario *scenario, size_t entries)
{
    struct ubr_log *log = ubr_log_new();
    assert_non_null(log);
    for (size_t i = 0; i < LOG_VECTORS && ubr_log_state(log)->entries < entries; i++) {
        const json_t *vector = vectors_at(scenario->vectors, i);
        if (scenario_has(scenario, vector) && vector_expect(vector) == UBR_OK) {
            vector_assert_code(vector, scenario_append(scenario, log, vector));
        }
    }
    assert_true(entries == SIZE_MAX || ubr_log_state(log)->entries == entries);
    return log;
}
