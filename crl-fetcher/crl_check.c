/* SPDX-License-Identifier: BSD-2-Clause */
#include "crl_check.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "common/clock.h"
#include "common/x509_facts.h"
#include "crl_signature.h"

#define CANDIDATES_MAX 32 /* issuers of one name that are tried */
#define DATE_SIZE 21

/* ---- form ---- */

static bool
check_form(const struct crl_walk *w, bool delta, struct error *err)
{
	char oid[80] = "?";
	ASN1_OBJECT *object;
	const unsigned char *p;

	if (w->critical.n > 0) {
		p = w->critical.p;
		object = d2i_ASN1_OBJECT(NULL, &p, (long)w->critical.n);
		if (object != NULL)
			OBJ_obj2txt(oid, sizeof(oid), object, 1);
		ASN1_OBJECT_free(object);
		ERR_clear_error();
		return error_perm(err, "its critical extension %s is not "
		    "known (RFC 5280 5.2)", oid);
	}
	if (w->has_critical_entry)
		return error_perm(err, "an entry has a critical extension "
		    "that is not known (RFC 5280 5.3)");
	if (w->indirect || w->has_entry_issuer)
		return error_perm(err, "it is an indirect CRL, which lists "
		    "other issuers' certificates (RFC 5280 5.2.5)");
	if (w->user_only + w->ca_only + w->attribute_only > 1)
		return error_perm(err, "its issuingDistributionPoint says two "
		    "things at once (RFC 5280 5.2.5)");
	if (!w->has_next_update)
		return error_perm(err, "it has no nextUpdate "
		    "(RFC 5280 5.1.2.5)");
	if (delta && w->base_number.n == 0)
		return error_perm(err, "it is a full CRL where a delta CRL is "
		    "expected (delta_url)");
	if (!delta && w->base_number.n > 0)
		return error_perm(err, "it is a delta CRL where a full one is "
		    "expected; its URL belongs in delta_url");
	if (delta && w->number.n == 0)
		return error_perm(err, "it is a delta CRL without CRLNumber "
		    "(RFC 5280 5.2.3)");
	return true;
}

/* ---- dates ---- */

static bool
check_dates(const struct crl_check *c, struct error *err)
{
	const struct crl_walk *w = c->crl;
	char date[DATE_SIZE];

	if (w->next_update <= w->this_update)
		return error_perm(err, "its nextUpdate is not after its "
		    "thisUpdate");
	if (w->this_update > c->now + c->skew) {
		clock_format((time_t)w->this_update, date, sizeof(date));
		return error_perm(err, "it is not valid before %s (thisUpdate)",
		    date);
	}
	if (w->next_update < c->now - c->skew) {
		clock_format((time_t)w->next_update, date, sizeof(date));
		return error_perm(err, "it expired at %s (nextUpdate)", date);
	}
	return true;
}

/* ---- issuer ---- */

/* The first reason why a certificate of the right name will not do. */
static const char *
misfit(X509 *cert, const struct crl_check *c,
    const struct crl_algorithm *algorithm)
{
	const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(cert);
	const struct crl_walk *w = c->crl;
	time_t late = (time_t)(c->now - c->skew),
	       early = (time_t)(c->now + c->skew);

	if (X509_get_extension_flags(cert) & EXFLAG_INVALID)
		return "the issuer's certificate is malformed";
	if (w->key_id.n > 0 && id != NULL &&
	    (w->key_id.n != (size_t)ASN1_STRING_length(id) ||
		memcmp(w->key_id.p, ASN1_STRING_get0_data(id), w->key_id.n) !=
		    0))
		return "it was signed with another key of its issuer than "
		       "those in the CA lists (authorityKeyIdentifier)";
	if (!(X509_get_key_usage(cert) & X509v3_KU_CRL_SIGN))
		return "its issuer's keyUsage is without cRLSign "
		       "(RFC 5280 6.3.3 f)";
	if (X509_cmp_time(X509_get0_notAfter(cert), &late) < 0)
		return "its issuer's certificate has expired";
	if (X509_cmp_time(X509_get0_notBefore(cert), &early) > 0)
		return "its issuer's certificate is not valid yet";
	if (!crl_signature_holds(w, algorithm, X509_get0_pubkey(cert)))
		return "its signature does not hold";
	return NULL;
}

static X509_NAME *
parse_issuer(const struct crl_walk *w)
{
	const unsigned char *p = w->issuer.p;
	X509_NAME *name = d2i_X509_NAME(NULL, &p, (long)w->issuer.n);

	ERR_clear_error();
	return name;
}

