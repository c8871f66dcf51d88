/* SPDX-License-Identifier: BSD-2-Clause */
#include "smime_verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/cms.h>
#include <openssl/err.h>

#include "common/mem.h"
#include "common/x509_facts.h"

/* What one signer's checks came to. */
struct finding {
	enum check_result digest, chain, revocation, identity;
	bool temporary;
	bool weak;
	char chain_weakness[128];
	bool unknown_signer; /* no certificate to check with */
	char reason[256];
	char stranger[256]; /* why identity is BAD */
};

/* Everything of one verification. */
struct job {
	const struct verify_rules *rules;
	const struct mailaddr *from;
	const char *from_error;
	CMS_ContentInfo *cms;
	STACK_OF(X509) *certs;
	STACK_OF(X509_CRL) *crls;
	BIO *digests; /* chain of BIO_f_md over the content */
	struct verdict *v;
};

static void __attribute__((format(printf, 2, 3)))
say(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	if (f->reason[0] != '\0')
		return; /* the first reason is the one to tell */
	va_start(ap, fmt);
	vsnprintf(f->reason, sizeof(f->reason), fmt, ap);
	va_end(ap);
}

/* ---- algorithms ---- */

static void
algorithm_name(const X509_ALGOR *a, char *text, size_t size)
{
	const ASN1_OBJECT *oid;

	X509_ALGOR_get0(&oid, NULL, NULL, a);
	if (OBJ_obj2txt(text, (int)size, oid, 0) <= 0)
		snprintf(text, size, "unreadable");
}

static const EVP_MD *
digest_of(const X509_ALGOR *a)
{
	const ASN1_OBJECT *oid;
	const EVP_MD *md;
	EVP_MD *usable;

	X509_ALGOR_get0(&oid, NULL, NULL, a);
	md = EVP_get_digestbyobj(oid);
	if (md == NULL)
		return NULL;
	/* Known by name is not yet usable: MD2, MD4 … live elsewhere. */
	usable = EVP_MD_fetch(NULL, EVP_MD_get0_name(md), NULL);
	EVP_MD_free(usable);
	return usable == NULL ? NULL : md;
}

/* Can this build of OpenSSL check such a signature at all? */
static bool
can_check_signature(const X509_ALGOR *a, X509 *cert)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	const ASN1_OBJECT *oid;
	int nid, md, pkey;

	if (key == NULL)
		return false;
	X509_ALGOR_get0(&oid, NULL, NULL, a);
	nid = OBJ_obj2nid(oid);
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_ED25519:
	case EVP_PKEY_ED448:
		/* CMS knows them from 3.2 on. */
		return OPENSSL_version_major() > 3 ||
		    OPENSSL_version_minor() >= 2;
	case EVP_PKEY_RSA:
	case EVP_PKEY_RSA_PSS:
		if (nid == NID_rsaEncryption || nid == NID_rsassaPss)
			return true;
		break;
	case EVP_PKEY_DSA:
		if (nid == NID_dsa || nid == NID_dsa_2)
			return true;
		break;
	case EVP_PKEY_EC:
		if (nid == NID_X9_62_id_ecPublicKey)
			return true;
		break;
	default:
		return false;
	}
	return OBJ_find_sigid_algs(nid, &md, &pkey) == 1;
}

static bool
is_weak_digest(int nid)
{
	return nid == NID_md2 || nid == NID_md4 || nid == NID_md5 ||
	    nid == NID_sha1 || nid == NID_ripemd160 || nid == NID_mdc2 ||
	    nid == NID_md5_sha1;
}

static void
check_strength(const struct job *j, const EVP_MD *md, X509 *cert,
    struct finding *f)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	int type = key == NULL ? 0 : EVP_PKEY_get_base_id(key);
	int bits = key == NULL ? 0 : EVP_PKEY_get_bits(key);

	if (md != NULL && is_weak_digest(EVP_MD_get_type(md))) {
		f->weak = true;
		say(f, "weak digest algorithm %s", EVP_MD_get0_name(md));
	} else if ((type == EVP_PKEY_RSA || type == EVP_PKEY_RSA_PSS) &&
	    bits < j->rules->rsa_minimum) {
		f->weak = true;
		say(f, "weak key: RSA of %d bits", bits);
	} else if (type == EVP_PKEY_DSA) {
		f->weak = true;
		say(f, "weak algorithm DSA");
	} else if (f->chain_weakness[0] != '\0') {
		f->weak = true;
		say(f, "%s", f->chain_weakness);
	}
}

/* ---- content ---- */

static bool
copy_piece(void *context, const unsigned char *p, size_t n,
    struct error *err)
{
	return spool_write(context, p, n, err);
}

