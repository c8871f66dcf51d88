/* SPDX-License-Identifier: BSD-2-Clause */
#include "keyring.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "common/clock.h"
#include "common/mem.h"

struct keyring {
	struct cert_store *store;
	int64_t rsa_minimum;
};

struct keyring *
keyring_open(const struct settings *s, struct error *err)
{
	const struct milter_smime_settings *v = settings_get(s,
	    "milter-smime");
	struct keyring *k = mem_alloc(sizeof(*k));

	k->rsa_minimum = v->rsa_minimum;
	k->store = cert_store_open(s, true, err);
	if (k->store == NULL)
		keyring_close(&k);
	return k;
}

void
keyring_close(struct keyring **k)
{
	if (*k == NULL)
		return;
	cert_store_close(&(*k)->store);
	free(*k);
	*k = NULL;
}

static bool
check_validity(const struct x509_facts *f, time_t now, struct error *err)
{
	char when[32];

	if (now < f->not_before) {
		clock_format(f->not_before, when, sizeof(when));
		return error_perm(err, "is not valid before %s", when);
	}
	if (now > f->not_after) {
		clock_format(f->not_after, when, sizeof(when));
		return error_perm(err, "expired %s; renew it", when);
	}
	return true;
}

static bool
check_usage(const struct x509_facts *f, int rule, struct error *err)
{
	unsigned both = KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION;

	if (f->has_key_usage && rule == KEY_USAGE_STRICT &&
	    (f->key_usage & both) != both)
		return error_perm(err, "lacks keyUsage digitalSignature and "
		    "nonRepudiation (key_usage = strict)");
	if (f->has_key_usage && (f->key_usage & both) == 0)
		return error_perm(err, "has a keyUsage without "
		    "digitalSignature or nonRepudiation (RFC 8550 4.4.2)");
	if (f->has_ext_key_usage && !f->eku_email)
		return error_perm(err, "has an extended key usage without "
		    "emailProtection (RFC 8550 4.4.4)");
	return true;
}

/* Everything but whom it speaks for. */
static bool
check_entry(const struct keyring *k, const struct cert_entry *e, int rule,
    time_t now, struct error *err)
{
	int type;

	if (e->key == NULL)
		return error_perm(err, "has no private key (%s has no .key "
		    "beside it)", e->file);
	type = EVP_PKEY_get_base_id(e->key);
	if (type != EVP_PKEY_RSA && type != EVP_PKEY_EC)
		return error_perm(err, "has a key (%s) that OpenSSL's CMS "
		    "cannot sign with; use RSA or EC", e->facts->key);
	if (type == EVP_PKEY_RSA && e->facts->key_bits < k->rsa_minimum)
		return error_perm(err, "has an RSA key of %d bits, less than "
		    "rsa_minimum", e->facts->key_bits);
	return check_validity(e->facts, now, err) &&
	    check_usage(e->facts, rule, err);
}

/* The better certificate: exact address before domain, then the newer. */
static bool
is_better(const struct cert_entry *a, enum x509_covers ca,
    const struct cert_entry *b, enum x509_covers cb)
{
	if (b == NULL || ca != cb)
		return b == NULL || ca > cb;
	return a->facts->not_before > b->facts->not_before;
}

static bool
find_auto(struct keyring *k, const struct sending_profile_settings *profile,
    const struct mailaddr *from, time_t now, struct signer *s,
    struct error *err)
{
	enum x509_covers best = COVERS_NOT;
	char *text = mailaddr_format(from);
	struct error why = {0};

	for (size_t i = 0; i < s->snapshot->n; i++) {
		const struct cert_entry *e = &s->snapshot->entries[i];
		enum x509_covers covers = x509_facts_cover(e->facts, from);

		if (covers == COVERS_NOT || e->key == NULL)
			continue;
		if (!check_entry(k, e, profile->key_usage, now, err)) {
			error_prefix(err, "certificate %s", e->name);
			why = *err;
		} else if (is_better(e, covers, s->entry, best)) {
			s->entry = e;
			best = covers;
		}
	}
	if (s->entry == NULL && why.kind != ERROR_NONE)
		*err = why;
	else if (s->entry == NULL)
		error_perm(err, "no certificate with a private key names %s "
		    "or its domain", text);
	free(text);
	return s->entry != NULL;
}

static bool
find_named(struct keyring *k, const struct sending_profile_settings *profile,
    const struct mailaddr *from, time_t now, struct signer *s,
    struct error *err)
{
	const char *name = profile->signing_certificate;
	const struct cert_entry *e = cert_snapshot_find(s->snapshot, name);
	char *text;

	if (e == NULL)
		return error_perm(err, "there is no certificate %s", name);
	if (!check_entry(k, e, profile->key_usage, now, err))
		return error_prefix(err, "certificate %s", name);
	if (from != NULL && x509_facts_cover(e->facts, from) == COVERS_NOT) {
		text = mailaddr_format(from);
		error_perm(err, "certificate %s does not name %s or its "
		    "domain", name, text);
		free(text);
		return false;
	}
	s->entry = e;
	return true;
}

bool
keyring_find_signer(struct keyring *k,
    const struct sending_profile_settings *profile,
    const struct mailaddr *from, time_t now, struct signer *s,
    struct error *err)
{
	bool found;

