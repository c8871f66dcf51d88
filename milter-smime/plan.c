/* SPDX-License-Identifier: BSD-2-Clause */
#include "plan.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

/* What one recipient's mail is to go through. */
struct treatment {
	enum disposition disposition;
	bool sign, encrypt, sign_outside;
	const char *apart; /* hidden: only with this fingerprint */
	const struct recipient_facts *r;
};

/* Around what stays closed (S12) a signature stays, too. */
static bool
removes_signature(const struct plan_facts *f)
{
	return f->verify && f->verified && f->is_signed && !f->is_encrypted &&
	    f->remove_signature;
}

/* Judged by what the message is once we are through with opening it. */
static bool
may_sign_again(const struct plan_facts *f, const struct recipient_facts *r)
{
	bool stays_signed = f->is_signed && !removes_signature(f);

	/* Encrypted mail is opaque to us; signed mail is signed (S6). */
	return (!stays_signed && !f->is_encrypted) ||
	    r->settings->sign_signed;
}

static bool
same_profile(const struct recipient_facts *a, const struct recipient_facts *b)
{
	return a->profile != NULL && b->profile != NULL &&
	    strcmp(a->profile, b->profile) == 0;
}

/*
 * The first who should have a key for r's profile and has none.  A copy
 * that a filter asks for neither stops the message nor is stopped by it.
 */
static const struct recipient_facts *
find_without_key(const struct plan_facts *f, const struct recipient_facts *r)
{
	for (size_t i = 0; i < f->nrecipients; i++) {
		const struct recipient_facts *other = &f->recipients[i];

		if (other->cert == NULL && other->copy == r->copy &&
		    disposition_is_sent(other->disposition) &&
		    same_profile(other, r))
			return other;
	}
	return NULL;
}

/* Is the certificate also a named recipient's of the same profile? */
static bool
serves_named(const struct plan_facts *f, const struct recipient_facts *r)
{
	for (size_t i = 0; i < f->nrecipients; i++) {
		const struct recipient_facts *other = &f->recipients[i];

		if (!other->hidden && other->cert != NULL &&
		    other->filters == r->filters && same_profile(other, r) &&
		    strcmp(other->fingerprint, r->fingerprint) == 0)
			return true;
	}
	return false;
}

static struct treatment
treat_encryption(const struct plan_facts *f, const struct recipient_facts *r)
{
	bool signs = smime_mode_signs(r->settings->mode) &&
	    may_sign_again(f, r);
	struct treatment t = {.disposition = r->disposition, .r = r,
		.sign = signs};

	if (r->settings->no_key != NO_KEY_SPLIT && find_without_key(f, r) != NULL) {
		/* The sender knows nothing of a copy, so nobody is told. */
		t.disposition = r->settings->no_key == NO_KEY_BOUNCE &&
		    r->copy == NULL ? DISPOSITION_BOUNCE : DISPOSITION_DROP;
		t.sign = false;
		return t;
	}
	/* Split: plain, but never unsigned where it was to be signed. */
	if (r->cert == NULL)
		return t;
	t.encrypt = true;
	t.sign_outside = r->settings->mode == MODE_TRIPLE;
	if (r->hidden && r->settings->hidden_recipients == HIDDEN_SEPARATE &&
	    !serves_named(f, r))
		t.apart = r->fingerprint;
	return t;
}

static struct treatment
treat(const struct plan_facts *f, const struct recipient_facts *r)
{
	struct treatment t = {.disposition = r->disposition, .r = r};

	if (r->settings == NULL || !disposition_is_sent(r->disposition))
		return t;
	/* What is encrypted already is never encrypted again. */
	if (smime_mode_encrypts(r->settings->mode) && !f->is_encrypted)
		return treat_encryption(f, r);
	t.sign = smime_mode_signs(r->settings->mode) && may_sign_again(f, r);
	return t;
}

static bool
has_cert(const struct delivery *d, const X509 *cert)
{
	for (int i = 0; i < sk_X509_num(d->certs); i++)
		if (X509_cmp(sk_X509_value(d->certs, i), cert) == 0)
			return true;
	return false;
}

/* While planning: a delivery and the treatment it was made for. */
struct draft {
	struct delivery d;
	struct treatment t;
};

