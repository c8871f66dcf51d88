/* SPDX-License-Identifier: BSD-2-Clause */
#include "revocation.h"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <string.h>

#define CHAIN_MAX (REVOCATION_CAS_MAX + 2)
#define KEY_BITS_MAX 8192
#define VERIFICATIONS_MAX 64 /* of signatures on a message's CRLs */
#define POINTS_MAX 16 /* distribution points looked at */

/* What became of each certificate of the path, by depth. */
struct statuses {
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

void
revocation_set_rules(X509_STORE_CTX *ctx, const struct revocation_query *q,
    unsigned long flags)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);

	/*
	 * Whoever is in the CA lists is a trust anchor (RFC 5280 6.1.1 d),
	 * self-signed or not.
	 */
	X509_VERIFY_PARAM_set_flags(param, flags | X509_V_FLAG_PARTIAL_CHAIN);
	X509_VERIFY_PARAM_set_time(param, q->at);
	X509_VERIFY_PARAM_set_depth(param, REVOCATION_CAS_MAX);
	X509_STORE_CTX_set_purpose(ctx, q->purpose);
	X509_STORE_CTX_set_trust(ctx, X509_TRUST_EMAIL);
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

/* A stranger's CRLs and certificates must not cost us minutes. */
static bool
is_affordable(const EVP_PKEY *key, unsigned *budget)
{
	return key != NULL && EVP_PKEY_get_bits(key) <= KEY_BITS_MAX &&
	       *budget > 0 && (*budget)-- > 0;
}

