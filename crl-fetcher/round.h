/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_ROUND_H
#define CRL_FETCHER_ROUND_H

/*
 * One round: every source that is due, several at a time; then bundles,
 * reload commands, what the administrator must hear, the state.  There is
 * one round at a time: a second one ends at once and says nothing.
 *
 * Standard error gets lines only when the condition of a source changed for
 * the worse, so that cron mails only then; the same goes out as one alert.
 */

#include <stdbool.h>

#include "common/error.h"
#include "common/settings.h"
#include "common/strvec.h"
#include "hooks.h"

struct round_options {
	bool all;   /* also those that are not due */
	bool force; /* without validators; takes older CRLs, other scopes */
	bool verbose;
	bool progress;	     /* on standard error */
	struct strvec names; /* of sources; empty: all */
};

/* A sysexits(3) code: EX_OK, EX_TEMPFAIL, EX_IOERR, EX_CONFIG, EX_USAGE. */
int round_run(const struct settings *s, const struct round_options *o,
    struct hooks *hooks);

#endif
