/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter-smime/trust.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdlib.h>

#include "tap.h"

#define NOW ((time_t)1750000000) /* 2025-06-15T15:06:40Z */
#define DAY ((time_t)86400)

static EVP_PKEY *root_key, *middle_key, *leaf_key, *other_key;
static X509 *root, *middle, *leaf;

/* --- certificates and CRLs, made here ------------------------------------ */

static void
set_name(X509_NAME *name, const char *cn)
{
	X509_NAME_add_entry_by_txt(
	    name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
}

static void
extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;

	if (value == NULL)
		return;
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
}

struct spec {
	const char *cn;
	long serial;
	time_t from, to; /* 0: a year around NOW */
	const char *usage, *extended, *basic;
};

/* issuer NULL: self-signed. */
static X509 *
make(const struct spec *s, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
	X509 *cert = X509_new();

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), s->serial);
	ASN1_TIME_set(X509_getm_notBefore(cert),
	    s->from != 0 ? s->from : NOW - 365 * DAY);
	ASN1_TIME_set(
	    X509_getm_notAfter(cert), s->to != 0 ? s->to : NOW + 365 * DAY);
	set_name(X509_get_subject_name(cert), s->cn);
	if (issuer == NULL)
		issuer = cert;
	X509_set_issuer_name(cert, X509_get_subject_name(issuer));
	X509_set_pubkey(cert, key);
	extend(cert, issuer, NID_subject_key_identifier, "hash");
	extend(cert, issuer, NID_authority_key_identifier, "keyid");
	extend(cert, issuer, NID_basic_constraints, s->basic);
	extend(cert, issuer, NID_key_usage, s->usage);
	extend(cert, issuer, NID_ext_key_usage, s->extended);
	X509_sign(cert, issuer_key, EVP_sha256());
	return cert;
}

static X509 *
make_leaf(const char *usage, const char *extended)
{
	struct spec s = {.cn = "Signer",
	    .serial = 0xa1b,
	    .usage = usage,
	    .extended = extended};

	return make(&s, leaf_key, middle, middle_key);
}

struct crl_spec {
	long number;     /* 0: none */
	long base;       /* of a delta CRL; 0: it is none */
	time_t from, to; /* to -1: no nextUpdate */
	long serial;     /* revoked; 0: none */
};

static void
add_number(X509_CRL *crl, int nid, long value, int critical)
{
	ASN1_INTEGER *n = ASN1_INTEGER_new();

	ASN1_INTEGER_set(n, value);
	X509_CRL_add1_ext_i2d(crl, nid, n, critical, 0);
	ASN1_INTEGER_free(n);
}

/* OpenSSL looks at the extensions of a CRL only when it parses one. */
static X509_CRL *
read_again(X509_CRL *made)
{
	unsigned char *der = NULL;
	int n = i2d_X509_CRL(made, &der);
	const unsigned char *p = der;
	X509_CRL *crl = d2i_X509_CRL(NULL, &p, n);

	OPENSSL_free(der);
	X509_CRL_free(made);
	return crl;
}

static X509_CRL *
make_crl(const struct crl_spec *s, X509 *issuer, EVP_PKEY *key)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *t = ASN1_TIME_set(NULL, s->from != 0 ? s->from : NOW - DAY);

	X509_CRL_set_version(crl, 1);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer));
	X509_CRL_set1_lastUpdate(crl, t);
	if (s->to != -1) {
		ASN1_TIME_set(t, s->to != 0 ? s->to : NOW + 30 * DAY);
		X509_CRL_set1_nextUpdate(crl, t);
	}
	if (s->number != 0)
		add_number(crl, NID_crl_number, s->number, 0);
	if (s->base != 0)
		add_number(crl, NID_delta_crl, s->base, 1);
	if (s->serial != 0) {
		X509_REVOKED *entry = X509_REVOKED_new();
		ASN1_INTEGER *serial = ASN1_INTEGER_new();

		ASN1_INTEGER_set(serial, s->serial);
		X509_REVOKED_set_serialNumber(entry, serial);
		ASN1_TIME_set(t, NOW - 2 * DAY);
		X509_REVOKED_set_revocationDate(entry, t);
		X509_CRL_add0_revoked(crl, entry);
		ASN1_INTEGER_free(serial);
	}
	X509_CRL_sort(crl);
	X509_CRL_sign(crl, key, EVP_sha256());
	ASN1_TIME_free(t);
	return read_again(crl);
}

