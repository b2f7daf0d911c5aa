/* SPDX-License-Identifier: Apache-2.0
 *
 * Between config_fill.c (the table of a module) and config_value.c (one value of a kind). */
#ifndef CORE_CONFIG_FILL_H
#define CORE_CONFIG_FILL_H

#include "config.h"

/* One field on its way into the struct. */
struct fill {
    struct settings *settings;
    const struct config_block *block;
    const struct fill_context *context;
    struct report *report;
    struct ub_field field;
    struct config_value value; /* a default's text included */
    void *slot;
    bool is_sound;
};

/* Judges fill->value by the field's kind and writes it to the slot; else reports and clears
 * is_sound. */
void fill_value(struct fill *fill);

/* The same for a value that is VALUE_RECORDS or an empty list: a struct for each record. */
void fill_records(struct fill *fill);

#endif
