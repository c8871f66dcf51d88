/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_CRL_MAKER_H
#define TESTS_UNIT_CRL_MAKER_H

/*
 * CRLs with chosen dates, numbers, extensions, signatures, good and bad:
 * every octet is written here, only the signature is OpenSSL's.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "common/buf.h"

#define MAKER_MAX ((size_t)1 << 28)

struct maker_entry {
	const char *serial; /* contents of the INTEGER, hex */
	int reason;	    /* -1: none */
	bool critical;	    /* an unknown critical extension */
	bool issuer;	    /* certificateIssuer */
};

struct maker_crl {
	X509 *issuer;	    /* its subject and key identifier */
	const char *name;   /* CN instead of the issuer's subject */
	EVP_PKEY *key;
	const char *digest; /* NULL: SHA256 */
	bool pss;
	int64_t this_update, next_update; /* next 0: none */
	int64_t number, base;		  /* -1: none */
	bool no_key_id;
	const char *idp;     /* value of the extension, hex */
	const char *critical; /* DER of the OID of a critical extension, hex */
	bool twice;	      /* crlNumber stands twice */
	bool v1;
	bool other_algorithm; /* inside and outside differ */
	const struct maker_entry *entries;
	size_t n;
	size_t many; /* so many more, serial numbers by chance */
	unsigned seed;
};

static inline void
maker_must(bool good)
{
	if (!good)
		abort();
}

static inline void
maker_tlv(struct buf *out, int tag, const void *p, size_t n)
{
	unsigned char head[6] = {(unsigned char)tag};
	size_t used = 2;

	if (n < 0x80)
		head[1] = (unsigned char)n;
	else {
		int octets = n > 0xffffff ? 4 : n > 0xffff ? 3 : n > 0xff ? 2 : 1;

		head[1] = (unsigned char)(0x80 | octets);
		for (int i = 0; i < octets; i++)
			head[2 + i] = (unsigned char)(n >>
						      8 * (octets - 1 - i));
		used += (size_t)octets;
	}
	maker_must(buf_append(out, head, used) && buf_append(out, p, n));
}

/* Takes what is in `in` and empties it. */
static inline void
maker_wrap(struct buf *out, int tag, struct buf *in)
{
	maker_tlv(out, tag, buf_text(in), in->len);
	buf_reset(in);
}

static inline void
maker_hex(struct buf *out, const char *hex)
{
	unsigned v;

	for (; hex[0] != '\0' && hex[1] != '\0'; hex += 2) {
		maker_must(sscanf(hex, "%2x", &v) == 1);
		buf_putc(out, (char)v);
	}
}

static inline void
maker_time(struct buf *out, int64_t t)
{
	time_t when = (time_t)t;
	char text[32];
	struct tm tm;
	bool utc;

	gmtime_r(&when, &tm);
	utc = tm.tm_year >= 50 && tm.tm_year < 150;
	strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &tm);
	maker_tlv(out, utc ? 0x17 : 0x18, utc ? text + 2 : text,
	    strlen(text) - (utc ? 2 : 0));
}

static inline void
maker_integer(struct buf *out, int64_t v)
{
	unsigned char p[9];
	size_t from = 0;

	for (int i = 0; i < 9; i++)
		p[8 - i] = i == 8 ? 0 : (unsigned char)(v >> 8 * i);
	while (from < 8 && p[from] == 0 && !(p[from + 1] & 0x80))
		from++;
	maker_tlv(out, 0x02, p + from, 9 - from);
}

/* oid: the last octet of 2.5.29.n; value is emptied. */
static inline void
maker_extension(struct buf *out, int oid, bool critical, struct buf *value)
{
	const unsigned char id[] = {0x55, 0x1d, (unsigned char)oid};
	struct buf one;

	buf_init(&one, MAKER_MAX);
	maker_tlv(&one, 0x06, id, sizeof(id));
	if (critical)
		maker_tlv(&one, 0x01, "\xff", 1);
	maker_wrap(&one, 0x04, value);
	maker_wrap(out, 0x30, &one);
	buf_clear(&one);
}

