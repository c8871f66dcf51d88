/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/cert_make.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bn.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>

#include "common/cert_import.h"
#include "common/cert_pair.h"
#include "common/cert_store.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/pem_file.h"
#include "common/x509_facts.h"
#include "tap.h"

#define NOON 1800000000 /* 2027-01-15T08:00:00Z */

static struct cert_request
request(const char *domain, const char *address)
{
	struct cert_request r = {.days = 365, .curve = "P-256"};

	if (domain != NULL)
		strvec_add(&r.domains, domain);
	if (address != NULL)
		strvec_add(&r.addresses, address);
	return r;
}

static void
request_clear(struct cert_request *r)
{
	strvec_clear(&r->units);
	strvec_clear(&r->domains);
	strvec_clear(&r->addresses);
}

static void
make_pair(const char *domain, X509 **cert, EVP_PKEY **key)
{
	struct cert_request r = request(domain, NULL);
	struct error err = {0};

	if (!cert_make_self_signed(&r, cert, key, &err))
		check(false, "a pair for %s is made: %s", domain, err.text);
	request_clear(&r);
}

/* The message of a request that must be refused. */
static void
refused(struct cert_request *r, const char *part, const char *name)
{
	struct error err = {0};
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	bool made = cert_make_self_signed(r, &cert, &key, &err);

	if (!check(!made && err.kind == ERROR_PERM &&
		strstr(err.text, part) != NULL, "%s", name))
		printf("# got: %s\n", err.text);
	X509_free(cert);
	EVP_PKEY_free(key);
	request_clear(r);
}

static void
test_fields(void)
{
	struct cert_request r = request("Example.COM", "Anna@example.org");
	struct x509_facts *f;
	struct error err = {0};
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	BIGNUM *serial;

	r.common_name = "Größe, Inc.";
	r.organization = "Acme";
	r.locality = "Kassel";
	r.state = "Hessen";
	r.country = "DE";
	strvec_add(&r.units, "Mail");
	strvec_add(&r.units, "Gateway");
	strvec_add(&r.domains, "*.example.net");
	strvec_add(&r.domains, "bücher.example");
	check(cert_make_self_signed(&r, &cert, &key, &err),
	    "a certificate with all fields is made");
	f = x509_facts_new(cert);
	check(strstr(f->subject, "O=Acme") && strstr(f->subject, "L=Kassel") &&
	    strstr(f->subject, "ST=Hessen") && strstr(f->subject, "C=DE"),
	    "the subject has what was asked for");
	check(strstr(f->subject, "OU=Mail") && strstr(f->subject, "OU=Gateway"),
	    "both organizational units are there");
	check_str(f->common_name, "Größe, Inc.", "the name is UTF-8");
	check_str(f->issuer, f->subject, "subject and issuer are one");
	check(strvec_has(&f->domains, "example.com") &&
	    strvec_has(&f->domains, "*.example.net") &&
	    strvec_has(&f->domains, "xn--bcher-kva.example") &&
	    f->domains.n == 3, "domains are lower-case A-labels");
	check(f->emails.n == 1 && strvec_has(&f->emails, "Anna@example.org"),
	    "the address is there and no other");
	check(f->not_before == NOON && f->not_after == NOON + 365 * 86400,
	    "it is valid from now for the days given");
	check(f->key_usage == (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION |
	    KU_KEY_AGREEMENT), "an EC key signs and agrees");
	check(f->has_ext_key_usage && f->eku_email, "it is for e-mail");
	check(!f->ca && f->self_signed, "it is self-signed and no CA");
	check(X509_get0_subject_key_id(cert) != NULL,
	    "it has a subject key identifier");
	serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	check(BN_num_bits(serial) <= 159 && BN_num_bits(serial) > 64 &&
	    !BN_is_negative(serial), "its serial number is long and positive");
	check(X509_verify(cert, key) == 1, "it verifies with its own key");
	BN_free(serial);
	x509_facts_free(f);
	X509_free(cert);
	EVP_PKEY_free(key);
	request_clear(&r);
}

