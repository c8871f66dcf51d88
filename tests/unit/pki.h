/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_PKI_H
#define TESTS_UNIT_PKI_H

/*
 * Certificates, CRLs and CMS objects for tests, good and bad, made by
 * OpenSSL itself and none of our code.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <openssl/cms.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "common/mem.h"
#include "milter-smime/base64.h"

#define PKI_DAY ((time_t)86400)

static inline void
pki_must(bool good)
{
	if (!good)
		abort();
}

struct pki_cert {
	const char *cn;
	long serial;
	int from, to; /* days from now; 0: a year around it */
	const char *san, *usage, *extended, *basic;
	const char *email; /* in the subject */
};

static inline void
pki_extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;

	if (value == NULL)
		return;
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	pki_must(ext != NULL && X509_add_ext(cert, ext, -1) == 1);
	X509_EXTENSION_free(ext);
}

/* issuer NULL: self-signed. */
static inline X509 *
pki_make(const struct pki_cert *s, EVP_PKEY *key, X509 *issuer,
    EVP_PKEY *issuer_key)
{
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);
	time_t now = time(NULL);

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), s->serial);
	ASN1_TIME_set(X509_getm_notBefore(cert),
	    now + (s->from != 0 ? s->from : -365) * PKI_DAY);
	ASN1_TIME_set(X509_getm_notAfter(cert),
	    now + (s->to != 0 ? s->to : 365) * PKI_DAY);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
	    (const unsigned char *)s->cn, -1, -1, 0);
	if (s->email != NULL)
		X509_NAME_add_entry_by_txt(name, "emailAddress",
		    MBSTRING_ASC, (const unsigned char *)s->email, -1, -1, 0);
	if (issuer == NULL)
		issuer = cert;
	X509_set_issuer_name(cert, X509_get_subject_name(issuer));
	X509_set_pubkey(cert, key);
	pki_extend(cert, issuer, NID_subject_key_identifier, "hash");
	pki_extend(cert, issuer, NID_basic_constraints, s->basic);
	pki_extend(cert, issuer, NID_key_usage, s->usage);
	pki_extend(cert, issuer, NID_ext_key_usage, s->extended);
	pki_extend(cert, issuer, NID_subject_alt_name, s->san);
	pki_must(X509_sign(cert, issuer_key, EVP_sha256()) > 0);
	return cert;
}

/* One certificate revoked, or none with serial 0. */
static inline X509_CRL *
pki_crl(X509 *issuer, EVP_PKEY *key, long serial, long number)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *t = ASN1_TIME_set(NULL, time(NULL) - PKI_DAY);
	ASN1_INTEGER *n = ASN1_INTEGER_new();

	X509_CRL_set_version(crl, 1);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer));
	X509_CRL_set1_lastUpdate(crl, t);
	ASN1_INTEGER_set(n, number);
	X509_CRL_add1_ext_i2d(crl, NID_crl_number, n, 0, 0);
	if (serial != 0) {
		X509_REVOKED *entry = X509_REVOKED_new();

		ASN1_INTEGER_set(n, serial);
		X509_REVOKED_set_serialNumber(entry, n);
		X509_REVOKED_set_revocationDate(entry, t);
		X509_CRL_add0_revoked(crl, entry);
	}
	ASN1_TIME_set(t, time(NULL) + 30 * PKI_DAY);
	X509_CRL_set1_nextUpdate(crl, t);
	pki_must(X509_CRL_sign(crl, key, EVP_sha256()) > 0);
	ASN1_TIME_free(t);
	ASN1_INTEGER_free(n);
	return crl;
}

static inline FILE *
pki_open(const char *dir, const char *file, mode_t mode)
{
	char *path = mem_printf("%s/%s", dir, file);
	FILE *f = fopen(path, "w");

	pki_must(f != NULL && chmod(path, mode) == 0);
	free(path);
	return f;
}

static inline void
pki_write_cert(const char *dir, const char *file, X509 *cert)
{
	FILE *f = pki_open(dir, file, 0644);

	pki_must(PEM_write_X509(f, cert) == 1 && fclose(f) == 0);
}

