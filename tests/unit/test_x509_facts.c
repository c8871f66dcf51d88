/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/x509_facts.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "tests/unit/tap.h"

/* One key for most: making RSA keys takes time. */
static EVP_PKEY *p256;

static X509 *
new_cert(EVP_PKEY *key)
{
	X509 *cert = X509_new();

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 0x0abc);
	ASN1_TIME_set_string(X509_getm_notBefore(cert), "20200101000000Z");
	ASN1_TIME_set_string(X509_getm_notAfter(cert), "21201231235959Z");
	X509_set_pubkey(cert, key);
	return cert;
}

static void
add_rdn(X509 *cert, const char *field, int type, const void *p, int n)
{
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), field, type,
	    p, n, -1, 0);
}

static void
sign(X509 *cert, EVP_PKEY *key)
{
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	X509_sign(cert, key,
	    EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256());
}

/* A subjectAltName under construction. */
static void
san_add(GENERAL_NAMES *names, int type, const void *p, int n)
{
	GENERAL_NAME *g = GENERAL_NAME_new();
	ASN1_IA5STRING *s = ASN1_IA5STRING_new();

	ASN1_STRING_set(s, p, n);
	GENERAL_NAME_set0_value(g, type, s);
	sk_GENERAL_NAME_push(names, g);
}

static void
san_add_other(GENERAL_NAMES *names, int nid, int type, const void *p, int n)
{
	GENERAL_NAME *g = GENERAL_NAME_new();
	ASN1_TYPE *value = ASN1_TYPE_new();
	ASN1_STRING *s = ASN1_STRING_type_new(type);

	ASN1_STRING_set(s, p, n);
	ASN1_TYPE_set(value, type, s);
	GENERAL_NAME_set0_othername(g, OBJ_nid2obj(nid), value);
	sk_GENERAL_NAME_push(names, g);
}

#define EMAIL(s) san_add(names, GEN_EMAIL, (s), (int)sizeof(s) - 1)
#define DNS(s) san_add(names, GEN_DNS, (s), (int)sizeof(s) - 1)
#define UTF8(s)                                                 \
	san_add_other(names, NID_id_on_SmtpUTF8Mailbox,         \
	    V_ASN1_UTF8STRING, (s), (int)sizeof(s) - 1)

static struct x509_facts *
facts_of_names(GENERAL_NAMES *names)
{
	X509 *cert = new_cert(p256);
	struct x509_facts *f;

	X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0,
	    X509V3_ADD_DEFAULT);
	sign(cert, p256);
	f = x509_facts_new(cert);
	X509_free(cert);
	sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
	return f;
}

static enum x509_covers
covers(const struct x509_facts *f, const char *address)
{
	enum x509_covers c = COVERS_NOT;
	struct mailaddr a;
	struct error err;

	if (!mailaddr_parse(address, strlen(address), &a, &err))
		check(false, "%s is an address", address);
	else
		c = x509_facts_cover(f, &a);
	mailaddr_clear(&a);
	return c;
}

static void
test_names(void)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	struct x509_facts *f;
	struct error err;

	EMAIL("Alice@Example.COM");
	EMAIL("Alice@example.com");
	EMAIL("\"odd.local\"@x.example");
	UTF8("j\xc3\xb6rg@b\xc3\xbc" "cher.example");
	DNS("Example.NET");
	DNS("*.example.net");
	DNS("*.Example.net");
	DNS("xn--bcher-kva.test");
	f = facts_of_names(names);
	check(f->emails.n == 3 && strcmp(f->emails.v[0],
		"Alice@example.com") == 0 &&
		strcmp(f->emails.v[1], "odd.local@x.example") == 0 &&
		strcmp(f->emails.v[2],
		    "j\xc3\xb6rg@xn--bcher-kva.example") == 0,
	    "addresses are listed once each, in one spelling, also "
	    "SmtpUTF8Mailbox");
	check(f->domains.n == 3 &&
		strcmp(f->domains.v[0], "example.net") == 0 &&
		strcmp(f->domains.v[1], "*.example.net") == 0 &&
		strcmp(f->domains.v[2], "xn--bcher-kva.test") == 0,
	    "so are domains, stars kept");
	check(covers(f, "alice@example.com") == COVERS_ADDRESS,
	    "an rfc822Name covers its address");
	check(covers(f, "j\xc3\xb6rg@xn--bcher-kva.example") ==
		COVERS_ADDRESS,
	    "a SmtpUTF8Mailbox covers its address");
	check(covers(f, "bob@example.com") == COVERS_NOT,
	    "and nobody else of that domain");
	check(covers(f, "bob@example.net") == COVERS_DOMAIN,
	    "a dNSName covers the users of its domain");
	check(covers(f, "bob@mail.example.net") == COVERS_DOMAIN &&
		covers(f, "bob@a.mail.example.net") == COVERS_NOT,
	    "a star covers exactly one label");
	check(covers(f, "bob@b\xc3\xbc" "cher.test") == COVERS_DOMAIN,
	    "a dNSName in A-labels covers the domain in U-labels");
	check(covers(f, "<>") == COVERS_NOT && covers(f, "root") == COVERS_NOT,
	    "nothing covers the null sender or a bare name");
	check(x509_facts_check_fqdn(f, &err), "these are full names");
	x509_facts_free(f);
}