static void
test_keys(void)
{
	static const struct {
		const char *curve;
		int bits;
		const char *want;
	} keys[] = {{"P-384", 0, "EC P-384"}, {"P-521", 0, "EC P-521"},
	    {NULL, 2048, "RSA 2048"}, {NULL, 3072, "RSA 3072"}};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct cert_request r = request("example.com", NULL);
		struct x509_facts *f;
		struct error err = {0};
		EVP_PKEY *key = NULL;
		X509 *cert = NULL;

		r.curve = keys[i].curve;
		r.rsa_bits = keys[i].bits;
		if (!check(cert_make_self_signed(&r, &cert, &key, &err),
			"a %s key is made", keys[i].want))
			continue;
		f = x509_facts_new(cert);
		check_str(f->key, keys[i].want, "and it is of that kind");
		check((f->key_usage & KU_KEY_ENCIPHERMENT) ==
		    (keys[i].bits != 0 ? KU_KEY_ENCIPHERMENT : 0),
		    "only RSA enciphers keys");
		x509_facts_free(f);
		X509_free(cert);
		EVP_PKEY_free(key);
		request_clear(&r);
	}
}

static void
test_names(void)
{
	struct cert_request r = request(NULL, "jürgen@bücher.example");
	struct x509_facts *f;
	struct error err = {0};
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;

	r.demo = true;
	r.organization = "Acme";
	check(cert_make_self_signed(&r, &cert, &key, &err),
	    "an address beyond ASCII is possible");
	f = x509_facts_new(cert);
	check(strvec_has(&f->emails, "jürgen@xn--bcher-kva.example"),
	    "and is an SmtpUTF8Mailbox (RFC 9598)");
	check(cert_make_is_demo(f->subject), "a demo certificate says so");
	x509_facts_free(f);
	X509_free(cert);
	EVP_PKEY_free(key);
	request_clear(&r);
}

static void
test_refusals(void)
{
	struct cert_request r;

	r = request(NULL, NULL);
	refused(&r, "--domain or --address", "somebody must be named");
	r = request("example.com", NULL);
	r.days = 0;
	refused(&r, "--days", "zero days are refused");
	r = request("example.com", NULL);
	r.days = CERT_MAKE_DAYS_MAX + 1;
	refused(&r, "--days", "a lifetime is refused");
	r = request("example.com", NULL);
	r.rsa_bits = 1024;
	refused(&r, "2048", "a short RSA key is refused");
	r = request("example.com", NULL);
	r.curve = "P-224";
	refused(&r, "P-256", "another curve is refused");
	r = request("example.com", NULL);
	r.country = "Germany";
	refused(&r, "--c takes a two-letter country code, as DE",
	    "a country is two letters");
	r = request("example.com", NULL);
	r.organization = "Acme\nCN=other";
	refused(&r, "control character", "a line break in a name is refused");
	r = request("exa mple.com", NULL);
	refused(&r, "--domain", "a blank in a domain is refused");
	r = request("example.com,email:x@y.example", NULL);
	refused(&r, "--domain", "no second name hides in a domain");
	r = request("[192.0.2.1]", NULL);
	refused(&r, "--domain", "an address literal is no domain");
	r = request("a.*.example.com", NULL);
	refused(&r, "--domain", "a star stands first or not at all");
	r = request(NULL, "anna");
	refused(&r, "--address", "an address has a domain");
	r = request(NULL, "anna@example.com, DNS:evil.example");
	refused(&r, "--address", "no second name hides in an address");
}