/* --- one question and its answer ----------------------------------------- */

static struct ca_snapshot ca;
static struct trust_request request;
static struct trust_result result;

/* Root in the CA lists, the middle one in the message, nothing else. */
static void
start(X509 *cert)
{
	X509_STORE_free(ca.store);
	sk_X509_free(request.untrusted);
	sk_X509_CRL_pop_free(request.crls, X509_CRL_free);
	memset(&ca, 0, sizeof(ca));
	memset(&request, 0, sizeof(request));
	ca.store = X509_STORE_new();
	X509_STORE_add_cert(ca.store, root);
	request.cert = cert;
	request.untrusted = sk_X509_new_null();
	sk_X509_push(request.untrusted, middle);
	request.crls = sk_X509_CRL_new_null();
	request.at = NOW;
	request.check_revocation = true;
}

static void
hold(X509 *issuer, EVP_PKEY *key, struct crl_spec s)
{
	X509_CRL *crl = make_crl(&s, issuer, key);

	X509_STORE_add_crl(ca.store, crl);
	X509_CRL_free(crl);
}

static void
send(X509 *issuer, EVP_PKEY *key, struct crl_spec s)
{
	sk_X509_CRL_push(request.crls, make_crl(&s, issuer, key));
}

#define HOLD_ROOT() hold(root, root_key, (struct crl_spec){.number = 1})
#define HOLD(...) hold(middle, middle_key, (struct crl_spec){__VA_ARGS__})
#define SEND(...) send(middle, middle_key, (struct crl_spec){__VA_ARGS__})

/* reason "" must be that; otherwise it must occur. */
static void
ask(enum check_result chain, enum check_result revocation, const char *reason,
    const char *name)
{
	bool good;

	memset(&result, 0xff, sizeof(result));
	trust_check(&ca, &request, &result);
	good = result.chain == chain && result.revocation == revocation &&
	       (reason[0] == '\0' ? result.reason[0] == '\0'
				  : strstr(result.reason, reason) != NULL);
	check(good, "%s", name);
	if (!good)
		printf("# chain %s, revocation %s, reason: %s\n",
		    verdict_check_name(result.chain),
		    verdict_check_name(result.revocation), result.reason);
}

/* --- what is checked ----------------------------------------------------- */

static void
test_chain(void)
{
	struct spec s = {.cn = "Signer", .serial = 5};
	X509 *cert;

	start(leaf);
	ask(CHECK_GOOD, CHECK_UNKNOWN, "", "a chain to the root is good");
	check(!result.temporary, "and final");
	request.check_revocation = false;
	ask(CHECK_GOOD, CHECK_NONE, "", "revocation is checked only if asked");
	sk_X509_pop(request.untrusted);
	ask(CHECK_BAD, CHECK_NONE,
	    "unable to get local issuer certificate: CN=Middle",
	    "a missing intermediate is named");
	X509_STORE_add_cert(ca.store, middle);
	ask(CHECK_GOOD, CHECK_NONE, "", "the CA lists may hold it too");
	start(leaf);
	X509_STORE_free(ca.store);
	ca.store = X509_STORE_new();
	X509_STORE_add_cert(ca.store, middle);
	ask(CHECK_GOOD, CHECK_UNKNOWN, "",
	    "an intermediate in the CA lists is a trust anchor");
	HOLD(.number = 1);
	ask(CHECK_GOOD, CHECK_GOOD, "", "that needs no CRL itself");

	cert = make(&s, leaf_key, NULL, leaf_key);
	start(cert);
	ask(CHECK_BAD, CHECK_UNKNOWN, "self-signed certificate: CN=Signer",
	    "a self-signed stranger is not trusted");
	X509_free(cert);
	cert = make(&s, leaf_key, middle, other_key);
	start(cert);
	ask(CHECK_BAD, CHECK_UNKNOWN, "certificate signature failure: CN=",
	    "a certificate forged under a CA's name is not trusted");
	X509_free(cert);
	s.to = NOW - DAY;
	cert = make(&s, leaf_key, middle, middle_key);
	start(cert);
	ask(CHECK_BAD, CHECK_UNKNOWN, "certificate expired 2025-06-14",
	    "an expired certificate is told with its date");
	request.at = NOW - 2 * DAY;
	ask(CHECK_GOOD, CHECK_UNKNOWN, "", "the time asked for counts");
	X509_free(cert);
	s.to = 0;
	s.from = NOW + DAY;
	cert = make(&s, leaf_key, middle, middle_key);
	start(cert);
	ask(CHECK_BAD, CHECK_UNKNOWN, "certificate not valid before 2025-06-16",
	    "so is one that is not valid yet");
	X509_free(cert);
}

