/* SPDX-License-Identifier: BSD-2-Clause */
#include "crl_signature.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#define KEY_BITS_MAX 16384

static bool
is_weak(const EVP_MD *md)
{
	int type = EVP_MD_get_type(md);

	return type == NID_md2 || type == NID_md4 || type == NID_md5 ||
	       type == NID_md5_sha1 || type == NID_mdc2 ||
	       type == NID_sha1 || type == NID_ripemd160;
}

static const EVP_MD *
digest_of(const X509_ALGOR *algorithm, const EVP_MD *by_default)
{
	const ASN1_OBJECT *oid;

	if (algorithm == NULL)
		return by_default;
	X509_ALGOR_get0(&oid, NULL, NULL, algorithm);
	return EVP_get_digestbyobj(oid);
}

/* RFC 4055 3.1; the defaults are SHA-1. */
static bool
parse_pss(const X509_ALGOR *algorithm, struct crl_algorithm *a)
{
	RSA_PSS_PARAMS *pss = NULL;
	X509_ALGOR *mask = NULL;
	const ASN1_OBJECT *oid;
	const void *value;
	long salt = 20;
	bool ok = false;
	int type;

	X509_ALGOR_get0(&oid, &type, &value, algorithm);
	if (type != V_ASN1_SEQUENCE)
		return false;
	pss = ASN1_TYPE_unpack_sequence(
	    ASN1_ITEM_rptr(RSA_PSS_PARAMS), algorithm->parameter);
	if (pss == NULL)
		return false;
	a->digest = digest_of(pss->hashAlgorithm, EVP_sha1());
	a->mgf1 = EVP_sha1();
	if (pss->maskGenAlgorithm != NULL) {
		X509_ALGOR_get0(&oid, NULL, NULL, pss->maskGenAlgorithm);
		mask = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(X509_ALGOR),
		    pss->maskGenAlgorithm->parameter);
		if (OBJ_obj2nid(oid) != NID_mgf1 || mask == NULL)
			goto out;
		a->mgf1 = digest_of(mask, NULL);
	}
	if (pss->saltLength != NULL)
		salt = ASN1_INTEGER_get(pss->saltLength);
	if (pss->trailerField != NULL &&
	    ASN1_INTEGER_get(pss->trailerField) != 1)
		goto out;
	a->salt_len = (int)salt;
	ok = a->digest != NULL && a->mgf1 != NULL && salt >= 0 && salt <= 512;
out:
	X509_ALGOR_free(mask);
	RSA_PSS_PARAMS_free(pss);
	return ok;
}

static bool
parse(const X509_ALGOR *algorithm, struct crl_algorithm *a)
{
	int nid, digest, key;

	nid = OBJ_obj2nid(algorithm->algorithm);
	if (nid == NID_rsassaPss) {
		a->pss = true;
		a->key_type = EVP_PKEY_RSA;
		return parse_pss(algorithm, a);
	}
	if (nid == NID_ED25519 || nid == NID_ED448) {
		a->key_type = nid;
		return true;
	}
	if (OBJ_find_sigid_algs(nid, &digest, &key) != 1 ||
	    digest == NID_undef)
		return false;
	a->digest = EVP_get_digestbynid(digest);
	a->key_type = EVP_PKEY_type(key);
	return a->digest != NULL;
}

bool
crl_signature_algorithm(const struct crl_walk *w, struct crl_algorithm *a,
    struct error *err)
{
	const unsigned char *p = w->algorithm.p;
	X509_ALGOR *algorithm;
	char name[80] = "?";
	bool ok;

	memset(a, 0, sizeof(*a));
	if (!der_equal(&w->algorithm, &w->tbs_algorithm))
		return error_perm(err, "it names two signature algorithms "
		    "(RFC 5280 5.1.1.2)");
	algorithm = d2i_X509_ALGOR(NULL, &p, (long)w->algorithm.n);
	ok = algorithm != NULL && parse(algorithm, a);
	if (algorithm != NULL)
		OBJ_obj2txt(name, sizeof(name), algorithm->algorithm, 0);
	X509_ALGOR_free(algorithm);
	ERR_clear_error();
	if (!ok)
		return error_perm(err, "its signature algorithm %s is not "
		    "known", name);
	if (a->digest != NULL && is_weak(a->digest))
		return error_perm(err, "its signature algorithm %s is weak: "
		    "%s can be forged", name, EVP_MD_get0_name(a->digest));
	return true;
}

static bool
is_key_for(const struct crl_algorithm *a, const EVP_PKEY *key)
{
	int type = EVP_PKEY_get_base_id(key);

	return (type == a->key_type ||
		   (a->pss && type == EVP_PKEY_RSA_PSS)) &&
	       EVP_PKEY_get_bits(key) <= KEY_BITS_MAX;
}

bool
crl_signature_holds(const struct crl_walk *w, const struct crl_algorithm *a,
    EVP_PKEY *key)
{
	EVP_MD_CTX *ctx;
	EVP_PKEY_CTX *key_ctx;
	bool holds = false;

	if (key == NULL || !is_key_for(a, key))
		return false;
	ctx = EVP_MD_CTX_new();
	if (ctx == NULL ||
	    EVP_DigestVerifyInit(ctx, &key_ctx, a->digest, NULL, key) != 1)
		goto out;
	if (a->pss &&
	    (EVP_PKEY_CTX_set_rsa_padding(key_ctx, RSA_PKCS1_PSS_PADDING) !=
		    1 ||
		EVP_PKEY_CTX_set_rsa_pss_saltlen(key_ctx, a->salt_len) != 1 ||
		EVP_PKEY_CTX_set_rsa_mgf1_md(key_ctx, a->mgf1) != 1))
		goto out;
	holds = EVP_DigestVerify(ctx, w->signature.p, w->signature.n,
		    w->tbs.p, w->tbs.n) == 1;
out:
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return holds;
}
