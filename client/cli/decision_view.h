/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLI_DECISION_VIEW_H
#define UNIBUS_CLI_DECISION_VIEW_H

#include "output.h"

/* Decisions as people read them. */

/* One in full, with what would have to change. Takes the reference. */
void decision_show(const struct cli *cli, json_t *decision);

/* One as a row of a table with decision_columns. Borrows. */
json_t *decision_row(const json_t *decision);
extern const struct out_column decision_columns[];

/* What would have to change for another answer; "" when nothing is known to help. */
const char *decision_change(const json_t *decision, char *room, size_t size);

#endif
