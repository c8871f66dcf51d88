/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_FUZZ_FUZZ_SMIME_H
#define TESTS_FUZZ_FUZZ_SMIME_H

/*
 * For targets whose input only means something to a key: good CMS objects
 * are made at start, for a key made at start, and the input says how to
 * spoil them.  First byte: which object; then records of
 *
 *	operation, offset (2 bytes, big-endian), value
 */

#include <ftw.h>
#include <stdint.h>
#include <unistd.h>

#include "common/log.h"
#include "milter-smime/gateway.h"
#include "milter-smime/layers.h"
#include "tests/unit/pki.h"

#define FUZZ_CMS_MAX 65536

static const char fuzz_text[] = "Content-Type: text/plain\r\n\r\n"
    "One line, and another, to be more than a block of any cipher.\r\n";

struct fuzz_cms {
	unsigned char *p;
	size_t n;
};

static char fuzz_dir[] = "/tmp/fuzz_smime.XXXXXX";
static struct gateway *fuzz_gateway;
static EVP_PKEY *fuzz_rsa, *fuzz_ec;
static X509 *fuzz_rsa_cert, *fuzz_ec_cert;

static inline int
fuzz_unlink(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	(void)st;
	(void)flag;
	(void)f;
	return remove(path);
}

static inline void
fuzz_clean_up(void)
{
	nftw(fuzz_dir, fuzz_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

static inline X509 *
fuzz_make_cert(const char *name, long serial, EVP_PKEY *key,
    const char *usage)
{
	struct pki_cert spec = {.cn = name, .serial = serial,
		.san = "email:alice@example.com", .usage = usage};
	char *file = mem_printf("%s.pem", name);
	X509 *cert = pki_make(&spec, key, NULL, key);

	pki_write_cert(fuzz_dir, file, cert);
	free(file);
	file = mem_printf("%s.key", name);
	pki_write_key(fuzz_dir, file, key);
	free(file);
	return cert;
}

/* A gateway that holds an RSA and an EC key, and trusts their owners. */
static inline void
fuzz_set_up(void)
{
	static const char config[] =
	    "postseal { hostname = mx.example.com\n state_directory = %s\n"
	    "  certificate_directory = %s }\n"
	    "ca-list { system = no\n custom_file = %s/rsa.pem }\n"
	    "crl-check { directory = %s/crl }\n"
	    "milter-smime { key_store = sqlite:%s/keys.db }\n";
	struct settings *settings;
	struct error err = {0};
	char *conf, *spool;

	pki_must(mkdtemp(fuzz_dir) != NULL);
	atexit(fuzz_clean_up);
	spool = mem_printf("%s/smime", fuzz_dir);
	pki_must(mkdir(spool, 0700) == 0);
	free(spool);
	fuzz_rsa = EVP_RSA_gen(2048);
	fuzz_ec = EVP_EC_gen("P-256");
	fuzz_rsa_cert = fuzz_make_cert("rsa", 1, fuzz_rsa,
	    "digitalSignature,keyEncipherment");
	fuzz_ec_cert = fuzz_make_cert("ec", 2, fuzz_ec,
	    "digitalSignature,keyAgreement");
	conf = mem_printf(config, fuzz_dir, fuzz_dir, fuzz_dir, fuzz_dir,
	    fuzz_dir);
	settings = settings_parse("fuzz.conf", conf, strlen(conf),
	    smime_section_types, &err);
	fuzz_gateway = settings == NULL ? NULL :
	    gateway_open(settings, NULL, &err);
	if (fuzz_gateway == NULL) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	free(conf);
}

/* DER, or with stream BER as a program makes it that reads on and on. */
static inline struct fuzz_cms
fuzz_encode(CMS_ContentInfo *cms, bool stream)
{
	BIO *in = BIO_new_mem_buf(fuzz_text, sizeof(fuzz_text) - 1);
	BIO *out = BIO_new(BIO_s_mem());
	struct fuzz_cms c = {NULL, 0};
	char *data;

	if (stream) {
		pki_must(i2d_CMS_bio_stream(out, cms, in, CMS_STREAM |
		    CMS_BINARY) == 1);
	} else {
		pki_must(CMS_final(cms, in, NULL, CMS_BINARY) == 1 &&
		    i2d_CMS_bio(out, cms) == 1);
	}
	c.n = (size_t)BIO_get_mem_data(out, &data);
	c.p = mem_dup(data, c.n);
	BIO_free(in);
	BIO_free(out);
	CMS_ContentInfo_free(cms);
	return c;
}

static inline void
fuzz_move(struct fuzz_cms *c, size_t at, size_t from)
{
	memmove(c->p + at, c->p + from, c->n - from);
	c->n = at + (c->n - from);
}

/* A copy of good with the changes of the script; c->p is the caller's. */
static inline struct fuzz_cms
fuzz_edit(const struct fuzz_cms *good, const uint8_t *script, size_t size)
{
	struct fuzz_cms c = {mem_alloc(2 * FUZZ_CMS_MAX), good->n};

	pki_must(good->n <= FUZZ_CMS_MAX);
	memcpy(c.p, good->p, good->n);
	for (; size >= 4 && c.n > 0; script += 4, size -= 4) {
		size_t at = (size_t)(script[1] << 8 | script[2]) % c.n;
		size_t rest = c.n - at;
		size_t span = script[3] < rest ? script[3] : rest;

		switch (script[0] % 6) {
		case 0:
			c.p[at] = script[3];
			break;
		case 1:
			c.p[at] = (unsigned char)(c.p[at] + script[3]);
			break;
		case 2: /* one more byte */
			if (c.n < FUZZ_CMS_MAX) {
				memmove(c.p + at + 1, c.p + at, rest);
				c.p[at] = script[3];
				c.n++;
			}
			break;
		case 3: /* fewer */
			fuzz_move(&c, at, at + span);
			break;
		case 4: /* twice */
			if (c.n + span < FUZZ_CMS_MAX) {
				memmove(c.p + at + span, c.p + at, rest);
				c.n += span;
			}
			break;
		default:
			c.n = at;
		}
	}
	return c;
}

/* A mail with the object as its body, taken apart by the gateway. */
static inline void
fuzz_take_apart(const char *type, const struct fuzz_cms *c, struct layers *l,
    struct verdict *v)
{
	char *text = pki_base64(c->p, c->n);
	char *mail = mem_printf("Content-Type: application/pkcs7-mime; "
	    "smime-type=%s\r\nContent-Transfer-Encoding: base64\r\n\r\n%s",
	    type, text);
	static const char address[] = "alice@example.com";
	struct mailaddr from = {0};
	struct claimed_sender sender = {.address = &from};
	struct error err = {0};
	struct entity e;

	pki_must(mailaddr_parse(address, strlen(address), &from, &err));
	entity_init(&e);
	layers_init(l);
	memset(v, 0, sizeof(*v));
	if (entity_from_bytes(mail, strlen(mail), &e, &err))
		pki_must(layers_take_apart(l, fuzz_gateway, &e, &sender, true,
		    v, &err));
	entity_clear(&e);
	mailaddr_clear(&from);
	/* The innermost entity may borrow from it. */
	entity_clear(&l->innermost);
	free(mail);
	free(text);
}

#endif
