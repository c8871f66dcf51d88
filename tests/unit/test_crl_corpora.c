/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PKITS, the BSI's path cases and odd CRLs of others through our code: the
 * path is OpenSSL's, every CRL goes through crl_walk, crl_check and publish,
 * and the indexes say who is revoked.  Valid is a certificate whose path
 * holds and whose revocation is known (missing_crl = reject).
 *
 * Where we differ from what the corpus expects, the table says why, and
 * that it is so is asserted.
 */
#include <dirent.h>
#include <glob.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "common/atomic_file.h"
#include "common/crl_index.h"
#include "common/mem.h"
#include "crl-fetcher/crl_check.h"
#include "crl-fetcher/crl_pem.h"
#include "crl-fetcher/publish.h"
#include "tap.h"

#define CRLS_MAX 16
#define FILE_MAX (16 << 20)

static const char *corpora;
static char dir[] = "/tmp/postseal-corpora-XXXXXX";

/* One CRL of a case. */
struct item {
	char *bytes;
	struct crl_walk walk;
	uint8_t digest[32];
	X509 *issuer;
	bool walked, taken;
};

struct scene {
	STACK_OF(X509) *certs; /* the anchor first, the end last */
	struct item crls[CRLS_MAX];
	size_t n;
	int64_t now;
};

/* ---- files ---- */

static char *
read_file(const char *path, size_t *n)
{
	struct error err;
	char *data = NULL;

	return atomic_file_read(path, FILE_MAX, &data, n, &err) ? data : NULL;
}

static X509 *
read_cert(const char *path)
{
	size_t n;
	char *text = read_file(path, &n);
	const unsigned char *p = (const unsigned char *)text;
	X509 *cert;
	BIO *in;

	if (text == NULL)
		return NULL;
	cert = d2i_X509(NULL, &p, (long)n);
	if (cert == NULL) {
		in = BIO_new_mem_buf(text, (int)n);
		cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
		BIO_free(in);
	}
	ERR_clear_error();
	free(text);
	return cert;
}

static void
add_crl(struct scene *s, const char *path)
{
	struct item *i = &s->crls[s->n];
	struct crl_pem found;
	struct error err;
	size_t n;

	if (s->n == CRLS_MAX)
		abort();
	memset(i, 0, sizeof(*i));
	i->bytes = read_file(path, &n);
	if (i->bytes == NULL)
		return;
	s->n++;
	i->walked = crl_pem_find((uint8_t *)i->bytes, n, &found, &err) &&
		    found.n == 1 &&
		    crl_walk(found.crl[0].p, found.crl[0].n, &i->walk, &err);
	if (i->walked)
		EVP_Digest(i->walk.whole.p, i->walk.whole.n, i->digest, NULL,
		    EVP_sha256(), NULL);
}

static void
scene_clear(struct scene *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->crls[i].bytes);
	sk_X509_pop_free(s->certs, X509_free);
	memset(s, 0, sizeof(*s));
}

/* ---- the path ---- */

/* The chain of cert, or NULL when it does not hold. */
static STACK_OF(X509) *
find_path(const struct scene *s, X509 *cert, bool strict)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;
	STACK_OF(X509) *chain = NULL;

	X509_STORE_add_cert(store, sk_X509_value(s->certs, 0));
	X509_STORE_CTX_init(ctx, store, cert, s->certs);
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_time(param, (time_t)s->now);
	X509_VERIFY_PARAM_set_auth_level(param, 1);
	if (strict)
		X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
	if (X509_verify_cert(ctx) == 1)
		chain = X509_STORE_CTX_get1_chain(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	ERR_clear_error();
	return chain;
}

/* Those that lead to the anchor: our CA lists, as it were. */
static STACK_OF(X509) *
find_issuers(const struct scene *s)
{
	STACK_OF(X509) *issuers = sk_X509_new_null();

	for (int i = 0; i < sk_X509_num(s->certs); i++) {
		X509 *cert = sk_X509_value(s->certs, i);
		STACK_OF(X509) *chain =
		    i == 0 ? NULL : find_path(s, cert, false);

		if (i == 0 || chain != NULL)
			sk_X509_push(issuers, cert);
		sk_X509_pop_free(chain, X509_free);
	}
	return issuers;
}

