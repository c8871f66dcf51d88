/* SPDX-License-Identifier: BSD-2-Clause */
#include "crl-fetcher/crl_check.h"

#include <openssl/err.h>

#include "crl-fetcher/crl_signature.h"
#include "crl_maker.h"
#include "pki.h"
#include "tap.h"

#define DAY ((int64_t)86400)

static int64_t now;
static EVP_PKEY *rsa, *ec, *ed, *other;
static X509 *ca;
static STACK_OF(X509) *issuers;

static struct maker_crl
plain(void)
{
	return (struct maker_crl){.issuer = ca, .key = rsa,
		.this_update = now - DAY, .next_update = now + DAY,
		.number = 7, .base = -1};
}

/* Everything a CRL goes through, but for the file. */
struct outcome {
	enum crl_refusal refusal;
	struct error err;
	X509 *issuer;
};

static struct outcome
judge(const struct maker_crl *c, STACK_OF(X509) *by)
{
	struct outcome o = {.refusal = CRL_REFUSED_FORM};
	uint8_t digest[32] = {1};
	const struct der d = {digest, sizeof(digest)};
	struct crl_walk w;
	struct crl_check check = {.crl = &w, .digest = &d, .issuers = by,
		.now = now, .skew = 600};
	struct buf b;

	buf_init(&b, MAKER_MAX);
	maker_make(&b, c);
	if (crl_walk((const uint8_t *)b.data, b.len, &w, &o.err))
		o.refusal = crl_check(&check, &o.issuer, &o.err);
	buf_clear(&b);
	return o;
}

static void
refused(const struct maker_crl *c, enum crl_refusal why, const char *text,
    const char *name)
{
	struct outcome o = judge(c, issuers);

	if (!check(o.refusal == why && strstr(o.err.text, text) != NULL,
		"%s", name))
		printf("# refusal %d: %s\n", o.refusal, o.err.text);
}

static void
test_good(void)
{
	struct maker_crl c = plain();
	struct outcome o = judge(&c, issuers);

	check(o.refusal == CRL_REFUSED_NOT && o.issuer == ca,
	    "R2 a CRL by one of the CA lists is taken");
	c.no_key_id = true;
	check(judge(&c, issuers).refusal == CRL_REFUSED_NOT,
	    "also without authorityKeyIdentifier");
	c = plain();
	c.many = 1000;
	check(judge(&c, issuers).refusal == CRL_REFUSED_NOT,
	    "and a thousand entries");
}

static void
test_form(void)
{
	static const struct maker_entry critical = {"05", -1, true, false},
					indirect = {"05", -1, false, true};
	struct maker_crl c = plain();

	c.critical = "06032a0304";
	refused(&c, CRL_REFUSED_FORM, "1.2.3.4",
	    "A6 an unknown critical extension is refused by its name");
	c = plain();
	c.entries = &critical;
	c.n = 1;
	refused(&c, CRL_REFUSED_FORM, "5.3",
	    "A6 also in an entry");
	c.entries = &indirect;
	refused(&c, CRL_REFUSED_FORM, "indirect",
	    "A7 an entry of another issuer is refused");
	c = plain();
	c.idp = "30038401ff";
	refused(&c, CRL_REFUSED_FORM, "indirect",
	    "A7 an indirect CRL is refused");
	c.idp = "30068101ff8201ff";
	refused(&c, CRL_REFUSED_FORM, "two things",
	    "users alone and CAs alone at once is refused");
	c = plain();
	c.base = 5;
	refused(&c, CRL_REFUSED_FORM, "delta_url",
	    "A7 a delta CRL in the place of a full one is refused");
	c = plain();
	c.next_update = 0;
	refused(&c, CRL_REFUSED_FORM, "nextUpdate",
	    "a CRL without nextUpdate is refused");
}

static void
test_dates(void)
{
	struct maker_crl c = plain();

	c.this_update = now - 9 * DAY;
	c.next_update = now - DAY;
	refused(&c, CRL_REFUSED_DATE, "expired",
	    "A4 an expired CRL is refused");
	c.next_update = now - 500;
	check(judge(&c, issuers).refusal == CRL_REFUSED_NOT,
	    "not within the skew of clocks");
	c = plain();
	c.this_update = now + DAY / 2;
	refused(&c, CRL_REFUSED_DATE, "not valid before",
	    "one from the future is refused");
	c.this_update = now + 500;
	check(judge(&c, issuers).refusal == CRL_REFUSED_NOT,
	    "not within the skew of clocks");
	c.this_update = c.next_update + 1;
	refused(&c, CRL_REFUSED_DATE, "not after",
	    "one that ends before it starts is refused");
}

