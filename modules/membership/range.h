/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_RANGE_H
#define MEMB_RANGE_H

#include <stdbool.h>
#include <stdint.h>

/* One byte range of RFC 9110, 14.1.2. */

enum memb_range { MEMB_RANGE_WHOLE, MEMB_RANGE_PART, MEMB_RANGE_OUTSIDE };

/* text: the header, or NULL. What is not understood (several ranges, another unit) is ignored, as
 * the RFC wants. first and last are inclusive. */
enum memb_range memb_range_read(const char *text, int64_t length, int64_t *first_out,
                                int64_t *last_out);

#endif