/* ---- the CRLs ---- */

static const struct item *
find_delta(const struct scene *s, const struct crl_check *check,
    const struct item *base)
{
	const struct item *best = NULL;

	for (size_t i = 0; i < s->n; i++) {
		const struct item *d = &s->crls[i];
		struct crl_check c = *check;
		struct der digest = {d->digest, 32};
		struct error err;
		X509 *issuer;

		if (!d->walked || d->walk.base_number.n == 0)
			continue;
		c.crl = &d->walk;
		c.digest = &digest;
		if (crl_check_delta(&c, &base->walk, &issuer, &err) ==
			CRL_REFUSED_NOT &&
		    crl_walk_compare(&d->walk.number, &base->walk.number) > 0)
			best = d;
	}
	return best;
}

static void
publish(struct scene *s, STACK_OF(X509) * issuers)
{
	struct error err;
	struct publish *p = publish_open(dir, 0, &err);
	char index[PUBLISH_NAME_SIZE], pem[PUBLISH_NAME_SIZE], name[32];

	for (size_t i = 0; i < s->n; i++) {
		struct item *c = &s->crls[i];
		struct der digest = {c->digest, 32};
		struct crl_check check = {.crl = &c->walk, .digest = &digest,
			.issuers = issuers, .now = s->now, .skew = 0};
		struct publish_held held;
		struct publication pub = {.crl = &c->walk, .digest = digest,
			.source = name, .now = s->now};
		const struct item *delta;

		if (!c->walked || c->walk.base_number.n > 0 ||
		    crl_check(&check, &c->issuer, &err) != CRL_REFUSED_NOT ||
		    publish_is_revoked(p, c->issuer, s->now))
			continue;
		snprintf(name, sizeof(name), "s%zu", i);
		pub.issuer = c->issuer;
		delta = find_delta(s, &check, c);
		if (delta != NULL) {
			pub.delta = &delta->walk;
			pub.delta_digest = (struct der){delta->digest, 32};
		}
		if (publish_find(p, &pub, &held, &err))
			c->taken = publish_put(
			    p, &pub, &held, index, pem, &err);
		publish_held_clear(&held);
	}
	if (!publish_flush(p, &err))
		abort();
	publish_close(&p);
}

static void
empty_directory(void)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	while ((entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(d), entry->d_name, 0);
	closedir(d);
}

/* "" valid, else why not. */
static const char *
judge(struct scene *s)
{
	X509 *end = sk_X509_value(s->certs, sk_X509_num(s->certs) - 1);
	STACK_OF(X509) *issuers = find_issuers(s);
	STACK_OF(X509) *chain = find_path(s, end, false);
	const char *why = chain == NULL ? "path" : "";
	struct crl_index *x;
	struct crl_answer a;

	publish(s, issuers);
	x = crl_index_open(dir);
	for (int i = 0; i + 1 < sk_X509_num(chain) && why[0] == '\0'; i++) {
		crl_index_check(x, sk_X509_value(chain, i),
		    sk_X509_value(chain, i + 1), s->now, 0, &a);
		if (a.status == CRL_REVOKED)
			why = "revoked";
		else if (a.status == CRL_UNKNOWN)
			why = "unknown";
	}
	crl_index_close(&x);
	empty_directory();
	sk_X509_pop_free(chain, X509_free);
	sk_X509_free(issuers);
	return why;
}

/* ---- tables ---- */

struct difference {
	const char *name;
	const char *outcome; /* ours */
	const char *reason;
};

static const struct difference *
find_difference(const struct difference *list, const char *name)
{
	for (; list->name != NULL; list++)
		if (strcmp(list->name, name) == 0)
			return list;
	return NULL;
}

static char *
next_field(char **line)
{
	return strsep(line, "\t");
}

/* ---- PKITS ---- */

