/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_BUNDLES_H
#define CRL_FETCHER_BUNDLES_H

/*
 * The files that hold all CRLs (and, before them, the authorities of
 * ca-list custom_file), for servers that read one file.  One is written
 * when a CRL changed, when it is not there, when it failed last time, or
 * when the authorities before it are not those of today.
 */

#include <stdbool.h>

#include "common/settings.h"
#include "common/strvec.h"
#include "publish.h"

struct bundles {
	const struct settings *settings;
	const struct publish *publish;
	bool crls_changed;
	struct strvec *failed; /* paths; of the last round, then of this */
};

/*
 * Those of the settings.  False: one failed; that is logged, and told in
 * lines when it did not fail last time.
 */
bool bundles_write(const struct bundles *b, bool *written,
    struct strvec *lines) __attribute__((warn_unused_result));

#endif
