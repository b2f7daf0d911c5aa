/* SPDX-License-Identifier: Apache-2.0 */
#include "grow.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

bool grow(void *array_pointer, size_t *cap, size_t need, size_t item_size)
{
    if (need <= *cap) {
        return true;
    }
    size_t wanted = *cap + *cap / 2;
    if (wanted < need) {
        wanted = need;
    }
    if (wanted > SIZE_MAX / 2 / item_size) {
        return false;
    }
    void *items;
    memcpy(&items, array_pointer, sizeof items);
    items = realloc(items, wanted * item_size);
    if (!items) {
        return false;
    }
    memcpy(array_pointer, &items, sizeof items);
    *cap = wanted;
    return true;
}
