/* SPDX-License-Identifier: BSD-2-Clause */
#include "filtering.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "quarantine.h"

void
filtering_begin(struct filtering *f, struct filters *filters,
    const struct message *m)
{
	memset(f, 0, sizeof(*f));
	f->filters = filters;
	f->program = filters_get(filters);
	filter_state_init(&f->message, m);
	/* Ours alone to say; see postseal-quarantine(1). */
	fields_delete_named(&f->message.header, QUARANTINE_FIELD, NULL, NULL);
	f->context.m = m;
	f->nto = m->nrecipients;
	f->to = mem_array(f->nto + 1, sizeof(*f->to));
	for (size_t i = 0; i < f->nto; i++)
		f->to[i] = &m->recipients[i];
}

void
filtering_clear(struct filtering *f)
{
	for (size_t i = 0; i < f->npolicies; i++) {
		filter_state_clear(f->policies[i]);
		free(f->policies[i]);
	}
	free(f->policies);
	free(f->to);
	filter_state_clear(&f->message);
	filter_context_clear(&f->context);
	if (f->filters != NULL)
		filters_put(f->filters, f->program);
	memset(f, 0, sizeof(*f));
}

const struct filter_state *
filtering_state(const struct filtering *f, size_t i)
{
	if (i == 0)
		return &f->message;
	return i <= f->npolicies ? f->policies[i - 1] : NULL;
}

bool
filtering_run_message(struct filtering *f, struct error *err)
{
	const struct filter_program *p = f->program;

	f->context.to = f->to;
	f->context.nto = f->nto;
	for (size_t i = 0; i < p->set.n; i++)
		if (!p->of_policy[i] && !filter_eval(&p->set.v[i],
		    &f->context, &f->message, err))
			return false;
	if (f->message.alternative != NULL) {
		f->to[0] = f->message.alternative;
		f->nto = 1;
	}
	return true;
}

/* ---- one policy ---- */

/* Recipients of one policy, as rules see them. */
struct group {
	const struct recipient **to;
	size_t n;
};

/* The policy's, and no filters of it have run yet. */
static bool
is_of(const struct recipient_facts *r, const char *policy)
{
	return r->policy == policy && r->filters == NULL;
}

static void
gather(struct group *g, const struct plan_facts *facts, const char *policy)
{
	g->to = mem_array(facts->nrecipients, sizeof(*g->to));
	for (size_t i = 0; i < facts->nrecipients; i++)
		if (is_of(&facts->recipients[i], policy))
			g->to[g->n++] = facts->recipients[i].to;
}

/*
 * Goes on from what the message's filters left.  A state that these
 * filters change nothing of is the message's, so that its recipients share
 * a delivery with others.
 */
static bool
run_policy(struct filtering *f, const char *policy,
    const struct strvec *names, const struct group *g,
    const struct filter_state **result, struct error *err)
{
	struct filter_state *s = mem_alloc(sizeof(*s));
	bool ok = true;

	filter_state_continue(s, &f->message);
	s->policy = policy;
	f->context.to = g->to;
	f->context.nto = g->n;
	for (size_t i = 0; ok && i < names->n; i++)
		ok = filter_eval(filter_set_find(&f->program->set,
		    names->v[i]), &f->context, s, err);
	/* Kept in any case: what matched and was to be logged is told. */
	f->policies = mem_resize(f->policies, f->npolicies + 1,
	    sizeof(*f->policies));
	f->policies[f->npolicies++] = s;
	*result = s->changed ? s : &f->message;
	return ok;
}

/*
 * All recipients whose filters left s become one: to whom the mail goes is
 * by the profile of that address's own policy.
 */
