/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter-smime/revocation.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>

#include "common/mem.h"
#include "crl-fetcher/crl_check.h"
#include "crl-fetcher/publish.h"
#include "crl_maker.h"
#include "pki.h"
#include "tap.h"

/* Revocation by crl-fetcher's indexes, and CRLs of a message beside them. */

#define DAY ((int64_t)86400)

static char dir[] = "/tmp/postseal-revocation-XXXXXX";
static int64_t now;
static EVP_PKEY *root_key, *middle_key, *leaf_key;
static X509 *root, *middle, *leaf;
static struct ca_snapshot ca;
static STACK_OF(X509) *chain;

static struct maker_crl
plain(X509 *issuer, EVP_PKEY *key, int64_t number)
{
	return (struct maker_crl){.issuer = issuer, .key = key,
		.this_update = now - DAY + number, .next_update = now + DAY,
		.number = number, .base = -1};
}

/* By way of the fetcher's own code; delta may be NULL. */
static void
put(const struct maker_crl *c, const struct maker_crl *delta)
{
	char index[PUBLISH_NAME_SIZE], pem[PUBLISH_NAME_SIZE];
	struct publish *p;
	struct publish_held held;
	struct crl_walk w, dw;
	struct error err;
	struct buf b, db;
	uint8_t digest[32];
	struct publication pub = {.crl = &w, .digest = {digest, 32},
		.delta_digest = {digest, 32}, .issuer = c->issuer,
		.source = c->issuer == root ? "root" : "middle", .sole = true,
		.now = now};

	buf_init(&b, MAKER_MAX);
	buf_init(&db, MAKER_MAX);
	maker_make(&b, c);
	maker_must(crl_walk((const uint8_t *)b.data, b.len, &w, &err));
	EVP_Digest(b.data, b.len, digest, NULL, EVP_sha256(), NULL);
	if (delta != NULL) {
		maker_make(&db, delta);
		maker_must(crl_walk(
		    (const uint8_t *)db.data, db.len, &dw, &err));
		pub.delta = &dw;
	}
	p = publish_open(dir, 0, &err);
	maker_must(p != NULL && publish_find(p, &pub, &held, &err) &&
		   publish_put(p, &pub, &held, index, pem, &err) &&
		   publish_flush(p, &err));
	publish_held_clear(&held);
	publish_close(&p);
	buf_clear(&b);
	buf_clear(&db);
}

static X509_CRL *
sent(const struct maker_crl *c)
{
	const unsigned char *p;
	X509_CRL *crl;
	struct buf b;

	buf_init(&b, MAKER_MAX);
	maker_make(&b, c);
	p = (const unsigned char *)b.data;
	crl = d2i_X509_CRL(NULL, &p, (long)b.len);
	maker_must(crl != NULL);
	buf_clear(&b);
	return crl;
}

static struct revocation_answer
ask_at(int64_t at, X509_CRL *crl, bool forged)
{
	struct revocation_query q = {.ca = &ca, .cert = leaf,
		.purpose = X509_PURPOSE_ANY, .at = (time_t)at, .chain = chain,
		.anchored = true, .forged = forged};
	struct revocation_answer a;

	if (crl != NULL) {
		q.crls = sk_X509_CRL_new_null();
		sk_X509_CRL_push(q.crls, crl);
	}
	revocation_check(&q, &a);
	sk_X509_CRL_pop_free(q.crls, X509_CRL_free);
	return a;
}

static enum check_result
ask(void)
{
	return ask_at(now, NULL, false).result;
}

static const struct maker_entry the_leaf = {"0100", 1, false, false},
				the_middle = {"0200", 1, false, false},
				other = {"77", 1, false, false},
				removed = {"0100", 8, false, false};

static void
test_index(void)
{
	struct maker_crl r = plain(root, root_key, 1),
			 m = plain(middle, middle_key, 1);
	struct revocation_answer a;

	check(ask() == CHECK_UNKNOWN, "without indexes nothing is known");
	m.entries = &other;
	m.n = 1;
	put(&m, NULL);
	check(ask() == CHECK_UNKNOWN,
	    "one for the signer alone is not enough");
	put(&r, NULL);
	check(ask() == CHECK_GOOD,
	    "R3 with one for each certificate all is good");
	m = plain(middle, middle_key, 2);
	m.entries = &the_leaf;
	m.n = 1;
	put(&m, NULL);
	a = ask_at(now, NULL, false);
	check(a.result == CHECK_BAD && a.depth == 0,
	    "R3 a signer that is listed is revoked, at the next look");
	check(ask_at(now, NULL, true).result == CHECK_BAD,
	    "also when a signature of its chain does not hold");
	m = plain(middle, middle_key, 3);
	put(&m, NULL);
	r = plain(root, root_key, 2);
	r.entries = &the_middle;
	r.n = 1;
	put(&r, NULL);
	a = ask_at(now, NULL, false);
	check(a.result == CHECK_BAD && a.depth == 1,
	    "R3 so is a chain with a CA that is listed");
	r = plain(root, root_key, 3);
	put(&r, NULL);
	check(ask_at(now, NULL, true).result == CHECK_UNKNOWN,
	    "a chain with a forged signature is not good");
}

