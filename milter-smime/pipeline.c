/* SPDX-License-Identifier: BSD-2-Clause */
#include "pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "auth_results.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "compose.h"
#include "facts.h"
#include "notice.h"

#define RESULTS "Authentication-Results"
#define FORGED_MAX 2000

/* One message on its way through. */
struct run {
	const struct gateway *g;
	const struct message *m;
	const struct pipeline_options *options;
	struct report *r;
	struct mailaddr from;
	struct claimed_sender claimed;
	struct error entity_error; /* set: the entity could not be made */
};

/* Why there is no entity to work on; NULL: there is one. */
static const char *
no_entity(const struct run *run)
{
	return run->entity_error.kind == ERROR_NONE ? NULL :
						      run->entity_error.text;
}

/* What is this message, and does it keep what it promises? */
static bool
examine(struct run *run, struct error *err)
{
	struct report *r = run->r;
	struct payload payload;
	struct entity e;
	bool ok;

	r->judged = run->options->always_judge ||
	    r->flow.settings->smime_decrypt_verify;
	entity_init(&e);
	if (!entity_from_message(run->m, &e, &run->entity_error))
		entity_clear(&e);
	ok = layers_take_apart(&r->layers, run->g, &e, &run->claimed,
	    r->judged, &r->verdict, err);
	entity_clear(&e);
	layers_payload(&r->layers, &r->verdict, &payload);
	protected_headers_find(&payload, run->m, &r->protected_headers);
	return ok;
}

/* What the message is once we are through with opening it. */
static void
describe(const struct run *run, struct plan_facts *f)
{
	struct report *r = run->r;
	size_t inside = 0;

	f->verify = r->flow.settings->smime_decrypt_verify;
	if (f->verify && r->verdict.decrypted)
		inside = (size_t)r->layers.last_opened + 1;
	f->is_signed = layers_have_signature(&r->layers, inside);
	f->is_encrypted = layers_have_envelope(&r->layers, inside);
	f->verified = r->verdict.signature == SIGNATURE_PASS;
	f->decrypted = r->verdict.decrypted;
	f->remove_signature =
	    r->flow.settings->smime_signature == SIGNATURE_REMOVE;
}

/* Nothing of the message's making may pass for a result of ours. */
static bool
is_forged(const void *context, const char *value)
{
	return auth_results_is_forged(context, value);
}

/*
 * The header as filters see it and edit it: our results and nobody else's
 * under our name, and where content comes out of its layers, what was said
 * inside ("[...]" is nobody's subject).
 */
static bool
prepare_header(const struct run *run, struct fields *header,
    struct error *err)
{
	const char *id = postseal_authserv_id(run->g->common);
	struct report *r = run->r;
	struct buf value;

	r->restored = plan_unwraps(&r->facts) && protected_headers_restore(
	    &r->protected_headers, header);
	/* Postfix needs longer for each; no honest mail has so many. */
	if (fields_delete_named(header, RESULTS, is_forged, id) > FORGED_MAX)
		return error_perm(err, "more than %d forged %s fields",
		    FORGED_MAX, RESULTS);
	if (!r->facts.verify || r->verdict.signature == SIGNATURE_NONE)
		return true;
	buf_init(&value, 8192);
	auth_results_format(id, &r->verdict, &value);
	fields_prepend(header, RESULTS, buf_text(&value));
	buf_clear(&value);
	return true;
}

/* What filters are told of the message. */
static void
fill_context(const struct run *run, struct filter_context *c)
{
	const struct report *r = run->r;

	c->flow = &r->flow;
	c->verdict = &r->verdict;
	c->is_signed = layers_have_signature(&r->layers, 0);
	c->is_encrypted = r->facts.is_encrypted;
	c->content = &r->layers.innermost;
	c->no_content = no_entity(run);
	if (c->no_content == NULL && r->layers.n == LAYERS_MAX)
		c->no_content = "too many S/MIME layers";
	c->decrypted = r->facts.verify && r->facts.decrypted;
	c->place = &run->g->place;
	c->hostname = run->g->common->hostname;
}

/* Names and rules of filters are for our log; false, as the failure was. */
static bool
hide_filters(const struct run *run, struct error *err)
{
	if (err->kind != ERROR_PERM)
		return false;
	log_warning("%s: %s", run->m->queue_id, err->text);
	return error_perm(err, "this server's filters cannot judge the "
	    "message");
}

static bool
find_facts(struct run *run, struct error *err)
{
	struct certs_rules rules = {
		.ca = run->g->ca,
		.store = run->g->known,
		.rsa_minimum = run->g->own->rsa_minimum,
		.check_revocation = run->g->crl->smime,
		.at = clock_now(),
	};
	struct report *r = run->r;
	struct filtering *f = &r->filtering;
	struct facts_question q = {
		.settings = run->g->settings,
		.m = run->m,
		.from = run->claimed.address,
		.outgoing = r->outgoing,
	};
	bool ok;

	describe(run, &r->facts);
	fill_context(run, &f->context);
	facts_question_open(&q);
	ok = facts_check_recipients(&q, f->program->protects ||
	    f->program->asks_recipients, err) &&
	    prepare_header(run, &f->message.header, err) &&
	    (filtering_run_message(f, err) || hide_filters(run, err));
	for (size_t i = 0; ok && i < f->nto; i++)
		facts_add_recipient(&q, &r->facts, f->to[i]);
	ok = ok && (filtering_run_policies(f, &q, &r->facts, err) ||
	    hide_filters(run, err)) &&
	    facts_find_keys(&rules, &r->facts, err);
	facts_question_close(&q);
	return ok;
}

