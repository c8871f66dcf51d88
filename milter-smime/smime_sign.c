/* SPDX-License-Identifier: BSD-2-Clause */
#include "smime_sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/cms.h>
#include <openssl/rand.h>

#include "base64.h"
#include "cms_armour.h"
#include "cms_walk.h"

static const struct {
	const char *name;   /* OpenSSL's */
	const char *micalg; /* RFC 8551 3.5.3.2 */
} digests[] = {
	[DIGEST_SHA256] = {"SHA256", "sha-256"},
	[DIGEST_SHA384] = {"SHA384", "sha-384"},
	[DIGEST_SHA512] = {"SHA512", "sha-512"},
};

/*
 * What we can decrypt, strongest first (RFC 8551 2.5.2): partners choose
 * the cipher by it.
 */
static bool
add_capabilities(CMS_SignerInfo *si)
{
	static const int ciphers[] = {NID_aes_256_gcm, NID_aes_128_gcm,
		NID_aes_256_cbc, NID_aes_192_cbc, NID_aes_128_cbc};
	STACK_OF(X509_ALGOR) *list = NULL;
	bool ok = true;

	for (size_t i = 0; ok && i < sizeof(ciphers) / sizeof(int); i++)
		ok = CMS_add_simple_smimecap(&list, ciphers[i], -1) == 1;
	ok = ok && CMS_add_smimecap(si, list) == 1;
	sk_X509_ALGOR_pop_free(list, X509_ALGOR_free);
	return ok;
}

static bool
feed(BIO *bio, const char *p, size_t n)
{
	while (n > 0) {
		int take = n > (1 << 20) ? 1 << 20 : (int)n;

		if (BIO_write(bio, p, take) != take)
			return false;
		p += take;
		n -= (size_t)take;
	}
	return true;
}

/* The detached SignedData over head, blank line and body, as DER. */
static bool
make_signature(const struct entity *e, const struct signer *s,
    const struct signing *how, struct buf *der, struct error *err)
{
	unsigned flags = CMS_PARTIAL | CMS_DETACHED | CMS_BINARY;
	CMS_ContentInfo *cms;
	CMS_SignerInfo *si;
	BIO *bio = NULL;
	unsigned char *out = NULL;
	int n;
	bool ok = false;

	cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
	if (cms == NULL)
		goto fail;
	si = keyring_sign(s, cms,
	    EVP_get_digestbyname(digests[how->digest].name), how->rsa, err);
	if (si == NULL)
		goto out;
	if (!add_capabilities(si) || (bio = CMS_dataInit(cms, NULL)) == NULL)
		goto fail;
	if (!feed(bio, e->head.data, e->head.len) || !feed(bio, "\r\n", 2))
		goto fail;
	for (size_t i = 0; i < e->body.n; i++)
		if (!feed(bio, e->body.v[i].data, e->body.v[i].len))
			goto fail;
	if (BIO_flush(bio) != 1 || CMS_dataFinal(cms, bio) != 1)
		goto fail;
	n = i2d_CMS_ContentInfo(cms, &out);
	if (n <= 0 || !buf_append(der, out, (size_t)n))
		goto fail;
	ok = true;
	goto out;
fail:
	x509_error(err, ERROR_PERM, "signing with certificate %s failed",
	    s->entry->name);
out:
	OPENSSL_free(out);
	BIO_free_all(bio);
	CMS_ContentInfo_free(cms);
	return ok;
}

/* 128 random bits behind "=_", which no encoding writes. */
static bool
make_boundary(char *boundary, size_t size, struct error *err)
{
	unsigned char random[16];
	size_t n;

	if (RAND_bytes(random, sizeof(random)) != 1)
		return x509_error(err, ERROR_TEMP, "no random bytes");
	n = (size_t)snprintf(boundary, size, "=_smime_");
	for (size_t i = 0; i < sizeof(random); i++)
		n += (size_t)snprintf(boundary + n, size - n, "%02x",
		    random[i]);
	return true;
}

static void
set_head(struct entity *e, struct buf *head)
{
	buf_clear(&e->head);
	e->head = *head;
	buf_init(head, 0);
}

static bool
make_detached(struct entity *e, const struct buf *der, enum digest digest,
    struct error *err)
{
	struct base64_encoder enc = {0};
	struct pieces body = {0};
	struct buf head, open, close;
	char boundary[64];
	size_t n;

	if (!make_boundary(boundary, sizeof(boundary), err))
		return false;
	buf_init(&head, e->head.max);
	buf_init(&open, e->head.max);
	buf_init(&close, BASE64_ENCODED_MAX(der->len) + 1024);
	buf_printf(&head, "Content-Type: multipart/signed;\r\n"
	    "\tprotocol=\"application/pkcs7-signature\"; micalg=%s;\r\n"
	    "\tboundary=\"%s\"\r\n", digests[digest].micalg, boundary);
	buf_printf(&open, "This is an S/MIME signed message.\r\n\r\n"
	    "--%s\r\n%s\r\n", boundary, buf_text(&e->head));
	buf_printf(&close, "\r\n--%s\r\n"
	    "Content-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n"
	    "Content-Transfer-Encoding: base64\r\n"
	    "Content-Disposition: attachment; filename=\"smime.p7s\"\r\n"
	    "\r\n", boundary);
	buf_reserve(&close, BASE64_ENCODED_MAX(der->len));
	n = base64_encode(&enc, (unsigned char *)der->data, der->len,
	    close.data + close.len);
	n += base64_encode_end(&enc, close.data + close.len + n);
	close.len += n;
	close.data[close.len] = '\0';
	buf_printf(&close, "--%s--\r\n", boundary);
	pieces_keep_text(&body, &open);
	pieces_join(&body, &e->body);
	pieces_keep_text(&body, &close);
	e->body = body;
	set_head(e, &head);
	return true;
}

static bool
make_opaque(struct entity *e, const struct buf *der,
    const struct spool_place *place, struct error *err)
{
	struct armour a = {0};
	struct buf front, tail;
	bool ok;

	buf_init(&front, CMS_MAX_SKELETON);
	buf_init(&tail, CMS_MAX_SKELETON);
	armour_init(&a, place);
	ok = cms_walk_attach((const unsigned char *)der->data, der->len,
	    e->head.len + 2 + e->body.len, &front, &tail, err) &&
	    armour_write(&a, front.data, front.len, err) &&
	    armour_write(&a, buf_text(&e->head), e->head.len, err) &&
	    armour_write(&a, "\r\n", 2, err);
	for (size_t i = 0; ok && i < e->body.n; i++)
		ok = armour_write(&a, e->body.v[i].data, e->body.v[i].len,
		    err);
	ok = ok && armour_write(&a, buf_text(&tail), tail.len, err) &&
	    armour_finish(&a, "signed-data", e, err);
	armour_clear(&a);
	buf_clear(&front);
	buf_clear(&tail);
	return ok;
}

bool
smime_sign(struct entity *e, const struct signer *s,
    const struct signing *how, const struct spool_place *place,
    enum sign_mode *used, struct error *err)
{
	struct buf der;
	bool left, ok;

	if (!entity_canonicalise(e, place, &left, err))
		return false;
	*used = left ? SIGN_OPAQUE : how->mode;
	buf_init(&der, CMS_MAX_SKELETON);
	ok = make_signature(e, s, how, &der, err) &&
	    (*used == SIGN_DETACHED ?
	    make_detached(e, &der, how->digest, err) :
	    make_opaque(e, &der, place, err));
	buf_clear(&der);
	return ok;
}