static inline void
maker_entry(struct buf *out, const struct maker_entry *e, int64_t date)
{
	struct buf one, extensions, value;

	buf_init(&one, MAKER_MAX);
	buf_init(&extensions, MAKER_MAX);
	buf_init(&value, MAKER_MAX);
	maker_hex(&value, e->serial);
	maker_wrap(&one, 0x02, &value);
	maker_time(&one, date);
	if (e->reason >= 0) {
		maker_tlv(&value, 0x0a,
		    &(unsigned char){(unsigned char)e->reason}, 1);
		maker_extension(&extensions, 21, false, &value);
	}
	if (e->critical) {
		buf_puts(&value, "x");
		maker_extension(&extensions, 99, true, &value);
	}
	if (e->issuer) {
		maker_tlv(&value, 0x30, "", 0);
		maker_extension(&extensions, 29, true, &value);
	}
	if (extensions.len > 0)
		maker_wrap(&one, 0x30, &extensions);
	maker_wrap(out, 0x30, &one);
	buf_clear(&one);
	buf_clear(&extensions);
	buf_clear(&value);
}

static inline uint64_t
maker_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Entries as real ones are: 16 octets, a date, no extension. */
static inline void
maker_many(struct buf *out, const struct maker_crl *c)
{
	uint64_t state = 0x9e3779b97f4a7c15u + c->seed;
	struct buf date;

	buf_init(&date, 64);
	maker_time(&date, c->this_update - 86400);
	for (size_t i = 0; i < c->many; i++) {
		unsigned char e[20] = {0x30, 0, 0x02, 16};
		uint64_t a = maker_random(&state), b = maker_random(&state);

		e[1] = (unsigned char)(18 + date.len);
		memcpy(e + 4, &a, 8);
		memcpy(e + 12, &b, 8);
		e[4] = (e[4] & 0x7f) | 1;
		maker_must(buf_append(out, e, 20) &&
			   buf_append(out, date.data, date.len));
	}
	buf_clear(&date);
}

static inline void
maker_extensions(struct buf *out, const struct maker_crl *c)
{
	const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(c->issuer);
	struct buf value;

	buf_init(&value, MAKER_MAX);
	if (!c->no_key_id && id != NULL) {
		struct buf inner;

		buf_init(&inner, MAKER_MAX);
		maker_tlv(&inner, 0x80, ASN1_STRING_get0_data(id),
		    (size_t)ASN1_STRING_length(id));
		maker_wrap(&value, 0x30, &inner);
		buf_clear(&inner);
		maker_extension(out, 35, false, &value);
	}
	for (int i = 0; c->number >= 0 && i < (c->twice ? 2 : 1); i++) {
		maker_integer(&value, c->number);
		maker_extension(out, 20, false, &value);
	}
	if (c->base >= 0) {
		maker_integer(&value, c->base);
		maker_extension(out, 27, true, &value);
	}
	if (c->idp != NULL) {
		maker_hex(&value, c->idp);
		maker_extension(out, 28, true, &value);
	}
	if (c->critical != NULL) {
		struct buf one;

		buf_init(&one, MAKER_MAX);
		maker_hex(&one, c->critical);
		maker_tlv(&one, 0x01, "\xff", 1);
		maker_tlv(&one, 0x04, "\x05\x00", 2);
		maker_wrap(out, 0x30, &one);
		buf_clear(&one);
	}
	buf_clear(&value);
}

/*
 * The signature's algorithm and octets, by signing an empty CRL with the
 * same key: OpenSSL then says how it writes the algorithm down.
 */
