/* SPDX-License-Identifier: BSD-2-Clause */
#include "smime_decrypt.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "common/mem.h"

#define BLOCK (64 * 1024)

struct job {
	EVP_CIPHER_CTX *ctx;
	struct spool *out;
	unsigned char *block;
	bool broken; /* decryption failed; go on to the end all the same */
};

static CMS_ContentInfo *
parse(const struct smime_kind *k)
{
	const unsigned char *p = (const unsigned char *)spool_data(k->cms), *q;
	CMS_ContentInfo *cms = NULL;
	struct error ignored;
	struct buf skeleton;

	if (k->malformed[0] != '\0')
		return NULL; /* not even OpenSSL shall see it */
	buf_init(&skeleton, CMS_MAX_SKELETON);
	if (cms_walk_skeleton(p, &k->walk, &skeleton, &ignored)) {
		q = (const unsigned char *)skeleton.data;
		cms = d2i_CMS_ContentInfo(NULL, &q, (long)skeleton.len);
	}
	buf_clear(&skeleton);
	return cms;
}

/* RFC 5083 2.1: the attributes, as a SET OF, are authenticated, too. */
static bool
feed_attributes(struct job *j, const struct smime_kind *k)
{
	const char *p = spool_data(k->cms) + k->walk.auth_attributes.off;
	size_t n = k->walk.auth_attributes.len;
	unsigned char *set;
	int got;
	bool ok;

	if (n == 0 || k->walk.type != CMS_TYPE_AUTH_ENVELOPED)
		return true;
	set = mem_dup(p, n);
	set[0] = 0x31;
	ok = EVP_DecryptUpdate(j->ctx, NULL, &got, set, (int)n) == 1;
	free(set);
	return ok;
}

static bool
decrypt_piece(void *context, const unsigned char *p, size_t n,
    struct error *err)
{
	struct job *j = context;

	while (n > 0) {
		int take = n < BLOCK ? (int)n : BLOCK, got = 0;

		if (EVP_DecryptUpdate(j->ctx, j->block, &got, p, take) != 1)
			j->broken = true;
		if (!spool_write(j->out, j->block, (size_t)got, err))
			return false;
		p += take;
		n -= (size_t)take;
	}
	return true;
}

static bool
decrypt_content(struct job *j, const struct smime_kind *k, struct error *err)
{
	int got = 0;

	if (!feed_attributes(j, k))
		j->broken = true;
	if (!cms_walk_content((const unsigned char *)spool_data(k->cms),
	    &k->walk, decrypt_piece, j, err))
		return false;
	if (EVP_DecryptFinal_ex(j->ctx, j->block, &got) != 1)
		j->broken = true;
	return (j->broken || spool_write(j->out, j->block, (size_t)got,
	    err)) && spool_finish(j->out, err);
}

bool
smime_decrypt(struct keyring *keyring, const struct smime_kind *k,
    const struct spool_place *place, struct spool **plain,
    struct error *err)
{
	struct job j = {0};
	CMS_ContentInfo *cms = parse(k);
	BIO *sink = NULL, *bio = NULL;
	bool ok = true;

	*plain = NULL;
	if (cms == NULL || !keyring_unwrap(keyring, cms))
		goto out;
	sink = BIO_new(BIO_s_null());
	bio = CMS_dataInit(cms, sink);
	if (bio == NULL || BIO_get_cipher_ctx(bio, &j.ctx) != 1)
		goto out;
	j.out = spool_new(place);
	spool_set_secret(j.out);
	j.block = mem_alloc(BLOCK + EVP_MAX_BLOCK_LENGTH);
	ok = decrypt_content(&j, k, err);
	if (ok && !j.broken) {
		*plain = j.out;
		j.out = NULL;
	}
out:
	spool_free(&j.out);
	mem_wipe_free(j.block, BLOCK);
	if (bio != NULL)
		BIO_free_all(bio);
	else
		BIO_free(sink);
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return ok;
}
