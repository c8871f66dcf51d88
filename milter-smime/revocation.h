/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_REVOCATION_H
#define MILTER_SMIME_REVOCATION_H

/*
 * Is a certificate of a chain revoked (RFC 5280 6.3)?  By the CRLs we hold
 * and by those a message brought: these may add revocations or fill a gap;
 * one older than what we hold for the same issuer and scope does not
 * count, and none outvotes a revocation we hold.
 */

#include <stdbool.h>
#include <time.h>

#include <openssl/x509.h>

#include "common/ca_list.h"
#include "verdict.h"

#define REVOCATION_CAS_MAX 16 /* between a signer and its trust anchor */

/* All borrowed. */
struct revocation_query {
	const struct ca_snapshot *ca;
	X509 *cert;
	int purpose; /* X509_PURPOSE_… */
	time_t at;
	STACK_OF(X509) *untrusted; /* from the message; may be NULL */
	STACK_OF(X509_CRL) *crls;  /* from the message; may be NULL */
	STACK_OF(X509) *chain; /* as far as it could be built; or NULL */
	bool anchored;	       /* its last certificate is in the CA lists */
	bool forged;	       /* a signature in it does not hold */
	bool known;	       /* the administrator added the certificate */
};

struct revocation_answer {
	enum check_result result; /* the worst of all depths */
	int depth;		  /* where */
	int error;		  /* X509_V_ERR_…: why UNKNOWN */
	X509 *cert;		  /* there; borrowed from the chain */
};

void revocation_check(const struct revocation_query *q,
    struct revocation_answer *answer);

/* The rules of path validation that hold here and for the chain itself. */
void revocation_set_rules(X509_STORE_CTX *ctx,
    const struct revocation_query *q, unsigned long flags);

#endif