static bool
find_issuer(const struct crl_check *c, const X509_NAME *name, X509 **issuer,
    struct error *err)
{
	struct crl_algorithm algorithm;
	const char *why = NULL, *one;
	char *text;
	int tried = 0;

	if (!crl_signature_algorithm(c->crl, &algorithm, err))
		return false;
	for (int i = 0; i < sk_X509_num(c->issuers); i++) {
		X509 *cert = sk_X509_value(c->issuers, i);

		if (X509_NAME_cmp(X509_get_subject_name(cert), name) != 0)
			continue;
		if (++tried > CANDIDATES_MAX)
			break;
		one = misfit(cert, c, &algorithm);
		if (one == NULL) {
			*issuer = cert;
			return true;
		}
		if (why == NULL)
			why = one;
	}
	if (why != NULL)
		return error_perm(err, "%s", why);
	text = x509_name_text(name);
	error_perm(err, "its issuer %.200s is not in the CA lists; add its "
	    "certificate to ca-list custom_file, or name it with issuer",
	    text);
	free(text);
	return false;
}

static bool
check_issuer(const struct crl_check *c, X509 **issuer, struct error *err)
{
	X509_NAME *name = parse_issuer(c->crl);
	bool ok = name == NULL ? error_perm(err, "its issuer is malformed")
			       : find_issuer(c, name, issuer, err);

	X509_NAME_free(name);
	return ok;
}

enum crl_refusal
crl_check(const struct crl_check *c, X509 **issuer, struct error *err)
{
	*issuer = NULL;
	if (!check_form(c->crl, false, err))
		return CRL_REFUSED_FORM;
	if (!check_issuer(c, issuer, err))
		return CRL_REFUSED_ISSUER;
	return check_dates(c, err) ? CRL_REFUSED_NOT : CRL_REFUSED_DATE;
}

enum crl_refusal
crl_check_newer(const struct crl_check *c, const struct crl_held *held,
    struct error *err)
{
	const struct crl_walk *w = c->crl;
	int order;

	if (c->force || der_equal(c->digest, &held->digest))
		return CRL_REFUSED_NOT;
	order = crl_walk_compare(&w->number, &held->number);
	if (order < 0)
		error_perm(err, "rollback: its CRLNumber is below that of the "
		    "CRL we hold; --force takes it");
	else if (w->this_update < held->this_update)
		error_perm(err, "rollback: its thisUpdate is before that of "
		    "the CRL we hold; --force takes it");
	else if (order == 0 && (w->number.n > 0 ||
				   w->this_update == held->this_update))
		error_perm(err, "rollback: it has the %s of the CRL we hold, "
		    "and other content; --force takes it",
		    w->number.n > 0 ? "CRLNumber" : "thisUpdate");
	else
		return CRL_REFUSED_NOT;
	return CRL_REFUSED_ROLLBACK;
}

bool
crl_check_same_scope(const struct crl_walk *a, const struct crl_walk *b)
{
	return der_equal(&a->full_names, &b->full_names) &&
	       der_equal(&a->relative_name, &b->relative_name) &&
	       a->user_only == b->user_only && a->ca_only == b->ca_only &&
	       a->attribute_only == b->attribute_only &&
	       a->indirect == b->indirect && a->reasons == b->reasons;
}

/* RFC 5280 5.2.4: same issuer, key and scope; not before its base. */
static enum crl_refusal
check_base(const struct crl_walk *w, const struct crl_walk *base,
    struct error *err)
{
	if (!der_equal(&w->issuer, &base->issuer) ||
	    !der_equal(&w->key_id, &base->key_id) ||
	    !crl_check_same_scope(w, base)) {
		error_perm(err, "it is a delta CRL of another issuer, key or "
		    "scope than the CRL it came for (RFC 5280 5.2.4)");
		return CRL_REFUSED_SCOPE;
	}
	if (crl_walk_compare(&base->number, &w->base_number) < 0) {
		error_perm(err, "it is a delta CRL for a newer CRL than the "
		    "one we hold (BaseCRLNumber)");
		return CRL_REFUSED_SCOPE;
	}
	return CRL_REFUSED_NOT;
}

enum crl_refusal
crl_check_delta(const struct crl_check *c, const struct crl_walk *base,
    X509 **issuer, struct error *err)
{
	enum crl_refusal refusal;

	*issuer = NULL;
	if (!check_form(c->crl, true, err))
		return CRL_REFUSED_FORM;
	refusal = check_base(c->crl, base, err);
	if (refusal != CRL_REFUSED_NOT)
		return refusal;
	if (!check_issuer(c, issuer, err))
		return CRL_REFUSED_ISSUER;
	return check_dates(c, err) ? CRL_REFUSED_NOT : CRL_REFUSED_DATE;
}
