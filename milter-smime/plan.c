/* SPDX-License-Identifier: BSD-2-Clause */
#include "plan.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

/* Would the profile sign this message? */
static bool
wants_signature(const struct plan_facts *f, const struct recipient_facts *r)
{
	if (r->settings == NULL || r->settings->mode != MODE_SIGN)
		return false;
	/* Encrypted mail is opaque to us; signed mail is signed (S6). */
	return (!f->is_signed && !f->is_encrypted) ||
	    r->settings->sign_signed;
}

static struct delivery *
find_delivery(struct plan *p, const char *profile, bool sign)
{
	for (size_t i = 0; i < p->n; i++) {
		struct delivery *d = &p->deliveries[i];

		/* Unsigned, the profile makes no difference. */
		if (d->sign == sign && (!sign ||
		    strcmp(d->profile, profile) == 0))
			return d;
	}
	return NULL;
}

static struct delivery *
add_delivery(struct plan *p, const struct plan_facts *f,
    const struct recipient_facts *r, bool sign)
{
	struct delivery *d;

	p->deliveries = mem_resize(p->deliveries, p->n + 1, sizeof(*d));
	d = &p->deliveries[p->n++];
	memset(d, 0, sizeof(*d));
	d->recipients = mem_array(f->nrecipients, sizeof(*d->recipients));
	d->verify = f->verify;
	d->remove_signature = f->verify && f->verified && f->is_signed &&
	    f->remove_signature;
	d->sign = sign;
	d->profile = r->profile;
	d->settings = r->settings;
	d->disposition = DISPOSITION_PASS;
	return d;
}

void
plan_make(const struct plan_facts *f, struct plan *p)
{
	memset(p, 0, sizeof(*p));
	for (size_t i = 0; i < f->nrecipients; i++) {
		const struct recipient_facts *r = &f->recipients[i];
		bool sign = wants_signature(f, r);
		struct delivery *d = find_delivery(p, r->profile, sign);

		if (d == NULL)
			d = add_delivery(p, f, r, sign);
		d->recipients[d->nrecipients++] = i;
	}
}

void
plan_clear(struct plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->deliveries[i].recipients);
	free(p->deliveries);
	memset(p, 0, sizeof(*p));
}
