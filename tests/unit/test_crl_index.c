/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/crl_index.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "common/atomic_file.h"
#include "common/mem.h"
#include "crl-fetcher/index_build.h"
#include "tap.h"

#define NOW ((int64_t)1750000000)
#define DAY ((int64_t)86400)

static char dir[] = "/tmp/postseal-crl-index-XXXXXX";

/* ---- certificates without signatures: nobody looks at those ---- */

static EVP_PKEY *key;

struct spec {
	const char *issuer;
	const char *serial; /* hex, may start with - */
	const char *key_id; /* of the issuer; NULL: none */
	const char *points; /* URL of crlDistributionPoints */
	bool ca;
};

static X509_NAME *
make_name(const char *cn, int type)
{
	X509_NAME *name = X509_NAME_new();

	X509_NAME_add_entry_by_txt(
	    name, "CN", type, (const unsigned char *)cn, -1, -1, 0);
	return name;
}

static void
extend(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	if (ext == NULL || X509_add_ext(cert, ext, -1) != 1)
		abort();
	X509_EXTENSION_free(ext);
}

static X509 *
make_cert(const struct spec *s)
{
	X509_NAME *name = make_name(s->issuer, V_ASN1_UTF8STRING);
	AUTHORITY_KEYID *id = AUTHORITY_KEYID_new();
	X509 *cert = X509_new(), *again = NULL;
	const unsigned char *p;
	unsigned char *der = NULL;
	BIGNUM *serial = NULL;
	int n;

	X509_set_version(cert, 2);
	X509_set_issuer_name(cert, name);
	X509_set_subject_name(cert, name);
	BN_hex2bn(&serial, s->serial);
	BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert));
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_set_pubkey(cert, key);
	extend(cert, NID_basic_constraints, s->ca ? "CA:TRUE" : "CA:FALSE");
	if (s->key_id != NULL) {
		id->keyid = ASN1_OCTET_STRING_new();
		ASN1_OCTET_STRING_set(id->keyid,
		    (const unsigned char *)s->key_id, (int)strlen(s->key_id));
		X509_add1_ext_i2d(
		    cert, NID_authority_key_identifier, id, 0, 0);
	}
	if (s->points != NULL)
		extend(cert, NID_crl_distribution_points, s->points);
	X509_sign(cert, key, NULL);
	n = i2d_X509(cert, &der);
	p = der;
	again = d2i_X509(NULL, &p, n);
	if (again == NULL)
		abort();
	OPENSSL_free(der);
	BN_free(serial);
	AUTHORITY_KEYID_free(id);
	X509_NAME_free(name);
	X509_free(cert);
	return again;
}

/* ---- indexes ---- */

struct made {
	struct index_facts facts;
	X509_NAME *issuer;
	unsigned char *name;
	struct index_build build;
};

static struct der
text(const char *s)
{
	return (struct der){(const uint8_t *)s, strlen(s)};
}

static void
start(struct made *m, const char *issuer, const char *key_id, size_t width,
    size_t n)
{
	struct error err;
	int len;

	memset(m, 0, sizeof(*m));
	m->issuer = make_name(issuer, V_ASN1_UTF8STRING);
	len = i2d_X509_NAME(m->issuer, &m->name);
	m->facts.reasons = CRL_INDEX_REASONS_ALL;
	m->facts.this_update = NOW - DAY;
	m->facts.next_update = NOW + DAY;
	m->facts.field[CRL_INDEX_ISSUER] = (struct der){m->name, (size_t)len};
	if (key_id != NULL)
		m->facts.field[CRL_INDEX_KEY_ID] = text(key_id);
	if (width > 0 &&
	    !index_build_init(&m->build, &m->facts, width, n, &err))
		abort();
}

static void
build(struct made *m, size_t width, size_t n)
{
	struct error err;

	if (!index_build_init(&m->build, &m->facts, width, n, &err))
		abort();
}

static bool
add(struct made *m, const char *hex, unsigned reason)
{
	long len;
	unsigned char *p = OPENSSL_hexstr2buf(hex, &len);
	bool ok = index_build_add(&m->build,
	    &(struct der){p, (size_t)len}, reason, NOW - 5 * DAY);

	OPENSSL_free(p);
	return ok;
}

