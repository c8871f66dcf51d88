/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_TEXT_WRITER_H
#define MILTER_SMIME_TEXT_WRITER_H

/*
 * Text on its way into a buffer or a spool, collected into blocks, so that
 * what makes it may write character by character.  A buffer is filled to
 * its maximum, then its `overflow` is set.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "spool.h"

struct text_writer {
	struct buf *buf;     /* one of the two */
	struct spool *spool;
	struct error *err;
	bool ok; /* false: full or failed, nothing more is written */
	size_t n;
	char block[8192];
};

/* Either borrows until the end. */
void text_writer_to_buf(struct text_writer *w, struct buf *out);
void text_writer_to_spool(struct text_writer *w, struct spool *out,
    struct error *err);

void text_writer_put(struct text_writer *w, const char *p, size_t n);

/* Hands over what was collected; the block is empty after. */
void text_writer_flush(struct text_writer *w);

/* False when a spool failed, with its error. */
bool text_writer_end(struct text_writer *w)
    __attribute__((warn_unused_result));

static inline void
text_writer_putc(struct text_writer *w, char c)
{
	if (w->n == sizeof(w->block))
		text_writer_flush(w);
	w->block[w->n++] = c;
}

/* A code point as UTF-8. */
void text_writer_put_char(struct text_writer *w, uint32_t cp);

#endif
