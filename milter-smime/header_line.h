/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_HEADER_LINE_H
#define MILTER_SMIME_HEADER_LINE_H

/*
 * What stands in header fields as one line of UTF-8, encoded words (RFC
 * 2047) decoded: the work behind header_text.h, which says what is an
 * encoded word, and header_parameter.h.  Hostile bytes; never fails.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

/* As header_text_decode(). */
void header_line_decode(const char *value, size_t n, struct buf *out);

/*
 * Text without encoded words: UTF-8 stays, other bytes are Windows-1252,
 * control characters are blanks, byte order marks nothing.
 */
void header_line_put(const char *text, size_t n, struct buf *out);

/* Removes blanks around what stands in out from start on. */
void header_line_trim(struct buf *out, size_t start);

#endif
