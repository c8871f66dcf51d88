/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_ISSUERS_H
#define CRL_FETCHER_ISSUERS_H

/*
 * Whom we trust to sign CRLs: the certificates of the CA lists, or those
 * of the file that a source names.  Separate certificates for CRL signing
 * (RFC 5280 4.2.1.3) stand there like any other.
 */

#include <openssl/x509.h>

#include "common/error.h"
#include "common/settings.h"

/* sk_X509_pop_free() with X509_free. NULL on failure. */
STACK_OF(X509) *issuers_load(const struct settings *s, struct error *err);
STACK_OF(X509) *issuers_read(const char *path, struct error *err);

#endif
