/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_REGEX_H
#define MILTER_SMIME_REGEX_H

/*
 * Regular expressions (PCRE2, JIT where the machine has it), searched
 * anywhere in bytes that a stranger wrote.  Patterns are UTF-8 and match
 * text that need not be: bytes that are no UTF-8 match nothing.  \w, \d,
 * \s and \b know all of Unicode; CR, LF and CRLF end a line.
 *
 * Verbs and settings such as (*COMMIT), \G, recursion and calls of groups
 * are refused: they have no bound.
 *
 * Compiled once, immutable, used by any thread.  What a search may cost is
 * bounded, in steps, memory and CPU time: about one second and one more for
 * each 10 MB of text, with some patterns and texts made for it ten times
 * that.  A bound that is hit is a temporary failure, never a miss: mail that
 * was to be encrypted must not leave because its text is strange.  A thread
 * keeps what searching needs (up to some MB) until it ends.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

#define REGEX_MAX_PATTERN 16384

struct regex;

/*
 * NULL: PERM, mostly in PCRE2's words; *at is the offset in the pattern.
 * Case-sensitive; `(?i)` in the pattern changes that.
 */
struct regex *regex_new(const char *pattern, size_t n, size_t *at,
    struct error *err);

void regex_free(struct regex **r);

/*
 * Counts matches from left to right that do not overlap, at most `enough`
 * of them.  An empty match counts, and the search goes on one character
 * further.  False: TEMP, a limit was hit.
 */
bool regex_count(const struct regex *r, const char *p, size_t n,
    size_t enough, size_t *found, struct error *err)
    __attribute__((warn_unused_result));

#define REGEX_MAX_GROUPS 10

struct regex_match {
	/* [0] is the whole match; a group that took no part is {0, 0}. */
	struct {
		size_t off, len;
	} groups[REGEX_MAX_GROUPS];
};

/* The first match at or after `from`; what stands before it is seen too. */
bool regex_find(const struct regex *r, const char *p, size_t n, size_t from,
    bool *found, struct regex_match *m, struct error *err)
    __attribute__((warn_unused_result));

#endif