static void
test_hostile_names(void)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	struct x509_facts *f;

	EMAIL("ceo@bank.example\0.evil.example");
	EMAIL("ceo@bank.example\0");
	EMAIL("ceo\n@bank.example");
	EMAIL("ceo@bank.example\r");
	EMAIL("<ceo@bank.example>");
	EMAIL("@evil.example:ceo@bank.example");
	EMAIL("ceo@bank.example, x@evil.example");
	EMAIL("ceo@bank.example@evil.example");
	EMAIL("c\xc3\xa9o@bank.example");
	EMAIL("ceo(x)@bank.example");
	EMAIL("bank.example");
	EMAIL("@bank.example");
	EMAIL("ceo@");
	EMAIL("ceo@*.example");
	EMAIL(" ceo@bank.example");
	EMAIL("");
	UTF8("\xef\xbb\xbfj\xc3\xb6rg@bank.example");
	UTF8("j\xf6rg@bank.example");
	UTF8("j\xc3\xb6rg@bank.example\0");
	UTF8("");
	san_add_other(names, NID_id_on_SmtpUTF8Mailbox, V_ASN1_IA5STRING,
	    "ceo@bank.example", 16);
	san_add_other(names, NID_ms_upn, V_ASN1_UTF8STRING,
	    "ceo@bank.example", 16);
	DNS("bank.example\0.evil.example");
	DNS("bank.example\n");
	DNS("bank.example.");
	DNS("b\xc3\xa4nk.example");
	DNS("*");
	DNS("*.");
	DNS("a*.bank.example");
	DNS("*.*.bank.example");
	DNS("www.*.bank.example");
	DNS("bank..example");
	DNS(" ");
	DNS("");
	f = facts_of_names(names);
	check(f->emails.n == 0, "names that are no address are left out");
	if (f->emails.n > 0)
		printf("# %s\n", f->emails.v[0]);
	check(f->domains.n == 0, "names that are no domain are left out");
	if (f->domains.n > 0)
		printf("# %s\n", f->domains.v[0]);
	check(covers(f, "ceo@bank.example") == COVERS_NOT,
	    "such a certificate speaks for nobody");
	check(ERR_peek_error() == 0, "and leaves no error in the queue");
	x509_facts_free(f);
}

static void
test_many_names(void)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	struct x509_facts *f;
	char text[64];

	for (int i = 0; i < 20000; i++) {
		int n = snprintf(text, sizeof(text), "a%d@x.example", i);

		san_add(names, GEN_EMAIL, text, n);
	}
	f = facts_of_names(names);
	check(f->emails.n == 1000, "a thousand addresses are enough");
	x509_facts_free(f);
}

static void
test_two_alt_names(void)
{
	X509 *cert = new_cert(p256);
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	struct x509_facts *f;

	EMAIL("ceo@bank.example");
	X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0,
	    X509V3_ADD_APPEND);
	X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0,
	    X509V3_ADD_APPEND);
	sign(cert, p256);
	f = x509_facts_new(cert);
	check(f->emails.n == 0,
	    "of two subjectAltName extensions none counts (RFC 5280 4.2)");
	x509_facts_free(f);
	X509_free(cert);
	sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
}

