/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_HEADER_TEXT_H
#define MILTER_SMIME_HEADER_TEXT_H

/*
 * Header field values as people read them (UTF-8), and back: encoded words
 * (RFC 2047), parameters in another charset or in pieces (RFC 2231).
 * Hostile: what cannot be decoded stays as it stands; never fails.
 *
 * Readers differ about what an encoded word is.  A filter that misses one
 * is worse than one that finds too many, so all of these are: words glued
 * to text, inside quotes and comments, too long, with blanks in them, in
 * an unknown charset (see charset.h), without or behind their padding, and
 * without their end, which is then the next blank or word.  Bytes of
 * adjacent words in one charset are joined before they are converted; so
 * is base64 that was cut between two words.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"
#include "spool.h"

/*
 * Appends the value of a field, unfolded, blanks around it removed, its
 * encoded words decoded, blanks between adjacent encoded words removed.
 * Raw UTF-8 stays (RFC 6532); other bytes ≥ 0x80 count as Windows-1252.
 * Control characters become blanks, so that the result is one line; byte
 * order marks are no text.
 */
void header_text_decode(const char *value, size_t n, struct buf *out);

/*
 * A whole block of header lines so, each field on a line of its own that
 * ends in LF, whatever the fields are called.
 */
bool header_text_block(const char *head, size_t n, struct spool *out,
    struct error *err) __attribute__((warn_unused_result));

/*
 * Appends text as a field value that may travel: as it is when it is
 * printable US-ASCII (and would not be read as something else: no encoded
 * word in it, no line of blanks), else as UTF-8 encoded words that never
 * split a character; folded (LF and blank, as struct header has it) so
 * that no line passes 76 where words allow, and none 998 in any case.  A
 * value begins with a blank.  name_length is of the field's name, for the
 * first line.  Control characters in text become blanks; blanks around it
 * are lost.
 */
void header_text_encode(const char *text, size_t n, size_t name_length,
    struct buf *out);

/*
 * The parameter `name` of a Content-Type or Content-Disposition value:
 * RFC 2231 (charset, pieces), a plain value with encoded words in it, as
 * much software writes them, or a plain value.  Appends UTF-8, control
 * characters as blanks.  False when there is none.  What is most likely
 * meant; header_parameter.h has all that could be.
 */
bool header_text_parameter(const char *value, size_t n, const char *name,
    struct buf *out);

#endif