static inline X509_ALGOR *
maker_algorithm(const struct maker_crl *c, const EVP_MD *md)
{
	X509_CRL *crl = X509_CRL_new();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const X509_ALGOR *algorithm;
	EVP_PKEY_CTX *key_ctx;
	ASN1_TIME *t = ASN1_TIME_set(NULL, 0);
	X509_ALGOR *copy;

	X509_CRL_set1_lastUpdate(crl, t);
	maker_must(EVP_DigestSignInit(ctx, &key_ctx, md, NULL, c->key) == 1);
	if (c->pss)
		EVP_PKEY_CTX_set_rsa_padding(key_ctx, RSA_PKCS1_PSS_PADDING);
	maker_must(X509_CRL_sign_ctx(crl, ctx) > 0);
	X509_CRL_get0_signature(crl, NULL, &algorithm);
	copy = X509_ALGOR_dup(algorithm);
	ASN1_TIME_free(t);
	EVP_MD_CTX_free(ctx);
	X509_CRL_free(crl);
	return copy;
}

static inline void
maker_sign(struct buf *out, const struct maker_crl *c, const EVP_MD *md,
    const struct buf *tbs)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *key_ctx;
	unsigned char bits[2048] = {0};
	size_t n = sizeof(bits) - 1;

	maker_must(EVP_DigestSignInit(ctx, &key_ctx, md, NULL, c->key) == 1);
	if (c->pss)
		EVP_PKEY_CTX_set_rsa_padding(key_ctx, RSA_PKCS1_PSS_PADDING);
	maker_must(EVP_DigestSign(ctx, bits + 1, &n,
		       (const unsigned char *)tbs->data, tbs->len) == 1);
	maker_tlv(out, 0x03, bits, n + 1);
	EVP_MD_CTX_free(ctx);
}

static inline void
maker_name(struct buf *out, const struct maker_crl *c)
{
	X509_NAME *own = X509_NAME_new();
	unsigned char *der = NULL;
	int n;

	if (c->name != NULL)
		X509_NAME_add_entry_by_txt(own, "CN", MBSTRING_UTF8,
		    (const unsigned char *)c->name, -1, -1, 0);
	n = i2d_X509_NAME(
	    c->name != NULL ? own : X509_get_subject_name(c->issuer), &der);
	maker_must(n > 0 && buf_append(out, der, (size_t)n));
	OPENSSL_free(der);
	X509_NAME_free(own);
}

/* Appends the DER. */
static inline void
maker_make(struct buf *out, const struct maker_crl *c)
{
	const EVP_MD *md = NULL;
	X509_ALGOR *algorithm;
	unsigned char *algorithm_der = NULL;
	struct buf tbs, part, all;
	int n;

	if (EVP_PKEY_get_base_id(c->key) != EVP_PKEY_ED25519)
		md = EVP_get_digestbyname(
		    c->digest == NULL ? "SHA256" : c->digest);
	algorithm = maker_algorithm(c, md);
	n = i2d_X509_ALGOR(algorithm, &algorithm_der);
	buf_init(&tbs, MAKER_MAX);
	buf_init(&part, MAKER_MAX);
	buf_init(&all, MAKER_MAX);
	if (!c->v1)
		maker_integer(&part, 1);
	maker_must(buf_append(&part, algorithm_der, (size_t)n));
	maker_name(&part, c);
	maker_time(&part, c->this_update);
	if (c->next_update != 0)
		maker_time(&part, c->next_update);
	for (size_t i = 0; i < c->n; i++)
		maker_entry(&all, &c->entries[i], c->this_update - 3600);
	if (c->many > 0)
		maker_many(&all, c);
	if (all.len > 0)
		maker_wrap(&part, 0x30, &all);
	if (!c->v1)
		maker_extensions(&all, c);
	if (all.len > 0) {
		maker_wrap(&tbs, 0x30, &all);
		maker_wrap(&part, 0xa0, &tbs);
	}
	maker_wrap(&tbs, 0x30, &part);
	maker_must(buf_append(&all, tbs.data, tbs.len));
	if (c->other_algorithm)
		maker_hex(&all, "300506032b6570"); /* Ed25519 */
	else
		maker_must(buf_append(&all, algorithm_der, (size_t)n));
	maker_sign(&all, c, md, &tbs);
	maker_wrap(out, 0x30, &all);
	OPENSSL_free(algorithm_der);
	X509_ALGOR_free(algorithm);
	buf_clear(&tbs);
	buf_clear(&part);
	buf_clear(&all);
}

#endif
