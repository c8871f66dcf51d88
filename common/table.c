/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/log.h"
#include "common/mem.h"

#define CELL_MAX 65536
#define GAP	 2

static void
add_cell(struct table *t, const char *text)
{
	struct buf cell;

	buf_init(&cell, CELL_MAX);
	log_escape(&cell, text, strlen(text));
	strvec_take(&t->cells, buf_take(&cell));
}

/* In characters; all that log_escape() leaves is UTF-8. */
static size_t
width(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

void
table_row(struct table *t, const char *first, ...)
{
	va_list ap;

	add_cell(t, first);
	va_start(ap, first);
	for (size_t i = 1; i < t->columns; i++)
		add_cell(t, va_arg(ap, const char *));
	va_end(ap);
}

void
table_print(const struct table *t, FILE *out)
{
	size_t *widths = mem_array(t->columns, sizeof(*widths));

	for (size_t i = 0; i < t->cells.n; i++) {
		size_t n = width(t->cells.v[i]);

		if (n > widths[i % t->columns])
			widths[i % t->columns] = n;
	}
	for (size_t i = 0; i < t->cells.n; i++) {
		const char *cell = t->cells.v[i];
		size_t column = i % t->columns;

		fputs(cell, out);
		if (column + 1 == t->columns)
			fputc('\n', out);
		else
			fprintf(out, "%*s",
			    (int)(widths[column] - width(cell) + GAP), "");
	}
	free(widths);
}

void
table_clear(struct table *t)
{
	strvec_clear(&t->cells);
}
