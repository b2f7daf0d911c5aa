/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FRONT_DURATION_H
#define FRONT_DURATION_H

#include <stdbool.h>
#include <stdint.h>

/* A duration as Go writes it ("1h30m", "1.5s", "250ms", "-2s" is none) in milliseconds, what is
 * below one rounded up. False when it is none, or longer than a thousand years. */
bool duration_of_go(const char *text, int64_t *ms_out);

#endif