/* One hash per digest algorithm the signers use, all fed at once. */
static bool
digest_content(struct job *j, const struct signed_content *c)
{
	STACK_OF(CMS_SignerInfo) *infos = CMS_get0_SignerInfos(j->cms);
	int seen[CMS_MAX_SIGNERS], nseen = 0;
	size_t off = 0;

	j->digests = BIO_new(BIO_s_null());
	for (int i = 0; i < sk_CMS_SignerInfo_num(infos); i++) {
		X509_ALGOR *algorithm;
		const EVP_MD *md;
		bool again = false;
		BIO *bio;

		CMS_SignerInfo_get0_algs(sk_CMS_SignerInfo_value(infos, i),
		    NULL, NULL, &algorithm, NULL);
		md = digest_of(algorithm);
		for (int n = 0; md != NULL && n < nseen; n++)
			again |= seen[n] == EVP_MD_get_type(md);
		if (md == NULL || again || nseen == CMS_MAX_SIGNERS)
			continue;
		bio = BIO_new(BIO_f_md());
		if (bio == NULL || BIO_set_md(bio, md) != 1) {
			BIO_free(bio);
			continue;
		}
		seen[nseen++] = EVP_MD_get_type(md);
		j->digests = BIO_push(bio, j->digests);
	}
	while (j->digests != NULL && off < c->len) {
		size_t take = c->len - off < (1 << 20) ? c->len - off :
							 (1 << 20);

		if (BIO_write(j->digests, c->data + off, (int)take) <= 0)
			return false;
		off += take;
	}
	return j->digests != NULL;
}

/* ---- one signer ---- */

/* The signer's certificate, from the message, else from the key store. */
static X509 *
find_signer(const struct job *j, CMS_SignerInfo *si, struct finding *f)
{
	ASN1_OCTET_STRING *key_id = NULL;
	X509_NAME *issuer = NULL;
	ASN1_INTEGER *serial = NULL;
	struct cert_record *records = NULL;
	struct error err = {0};
	X509 *cert = NULL;
	size_t n = 0;
	bool ok = true;

	for (int i = 0; i < sk_X509_num(j->certs); i++) {
		cert = sk_X509_value(j->certs, i);
		if (CMS_SignerInfo_cert_cmp(si, cert) == 0) {
			X509_up_ref(cert);
			return cert;
		}
	}
	cert = NULL;
	CMS_SignerInfo_get0_signer_id(si, &key_id, &issuer, &serial);
	if (j->rules->known != NULL && issuer != NULL)
		ok = cert_db_find_issuer_serial(j->rules->known, issuer,
		    serial, &records, &n, &err);
	else if (j->rules->known != NULL && key_id != NULL)
		ok = cert_db_find_key_id(j->rules->known, key_id, &records,
		    &n, &err);
	if (!ok) {
		f->temporary = true;
		say(f, "%.200s", err.text);
	} else if (n > 0) {
		cert = records[0].cert;
		X509_up_ref(cert);
	}
	cert_records_free(&records, n);
	return cert;
}

static void
check_digest(const struct job *j, CMS_SignerInfo *si, X509 *cert,
    struct finding *f)
{
	X509_ALGOR *digest, *signature;
	char name[80];
	const EVP_MD *md;

	CMS_SignerInfo_get0_algs(si, NULL, NULL, &digest, &signature);
	md = digest_of(digest);
	if (md == NULL) {
		f->digest = CHECK_UNKNOWN;
		algorithm_name(digest, name, sizeof(name));
		say(f, "unknown digest algorithm %s", name);
		return;
	}
	if (cert != NULL && !can_check_signature(signature, cert)) {
		f->digest = CHECK_UNKNOWN;
		algorithm_name(signature, name, sizeof(name));
		say(f, "unknown signature algorithm %s", name);
		return;
	}
	if (cert == NULL) {
		/* Without a key only the hash itself can be compared. */
		f->digest = CHECK_UNKNOWN;
		if (CMS_signed_get_attr_count(si) >= 0 &&
		    CMS_SignerInfo_verify_content(si, j->digests) != 1)
			f->digest = CHECK_BAD;
		return;
	}
	CMS_SignerInfo_set1_signer_cert(si, cert);
	f->digest = CHECK_BAD;
	if (CMS_signed_get_attr_count(si) >= 0 &&
	    CMS_SignerInfo_verify(si) != 1)
		say(f, "the signature does not verify");
	else if (CMS_SignerInfo_verify_content(si, j->digests) != 1)
		say(f, "the content was changed after signing");
	else
		f->digest = CHECK_GOOD;
	check_strength(j, md, cert, f);
}

static bool
is_known(const struct job *j, const struct x509_facts *facts,
    struct finding *f)
{
	struct cert_record *records = NULL;
	struct error err = {0};
	size_t n = 0;

