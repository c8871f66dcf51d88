/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/cert_make.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/domain.h"
#include "common/mailaddr.h"
#include "common/mem.h"
#include "common/x509_facts.h"

#define SERIAL_BITS 159 /* positive and at most 20 octets (RFC 5280 4.1.2.2) */
#define DEMO_MARK   "(demo)"

/* Numbers of the bits of keyUsage (RFC 5280 4.2.1.3). */
enum key_usage_bit {
	BIT_DIGITAL_SIGNATURE = 0,
	BIT_NON_REPUDIATION = 1,
	BIT_KEY_ENCIPHERMENT = 2,
	BIT_KEY_AGREEMENT = 4,
};

/* Allocations of OpenSSL fail only when memory is gone. */
static void
must(bool good)
{
	if (!good)
		log_panic("OpenSSL could not build a certificate");
}

static EVP_PKEY *
make_key(const struct cert_request *r, const EVP_MD **digest,
    struct error *err)
{
	EVP_PKEY *key;

	*digest = EVP_sha256();
	if (r->rsa_bits != 0) {
		if (r->rsa_bits != 2048 && r->rsa_bits != 3072 &&
		    r->rsa_bits != 4096) {
			error_perm(err, "RSA key of %d bits; choose 2048, "
			    "3072 or 4096", r->rsa_bits);
			return NULL;
		}
		key = EVP_RSA_gen((unsigned)r->rsa_bits);
	} else {
		if (strcmp(r->curve, "P-384") == 0) {
			*digest = EVP_sha384();
		} else if (strcmp(r->curve, "P-521") == 0) {
			*digest = EVP_sha512();
		} else if (strcmp(r->curve, "P-256") != 0) {
			error_perm(err, "EC curve \"%.32s\"; choose P-256, "
			    "P-384 or P-521", r->curve);
			return NULL;
		}
		key = EVP_EC_gen(r->curve);
	}
	if (key == NULL)
		x509_error(err, ERROR_TEMP, "cannot make a key");
	return key;
}

static bool
add_field(X509_NAME *name, int nid, const char *option, const char *text,
    struct error *err)
{
	if (text == NULL)
		return true;
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0';
	     p++)
		if (*p < 0x20 || *p == 0x7f)
			return error_perm(err, "%s: a control character; "
			    "leave it out", option);
	if (X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8,
		(const unsigned char *)text, -1, -1, 0) != 1)
		return x509_error(err, ERROR_PERM,
		    "%s \"%.100s\" cannot stand in a certificate", option,
		    text);
	return true;
}

/* ISO 3166 (RFC 5280, appendix A.1). */
static bool
is_country(const char *text)
{
	return strlen(text) == 2 &&
	    strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "abcdefghijklmnopqrstuvwxyz") == 2;
}

static bool
set_names(X509 *cert, const struct cert_request *r, struct error *err)
{
	X509_NAME *name = X509_NAME_new();
	const char *cn = r->common_name;
	char *organization = NULL;
	bool ok = false;

	must(name != NULL);
	if (r->country != NULL && !is_country(r->country)) {
		error_perm(err, "--c takes a two-letter country code, as DE");
		goto out;
	}
	if (cn == NULL)
		cn = r->domains.n > 0 ? r->domains.v[0] : r->addresses.v[0];
	if (r->demo)
		organization = mem_printf("%s " DEMO_MARK,
		    r->organization == NULL ? "Postseal" : r->organization);
	else
		organization = mem_strdup(r->organization);
	if (!add_field(name, NID_countryName, "--c", r->country, err) ||
	    !add_field(name, NID_stateOrProvinceName, "--st", r->state, err) ||
	    !add_field(name, NID_localityName, "--l", r->locality, err) ||
	    !add_field(name, NID_organizationName, "--o", organization, err))
		goto out;
	for (size_t i = 0; i < r->units.n; i++)
		if (!add_field(name, NID_organizationalUnitName, "--ou",
			r->units.v[i], err))
			goto out;
	if (!add_field(name, NID_commonName, "--cn", cn, err))
		goto out;
	must(X509_set_subject_name(cert, name) == 1 &&
	    X509_set_issuer_name(cert, name) == 1);
	ok = true;
out:
	free(organization);
	X509_NAME_free(name);
	return ok;
}

