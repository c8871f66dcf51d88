/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_VISIBLE_TEXT_H
#define MILTER_SMIME_VISIBLE_TEXT_H

/*
 * Text without what nobody sees: soft hyphens, zero-width characters and
 * all else that Unicode calls Default_Ignorable_Code_Point, and control
 * characters that are no blanks.  Between two letters of a word they hide
 * it from a search, and from no reader.  (Some mean something: in Persian,
 * in an emoji of a family.  So this is for searching, beside the text.)
 *
 * Any bytes; what is no UTF-8 stays.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "spool.h"

bool visible_text_is_invisible(uint32_t cp);

/* Is all of it visible? Then there is nothing to remove. */
bool visible_text_is_all(const char *p, size_t n);

/* Appends it without the rest; bounded by out. */
void visible_text_append(const char *p, size_t n, struct buf *out);

/* The same for bodies, in blocks. */
bool visible_text_write(const char *p, size_t n, struct spool *out,
    struct error *err) __attribute__((warn_unused_result));

#endif