static void
put(struct made *m, unsigned number)
{
	char name[16], *path;
	struct error err;

	index_build_finish(&m->build);
	crl_index_name(m->issuer, number, name, sizeof(name));
	path = mem_printf("%s/%s", dir, name);
	if (!atomic_file_write(path, m->build.bytes.data, m->build.bytes.len,
		0644, (uid_t)-1, (gid_t)-1, &err))
		abort();
	free(path);
	index_build_clear(&m->build);
	OPENSSL_free(m->name);
	X509_NAME_free(m->issuer);
}

static struct crl_index *
open_dir(void)
{
	struct crl_index *x = crl_index_open(dir);

	if (x == NULL)
		abort();
	return x;
}

static struct crl_answer
ask_at(struct crl_index *x, const struct spec *s, int64_t now, int64_t grace)
{
	X509 *cert = make_cert(s);
	struct crl_answer a;

	crl_index_check(x, cert, NULL, now, grace, &a);
	X509_free(cert);
	return a;
}

static struct crl_answer
ask(struct crl_index *x, const char *issuer, const char *serial)
{
	return ask_at(
	    x, &(struct spec){.issuer = issuer, .serial = serial}, NOW, 0);
}

/* ---- tests ---- */

static void
test_checksum(void)
{
	static const char *const a = "a", *const abc = "abc";
	static const uint8_t none[1];

	check(crl_index_checksum(none, 0) == UINT64_C(0xef46db3751d8e999),
	    "the checksum of nothing is XXH64's");
	check(crl_index_checksum((const uint8_t *)a, 1) ==
		  UINT64_C(0xd24ec4f1a98c6e5b),
	    "that of one octet is XXH64's");
	check(crl_index_checksum((const uint8_t *)abc, 3) ==
		  UINT64_C(0x44bc2cf5ad770999),
	    "that of three octets is XXH64's");
	check(crl_index_checksum((const uint8_t *)"Nobody inspects the "
						  "spammish repetition", 39) ==
		  UINT64_C(0xfbcea83c8a378bf1),
	    "that of 39 octets is XXH64's");
}

static void
test_simple(void)
{
	struct crl_index *x = open_dir();
	struct crl_answer a;
	struct made m;

	a = ask(x, "Simple CA", "05");
	check(a.status == CRL_UNKNOWN && a.why == CRL_WHY_NO_INDEX,
	    "without an index nothing is known");
	start(&m, "Simple CA", NULL, 3, 5);
	check(add(&m, "05", 1) && add(&m, "0081", 4) && add(&m, "80", 5) &&
		  add(&m, "012345", 0),
	    "entries are added");
	check(!add(&m, "01234567", 0), "one that is too wide is not");
	put(&m, 0);
	a = ask(x, "Simple CA", "05");
	check(a.status == CRL_REVOKED && a.reason == 1 &&
		  a.revoked == NOW - 5 * DAY && a.this_update == NOW - DAY,
	    "a listed certificate is revoked, with reason and date, as soon "
	    "as the index is there");
	check(ask(x, "Simple CA", "81").status == CRL_REVOKED,
	    "a serial number with its highest bit set is found");
	check(ask(x, "Simple CA", "-80").status == CRL_REVOKED,
	    "a negative serial number is found");
	check(ask(x, "Simple CA", "80").status == CRL_GOOD,
	    "a positive one with the same octets is not the same");
	check(ask(x, "Simple CA", "012345").status == CRL_REVOKED,
	    "the widest one is found");
	check(ask(x, "Simple CA", "01234500").status == CRL_GOOD,
	    "one wider than the index is not listed");
	check(ask(x, "Simple CA", "06").status == CRL_GOOD,
	    "an unlisted one is good");
	check(ask(x, "simple ca", "05").status == CRL_REVOKED,
	    "the issuer's name is compared without case (RFC 5280 7.1)");
	check(ask(x, "Simple CB", "05").status == CRL_UNKNOWN,
	    "another issuer's certificate is unknown");
	crl_index_close(&x);
}

