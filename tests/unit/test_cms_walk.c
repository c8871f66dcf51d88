/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter-smime/cms_walk.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <dirent.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/mem.h"
#include "tap.h"

#define MAX (64 << 20)

static const char text[] =
    "Content-Type: text/plain\r\n\r\nThe fee is 5 EUR.\r\n";

static X509 *cert;
static EVP_PKEY *key;

static void
make_certificate(void)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;
	X509_NAME *name;

	key = EVP_RSA_gen(2048);
	cert = X509_new();
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 7);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	name = X509_get_subject_name(cert);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
	    (const unsigned char *)"walker", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	X509_set_pubkey(cert, key);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	ext =
	    X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_key_identifier, "hash");
	X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
	X509_sign(cert, key, EVP_sha256());
}

/* Bytes are composed inside out: this puts a tag and length around. */
static void
wrap(struct buf *b, unsigned tag, bool indefinite)
{
	struct buf out;
	size_t len = b->len;

	buf_init(&out, MAX);
	buf_putc(&out, (char)tag);
	if (indefinite)
		buf_append(&out, "\x80", 1);
	else if (len < 0x80)
		buf_putc(&out, (char)len);
	else {
		buf_append(&out, "\x84", 1);
		for (int shift = 24; shift >= 0; shift -= 8)
			buf_putc(&out, (char)(len >> shift));
	}
	buf_append(&out, b->data, b->len);
	if (indefinite)
		buf_append(&out, "\0\0", 2);
	buf_clear(b);
	*b = out;
}

static bool
collect(void *context, const unsigned char *p, size_t n, struct error *err)
{
	(void)err;
	return buf_append(context, p, n);
}

static void
to_buf(struct buf *b, CMS_ContentInfo *cms)
{
	unsigned char *der = NULL;
	int n = i2d_CMS_ContentInfo(cms, &der);

	buf_init(b, MAX);
	if (n > 0)
		buf_append(b, der, (size_t)n);
	OPENSSL_free(der);
}

static void
make_signed(struct buf *b, unsigned flags)
{
	BIO *in = BIO_new_mem_buf(text, -1);
	CMS_ContentInfo *cms =
	    CMS_sign(cert, key, NULL, in, flags | CMS_BINARY);

	if (flags & CMS_STREAM) {
		BIO *out = BIO_new(BIO_s_mem());
		char *p;
		long n;

		i2d_CMS_bio_stream(out, cms, in, (int)(flags | CMS_BINARY));
		n = BIO_get_mem_data(out, &p);
		buf_init(b, MAX);
		buf_append(b, p, (size_t)n);
		BIO_free(out);
	} else {
		to_buf(b, cms);
	}
	CMS_ContentInfo_free(cms);
	BIO_free(in);
}

static void
make_encrypted(struct buf *b, const EVP_CIPHER *cipher, unsigned flags)
{
	STACK_OF(X509) *to = sk_X509_new_null();
	BIO *in = BIO_new_mem_buf(text, -1);
	CMS_ContentInfo *cms;

	sk_X509_push(to, cert);
	cms = CMS_encrypt(to, in, cipher, flags | CMS_BINARY);
	if (flags & CMS_STREAM) {
		BIO *out = BIO_new(BIO_s_mem());
		char *p;
		long n;

		i2d_CMS_bio_stream(out, cms, in, (int)(flags | CMS_BINARY));
		n = BIO_get_mem_data(out, &p);
		buf_init(b, MAX);
		buf_append(b, p, (size_t)n);
		BIO_free(out);
	} else {
		to_buf(b, cms);
	}
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	sk_X509_free(to);
}

static CMS_ContentInfo *
parse(const struct buf *b)
{
	const unsigned char *p = (const unsigned char *)b->data;

	return d2i_CMS_ContentInfo(NULL, &p, (long)b->len);
}

static bool
verifies(CMS_ContentInfo *cms, const struct buf *content)
{
	STACK_OF(X509) *certs = sk_X509_new_null();
	BIO *dcont = content == NULL
			 ? NULL
			 : BIO_new_mem_buf(content->data, (int)content->len);
	BIO *out = BIO_new(BIO_s_mem());
	char *p = NULL;
	bool good;
	long n;

	sk_X509_push(certs, cert);
	good = cms != NULL && CMS_verify(cms, certs, NULL, dcont, out,
				  CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY) == 1;
	n = BIO_get_mem_data(out, &p);
	good = good && (size_t)n == strlen(text) &&
	       memcmp(p, text, (size_t)n) == 0;
	BIO_free(out);
	BIO_free(dcont);
	sk_X509_free(certs);
	return good;
}

