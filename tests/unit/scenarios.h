/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCENARIOS_H
#define SCENARIOS_H

#include "ubr/log.h"
#include "vectors.h"

/* The rooms of log.json (UBR1, 19): A the small one, S and L the large ones. Every function fails
 * the running test rather than return without what it promises. */

#define LOG_VECTORS         117
#define LOG_VECTORS_REFUSED 70

/* Device records, found by hash and account: forks included. */
struct record_list {
    struct ubr_device_record *records;
    uint8_t (*hashes)[UBR_HASH_LEN];
    size_t len;
};

/* From a JSON array of {"body","sig","pop","nats_pop"} in hex; their bytes belong to vectors. */
void record_list_init(struct record_list *list, struct vectors *vectors, const json_t *records);
void record_list_fini(struct record_list *list);
struct ubr_record_store record_list_store(struct record_list *list);

/* One scenario of an open log.json. */
struct scenario {
    struct vectors *vectors;
    char name[2];
    struct record_list records;
};

void scenario_init(struct scenario *scenario, struct vectors *vectors, const char *name);
void scenario_fini(struct scenario *scenario);

/* Whether the vector is an entry of the scenario. */
bool scenario_has(const struct scenario *scenario, const json_t *vector);
/* Appends the entry of a vector. */
enum ubr_error scenario_append(struct scenario *scenario, struct ubr_log *log,
                               const json_t *vector);
/* The scenario's log with its first entries only; all of them for SIZE_MAX. */
struct ubr_log *scenario_play(struct scenario *scenario, size_t entries);

#endif