static void
test_expired_ca(void)
{
	struct spec s = {.cn = "Middle",
	    .serial = 2,
	    .to = NOW - DAY,
	    .basic = "critical,CA:TRUE",
	    .usage = "keyCertSign,cRLSign"};
	X509 *old = make(&s, middle_key, root, root_key);

	start(leaf);
	sk_X509_pop(request.untrusted);
	sk_X509_push(request.untrusted, old);
	ask(CHECK_BAD, CHECK_UNKNOWN,
	    "CA certificate expired 2025-06-14: CN=Middle",
	    "an expired intermediate is named");
	start(leaf);
	X509_free(old);
}

static void
check_usage(const char *usage, const char *extended, const char *reason,
    const char *name)
{
	X509 *cert = make_leaf(usage, extended);

	start(cert);
	ask(reason[0] == '\0' ? CHECK_GOOD : CHECK_BAD, CHECK_UNKNOWN, reason,
	    name);
	request.known = true;
	ask(reason[0] == '\0' ? CHECK_GOOD : CHECK_BAD, CHECK_UNKNOWN, reason,
	    "the same when it is known");
	X509_free(cert);
}

static void
test_usage(void)
{
	check_usage(NULL, NULL, "", "no key usage is any key usage");
	check_usage("digitalSignature", "emailProtection", "",
	    "digitalSignature signs");
	check_usage("nonRepudiation", NULL, "", "nonRepudiation signs");
	check_usage("keyEncipherment", NULL, "RFC 8550 4.4.2",
	    "keyEncipherment alone does not sign");
	check_usage(NULL, "serverAuth", "RFC 8550 4.4.4",
	    "a server's certificate does not sign mail");
	check_usage(NULL, "anyExtendedKeyUsage", "",
	    "any extended key usage is good for mail");
	check_usage("digitalSignature", "serverAuth,anyExtendedKeyUsage", "",
	    "also beside another");
	check_usage("keyAgreement", "anyExtendedKeyUsage", "RFC 8550 4.4.2",
	    "but does not make up for the key usage");
}

static void
test_ca_usage(void)
{
	struct spec s = {.cn = "Middle",
	    .serial = 3,
	    .basic = "critical,CA:TRUE",
	    .extended = "anyExtendedKeyUsage"};
	X509 *ca_cert = make(&s, middle_key, root, root_key);

	start(leaf);
	sk_X509_pop(request.untrusted);
	sk_X509_push(request.untrusted, ca_cert);
	ask(CHECK_GOOD, CHECK_UNKNOWN, "",
	    "a CA for any extended key usage may be in the chain");
	start(leaf);
	X509_free(ca_cert);
	s.extended = "serverAuth";
	ca_cert = make(&s, middle_key, root, root_key);
	sk_X509_pop(request.untrusted);
	sk_X509_push(request.untrusted, ca_cert);
	ask(CHECK_BAD, CHECK_UNKNOWN, "purpose: CN=Middle (CA at depth 1)",
	    "a CA for servers may not");
	start(leaf);
	X509_free(ca_cert);
	s.extended = NULL;
	s.basic = "critical,CA:FALSE";
	ca_cert = make(&s, middle_key, root, root_key);
	sk_X509_pop(request.untrusted);
	sk_X509_push(request.untrusted, ca_cert);
	ask(CHECK_BAD, CHECK_UNKNOWN, "CN=Middle (CA at depth 1)",
	    "nor may one that is no CA");
	start(leaf);
	X509_free(ca_cert);
}