static bool
decrypts(CMS_ContentInfo *cms, const struct buf *content)
{
	BIO *dcont = BIO_new_mem_buf(content->data, (int)content->len);
	BIO *out = BIO_new(BIO_s_mem());
	char *p = NULL;
	bool good;
	long n;

	good = cms != NULL &&
	       CMS_decrypt(cms, key, cert, dcont, out, CMS_BINARY) == 1;
	n = BIO_get_mem_data(out, &p);
	good = good && (size_t)n == strlen(text) &&
	       memcmp(p, text, (size_t)n) == 0;
	BIO_free(out);
	BIO_free(dcont);
	return good;
}

/* Walks and cuts; the skeleton and the content are for the caller. */
static bool
cut(const struct buf *b, struct cms_walk *w, struct buf *skeleton,
    struct buf *content)
{
	const unsigned char *p = (const unsigned char *)b->data;
	struct error err = {0};
	bool good;

	buf_init(skeleton, MAX);
	buf_init(content, MAX);
	good = cms_walk(p, b->len, w, &err) &&
	       cms_walk_skeleton(p, w, skeleton, &err) &&
	       cms_walk_content(p, w, collect, content, &err);
	if (!good)
		printf("# %s\n", err.text);
	return good && content->len == w->content_len;
}

static void
test_signed(unsigned flags, const char *what)
{
	struct buf b, skeleton, content;
	struct cms_walk w;
	CMS_ContentInfo *cms;

	make_signed(&b, flags);
	check(cut(&b, &w, &skeleton, &content), "a signature, %s, is walked",
	    what);
	check(w.type == CMS_TYPE_SIGNED && w.nsigners == 1 &&
		  w.ncertificates == 1 && w.ndigests == 1 && w.ncrls == 0,
	    "its signer, certificate and digest are counted");
	check(w.has_content == !(flags & CMS_DETACHED),
	    "it is known whether it has content");
	if (flags & CMS_DETACHED)
		buf_puts(&content, text);
	check_str(buf_text(&content), text, "its content is what was signed");
	cms = parse(&skeleton);
	check(cms != NULL && CMS_is_detached(cms),
	    "its skeleton is a detached signature to OpenSSL");
	check(verifies(cms, &content), "skeleton and content verify");
	CMS_ContentInfo_free(cms);
	buf_clear(&b);
	buf_clear(&skeleton);
	buf_clear(&content);
}

static void
test_encrypted(const EVP_CIPHER *cipher, unsigned flags, enum cms_type type,
    const char *what)
{
	struct buf b, skeleton, content;
	struct cms_walk w;
	CMS_ContentInfo *cms;

	make_encrypted(&b, cipher, flags);
	check(cut(&b, &w, &skeleton, &content), "%s is walked", what);
	check(w.type == type && w.nrecipients == 1 && w.has_content,
	    "its type, recipient and content are known");
	cms = parse(&skeleton);
	check(decrypts(cms, &content), "skeleton and content decrypt");
	CMS_ContentInfo_free(cms);
	buf_clear(&b);
	buf_clear(&skeleton);
	buf_clear(&content);
}

static void
test_attach(size_t pad)
{
	struct buf detached, head, tail;
	struct error err;
	struct cms_walk w;
	CMS_ContentInfo *cms;

	make_signed(&detached, CMS_DETACHED);
	buf_init(&head, MAX);
	buf_init(&tail, MAX);
	for (size_t i = 0; i < pad; i++)
		buf_putc(&detached, 0); /* behind the object */
	check(cms_walk_attach((unsigned char *)detached.data, detached.len,
		  strlen(text), &head, &tail, &err),
	    "a detached signature takes its content back");
	buf_puts(&head, text);
	buf_append(&head, tail.data, tail.len);
	check(cms_walk((unsigned char *)head.data, head.len, &w, &err) &&
		  w.has_content && w.content_len == strlen(text),
	    "the opaque one is walked");
	cms = parse(&head);
	check(verifies(cms, NULL), "the opaque one verifies");
	if (cms != NULL) {
		struct buf again;

		to_buf(&again, cms);
		check(again.len == head.len &&
			  memcmp(again.data, head.data, head.len) == 0,
		    "and is DER to the byte");
		buf_clear(&again);
	}
	check(!cms_walk_attach((unsigned char *)head.data, head.len, 3,
		  &detached, &tail, &err) &&
		  err.kind == ERROR_PERM,
	    "an opaque signature is not attached to again");
	CMS_ContentInfo_free(cms);
	buf_clear(&detached);
	buf_clear(&head);
	buf_clear(&tail);
}

/* Hand-made objects: what goes into a SignedData, piece by piece. */
struct parts {
	const char *encap;
	size_t encap_len;
	unsigned certificates, crls, signers, digests, attributes;
	bool indefinite;
};

