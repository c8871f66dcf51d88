/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_TRUST_H
#define MILTER_SMIME_TRUST_H

/*
 * Is somebody else's certificate good for what they used it for: chain
 * (RFC 5280, RFC 8550), validity, usage, revocation.  Pure but for the
 * clock given; certificates and CRLs are hostile, their number is bounded
 * by cms_walk.h.
 */

#include <time.h>

#include <openssl/x509.h>

#include "common/ca_list.h"
#include "verdict.h"

/* Setting `trust`: what makes a signer trusted. */
enum trust_rule { TRUST_CA_OR_KNOWN, TRUST_CA, TRUST_KNOWN };

enum trust_purpose { TRUST_SIGNER, TRUST_RECIPIENT };

struct trust_request {
	enum trust_purpose purpose;
	X509 *cert;
	STACK_OF(X509) *untrusted;    /* from the message; may be NULL */
	STACK_OF(X509_CRL) *crls;     /* from the message; may be NULL */
	time_t at;		      /* usually clock_now() */
	enum trust_rule rule;
	bool known;		      /* this very certificate was added by
					 the administrator */
	int64_t rsa_minimum;	      /* bits; fewer are weak */
	bool missing_crl_rejects;     /* crl-check: missing_crl */
	bool check_revocation;	      /* crl-check: smime */
};

struct trust_result {
	enum check_result chain;
	enum check_result revocation;
	bool temporary; /* CRL directory unreadable and the like */
	char weakness[128]; /* of the chain: a weak key or digest; or "" */
	char reason[256]; /* "" when chain and revocation let it pass */
};

/*
 * Checks a signer's certificate (keyUsage as RFC 8550 4.4.2), or a
 * recipient's (mission S8: keyUsage present, with keyEncipherment or, for
 * other keys than RSA, keyAgreement); extended key usage as RFC 8550
 * 4.4.4, anyExtendedKeyUsage counts.
 *
 * chain: GOOD when it ends in the CA lists and every certificate is valid
 * at `at`, or, where the rule allows, `known` holds and the certificate
 * itself is valid, usable and not revoked.
 *
 * revocation: BAD when a certificate of the chain is revoked by a CRL we
 * hold or by one from the message; GOOD when a current CRL was found for
 * every certificate below the trust anchor; else UNKNOWN, or BAD where
 * missing_crl_rejects (not for what is trusted only as known).  CRLs from
 * the message may add revocations or fill a gap, but one older than what
 * we hold for the same issuer (by CRLNumber, then thisUpdate) does not
 * count, and none ever outvotes a revocation we hold.  NONE when not
 * checked.  Extended CRL support and deltas are on.
 */
void trust_check(const struct ca_snapshot *ca,
    const struct trust_request *req, struct trust_result *res);

#endif