static void
test_issuer(void)
{
	struct maker_crl c = plain();
	STACK_OF(X509) *two = sk_X509_new_null();
	X509 *without, *signer, *old;
	struct outcome o;

	c.key = other;
	refused(&c, CRL_REFUSED_ISSUER, "signature does not hold",
	    "A6 a signature by another key is refused");
	c = plain();
	c.name = "Nobody";
	refused(&c, CRL_REFUSED_ISSUER, "CN=Nobody",
	    "A6 an issuer that is not in the CA lists is refused by name");
	without = pki_make(&(struct pki_cert){.cn = "Check CA", .serial = 2,
			       .basic = "CA:TRUE", .usage = "keyCertSign"},
	    rsa, NULL, rsa);
	sk_X509_push(two, without);
	c = plain();
	o = judge(&c, two);
	check(o.refusal == CRL_REFUSED_ISSUER &&
		  strstr(o.err.text, "cRLSign") != NULL,
	    "A6 an issuer whose keyUsage is without cRLSign is refused");
	signer = pki_make(&(struct pki_cert){.cn = "Check CA", .serial = 3,
			      .usage = "cRLSign"},
	    ec, ca, rsa);
	sk_X509_push(two, signer);
	c.issuer = signer;
	c.key = ec;
	o = judge(&c, two);
	check(o.refusal == CRL_REFUSED_NOT && o.issuer == signer,
	    "a certificate for signing CRLs, in the CA lists, may sign");
	c.key = other;
	check(judge(&c, two).refusal == CRL_REFUSED_ISSUER,
	    "nobody else with its name may");
	old = pki_make(&(struct pki_cert){.cn = "Check CA", .serial = 4,
			   .basic = "CA:TRUE", .from = -30, .to = -2},
	    other, NULL, other);
	sk_X509_zero(two);
	sk_X509_push(two, old);
	c.issuer = old;
	o = judge(&c, two);
	check(o.refusal == CRL_REFUSED_ISSUER &&
		  strstr(o.err.text, "expired") != NULL,
	    "an issuer whose certificate has expired is refused");
	sk_X509_free(two);
	X509_free(without);
	X509_free(signer);
	X509_free(old);
}

static void
test_algorithms(void)
{
	static const char *const good[] = {"SHA256", "SHA384", "SHA512",
		"SHA224", NULL};
	struct maker_crl c = plain();
	X509 *by_ec, *by_ed;
	STACK_OF(X509) *all = sk_X509_dup(issuers);
	bool always = true;

	by_ec = pki_make(&(struct pki_cert){.cn = "EC CA", .serial = 5,
			     .basic = "CA:TRUE"},
	    ec, NULL, ec);
	by_ed = pki_make(&(struct pki_cert){.cn = "Ed CA", .serial = 6,
			     .basic = "CA:TRUE"},
	    ec, NULL, ec);
	X509_set_pubkey(by_ed, ed);
	sk_X509_push(all, by_ec);
	sk_X509_push(all, by_ed);
	for (size_t i = 0; good[i] != NULL; i++) {
		c.digest = good[i];
		c.pss = false;
		always = always &&
			 judge(&c, all).refusal == CRL_REFUSED_NOT;
		c.pss = true;
		always = always &&
			 judge(&c, all).refusal == CRL_REFUSED_NOT;
	}
	check(always, "RSA by PKCS #1 and PSS with SHA-2 holds");
	c.digest = "SHA1";
	c.pss = false;
	refused(&c, CRL_REFUSED_ISSUER, "weak", "A6 SHA-1 is refused");
	c.pss = true;
	refused(&c, CRL_REFUSED_ISSUER, "weak",
	    "A6 SHA-1 in PSS, where it is the default, is refused");
	c.pss = false;
	c.digest = "MD5";
	refused(&c, CRL_REFUSED_ISSUER, "weak", "A6 MD5 is refused");
	c = plain();
	c.issuer = by_ec;
	c.key = ec;
	check(judge(&c, all).refusal == CRL_REFUSED_NOT, "ECDSA holds");
	c.issuer = by_ed;
	c.key = ed;
	check(judge(&c, all).refusal == CRL_REFUSED_NOT, "Ed25519 holds");
	c = plain();
	c.other_algorithm = true;
	refused(&c, CRL_REFUSED_ISSUER, "two signature algorithms",
	    "two algorithms in one CRL are refused (RFC 5280 5.1.1.2)");
	sk_X509_free(all);
	X509_free(by_ec);
	X509_free(by_ed);
}

static enum crl_refusal
against(int64_t number, int64_t this_update, int64_t held_number,
    int64_t held_this, bool same_digest, bool force)
{
	static const uint8_t one[32] = {1}, two[32] = {2};
	const struct der ours = {one, 32}, theirs = {same_digest ? one : two,
						 32};
	struct maker_crl c = plain(), h = plain();
	struct crl_walk w, hw;
	struct error err;
	struct buf b, hb;
	struct crl_check check = {.crl = &w, .digest = &ours,
		.issuers = issuers, .now = now, .force = force};
	struct crl_held held = {.digest = theirs, .this_update = held_this};
	enum crl_refusal refusal;

	buf_init(&b, MAKER_MAX);
	buf_init(&hb, MAKER_MAX);
	c.number = number;
	c.this_update = this_update;
	h.number = held_number;
	maker_make(&b, &c);
	maker_make(&hb, &h);
	maker_must(crl_walk((const uint8_t *)b.data, b.len, &w, &err) &&
		   crl_walk((const uint8_t *)hb.data, hb.len, &hw, &err));
	held.number = hw.number;
	refusal = crl_check_newer(&check, &held, &err);
	buf_clear(&b);
	buf_clear(&hb);
	return refusal;
}