static void
push_ia5(GENERAL_NAMES *names, int type, const char *text)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *value = ASN1_IA5STRING_new();

	must(name != NULL && value != NULL &&
	    ASN1_STRING_set(value, text, -1) == 1);
	GENERAL_NAME_set0_value(name, type, value);
	must(sk_GENERAL_NAME_push(names, name) > 0);
}

/* A local part beyond ASCII has a form of its own (RFC 9598). */
static void
push_utf8_mailbox(GENERAL_NAMES *names, const char *text)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_UTF8STRING *value = ASN1_UTF8STRING_new();
	ASN1_TYPE *any = ASN1_TYPE_new();

	must(name != NULL && value != NULL && any != NULL &&
	    ASN1_STRING_set(value, text, -1) == 1);
	ASN1_TYPE_set(any, V_ASN1_UTF8STRING, value);
	must(GENERAL_NAME_set0_othername(name,
	    OBJ_nid2obj(NID_id_on_SmtpUTF8Mailbox), any) == 1);
	must(sk_GENERAL_NAME_push(names, name) > 0);
}

static bool
push_domain(GENERAL_NAMES *names, const char *text, struct error *err)
{
	size_t star = strncmp(text, "*.", 2) == 0 ? 2 : 0;
	char *domain = domain_canonical(text + star, strlen(text + star));
	char *full;

	if (domain == NULL || domain[0] == '[' || domain[0] == '\0') {
		free(domain);
		return error_perm(err, "--domain \"%.255s\" is not a domain "
		    "name; write example.com or *.example.com", text);
	}
	full = mem_printf("%s%s", star > 0 ? "*." : "", domain);
	push_ia5(names, GEN_DNS, full);
	free(full);
	free(domain);
	return true;
}

static bool
push_address(GENERAL_NAMES *names, const char *text, struct error *err)
{
	struct mailaddr a = {0};
	bool ascii = true;
	char *full;

	if (!mailaddr_parse(text, strlen(text), &a, err))
		return error_prefix(err, "--address \"%.255s\"", text);
	if (a.domain[0] == '\0' || a.domain[0] == '[') {
		mailaddr_clear(&a);
		return error_perm(err, "--address \"%.255s\" has no domain; "
		    "write user@example.com", text);
	}
	for (const char *p = a.local; *p != '\0'; p++)
		ascii &= ((unsigned char)*p & 0x80) == 0;
	full = mailaddr_format(&a);
	if (ascii)
		push_ia5(names, GEN_EMAIL, full);
	else
		push_utf8_mailbox(names, full);
	free(full);
	mailaddr_clear(&a);
	return true;
}

static void
add_extension(X509 *cert, int nid, void *value, bool critical)
{
	must(X509_add1_ext_i2d(cert, nid, value, critical, 0) == 1);
}

static bool
add_alternative_names(X509 *cert, const struct cert_request *r,
    struct error *err)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	bool ok = false;

	must(names != NULL);
	for (size_t i = 0; i < r->domains.n; i++)
		if (!push_domain(names, r->domains.v[i], err))
			goto out;
	for (size_t i = 0; i < r->addresses.n; i++)
		if (!push_address(names, r->addresses.v[i], err))
			goto out;
	add_extension(cert, NID_subject_alt_name, names, false);
	ok = true;
out:
	GENERAL_NAMES_free(names);
	return ok;
}

static void
add_usage(X509 *cert, const struct cert_request *r)
{
	BASIC_CONSTRAINTS *basic = BASIC_CONSTRAINTS_new();
	ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();
	EXTENDED_KEY_USAGE *extended = sk_ASN1_OBJECT_new_null();
	int bit = r->rsa_bits != 0 ? BIT_KEY_ENCIPHERMENT : BIT_KEY_AGREEMENT;

	must(basic != NULL && usage != NULL && extended != NULL);
	basic->ca = 0;
	add_extension(cert, NID_basic_constraints, basic, true);
	must(ASN1_BIT_STRING_set_bit(usage, BIT_DIGITAL_SIGNATURE, 1) == 1 &&
	    ASN1_BIT_STRING_set_bit(usage, BIT_NON_REPUDIATION, 1) == 1 &&
	    ASN1_BIT_STRING_set_bit(usage, bit, 1) == 1);
	add_extension(cert, NID_key_usage, usage, true);
	must(sk_ASN1_OBJECT_push(extended, OBJ_nid2obj(NID_email_protect)) > 0);
	add_extension(cert, NID_ext_key_usage, extended, false);
	BASIC_CONSTRAINTS_free(basic);
	ASN1_BIT_STRING_free(usage);
	EXTENDED_KEY_USAGE_free(extended);
}