	s->entry = NULL;
	s->snapshot = cert_store_get(k->store);
	found = strcmp(profile->signing_certificate, "auto") == 0 ?
	    find_auto(k, profile, from, now, s, err) :
	    find_named(k, profile, from, now, s, err);
	if (!found)
		keyring_put(k, s);
	return found;
}

void
keyring_put(struct keyring *k, struct signer *s)
{
	if (s->snapshot != NULL)
		cert_store_put(k->store, &s->snapshot);
	s->entry = NULL;
}

static bool
check_auto(struct keyring *k, const struct sending_profile_settings *profile,
    const struct cert_snapshot *snap, time_t now, struct error *err)
{
	struct error why = {0};

	for (size_t i = 0; i < snap->n; i++) {
		const struct cert_entry *e = &snap->entries[i];

		if (check_entry(k, e, profile->key_usage, now, &why))
			return true;
		*err = why;
		error_prefix(err, "certificate %s", e->name);
	}
	if (snap->n == 0)
		error_perm(err, "there is no certificate to sign with; make "
		    "one with `postseal cert create`");
	return false;
}

bool
keyring_check(struct keyring *k, const struct settings *s, struct error *err)
{
	struct signer signer = {.snapshot = cert_store_get(k->store)};
	time_t now = clock_now();
	bool ok = true;

	for (size_t i = 0; ok && i < settings_count(s, "sending-profile");
	    i++) {
		const char *name;
		const struct sending_profile_settings *p = settings_at(s,
		    "sending-profile", i, &name);
		struct error why;

		if (!smime_mode_signs(p->mode))
			continue;
		ok = strcmp(p->signing_certificate, "auto") == 0 ?
		    check_auto(k, p, signer.snapshot, now, &why) :
		    find_named(k, p, NULL, now, &signer, &why);
		if (!ok)
			settings_error(s, "sending-profile", name,
			    "signing_certificate", err, "%.400s", why.text);
	}
	keyring_put(k, &signer);
	return ok;
}

/* RFC 4056: salt as long as the digest. */
static bool
set_pss(CMS_SignerInfo *si)
{
	EVP_PKEY_CTX *ctx = CMS_SignerInfo_get0_pkey_ctx(si);

	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx,
	    RSA_PSS_SALTLEN_DIGEST) > 0;
}

CMS_SignerInfo *
keyring_sign(const struct signer *s, CMS_ContentInfo *cms,
    const EVP_MD *digest, enum rsa_signature rsa, struct error *err)
{
	const struct cert_entry *e = s->entry;
	bool pss = rsa == RSA_SIGNATURE_PSS &&
	    EVP_PKEY_get_base_id(e->key) == EVP_PKEY_RSA;
	CMS_SignerInfo *si;

	si = CMS_add1_signer(cms, e->cert, e->key, digest,
	    CMS_PARTIAL | CMS_BINARY | CMS_DETACHED | CMS_NOSMIMECAP |
	    CMS_CADES | (pss ? CMS_KEY_PARAM : 0));
	if (si == NULL || (pss && !set_pss(si))) {
		x509_error(err, ERROR_PERM, "certificate %s cannot sign",
		    e->name);
		return NULL;
	}
	for (int i = 0; i < sk_X509_num(e->chain); i++) {
		if (!CMS_add1_cert(cms, sk_X509_value(e->chain, i))) {
			x509_error(err, ERROR_PERM, "certificate %s: its "
			    "chain cannot be added", e->name);
			return NULL;
		}
	}
	return si;
}

static bool
names(CMS_RecipientInfo *ri, X509 *cert)
{
	STACK_OF(CMS_RecipientEncryptedKey) *keys;

	switch (CMS_RecipientInfo_type(ri)) {
	case CMS_RECIPINFO_TRANS:
		return CMS_RecipientInfo_ktri_cert_cmp(ri, cert) == 0;
	case CMS_RECIPINFO_AGREE:
		keys = CMS_RecipientInfo_kari_get0_reks(ri);
		for (int i = 0;
		    i < sk_CMS_RecipientEncryptedKey_num(keys); i++)
			if (CMS_RecipientEncryptedKey_cert_cmp(
			    sk_CMS_RecipientEncryptedKey_value(keys, i),
			    cert) == 0)
				return true;
		return false;
	default:
		return false;
	}
}

bool
keyring_unwrap(struct keyring *k, CMS_ContentInfo *cms)
{
	STACK_OF(CMS_RecipientInfo) *infos = CMS_get0_RecipientInfos(cms);
	const struct cert_snapshot *snap = cert_store_get(k->store);
	bool done = false;

	for (size_t i = 0; !done && i < snap->n; i++) {
		const struct cert_entry *e = &snap->entries[i];
		bool named = false;

		if (e->key == NULL)
			continue;
		for (int n = 0;
		    !named && n < sk_CMS_RecipientInfo_num(infos); n++)
			named = names(sk_CMS_RecipientInfo_value(infos, n),
			    e->cert);
		done = named && CMS_decrypt_set1_pkey_and_peer(cms, e->key,
		    e->cert, NULL) == 1;
	}
	cert_store_put(k->store, &snap);
	return done;
}