static bool
is_signed_by_one_of(X509_CRL *crl, STACK_OF(X509) * certs, unsigned *budget)
{
	for (int i = 0; i < sk_X509_num(certs); i++) {
		X509 *cert = sk_X509_value(certs, i);
		EVP_PKEY *key;

		if (X509_NAME_cmp(X509_get_subject_name(cert),
			X509_CRL_get_issuer(crl)) != 0)
			continue;
		key = X509_get0_pubkey(cert);
		if (is_affordable(key, budget) &&
		    X509_CRL_verify(crl, key) == 1)
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
is_usable(X509_CRL *crl, STACK_OF(X509) * certs, STACK_OF(X509_CRL) * held,
    struct crl_index *index, unsigned *budget)
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
	if (index != NULL && crl_index_has_newer(index, crl))
		return false;
	return is_signed_by_one_of(crl, certs, budget);
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
    const struct revocation_query *q)
{
	unsigned budget = VERIFICATIONS_MAX;

	l->held = sk_X509_CRL_new_null();
	l->all = sk_X509_CRL_new_null();
	l->certs = sk_X509_new_null();
	add_all(l->certs, q->chain);
	add_all(l->certs, q->untrusted);
	for (int i = 0; i < sk_X509_num(q->chain); i++) {
		X509 *cert = sk_X509_value(q->chain, i);

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
	/* What leads nowhere need not be looked up in what it brought. */
	if (!(q->anchored || q->known) || q->forged)
		return;
	for (int i = 0; i < sk_X509_CRL_num(q->crls); i++) {
		X509_CRL *crl = sk_X509_CRL_value(q->crls, i);

		if (is_usable(crl, l->certs, l->held, q->ca->index, &budget))
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
depths(const struct revocation_query *q)
{
	int n = sk_X509_num(q->chain);

	return n < 0 ? 0 : n > CHAIN_MAX ? CHAIN_MAX : n;
}

static void
set_unknown(struct statuses *r, int depth, int error)
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
crl_path_error(struct statuses *r, int depth, int error)
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
	struct statuses *r = X509_STORE_CTX_get_app_data(top);
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
		__attribute__((fallthrough));
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
check_crls(const struct revocation_query *q,
    STACK_OF(X509_CRL) * crls, STACK_OF(X509) * certs,
    struct statuses *r)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int n = depths(q);

	memset(r, 0, sizeof(*r));
	for (int i = 0; i < n; i++)
		r->status[i] = CHECK_GOOD;
	if (ctx == NULL ||
	    X509_STORE_CTX_init(ctx, q->ca->store, q->cert, certs) != 1)
		goto out;
	X509_STORE_CTX_set0_verified_chain(ctx, X509_chain_up_ref(q->chain));
	X509_STORE_CTX_set0_crls(ctx, crls);
	revocation_set_rules(ctx, q,
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
merge(struct statuses *r, const struct statuses *more)
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
    const struct revocation_query *q, const struct crl_lists *l,
    struct statuses *r)
{
	int n = depths(q);

	for (int i = 0; i < n; i++) {
		EVP_PKEY *key =
		    q->forged || i + 1 == n
			? NULL
			: X509_get0_pubkey(sk_X509_value(q->chain, i + 1));

		if ((i + 1 < n || !q->anchored) &&
		    is_listed(sk_X509_value(q->chain, i), key,
			key == NULL ? l->held : l->all,
			r->status[i] == CHECK_UNKNOWN))
			r->status[i] = CHECK_BAD;
	}
}

/* Why an index does not know, in OpenSSL's words. */
static int
index_error(enum crl_why why)
{
	switch (why) {
	case CRL_WHY_STALE:
		return X509_V_ERR_CRL_HAS_EXPIRED;
	case CRL_WHY_NOT_YET:
		return X509_V_ERR_CRL_NOT_YET_VALID;
	case CRL_WHY_SCOPE:
		return X509_V_ERR_DIFFERENT_CRL_SCOPE;
	default:
		return X509_V_ERR_UNABLE_TO_GET_CRL;
	}
}

/*
 * What crl-fetcher's indexes say: a revocation, or something where nothing
 * was known.  In a chain with a signature that does not hold, names mean
 * nothing: only who is listed there counts.
 */
static void
check_index(const struct revocation_query *q, struct statuses *r)
{
	int n = depths(q);
	struct crl_answer a;

	for (int i = 0; i < n; i++) {
		X509 *issuer = i + 1 < n && !q->forged
				   ? sk_X509_value(q->chain, i + 1)
				   : NULL;

		crl_index_check(q->ca->index, sk_X509_value(q->chain, i),
		    issuer, (int64_t)q->at, q->ca->grace, &a);
		if (a.status == CRL_REVOKED)
			r->status[i] = CHECK_BAD;
		else if (r->status[i] != CHECK_UNKNOWN)
			continue;
		else if (a.status == CRL_GOOD && !q->forged)
			r->status[i] = CHECK_GOOD;
		else if (a.status == CRL_UNKNOWN && a.why != CRL_WHY_NO_INDEX)
			r->error[i] = index_error(a.why);
	}
}

static void
look_up(const struct revocation_query *q, struct statuses *r)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	struct crl_lists l = {.held = NULL};
	struct statuses more;
	int n = depths(q);

	memset(r, 0, sizeof(*r));
	for (int i = 0; i < n; i++)
		r->status[i] = CHECK_UNKNOWN;
	if (n == 0 || ctx == NULL ||
	    X509_STORE_CTX_init(ctx, q->ca->store, q->cert, NULL) != 1)
		goto out;
	crl_lists_fill(&l, ctx, q);
	if (!q->forged) {
		check_crls(q, l.held, l.certs, r);
		if (sk_X509_CRL_num(l.all) > sk_X509_CRL_num(l.held)) {
			check_crls(q, l.all, l.certs, &more);
			merge(r, &more);
		}
	}
	if (q->ca->index != NULL)
		check_index(q, r);
	check_listed(q, &l, r);
out:
	crl_lists_clear(&l);
	X509_STORE_CTX_free(ctx);
}

/* Of all depths, the worst; where tells which. */
static enum check_result
sum_up(const struct revocation_query *q, const struct statuses *r, int *where)
{
	int n = depths(q);
	enum check_result sum = n == 0 ? CHECK_UNKNOWN : CHECK_GOOD;

	*where = 0;
	for (int i = 0; i < n; i++) {
		/* Nobody revokes a trust anchor, unless it says so itself. */
		bool anchor = q->anchored && i + 1 == n;

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

void
revocation_check(const struct revocation_query *q,
    struct revocation_answer *answer)
{
	struct statuses r;

	look_up(q, &r);
	answer->result = sum_up(q, &r, &answer->depth);
	answer->error = r.error[answer->depth];
	answer->cert = sk_X509_value(q->chain, answer->depth);
}
