/* SPDX-License-Identifier: BSD-2-Clause */
#include "facts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/mem.h"
#include "common/x509_facts.h"

static bool
matches(const struct strvec *patterns, const struct mailaddr *a)
{
	for (size_t i = 0; i < patterns->n; i++)
		if (mailaddr_match(patterns->v[i], a))
			return true;
	return patterns->n == 0;
}

static bool
is_default(const char *name)
{
	return strcmp(name, "default-outgoing") == 0 ||
	    strcmp(name, "default-incoming") == 0;
}

/*
 * From fields that cannot be read may be read by others: whatever pattern
 * stands in them somehow counts, so that no policy is missed.
 */
static bool
may_be_from(const struct facts_question *q, const char *pattern)
{
	const struct header *h;

	if (*pattern == '@' || *pattern == '.')
		pattern++;
	for (size_t n = 0; (h = message_header(q->m, "From", n)) != NULL; n++)
		if (strcasestr(h->value, pattern) != NULL)
			return true;
	return false;
}

enum match { MATCH_NOT, MATCH_ONE, MATCH_BOTH };

/* Do envelope sender and From address match? */
static enum match
match_senders(const struct facts_question *q,
    const struct mail_policy_settings *p)
{
	const struct strvec *patterns = &p->senders;
	bool sender, from = false;

	if (patterns->n == 0)
		return MATCH_BOTH;
	sender = matches(patterns, &q->m->sender);
	if (q->from != NULL)
		from = matches(patterns, q->from);
	else
		for (size_t i = 0; i < patterns->n; i++)
			from |= may_be_from(q, patterns->v[i]);
	if (sender && from && q->from != NULL)
		return MATCH_BOTH;
	return sender || from ? MATCH_ONE : MATCH_NOT;
}

/*
 * A policy that protects holds when one of the two matches; one that
 * exempts (no profile, no filters), only when both do.  *exact: both did.
 */
static bool
holds(const struct facts_question *q, const struct mail_policy_settings *p,
    const struct mailaddr *recipient, bool *exact)
{
	enum match match = match_senders(q, p);

	*exact = match == MATCH_BOTH;
	return (*exact || (match == MATCH_ONE &&
	    (p->profile != NULL || p->filters.n > 0))) &&
	    matches(&p->recipients, recipient);
}

static void
set_profile(const struct facts_question *q, struct recipient_facts *r,
    const char *profile)
{
	r->profile = profile;
	r->settings = profile == NULL ? NULL : settings_find(q->settings,
	    "sending-profile", profile);
}

/*
 * The first policy that holds, of the defaults or of the others; once one
 * with filters that does not exempt was found, only a profile is missing.
 * True when all is found.
 */
static bool
look_through(const struct facts_question *q, struct recipient_facts *r,
    bool defaults)
{
	int direction = q->outgoing ? DIRECTION_OUTGOING : DIRECTION_INCOMING;

	for (size_t i = 0; i < settings_count(q->settings, "mail-policy");
	    i++) {
		const char *name;
		const struct mail_policy_settings *p = settings_at(
		    q->settings, "mail-policy", i, &name);
		bool exact;

		if (is_default(name) != defaults ||
		    p->direction != direction ||
		    !holds(q, p, &r->to->address, &exact))
			continue;
		if (r->policy == NULL)
			r->policy = name;
		if (p->profile != NULL)
			set_profile(q, r, p->profile);
		if (p->profile != NULL || exact)
			return true;
	}
	return false;
}

static void
find_one(const struct facts_question *q, struct recipient_facts *r)
{
	if (!look_through(q, r, false))
		(void)look_through(q, r, true);
}

/* ---- keys ---- */

static bool
find_cert(const struct certs_rules *rules, struct recipient_facts *r,
    struct error *err)
{
	const struct recipient *to = r->to;
	char fingerprint[65], *reason = NULL;

	if (to->address.local == NULL || to->address.domain[0] == '\0') {
		r->no_cert = mem_printf("%.200s is no full address", to->text);
		return true;
	}
	if (!certs_find_recipient(rules, &to->address, &r->cert, &reason,
	    err))
		return false;
	if (r->cert == NULL) {
		r->no_cert = mem_printf("%.200s: %s", to->text, reason);
	} else {
		x509_fingerprint(r->cert, fingerprint);
		r->fingerprint = mem_strdup(fingerprint);
	}
	free(reason);
	return true;
}

/* ---- recipients we cannot judge ---- */