/* RFC 5280 4.2.1.2, method (1), from which the key is found in a CMS. */
static void
add_key_identifier(X509 *cert)
{
	ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	must(id != NULL &&
	    X509_pubkey_digest(cert, EVP_sha1(), digest, &n) == 1 &&
	    ASN1_OCTET_STRING_set(id, digest, (int)n) == 1);
	add_extension(cert, NID_subject_key_identifier, id, false);
	ASN1_OCTET_STRING_free(id);
}

static void
set_serial(X509 *cert)
{
	BIGNUM *bn = BN_new();

	must(bn != NULL);
	do {
		must(BN_rand(bn, SERIAL_BITS, BN_RAND_TOP_ANY,
		    BN_RAND_BOTTOM_ANY) == 1);
	} while (BN_is_zero(bn));
	must(BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert)) != NULL);
	BN_free(bn);
}

bool
cert_make_self_signed(const struct cert_request *r, X509 **certp,
    EVP_PKEY **keyp, struct error *err)
{
	const EVP_MD *digest;
	EVP_PKEY *key = NULL;
	time_t now = clock_now();
	X509 *cert = X509_new();
	bool ok = false;

	must(cert != NULL);
	ERR_clear_error();
	if (r->domains.n == 0 && r->addresses.n == 0) {
		error_perm(err, "for nobody: say --domain or --address");
		goto out;
	}
	if (r->days < 1 || r->days > CERT_MAKE_DAYS_MAX) {
		error_perm(err, "--days %lld: must be from 1 to %d",
		    (long long)r->days, CERT_MAKE_DAYS_MAX);
		goto out;
	}
	must(X509_set_version(cert, X509_VERSION_3) == 1 &&
	    X509_time_adj_ex(X509_getm_notBefore(cert), 0, 0, &now) != NULL &&
	    X509_time_adj_ex(X509_getm_notAfter(cert), (int)r->days, 0,
		&now) != NULL);
	set_serial(cert);
	if (!set_names(cert, r, err) || !add_alternative_names(cert, r, err))
		goto out;
	key = make_key(r, &digest, err);
	if (key == NULL)
		goto out;
	must(X509_set_pubkey(cert, key) == 1);
	add_usage(cert, r);
	add_key_identifier(cert);
	if (X509_sign(cert, key, digest) <= 0) {
		x509_error(err, ERROR_TEMP, "cannot sign the certificate");
		goto out;
	}
	*certp = cert;
	*keyp = key;
	cert = NULL;
	key = NULL;
	ok = true;
out:
	X509_free(cert);
	EVP_PKEY_free(key);
	return ok;
}

bool
cert_make_is_demo(const char *subject)
{
	return strstr(subject, DEMO_MARK) != NULL;
}

static void
take_bio(BIO *bio, struct buf *out)
{
	char *data;
	long n = BIO_get_mem_data(bio, &data);

	must(n > 0 && buf_append(out, data, (size_t)n));
	BIO_free(bio);
}

void
cert_make_pem(X509 *cert, const STACK_OF(X509) *chain, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());

	must(bio != NULL && PEM_write_bio_X509(bio, cert) == 1);
	for (int i = 0; chain != NULL && i < sk_X509_num(chain); i++)
		must(PEM_write_bio_X509(bio, sk_X509_value(chain, i)) == 1);
	take_bio(bio, out);
}

void
cert_make_key_pem(const EVP_PKEY *key, struct buf *out)
{
	/* Its memory is wiped when it is freed. */
	BIO *bio = BIO_new(BIO_s_secmem());

	must(bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL,
	    0, NULL, NULL) == 1);
	take_bio(bio, out);
}
