/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_WRITEBACK_H
#define MILTER_SMIME_WRITEBACK_H

/*
 * Carries an outcome out over the milter protocol, in the one order that
 * is safe with Postfix: header edits first, then the whole body without
 * anything in between (mixing gives 451).
 */

#include <libmilter/mfapi.h>

#include "outcome.h"

/* The answer to end of message; SMFIS_TEMPFAIL when a call fails. */
sfsistat writeback(SMFICTX *ctx, const struct outcome *o,
    const struct message *m);

#endif
