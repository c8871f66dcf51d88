/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_FILTERS_H
#define MILTER_SMIME_FILTERS_H

/*
 * The filters of this gateway: the files that `filters` names, compiled,
 * and compiled again when one changes (common/snapshot.h: a broken new one
 * keeps the old and alerts).  Thread safe but for open and close.
 *
 * A filter that a mail policy names in its `filters` is that policy's: it
 * holds for its recipients only.  All others are message filters.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/settings.h"
#include "filter_set.h"

struct filter_program {
	struct filter_set set;
	bool *of_policy; /* set.v[i] is a policy's, so no message filter */
	bool protects;	  /* an active one may sign or encrypt */
	bool quarantines; /* an active one may quarantine */
	bool asks_recipients; /* an active one has a rule about them */
};

struct filters;

/*
 * NULL: a file cannot be read or compiled, or a policy names a filter that
 * there is not.  The default file may be absent; one that was written in
 * the settings may not.
 */
struct filters *filters_open(const struct settings *s, struct error *err);
void filters_close(struct filters **f);

const struct filter_program *filters_get(struct filters *f);
void filters_put(struct filters *f, const struct filter_program *program);

#endif
