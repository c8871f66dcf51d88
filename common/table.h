/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_TABLE_H
#define COMMON_TABLE_H

/*
 * Aligned columns for people: the lists that commands print.  What would
 * upset a terminal is shown as \xNN.
 */

#include <stdio.h>

#include "common/strvec.h"

struct table {
	size_t columns;
	struct strvec cells;
};

/* Adds a row of `columns` texts; the first row is the heading. */
void table_row(struct table *t, const char *first, ...);
void table_print(const struct table *t, FILE *out);
void table_clear(struct table *t);

#endif
