/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_POSTCAT_H
#define MILTER_SMIME_POSTCAT_H

/*
 * The headers of several messages on hold as one `postcat -q -e -h ID...`
 * prints them: for each message lines of its envelope and its header, with
 * marks between them.  One run for many is twenty times faster than a run
 * for each.
 *
 * But postcat(1) prints envelopes raw, and an ORCPT parameter of SMTP may
 * bring line ends into them, and so lines that look like marks.  Every
 * real mark is printed, in order; so if all lines that look like marks are
 * just those that must come, no false one is among them, and what stands
 * between them is what it seems.  Else nothing of it is believed: then
 * each message has to be read by itself, with `postcat -q -h ID`, which
 * prints nothing but the header.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "header_facts.h"

struct postcat {
	char *const *ids; /* borrowed; as on the command line */
	size_t n;
	struct header_facts *facts; /* borrowed; n of them, initialised */
	size_t marks;		    /* seen so far */
	bool middle;		    /* the next bytes continue a line */
	bool doubtful;
};

/* Gets the output line by line; fits lines.h, context a struct postcat. */
bool postcat_line(void *context, const char *text, size_t n, bool ends,
    struct error *err);

/* After the last line: are the facts of all messages there, and sure? */
bool postcat_is_sure(const struct postcat *p);

#endif