static void
test_dates(void)
{
	struct crl_index *x = open_dir();
	const struct spec listed = {.issuer = "Simple CA", .serial = "05"};
	const struct spec unlisted = {.issuer = "Simple CA", .serial = "07"};
	struct crl_answer a;

	a = ask_at(x, &unlisted, NOW + 2 * DAY, 0);
	check(a.status == CRL_UNKNOWN && a.why == CRL_WHY_STALE,
	    "after nextUpdate an unlisted one is unknown");
	check(ask_at(x, &unlisted, NOW + 2 * DAY, DAY).status == CRL_GOOD,
	    "within the grace it is good");
	check(ask_at(x, &unlisted, NOW + 2 * DAY + 1, DAY).status ==
		  CRL_UNKNOWN,
	    "a second after it is not");
	a = ask_at(x, &listed, NOW + 99 * DAY, 0);
	check(a.status == CRL_REVOKED && a.stale,
	    "a listed one stays revoked");
	a = ask_at(x, &unlisted, NOW - 2 * DAY, 0);
	check(a.status == CRL_UNKNOWN && a.why == CRL_WHY_NOT_YET,
	    "before thisUpdate nothing is known");
	check(ask_at(x, &unlisted, NOW - DAY - CRL_INDEX_SKEW, 0).status ==
		  CRL_GOOD,
	    "but for clocks that are a little behind");
	crl_index_close(&x);
}

static void
test_keys(void)
{
	struct crl_index *x = open_dir();
	struct spec s = {.issuer = "Keys CA", .serial = "01"};
	struct made m;

	start(&m, "Keys CA", "old", 1, 1);
	add(&m, "01", 1);
	put(&m, 0);
	start(&m, "Keys CA", "new", 1, 1);
	add(&m, "02", 1);
	put(&m, 1);
	s.key_id = "old";
	check(ask_at(x, &s, NOW, 0).status == CRL_REVOKED,
	    "of two keys the certificate's decides: old");
	s.key_id = "new";
	check(ask_at(x, &s, NOW, 0).status == CRL_GOOD,
	    "of two keys the certificate's decides: new");
	s.key_id = "third";
	check(ask_at(x, &s, NOW, 0).status == CRL_REVOKED,
	    "a CRL of the same name counts where there is none of the key");
	s.serial = "03";
	check(ask_at(x, &s, NOW, 0).status == CRL_GOOD,
	    "also to say that it is good");
	s.key_id = NULL;
	s.serial = "02";
	check(ask_at(x, &s, NOW, 0).status == CRL_REVOKED,
	    "a certificate that names no key may be on any of them");
	crl_index_close(&x);
}

static void
test_key_of_issuer(void)
{
	struct crl_index *x = open_dir();
	struct spec s = {.issuer = "Keys CA", .serial = "01"};
	X509 *cert = make_cert(&s), *issuer;
	struct crl_answer a;

	s.serial = "99";
	issuer = make_cert(&s);
	{
		ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
		unsigned char *der = NULL;
		const unsigned char *p;
		X509 *again;
		int n;

		ASN1_OCTET_STRING_set(id, (const unsigned char *)"new", 3);
		X509_add1_ext_i2d(
		    issuer, NID_subject_key_identifier, id, 0, 0);
		X509_sign(issuer, key, NULL);
		n = i2d_X509(issuer, &der);
		p = der;
		again = d2i_X509(NULL, &p, n);
		X509_free(issuer);
		issuer = again;
		OPENSSL_free(der);
		ASN1_OCTET_STRING_free(id);
	}
	crl_index_check(x, cert, issuer, NOW, 0, &a);
	check(a.status == CRL_GOOD,
	    "the issuer tells the key when the certificate does not");
	X509_free(cert);
	X509_free(issuer);
	crl_index_close(&x);
}

#define URI_A "\x86\x0ahttp://a/x"
#define URI_B "\x86\x0ahttp://b/x"

