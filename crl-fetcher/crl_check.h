/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_CRL_CHECK_H
#define CRL_FETCHER_CRL_CHECK_H

/*
 * May a CRL that came from somewhere take the place of the one we hold?
 * Pure: what it looks at is given.  A refusal is PERM with its reason, in
 * words that follow "CRL refused: ".
 */

#include <stdbool.h>
#include <stdint.h>

#include <openssl/x509.h>

#include "common/crl_index_file.h"
#include "common/error.h"
#include "crl_walk.h"

/* What an alert is raised about. */
enum crl_refusal {
	CRL_REFUSED_NOT,
	CRL_REFUSED_FORM,     /* an extension we cannot do, no nextUpdate … */
	CRL_REFUSED_ISSUER,   /* nobody we trust issued it */
	CRL_REFUSED_DATE,     /* expired, or not valid yet */
	CRL_REFUSED_ROLLBACK, /* older than the one we hold */
	CRL_REFUSED_SCOPE,    /* of other certificates than the one we hold */
};

/* All borrowed. */
struct crl_check {
	const struct crl_walk *crl;
	const struct der *digest; /* SHA-256 of its DER */
	STACK_OF(X509) *issuers;  /* whom we trust to issue CRLs */
	int64_t now, skew;	  /* seconds that clocks may differ */
	bool force;		  /* take an older one */
};

/* The CRL we hold of the same issuer, key and scope.  All borrowed. */
struct crl_held {
	struct der number;
	int64_t this_update;
	struct der digest; /* SHA-256 of its DER */
};

/*
 * A full CRL by itself: form, issuer, signature, dates.  *issuer (borrowed)
 * is the certificate that signed it; it is told for CRL_REFUSED_DATE, too.
 */
enum crl_refusal crl_check(const struct crl_check *c, X509 **issuer,
    struct error *err);

/* The same for a delta CRL (RFC 5280 5.2.4) to the full CRL base. */
enum crl_refusal crl_check_delta(const struct crl_check *c,
    const struct crl_walk *base, X509 **issuer, struct error *err);

/* Never back, by CRLNumber and thisUpdate; nor other content for the same. */
enum crl_refusal crl_check_newer(const struct crl_check *c,
    const struct crl_held *held, struct error *err);

/* Do both speak of the same certificates (RFC 5280 5.2.4 b)? */
bool crl_check_same_scope(const struct crl_walk *a, const struct crl_walk *b);

#endif
