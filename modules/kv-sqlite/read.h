/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading: get, list and the looks of watches. */
#ifndef KVSQ_READ_H
#define KVSQ_READ_H

#include <unibus/kv.h>

struct ubs_list;
struct ubs_look;

/* Of ubs_engine. */
enum ub_status kvsq_get(struct ub_kv_bucket *bucket, struct ub_bytes code,
                        struct ub_kv_value *value_out, struct ub_err *err);
enum ub_status kvsq_list(struct ub_kv_bucket *bucket, struct ubs_list *list, struct ub_err *err);
enum ub_status kvsq_look(struct ub_kv_bucket *bucket, struct ubs_look *look);

#endif