static void
test_scope(void)
{
	struct crl_index *x = open_dir();
	struct spec s = {.issuer = "Scope CA", .serial = "77"};
	struct crl_answer a;
	struct made m;

	start(&m, "Scope CA", NULL, 0, 0);
	m.facts.flags = CRL_INDEX_USER_ONLY;
	build(&m, 1, 2);
	add(&m, "01", 1);
	put(&m, 0);
	check(ask_at(x, &s, NOW, 0).status == CRL_GOOD,
	    "onlyContainsUserCerts answers for users");
	s.ca = true;
	a = ask_at(x, &s, NOW, 0);
	check(a.status == CRL_UNKNOWN && a.why == CRL_WHY_SCOPE,
	    "and not for CAs");
	start(&m, "Scope CA", NULL, 0, 0);
	m.facts.flags = CRL_INDEX_CA_ONLY;
	build(&m, 1, 1);
	put(&m, 1);
	check(ask_at(x, &s, NOW, 0).status == CRL_GOOD,
	    "onlyContainsCACerts beside it does");
	start(&m, "Scope CA", NULL, 0, 0);
	m.facts.flags = CRL_INDEX_ATTRIBUTE_ONLY;
	build(&m, 1, 1);
	add(&m, "77", 1);
	put(&m, 0);
	s.ca = false;
	check(ask_at(x, &s, NOW, 0).status == CRL_UNKNOWN,
	    "onlyContainsAttributeCerts says nothing");

	start(&m, "Points CA", NULL, 0, 0);
	m.facts.flags = CRL_INDEX_POINTS;
	m.facts.field[CRL_INDEX_POINT_NAMES] = text(URI_A URI_B);
	build(&m, 1, 1);
	put(&m, 0);
	s.issuer = "Points CA";
	check(ask_at(x, &s, NOW, 0).status == CRL_UNKNOWN,
	    "a partition does not answer for a certificate without "
	    "distribution points");
	s.points = "URI:http://c/x";
	check(ask_at(x, &s, NOW, 0).status == CRL_UNKNOWN,
	    "nor for one of another partition");
	s.points = "URI:http://c/x,URI:http://b/x";
	check(ask_at(x, &s, NOW, 0).status == CRL_GOOD,
	    "but for one that names it");

	start(&m, "Reasons CA", NULL, 0, 0);
	m.facts.reasons = 1u << 1;
	build(&m, 1, 1);
	put(&m, 0);
	s.issuer = "Reasons CA";
	a = ask_at(x, &s, NOW, 0);
	check(a.status == CRL_UNKNOWN && a.why == CRL_WHY_SCOPE,
	    "a CRL for some reasons does not make good");
	start(&m, "Reasons CA", NULL, 0, 0);
	m.facts.reasons = CRL_INDEX_REASONS_ALL & ~(1u << 1);
	build(&m, 1, 1);
	put(&m, 1);
	check(ask_at(x, &s, NOW, 0).status == CRL_GOOD,
	    "CRLs that have all reasons together do");
	crl_index_close(&x);
}

static void
test_relative_point(void)
{
	struct crl_index *x = open_dir();
	unsigned char gn[256], *der = NULL;
	X509_NAME *name = make_name("Relative CA", V_ASN1_UTF8STRING);
	struct made m;
	X509 *cert;
	CRL_DIST_POINTS *points = sk_DIST_POINT_new_null();
	DIST_POINT *point = DIST_POINT_new();
	struct crl_answer a;
	int n;

	X509_NAME_add_entry_by_txt(name, "CN", V_ASN1_UTF8STRING,
	    (const unsigned char *)"CRL1", -1, -1, 0);
	n = i2d_X509_NAME(name, &der);
	gn[0] = 0xa4;
	gn[1] = (unsigned char)n;
	memcpy(gn + 2, der, (size_t)n);
	start(&m, "Relative CA", NULL, 0, 0);
	m.facts.flags = CRL_INDEX_POINTS;
	m.facts.field[CRL_INDEX_POINT_NAMES] =
	    (struct der){gn, (size_t)n + 2};
	build(&m, 1, 1);
	put(&m, 0);

	cert = make_cert(
	    &(struct spec){.issuer = "Relative CA", .serial = "01"});
	point->distpoint = DIST_POINT_NAME_new();
	point->distpoint->type = 1;
	point->distpoint->name.relativename = sk_X509_NAME_ENTRY_new_null();
	sk_X509_NAME_ENTRY_push(point->distpoint->name.relativename,
	    X509_NAME_ENTRY_create_by_txt(NULL, "CN", V_ASN1_UTF8STRING,
		(const unsigned char *)"CRL1", -1));
	sk_DIST_POINT_push(points, point);
	X509_add1_ext_i2d(cert, NID_crl_distribution_points, points, 0, 0);
	crl_index_check(x, cert, NULL, NOW, 0, &a);
	check(a.status == CRL_GOOD,
	    "nameRelativeToCRLIssuer names a partition (RFC 5280 4.2.1.13)");
	point->CRLissuer = sk_GENERAL_NAME_new_null();
	sk_GENERAL_NAME_push(point->CRLissuer, GENERAL_NAME_new());
	GENERAL_NAME_set0_value(sk_GENERAL_NAME_value(point->CRLissuer, 0),
	    GEN_DIRNAME, make_name("Another CA", V_ASN1_UTF8STRING));
	X509_add1_ext_i2d(cert, NID_crl_distribution_points, points, 0,
	    X509V3_ADD_REPLACE);
	crl_index_check(x, cert, NULL, NOW, 0, &a);
	check(a.status == CRL_UNKNOWN && a.why == CRL_WHY_SCOPE,
	    "not one of which another issuer has the CRL (RFC 5280 6.3.3 b)");
	sk_DIST_POINT_pop_free(points, DIST_POINT_free);
	X509_free(cert);
	X509_NAME_free(name);
	OPENSSL_free(der);
	crl_index_close(&x);
}