static void
put_many(struct buf *b, unsigned tag, unsigned n, const void *p, size_t len,
    bool indefinite)
{
	struct buf set;

	buf_init(&set, MAX);
	for (unsigned i = 0; i < n; i++)
		buf_append(&set, p, len);
	wrap(&set, tag, indefinite);
	buf_append(b, set.data, set.len);
	buf_clear(&set);
}

static void
put_signer(struct buf *b, unsigned attributes)
{
	struct buf s;

	buf_init(&s, MAX);
	buf_append(&s, "\x02\1\3\x80\1\7\x30\3\6\1\x2a", 11);
	if (attributes > 0)
		put_many(
		    &s, 0xa0, attributes, "\x30\5\6\1\x2a\x31\0", 7, false);
	buf_append(&s, "\x30\3\6\1\x2a\4\1x", 8);
	wrap(&s, 0x30, false);
	buf_append(b, s.data, s.len);
	buf_clear(&s);
}

static void
finish(struct buf *b, const char *oid, size_t oid_len, bool indefinite)
{
	struct buf out;

	wrap(b, 0x30, indefinite);
	wrap(b, 0xa0, indefinite);
	buf_init(&out, MAX);
	buf_append(&out, oid, oid_len);
	buf_append(&out, b->data, b->len);
	buf_clear(b);
	*b = out;
	wrap(b, 0x30, indefinite);
}

#define OID_SIGNED "\6\x09\x2a\x86\x48\x86\xf7\x0d\1\7\2"
#define OID_ENVELOPED "\6\x09\x2a\x86\x48\x86\xf7\x0d\1\7\3"
#define OID_COMPRESSED "\6\x0b\x2a\x86\x48\x86\xf7\x0d\1\x09\x10\1\x09"
#define OID_AUTH_ENVELOPED "\6\x0b\x2a\x86\x48\x86\xf7\x0d\1\x09\x10\1\x17"
#define EMPTY_ENCAP "\x30\3\6\1\x2a"

static void
build_signed(struct buf *b, const struct parts *parts)
{
	struct buf signers;
	bool ind = parts->indefinite;

	buf_init(b, MAX);
	buf_init(&signers, MAX);
	buf_append(b, "\2\1\1", 3);
	put_many(b, 0x31, parts->digests, "\x30\3\6\1\x2a", 5, ind);
	if (parts->encap != NULL)
		buf_append(b, parts->encap, parts->encap_len);
	else
		buf_append(b, EMPTY_ENCAP, 5);
	if (parts->certificates > 0)
		put_many(b, 0xa0, parts->certificates, "\x30\0", 2, ind);
	if (parts->crls > 0)
		put_many(b, 0xa1, parts->crls, "\x30\0", 2, ind);
	for (unsigned i = 0; i < parts->signers; i++)
		put_signer(&signers, parts->attributes);
	wrap(&signers, 0x31, ind);
	buf_append(b, signers.data, signers.len);
	buf_clear(&signers);
	finish(b, OID_SIGNED, 11, ind);
}

static bool
accepted(const struct buf *b, struct cms_walk *w)
{
	struct error err = {0};
	bool good = cms_walk((const unsigned char *)b->data, b->len, w, &err);

	if (!good)
		printf("# %s\n", err.text);
	return good;
}

/* Refused with this in the reason, within a time that means linear. */
static void
check_refused(struct buf *b, const char *reason, const char *what)
{
	struct error err = {0};
	struct cms_walk w;
	int64_t start = clock_monotonic_ms(), spent;
	bool good = cms_walk((const unsigned char *)b->data, b->len, &w, &err);

	spent = clock_monotonic_ms() - start;
	check(!good && err.kind == ERROR_PERM &&
		  strstr(err.text, reason) != NULL && spent < 1000,
	    "refused: %s (%zu bytes, %d ms)", what, b->len, (int)spent);
	if (!good)
		printf("# %s\n", err.text);
	buf_clear(b);
}

static void
test_counts(void)
{
	struct parts most = {.digests = CMS_MAX_DIGESTS,
	    .certificates = CMS_MAX_CERTIFICATES,
	    .crls = CMS_MAX_CRLS,
	    .signers = CMS_MAX_SIGNERS,
	    .attributes = CMS_MAX_ATTRIBUTES};
	struct parts parts;
	struct cms_walk w;
	struct buf b;

	for (int i = 0; i < 2; i++) {
		most.indefinite = i == 1;
		build_signed(&b, &most);
		check(accepted(&b, &w) && w.ndigests == CMS_MAX_DIGESTS &&
			  w.ncertificates == CMS_MAX_CERTIFICATES &&
			  w.ncrls == CMS_MAX_CRLS &&
			  w.nsigners == CMS_MAX_SIGNERS,
		    "everything at its limit is walked, %s lengths",
		    i == 1 ? "indefinite" : "definite");
		buf_clear(&b);
	}
	parts = most;
	parts.certificates = 10000;
	build_signed(&b, &parts);
	check_refused(&b, "more than 64 certificates", "10,000 certificates");
	parts = most;
	parts.signers = 10000;
	build_signed(&b, &parts);
	check_refused(&b, "more than 16 signers", "10,000 signers");
	parts = most;
	parts.crls = 33;
	build_signed(&b, &parts);
	check_refused(&b, "more than 32 CRLs", "one CRL too many");
	parts = most;
	parts.digests = 17;
	build_signed(&b, &parts);
	check_refused(&b, "more than 16 digest", "one digest too many");
	parts = most;
	parts.attributes = 65;
	build_signed(&b, &parts);
	check_refused(&b, "more than 64 attributes", "one attribute too many");
}

