/* SPDX-License-Identifier: BSD-2-Clause */
#include "trust.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/x509_facts.h"

#define CAS_MAX 16 /* between the signer and the trust anchor */
#define CHAIN_MAX (CAS_MAX + 2)
#define POINTS_MAX 16 /* distribution points looked at */

/* What became of building and checking the path. */
struct path {
	STACK_OF(X509) * chain; /* as far as it could be built; or NULL */
	bool anchored;          /* its last certificate is in the CA lists */
	bool forged;            /* a signature in it does not hold */
	bool all_unknown;       /* every error: an algorithm we do not know */
	int error;              /* the first; X509_V_OK when all holds */
	int depth;
	X509 *cert; /* where; counted */
	enum trust_purpose purpose;
};

/* What became of each certificate of the path, by depth. */
struct revocation {
	enum check_result status[CHAIN_MAX];
	int error[CHAIN_MAX]; /* why UNKNOWN */
	/* Not its issuer's: what it lists at this depth does not count. */
	const X509_CRL *distrusted;
	int distrusted_depth;
};

/* The CRLs of one check. */
struct crl_lists {
	STACK_OF(X509_CRL) * held; /* those of the administrator */
	STACK_OF(X509_CRL) * all;  /* and those of the message that count */
	STACK_OF(X509) * certs;    /* to find CRL issuers in; borrowed */
};

static void __attribute__((format(printf, 2, 3)))
say(struct trust_result *res, const char *fmt, ...)
{
	va_list ap;

	if (res->reason[0] != '\0')
		return; /* the first is the one to tell */
	va_start(ap, fmt);
	vsnprintf(res->reason, sizeof(res->reason), fmt, ap);
	va_end(ap);
}

/* ---- what the certificate itself says ---- */

/* Mission row S8: here keyUsage must be there. */
static const char *
encryption_problem(X509 *cert)
{
	bool has = (X509_get_extension_flags(cert) & EXFLAG_KUSAGE) != 0;
	uint32_t usage = has ? X509_get_key_usage(cert) : 0;
	const EVP_PKEY *key = X509_get0_pubkey(cert);
	bool rsa = key != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;

	if (!has)
		return "it has no keyUsage";
	if (rsa && (usage & KU_KEY_ENCIPHERMENT) == 0)
		return "keyUsage lacks keyEncipherment";
	if (!rsa && (usage & KU_KEY_AGREEMENT) == 0)
		return "keyUsage lacks keyAgreement";
	return NULL;
}

/*
 * RFC 8550 4.4.2 and 4.4.4; NULL when the certificate may be used on mail
 * for this purpose.
 */
static const char *
usage_problem(X509 *cert, enum trust_purpose purpose)
{
	uint32_t usage = X509_get_key_usage(cert);
	uint32_t extended = X509_get_extended_key_usage(cert);
	const char *problem;

	if (purpose == TRUST_RECIPIENT) {
		problem = encryption_problem(cert);
		if (problem != NULL)
			return problem;
	} else if ((usage & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) == 0)
		return "keyUsage has neither digitalSignature nor "
		       "nonRepudiation (RFC 8550 4.4.2)";
	if ((extended & (XKU_SMIME | XKU_ANYEKU)) == 0)
		return "extendedKeyUsage has neither emailProtection nor "
		       "anyExtendedKeyUsage (RFC 8550 4.4.4)";
	return NULL;
}

/* OpenSSL's purpose does not know anyExtendedKeyUsage. */
static bool
may_be_here(X509 *cert, int depth, enum trust_purpose purpose)
{
	if (cert == NULL)
		return false;
	if (depth == 0)
		return usage_problem(cert, purpose) == NULL;
	return X509_check_ca(cert) > 0 &&
	       (X509_get_extended_key_usage(cert) & XKU_ANYEKU) != 0;
}

static bool
algorithm_is_unknown(const X509 *cert)
{
	return cert != NULL &&
	       (OBJ_find_sigid_algs(X509_get_signature_nid(cert), NULL, NULL) !=
		       1 ||
		   X509_get0_pubkey(cert) == NULL);
}

static void
say_date(struct trust_result *res, const char *what, const ASN1_TIME *t)
{
	char date[32] = "at no date";
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) == 1)
		strftime(date, sizeof(date), "%Y-%m-%d", &tm);
	say(res, "%s %s", what, date);
}