static void
test_import_pem(void)
{
	struct cert_import in;
	struct error err = {0};
	struct buf text, other;
	EVP_PKEY *key, *key2;
	X509 *cert, *cert2;
	static char password[] = "x";

	make_pair("a.example", &cert, &key);
	make_pair("b.example", &cert2, &key2);
	buf_init(&text, 65536);
	buf_init(&other, 65536);
	cert_make_pem(cert2, NULL, &text);
	cert_make_pem(cert, NULL, &text);
	cert_make_key_pem(key, &text);
	check(cert_import_parse("x.pem", text.data, text.len, NULL, NULL, 0,
	    NULL, &in, &err) == CERT_IMPORT_OK && X509_cmp(in.cert, cert) == 0,
	    "of two certificates the one with the key is taken");
	check(in.left_out == 1 && sk_X509_num(in.chain) == 0,
	    "the other one is no part of its chain");
	cert_import_clear(&in);
	buf_reset(&text);
	cert_make_pem(cert, NULL, &text);
	cert_make_key_pem(key2, &other);
	check(cert_import_parse("x.pem", text.data, text.len, "x.key",
	    other.data, other.len, NULL, &in, &err) == CERT_IMPORT_FAILED &&
	    strstr(err.text, "fits") != NULL, "a key that does not fit is "
	    "refused");
	check(cert_import_parse("x.pem", text.data, text.len, NULL, NULL, 0,
	    password, &in, &err) == CERT_IMPORT_OK && in.key == NULL,
	    "a certificate may come alone");
	cert_import_clear(&in);
	check(cert_import_parse("x", "nonsense", 8, NULL, NULL, 0, NULL, &in,
	    &err) == CERT_IMPORT_FAILED, "nonsense is refused");
	check(cert_import_parse("x", "", 0, NULL, NULL, 0, NULL, &in,
	    &err) == CERT_IMPORT_FAILED, "nothing at all is refused");
	buf_clear(&text);
	buf_clear(&other);
	X509_free(cert);
	X509_free(cert2);
	EVP_PKEY_free(key);
	EVP_PKEY_free(key2);
}