static void
test_subject(void)
{
	X509 *cert = new_cert(p256);
	struct x509_facts *f;

	add_rdn(cert, "O", MBSTRING_UTF8, "M\xc3\xbcller, \"GmbH\"", -1);
	add_rdn(cert, "CN", MBSTRING_UTF8, "J\xc3\xb6rg", -1);
	add_rdn(cert, "CN", MBSTRING_UTF8, "second", -1);
	add_rdn(cert, "emailAddress", MBSTRING_ASC, "Joerg@X.example", -1);
	add_rdn(cert, "emailAddress", V_ASN1_UTF8STRING, "two@x.example",
	    -1);
	add_rdn(cert, "emailAddress", V_ASN1_IA5STRING,
	    "ceo@bank.example\0@x.example", 27);
	sign(cert, p256);
	f = x509_facts_new(cert);
	check(f->emails.n == 2 &&
		strcmp(f->emails.v[0], "Joerg@x.example") == 0 &&
		strcmp(f->emails.v[1], "two@x.example") == 0,
	    "emailAddress of the subject counts, with NUL it does not");
	check_str(f->common_name, "J\xc3\xb6rg",
	    "the common name is the first one");
	check(strstr(f->subject, "CN=J\\C3\\B6rg,") != NULL &&
		strstr(f->subject, "O=M\\C3\\BCller\\, \\\"GmbH\\\"") != NULL,
	    "the subject is RFC 4514 in ASCII");
	check_str(f->issuer, f->subject, "here it issued itself");
	check_str(f->serial, "0ABC", "the serial is upper-case hex");
	check(f->not_before == 1577836800 && f->not_after == 4765132799,
	    "the dates are read as UTC");
	check(strlen(f->fingerprint) == 64, "there is a fingerprint");
	check(f->self_signed && !f->ca, "it is self-signed and no CA");
	x509_facts_free(f);
	X509_free(cert);
}

static bool
is_one_line(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || (unsigned char)*s >= 0x7f)
			return false;
	return true;
}

static void
test_hostile_subject(void)
{
	static const struct {
		int type;
		const char *p;
		int n;
	} t[] = {
		{ V_ASN1_UTF8STRING, "a\nX-Header: b", 13 },
		{ V_ASN1_UTF8STRING, "a\r\n\r\nbody", 9 },
		{ V_ASN1_UTF8STRING, "bank.example\0evil", 17 },
		{ V_ASN1_UTF8STRING, "a\x1b[2J", 5 },
		{ V_ASN1_UTF8STRING, "a\xe2\x80\xa8" "b", 5 },
		{ V_ASN1_UTF8STRING, "a\xc2\x85" "b", 4 },
		{ V_ASN1_UTF8STRING, "a\xff\xfe", 3 },
		{ V_ASN1_BMPSTRING, "\0a\0\n", 4 },
		{ V_ASN1_UNIVERSALSTRING, "\0\0\0a\0\0\0\n", 8 },
		{ V_ASN1_BIT_STRING, "a\nb", 3 },
		{ V_ASN1_UTF8STRING, "", 0 },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		X509_NAME *name = X509_NAME_new();
		X509 *cert = new_cert(p256);
		struct x509_facts *f;
		char *text;

		X509_NAME_add_entry_by_txt(name, "CN", t[i].type,
		    (const unsigned char *)t[i].p, t[i].n, -1, 0);
		text = x509_name_text(name);
		check(is_one_line(text) && strncmp(text, "CN=", 3) == 0,
		    "hostile name %zu is one line: %s", i + 1, text);
		X509_set_subject_name(cert, name);
		sign(cert, p256);
		f = x509_facts_new(cert);
		check(f->common_name == NULL && is_one_line(f->issuer),
		    "and is no common name");
		x509_facts_free(f);
		X509_free(cert);
		X509_NAME_free(name);
		free(text);
	}
}