	if (j->rules->known == NULL || j->rules->trust == TRUST_CA)
		return false;
	if (!cert_db_find_fingerprint(j->rules->known, facts->fingerprint,
	    &records, &n, &err)) {
		f->temporary = true;
		say(f, "%.200s", err.text);
	}
	cert_records_free(&records, n);
	return n > 0;
}

static void
check_trust(const struct job *j, X509 *cert, const struct x509_facts *facts,
    struct finding *f)
{
	const struct ca_snapshot *ca = ca_list_get(j->rules->ca);
	struct trust_result result = {0};
	struct trust_request request = {
		.cert = cert,
		.untrusted = j->certs,
		.crls = j->crls,
		.at = j->rules->at,
		.rule = j->rules->trust,
		.known = is_known(j, facts, f),
		.rsa_minimum = j->rules->rsa_minimum,
		.missing_crl_rejects = j->rules->missing_crl_rejects,
		.check_revocation = j->rules->check_revocation,
	};

	trust_check(ca, &request, &result);
	f->chain = result.chain;
	f->revocation = result.revocation;
	f->temporary |= result.temporary;
	if (result.reason[0] != '\0')
		say(f, "%s", result.reason);
	snprintf(f->chain_weakness, sizeof(f->chain_weakness), "%s",
	    result.weakness);
	ca_list_put(j->rules->ca, &ca);
}

/* Who the certificate speaks for against whom the message is from. */
static char *
check_identity(const struct job *j, const struct x509_facts *facts,
    struct finding *f)
{
	char *address = NULL;

	f->identity = CHECK_BAD;
	if (j->from == NULL) {
		snprintf(f->stranger, sizeof(f->stranger), "%.200s",
		    j->from_error);
	} else if (x509_facts_cover(facts, j->from) != COVERS_NOT) {
		f->identity = CHECK_GOOD;
		return mailaddr_format(j->from);
	}
	if (facts->emails.n > 0)
		address = mem_strdup(facts->emails.v[0]);
	else if (facts->domains.n > 0)
		address = mem_printf("@%s", facts->domains.v[0]);
	if (j->from != NULL)
		snprintf(f->stranger, sizeof(f->stranger),
		    "the signer (%.100s) is not the sender",
		    address == NULL ? facts->subject : address);
	return address;
}

static void
check_signer(const struct job *j, CMS_SignerInfo *si, struct finding *f)
{
	struct verdict_signer *signer = verdict_add_signer(j->v);
	X509 *cert = find_signer(j, si, f);
	struct x509_facts *facts;

	check_digest(j, si, cert, f);
	if (cert == NULL) {
		f->unknown_signer = true;
		f->chain = CHECK_UNKNOWN;
		f->identity = CHECK_BAD;
		say(f, "the signer's certificate is neither in the message "
		    "nor in the key store");
		return;
	}
	facts = x509_facts_new(cert);
	signer->serial = mem_strdup(facts->serial);
	signer->issuer = mem_strdup(facts->issuer);
	signer->subject = mem_strdup(facts->subject);
	check_trust(j, cert, facts, f);
	signer->address = check_identity(j, facts, f);
	x509_facts_free(facts);
	X509_free(cert);
}

/* ---- the verdict ---- */

static enum signature_verdict
judge(const struct finding *f)
{
	if (f->digest == CHECK_BAD)
		return SIGNATURE_FAIL;
	if (f->temporary)
		return SIGNATURE_TEMPERROR;
	if (f->unknown_signer)
		return SIGNATURE_FAIL;
	if (f->digest == CHECK_UNKNOWN)
		return SIGNATURE_NEUTRAL;
	if (f->chain == CHECK_BAD || f->revocation == CHECK_BAD)
		return SIGNATURE_FAIL;
	if (f->chain == CHECK_UNKNOWN)
		return SIGNATURE_NEUTRAL;
	return f->weak ? SIGNATURE_POLICY : SIGNATURE_PASS;
}

/* Of two results, the one that says less good. */
static enum check_result
worse(enum check_result a, enum check_result b)
{
	static const int rank[] = {
		[CHECK_NONE] = 0, [CHECK_GOOD] = 1, [CHECK_UNKNOWN] = 2,
		[CHECK_BAD] = 3};

	return rank[a] >= rank[b] ? a : b;
}

static bool
is_worse(enum signature_verdict a, enum signature_verdict b)
{
	static const int rank[] = {
		[SIGNATURE_NONE] = 0, [SIGNATURE_PASS] = 1,
		[SIGNATURE_POLICY] = 2, [SIGNATURE_NEUTRAL] = 3,
		[SIGNATURE_TEMPERROR] = 4, [SIGNATURE_FAIL] = 5};

	return rank[a] > rank[b];
}