/* An EnvelopedData with these RecipientInfos and this algorithm. */
static void
build_enveloped(struct buf *b, const struct buf *recipients,
    const char *algorithm, size_t n, const char *mac)
{
	struct buf info;

	buf_init(b, MAX);
	buf_init(&info, MAX);
	buf_append(&info, recipients->data, recipients->len);
	wrap(&info, 0x31, false);
	buf_append(b, "\2\1\2", 3);
	buf_append(b, info.data, info.len);
	buf_reset(&info);
	buf_append(&info, "\6\1\x2a", 3);
	buf_append(&info, algorithm, n);
	buf_append(&info, "\x80\4abcd", 6);
	wrap(&info, 0x30, false);
	buf_append(b, info.data, info.len);
	buf_clear(&info);
	if (mac != NULL) {
		buf_init(&info, MAX);
		buf_puts(&info, mac);
		wrap(&info, 0x04, false);
		buf_append(b, info.data, info.len);
		buf_clear(&info);
		finish(b, OID_AUTH_ENVELOPED, 13, false);
	} else {
		finish(b, OID_ENVELOPED, 11, false);
	}
}

/* A KeyTransRecipientInfo, all but empty. */
static void
put_key_trans(struct buf *b)
{
	buf_append(b, "\x30\x0c\2\1\0\x30\0\x30\3\6\1\x2a\4\0", 14);
}

static void
put_key_agree(struct buf *b, unsigned keys)
{
	struct buf kari;

	buf_init(&kari, MAX);
	buf_append(&kari, "\2\1\3\xa0\2\x80\0\x30\5\6\1\x2a\x30\0", 14);
	put_many(&kari, 0x30, keys, "\x30\0", 2, false);
	wrap(&kari, 0xa1, false);
	buf_append(b, kari.data, kari.len);
	buf_clear(&kari);
}

#define ALG_PLAIN "\x30\3\6\1\x2a"

static void
test_recipients(void)
{
	struct buf r, b;
	struct cms_walk w;

	buf_init(&r, MAX);
	for (int i = 0; i < 500; i++)
		put_key_trans(&r);
	put_key_agree(&r, 500);
	build_enveloped(&b, &r, ALG_PLAIN, 5, NULL);
	check(accepted(&b, &w) && w.nrecipients == 1000,
	    "1,000 recipients of two kinds are counted together");
	buf_clear(&b);
	put_key_trans(&r);
	build_enveloped(&b, &r, ALG_PLAIN, 5, NULL);
	check_refused(&b, "more than 1000 recipients", "one recipient more");

	buf_reset(&r);
	for (int i = 0; i < 10000; i++)
		put_key_trans(&r);
	build_enveloped(&b, &r, ALG_PLAIN, 5, NULL);
	check_refused(&b, "more than 1000 recipients", "10,000 recipients");
	buf_reset(&r);
	put_key_agree(&r, 10000);
	build_enveloped(&b, &r, ALG_PLAIN, 5, NULL);
	check_refused(
	    &b, "more than 1000 recipients", "one key agreement for 10,000");
	buf_reset(&r);
	for (int i = 0; i < 10000; i++)
		put_key_agree(&r, 0);
	build_enveloped(&b, &r, ALG_PLAIN, 5, NULL);
	check_refused(&b, "a key for nobody", "a key agreement for nobody");
	buf_clear(&r);
}

#define KTRI(algorithm) "\2\1\0\x30\0" algorithm "\4\0"
#define OAEP "\6\x09\x2a\x86\x48\x86\xf7\x0d\1\1\7"

static void
put_recipient(struct buf *r, unsigned tag, const char *p, size_t n)
{
	struct buf one;

	buf_init(&one, 4096);
	buf_append(&one, p, n);
	wrap(&one, tag, false);
	buf_append(r, one.data, one.len);
	buf_clear(&one);
}

