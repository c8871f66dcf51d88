/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_HEADER_FACTS_H
#define MILTER_SMIME_HEADER_FACTS_H

/*
 * What a list of quarantined messages says of each: two fields of its
 * header, picked from its lines as they go by, so that a header of any
 * size costs little.  The bytes are other people's; of a field that is
 * there twice the topmost counts, which is where ours is.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "quarantine.h"

struct header_facts {
	struct buf quarantine; /* values as they stand, unfolded */
	struct buf subject;    /* the first of it */
	struct buf *open;      /* the field that lines belong to now */
	bool has_quarantine, has_subject;
	bool middle; /* the next bytes continue a line */
};

void header_facts_init(struct header_facts *f);
void header_facts_clear(struct header_facts *f);

/*
 * The next n bytes of a header line; `ends`: the last of it.  The first of
 * several parts has 32 bytes at least, to hold a name of ours.
 */
void header_facts_line(struct header_facts *f, const char *text, size_t n,
    bool ends);

/*
 * Is the message in a quarantine of ours?  True: q says which; clear it.
 * Its field must be readable and bear authserv_id.
 */
bool header_facts_quarantine(const struct header_facts *f,
    const char *authserv_id, struct quarantine *q);

/*
 * As people read it (header_text.h), one line of UTF-8; "" when there is
 * none, or it is too long to be shown.  free(3).
 */
char *header_facts_subject(const struct header_facts *f);

#endif