static bool
any_treatment(const struct facts_question *q)
{
	int direction = q->outgoing ? DIRECTION_OUTGOING : DIRECTION_INCOMING;

	for (size_t i = 0; i < settings_count(q->settings, "mail-policy");
	    i++) {
		const char *name;
		const struct mail_policy_settings *p = settings_at(
		    q->settings, "mail-policy", i, &name);

		if (p->direction == direction &&
		    (p->profile != NULL || p->filters.n > 0))
			return true;
	}
	return false;
}

/*
 * Postfix gives us recipients as the client wrote them and reads them more
 * freely than we do: blanks, comments, a final dot, routes by % and !.  One
 * that it may deliver elsewhere than we see must not slip by a policy.
 */
bool
facts_check_recipients(const struct facts_question *q, bool otherwise,
    struct error *err)
{
	if (!otherwise && !any_treatment(q))
		return true;
	for (size_t i = 0; i < q->m->nrecipients; i++) {
		const struct recipient *to = &q->m->recipients[i];

		if (to->address.local == NULL || to->address.local[0] ==
		    '\0' || strpbrk(to->address.local, "%!@\\") != NULL)
			return error_perm(err, "recipient %.200s: the address "
			    "is not written plainly; write user@domain",
			    to->text);
	}
	return true;
}

/* ---- names in the header ---- */

static int
compare(const void *a, const void *b)
{
	return strcasecmp(*(char *const *)a, *(char *const *)b);
}

/*
 * Addresses of To, Cc and their Resent forms, sorted.  A field that cannot
 * be read names nobody: its recipients count as hidden.
 */
static void
find_named(const struct message *m, struct strvec *named)
{
	static const char *const fields[] = {
		"To", "Cc", "Resent-To", "Resent-Cc"};
	struct strvec list = {0};
	struct error ignored;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const struct header *h;

		for (size_t n = 0;
		    (h = message_header(m, fields[i], n)) != NULL; n++)
			if (!mailaddr_list(h->value, strlen(h->value), &list,
			    &ignored))
				continue;
	}
	for (size_t i = 0; i < list.n; i++) {
		struct mailaddr a = {0};

		if (mailaddr_parse(list.v[i], strlen(list.v[i]), &a,
		    &ignored))
			strvec_take(named, mailaddr_format(&a));
		mailaddr_clear(&a);
	}
	strvec_clear(&list);
	if (named->n > 0)
		qsort(named->v, named->n, sizeof(*named->v), compare);
}

static bool
is_named(const struct strvec *named, const struct mailaddr *a)
{
	char *text = mailaddr_format(a);
	const char *key = text;
	bool found = named->n > 0 && bsearch(&key, named->v, named->n,
	    sizeof(*named->v), compare) != NULL;

	free(text);
	return found;
}

void
facts_question_open(struct facts_question *q)
{
	find_named(q->m, &q->named);
}

void
facts_question_close(struct facts_question *q)
{
	strvec_clear(&q->named);
}

void
facts_set_recipient(const struct facts_question *q,
    struct recipient_facts *r, const struct recipient *to)
{
	r->to = to;
	r->hidden = !is_named(&q->named, &to->address);
	r->policy = NULL;
	set_profile(q, r, NULL);
	find_one(q, r);
}

struct recipient_facts *
facts_add_recipient(const struct facts_question *q, struct plan_facts *f,
    const struct recipient *to)
{
	struct recipient_facts *r;

	/* Room grows by powers of two. */
	if ((f->nrecipients & (f->nrecipients - 1)) == 0)
		f->recipients = mem_resize(f->recipients,
		    2 * f->nrecipients + 1, sizeof(*r));
	r = &f->recipients[f->nrecipients++];
	memset(r, 0, sizeof(*r));
	facts_set_recipient(q, r, to);
	return r;
}

bool
facts_find_keys(const struct certs_rules *rules, struct plan_facts *f,
    struct error *err)
{
	for (size_t i = 0; i < f->nrecipients; i++) {
		struct recipient_facts *r = &f->recipients[i];

		if (r->settings != NULL &&
		    disposition_is_sent(r->disposition) &&
		    smime_mode_encrypts(r->settings->mode) &&
		    !find_cert(rules, r, err))
			return false;
	}
	return true;
}

void
facts_clear(struct plan_facts *f)
{
	for (size_t i = 0; i < f->nrecipients; i++) {
		X509_free(f->recipients[i].cert);
		free(f->recipients[i].fingerprint);
		free(f->recipients[i].no_cert);
		free(f->recipients[i].reason);
	}
	free(f->recipients);
	f->recipients = NULL;
	f->nrecipients = 0;
}