static void
test_delta(void)
{
	struct crl_index *x = open_dir();
	struct crl_answer a;
	struct made m;

	start(&m, "Delta CA", NULL, 1, 40);
	add(&m, "04", 6);
	add(&m, "01", 6);
	add(&m, "03", 1);
	add(&m, "03", 2);
	index_build_start_delta(&m.build);
	add(&m, "09", 3);
	add(&m, "01", INDEX_REASON_REMOVE);
	add(&m, "04", 1);
	add(&m, "05", INDEX_REASON_REMOVE);
	for (int i = 0; i < 14; i++) {
		add(&m, "06", INDEX_REASON_REMOVE);
		add(&m, "06", 1);
	}
	put(&m, 0);
	check(ask(x, "Delta CA", "01").status == CRL_GOOD,
	    "what a delta removes is good again");
	check(ask(x, "Delta CA", "09").status == CRL_REVOKED,
	    "what it adds is revoked");
	a = ask(x, "Delta CA", "04");
	check(a.status == CRL_REVOKED && a.reason == 1,
	    "what it lists again has the new reason");
	check(ask(x, "Delta CA", "03").status == CRL_REVOKED,
	    "what it does not speak of stays revoked");
	check(ask(x, "Delta CA", "05").status == CRL_GOOD,
	    "removing what was never there does nothing");
	check(ask(x, "Delta CA", "06").status == CRL_REVOKED,
	    "what it removes and revokes is revoked");
	crl_index_close(&x);
}

static void
damage(const char *path, long at, int how)
{
	FILE *f;

	if (how == 'c') {
		if (truncate(path, at) != 0)
			abort();
		return;
	}
	f = fopen(path, "r+");
	if (f == NULL || fseek(f, at, SEEK_SET) != 0)
		abort();
	how = fgetc(f);
	fseek(f, at, SEEK_SET);
	fputc(how ^ 0x10, f);
	fclose(f);
}

static void
test_damage(void)
{
	struct crl_index *x = open_dir();
	X509_NAME *name = make_name("Damage CA", V_ASN1_UTF8STRING);
	char file[16], *path;
	struct crl_answer a;
	struct stat st;
	struct made m;
	long size = 1;
	bool always = true;

	crl_index_name(name, 0, file, sizeof(file));
	path = mem_printf("%s/%s", dir, file);
	for (long at = 0; at < size; at++) {
		start(&m, "Damage CA", NULL, 2, 2);
		add(&m, "0123", 1);
		put(&m, 0);
		stat(path, &st);
		size = st.st_size;
		damage(path, at, 'f');
		a = ask(x, "Damage CA", "0123");
		always = always && a.status == CRL_UNKNOWN &&
			 a.why == CRL_WHY_DAMAGED;
		damage(path, at, 'c');
		a = ask(x, "Damage CA", "0123");
		always = always && a.status == CRL_UNKNOWN &&
			 a.why == CRL_WHY_DAMAGED;
	}
	check(size > CRL_INDEX_HEADER && always,
	    "any octet that differs, and any cut, is damage and counts as "
	    "missing");
	unlink(path);
	if (symlink("/etc/passwd", path) != 0)
		abort();
	check(ask(x, "Damage CA", "0123").why == CRL_WHY_DAMAGED,
	    "a symbolic link is not followed");
	unlink(path);
	if (mkdir(path, 0755) != 0)
		abort();
	check(ask(x, "Damage CA", "0123").why == CRL_WHY_DAMAGED,
	    "a directory is no index");
	rmdir(path);
	start(&m, "Damage CA", NULL, 2, 2);
	add(&m, "0123", 1);
	put(&m, 0);
	check(ask(x, "Damage CA", "0123").status == CRL_REVOKED,
	    "a whole one in its place is taken up");
	unlink(path);
	check(ask(x, "Damage CA", "0123").why == CRL_WHY_NO_INDEX,
	    "one that went is gone");
	free(path);
	X509_NAME_free(name);
	crl_index_close(&x);
}