static void
test_newer(void)
{
	const int64_t t = now - DAY;

	check(against(8, t + 9, 7, t, false, false) == CRL_REFUSED_NOT,
	    "R2 a later one with a higher number is newer");
	check(against(8, t, 7, t, false, false) == CRL_REFUSED_NOT,
	    "also of the same second");
	check(against(7, t, 7, t, true, false) == CRL_REFUSED_NOT,
	    "the very same is not older");
	check(against(6, t + 9, 7, t, false, false) == CRL_REFUSED_ROLLBACK,
	    "A5 a lower CRLNumber is a rollback");
	check(against(8, t - 9, 7, t, false, false) == CRL_REFUSED_ROLLBACK,
	    "A5 an earlier thisUpdate is one");
	check(against(7, t + 9, 7, t, false, false) == CRL_REFUSED_ROLLBACK,
	    "A5 so is other content with the same number");
	check(against(-1, t + 9, 7, t, false, false) == CRL_REFUSED_ROLLBACK,
	    "A5 and a CRL that lost its number");
	check(against(-1, t + 9, -1, t, false, false) == CRL_REFUSED_NOT,
	    "without numbers the later one is newer");
	check(against(-1, t, -1, t, false, false) == CRL_REFUSED_ROLLBACK,
	    "A5 without numbers, other content of the same second is not");
	check(against(256, t + 9, 255, t, false, false) == CRL_REFUSED_NOT &&
		  against(255, t + 9, 256, t, false, false) ==
		      CRL_REFUSED_ROLLBACK,
	    "numbers are compared as numbers");
	check(against(6, t - 9, 7, t, false, true) == CRL_REFUSED_NOT,
	    "A5 --force takes it");
}

static void
test_delta(void)
{
	struct maker_crl base = plain(), delta = plain();
	struct crl_walk bw, dw;
	uint8_t digest[32] = {1};
	const struct der d = {digest, sizeof(digest)};
	struct crl_check check_ = {.crl = &dw, .digest = &d,
		.issuers = issuers, .now = now, .skew = 600};
	struct buf b, db;
	struct error err;
	X509 *issuer;

	buf_init(&b, MAKER_MAX);
	buf_init(&db, MAKER_MAX);
	maker_make(&b, &base);
	maker_must(crl_walk((const uint8_t *)b.data, b.len, &bw, &err));
	delta.base = 7;
	delta.number = 9;
	maker_make(&db, &delta);
	maker_must(crl_walk((const uint8_t *)db.data, db.len, &dw, &err));
	check(crl_check_delta(&check_, &bw, &issuer, &err) == CRL_REFUSED_NOT,
	    "a delta CRL for the CRL we hold is taken");
	buf_reset(&db);
	delta.base = 8;
	maker_make(&db, &delta);
	maker_must(crl_walk((const uint8_t *)db.data, db.len, &dw, &err));
	check(crl_check_delta(&check_, &bw, &issuer, &err) ==
		  CRL_REFUSED_SCOPE,
	    "A7 one for a newer CRL is refused (RFC 5280 5.2.4)");
	buf_reset(&db);
	delta.base = 7;
	delta.idp = "30038101ff";
	maker_make(&db, &delta);
	maker_must(crl_walk((const uint8_t *)db.data, db.len, &dw, &err));
	check(crl_check_delta(&check_, &bw, &issuer, &err) ==
		  CRL_REFUSED_SCOPE,
	    "A7 one of another scope is refused");
	buf_reset(&db);
	delta.idp = NULL;
	delta.base = -1;
	maker_make(&db, &delta);
	maker_must(crl_walk((const uint8_t *)db.data, db.len, &dw, &err));
	check(crl_check_delta(&check_, &bw, &issuer, &err) ==
		  CRL_REFUSED_FORM,
	    "A7 a full CRL in the place of a delta is refused");
	buf_reset(&db);
	delta.base = 7;
	delta.key = other;
	maker_make(&db, &delta);
	maker_must(crl_walk((const uint8_t *)db.data, db.len, &dw, &err));
	check(crl_check_delta(&check_, &bw, &issuer, &err) ==
		  CRL_REFUSED_ISSUER,
	    "a delta CRL with a wrong signature is refused");
	buf_clear(&b);
	buf_clear(&db);
}

int
main(void)
{
	now = (int64_t)time(NULL);
	rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	other = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	ec = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	ca = pki_make(&(struct pki_cert){.cn = "Check CA", .serial = 1,
			  .basic = "CA:TRUE",
			  .usage = "keyCertSign,cRLSign"},
	    rsa, NULL, rsa);
	issuers = sk_X509_new_null();
	sk_X509_push(issuers, ca);
	test_good();
	test_form();
	test_dates();
	test_issuer();
	test_algorithms();
	test_newer();
	test_delta();
	sk_X509_free(issuers);
	X509_free(ca);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(other);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(ed);
	return tap_done();
}