static void
check_key(EVP_PKEY *key, const char *want, int bits)
{
	X509 *cert = new_cert(key);
	struct x509_facts *f;

	sign(cert, key);
	f = x509_facts_new(cert);
	check_str(f->key, want, "the kind of key is told");
	check(f->key_bits == bits, "and its size");
	x509_facts_free(f);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void
test_keys(void)
{
	struct x509_facts *f;
	X509 *cert = X509_new();

	check_key(EVP_RSA_gen(1024), "RSA 1024", 1024);
	check_key(EVP_EC_gen("P-256"), "EC P-256", 256);
	check_key(EVP_EC_gen("secp384r1"), "EC P-384", 384);
	check_key(EVP_EC_gen("brainpoolP256r1"), "EC brainpoolP256r1", 256);
	check_key(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "ED25519", 256);
	f = x509_facts_new(cert);
	check(f->emails.n == 0 && *f->subject == '\0' && *f->key == '\0' &&
		f->common_name == NULL && f->not_after == 0 &&
		covers(f, "a@x.example") == COVERS_NOT,
	    "an empty certificate has empty facts");
	x509_facts_free(f);
	x509_facts_free(NULL);
	X509_free(cert);
	ERR_clear_error();
}

static void
add_ext(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
}

static struct x509_facts *
facts_of_usage(const char *ku, const char *eku, const char *bc)
{
	X509 *cert = new_cert(p256);
	struct x509_facts *f;

	if (ku != NULL)
		add_ext(cert, NID_key_usage, ku);
	if (eku != NULL)
		add_ext(cert, NID_ext_key_usage, eku);
	if (bc != NULL)
		add_ext(cert, NID_basic_constraints, bc);
	sign(cert, p256);
	f = x509_facts_new(cert);
	X509_free(cert);
	return f;
}

static void
test_usage(void)
{
	struct x509_facts *f = facts_of_usage(NULL, NULL, NULL);

	check(!f->has_key_usage && f->key_usage == 0 &&
		!f->has_ext_key_usage && !f->eku_email && !f->ca,
	    "without extensions there is no usage");
	x509_facts_free(f);
	f = facts_of_usage("digitalSignature,nonRepudiation",
	    "clientAuth,emailProtection", "CA:FALSE");
	check(f->has_key_usage &&
		f->key_usage == (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION),
	    "key usage comes as its bits");
	check(f->has_ext_key_usage && f->eku_email && !f->ca,
	    "emailProtection is seen");
	x509_facts_free(f);
	f = facts_of_usage("keyCertSign", "anyExtendedKeyUsage", "CA:TRUE");
	check(f->eku_email && f->ca, "anyExtendedKeyUsage counts, CA is seen");
	x509_facts_free(f);
	f = facts_of_usage(NULL, "serverAuth", NULL);
	check(f->has_ext_key_usage && !f->eku_email, "serverAuth is not mail");
	x509_facts_free(f);
	/* An extension whose content is no BIT STRING, no SEQUENCE. */
	f = facts_of_usage("DER:0401ff", "DER:0401ff", NULL);
	check(f->has_key_usage && f->key_usage == 0 && f->has_ext_key_usage &&
		!f->eku_email,
	    "extensions that cannot be read allow nothing");
	x509_facts_free(f);
	ERR_clear_error();
}

static void
test_fqdn(void)
{
	static const struct {
		const char *name;
		bool full;
	} t[] = { { "example.com", true }, { "*.example.com", true },
		{ "localhost", false }, { "*.com", false } };

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
		struct x509_facts *f;
		struct error err = { ERROR_NONE, "" };

		san_add(names, GEN_DNS, t[i].name, (int)strlen(t[i].name));
		f = facts_of_names(names);
		check(x509_facts_check_fqdn(f, &err) == t[i].full &&
			(t[i].full || (err.kind == ERROR_PERM &&
			    strstr(err.text, t[i].name) != NULL)),
		    "%s %s a full name", t[i].name,
		    t[i].full ? "is" : "is not");
		x509_facts_free(f);
	}
}

static void
test_error(void)
{
	struct error err;

	ERR_clear_error();
	x509_error(&err, ERROR_PERM, "%s: no", "file");
	check_str(err.text, "file: no", "without a cause there is none");
	ERR_raise(ERR_LIB_PEM, PEM_R_BAD_DECRYPT);
	x509_error(&err, ERROR_TEMP, "key");
	check_str(err.text, "key: bad decrypt", "OpenSSL's cause is told");
	check(err.kind == ERROR_TEMP && ERR_peek_error() == 0,
	    "its kind is the caller's, the queue is empty");
}

int
main(void)
{
	p256 = EVP_EC_gen("P-256");
	test_names();
	test_hostile_names();
	test_many_names();
	test_two_alt_names();
	test_subject();
	test_hostile_subject();
	test_keys();
	test_usage();
	test_fqdn();
	test_error();
	EVP_PKEY_free(p256);
	return tap_done();
}