/* A certificate by itself: its dates and what it may be used for. */
static bool
check_itself(const struct trust_request *req, struct trust_result *res)
{
	X509 *cert = req->cert;
	time_t at = req->at;
	const char *problem = usage_problem(cert, req->purpose);

	if (X509_cmp_time(X509_get0_notAfter(cert), &at) <= 0)
		say_date(res, "certificate expired", X509_get0_notAfter(cert));
	else if (X509_cmp_time(X509_get0_notBefore(cert), &at) >= 0)
		say_date(res, "certificate not valid before",
		    X509_get0_notBefore(cert));
	else if (problem != NULL)
		say(res, "certificate not for mail: %s", problem);
	else
		return true;
	return false;
}

/* ---- the path ---- */

static void
set_rules(
    X509_STORE_CTX *ctx, const struct trust_request *req, unsigned long flags)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);

	/*
	 * Whoever is in the CA lists is a trust anchor (RFC 5280 6.1.1 d),
	 * self-signed or not.
	 */
	X509_VERIFY_PARAM_set_flags(param, flags | X509_V_FLAG_PARTIAL_CHAIN);
	X509_VERIFY_PARAM_set_time(param, req->at);
	X509_VERIFY_PARAM_set_depth(param, CAS_MAX);
	X509_STORE_CTX_set_purpose(ctx, req->purpose == TRUST_RECIPIENT ?
	    X509_PURPOSE_SMIME_ENCRYPT : X509_PURPOSE_SMIME_SIGN);
	X509_STORE_CTX_set_trust(ctx, X509_TRUST_EMAIL);
}

/*
 * OpenSSL does not even see the issuer of a certificate whose signature
 * algorithm it does not know.
 */
static bool
is_about_algorithm(int error, const X509 *cert)
{
	switch (error) {
	case X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY:
		return true;
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return algorithm_is_unknown(cert);
	default:
		return false;
	}
}

/*
 * Goes on after every error, so that the chain is built and looked at as
 * far as it goes.
 */
static int
path_error(int ok, X509_STORE_CTX *ctx)
{
	struct path *path = X509_STORE_CTX_get_app_data(ctx);
	int error = X509_STORE_CTX_get_error(ctx);
	int depth = X509_STORE_CTX_get_error_depth(ctx);
	X509 *cert = X509_STORE_CTX_get_current_cert(ctx);

	if (ok)
		return 1;
	if (error == X509_V_ERR_INVALID_PURPOSE && may_be_here(cert, depth, path->purpose))
		return 1;
	if (error == X509_V_ERR_CERT_SIGNATURE_FAILURE)
		path->forged = true;
	if (!is_about_algorithm(error, cert))
		path->all_unknown = false;
	if (path->error == X509_V_OK) {
		path->error = error;
		path->depth = depth;
		path->cert = cert;
		if (cert != NULL)
			X509_up_ref(cert);
	}
	return error != X509_V_ERR_OUT_OF_MEM &&
	       error != X509_V_ERR_UNSPECIFIED;
}

/*
 * Policy constraints in certificates count, though we have no policy of our
 * own: the initial set is anyPolicy (RFC 5280 6.1.1 c).
 */
static void
set_policies(X509_STORE_CTX *ctx)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);

	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_POLICY_CHECK);
	X509_VERIFY_PARAM_add0_policy(param, OBJ_nid2obj(NID_any_policy));
}

static void
build_path(const struct ca_snapshot *ca, const struct trust_request *req,
    struct path *path)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	memset(path, 0, sizeof(*path));
	path->all_unknown = true;
	path->purpose = req->purpose;
	path->error = X509_V_OK;
	if (ctx == NULL || X509_STORE_CTX_init(ctx, ca->store, req->cert,
			       req->untrusted) != 1) {
		path->error = X509_V_ERR_OUT_OF_MEM;
		goto out;
	}
	set_rules(ctx, req, 0);
	set_policies(ctx);
	X509_STORE_CTX_set_app_data(ctx, path);
	X509_STORE_CTX_set_verify_cb(ctx, path_error);
	if (X509_verify_cert(ctx) != 1 && path->error == X509_V_OK) {
		path->error = X509_STORE_CTX_get_error(ctx);
		if (path->error == X509_V_OK)
			path->error = X509_V_ERR_UNSPECIFIED;
		path->all_unknown = false;
	}
	path->chain = X509_STORE_CTX_get1_chain(ctx);
	path->anchored =
	    path->chain != NULL &&
	    X509_STORE_CTX_get_num_untrusted(ctx) < sk_X509_num(path->chain);
