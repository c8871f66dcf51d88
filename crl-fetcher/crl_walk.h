/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_CRL_WALK_H
#define CRL_FETCHER_CRL_WALK_H

/*
 * Finds what matters in a CertificateList (RFC 5280 5.1) without taking it
 * apart: parts are borrowed where they lie, entries are walked one by one.
 * 290,000 of them cost some milliseconds and no memory.
 *
 * The bytes are a stranger's.  What is not DER, or not a CRL, is PERM with
 * the section of RFC 5280 in its reason.  What is well-formed is told, not
 * judged: see crl_check.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/der.h"
#include "common/error.h"

struct crl_walk {
	struct der whole;
	struct der tbs;		  /* with its tag: what is signed */
	struct der algorithm;	  /* AlgorithmIdentifier, whole */
	struct der tbs_algorithm; /* the one inside tbs */
	struct der signature;	  /* octets of the BIT STRING */

	struct der issuer; /* Name, whole */
	int64_t this_update, next_update;
	bool has_next_update;

	struct der entries; /* contents of revokedCertificates; may be empty */
	size_t count;
	size_t serial_width;	 /* octets of the longest serial number */
	bool has_critical_entry; /* an entry has a critical extension we do
				    not know */
	bool has_entry_issuer;	 /* an entry has certificateIssuer */

	/* Extensions; n is 0 for those that are not there. */
	struct der key_id;	/* of authorityKeyIdentifier */
	struct der number;	/* CRLNumber, contents, shortest form */
	struct der base_number; /* BaseCRLNumber: this is a delta CRL */
	struct der freshest;	/* freshestCRL, its value */
	struct der critical;	/* OID, whole, of one we do not know */

	/* issuingDistributionPoint, RFC 5280 5.2.5. */
	struct der idp; /* its value, whole */
	struct der full_names;	  /* GeneralNames of its fullName */
	struct der relative_name; /* contents of its relative name */
	bool user_only, ca_only, attribute_only, indirect;
	unsigned reasons; /* as CRL_INDEX_REASONS_ALL; all without the field */
};

/* One entry; removeFromCRL and the like as they stand. */
struct crl_walk_entry {
	struct der serial; /* contents, shortest form */
	int64_t date;
	unsigned reason;
};

bool crl_walk(const uint8_t *p, size_t n, struct crl_walk *w,
    struct error *err) __attribute__((warn_unused_result));

/* Takes the next entry off in, which starts as w->entries. */
bool crl_walk_next(struct der *in, struct crl_walk_entry *entry);

/*
 * Order of two numbers of CRLs (contents, shortest form, not negative):
 * below, above or 0.  One that is not there (n 0) is below all.
 */
int crl_walk_compare(const struct der *a, const struct der *b);

#endif