static bool
fits(const struct draft *draft, const struct treatment *t)
{
	const struct treatment *o = &draft->t;

	if (o->disposition != t->disposition || o->sign != t->sign ||
	    o->encrypt != t->encrypt || o->sign_outside != t->sign_outside ||
	    o->r->filters != t->r->filters || o->r->copy != t->r->copy)
		return false;
	/* Untouched mail is the same whatever its profile. */
	if (!t->sign && !t->encrypt && disposition_is_sent(t->disposition))
		return true;
	if (t->r->reason != NULL && o->r->reason != NULL)
		return true; /* the same filters said so */
	if (!same_profile(o->r, t->r))
		return false;
	if (!t->encrypt)
		return true;
	if ((o->apart == NULL) != (t->apart == NULL) ||
	    (t->apart != NULL && strcmp(o->apart, t->apart) != 0))
		return false;
	return sk_X509_num(draft->d.certs) < PLAN_MAX_CERTIFICATES ||
	    has_cert(&draft->d, t->r->cert);
}

/* For the reply: who has no key, and what the sender can do. */
static char *
explain(const struct plan_facts *f, const struct recipient_facts *r)
{
	const struct recipient_facts *without;

	if (r->reason != NULL)
		return mem_strdup(r->reason);
	without = find_without_key(f, r);
	return without == NULL ? NULL : mem_printf("S/MIME encryption "
	    "(profile %s): no usable certificate for %s; ask your postmaster "
	    "to add it", r->profile, without->no_cert);
}

static void
begin(struct draft *draft, const struct plan_facts *f,
    const struct treatment *t)
{
	struct delivery *d = &draft->d;

	memset(draft, 0, sizeof(*draft));
	draft->t = *t;
	d->verify = f->verify;
	d->decrypt = f->verify && f->decrypted;
	d->remove_signature = removes_signature(f);
	d->sign = t->sign;
	d->encrypt = t->encrypt;
	d->sign_outside = t->sign_outside;
	d->profile = t->r->profile;
	d->settings = t->r->settings;
	d->filters = t->r->filters;
	d->copy = t->r->copy;
	d->disposition = t->disposition;
	if (t->encrypt)
		d->certs = sk_X509_new_null();
	if (!disposition_is_sent(t->disposition))
		d->reason = explain(f, t->r);
}

static void
add(struct draft *draft, size_t index, const struct recipient_facts *r)
{
	struct delivery *d = &draft->d;

	/* Room grows by powers of two. */
	if ((d->nrecipients & (d->nrecipients - 1)) == 0)
		d->recipients = mem_resize(d->recipients,
		    2 * d->nrecipients + 1, sizeof(*d->recipients));
	d->recipients[d->nrecipients++] = index;
	if (d->encrypt && !has_cert(d, r->cert) &&
	    sk_X509_push(d->certs, r->cert) > 0)
		X509_up_ref(r->cert);
}

bool
plan_make(const struct plan_facts *f, size_t max, struct plan *p)
{
	size_t most = f->nrecipients < max ? f->nrecipients : max;
	struct draft *drafts = mem_array(most + 1, sizeof(*drafts));
	size_t n = 0;

	for (size_t i = 0; i < f->nrecipients && n <= max; i++) {
		struct treatment t = treat(f, &f->recipients[i]);
		size_t at = 0;

		while (at < n && !fits(&drafts[at], &t))
			at++;
		if (at == n)
			begin(&drafts[n++], f, &t);
		add(&drafts[at], i, &f->recipients[i]);
	}
	p->deliveries = mem_array(n, sizeof(*p->deliveries));
	p->n = n;
	for (size_t i = 0; i < n; i++)
		p->deliveries[i] = drafts[i].d;
	free(drafts);
	if (n <= max)
		return true;
	plan_clear(p);
	return false;
}

bool
plan_unwraps(const struct plan_facts *f)
{
	return (f->verify && f->decrypted) || removes_signature(f);
}

void
plan_clear(struct plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->deliveries[i].recipients);
		free(p->deliveries[i].reason);
		sk_X509_pop_free(p->deliveries[i].certs, X509_free);
	}
	free(p->deliveries);
	memset(p, 0, sizeof(*p));
}

const char *
disposition_name(enum disposition d)
{
	static const char *const names[] = {"pass", "hold", "bounce", "drop"};

	return names[d];
}

bool
disposition_is_sent(enum disposition d)
{
	return d == DISPOSITION_PASS || d == DISPOSITION_HOLD;
}