/* Recipients that OpenSSL is not to see. */
static void
test_bad_recipients(void)
{
	static const struct {
		const char *p;
		size_t n;
		unsigned tag;
		const char *reason, *what;
	} bad[] = {
		{"\2\1\3\xa0\2\x80\0\x30\3\6\1\x2a\x30\2\x30\0", 16, 0xa1,
		    "without key agreement parameters",
		    "key agreement without parameters"},
		{KTRI("\x30\x0b" OAEP), 20, 0x30, "without RSA-OAEP",
		    "OAEP without parameters"},
		{KTRI("\x30\x0d" OAEP "\5\0"), 22, 0x30, "without RSA-OAEP",
		    "OAEP with NULL for parameters"},
		{KTRI("\x30\x14" OAEP "\x30\7\xa2\5\x30\3\6\1\x2a"), 29,
		    0x30, "without a label", "an OAEP label without value"},
	};
	struct buf r, b;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		buf_init(&r, 4096);
		put_recipient(&r, bad[i].tag, bad[i].p, bad[i].n);
		build_enveloped(&b, &r, ALG_PLAIN, 5, NULL);
		check_refused(&b, bad[i].reason, bad[i].what);
		buf_clear(&r);
	}
}

/* By password, by a key agreed on elsewhere, in other ways. */
static void
test_foreign_recipients(void)
{
	struct buf r, b, skeleton;
	struct cms_walk w, again;
	struct error err;

	buf_init(&r, 4096);
	for (unsigned tag = 0xa2; tag <= 0xa4; tag++)
		put_recipient(&r, tag, "\2\1\0", 3);
	put_key_trans(&r);
	build_enveloped(&b, &r, ALG_PLAIN, 5, NULL);
	check(accepted(&b, &w) && w.nrecipients == 4 && w.nforeign == 3,
	    "recipients without certificates are counted");
	buf_init(&skeleton, MAX);
	check(cms_walk_skeleton((unsigned char *)b.data, &w, &skeleton,
	    &err) && accepted(&skeleton, &again) && again.nforeign == 0 &&
	    again.nrecipients == 1, "and left out of the skeleton");
	buf_clear(&skeleton);
	buf_clear(&b);
	buf_clear(&r);
}

/* AES-256-GCM with a nonce of n bytes and a tag length (0: left out). */
static void
put_gcm(struct buf *b, unsigned n, unsigned icv)
{
	buf_init(b, 256);
	for (unsigned i = 0; i < n; i++)
		buf_putc(b, 'n');
	wrap(b, 0x04, false);
	if (icv != 0) {
		buf_append(b, "\2\1", 2);
		buf_putc(b, (char)icv);
	}
	wrap(b, 0x30, false);
}

static void
build_gcm(struct buf *b, unsigned nonce, unsigned icv, const char *mac)
{
	struct buf recipients, params, algorithm;

	buf_init(&recipients, MAX);
	put_key_trans(&recipients);
	put_gcm(&params, nonce, icv);
	buf_init(&algorithm, 512);
	buf_append(&algorithm, "\6\x09\x60\x86\x48\1\x65\3\4\1\x2e", 11);
	buf_append(&algorithm, params.data, params.len);
	wrap(&algorithm, 0x30, false);
	build_enveloped(b, &recipients, algorithm.data, algorithm.len, mac);
	buf_clear(&recipients);
	buf_clear(&params);
	buf_clear(&algorithm);
}

static void
test_gcm(void)
{
	struct cms_walk w;
	struct buf b, r;

	build_gcm(&b, 12, 16, "0123456789abcdef");
	check(accepted(&b, &w) && w.type == CMS_TYPE_AUTH_ENVELOPED,
	    "a usual AES-GCM nonce and tag are taken");
	buf_clear(&b);
	build_gcm(&b, 16, 0, "0123456789ab");
	check(accepted(&b, &w), "so are 16 bytes and the default tag");
	buf_clear(&b);
	build_gcm(&b, 17, 16, "0123456789abcdef");
	check_refused(&b, "nonce of 17 bytes", "a nonce too long");
	build_gcm(&b, 100, 16, "0123456789abcdef");
	check_refused(&b, "nonce of 100 bytes", "a nonce far too long");
	build_gcm(&b, 0, 16, "0123456789abcdef");
	check_refused(&b, "nonce of 0 bytes", "an empty nonce");
	build_gcm(&b, 12, 17, "0123456789abcdef");
	check_refused(&b, "tag length", "a tag length too great");
	build_gcm(&b, 12, 4, "0123");
	check_refused(&b, "tag length", "a tag length that invites forging");
	build_gcm(&b, 12, 16, "0");
	check_refused(&b, "tag of 1 bytes", "a tag of one byte");
	build_gcm(&b, 20, 16, NULL);
	check_refused(
	    &b, "nonce of 20 bytes", "a nonce too long in EnvelopedData");
	buf_init(&r, MAX);
	put_key_trans(&r);
	build_enveloped(&b, &r, "\x30\x0b\6\x09\x60\x86\x48\1\x65\3\4\1\x2e",
	    13, "0123456789abcdef");
	check_refused(
	    &b, "without AES-GCM parameters", "AES-GCM without parameters");
	build_enveloped(&b, &r, "\x30\x1d\6\x09\x60\x86\x48\1\x65\3\4\1\x2a"
	    "\4\x10" "0123456789abcdef", 31, "0123456789abcdef");
	check_refused(&b, "a cipher that is not GCM",
	    "AuthEnvelopedData that nothing authenticates");
	buf_clear(&r);
}

