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
#include "revocation.h"

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

static struct revocation_query
query(const struct ca_snapshot *ca, const struct trust_request *req)
{
	return (struct revocation_query){
		.ca = ca,
		.cert = req->cert,
		.purpose = req->purpose == TRUST_RECIPIENT ?
		    X509_PURPOSE_SMIME_ENCRYPT : X509_PURPOSE_SMIME_SIGN,
		.at = req->at,
		.untrusted = req->untrusted,
		.crls = req->crls,
		.known = req->known,
	};
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
	if (error == X509_V_ERR_INVALID_PURPOSE &&
	    may_be_here(cert, depth, path->purpose))
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
	struct revocation_query q = query(ca, req);
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
	revocation_set_rules(ctx, &q, 0);
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

/* ---- strength ---- */

/*
 * Below the anchor, which is trusted as it stands: a chain is as strong as
 * its weakest key and digest.
 */
static void
check_strength(const struct path *path, const struct trust_request *req,
    struct trust_result *res)
{
	for (int i = 0; i + 1 < sk_X509_num(path->chain); i++) {
		X509 *cert = sk_X509_value(path->chain, i);
		const EVP_PKEY *key = X509_get0_pubkey(cert);
		int md = NID_undef;

		X509_get_signature_info(cert, &md, NULL, NULL, NULL);
		if (res->weakness[0] != '\0')
			return;
		if (md == NID_md5 || md == NID_sha1)
			snprintf(res->weakness, sizeof(res->weakness),
			    "weak certificate signature: %s (depth %d)",
			    OBJ_nid2sn(md), i);
		else if (i > 0 && key != NULL &&
		    EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
		    EVP_PKEY_get_bits(key) < req->rsa_minimum)
			snprintf(res->weakness, sizeof(res->weakness),
			    "weak CA key: RSA of %d bits (depth %d)",
			    EVP_PKEY_get_bits(key), i);
	}
}

/* ---- both ---- */

static void
say_revoked(X509 *cert, int depth, struct trust_result *res)
{
	struct x509_facts *facts = x509_facts_new(cert);

	say(res, "%scertificate revoked (serial %.64s, issuer %s)",
	    depth > 0 ? "CA " : "", facts->serial, facts->issuer);
	x509_facts_free(facts);
}

/* by_ca: the chain counts, not that the certificate itself is known. */
static void
check_revocation(const struct ca_snapshot *ca, const struct trust_request *req,
    const struct path *path, bool by_ca, struct trust_result *res)
{
	struct revocation_query q = query(ca, req);
	struct revocation_answer a = {0};
	char *issuer;

	q.chain = path->chain;
	q.anchored = path->anchored;
	q.forged = path->forged;
	revocation_check(&q, &a);
	res->revocation = a.result;
	if (res->revocation == CHECK_BAD) {
		say_revoked(a.cert, a.depth, res);
	} else if (ca->crls_unreadable) {
		res->revocation = CHECK_UNKNOWN;
		res->temporary = res->chain == CHECK_GOOD;
		if (res->temporary)
			say(res, "the CRL directory cannot be read");
	} else if (res->revocation == CHECK_UNKNOWN &&
		   req->missing_crl_rejects && by_ca) {
		issuer = x509_name_text(
		    a.cert == NULL ? NULL : X509_get_issuer_name(a.cert));
		res->revocation = CHECK_BAD;
		say(res, "%s: issuer %s (missing_crl = reject)",
		    X509_verify_cert_error_string(a.error), issuer);
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
	if (by_ca)
		check_strength(&path, req, res);
	if (req->check_revocation)
		check_revocation(ca, req, &path, by_ca, res);
	path_clear(&path);
	ERR_pop_to_mark();
}
