/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_LINES_H
#define MILTER_SMIME_LINES_H

/*
 * Cuts bytes that come in pieces of any size into lines.  A line longer
 * than the maximum is handed on in several parts, so memory is bounded
 * whatever comes.
 */

#include <stdbool.h>

#include "common/buf.h"
#include "common/error.h"

/*
 * Gets n bytes of a line without its line end; `ends` with the last part
 * of the line.  False, with err set, when no more is wanted.
 */
typedef bool lines_take(void *context, const char *text, size_t n, bool ends,
    struct error *err);

struct lines {
	struct buf part;
	lines_take *take;
	void *context;
};

void lines_init(struct lines *l, size_t max, lines_take *take, void *context);
void lines_clear(struct lines *l);

/* More bytes; `lines` is a struct lines.  Fits child.h as a sink. */
bool lines_add(void *lines, const char *bytes, size_t n, struct error *err);

/* No more bytes: a last line without a line end is handed on. */
bool lines_end(struct lines *l, struct error *err);

#endif
