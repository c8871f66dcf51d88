/* SPDX-License-Identifier: BSD-2-Clause */
#include "crl-fetcher/crl_walk.h"

#include <openssl/err.h>

#include "crl-fetcher/crl_pem.h"
#include "crl_maker.h"
#include "pki.h"
#include "tap.h"

#define NOW ((int64_t)1750000000)
#define DAY ((int64_t)86400)

static EVP_PKEY *key;
static X509 *ca;

static struct maker_crl
plain(void)
{
	return (struct maker_crl){.issuer = ca, .key = key,
		.this_update = NOW - DAY, .next_update = NOW + DAY,
		.number = 7, .base = -1};
}

static bool
walk(const struct buf *b, struct crl_walk *w, struct error *err)
{
	return crl_walk((const uint8_t *)b->data, b->len, w, err);
}

static void
test_plain(void)
{
	static const struct maker_entry entries[] = {
		{"05", 1, false, false},
		{"0081", -1, false, false},
		{"00ffffffffffffffffffffffffffffffffffffffff", 9, false,
		    false},
	};
	struct maker_crl c = plain();
	struct crl_walk_entry e;
	struct crl_walk w;
	struct error err;
	struct der in;
	struct buf b;

	buf_init(&b, MAKER_MAX);
	c.entries = entries;
	c.n = 3;
	maker_make(&b, &c);
	check(walk(&b, &w, &err), "a CRL is walked");
	check(w.count == 3 && w.serial_width == 21,
	    "its entries are counted, the widest serial number measured");
	check(w.this_update == NOW - DAY && w.next_update == NOW + DAY &&
		  w.has_next_update,
	    "its dates are read");
	check(w.number.n == 1 && w.number.p[0] == 7 && w.base_number.n == 0,
	    "its number is");
	check(w.key_id.n == 20, "its issuer's key is");
	in = w.entries;
	check(crl_walk_next(&in, &e) && e.serial.n == 1 &&
		  e.serial.p[0] == 5 && e.reason == 1 &&
		  e.date == NOW - DAY - 3600,
	    "an entry has serial number, reason and date");
	check(crl_walk_next(&in, &e) && e.serial.n == 2 && e.reason == 0,
	    "without a reason it is unspecified");
	check(crl_walk_next(&in, &e) && e.reason == 9 &&
		  !crl_walk_next(&in, &e),
	    "the last entry is the last");
	buf_clear(&b);
}

/* Dates as OpenSSL reads them, of every kind of year. */
static void
test_dates(void)
{
	static const int64_t times[] = {0, 951782400 /* 2000-02-29 */,
		1709164800 /* 2024-02-29 */, 4102444800 /* 2100-01-01 */,
		2524607999 /* 2049, UTCTime */, 2524608000 /* 2050 */,
		-631152000 /* 1950 */};
	bool same = true;

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		struct maker_crl c = plain();
		struct crl_walk w;
		struct error err;
		struct buf b;

		c.this_update = times[i];
		buf_init(&b, MAKER_MAX);
		maker_make(&b, &c);
		same = same && walk(&b, &w, &err) &&
		       w.this_update == times[i];
		buf_clear(&b);
	}
	check(same, "UTCTime and GeneralizedTime are read as they are meant");
}

static void
test_cut(void)
{
	static const struct maker_entry one = {"0123", 4, false, false};
	struct maker_crl c = plain();
	struct crl_walk w;
	struct error err;
	bool refused = true;
	struct buf b;

	buf_init(&b, MAKER_MAX);
	c.entries = &one;
	c.n = 1;
	maker_make(&b, &c);
	for (size_t n = 0; n < b.len; n++) {
		/* In memory of its own, so that a step too far is seen. */
		uint8_t *copy = mem_dup(b.data, n);

		refused = refused && !crl_walk(copy, n, &w, &err) &&
			  err.kind == ERROR_PERM && err.text[0] != '\0';
		free(copy);
	}
	check(refused, "A3 a CRL cut to any length is refused");
	buf_putc(&b, '\0');
	check(!walk(&b, &w, &err), "and one that something follows");
	buf_clear(&b);
}

