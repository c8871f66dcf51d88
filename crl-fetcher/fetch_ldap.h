/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_FETCH_LDAP_H
#define CRL_FETCHER_FETCH_LDAP_H

/*
 * A CRL out of a directory (RFC 4516 URL, RFC 4523 attribute):
 * `ldap://HOST/DN?certificateRevocationList;binary`; without an attribute
 * that one is asked for.  Anonymous, no referrals, one entry, the first
 * value; within the times and the size of the limits, also against a
 * server that sends a byte a second.
 */

#include "common/error.h"
#include "common/fetch.h"

bool fetch_ldap(const struct fetch_limits *limits, const char *url,
    struct fetch_body *body, struct error *err)
    __attribute__((warn_unused_result));

/* Is it an ldap:// or ldaps:// URL with a host and a DN? */
bool fetch_ldap_check_url(const char *url, struct error *err)
    __attribute__((warn_unused_result));
bool fetch_ldap_is_url(const char *url);

#endif