static void
test_held(void)
{
	start(leaf);
	request.missing_crl_rejects = true;
	ask(CHECK_GOOD, CHECK_BAD,
	    "unable to get certificate CRL: issuer CN=Middle "
	    "(missing_crl = reject)",
	    "no CRL is bad where that is the rule");
	HOLD(.number = 1);
	ask(CHECK_GOOD, CHECK_BAD, "issuer CN=Root",
	    "every certificate below the anchor needs one");
	HOLD_ROOT();
	ask(CHECK_GOOD, CHECK_GOOD, "", "with all CRLs revocation is good");
	HOLD(.number = 2, .from = NOW - 1, .serial = 0xa1b);
	ask(CHECK_GOOD, CHECK_BAD,
	    "certificate revoked (serial 0A1B, issuer CN=Middle)",
	    "a revoked certificate is told with serial and issuer");
	start(leaf);
	hold(root, root_key, (struct crl_spec){.number = 1, .serial = 2});
	ask(CHECK_GOOD, CHECK_BAD,
	    "CA certificate revoked (serial 02, issuer CN=Root)",
	    "a revoked intermediate is told");
	start(leaf);
	HOLD_ROOT();
	HOLD(.number = 1, .to = NOW - 1, .from = NOW - DAY);
	ask(CHECK_GOOD, CHECK_UNKNOWN, "", "an expired CRL leaves unknown");
	request.missing_crl_rejects = true;
	ask(CHECK_GOOD, CHECK_BAD, "CRL has expired: issuer CN=Middle",
	    "which is bad where that is the rule");
	start(leaf);
	HOLD(.number = 1, .to = NOW - 1, .from = NOW - DAY, .serial = 0xa1b);
	ask(CHECK_GOOD, CHECK_BAD, "certificate revoked",
	    "what an expired CRL revokes stays revoked");
	start(leaf);
	HOLD_ROOT();
	HOLD(.number = 1);
	HOLD(.number = 2, .base = 1, .serial = 0xa1b);
	ask(CHECK_GOOD, CHECK_BAD, "certificate revoked",
	    "a delta CRL revokes, announced or not");
	start(leaf);
	HOLD_ROOT();
	HOLD(.number = 3);
	HOLD(.number = 2, .base = 1, .serial = 0xa1b);
	ask(CHECK_GOOD, CHECK_GOOD, "",
	    "one from before the full CRL does not");
}

static void
test_unreadable(void)
{
	start(leaf);
	ca.crls_unreadable = true;
	ask(CHECK_GOOD, CHECK_UNKNOWN, "CRL directory",
	    "an unreadable CRL directory is told");
	check(result.temporary, "and is temporary");
	SEND(.number = 1, .serial = 0xa1b);
	ask(CHECK_GOOD, CHECK_BAD, "certificate revoked",
	    "a revocation found is one all the same");
	check(!result.temporary, "and final");
	start(leaf);
	ca.crls_unreadable = true;
	request.check_revocation = false;
	ask(CHECK_GOOD, CHECK_NONE, "", "nobody cares without a check");
	check(!result.temporary, "and nothing is temporary");
}

static void
test_sent(void)
{
	start(leaf);
	HOLD_ROOT();
	SEND(.number = 1);
	ask(CHECK_GOOD, CHECK_GOOD, "", "a CRL of the message fills a gap");
	SEND(.number = 2, .serial = 0xa1b, .from = NOW - 1);
	ask(CHECK_GOOD, CHECK_BAD, "certificate revoked", "and may revoke");

	start(leaf);
	HOLD_ROOT();
	HOLD(.number = 5);
	SEND(.number = 6, .base = 5, .serial = 0xa1b);
	ask(CHECK_GOOD, CHECK_BAD, "certificate revoked", "so may a delta CRL");
	start(leaf);
	HOLD_ROOT();
	HOLD(.number = 5);
	SEND(.number = 6, .from = NOW - 1, .serial = 0xa1b);
	ask(CHECK_GOOD, CHECK_BAD, "certificate revoked",
	    "a newer one may revoke what ours does not");
	start(leaf);
	HOLD_ROOT();
	HOLD(.number = 5, .serial = 0xa1b);
	SEND(.number = 6, .from = NOW - 1);
	ask(CHECK_GOOD, CHECK_BAD, "certificate revoked",
	    "but not take back what ours revokes");

	start(leaf);
	HOLD_ROOT();
	HOLD(.number = 5, .from = NOW - DAY, .to = NOW - 1);
	SEND(.number = 4, .from = NOW - 1);
	ask(CHECK_GOOD, CHECK_UNKNOWN, "",
	    "one with a lower number than ours does not count");
	SEND(.number = 5, .from = NOW - 2 * DAY);
	ask(CHECK_GOOD, CHECK_UNKNOWN, "",
	    "nor does an earlier one with the same number");
	SEND(.number = 6, .from = NOW - 1);
	ask(CHECK_GOOD, CHECK_GOOD, "", "a newer one replaces our expired");
	start(leaf);
	HOLD_ROOT();
	SEND(.number = 1, .to = -1);
	ask(CHECK_GOOD, CHECK_UNKNOWN, "",
	    "one that never ends does not count");
}

