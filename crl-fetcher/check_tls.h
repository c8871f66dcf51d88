/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_CHECK_TLS_H
#define CRL_FETCHER_CHECK_TLS_H

/*
 * Is revocation enforced inside Postfix, and has Postfix TLS at all?  For
 * `postseal check`.  Before root is given up: Postfix reads its OpenSSL
 * configuration as root, too.
 */

#include <jansson.h>

#include "common/settings.h"

/* Adds one finding: severity is ok, warning or critical. */
void check_tell(json_t *findings, const char *id, const char *severity,
    const char *text, const char *fix);

/* wanted: are there sources of lists at all? */
void check_tls(const struct settings *s, bool wanted, json_t *findings);

#endif
