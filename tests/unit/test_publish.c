/* SPDX-License-Identifier: BSD-2-Clause */
#include "crl-fetcher/publish.h"

#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include "common/mem.h"
#include "crl_maker.h"
#include "pki.h"
#include "tap.h"

#define DAY ((int64_t)86400)

static char dir[] = "/tmp/postseal-publish-XXXXXX";
static int64_t now;
static EVP_PKEY *key, *new_key;
static X509 *ca, *new_ca, *leaf;

static struct maker_crl
plain(int64_t number)
{
	return (struct maker_crl){.issuer = ca, .key = key,
		.this_update = now - DAY + number, .next_update = now + DAY,
		.number = number, .base = -1};
}

/* found: what publish_find() said; names may be NULL. */
static bool
put(const struct maker_crl *c, const char *source, unsigned rotate,
    char *pem_name, struct publish_held *found)
{
	char index[PUBLISH_NAME_SIZE], pem[PUBLISH_NAME_SIZE];
	struct publish *p;
	struct publish_held held;
	struct crl_walk w;
	struct error err;
	struct buf b;
	uint8_t digest[32];
	struct publication pub = {.crl = &w, .digest = {digest, 32},
		.issuer = c->issuer, .source = source, .sole = true,
		.now = now};
	bool ok;

	buf_init(&b, MAKER_MAX);
	maker_make(&b, c);
	maker_must(crl_walk((const uint8_t *)b.data, b.len, &w, &err));
	EVP_Digest(b.data, b.len, digest, NULL, EVP_sha256(), NULL);
	p = publish_open(dir, rotate, &err);
	ok = p != NULL && publish_find(p, &pub, &held, &err);
	if (ok && found != NULL)
		*found = held;
	ok = ok && publish_put(p, &pub, &held, index,
		       pem_name == NULL ? pem : pem_name, &err) &&
	     publish_flush(p, &err);
	publish_held_clear(&held);
	publish_close(&p);
	buf_clear(&b);
	return ok;
}

/* What a store that lives long says of the leaf. */
static int
verify(X509_STORE *store)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int error;

	X509_STORE_CTX_init(ctx, store, leaf, NULL);
	X509_VERIFY_PARAM_set_flags(
	    X509_STORE_CTX_get0_param(ctx), X509_V_FLAG_CRL_CHECK);
	X509_verify_cert(ctx);
	error = X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return error;
}

static const struct maker_entry the_leaf = {"0100", 1, false, false};

static void
test_rotation(void)
{
	X509_STORE *store = X509_STORE_new();
	X509_LOOKUP *lookup =
	    X509_STORE_add_lookup(store, X509_LOOKUP_hash_dir());
	struct maker_crl c = plain(1);
	char name[PUBLISH_NAME_SIZE];
	bool numbers = true;

	X509_STORE_add_cert(store, ca);
	X509_LOOKUP_add_dir(lookup, dir, X509_FILETYPE_PEM);
	put(&c, "a", 2, name, NULL);
	check(verify(store) == X509_V_OK, "a store finds the first CRL");
	c = plain(2);
	c.entries = &the_leaf;
	c.n = 1;
	put(&c, "a", 0, name, NULL);
	check(verify(store) == X509_V_OK,
	    "one that is replaced under its name it does not see");
	c = plain(3);
	c.entries = &the_leaf;
	c.n = 1;
	put(&c, "a", 2, name, NULL);
	check(strcmp(name + 8, ".r1") == 0 &&
		  verify(store) == X509_V_ERR_CERT_REVOKED,
	    "A14 with rotate the next name makes it see the new one");
	c = plain(4);
	put(&c, "a", 2, name, NULL);
	numbers = numbers && strcmp(name + 8, ".r2") == 0;
	c = plain(5);
	put(&c, "a", 2, name, NULL);
	numbers = numbers && strcmp(name + 8, ".r0") == 0;
	check(numbers, "A14 names go up to rotate, and begin anew");
	{
		char *path = mem_printf("%s/%.8s.r1", dir, name);

		check(access(path, F_OK) != 0,
		    "A14 the older ones are gone then");
		free(path);
	}
	X509_STORE_free(store);
}

static void
test_series(void)
{
	struct maker_crl c = plain(20);
	struct publish_held held;
	char name[PUBLISH_NAME_SIZE];

	put(&c, "a", 0, name, &held);
	check(held.found && held.index == 0 && held.pem == 0,
	    "a CRL takes the place of the one with its issuer, key, scope");
	c.idp = "30038101ff";
	put(&c, "users", 0, name, &held);
	check(!held.found && held.index == 1 && strcmp(name + 8, ".r1") == 0,
	    "one of another scope stands beside it");
	put(&c, "a", 0, NULL, &held);
	check(held.found && held.index == 1,
	    "and is found again, whoever it comes from");
	c.idp = "30038201ff";
	put(&c, "users", 0, name, &held);
	check(held.index == 2, "a third scope is a third");
	c = plain(21);
	c.issuer = new_ca;
	c.key = new_key;
	put(&c, "a", 0, name, &held);
	check(held.found && held.index == 0,
	    "a new key of the same issuer takes its source's place");
	c = plain(22);
	put(&c, "other", 0, name, &held);
	check(!held.found && held.index == 3,
	    "one of another source stands beside it");
}

static void
test_lost(void)
{
	struct maker_crl c = plain(22);
	struct publish_held held;
	char name[PUBLISH_NAME_SIZE], *path;

	put(&c, "other", 0, name, NULL);
	path = mem_printf("%s/%.8s.i3", dir, name);
	if (unlink(path) != 0)
		abort();
	free(path);
	put(&c, "other", 0, name, &held);
	check(held.found && !held.index_whole && held.pem_there,
	    "an index that is lost is found by its PEM file");
	check(held.crl.this_update == c.this_update,
	    "so nothing goes back, even then");
	chmod(dir, 0777);
	check(!put(&c, "other", 0, name, NULL),
	    "A15 a directory that all may write is refused");
	chmod(dir, 0755);
}

int
main(void)
{
	char *remove = NULL;

	now = (int64_t)time(NULL);
	maker_must(mkdtemp(dir) != NULL && chmod(dir, 0755) == 0);
	key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	new_key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	ca = pki_make(&(struct pki_cert){.cn = "Publish CA", .serial = 1,
			  .basic = "critical,CA:TRUE",
			  .usage = "keyCertSign,cRLSign"},
	    key, NULL, key);
	new_ca = pki_make(&(struct pki_cert){.cn = "Publish CA", .serial = 2,
			      .basic = "critical,CA:TRUE"},
	    new_key, NULL, new_key);
	leaf = pki_make(&(struct pki_cert){.cn = "Leaf", .serial = 0x100},
	    new_key, ca, key);
	test_rotation();
	test_series();
	test_lost();
	X509_free(ca);
	X509_free(new_ca);
	X509_free(leaf);
	EVP_PKEY_free(key);
	EVP_PKEY_free(new_key);
	remove = mem_printf("rm -rf %s", dir);
	if (system(remove) != 0)
		return 1;
	free(remove);
	return tap_done();
}
