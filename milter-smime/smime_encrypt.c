/* SPDX-License-Identifier: BSD-2-Clause */
#include "smime_encrypt.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/cms.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "cms_armour.h"
#include "cms_walk.h"
#include "common/mem.h"
#include "common/x509_facts.h"

#define BLOCK (64 * 1024)

static const struct {
	const char *name; /* OpenSSL's */
	bool gcm;
} ciphers[] = {
	/* auto is what every S/MIME 3.2 client must read (RFC 5751 2.7). */
	[CIPHER_AUTO] = {"AES-256-CBC", false},
	[CIPHER_AES_128_CBC] = {"AES-128-CBC", false},
	[CIPHER_AES_192_CBC] = {"AES-192-CBC", false},
	[CIPHER_AES_256_CBC] = {"AES-256-CBC", false},
	[CIPHER_AES_128_GCM] = {"AES-128-GCM", true},
	[CIPHER_AES_256_GCM] = {"AES-256-GCM", true},
};

/* RFC 8551 2.3: OAEP with SHA-256; ECDH with its KDF on SHA-256. */
static bool
set_parameters(CMS_RecipientInfo *ri, const EVP_PKEY *key,
    enum key_transport transport)
{
	EVP_PKEY_CTX *ctx = CMS_RecipientInfo_get0_pkey_ctx(ri);

	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC)
		return EVP_PKEY_CTX_set_ecdh_kdf_md(ctx, EVP_sha256()) > 0;
	if (transport != KEY_TRANSPORT_RSA_OAEP)
		return true;
	return EVP_PKEY_CTX_set_rsa_padding(ctx,
	    RSA_PKCS1_OAEP_PADDING) > 0 &&
	    EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) > 0;
}

static bool
add_recipient(CMS_ContentInfo *cms, X509 *cert, enum key_transport transport,
    struct error *err)
{
	const EVP_PKEY *key = X509_get0_pubkey(cert);
	CMS_RecipientInfo *ri;
	char *name;

	ri = key == NULL ? NULL :
	    CMS_add1_recipient_cert(cms, cert, CMS_KEY_PARAM);
	if (ri != NULL && set_parameters(ri, key, transport))
		return true;
	name = x509_name_text(X509_get_subject_name(cert));
	x509_error(err, ERROR_PERM, "cannot encrypt to the certificate of %s",
	    name);
	free(name);
	return false;
}

static CMS_ContentInfo *
make_envelope(const struct encryption *how, struct error *err)
{
	const EVP_CIPHER *cipher =
	    EVP_get_cipherbyname(ciphers[how->cipher].name);
	CMS_ContentInfo *cms = ciphers[how->cipher].gcm ?
	    CMS_AuthEnvelopedData_create(cipher) :
	    CMS_EnvelopedData_create(cipher);

	if (cms == NULL) {
		x509_error(err, ERROR_PERM, "cannot make an envelope with %s",
		    ciphers[how->cipher].name);
		return NULL;
	}
	for (int i = 0; i < sk_X509_num(how->recipients); i++) {
		if (!add_recipient(cms, sk_X509_value(how->recipients, i),
		    how->key_transport, err)) {
			CMS_ContentInfo_free(cms);
			return NULL;
		}
	}
	CMS_set_detached(cms, 1);
	return cms;
}

/* Ciphertext to a spool: its length must be known before it is written. */
struct sink {
	EVP_CIPHER_CTX *ctx;
	struct spool *out;
	unsigned char *block;
	struct error *err;
};

static bool
encrypt_bytes(struct sink *s, const char *p, size_t n)
{
	while (n > 0) {
		int take = n < BLOCK ? (int)n : BLOCK, got;

		if (EVP_EncryptUpdate(s->ctx, s->block, &got,
		    (const unsigned char *)p, take) != 1)
			return x509_error(s->err, ERROR_PERM,
			    "encryption failed");
		if (!spool_write(s->out, s->block, (size_t)got, s->err))
			return false;
		p += take;
		n -= (size_t)take;
	}
	return true;
}

static bool
encrypt_entity(struct sink *s, const struct entity *e)
{
	int got;

	if (!encrypt_bytes(s, buf_text(&e->head), e->head.len) ||
	    !encrypt_bytes(s, "\r\n", 2))
		return false;
	for (size_t i = 0; i < e->body.n; i++)
		if (!encrypt_bytes(s, e->body.v[i].data, e->body.v[i].len))
			return false;
	if (EVP_EncryptFinal_ex(s->ctx, s->block, &got) != 1)
		return x509_error(s->err, ERROR_PERM, "encryption failed");
	return spool_write(s->out, s->block, (size_t)got, s->err) &&
	    spool_finish(s->out, s->err);
}

/*
 * OpenSSL sets up key, initialisation vector and recipients; the content
 * goes through its cipher context in our blocks, and the tag is taken from
 * there by CMS_dataFinal().
 */
static bool
encrypt_content(CMS_ContentInfo *cms, const struct entity *e,
    struct spool *out, struct error *err)
{
	struct sink s = {.out = out, .err = err};
	BIO *sink = BIO_new(BIO_s_null()), *bio;
	bool ok = false;

	bio = CMS_dataInit(cms, sink);
	if (bio == NULL || BIO_get_cipher_ctx(bio, &s.ctx) != 1) {
		x509_error(err, ERROR_PERM, "the session key cannot be "
		    "wrapped");
		goto out;
	}
	s.block = mem_alloc(BLOCK + EVP_MAX_BLOCK_LENGTH);
	if (!encrypt_entity(&s, e))
		goto out;
	if (CMS_dataFinal(cms, bio) != 1) {
		x509_error(err, ERROR_PERM, "encryption failed");
		goto out;
	}
	ok = true;
out:
	free(s.block);
	if (bio != NULL)
		BIO_free_all(bio);
	else
		BIO_free(sink);
	return ok;
}

/* The envelope around the ciphertext, in base64. */
static bool
put_together(CMS_ContentInfo *cms, const struct spool *content, bool gcm,
    const struct spool_place *place, struct entity *e, struct error *err)
{
	struct armour a = {0};
	struct buf front, tail;
	unsigned char *der = NULL;
	int n = i2d_CMS_ContentInfo(cms, &der);
	bool ok = false;

	buf_init(&front, CMS_MAX_SKELETON);
	buf_init(&tail, CMS_MAX_SKELETON);
	if (n <= 0) {
		x509_error(err, ERROR_PERM, "the envelope cannot be encoded");
		goto out;
	}
	armour_init(&a, place);
	ok = cms_walk_attach(der, (size_t)n, spool_len(content), &front,
	    &tail, err) &&
	    armour_write(&a, front.data, front.len, err) &&
	    armour_write(&a, spool_data(content), spool_len(content), err) &&
	    armour_write(&a, buf_text(&tail), tail.len, err) &&
	    armour_finish(&a, gcm ? "authEnveloped-data" : "enveloped-data",
	    e, err);
	armour_clear(&a);
out:
	buf_clear(&front);
	buf_clear(&tail);
	OPENSSL_free(der);
	return ok;
}

bool
smime_encrypt(struct entity *e, const struct encryption *how,
    const struct spool_place *place, struct error *err)
{
	CMS_ContentInfo *cms = make_envelope(how, err);
	struct spool *content = spool_new(place);
	bool ok;

	ok = cms != NULL && encrypt_content(cms, e, content, err) &&
	    put_together(cms, content, ciphers[how->cipher].gcm, place, e,
	    err);
	CMS_ContentInfo_free(cms);
	spool_free(&content);
	return ok;
}