out:
	X509_STORE_CTX_free(ctx);
}

static void
path_clear(struct path *path)
{
	sk_X509_pop_free(path->chain, X509_free);
	X509_free(path->cert);
}

static bool
is_ours(int error)
{
	return error == X509_V_ERR_OUT_OF_MEM ||
	       error == X509_V_ERR_STORE_LOOKUP ||
	       error == X509_V_ERR_INVALID_CALL;
}

/* The name to tell: the missing issuer, or the one at fault. */
static char *
name_at_fault(const struct path *path)
{
	if (path->cert == NULL)
		return mem_strdup("");
	if (!path->all_unknown &&
	    (path->error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
		path->error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT))
		return x509_name_text(X509_get_issuer_name(path->cert));
	return x509_name_text(X509_get_subject_name(path->cert));
}

static void
say_path_error(const struct path *path, struct trust_result *res)
{
	const char *what = path->all_unknown
			       ? "certificate with an unknown algorithm"
			       : X509_verify_cert_error_string(path->error);
	char *name = name_at_fault(path);

	if (name[0] == '\0')
		say(res, "%s", what);
	else if (path->depth == 0)
		say(res, "%s: %s", what, name);
	else
		say(res, "%s: %.150s (CA at depth %d)", what, name,
		    path->depth);
	free(name);
}

/* What is wrong with the path, in the words of the rule that was broken. */
static void
explain_path(const struct path *path, const struct trust_request *req,
    struct trust_result *res)
{
	X509 *cert = path->cert;

	if (path->depth == 0 && !check_itself(req, res))
		return;
	if (cert != NULL && path->error == X509_V_ERR_CERT_HAS_EXPIRED) {
		char *text = x509_name_text(X509_get_subject_name(cert));
		struct trust_result date = {.reason = ""};

		say_date(
		    &date, "CA certificate expired", X509_get0_notAfter(cert));
		say(res, "%.40s: %.200s", date.reason, text);
		free(text);
		return;
	}
	say_path_error(path, res);
}

/* ---- CRLs ---- */

static void
add_crl(STACK_OF(X509_CRL) * list, X509_CRL *crl)
{
	for (int i = 0; i < sk_X509_CRL_num(list); i++)
		if (sk_X509_CRL_value(list, i) == crl)
			return;
	if (sk_X509_CRL_push(list, crl) > 0)
		X509_CRL_up_ref(crl);
}

static void
add_held(
    X509_STORE_CTX *ctx, const X509_NAME *issuer, STACK_OF(X509_CRL) * list)
{
	STACK_OF(X509_CRL) *found = X509_STORE_CTX_get1_crls(ctx, issuer);

	for (int i = 0; i < sk_X509_CRL_num(found); i++)
		add_crl(list, sk_X509_CRL_value(found, i));
	sk_X509_CRL_pop_free(found, X509_CRL_free);
}

/* RFC 5280 4.2.1.13: who else issues the CRLs for this certificate. */
static void
add_held_indirect(X509_STORE_CTX *ctx, X509 *cert, STACK_OF(X509_CRL) * list)
{
	CRL_DIST_POINTS *points =
	    X509_get_ext_d2i(cert, NID_crl_distribution_points, NULL, NULL);

	for (int i = 0; i < sk_DIST_POINT_num(points) && i < POINTS_MAX; i++) {
		GENERAL_NAMES *names =
		    sk_DIST_POINT_value(points, i)->CRLissuer;

		for (int k = 0;
		     k < sk_GENERAL_NAME_num(names) && k < POINTS_MAX; k++) {
			GENERAL_NAME *name = sk_GENERAL_NAME_value(names, k);

			if (name->type == GEN_DIRNAME)
				add_held(ctx, name->d.directoryName, list);
		}
	}
	CRL_DIST_POINTS_free(points);
}

static bool
has_extension(X509_CRL *crl, int nid)
{
	return X509_CRL_get_ext_by_NID(crl, nid, -1) >= 0;
}