static void
test_forged(void)
{
	start(leaf);
	HOLD_ROOT();
	send(
	    middle, other_key, (struct crl_spec){.number = 9, .from = NOW - 1});
	ask(CHECK_GOOD, CHECK_UNKNOWN, "", "a forged CRL says nothing");
	SEND(.number = 1, .serial = 0xa1b);
	ask(CHECK_GOOD, CHECK_BAD, "certificate revoked",
	    "and does not hide a real one");
	start(leaf);
	HOLD_ROOT();
	HOLD(.number = 1);
	send(middle, other_key,
	    (struct crl_spec){.number = 9, .from = NOW - 1, .serial = 0xa1b});
	ask(CHECK_GOOD, CHECK_GOOD, "", "a forged revocation is none");
	start(leaf);
	HOLD(.number = 1, .serial = 0xa1b);
	hold(
	    middle, other_key, (struct crl_spec){.number = 9, .from = NOW - 1});
	ask(CHECK_GOOD, CHECK_BAD, "certificate revoked",
	    "a bad CRL we hold does not hide a good one");
	start(leaf);
	HOLD_ROOT();
	SEND(.number = 1);
	SEND(.base = 1, .from = NOW - 1);
	ask(CHECK_GOOD, CHECK_GOOD, "",
	    "a delta CRL without a number does no harm");
	for (long i = 2; i < 32; i++)
		SEND(.number = i, .base = 1, .from = NOW - DAY + i);
	ask(CHECK_GOOD, CHECK_GOOD, "", "nor do many delta CRLs");
}

static void
test_known(void)
{
	struct spec s = {.cn = "Signer", .serial = 0xa1b, .to = NOW - DAY};
	X509 *expired = make(&s, leaf_key, middle, middle_key);

	start(leaf);
	request.rule = TRUST_KNOWN;
	ask(CHECK_BAD, CHECK_UNKNOWN, "not among the known",
	    "trust = known does not take a chain");
	request.known = true;
	ask(CHECK_GOOD, CHECK_UNKNOWN, "", "but a known certificate");
	sk_X509_pop(request.untrusted);
	ask(CHECK_GOOD, CHECK_UNKNOWN, "", "which needs no chain");
	request.missing_crl_rejects = true;
	ask(CHECK_GOOD, CHECK_UNKNOWN, "", "and no CRL");
	request.rule = TRUST_CA_OR_KNOWN;
	ask(CHECK_GOOD, CHECK_UNKNOWN, "", "trust = ca-or-known takes it");
	request.rule = TRUST_CA;
	ask(CHECK_BAD, CHECK_UNKNOWN, "unable to get local issuer",
	    "trust = ca does not");
	request.rule = TRUST_CA_OR_KNOWN;
	HOLD(.number = 1, .serial = 0xa1b);
	ask(CHECK_GOOD, CHECK_BAD, "certificate revoked (serial 0A1B",
	    "a CRL we hold revokes it without its issuer");
	start(leaf);
	X509_STORE_free(ca.store);
	ca.store = X509_STORE_new();
	request.known = true;
	SEND(.number = 1, .serial = 0xa1b);
	ask(CHECK_GOOD, CHECK_BAD, "certificate revoked",
	    "a CRL of the message revokes it with its issuer");
	start(expired);
	request.known = true;
	ask(CHECK_BAD, CHECK_UNKNOWN, "certificate expired 2025-06-14",
	    "known or not, it must be valid");
	start(leaf);
	X509_free(expired);
}

