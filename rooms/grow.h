/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_GROW_H
#define UBR_GROW_H

#include <stdbool.h>
#include <stddef.h>

/* Internal. Makes room for `need` items of item_size bytes in a growing array. array_pointer is the
 * address of the pointer to its items, of any object type. False, and nothing changed, when out of
 * memory. */
bool grow(void *array_pointer, size_t *cap, size_t need, size_t item_size);

#endif