/* Is the extension there in both with the same value, or in neither? */
static bool
same_extension(X509_CRL *a, X509_CRL *b, int nid)
{
	int ia = X509_CRL_get_ext_by_NID(a, nid, -1);
	int ib = X509_CRL_get_ext_by_NID(b, nid, -1);

	if (ia < 0 || ib < 0)
		return ia < 0 && ib < 0;
	return ASN1_OCTET_STRING_cmp(
		   X509_EXTENSION_get_data(X509_CRL_get_ext(a, ia)),
		   X509_EXTENSION_get_data(X509_CRL_get_ext(b, ib))) == 0;
}

/* Numbers are comparable within one issuer and scope (RFC 5280 5.2.3). */
static bool
same_series(X509_CRL *a, X509_CRL *b)
{
	return X509_NAME_cmp(X509_CRL_get_issuer(a), X509_CRL_get_issuer(b)) ==
		   0 &&
	       same_extension(a, b, NID_issuing_distribution_point) &&
	       has_extension(a, NID_delta_crl) ==
		   has_extension(b, NID_delta_crl);
}

static bool
is_older(X509_CRL *a, X509_CRL *b)
{
	ASN1_INTEGER *na = X509_CRL_get_ext_d2i(a, NID_crl_number, NULL, NULL);
	ASN1_INTEGER *nb = X509_CRL_get_ext_d2i(b, NID_crl_number, NULL, NULL);
	int day = 0, second = 0, order = 0;

	if (na != NULL && nb != NULL)
		order = ASN1_INTEGER_cmp(na, nb);
	if (order == 0 &&
	    ASN1_TIME_diff(&day, &second, X509_CRL_get0_lastUpdate(b),
		X509_CRL_get0_lastUpdate(a)) == 1)
		order = day != 0 ? day : second;
	ASN1_INTEGER_free(na);
	ASN1_INTEGER_free(nb);
	return order < 0;
}

static bool
is_signed_by_one_of(X509_CRL *crl, STACK_OF(X509) * certs)
{
	for (int i = 0; i < sk_X509_num(certs); i++) {
		X509 *cert = sk_X509_value(certs, i);
		EVP_PKEY *key;

		if (X509_NAME_cmp(X509_get_subject_name(cert),
			X509_CRL_get_issuer(crl)) != 0)
			continue;
		key = X509_get0_pubkey(cert);
		if (key != NULL && X509_CRL_verify(crl, key) == 1)
			return true;
	}
	return false;
}

/*
 * May a CRL of the message be looked at?  OpenSSL takes the newest, and
 * looks at its signature last: one that is nobody's would hide a real one.
 * One without an end could be sent forever.  A delta CRL without a number
 * has crashed OpenSSL (CVE-2026-28388).
 */
static bool
is_usable(X509_CRL *crl, STACK_OF(X509) * certs, STACK_OF(X509_CRL) * held)
{
	if (X509_CRL_get0_nextUpdate(crl) == NULL)
		return false;
	if (has_extension(crl, NID_delta_crl) &&
	    !has_extension(crl, NID_crl_number))
		return false;
	for (int i = 0; i < sk_X509_CRL_num(held); i++) {
		X509_CRL *ours = sk_X509_CRL_value(held, i);

		if (same_series(crl, ours) && is_older(crl, ours))
			return false;
	}
	return is_signed_by_one_of(crl, certs);
}

static void
add_all(STACK_OF(X509) * to, STACK_OF(X509) * from)
{
	for (int i = 0; i < sk_X509_num(from); i++)
		X509_add_cert(to, sk_X509_value(from, i),
		    X509_ADD_FLAG_UP_REF | X509_ADD_FLAG_NO_DUP);
}

