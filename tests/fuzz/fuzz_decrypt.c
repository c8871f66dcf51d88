/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Envelopes for our keys, spoiled in every way.  Whatever was authenticated
 * (AES-GCM) opens to what was put in, or not at all.
 */
#include "tests/fuzz/fuzz_smime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OAEP = 1, EC = 2, GCM = 4, STREAM = 8, KINDS = 16 };

static struct fuzz_cms
make(unsigned kind)
{
	const EVP_CIPHER *cipher = kind & GCM ? EVP_aes_128_gcm() :
						EVP_aes_128_cbc();
	CMS_ContentInfo *cms;
	CMS_RecipientInfo *ri;
	EVP_PKEY_CTX *ctx;

	cms = CMS_encrypt(NULL, NULL, cipher, CMS_PARTIAL | CMS_BINARY |
	    (kind & STREAM ? CMS_STREAM : 0));
	pki_must(cms != NULL);
	ri = CMS_add1_recipient_cert(cms, kind & EC ? fuzz_ec_cert :
	    fuzz_rsa_cert, CMS_KEY_PARAM);
	ctx = ri == NULL ? NULL : CMS_RecipientInfo_get0_pkey_ctx(ri);
	pki_must(ctx != NULL);
	if (!(kind & EC) && (kind & OAEP))
		pki_must(EVP_PKEY_CTX_set_rsa_padding(ctx,
		    RSA_PKCS1_OAEP_PADDING) > 0);
	return fuzz_encode(cms, kind & STREAM);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz_cms good[KINDS];
	struct fuzz_cms c;
	struct layers l;
	struct verdict v;

	if (fuzz_gateway == NULL) {
		fuzz_set_up();
		for (unsigned i = 0; i < KINDS; i++)
			good[i] = make(i);
	}
	if (size == 0)
		return 0;
	c = fuzz_edit(&good[data[0] % KINDS], data + 1, size - 1);
	fuzz_take_apart("enveloped-data", &c, &l, &v);
	if (size < 5 && l.n > 0 && l.v[0].plain == NULL)
		abort(); /* nothing was spoiled */
	if (l.n > 0 && l.v[0].plain != NULL &&
	    l.v[0].kind.walk.type == CMS_TYPE_AUTH_ENVELOPED &&
	    (spool_len(l.v[0].plain) != sizeof(fuzz_text) - 1 ||
	    memcmp(spool_data(l.v[0].plain), fuzz_text,
	    sizeof(fuzz_text) - 1) != 0))
		abort();
	verdict_clear(&v);
	layers_clear(&l);
	free(c.p);
	return 0;
}
