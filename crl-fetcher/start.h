/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_START_H
#define CRL_FETCHER_START_H

/*
 * What comes before a round when root starts it: directories with the
 * right owner, the process that runs reload commands, and then no root.
 */

#include "common/error.h"
#include "common/settings.h"
#include "round.h"

/* A sysexits(3) code.  As root this may return in a child (hooks.h). */
int start_round(const struct settings *s, const struct round_options *o);

/* Becomes the user of crl-fetcher when root; for commands that only look. */
bool start_drop(const struct settings *s, struct error *err)
    __attribute__((warn_unused_result));

#endif
