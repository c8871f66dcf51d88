/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signed objects of somebody trusted, spoiled in every way: when one still
 * verifies, its content is what was signed.
 */
#include "tests/fuzz/fuzz_smime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PSS = 1, EC = 2, NO_ATTRIBUTES = 4, STREAM = 8, KINDS = 16 };

static struct fuzz_cms
make(unsigned kind)
{
	unsigned flags = CMS_BINARY | CMS_PARTIAL |
	    (kind & NO_ATTRIBUTES ? CMS_NOATTR : 0) |
	    (kind & STREAM ? CMS_STREAM : 0);
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
	/* Streaming, OpenSSL writes what a parameter leaves open too early. */
	bool pss = (kind & PSS) && !(kind & (EC | STREAM));
	CMS_SignerInfo *si;

	si = CMS_add1_signer(cms, kind & EC ? fuzz_ec_cert : fuzz_rsa_cert,
	    kind & EC ? fuzz_ec : fuzz_rsa, EVP_sha256(),
	    flags | (pss ? CMS_KEY_PARAM : 0));
	pki_must(si != NULL);
	if (pss)
		pki_must(EVP_PKEY_CTX_set_rsa_padding(
		    CMS_SignerInfo_get0_pkey_ctx(si),
		    RSA_PKCS1_PSS_PADDING) > 0);
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
	fuzz_take_apart("signed-data", &c, &l, &v);
	if (size < 5 && !(data[0] & EC) && v.signature != SIGNATURE_PASS) {
		fprintf(stderr, "nothing was spoiled: %s\n", v.reason);
		abort();
	}
	if (v.signature == SIGNATURE_PASS &&
	    (l.v[0].content.len != sizeof(fuzz_text) - 1 ||
	    memcmp(l.v[0].content.data, fuzz_text,
	    sizeof(fuzz_text) - 1) != 0))
		abort();
	verdict_clear(&v);
	layers_clear(&l);
	free(c.p);
	return 0;
}
