/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_TEXT_SCAN_H
#define MILTER_SMIME_TEXT_SCAN_H

/*
 * What stands in some bytes that a mail server may refuse or change on the
 * way.  Bodies are long and mostly in order, so lines that are pass
 * quickly: a vector of bytes at a time, and each byte looked at once.
 */

#include <stdbool.h>
#include <stddef.h>

#define TEXT_LINE_MAX 998 /* octets before CRLF, RFC 5321 4.5.3.1.6 */

struct text_scan {
	bool eight_bit, nul, bare_cr, bare_lf, long_line; /* hard */
	bool blank_end; /* soft: a blank or tab at a line's end */
	bool from_line; /* soft: a line that starts with `From ` */
	size_t count8;	/* bytes with the eighth bit */
};

/* The first byte begins a line, and the last may end one without CRLF. */
void text_scan(const char *p, size_t n, struct text_scan *s);

/* Is there anything that no server need take (RFC 5321 without 8BITMIME)? */
bool text_is_hard(const struct text_scan *s);

bool text_is_ascii(const char *p, size_t n);

/*
 * Passes over lines in order, those of which text_scan() finds nothing to
 * tell, from the one that begins at off.  Returns where the first other
 * line begins, or the first that starts with mark; n when there is none.
 */
#define TEXT_NO_MARK (-1)
size_t text_pass(const char *p, size_t n, size_t off, int mark);

#endif