static inline void
pki_write_key(const char *dir, const char *file, EVP_PKEY *key)
{
	FILE *f = pki_open(dir, file, 0600);

	pki_must(PEM_write_PKCS8PrivateKey(f, key, NULL, NULL, 0, NULL,
	    NULL) == 1 && fclose(f) == 0);
}

/* As `crl-check: directory` wants it: HASH.rN. */
static inline void
pki_write_crl(const char *dir, X509_CRL *crl, int n)
{
	char *name = mem_printf("%08lx.r%d",
	    X509_NAME_hash_ex(X509_CRL_get_issuer(crl), NULL, NULL, NULL), n);
	FILE *f = pki_open(dir, name, 0644);

	pki_must(PEM_write_X509_CRL(f, crl) == 1 && fclose(f) == 0);
	free(name);
}

/* --- CMS and mail ------------------------------------------------------------ */

struct pki_signer {
	X509 *cert;
	EVP_PKEY *key;
};

struct pki_signing {
	struct pki_signer by[3];
	const EVP_MD *digest;  /* NULL: SHA-256 */
	unsigned flags;	       /* CMS_NOCERTS, CMS_NOATTR, CMS_USE_KEYID */
	X509 *chain;	       /* one more certificate, or NULL */
	X509_CRL *crl;	       /* or NULL */
	bool opaque;
};

/* DER; free with free(3). */
static inline unsigned char *
pki_sign(const struct pki_signing *s, const char *p, size_t n, size_t *len)
{
	unsigned flags = CMS_BINARY | CMS_PARTIAL | s->flags |
	    (s->opaque ? 0 : CMS_DETACHED);
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
	BIO *in = BIO_new_mem_buf(p, (int)n);
	unsigned char *der = NULL, *copy;
	int size;

	for (int i = 0; i < 3 && s->by[i].cert != NULL; i++)
		pki_must(CMS_add1_signer(cms, s->by[i].cert, s->by[i].key,
		    s->digest == NULL ? EVP_sha256() : s->digest, flags)
		    != NULL);
	if (s->chain != NULL)
		pki_must(CMS_add1_cert(cms, s->chain) == 1);
	if (s->crl != NULL)
		pki_must(CMS_add1_crl(cms, s->crl) == 1);
	pki_must(CMS_final(cms, in, NULL, flags) == 1);
	size = i2d_CMS_ContentInfo(cms, &der);
	pki_must(size > 0);
	*len = (size_t)size;
	copy = mem_dup(der, *len);
	OPENSSL_free(der);
	BIO_free(in);
	CMS_ContentInfo_free(cms);
	return copy;
}

static inline char *
pki_base64(const unsigned char *p, size_t n)
{
	struct base64_encoder e = {.nrest = 0};
	char *text = mem_alloc(BASE64_ENCODED_MAX(n) + 80);
	size_t len = base64_encode(&e, p, n, text);

	len += base64_encode_end(&e, text + len);
	text[len] = '\0';
	return text;
}

/* Content-* fields, blank line and body of a signed mail. */
static inline char *
pki_mail(const struct pki_signing *s, const char *content,
    const unsigned char *der, size_t n)
{
	char *b64 = pki_base64(der, n), *mail;

	if (s->opaque)
		mail = mem_printf("Content-Type: application/x-pkcs7-mime; "
		    "smime-type=signed-data; name=smime.p7m\r\n"
		    "Content-Transfer-Encoding: base64\r\n\r\n%s", b64);
	else
		mail = mem_printf("Content-Type: multipart/signed; "
		    "protocol=\"application/x-pkcs7-signature\";\r\n"
		    " micalg=sha-256; boundary=\"sig\"\r\n\r\n"
		    "--sig\r\n%s\r\n--sig\r\n"
		    "Content-Type: application/x-pkcs7-signature\r\n"
		    "Content-Transfer-Encoding: base64\r\n\r\n%s--sig-- \r\n",
		    content, b64);
	free(b64);
	return mail;
}

#endif