/* No CRL of another key counts while that of the key may be damaged. */
static void
test_damage_beside(void)
{
	struct crl_index *x = open_dir();
	X509_NAME *name = make_name("Two Keys CA", V_ASN1_UTF8STRING);
	struct spec s = {.issuer = "Two Keys CA", .serial = "0123",
	    .key_id = "old"};
	char file[16], *path;
	struct crl_answer a;
	struct made m;

	start(&m, "Two Keys CA", "old", 2, 2);
	add(&m, "0123", 1);
	put(&m, 0);
	start(&m, "Two Keys CA", "new", 2, 2);
	put(&m, 1);
	check(ask_at(x, &s, NOW, 0).status == CRL_REVOKED,
	    "each key has its own CRL");
	crl_index_name(name, 0, file, sizeof(file));
	path = mem_printf("%s/%s", dir, file);
	damage(path, 100, 'c');
	a = ask_at(x, &s, NOW, 0);
	check(a.status == CRL_UNKNOWN && a.why == CRL_WHY_DAMAGED,
	    "that of another does not count when the key's own is damaged");
	s.key_id = "new";
	check(ask_at(x, &s, NOW, 0).status == CRL_GOOD,
	    "where the damaged one is another's, the key's own counts");
	free(path);
	X509_NAME_free(name);
	crl_index_close(&x);
}

static void
test_long_serials(void)
{
	struct crl_index *x = open_dir();
	char serial[2 * CRL_INDEX_SERIAL_MAX + 4];
	struct made m;

	memset(serial, '5', sizeof(serial));
	serial[2 * CRL_INDEX_SERIAL_MAX] = '\0';
	start(&m, "Long CA", NULL, CRL_INDEX_SERIAL_MAX, 1);
	add(&m, serial, 1);
	put(&m, 0);
	check(ask(x, "Long CA", serial).status == CRL_REVOKED,
	    "the longest serial number is found");
	serial[0] = '4';
	check(ask(x, "Long CA", serial).status == CRL_GOOD,
	    "and another is not");
	memset(serial, '5', sizeof(serial) - 2);
	serial[2 * CRL_INDEX_SERIAL_MAX + 2] = '\0';
	check(ask(x, "Long CA", serial).status == CRL_UNKNOWN,
	    "of one that is longer nothing is known");
	crl_index_close(&x);
}

/* The process we are in may have no descriptor left for a while. */
static void
test_shortage(void)
{
	struct crl_index *x = open_dir();
	X509_NAME *name = make_name("Short CA", V_ASN1_UTF8STRING);
	struct rlimit had, none;
	struct crl_answer a;
	char file[16], *path;
	struct made m;

	crl_index_name(name, 0, file, sizeof(file));
	path = mem_printf("%s/%s", dir, file);
	start(&m, "Short CA", NULL, 2, 2);
	add(&m, "0123", 1);
	put(&m, 0);
	if (getrlimit(RLIMIT_NOFILE, &had) != 0)
		abort();
	none = had;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	a = ask(x, "Short CA", "0123");
	setrlimit(RLIMIT_NOFILE, &had);
	check(a.status == CRL_UNKNOWN && a.why == CRL_WHY_DAMAGED,
	    "without a descriptor nothing is known");
	check(ask(x, "Short CA", "0123").status == CRL_REVOKED,
	    "with one again the same index is read");
	unlink(path);
	free(path);
	X509_NAME_free(name);
	crl_index_close(&x);
}

#define MANY 30000

