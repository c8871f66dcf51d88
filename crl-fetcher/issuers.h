/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_ISSUERS_H
#define CRL_FETCHER_ISSUERS_H

/*
 * Whom we trust to sign CRLs: the certificates of the CA lists, or those
 * of the file that a source names.  Separate certificates for CRL signing
 * (RFC 5280 4.2.1.3) stand there like any other.
 *
 * Only the name of each is read at first: a certificate costs a tenth of a
 * millisecond, and in most rounds none of hundreds is asked for.  One
 * thread at a time.
 */

#include <openssl/x509.h>

#include "common/der.h"
#include "common/error.h"
#include "common/settings.h"

struct issuers;

/* NULL on failure. */
struct issuers *issuers_load(const struct settings *s, struct error *err);
struct issuers *issuers_read(const char *path, struct error *err);
void issuers_free(struct issuers **list);

/*
 * The certificates with this subject (a Name, DER); all for NULL.  They
 * are the list's; sk_X509_free().
 */
STACK_OF(X509) *issuers_find(struct issuers *list, const struct der *name);

/* Is each of them a certificate in truth? */
bool issuers_check(struct issuers *list, struct error *err)
    __attribute__((warn_unused_result));

#endif