static void
test_import_pkcs12(void)
{
	struct cert_import in;
	struct error err = {0};
	unsigned char *der = NULL;
	EVP_PKEY *key;
	PKCS12 *p12;
	X509 *cert;
	int n;

	make_pair("a.example", &cert, &key);
	p12 = PKCS12_create("secret", "friendly", key, cert, NULL, 0, 0, 0, 0,
	    0);
	n = i2d_PKCS12(p12, &der);
	check(cert_import_parse("x.p12", (char *)der, (size_t)n, NULL, NULL, 0,
	    NULL, &in, &err) == CERT_IMPORT_PASSWORD,
	    "PKCS #12 asks for its password");
	check(cert_import_parse("x.p12", (char *)der, (size_t)n, NULL, NULL, 0,
	    "wrong", &in, &err) == CERT_IMPORT_PASSWORD,
	    "a wrong password is told from a broken file");
	check(cert_import_parse("x.p12", (char *)der, (size_t)n, NULL, NULL, 0,
	    "secret", &in, &err) == CERT_IMPORT_OK && !in.legacy &&
	    X509_cmp(in.cert, cert) == 0 && in.key != NULL,
	    "the right one opens it");
	cert_import_clear(&in);
	for (int i = 0; i < n; i += 37)
		if (cert_import_parse("x.p12", (char *)der, (size_t)i, NULL,
			NULL, 0, "secret", &in, &err) == CERT_IMPORT_OK)
			check(false, "a file cut at %d is refused", i);
	check(true, "files cut short are refused");
	PKCS12_free(p12);
	OPENSSL_free(der);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static mode_t
mode_of(const char *dir, const char *file)
{
	char *path = mem_printf("%s/%s", dir, file);
	struct stat st = {0};

	stat(path, &st);
	free(path);
	return st.st_mode & 07777;
}

static bool
exists(const char *dir, const char *file)
{
	char *path = mem_printf("%s/%s", dir, file);
	bool there = access(path, F_OK) == 0;

	free(path);
	return there;
}

/* One broken entry would keep the milter from all the others. */
static void
test_broken_pair(const char *dir, struct cert_pair *pair)
{
	char *path = mem_printf("%s/broken.pem", dir);
	char name[129] = {0};
	struct strvec changes = {0};
	struct error err = {0};
	FILE *f = fopen(path, "w");

	if (f != NULL)
		fclose(f);
	pair->name = "broken";
	check(cert_pair_write(pair, &changes, &err) &&
	    cert_store_check_pair(dir, "broken", &err),
	    "force repairs a pair that cannot be used");
	check(exists(dir, "broken-20270115.pem.old") &&
	    !exists(dir, "broken-20270115.pem"),
	    "which is kept where nobody reads it");
	memset(name, 'n', sizeof(name) - 1);
	pair->name = name;
	check(cert_pair_write(pair, &changes, &err) &&
	    cert_pair_write(pair, &changes, &err), "a pair with the longest "
	    "name is replaced");
	name[112] = '\0';
	free(path);
	path = mem_printf("%s-20270115", name);
	check(cert_store_check_pair(dir, path, &err),
	    "the old one gets a name that may be");
	strvec_clear(&changes);
	free(path);
}

static void
test_pair(const char *dir)
{
	struct cert_pair pair = {.directory = dir, .name = "acme"};
	struct strvec changes = {0};
	struct error err = {0};
	EVP_PKEY *key, *key2;
	X509 *cert, *cert2;
	char *path;

	make_pair("a.example", &cert, &key);
	make_pair("b.example", &cert2, &key2);
	pair.cert = cert;
	pair.key = key;
	umask(0);
	check(cert_pair_write(&pair, &changes, &err), "a pair is written");
	check(changes.n == 2, "and both files are told");
	check(mode_of(dir, "acme.pem") == 0644, "anybody may read the "
	    "certificate");
	check((mode_of(dir, "acme.key") & ~0040u) == 0600,
	    "others cannot read the key");
	check(!cert_pair_write(&pair, &changes, &err) &&
	    strstr(err.text, "--force") != NULL,
	    "a name that is taken is refused");
	pair.cert = cert2;
	pair.key = NULL;
	pair.force = true;
	check(!cert_pair_write(&pair, &changes, &err),
	    "a certificate for another key does not come beside this one");
	pair.key = key2;
	strvec_clear(&changes);
	check(cert_pair_write(&pair, &changes, &err), "force replaces a pair");
	check(mode_of(dir, "acme-20270115.pem") == 0644 &&
	    mode_of(dir, "acme-20270115.key") == mode_of(dir, "acme.key"),
	    "the old pair is kept with its modes");
	check_str(changes.n == 3 ? changes.v[2] : "", "kept the old "
	    "certificate as acme-20270115: mail encrypted to it can still be "
	    "read; the newest signs", "and this is told");
	check(cert_store_check_pair(dir, "acme-20270115", &err),
	    "the old pair is a pair still");
	check(cert_pair_is_kept(dir, "acme-20270115") &&
	    cert_pair_is_kept(dir, "acme-20270115-12") &&
	    !cert_pair_is_kept(dir, "acme") &&
	    !cert_pair_is_kept(dir, "acme-2027") &&
	    !cert_pair_is_kept(dir, "acme-12") &&
	    !cert_pair_is_kept(dir, "-20270115") &&
	    !cert_pair_is_kept(dir, "acme-20270115-x") &&
	    !cert_pair_is_kept(dir, "other-20270115"),
	    "the name of a replaced pair is known again");
	pair.key = NULL;
	check(cert_pair_write(&pair, &changes, &err) &&
	    cert_store_check_pair(dir, "acme-20270115-2", &err) &&
	    mode_of(dir, "acme-20270115-2.key") == mode_of(dir, "acme.key"),
	    "a certificate alone leaves the old pair its key");
	pair.key = key2;
	path = mem_printf("%s/acme.key", dir);
	EVP_PKEY_free(key);
	key = pem_key_load(path, NULL, &err);
	check(key != NULL && X509_check_private_key(cert2, key) == 1,
	    "what is there now is a pair");
	free(path);
	test_broken_pair(dir, &pair);
	path = mem_printf("%s/half.pem", dir);
	mkdir(path, 0700);
	pair.name = "half";
	check(!cert_pair_write(&pair, &changes, &err) &&
	    !exists(dir, "half.key") && !exists(dir, "half-20270115.key"),
	    "when one cannot be written there is neither");
	free(path);
	pair.name = "../acme";
	check(!cert_pair_write(&pair, &changes, &err),
	    "a name is not a way out of the directory");
	strvec_clear(&changes);
	X509_free(cert);
	X509_free(cert2);
	EVP_PKEY_free(key);
	EVP_PKEY_free(key2);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int
main(void)
{
	char dir[] = "/tmp/test_cert_make.XXXXXX";

	clock_set(NOON);
	if (mkdtemp(dir) == NULL)
		return 1;
	test_fields();
	test_keys();
	test_names();
	test_refusals();
	test_import_pem();
	test_import_pkcs12();
	test_pair(dir);
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return tap_done();
}
