/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_CONDITION_H
#define CRL_FETCHER_CONDITION_H

/*
 * How a source stands, in the words of an alert.  Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "state.h"

enum severity { SEVERITY_FINE, SEVERITY_WARNING, SEVERITY_CRITICAL };

struct condition {
	const char *name; /* "": fine; a word that stays the same */
	enum severity severity;
	char text[768];
};

/*
 * crl is the one of the source that ends first; NULL: it has none yet.
 * rollback: the last attempt found an older CRL.
 */
void condition_find(struct condition *c, const struct state_source *s,
    const struct state_crl *crl, bool rollback, int64_t now);

/* "WARNING", "CRITICAL", … */
const char *condition_severity(enum severity s);

#endif