static void
test_many(void)
{
	struct crl_index *x = open_dir();
	static uint8_t serials[MANY][16];
	struct made m;
	unsigned found = 0, wrong = 0, count;
	X509_NAME *name = make_name("Many CA", V_ASN1_UTF8STRING);
	struct crl_index_file f;
	struct crl_index_entry e;
	struct der at, last = {NULL, 0};
	char file[16];

	RAND_bytes(serials[0], sizeof(serials));
	start(&m, "Many CA", NULL, 16, 2 * MANY);
	for (int i = 0; i < MANY; i++) {
		serials[i][0] = (uint8_t)(i % 3 == 0 ? 1 : serials[i][0]);
		if (i % 7 == 0)
			memcpy(serials[i], "\1\1\1\1\1\1\1\1\1\1\1\1", 12);
		for (int twice = 0; twice < 2; twice++)
			if (!index_build_add(&m.build,
				&(struct der){serials[i], 16}, 0, NOW))
				abort();
	}
	put(&m, 0);
	crl_index_name(name, 0, file, sizeof(file));
	{
		char *path = mem_printf("%s/%s", dir, file);
		int fd = open(dir, O_RDONLY | O_DIRECTORY);

		if (crl_index_file_open(fd, file, &f) != CRL_INDEX_OK)
			abort();
		close(fd);
		free(path);
	}
	count = f.count;
	for (int i = 0; i < MANY; i++)
		found += crl_index_file_find(
		    &f, &(struct der){serials[i], 16}, &e);
	for (uint32_t i = 0; i < f.count; i++) {
		crl_index_file_entry(&f, i, &at, &e);
		wrong += last.n != 0 && memcmp(last.p, at.p, 16) >= 0;
		last = at;
	}
	check(found == MANY && count <= MANY && count > MANY / 2,
	    "all of %d are found (%u after doubles)", MANY, count);
	check(wrong == 0, "they ascend");
	crl_index_file_close(&f);
	X509_NAME_free(name);
	crl_index_close(&x);
}

static void *
ask_often(void *context)
{
	struct crl_index *x = context;
	X509 *listed = make_cert(
	    &(struct spec){.issuer = "Racing CA", .serial = "05"});
	struct crl_answer a;
	uintptr_t wrong = 0;

	for (int i = 0; i < 3000; i++) {
		crl_index_check(x, listed, NULL, NOW, 0, &a);
		wrong += a.status != CRL_REVOKED;
	}
	X509_free(listed);
	return (void *)wrong;
}

static void
test_threads(void)
{
	struct crl_index *x = open_dir();
	pthread_t threads[3];
	uintptr_t wrong = 0;
	struct made m;
	void *one;

	for (int i = 0; i < 200; i++) {
		start(&m, "Racing CA", NULL, 2, 2);
		add(&m, "05", 1);
		add(&m, i % 2 ? "07" : "7001", 1);
		put(&m, 0);
		if (i == 0)
			for (int k = 0; k < 3; k++)
				pthread_create(
				    &threads[k], NULL, ask_often, x);
	}
	for (int k = 0; k < 3; k++) {
		pthread_join(threads[k], &one);
		wrong += (uintptr_t)one;
	}
	check(wrong == 0,
	    "threads that ask while the index is replaced see old or new");
	crl_index_close(&x);
}

static void
test_limits(void)
{
	struct crl_index *x;
	struct made m;
	struct error err;

	start(&m, "Limits CA", NULL, 0, 0);
	check(!index_build_init(&m.build, &m.facts, 65, 1, &err) &&
		  err.kind == ERROR_PERM,
	    "a serial number of 65 octets makes no index");
	check(!index_build_init(&m.build, &m.facts, 20, 100000000, &err) &&
		  err.kind == ERROR_PERM,
	    "nor do a hundred million entries");
	build(&m, 1, 0);
	put(&m, 0);
	x = open_dir();
	check(ask(x, "Limits CA", "05").status == CRL_GOOD,
	    "an empty CRL makes one that lists nobody");
	crl_index_close(&x);
	check(crl_index_open("/nonexistent/directory") == NULL,
	    "a directory that is not there is told");
}

int
main(void)
{
	char *remove = NULL;

	key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (key == NULL || mkdtemp(dir) == NULL)
		abort();
	test_checksum();
	test_simple();
	test_dates();
	test_keys();
	test_key_of_issuer();
	test_scope();
	test_relative_point();
	test_delta();
	test_damage();
	test_damage_beside();
	test_long_serials();
	test_shortage();
	test_many();
	test_threads();
	test_limits();
	EVP_PKEY_free(key);
	remove = mem_printf("rm -rf %s", dir);
	if (system(remove) != 0)
		return 1;
	free(remove);
	return tap_done();
}