static void
test_depth(void)
{
	static const unsigned depths[] = {50, 10000, 1000000};
	struct parts parts = {.digests = 1};
	struct cms_walk w;
	struct buf b, nest;

	for (size_t i = 0; i < 6; i++) {
		bool ind = i >= 3;
		char what[64];

		buf_init(&nest, MAX);
		for (unsigned d = 0; d < depths[i % 3]; d++)
			buf_append(&nest, ind ? "\x30\x80" : "\x30\x84\0\0\0\0",
			    ind ? 2 : 6);
		parts.encap = nest.data;
		parts.encap_len = nest.len;
		build_signed(&b, &parts);
		/* As a content type that is not there: nothing is entered. */
		check_refused(
		    &b, "without eContentType", "nesting instead of a content");
		buf_init(&b, MAX);
		buf_append(&b, "\2\1\1\x31\x80", 5);
		buf_append(&b, nest.data, nest.len);
		finish(&b, OID_SIGNED, 11, ind);
		snprintf(what, sizeof(what), "nesting of %u, %s", depths[i % 3],
		    ind ? "indefinite" : "empty");
		check_refused(&b, ind ? "nested deeper than 24" : "CMS", what);
		buf_clear(&nest);
	}
	/* Honest nesting: SignedData inside SignedData, fifty times. */
	parts.encap = NULL;
	build_signed(&b, &parts);
	for (int i = 0; i < 50; i++) {
		struct buf encap;

		buf_init(&encap, MAX);
		wrap(&b, 0x04, false);
		wrap(&b, 0xa0, false);
		buf_append(&encap, OID_SIGNED, 11);
		buf_append(&encap, b.data, b.len);
		wrap(&encap, 0x30, false);
		buf_clear(&b);
		parts.encap = encap.data;
		parts.encap_len = encap.len;
		build_signed(&b, &parts);
		buf_clear(&encap);
	}
	check(accepted(&b, &w) && w.content_len > 1000,
	    "signed objects as content are content, not nesting");
	buf_clear(&b);
	buf_init(&nest, MAX);
	buf_append(&nest, "\4\0", 2);
	for (int i = 0; i < 50; i++)
		wrap(&nest, 0x24, true);
	wrap(&nest, 0xa0, true);
	buf_init(&b, MAX);
	buf_append(&b, "\6\1\x2a", 3);
	buf_append(&b, nest.data, nest.len);
	wrap(&b, 0x30, true);
	buf_clear(&nest);
	parts.encap = b.data;
	parts.encap_len = b.len;
	build_signed(&nest, &parts);
	buf_clear(&b);
	check_refused(
	    &nest, "nested deeper", "a content of strings in strings");
}

static void
refuse_bytes(const char *p, size_t n, const char *reason, const char *what)
{
	struct buf b;

	buf_init(&b, MAX);
	buf_append(&b, p, n);
	check_refused(&b, reason, what);
}

#define BYTES(s) s, sizeof(s) - 1

static void
test_lengths(void)
{
	struct parts parts = {.digests = 1, .signers = 1};
	struct cms_walk w;
	struct error err;
	struct buf b;

	check(!cms_walk(NULL, 0, &w, &err) && err.kind == ERROR_PERM,
	    "nothing is no CMS object");
	refuse_bytes(
	    BYTES("-----BEGIN CMS-----\nMII"), "not a CMS object", "PEM");
	refuse_bytes(BYTES("\x30\x84\x80\0\0\0\6\1\x2a"), "cut short",
	    "a length of 2^31");
	refuse_bytes(BYTES("\x30\x84\xff\xff\xff\xff\6\1\x2a"), "cut short",
	    "a length of 2^32 - 1");
	refuse_bytes(BYTES("\x30\x88\x7f\xff\xff\xff\xff\xff\xff\xff\6\1"),
	    "cut short", "a length of 2^63 - 1");
	refuse_bytes(BYTES("\x30\x88\xff\xff\xff\xff\xff\xff\xff\xff\6\1"),
	    "cut short", "a length of 2^64 - 1");
	refuse_bytes(BYTES("\x30\x89\1\0\0\0\0\0\0\0\0\6\1"), "broken length",
	    "a length of 2^64");
	refuse_bytes(
	    BYTES("\x30\xff\0\0\0"), "broken length", "the reserved length");
	refuse_bytes(
	    BYTES("\x30\x84\0"), "broken length", "a length cut in itself");
	refuse_bytes(BYTES("\x30\6\6\x80\x2a\0\0\0"), "broken length",
	    "an OID of indefinite length");
	build_signed(&b, &parts);
	for (size_t n = 0; n < b.len; n++) {
		char *copy = mem_dup(b.data, n);
		bool refused = !cms_walk((unsigned char *)copy, n, &w, &err);

		free(copy);
		if (!refused) {
			check(false, "%zu of %zu bytes are refused", n, b.len);
			break;
		}
	}
	check(accepted(&b, &w), "no object is taken that lost its end");
	buf_clear(&b);
}