static void
crl_lists_fill(struct crl_lists *l, X509_STORE_CTX *ctx,
    const struct trust_request *req, const struct path *path)
{
	l->held = sk_X509_CRL_new_null();
	l->all = sk_X509_CRL_new_null();
	l->certs = sk_X509_new_null();
	add_all(l->certs, path->chain);
	add_all(l->certs, req->untrusted);
	for (int i = 0; i < sk_X509_num(path->chain); i++) {
		X509 *cert = sk_X509_value(path->chain, i);

		add_held(ctx, X509_get_issuer_name(cert), l->held);
		add_held_indirect(ctx, cert, l->held);
	}
	for (int i = 0; i < sk_X509_CRL_num(l->held); i++) {
		X509_CRL *crl = sk_X509_CRL_value(l->held, i);
		STACK_OF(X509) *issuers =
		    X509_STORE_CTX_get1_certs(ctx, X509_CRL_get_issuer(crl));

		add_all(l->certs, issuers);
		sk_X509_pop_free(issuers, X509_free);
		add_crl(l->all, crl);
	}
	for (int i = 0; i < sk_X509_CRL_num(req->crls); i++) {
		X509_CRL *crl = sk_X509_CRL_value(req->crls, i);

		if (is_usable(crl, l->certs, l->held))
			add_crl(l->all, crl);
	}
}

static void
crl_lists_clear(struct crl_lists *l)
{
	sk_X509_CRL_pop_free(l->held, X509_CRL_free);
	sk_X509_CRL_pop_free(l->all, X509_CRL_free);
	sk_X509_pop_free(l->certs, X509_free);
}

/* ---- revocation ---- */

/* How many certificates the chain has; more than CHAIN_MAX is no path. */
static int
depths(const struct path *path)
{
	int n = sk_X509_num(path->chain);

	return n < 0 ? 0 : n > CHAIN_MAX ? CHAIN_MAX : n;
}

static void
set_unknown(struct revocation *r, int depth, int error)
{
	if (r->status[depth] != CHECK_GOOD)
		return;
	r->status[depth] = CHECK_UNKNOWN;
	r->error[depth] = error;
}

/*
 * Inside the check of the path to a CRL's own issuer.  That nothing is
 * known about its revocation makes what its CRL says unknown; a CRL that
 * speaks about its own issuer (PKITS 4.14.30) is as good as it was before.
 */
static int
crl_path_error(struct revocation *r, int depth, int error)
{
	switch (error) {
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_CRL_NOT_YET_VALID:
		set_unknown(r, depth, error);
		return 1;
	case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
		return 1;
	default:
		return 0;
	}
}

static int
revocation_error(int ok, X509_STORE_CTX *ctx)
{
	X509_STORE_CTX *parent = X509_STORE_CTX_get0_parent_ctx(ctx);
	X509_STORE_CTX *top = parent == NULL ? ctx : parent;
	struct revocation *r = X509_STORE_CTX_get_app_data(top);
	int depth = X509_STORE_CTX_get_error_depth(top);
	int error = X509_STORE_CTX_get_error(ctx);
	const X509_CRL *crl = X509_STORE_CTX_get0_current_crl(ctx);

	if (ok)
		return 1;
	if (depth < 0 || depth >= CHAIN_MAX)
		return 0;
	if (parent != NULL)
		return crl_path_error(r, depth, error);
	switch (error) {
	case X509_V_ERR_CERT_REVOKED:
		if (r->distrusted != crl || r->distrusted_depth != depth)
			r->status[depth] = CHECK_BAD;
		break;
	case X509_V_ERR_CRL_SIGNATURE_FAILURE:
	case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
	case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
	case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
	case X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY:
		r->distrusted = crl;
		r->distrusted_depth = depth;
		/* FALLTHROUGH */
	default:
		set_unknown(r, depth, error);
	}
	return 1;
}

/*
 * One look at the whole chain with these CRLs, by the function with which
 * X509_verify_cert() would do it.  The store's own CRLs fill the gaps.
 */
static void
check_crls(const struct ca_snapshot *ca, const struct trust_request *req,
    const struct path *path, STACK_OF(X509_CRL) * crls, STACK_OF(X509) * certs,
    struct revocation *r)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int n = depths(path);

	memset(r, 0, sizeof(*r));
	for (int i = 0; i < n; i++)
		r->status[i] = CHECK_GOOD;
	if (ctx == NULL ||
	    X509_STORE_CTX_init(ctx, ca->store, req->cert, certs) != 1)
		goto out;
	X509_STORE_CTX_set0_verified_chain(ctx, X509_chain_up_ref(path->chain));
	X509_STORE_CTX_set0_crls(ctx, crls);
	set_rules(ctx, req,
	    X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL |
		X509_V_FLAG_EXTENDED_CRL_SUPPORT | X509_V_FLAG_USE_DELTAS);
	X509_STORE_CTX_set_app_data(ctx, r);
	X509_STORE_CTX_set_verify_cb(ctx, revocation_error);
	if (X509_STORE_CTX_get_check_revocation(ctx)(ctx) == 1) {
		X509_STORE_CTX_free(ctx);
		return;
	}