/* All signers must verify, one must be the sender. */
static void
combine(struct verdict *v, const struct finding *findings, int n)
{
	const struct finding *stranger = NULL;

	for (int i = 0; i < n; i++) {
		const struct finding *f = &findings[i];
		enum signature_verdict s = judge(f);

		v->digest = worse(v->digest, f->digest);
		v->chain = worse(v->chain, f->chain);
		v->revocation = worse(v->revocation, f->revocation);
		if (f->identity == CHECK_GOOD)
			v->identity = CHECK_GOOD;
		else if (stranger == NULL)
			stranger = f;
		if (is_worse(s, v->signature)) {
			v->signature = s;
			snprintf(v->reason, sizeof(v->reason), "%s",
			    s == SIGNATURE_PASS ? "" : f->reason);
		}
	}
	if (v->identity != CHECK_GOOD) {
		v->identity = CHECK_BAD;
		if (v->signature == SIGNATURE_PASS ||
		    v->signature == SIGNATURE_POLICY) {
			v->signature = SIGNATURE_FAIL;
			snprintf(v->reason, sizeof(v->reason), "%s",
			    stranger == NULL ? "" : stranger->stranger);
		}
	}
	v->gateway_verified = v->signature == SIGNATURE_PASS;
}

static bool
fail(struct verdict *v, const char *reason)
{
	v->signature = SIGNATURE_FAIL;
	snprintf(v->reason, sizeof(v->reason), "%.250s", reason);
	return true;
}

static CMS_ContentInfo *
parse(const struct smime_kind *k, struct error *err)
{
	const unsigned char *p = (const unsigned char *)spool_data(k->cms), *q;
	CMS_ContentInfo *cms = NULL;
	struct buf skeleton;

	buf_init(&skeleton, CMS_MAX_SKELETON);
	if (cms_walk_skeleton(p, &k->walk, &skeleton, err)) {
		q = (const unsigned char *)skeleton.data;
		cms = d2i_CMS_ContentInfo(NULL, &q, (long)skeleton.len);
		if (cms == NULL)
			x509_error(err, ERROR_PERM, "the CMS object cannot "
			    "be parsed");
	}
	buf_clear(&skeleton);
	return cms;
}

static bool
check_all(struct job *j, const struct signed_content *content)
{
	STACK_OF(CMS_SignerInfo) *infos = CMS_get0_SignerInfos(j->cms);
	struct finding findings[CMS_MAX_SIGNERS] = {{0}};
	int n = sk_CMS_SignerInfo_num(infos);

	if (n <= 0 || n > CMS_MAX_SIGNERS)
		return fail(j->v, "the CMS object has no usable signer");
	j->certs = CMS_get1_certs(j->cms);
	j->crls = CMS_get1_crls(j->cms);
	if (!digest_content(j, content))
		return fail(j->v, "the content cannot be hashed");
	for (int i = 0; i < n; i++)
		check_signer(j, sk_CMS_SignerInfo_value(infos, i),
		    &findings[i]);
	combine(j->v, findings, n);
	return true;
}

bool
smime_signed_content(const struct entity *e, const struct smime_kind *k,
    const struct spool_place *place, struct signed_content *c,
    struct error *err)
{
	const unsigned char *cms;

	if (k->form == SMIME_MULTIPART_SIGNED) {
		c->data = e->body.n == 0 ? "" :
		    e->body.v[0].data + k->signed_off;
		c->len = k->signed_len;
		return true;
	}
	cms = (const unsigned char *)spool_data(k->cms);
	c->spool = spool_new(place);
	if (!cms_walk_content(cms, &k->walk, copy_piece, c->spool, err) ||
	    !spool_finish(c->spool, err)) {
		spool_free(&c->spool);
		return false;
	}
	c->data = spool_data(c->spool);
	c->len = spool_len(c->spool);
	return true;
}

bool
smime_verify(const struct verify_rules *rules, const struct entity *e,
    const struct smime_kind *k, const struct mailaddr *from,
    const char *from_error, const struct spool_place *place,
    struct verdict *v, struct signed_content *content, struct error *err)
{
	struct job j = {.rules = rules, .from = from,
		.from_error = from_error, .v = v};
	struct error why = {0};
	bool ok;

	if (k->malformed[0] != '\0')
		return fail(v, k->malformed);
	if (!smime_signed_content(e, k, place, content, err))
		return false;
	j.cms = parse(k, &why);
	ok = j.cms == NULL ? fail(v, why.text) : check_all(&j, content);
	CMS_ContentInfo_free(j.cms);
	sk_X509_pop_free(j.certs, X509_free);
	sk_X509_CRL_pop_free(j.crls, X509_CRL_free);
	BIO_free_all(j.digests);
	ERR_clear_error();
	return ok;
}

void
signed_content_clear(struct signed_content *c)
{
	spool_free(&c->spool);
	memset(c, 0, sizeof(*c));
}