static void
test_ber(void)
{
	/* SignedData of type data, lengths of five bytes with zeros. */
	static const char padded[] =
	    "\x30\x80" OID_SIGNED "\xa0\x80\x30\x84\0\0\0\x31"
	    "\2\x81\1\1"
	    "\x31\0"
	    "\x30\x80" OID_SIGNED "\xa0\x80\x24\x80"
	    "\4\3abc\x24\x80\4\x83\0\0\2de\0\0\4\0\0\0\0\0\0\0"
	    "\x31\0"
	    "\0\0\0\0";
	struct buf b, content, skeleton;
	struct cms_walk w;

	buf_init(&b, MAX);
	buf_append(&b, padded, sizeof(padded) - 1);
	check(cut(&b, &w, &skeleton, &content),
	    "long lengths, nested pieces and end-of-contents are BER");
	check_str(buf_text(&content), "abcde", "the pieces come in order");
	check(w.content_len == 5, "and are summed up");
	buf_append(&b, "behind", 6);
	check(accepted(&b, &w), "bytes behind the object do not matter");
	buf_clear(&b);
	buf_clear(&content);
	buf_clear(&skeleton);
}

static void
test_types(void)
{
	struct cms_walk w;
	struct buf b;

	buf_init(&b, MAX);
	buf_append(&b, "\2\1\0", 3);
	finish(&b, OID_COMPRESSED, 13, false);
	check(accepted(&b, &w) && w.type == CMS_TYPE_COMPRESSED,
	    "compressed data is told, not refused");
	check_str(w.oid, "1.2.840.113549.1.9.16.1.9", "its type is named");
	buf_clear(&b);
	buf_init(&b, MAX);
	finish(&b, "\6\4\x88\x37\x83\x7f", 6, false);
	check(accepted(&b, &w) && w.type == CMS_TYPE_UNKNOWN,
	    "an unknown type is told, not refused");
	check_str(w.oid, "2.999.511", "and named");
	buf_clear(&b);
	buf_init(&b, MAX);
	finish(&b, "\6\x0c\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 14,
	    false);
	check(accepted(&b, &w), "an endless type is told");
	check_str(w.oid, "...", "and cut");
	buf_clear(&b);
}

/* Much that is not content, and content in very small pieces. */
static void
test_size(void)
{
	struct parts parts = {.digests = 1};
	struct buf b, encap, big;
	struct cms_walk w;
	int64_t start;

	buf_init(&b, MAX);
	buf_append(&b, "\2\1\1", 3);
	buf_init(&big, MAX);
	put_many(&big, 0x30, 2000000, "\5\0", 2, false);
	buf_append(&b, big.data, big.len);
	finish(&b, OID_SIGNED, 11, false);
	buf_clear(&big);
	check_refused(&b, "without digestAlgorithms", "junk instead of a set");
	buf_init(&b, MAX);
	buf_init(&big, MAX);
	put_many(&big, 0x30, 1000000, "\5\0", 2, false);
	wrap(&big, 0x31, false);
	buf_append(&b, "\2\1\1", 3);
	buf_append(&b, big.data, big.len);
	finish(&b, OID_SIGNED, 11, false);
	buf_clear(&big);
	check_refused(&b, "more than 250000 elements", "a million elements");
	buf_init(&b, MAX);
	buf_init(&big, MAX);
	for (int i = 0; i < 80; i++)
		put_many(&big, 0x04, 1 << 16, "x", 1, false);
	wrap(&big, 0x31, false);
	buf_append(&b, "\2\1\1", 3);
	buf_append(&b, big.data, big.len);
	finish(&b, OID_SIGNED, 11, false);
	buf_clear(&big);
	check_refused(&b, "", "five megabytes of algorithms");

	buf_init(&encap, MAX);
	put_many(&encap, 0x24, 5000000, "\4\1x", 3, true);
	wrap(&encap, 0xa0, true);
	buf_init(&b, MAX);
	buf_append(&b, "\6\1\x2a", 3);
	buf_append(&b, encap.data, encap.len);
	wrap(&b, 0x30, true);
	buf_clear(&encap);
	parts.encap = b.data;
	parts.encap_len = b.len;
	build_signed(&big, &parts);
	buf_clear(&b);
	start = clock_monotonic_ms();
	check(accepted(&big, &w) && w.content_len == 5000000,
	    "five million pieces of content are walked");
	printf("# %d ms\n", (int)(clock_monotonic_ms() - start));
	buf_clear(&big);
}

