/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_CHECK_POSTFIX_H
#define MILTER_SMIME_CHECK_POSTFIX_H

/*
 * Does Postfix use the milter as its settings need it?  For
 * `postseal check`.
 */

#include <jansson.h>

#include "common/settings.h"

/* Adds one finding: severity is ok, warning or critical. */
void check_tell(json_t *findings, const char *id, const char *severity,
    const char *text, const char *fix);

/* Asks postconf(1) and the re-injection listeners. */
void check_postfix(const struct settings *s, json_t *findings);

#endif