out:
	for (int i = 0; i < n; i++)
		set_unknown(r, i, X509_V_ERR_UNSPECIFIED);
	X509_STORE_CTX_free(ctx);
}

static bool
lists(X509_CRL *crl, X509 *cert)
{
	X509_REVOKED *entry = NULL;

	return X509_CRL_get0_by_cert(crl, &entry, cert) == 1;
}

/* Do both name their issuer's key, and another one? */
static bool
other_key(X509_CRL *crl, X509 *cert)
{
	AUTHORITY_KEYID *id =
	    X509_CRL_get_ext_d2i(crl, NID_authority_key_identifier, NULL, NULL);
	const ASN1_OCTET_STRING *mine = X509_get0_authority_key_id(cert);
	bool other = id != NULL && id->keyid != NULL && mine != NULL &&
		     ASN1_OCTET_STRING_cmp(id->keyid, mine) != 0;

	AUTHORITY_KEYID_free(id);
	return other;
}

/* A delta CRL that came after every full one of its issuer. */
static bool
is_new_delta(X509_CRL *crl, STACK_OF(X509_CRL) * crls)
{
	if (!has_extension(crl, NID_delta_crl))
		return false;
	for (int i = 0; i < sk_X509_CRL_num(crls); i++) {
		X509_CRL *full = sk_X509_CRL_value(crls, i);

		if (!has_extension(full, NID_delta_crl) &&
		    X509_NAME_cmp(X509_CRL_get_issuer(full),
			X509_CRL_get_issuer(crl)) == 0 &&
		    !is_older(full, crl))
			return false;
	}
	return true;
}

/*
 * Is the certificate simply listed by its issuer?  Where its status could
 * not be found out, any full CRL will do, expired or out of scope as it may
 * be; and delta CRLs count everywhere, as OpenSSL looks at them only where
 * freshestCRL (RFC 5280 5.2.6) says that there are some.
 */
static bool
is_listed(X509 *cert, EVP_PKEY *key, STACK_OF(X509_CRL) * crls, bool unknown)
{
	for (int i = 0; i < sk_X509_CRL_num(crls); i++) {
		X509_CRL *crl = sk_X509_CRL_value(crls, i);

		if (X509_NAME_cmp(X509_CRL_get_issuer(crl),
			X509_get_issuer_name(cert)) != 0 ||
		    other_key(crl, cert) || !lists(crl, cert))
			continue;
		if (has_extension(crl, NID_delta_crl) ? !is_new_delta(crl, crls)
						      : !unknown)
			continue;
		if (key == NULL || X509_CRL_verify(crl, key) == 1)
			return true;
	}
	return false;
}

/* What more CRLs tell: a revocation, or something where nothing was known. */
static void
merge(struct revocation *r, const struct revocation *more)
{
	for (int i = 0; i < CHAIN_MAX; i++) {
		if (more->status[i] == CHECK_BAD ||
		    r->status[i] == CHECK_UNKNOWN) {
			r->status[i] = more->status[i];
			r->error[i] = more->error[i];
		}
	}
}

/*
 * Without the issuer (a known certificate without chain) the CRLs we hold
 * are enough: they were checked when they came.
 */
static void
check_listed(
    const struct path *path, const struct crl_lists *l, struct revocation *r)
{
	int n = depths(path);

	for (int i = 0; i < n; i++) {
		EVP_PKEY *key =
		    path->forged || i + 1 == n
			? NULL
			: X509_get0_pubkey(sk_X509_value(path->chain, i + 1));

		if ((i + 1 < n || !path->anchored) &&
		    is_listed(sk_X509_value(path->chain, i), key,
			key == NULL ? l->held : l->all,
			r->status[i] == CHECK_UNKNOWN))
			r->status[i] = CHECK_BAD;
	}
}