/* ecdsa-with-SHA256 becomes an arc nobody uses, inside and outside. */
static void
test_unknown_algorithm(void)
{
	static const unsigned char oid[] = {
	    0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2};
	unsigned char *der = NULL;
	const unsigned char *p;
	int n = i2d_X509(leaf, &der), found = 0;
	X509 *strange;

	for (int i = 0; i + (int)sizeof(oid) <= n; i++)
		if (memcmp(der + i, oid, sizeof(oid)) == 0) {
			der[i + 7] = 0x55;
			found++;
		}
	p = der;
	strange = d2i_X509(NULL, &p, n);
	check(found == 2 && strange != NULL, "an algorithm was made up");
	start(strange);
	ask(CHECK_UNKNOWN, CHECK_UNKNOWN,
	    "certificate with an unknown algorithm: CN=Signer",
	    "an unknown algorithm is unknown, not bad");
	start(leaf);
	X509_free(strange);
	OPENSSL_free(der);
}

/* As many as a message may bring, none of them good. */
static void
test_hostile(void)
{
	struct spec s = {.cn = "Middle", .basic = "critical,CA:TRUE"};
	X509 *many[64];

	start(leaf);
	sk_X509_pop(request.untrusted);
	for (int i = 0; i < 64; i++) {
		s.serial = 100 + i;
		many[i] = make(&s, i % 2 ? other_key : middle_key,
		    i % 3 ? root : NULL, other_key);
		sk_X509_push(request.untrusted, many[i]);
	}
	for (int i = 0; i < 32; i++)
		send(middle, other_key, (struct crl_spec){.number = i + 1});
	trust_check(&ca, &request, &result);
	check(result.chain == CHECK_BAD && result.reason[0] != '\0',
	    "64 forged intermediates make no chain");
	sk_X509_push(request.untrusted, middle);
	trust_check(&ca, &request, &result);
	check(result.reason[0] != '\0' || result.chain == CHECK_GOOD,
	    "and are survived with a real one among them");
	start(leaf);
	for (int i = 0; i < 64; i++)
		X509_free(many[i]);
}

/* --- NIST PKITS ---------------------------------------------------------- */

/*
 * Cases that need settings nobody has for mail (explicit policy, a policy
 * set, inhibited mapping), and the one whose DSA parameters OpenSSL does
 * not inherit: all we answer otherwise than PKITS.
 */
static const char *const pkits_others[] = {"4.1.5", "4.8.1.3", "4.8.2.2",
    "4.8.3.2", "4.8.3.3", "4.8.6.3", "4.8.14.2", "4.10.1.2", "4.10.1.3",
    "4.10.3", "4.10.5.2", "4.10.6.2", "4.10.13.3", "4.12.3.2"};

static bool
is_other(const char *test)
{
	size_t n = sizeof(pkits_others) / sizeof(*pkits_others);

	for (size_t i = 0; i < n; i++)
		if (strcmp(pkits_others[i], test) == 0)
			return true;
	return false;
}

static void *
load(const char *root_dir, const char *folder, const char *name, bool crl)
{
	char path[1024];
	void *object;
	FILE *f;

	snprintf(path, sizeof(path), "%s/pkits2011/%s/%s.%s", root_dir, folder,
	    name, crl ? "crl" : "crt");
	f = fopen(path, "rb");
	if (f == NULL)
		return NULL;
	object = crl ? (void *)d2i_X509_CRL_fp(f, NULL)
		     : (void *)d2i_X509_fp(f, NULL);
	fclose(f);
	return object;
}

/* The first certificate is the anchor, the last the signer's. */
static STACK_OF(X509) * load_path(const char *dir, char *names)
{
	STACK_OF(X509) *path = sk_X509_new_null();
	char *name;

	while ((name = strsep(&names, " ")) != NULL) {
		X509 *cert = load(dir, "certs", name, false);

		if (cert == NULL)
			printf("# no certificate %s\n", name);
		else
			sk_X509_push(path, cert);
	}
	return path;
}