/* The sender knows nothing of a copy that a filter asks for. */
static void
refuse_delivery(struct delivery *d, const char *reason)
{
	d->disposition = d->copy == NULL ? DISPOSITION_BOUNCE :
					   DISPOSITION_DROP;
	free(d->reason);
	d->reason = mem_strdup(reason);
}

/*
 * Composes a delivery; one that cannot be made as its profile says bounces
 * (S6), the others go on.
 */
static bool
compose_or_refuse(const struct composer *c, struct delivery *d,
    struct copy *copy, struct error *err)
{
	if (compose(c, d, copy, err))
		return true;
	outcome_clear(&copy->outcome);
	if (err->kind == ERROR_TEMP)
		return false;
	refuse_delivery(d, err->text);
	return compose(c, d, copy, err);
}

/* Makes every copy before anything is sent. */
static bool
compose_all(struct run *run, struct error *err)
{
	struct report *r = run->r;
	struct composer c = {
		.gateway = run->g,
		.m = run->m,
		.r = r,
		.from = &run->claimed,
		.no_entity = no_entity(run),
	};

	r->copies = mem_array(r->plan.n, sizeof(*r->copies));
	for (size_t i = 0; i < r->plan.n; i++) {
		struct delivery *d = &r->plan.deliveries[i];
		struct copy *copy = &r->copies[r->ncopies];

		if (d->disposition == DISPOSITION_DROP)
			continue;
		copy->delivery = i;
		r->ncopies++;
		if (!compose_or_refuse(&c, d, copy, err))
			return false;
		if (d->disposition == DISPOSITION_DROP) {
			outcome_clear(&copy->outcome);
			free(copy->certificate);
			memset(copy, 0, sizeof(*copy));
			r->ncopies--;
		}
	}
	return true;
}

/* What filters want somebody to be told. */
static bool
make_notices(struct run *run, struct error *err)
{
	const struct alerts_settings *alerts = settings_get(run->g->settings,
	    "alerts");
	const struct notice_names names = {
		.hostname = run->g->common->hostname,
		.from = alerts->from,
	};
	struct report *r = run->r;
	const struct filter_state *s;

	r->notices = mem_array(r->filtering.npolicies + 1,
	    sizeof(*r->notices));
	for (size_t i = 0; (s = filtering_state(&r->filtering, i)) != NULL;
	    i++) {
		struct notice *n = &r->notices[r->nnotices];

		if (s->notify == NULL)
			continue;
		n->mail = s->notify;
		n->policy = s->policy;
		n->m = notice_make(s->notify, run->m, &names, &run->g->place,
		    err);
		if (n->m == NULL)
			return false;
		r->nnotices++;
	}
	return true;
}

static bool
all_end_as(const struct plan *plan, enum disposition disposition)
{
	for (size_t i = 0; i < plan->n; i++)
		if (plan->deliveries[i].disposition != disposition)
			return false;
	return plan->n > 0;
}

/*
 * One delivery to the envelope's recipients is carried out in place.  Of
 * several, all are copies and the message itself is discarded: one path
 * for copies.
 */
static void
settle(struct report *r)
{
	bool in_place = r->plan.n == 1 && !r->facts.moved &&
	    r->plan.deliveries[0].copy == NULL;

	if (all_end_as(&r->plan, DISPOSITION_BOUNCE)) {
		outcome_reject(&r->outcome, "5.7.1", "%s",
		    r->plan.deliveries[0].reason);
	} else if (in_place && r->ncopies == 1) {
		r->outcome = r->copies[0].outcome;
		memset(&r->copies[0].outcome, 0, sizeof(r->outcome));
	} else if (r->plan.n > 0) {
		r->outcome.kind = OUTCOME_DISCARD;
		r->split = r->ncopies > 0;
	}
}

static bool
decide(struct run *run, struct error *err)
{
	struct report *r = run->r;
	size_t max = (size_t)run->g->own->deliveries_max;

	if (!find_facts(run, err))
		return false;
	if (!plan_make(&r->facts, max, &r->plan))
		return error_perm(err, "the recipients need more than %zu "
		    "separate copies (deliveries_max); send to fewer at a "
		    "time", max);
	if (!compose_all(run, err) || !make_notices(run, err))
		return false;
	settle(r);
	return true;
}

/* Strangers are not told about our disks and files. */
static void
answer(struct run *run, const struct error *err)
{
	struct report *r = run->r;

	report_forget_copies(r);
	if (err->kind == ERROR_TEMP) {
		log_error("%s: %s", run->m->queue_id, err->text);
		outcome_tempfail(&r->outcome, "4.3.0",
		    "temporary local problem; try again later");
		return;
	}
	for (size_t i = 0; i < r->plan.n; i++)
		refuse_delivery(&r->plan.deliveries[i], err->text);
	outcome_reject(&r->outcome, "5.7.1", "%s", err->text);
}

void
pipeline_run(const struct gateway *g, const struct message *m,
    const struct pipeline_options *options, struct report *r)
{
	struct run run = {.g = g, .m = m, .options = options, .r = r};
	struct client client = message_client(m);
	struct error err = {0}, from_error = {0};

	memset(r, 0, sizeof(*r));
	layers_init(&r->layers);
	filtering_begin(&r->filtering, g->filters, m);
	flow_policy_find(g->settings, &client, &r->flow);
	r->outgoing = options->direction == DIRECTION_BY_CLIENT ?
	    r->flow.outgoing : options->direction == FORCE_OUTGOING;
	if (message_from(m, &run.from, &from_error))
		run.claimed.address = &run.from;
	run.claimed.problem = from_error.text;
	if (!examine(&run, &err) || !decide(&run, &err))
		answer(&run, &err);
	mailaddr_clear(&run.from);
}
