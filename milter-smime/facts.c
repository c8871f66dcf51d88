/* SPDX-License-Identifier: BSD-2-Clause */
#include "facts.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

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

struct question {
	const struct settings *s;
	const struct mailaddr *sender, *from, *recipient;
	int direction;
};

static const struct mail_policy_settings *
find_policy(const struct question *q, bool defaults, const char **name)
{
	for (size_t i = 0; i < settings_count(q->s, "mail-policy"); i++) {
		const struct mail_policy_settings *p = settings_at(q->s,
		    "mail-policy", i, name);

		if (is_default(*name) != defaults ||
		    p->direction != q->direction)
			continue;
		if (!matches(&p->senders, q->sender) &&
		    (q->from == NULL || !matches(&p->senders, q->from)))
			continue;
		if (matches(&p->recipients, q->recipient))
			return p;
	}
	return NULL;
}

static void
find_one(const struct question *q, struct recipient_facts *r)
{
	const struct mail_policy_settings *p;
	const char *name;

	p = find_policy(q, false, &name);
	if (p == NULL)
		p = find_policy(q, true, &name);
	if (p == NULL)
		return;
	r->policy = name;
	r->profile = p->profile;
	if (p->profile != NULL)
		r->settings = settings_find(q->s, "sending-profile",
		    p->profile);
}

void
facts_find(const struct settings *s, const struct message *m,
    const struct mailaddr *from, bool outgoing, struct plan_facts *f)
{
	struct question q = {.s = s, .sender = &m->sender, .from = from,
		.direction = outgoing ? DIRECTION_OUTGOING :
					DIRECTION_INCOMING};

	f->nrecipients = m->nrecipients;
	f->recipients = mem_array(m->nrecipients, sizeof(*f->recipients));
	for (size_t i = 0; i < m->nrecipients; i++) {
		q.recipient = &m->recipients[i].address;
		find_one(&q, &f->recipients[i]);
	}
}

void
facts_clear(struct plan_facts *f)
{
	free(f->recipients);
	f->recipients = NULL;
	f->nrecipients = 0;
}