/* What we take, OpenSSL takes, and reads the same numbers out of it. */
static void
test_changed(void)
{
	static const struct maker_entry two[] = {
		{"0123", 4, false, false}, {"77", -1, false, false}};
	struct maker_crl c = plain();
	struct crl_walk w;
	struct error err;
	unsigned taken = 0, alone = 0, other = 0;
	struct buf b;

	buf_init(&b, MAKER_MAX);
	c.entries = two;
	c.n = 2;
	c.idp = "30038201ff";
	maker_make(&b, &c);
	for (size_t i = 0; i < b.len * 8; i++) {
		const unsigned char *p = (const unsigned char *)b.data;
		X509_CRL *crl;
		STACK_OF(X509_REVOKED) *list;

		b.data[i / 8] ^= (char)(1 << i % 8);
		if (walk(&b, &w, &err)) {
			taken++;
			crl = d2i_X509_CRL(NULL, &p, (long)b.len);
			list = crl == NULL ? NULL : X509_CRL_get_REVOKED(crl);
			alone += crl == NULL;
			other += crl != NULL &&
				 (size_t)(list == NULL ? 0
					: sk_X509_REVOKED_num(list)) !=
				     w.count;
			X509_CRL_free(crl);
			ERR_clear_error();
		}
		b.data[i / 8] ^= (char)(1 << i % 8);
	}
	check(taken > 1000 && other == 0,
	    "with any bit changed, %u are walked, and OpenSSL counts as many "
	    "entries", taken);
	check(alone < taken / 8, "OpenSSL refuses %u of them", alone);
	buf_clear(&b);
}

static void
test_extensions(void)
{
	struct maker_crl c = plain();
	struct crl_walk w;
	struct error err;
	struct buf b;

	buf_init(&b, MAKER_MAX);
	c.base = 3;
	c.number = 300;
	maker_make(&b, &c);
	check(walk(&b, &w, &err) && w.base_number.n == 1 &&
		  w.number.n == 2,
	    "a delta CRL says so");
	buf_reset(&b);
	c = plain();
	c.critical = "06032a0304";
	maker_make(&b, &c);
	check(walk(&b, &w, &err) && w.critical.n == 5,
	    "an unknown critical extension is told");
	buf_reset(&b);
	c = plain();
	c.twice = true;
	maker_make(&b, &c);
	check(!walk(&b, &w, &err), "an extension that stands twice is not");
	buf_reset(&b);
	c = plain();
	/* fullName URI http://a/x, onlyContainsUserCerts, onlySomeReasons */
	c.idp = "301aa00ea00c860a687474703a2f2f612f788101ff830206408401ff";
	maker_make(&b, &c);
	check(walk(&b, &w, &err) && w.full_names.n == 12 && w.user_only &&
		  w.indirect && w.reasons == 1u << 1,
	    "issuingDistributionPoint is taken apart (RFC 5280 5.2.5)");
	buf_reset(&b);
	c.idp = "30058201ff8100";
	maker_make(&b, &c);
	check(!walk(&b, &w, &err), "a malformed one is refused");
	buf_reset(&b);
	c = plain();
	c.v1 = true;
	maker_make(&b, &c);
	check(walk(&b, &w, &err) && w.number.n == 0,
	    "a CRL of version 1 has no extensions");
	buf_clear(&b);
}

static void
test_compare(void)
{
	static const uint8_t p[] = {1, 2, 3};
	const struct der none = {NULL, 0}, one = {p, 1}, two = {p + 1, 1},
			 big = {p, 3};

	check(crl_walk_compare(&one, &two) < 0 &&
		  crl_walk_compare(&two, &one) > 0 &&
		  crl_walk_compare(&big, &two) > 0 &&
		  crl_walk_compare(&none, &one) < 0 &&
		  crl_walk_compare(&one, &one) == 0,
	    "numbers are ordered by value, none below all");
}

/* ---- PEM forms, A16 ---- */

static bool
keep(void *context, const char *text, size_t n)
{
	return buf_append(context, text, n);
}

static void
to_pem(struct buf *out, const struct buf *der)
{
	const struct der d = {(const uint8_t *)der->data, der->len};

	maker_must(crl_pem_write(&d, keep, out));
}