static void
test_dates(void)
{
	struct revocation_answer a = ask_at(now + DAY + 3601, NULL, false);

	check(a.result == CHECK_UNKNOWN &&
		  a.error == X509_V_ERR_CRL_HAS_EXPIRED,
	    "after nextUpdate and grace nothing is known, and it says why");
	check(ask_at(now + DAY + 3599, NULL, false).result == CHECK_GOOD,
	    "within the grace all is good");
	a = ask_at(now - 9 * DAY, NULL, false);
	check(a.result == CHECK_UNKNOWN &&
		  a.error == X509_V_ERR_CRL_NOT_YET_VALID,
	    "so before thisUpdate");
}

static void
test_message(void)
{
	struct maker_crl m = plain(middle, middle_key, 2);

	m.entries = &the_leaf;
	m.n = 1;
	check(ask_at(now, sent(&m), false).result == CHECK_GOOD,
	    "an older CRL of the message does not count");
	m.number = 4;
	m.this_update = now - 60;
	check(ask_at(now, sent(&m), false).result == CHECK_BAD,
	    "a newer one may add a revocation");
	m.key = root_key;
	check(ask_at(now, sent(&m), false).result == CHECK_GOOD,
	    "not one that the issuer did not sign");
	m = plain(middle, middle_key, 9);
	m.entries = &the_leaf;
	m.n = 1;
	put(&m, NULL);
	m = plain(middle, middle_key, 10);
	check(ask_at(now, sent(&m), false).result == CHECK_BAD,
	    "a newer one never takes away a revocation that we hold");
	m.idp = "30038101ff";
	m.number = 1;
	m.entries = &the_leaf;
	m.n = 1;
	put(&(struct maker_crl){.issuer = middle, .key = middle_key,
		.this_update = now - DAY, .next_update = now + DAY,
		.number = 11, .base = -1},
	    NULL);
	check(ask_at(now, sent(&m), false).result == CHECK_BAD,
	    "numbers are comparable within one scope only");
}

static void
test_delta(void)
{
	struct maker_crl base = plain(middle, middle_key, 20),
			 delta = plain(middle, middle_key, 22);

	base.entries = &the_leaf;
	base.n = 1;
	delta.base = 20;
	delta.entries = &removed;
	delta.n = 1;
	put(&base, &delta);
	check(ask() == CHECK_GOOD, "R+ a merged delta CRL takes off hold");
	delta.number = 21;
	delta.entries = &the_leaf;
	check(ask_at(now, sent(&delta), false).result == CHECK_GOOD,
	    "an older delta CRL of the message does not count");
	delta.number = 23;
	check(ask_at(now, sent(&delta), false).result == CHECK_BAD,
	    "a newer one may add a revocation");
}

int
main(void)
{
	char *remove = NULL;

	now = (int64_t)time(NULL);
	maker_must(mkdtemp(dir) != NULL && chmod(dir, 0755) == 0);
	root_key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	middle_key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	leaf_key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	root = pki_make(&(struct pki_cert){.cn = "Root", .serial = 1,
			    .basic = "critical,CA:TRUE",
			    .usage = "keyCertSign,cRLSign"},
	    root_key, NULL, root_key);
	middle = pki_make(&(struct pki_cert){.cn = "Middle", .serial = 0x200,
			      .basic = "critical,CA:TRUE",
			      .usage = "keyCertSign,cRLSign"},
	    middle_key, root, root_key);
	leaf = pki_make(&(struct pki_cert){.cn = "Leaf", .serial = 0x100},
	    leaf_key, middle, middle_key);
	chain = sk_X509_new_null();
	sk_X509_push(chain, leaf);
	sk_X509_push(chain, middle);
	sk_X509_push(chain, root);
	ca.store = X509_STORE_new();
	X509_STORE_add_cert(ca.store, root);
	ca.index = crl_index_open(dir);
	ca.grace = 3600;
	test_index();
	test_dates();
	test_message();
	test_delta();
	crl_index_close(&ca.index);
	X509_STORE_free(ca.store);
	sk_X509_free(chain);
	X509_free(root);
	X509_free(middle);
	X509_free(leaf);
	EVP_PKEY_free(root_key);
	EVP_PKEY_free(middle_key);
	EVP_PKEY_free(leaf_key);
	remove = mem_printf("rm -rf %s", dir);
	if (system(remove) != 0)
		return 1;
	free(remove);
	return tap_done();
}