#define INDIRECT "indirect CRLs are refused (design: faults A7)"

static const struct difference pkits_differences[] = {
	{"4.1.4", "path", "its DSA signatures are over SHA-1"},
	{"4.1.5", "path", "its DSA signatures are over SHA-1"},
	{"4.14.22", "unknown", INDIRECT},
	{"4.14.24", "unknown", INDIRECT},
	{"4.14.25", "unknown", INDIRECT},
	{"4.14.28", "unknown", INDIRECT},
	{"4.14.29", "unknown", INDIRECT},
	{"4.14.30", "unknown", INDIRECT},
	{"4.14.33", "unknown", INDIRECT},
	{NULL, NULL, NULL}};

static bool
add_names(struct scene *s, char *certs, char *crls)
{
	char *word, *path;

	s->certs = sk_X509_new_null();
	while ((word = strsep(&certs, " ")) != NULL) {
		X509 *cert;

		path = mem_printf("%s/pkits2011/certs/%s.crt", corpora, word);
		cert = read_cert(path);
		free(path);
		if (cert == NULL)
			return false;
		sk_X509_push(s->certs, cert);
	}
	while ((word = strsep(&crls, " ")) != NULL) {
		if (*word == '\0')
			continue;
		path = mem_printf("%s/pkits2011/crls/%s.crl", corpora, word);
		add_crl(s, path);
		free(path);
	}
	return true;
}

static void
pkits_case(char *line)
{
	char *test = next_field(&line), *name = next_field(&line),
	     *expected = next_field(&line), *certs = next_field(&line),
	     *crls = next_field(&line);
	const struct difference *d;
	struct scene s = {.now = (int64_t)time(NULL)};
	const char *why;

	/* 4.8 to 4.12 and some of 4.14 are about policies: not ours. */
	if (test[0] == '#' || crls == NULL || strncmp(test, "4.8", 3) == 0 ||
	    strncmp(test, "4.9", 3) == 0 || strncmp(test, "4.10", 4) == 0 ||
	    strncmp(test, "4.11", 4) == 0 || strncmp(test, "4.12", 4) == 0)
		return;
	if (!add_names(&s, certs, crls)) {
		check(false, "%s: its files are read", test);
		goto out;
	}
	why = judge(&s);
	d = find_difference(pkits_differences, test);
	if (d != NULL)
		check(strcmp(why, d->outcome) == 0, "PKITS %s %s: %s (%s)",
		    test, name, d->outcome, d->reason);
	else if (!check((why[0] == '\0') == (strcmp(expected, "VALID") == 0),
		     "PKITS %s %s", test, name))
		printf("# %s expected, ours: \"%s\"\n", expected, why);
out:
	scene_clear(&s);
}

/* ---- BSI ---- */

static bool
add_glob(struct scene *s, const char *name, const char *pattern, bool crls)
{
	char *path = mem_printf("%s/bsi-path-crl/%s/%s", corpora, name,
	    pattern);
	bool read = true;
	glob_t found;

	if (glob(path, 0, NULL, &found) != 0) {
		free(path);
		return crls;
	}
	for (size_t i = 0; i < found.gl_pathc; i++) {
		X509 *cert;

		if (crls) {
			add_crl(s, found.gl_pathv[i]);
			continue;
		}
		cert = read_cert(found.gl_pathv[i]);
		read = read && cert != NULL;
		if (cert != NULL)
			sk_X509_push(s->certs, cert);
	}
	globfree(&found);
	free(path);
	return read;
}