static bool
run_pkits(const char *dir, char *certs, char *crls, bool held)
{
	STACK_OF(X509) *path = load_path(dir, certs);
	struct ca_snapshot snapshot = {.store = X509_STORE_new()};
	struct trust_request req = {
	    .cert = sk_X509_value(path, sk_X509_num(path) - 1),
	    .untrusted = path,
	    .crls = sk_X509_CRL_new_null(),
	    .at = NOW,
	    .missing_crl_rejects = true,
	    .check_revocation = true,
	};
	struct trust_result res;
	char *name;

	X509_STORE_add_cert(snapshot.store, sk_X509_value(path, 0));
	while ((name = strsep(&crls, " ")) != NULL) {
		X509_CRL *crl = load(dir, "crls", name, true);

		if (crl == NULL)
			continue;
		if (held) {
			X509_STORE_add_crl(snapshot.store, crl);
			X509_CRL_free(crl);
		} else {
			sk_X509_CRL_push(req.crls, crl);
		}
	}
	trust_check(&snapshot, &req, &res);
	sk_X509_CRL_pop_free(req.crls, X509_CRL_free);
	sk_X509_pop_free(path, X509_free);
	X509_STORE_free(snapshot.store);
	return res.reason[0] == '\0' && res.chain == CHECK_GOOD &&
	       res.revocation == CHECK_GOOD;
}

static void
test_pkits(bool held)
{
	const char *dir = getenv("POSTSEAL_CORPORA");
	unsigned n = 0, wrong = 0, others = 0;
	char path[1024], line[4096];
	FILE *f;

	if (dir == NULL)
		dir = "../shared/corpora";
	snprintf(path, sizeof(path), "%s/pkits2011/cases.tsv", dir);
	f = fopen(path, "r");
	if (f == NULL) {
		tap_skip("PKITS", "no such corpus here");
		return;
	}
	while (fgets(line, sizeof(line), f) != NULL) {
		char *rest = line, *field[5];
		bool good;

		if (line[0] == '#')
			continue;
		for (int i = 0; i < 5; i++)
			field[i] = strsep(&rest, "\t\n");
		good = run_pkits(dir, field[3], field[4], held) ==
		       (strcmp(field[2], "VALID") == 0);
		n++;
		others += is_other(field[0]);
		if (good == is_other(field[0])) {
			printf(
			    "# %s %s: not %s\n", field[0], field[1], field[2]);
			wrong++;
		}
	}
	fclose(f);
	check(n > 200 && wrong == 0 &&
		  others == sizeof(pkits_others) / sizeof(*pkits_others),
	    "%u PKITS cases come out right with CRLs %s, %u others as told", n,
	    held ? "we hold" : "of the message", others);
}

static void
make_everything(void)
{
	struct spec top = {.cn = "Root",
	    .serial = 1,
	    .basic = "critical,CA:TRUE",
	    .usage = "critical,keyCertSign,cRLSign"};
	struct spec mid = {.cn = "Middle",
	    .serial = 2,
	    .basic = "critical,CA:TRUE",
	    .usage = "critical,keyCertSign,cRLSign"};

	root_key = EVP_EC_gen("P-256");
	middle_key = EVP_EC_gen("P-256");
	leaf_key = EVP_EC_gen("P-256");
	other_key = EVP_EC_gen("P-256");
	root = make(&top, root_key, NULL, root_key);
	middle = make(&mid, middle_key, root, root_key);
	leaf = make_leaf("digitalSignature", "emailProtection");
}

int
main(void)
{
	make_everything();
	test_chain();
	test_expired_ca();
	test_usage();
	test_ca_usage();
	test_held();
	test_unreadable();
	test_sent();
	test_forged();
	test_known();
	test_unknown_algorithm();
	test_hostile();
	test_pkits(false);
	test_pkits(true);
	check(ERR_peek_error() == 0, "OpenSSL's error queue is left empty");
	X509_STORE_free(ca.store);
	sk_X509_free(request.untrusted);
	sk_X509_CRL_pop_free(request.crls, X509_CRL_free);
	X509_free(root);
	X509_free(middle);
	X509_free(leaf);
	EVP_PKEY_free(root_key);
	EVP_PKEY_free(middle_key);
	EVP_PKEY_free(leaf_key);
	EVP_PKEY_free(other_key);
	return tap_done();
}