static bool
read_whole(const char *path, struct buf *b)
{
	FILE *f = fopen(path, "rb");
	char part[4096];
	size_t n;

	buf_init(b, MAX);
	if (f == NULL)
		return false;
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_append(b, part, n);
	fclose(f);
	return b->len > 0;
}

/*
 * What OpenSSL takes we take too, and its skeleton OpenSSL takes; but for
 * what it takes to its own harm (CVE-2026-28390).
 */
static bool
agrees(const struct buf *b, const char *path)
{
	struct buf skeleton, content;
	CMS_ContentInfo *theirs = parse(b), *ours = NULL;
	struct error err = {0};
	struct cms_walk w;
	bool good, ok;

	ok = cms_walk((unsigned char *)b->data, b->len, &w, &err);
	good = strstr(path, "/rsa-malformed.der") != NULL ? !ok :
	    ok || theirs == NULL;
	if (ok && theirs != NULL && w.type != CMS_TYPE_UNKNOWN &&
	    w.type <= CMS_TYPE_AUTH_ENVELOPED) {
		good = cut(b, &w, &skeleton, &content);
		ours = parse(&skeleton);
		good = good && ours != NULL;
		CMS_ContentInfo_free(ours);
		buf_clear(&skeleton);
		buf_clear(&content);
	}
	if (!good)
		printf("# %s: %s\n", path, err.text);
	CMS_ContentInfo_free(theirs);
	ERR_clear_error();
	return good;
}

static void
test_corpus(const char *root, const char *folder)
{
	char dir[1024], path[2048];
	unsigned n = 0, bad = 0;
	struct dirent *e;
	struct buf b;
	DIR *d;

	snprintf(dir, sizeof(dir), "%s/%s", root, folder);
	d = opendir(dir);
	if (d == NULL) {
		tap_skip(folder, "no such corpus here");
		return;
	}
	while ((e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_type == DT_DIR || !read_whole(path, &b))
			continue;
		n++;
		bad += !agrees(&b, path);
		buf_clear(&b);
	}
	closedir(d);
	check(n > 0 && bad == 0, "%u files of %s are taken as OpenSSL does", n,
	    folder);
}

static void
test_corpora(void)
{
	const char *root = getenv("POSTSEAL_CORPORA");

	if (root == NULL)
		root = "../shared/corpora";
	test_corpus(root, "cms-encodings/asn1crypto");
	test_corpus(root, "cms-encodings/indygreg");
	test_corpus(root, "cms-encodings/rustcrypto");
	test_corpus(root, "cms-encodings/tika");
	test_corpus(root, "pyasn1-alt");
	test_corpus(root, "rfc4134");
	test_corpus(root, "openssl-cms");
	test_corpus(root, "openssl-cms/d2i");
}

int
main(void)
{
	make_certificate();
	test_signed(CMS_DETACHED, "detached");
	test_signed(0, "opaque");
	test_signed(CMS_STREAM, "streamed with indefinite lengths");
	test_signed(CMS_USE_KEYID, "by key identifier");
	test_encrypted(
	    EVP_aes_256_cbc(), 0, CMS_TYPE_ENVELOPED, "an AES-CBC envelope");
	test_encrypted(EVP_aes_256_cbc(), CMS_STREAM, CMS_TYPE_ENVELOPED,
	    "a streamed AES-CBC envelope");
	test_encrypted(EVP_aes_256_gcm(), 0, CMS_TYPE_AUTH_ENVELOPED,
	    "an AES-GCM envelope");
	test_encrypted(EVP_aes_128_gcm(), CMS_STREAM, CMS_TYPE_AUTH_ENVELOPED,
	    "a streamed AES-GCM envelope");
	test_attach(0);
	test_attach(10);
	test_counts();
	test_recipients();
	test_bad_recipients();
	test_foreign_recipients();
	test_gcm();
	test_depth();
	test_lengths();
	test_ber();
	test_types();
	test_size();
	test_corpora();
	X509_free(cert);
	EVP_PKEY_free(key);
	return tap_done();
}
