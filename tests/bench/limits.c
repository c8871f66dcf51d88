/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the library itself takes for the work that cannot be avoided: one
 * line for each, `NAME microseconds` of CPU.  Big input is taken in blocks
 * whose output stays in the cache, which is how it is fastest.
 *
 *	limits BYTES
 *
 * BYTES is the content's length for digest, cipher, base64 and copy.
 */
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>

#define BLOCK (48 * 1024) /* base64 takes threes, ciphers sixteens */
#define ENOUGH 60e3	  /* microseconds of one measurement */

struct work {
	EVP_PKEY *key;
	unsigned char *content, *copy;
	size_t len;
	unsigned char out[2 * BLOCK];
	char text[BLOCK / 3 * 4 + 1];
};

typedef void job(struct work *w);

static void
must(bool good)
{
	if (!good)
		errx(1, "OpenSSL failed");
}

static void
signature(struct work *w)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(w->key, NULL);
	size_t n = sizeof(w->out);

	must(EVP_PKEY_sign_init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
	    EVP_PKEY_sign(ctx, w->out, &n, w->content, 32) == 1);
	EVP_PKEY_CTX_free(ctx);
}

static void
wrap(struct work *w)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(w->key, NULL);
	size_t n = sizeof(w->out);

	must(EVP_PKEY_encrypt_init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
	    EVP_PKEY_encrypt(ctx, w->out, &n, w->content, 32) == 1);
	EVP_PKEY_CTX_free(ctx);
}

static void
digest(struct work *w)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	must(EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
	    EVP_DigestUpdate(ctx, w->content, w->len) == 1 &&
	    EVP_DigestFinal_ex(ctx, w->out, NULL) == 1);
	EVP_MD_CTX_free(ctx);
}

static void
cipher(struct work *w, const EVP_CIPHER *c, int encrypt)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	static const unsigned char key[32], iv[16];
	int n;

	must(EVP_CipherInit_ex(ctx, c, NULL, key, iv, encrypt) == 1);
	for (size_t off = 0; off < w->len; off += BLOCK)
		must(EVP_CipherUpdate(ctx, w->out, &n, w->content + off,
		    (int)(w->len - off < BLOCK ? w->len - off : BLOCK)) == 1);
	/* Padding and tag of what was never encrypted are wrong. */
	(void)!EVP_CipherFinal_ex(ctx, w->out, &n);
	EVP_CIPHER_CTX_free(ctx);
}

static void
cbc_encrypt(struct work *w)
{
	cipher(w, EVP_aes_256_cbc(), 1);
}

static void
cbc_decrypt(struct work *w)
{
	cipher(w, EVP_aes_256_cbc(), 0);
}

static void
gcm_encrypt(struct work *w)
{
	cipher(w, EVP_aes_256_gcm(), 1);
}

static void
gcm_decrypt(struct work *w)
{
	cipher(w, EVP_aes_256_gcm(), 0);
}

static void
base64_encode(struct work *w)
{
	for (size_t off = 0; off < w->len; off += BLOCK)
		EVP_EncodeBlock(w->out, w->content + off,
		    (int)(w->len - off < BLOCK ? w->len - off : BLOCK));
}

/* As much text as the content gives. */
static void
base64_decode(struct work *w)
{
	for (size_t off = 0; off < w->len; off += BLOCK)
		must(EVP_DecodeBlock(w->out, (unsigned char *)w->text,
		    (int)(w->len - off < BLOCK ? (w->len - off) / 3 * 4 :
		    BLOCK / 3 * 4)) >= 0);
}

static void
copy(struct work *w)
{
	memcpy(w->copy, w->content, w->len);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double
measure(job *j, struct work *w)
{
	double began, spent;
	unsigned n = 0;

	j(w);
	began = now();
	do {
		j(w);
		n++;
		spent = now() - began;
	} while (spent < ENOUGH);
	return spent / n;
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		job *job;
	} jobs[] = {
		{"signature", signature}, {"wrap", wrap}, {"digest", digest},
		{"cbc-encrypt", cbc_encrypt}, {"cbc-decrypt", cbc_decrypt},
		{"gcm-encrypt", gcm_encrypt}, {"gcm-decrypt", gcm_decrypt},
		{"base64-encode", base64_encode},
		{"base64-decode", base64_decode}, {"copy", copy},
	};
	static struct work w;

	if (argc != 2 || (w.len = strtoul(argv[1], NULL, 10)) == 0)
		errx(64, "usage: limits BYTES");
	w.content = malloc(w.len + BLOCK);
	w.copy = malloc(w.len + BLOCK);
	if (w.content == NULL || w.copy == NULL)
		errx(1, "out of memory");
	for (size_t i = 0; i < w.len + BLOCK; i++)
		w.content[i] = (unsigned char)(i * 2654435761u >> 24);
	EVP_EncodeBlock((unsigned char *)w.text, w.content, BLOCK);
	w.key = EVP_RSA_gen(2048);
	must(w.key != NULL);
	for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++)
		printf("%s %.3f\n", jobs[i].name, measure(jobs[i].job, &w));
	return 0;
}