static void
replace_recipients(const struct facts_question *q, struct plan_facts *facts,
    const struct filter_state *s)
{
	size_t kept = 0;
	bool done = false;

	for (size_t i = 0; i < facts->nrecipients; i++) {
		struct recipient_facts *r = &facts->recipients[i];

		if (r->filters == s && done)
			continue;
		if (r->filters == s) {
			facts_set_recipient(q, r, s->alternative);
			done = true;
		}
		facts->recipients[kept++] = *r;
	}
	facts->nrecipients = kept;
	facts->moved = true;
}

static bool
is_final(const struct filter_state *s)
{
	return s->end != FILTER_GOES_ON && s->end != FILTER_SKIPPED;
}

/* The policy of recipient i, for all that it holds for. */
static bool
apply_policy(struct filtering *f, const struct facts_question *q,
    struct plan_facts *facts, size_t i, struct error *err)
{
	const char *policy = facts->recipients[i].policy;
	const struct filter_state *s = &f->message;
	const struct mail_policy_settings *settings = policy == NULL ? NULL :
	    settings_find(q->settings, "mail-policy", policy);
	struct group g = {NULL, 0};
	bool ok = true;

	gather(&g, facts, policy);
	if (settings != NULL && settings->filters.n > 0 &&
	    !is_final(&f->message))
		ok = run_policy(f, policy, &settings->filters, &g, &s, err);
	f->context.to = f->to;
	f->context.nto = f->nto;
	free(g.to);
	for (size_t n = i; n < facts->nrecipients; n++)
		if (is_of(&facts->recipients[n], policy))
			facts->recipients[n].filters = s;
	if (ok && s != &f->message && s->alternative != NULL)
		replace_recipients(q, facts, s);
	return ok;
}

/* ---- what it comes to ---- */

static char *
reason(const struct filter_state *s)
{
	if (s->reply != NULL && s->reply[0] != '\0')
		return mem_strdup(s->reply);
	return mem_printf("%s by filter %s", s->end == FILTER_DROPPED ?
	    "dropped" : "refused", s->ended_by);
}

static void
settle(const struct settings *settings, struct recipient_facts *r)
{
	const struct filter_state *s = r->filters;

	if (s->end == FILTER_DROPPED || s->end == FILTER_BOUNCED) {
		r->disposition = s->end == FILTER_DROPPED ? DISPOSITION_DROP :
							    DISPOSITION_BOUNCE;
		r->reason = reason(s);
		return;
	}
	if (s->quarantine != NULL)
		r->disposition = DISPOSITION_HOLD;
	if (s->profile != NULL)
		r->profile = s->profile;
	else if (s->end == FILTER_DELIVERED)
		r->profile = NULL;
	r->settings = r->profile == NULL ? NULL :
	    settings_find(settings, "sending-profile", r->profile);
}

/*
 * A copy (bcc) is mail to somebody more: by what the profile of that
 * address's own policy says, and whatever becomes of the message.
 */
static void
add_copies(const struct facts_question *q, const struct filter_state *s,
    struct plan_facts *facts)
{
	const struct filter_mail *copy = s->bcc;

	for (size_t i = 0; copy != NULL && i < copy->nto; i++) {
		struct recipient_facts *r = facts_add_recipient(q, facts,
		    &copy->to[i]);

		r->filters = s;
		r->copy = copy;
		r->settings = r->profile == NULL ? NULL : settings_find(
		    q->settings, "sending-profile", r->profile);
	}
}

bool
filtering_run_policies(struct filtering *f, const struct facts_question *q,
    struct plan_facts *facts, struct error *err)
{
	const struct filter_state *s;

	facts->moved = f->message.alternative != NULL;
	for (size_t i = 0; i < facts->nrecipients; i++)
		if (facts->recipients[i].filters == NULL &&
		    !apply_policy(f, q, facts, i, err))
			return false;
	for (size_t i = 0; i < facts->nrecipients; i++)
		settle(q->settings, &facts->recipients[i]);
	for (size_t i = 0; (s = filtering_state(f, i)) != NULL; i++)
		add_copies(q, s, facts);
	return true;
}