static bool
finds(struct buf *text, size_t n, const struct buf *der)
{
	struct crl_pem found;
	struct error err;

	return crl_pem_find((uint8_t *)text->data, text->len, &found, &err) &&
	       found.n == n && found.crl[n - 1].n == der->len &&
	       memcmp(found.crl[n - 1].p, der->data, der->len) == 0;
}

static void
test_pem(void)
{
	struct buf der, pem, other;
	struct maker_crl c = plain();
	struct crl_pem found;
	struct error err;
	X509_CRL *crl;
	bool sizes = true;
	BIO *in;

	buf_init(&der, MAKER_MAX);
	buf_init(&pem, MAKER_MAX);
	buf_init(&other, MAKER_MAX);
	c.many = 700;
	maker_make(&der, &c);
	to_pem(&pem, &der);
	in = BIO_new_mem_buf(pem.data, (int)pem.len);
	crl = PEM_read_bio_X509_CRL(in, NULL, NULL, NULL);
	check(crl != NULL, "OpenSSL reads the PEM we write");
	X509_CRL_free(crl);
	BIO_free(in);
	check(pem.len == crl_pem_size(der.len), "its size is known before");
	for (size_t n = 1; n < 200; n++) {
		const struct der d = {(const uint8_t *)der.data, n};

		buf_reset(&other);
		crl_pem_write(&d, keep, &other);
		sizes = sizes && other.len == crl_pem_size(n);
	}
	check(sizes, "of any length");
	buf_reset(&other);
	buf_append(&other, pem.data, pem.len);
	check(finds(&other, 1, &der), "A16 PEM is read");
	buf_reset(&other);
	for (size_t i = 0; i < pem.len; i++) {
		if (pem.data[i] == '\n')
			buf_putc(&other, '\r');
		buf_putc(&other, pem.data[i]);
	}
	check(finds(&other, 1, &der), "A16 with CR LF");
	buf_reset(&other);
	buf_puts(&other, "\xef\xbb\xbf# our CRL\nIssuer: x\n");
	buf_append(&other, pem.data, pem.len);
	buf_puts(&other, "bye\n");
	check(finds(&other, 1, &der), "A16 with text around it");
	buf_reset(&other);
	for (int i = 0; i < 3; i++)
		buf_append(&other, pem.data, pem.len);
	check(finds(&other, 3, &der), "A16 several in a row");
	buf_reset(&other);
	buf_append(&other, der.data, der.len);
	check(finds(&other, 1, &der), "A16 DER, whatever the file is called");
	buf_reset(&other);
	buf_append(&other, pem.data, pem.len - 30);
	check(!crl_pem_find((uint8_t *)other.data, other.len, &found, &err) &&
		  strstr(err.text, "cut short") != NULL,
	    "A3 PEM without its end is refused");
	buf_reset(&other);
	buf_puts(&other, " <!DOCTYPE html><p>Not found");
	check(!crl_pem_find((uint8_t *)other.data, other.len, &found, &err) &&
		  strstr(err.text, "web page") != NULL,
	    "A8 a web page is called by its name");
	buf_reset(&other);
	buf_puts(&other, "-----BEGIN CERTIFICATE-----\nAAAA\n"
			 "-----END CERTIFICATE-----\n");
	check(!crl_pem_find((uint8_t *)other.data, other.len, &found, &err),
	    "a certificate is no CRL");
	buf_reset(&other);
	buf_puts(&other, "-----BEGIN X509 CRL-----\nAA=A\n"
			 "-----END X509 CRL-----\n");
	check(!crl_pem_find((uint8_t *)other.data, other.len, &found, &err),
	    "broken base64 is refused");
	buf_clear(&der);
	buf_clear(&pem);
	buf_clear(&other);
}

int
main(void)
{
	key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	ca = pki_make(&(struct pki_cert){.cn = "Walk CA", .serial = 1,
			  .basic = "CA:TRUE"},
	    key, NULL, key);
	test_plain();
	test_dates();
	test_cut();
	test_changed();
	test_extensions();
	test_compare();
	test_pem();
	X509_free(ca);
	EVP_PKEY_free(key);
	return tap_done();
}