static void
bsi_case(char *line)
{
	char *name = next_field(&line), *text = next_field(&line),
	     *want = next_field(&line);
	struct scene s = {.now = (int64_t)time(NULL)};
	const char *why = "file";

	if (want == NULL || strncmp(name, "CRL_", 4) != 0)
		return;
	s.certs = sk_X509_new_null();
	if (add_glob(&s, name, "*.TA.*", false) &&
	    add_glob(&s, name, "*.ca.*", false) &&
	    add_glob(&s, name, "*.TC.*", false)) {
		add_glob(&s, name, "crls/*", true);
		why = judge(&s);
	}
	if (!check((why[0] == '\0') == (strcmp(want, "VALID") == 0),
		"BSI %s: %s", name, text))
		printf("# %s expected, ours: \"%s\"\n", want, why);
	if (strcmp(text, "Certificate is revoked") == 0)
		check(strcmp(why, "revoked") == 0 ||
			  strcmp(why, "unknown") == 0 ||
			  strcmp(why, "path") == 0,
		    "BSI %s: for its revocation (%s)", name, why);
	scene_clear(&s);
}

/* ---- odd CRLs ---- */

#define EMPTY_ISSUER "its issuer is empty (RFC 5280 5.1.2.3)"

static const struct difference misc_differences[] = {
	{"zlint/crlEmpty.pem", "", EMPTY_ISSUER},
	{"zlint/crlReasonCodeCrit.pem", "", EMPTY_ISSUER},
	{"zlint/crlThisUpdate20230505.pem", "", EMPTY_ISSUER},
	{"zlint/crlWithNoDuplicatesInRevokedCertificateL"
	 "ist.pem",
	    "", EMPTY_ISSUER},
	{"zlint/crlWithReasonCode5.pem", "", EMPTY_ISSUER},
	{"zlint/crlWithRevokedCertificatesContainerButNo"
	 "ActualRevokedCerts-ReallyReallyBroken.pem",
	    "", EMPTY_ISSUER},
	{"zlint/crl_revocation_date_too_early.pem", "", EMPTY_ISSUER},
	{"zlint/crl_revocation_time_equals_this_update.pem", "", EMPTY_ISSUER},
	{"zlint/crlWithNoDuplicateInCRLEntryExtensions.pem", "",
	    "its time is not as RFC 5280 5.1.2.4 has it"},
	{"zlint/crl_no_duplicate_ext.pem", "",
	    "its time is not as RFC 5280 5.1.2.4 has it"},
	{"zlint/crl_number_negative.pem", "",
	    "its CRLNumber is negative (RFC 5280 5.2.3)"},
	{NULL, NULL, NULL}};

static void
misc_case(char *line)
{
	char *file = next_field(&line), *kind = next_field(&line),
	     *expected = next_field(&line), *path;
	const struct difference *d;
	struct scene s = {0};
	bool walked;

	if (expected == NULL || strcmp(kind, "crl") != 0)
		return;
	path = mem_printf("%s/crl-misc/%s", corpora, file);
	add_crl(&s, path);
	walked = s.n == 1 && s.crls[0].walked;
	d = find_difference(misc_differences, file);
	/* Signatures and dates are not looked at here. */
	if (d != NULL)
		check(!walked, "crl-misc %s: refused (%s)", file, d->reason);
	else
		check(walked, "crl-misc %s: %s", file, expected);
	free(path);
	scene_clear(&s);
}

/* ---- all ---- */

static void
each_line(const char *file, void (*run)(char *line))
{
	char *path = mem_printf("%s/%s", corpora, file), *text, *rest, *line;
	size_t n;

	text = read_file(path, &n);
	if (text == NULL) {
		tap_skip(file, "the corpus is not here");
		free(path);
		return;
	}
	for (rest = text; (line = strsep(&rest, "\n")) != NULL;)
		if (line[0] != '\0' && line[0] != '#')
			run(line);
	free(text);
	free(path);
}

int
main(void)
{
	corpora = getenv("POSTSEAL_CORPORA");
	if (corpora == NULL || access(corpora, R_OK) != 0) {
		tap_skip("corpora", "POSTSEAL_CORPORA says none");
		return tap_done();
	}
	if (mkdtemp(dir) == NULL || chmod(dir, 0755) != 0)
		abort();
	each_line("pkits2011/cases.tsv", pkits_case);
	each_line("bsi-path-crl/cases.tsv", bsi_case);
	each_line("crl-misc/EXPECT.tsv", misc_case);
	rmdir(dir);
	return tap_done();
}