static void
look_up(const struct ca_snapshot *ca, const struct trust_request *req,
    const struct path *path, struct revocation *r)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	struct crl_lists l = {.held = NULL};
	struct revocation more;
	int n = depths(path);

	memset(r, 0, sizeof(*r));
	for (int i = 0; i < n; i++)
		r->status[i] = CHECK_UNKNOWN;
	if (n == 0 || ctx == NULL ||
	    X509_STORE_CTX_init(ctx, ca->store, req->cert, NULL) != 1)
		goto out;
	crl_lists_fill(&l, ctx, req, path);
	if (!path->forged) {
		check_crls(ca, req, path, l.held, l.certs, r);
		if (sk_X509_CRL_num(l.all) > sk_X509_CRL_num(l.held)) {
			check_crls(ca, req, path, l.all, l.certs, &more);
			merge(r, &more);
		}
	}
	check_listed(path, &l, r);
out:
	crl_lists_clear(&l);
	X509_STORE_CTX_free(ctx);
}

static void
say_revoked(X509 *cert, int depth, struct trust_result *res)
{
	struct x509_facts *facts = x509_facts_new(cert);

	say(res, "%scertificate revoked (serial %.64s, issuer %s)",
	    depth > 0 ? "CA " : "", facts->serial, facts->issuer);
	x509_facts_free(facts);
}

/* Of all depths, the worst; where tells which. */
static enum check_result
sum_up(const struct path *path, const struct revocation *r, int *where)
{
	int n = depths(path);
	enum check_result sum = n == 0 ? CHECK_UNKNOWN : CHECK_GOOD;

	*where = 0;
	for (int i = 0; i < n; i++) {
		/* Nobody revokes a trust anchor, unless it says so itself. */
		bool anchor = path->anchored && i + 1 == n;

		if (r->status[i] == CHECK_BAD) {
			*where = i;
			return CHECK_BAD;
		}
		if (r->status[i] == CHECK_UNKNOWN && !anchor &&
		    sum == CHECK_GOOD) {
			*where = i;
			sum = CHECK_UNKNOWN;
		}
	}
	return sum;
}

/* by_ca: the chain counts, not that the certificate itself is known. */
static void
check_revocation(const struct ca_snapshot *ca, const struct trust_request *req,
    const struct path *path, bool by_ca, struct trust_result *res)
{
	struct revocation r;
	X509 *cert;
	char *issuer;
	int where;

	look_up(ca, req, path, &r);
	res->revocation = sum_up(path, &r, &where);
	cert = sk_X509_value(path->chain, where);
	if (res->revocation == CHECK_BAD) {
		say_revoked(cert, where, res);
	} else if (ca->crls_unreadable) {
		res->revocation = CHECK_UNKNOWN;
		res->temporary = res->chain == CHECK_GOOD;
		if (res->temporary)
			say(res, "the CRL directory cannot be read");
	} else if (res->revocation == CHECK_UNKNOWN &&
		   req->missing_crl_rejects && by_ca) {
		issuer = x509_name_text(
		    cert == NULL ? NULL : X509_get_issuer_name(cert));
		res->revocation = CHECK_BAD;
		say(res, "%s: issuer %s (missing_crl = reject)",
		    X509_verify_cert_error_string(r.error[where]), issuer);
		free(issuer);
	}
}

void
trust_check(const struct ca_snapshot *ca,
    const struct trust_request *req, struct trust_result *res)
{
	bool by_ca, known = req->known && req->rule != TRUST_CA;
	struct path path;

	assert(ca != NULL && req->cert != NULL);
	memset(res, 0, sizeof(*res));
	ERR_set_mark();
	build_path(ca, req, &path);
	by_ca = path.error == X509_V_OK && req->rule != TRUST_KNOWN;
	if (by_ca || (known && check_itself(req, res))) {
		res->chain = CHECK_GOOD;
	} else if (is_ours(path.error)) {
		res->chain = CHECK_UNKNOWN;
		res->temporary = true;
		say_path_error(&path, res);
	} else {
		res->chain = path.error != X509_V_OK && path.all_unknown
				 ? CHECK_UNKNOWN
				 : CHECK_BAD;
		if (req->rule == TRUST_KNOWN && !known)
			say(res, "certificate not among the known ones "
				 "(trust = known)");
		else
			explain_path(&path, req, res);
	}
	if (req->check_revocation)
		check_revocation(ca, req, &path, by_ca, res);
	path_clear(&path);
	ERR_pop_to_mark();
}
