/* SPDX-License-Identifier: BSD-2-Clause */
#include "pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "auth_results.h"
#include "common/ca_list.h"
#include "common/cert_db.h"
#include "common/clock.h"
#include "common/mem.h"
#include "entity.h"
#include "facts.h"
#include "keyring.h"
#include "smime_kind.h"
#include "smime_settings.h"
#include "smime_sign.h"
#include "smime_verify.h"

#define RESULTS "Authentication-Results"

struct pipeline {
	const struct settings *settings;
	const struct postseal_settings *common;
	const struct milter_smime_settings *own;
	struct keyring *keyring;
	struct ca_list *ca;
	struct cert_db *known;
	struct spool_place place;
	char *spool_directory;
};

/* One message on its way through. */
struct run {
	struct pipeline *p;
	const struct message *m;
	const struct pipeline_options *options;
	struct report *r;
	struct mailaddr from;
	struct error from_error; /* set: there is no single From address */
	struct entity entity;	 /* the message as it is by now */
	struct error entity_error; /* set: it could not be made */
	bool changed;
	struct smime_kind kind;
	struct signed_content content;
};

struct pipeline *
pipeline_open(const struct settings *s, const char *extra_trust,
    struct error *err)
{
	struct pipeline *p = mem_alloc(sizeof(*p));

	p->settings = s;
	p->common = settings_get(s, "postseal");
	p->own = settings_get(s, "milter-smime");
	p->spool_directory = smime_spool_directory(s);
	p->place.directory = p->spool_directory;
	p->place.spill_at = (size_t)p->own->spill_at;
	p->keyring = keyring_open(s, err);
	if (p->keyring != NULL)
		p->ca = ca_list_open(s, extra_trust, true, err);
	if (p->ca != NULL)
		p->known = cert_db_open(smime_key_store_path(p->own), false,
		    err);
	if (p->known == NULL)
		pipeline_close(&p);
	return p;
}

void
pipeline_close(struct pipeline **pp)
{
	struct pipeline *p = *pp;

	if (p == NULL)
		return;
	cert_db_close(&p->known);
	ca_list_close(&p->ca);
	keyring_close(&p->keyring);
	free(p->spool_directory);
	free(p);
	*pp = NULL;
}

/* Promised by shared sections, but the work of a later version. */
static bool
check_flow_policies(const struct settings *s, struct error *err)
{
	for (size_t i = 0; i < settings_count(s, "mail-flow-policy"); i++) {
		const char *name;
		const struct mail_flow_policy_settings *v = settings_at(s,
		    "mail-flow-policy", i, &name);

		if (v->smime_harvest)
			return settings_error(s, "mail-flow-policy", name,
			    "smime_harvest", err,
			    "is not available in this version");
	}
	return true;
}

bool
pipeline_check(struct pipeline *p, struct error *err)
{
	struct spool *probe;
	struct spool_place on_disk = {p->spool_directory, 0};
	bool ok;

	if (!check_flow_policies(p->settings, err) ||
	    !keyring_check(p->keyring, p->settings, err))
		return false;
	probe = spool_new(&on_disk);
	ok = spool_write(probe, "x", 1, err) && spool_finish(probe, err);
	spool_free(&probe);
	return ok;
}

const struct spool_place *
pipeline_place(const struct pipeline *p)
{
	return &p->place;
}

/* ---- incoming: what is this message? ---- */

/* Nothing of the message's making may pass for a result of ours. */
static bool
is_forged(const void *context, const char *value)
{
	return auth_results_is_forged(context, value);
}

static void
remove_forged(struct run *run)
{
	struct outcome *o = &run->r->outcome;
	size_t before = o->nedits;

	outcome_delete_fields(o, run->m, RESULTS, is_forged,
	    postseal_authserv_id(run->p->common));
	run->r->forged = (unsigned)(o->nedits - before);
}

static bool
verify(struct run *run, struct error *err)
{
	const struct crl_check_settings *crl = settings_get(run->p->settings,
	    "crl-check");
	struct verify_rules rules = {
		.ca = run->p->ca,
		.known = run->p->known,
		.trust = (enum trust_rule)run->p->own->trust,
		.rsa_minimum = run->p->own->rsa_minimum,
		.check_revocation = crl->smime,
		.missing_crl_rejects = crl->missing_crl == MISSING_CRL_REJECT,
		.at = clock_now(),
	};
	bool has_from = run->from_error.kind == ERROR_NONE;

	return smime_verify(&rules, &run->entity, &run->kind,
	    has_from ? &run->from : NULL, run->from_error.text,
	    &run->p->place, &run->r->verdict, &run->content, err);
}

/* Recognises S/MIME and, when the mail flow policy says so, judges it. */
static bool
examine(struct run *run, struct error *err)
{
	struct verdict *v = &run->r->verdict;

	if (!smime_kind_find(&run->entity, &run->p->place, &run->kind, err))
		return false;
	v->gateway_message = smime_kind_is_gateway(&run->kind);
	if (!v->gateway_message || (!run->options->always_judge &&
	    !run->r->flow.settings->smime_decrypt_verify))
		return true;
	if (smime_kind_is_encrypted(&run->kind)) {
		snprintf(v->reason, sizeof(v->reason),
		    "encrypted; decryption is not available in this version");
		return true;
	}
	return verify(run, err);
}

/* ---- outgoing: who may sign? ---- */

/* Is the authenticated client the owner of the From address (S7)? */
static bool
is_owner(const struct run *run)
{
	const char *login = run->m->authenticated;
	const char *domain = run->p->own->login_domain;
	struct mailaddr owner = {0};
	struct error ignored;
	char *text = NULL;
	bool same;

	if (login == NULL)
		return false;
	if (strchr(login, '@') == NULL && domain != NULL)
		text = mem_printf("%s@%s", login, domain);
	if (text != NULL)
		login = text;
	same = mailaddr_parse(login, strlen(login), &owner, &ignored) &&
	    owner.domain[0] != '\0' && mailaddr_equal(&owner, &run->from);
	mailaddr_clear(&owner);
	free(text);
	return same;
}

static bool
may_sign(const struct run *run, struct error *err)
{
	if (run->from_error.kind != ERROR_NONE)
		return error_perm(err, "%s", run->from_error.text);
	if (run->r->flow.trusted || is_owner(run))
		return true;
	if (run->m->authenticated == NULL)
		return error_perm(err, "the client is neither authenticated "
		    "nor in a trusted sender group");
	return error_perm(err, "login %.100s does not own the From address "
	    "and its sender group is not trusted", run->m->authenticated);
}

static bool
sign(struct run *run, const struct delivery *d, struct error *err)
{
	struct report *r = run->r;
	struct signer signer = {0};
	enum sign_mode used;
	bool ok;

	if (run->entity_error.kind != ERROR_NONE)
		return error_perm(err, "%s", run->entity_error.text);
	if (!may_sign(run, err) || !keyring_find_signer(run->p->keyring,
	    d->settings, &run->from, clock_now(), &signer, err))
		return false;
	ok = smime_sign(&run->entity, &signer,
	    (enum sign_mode)d->settings->sign_mode,
	    (enum digest)d->settings->digest, &run->p->place, &used, err);
	if (ok) {
		r->certificate = mem_strdup(signer.entry->name);
		r->signed_as = used == SIGN_OPAQUE ? "opaque" : "detached";
		run->changed = true;
	}
	keyring_put(run->p->keyring, &signer);
	return ok;
}

/* ---- steps of a delivery ---- */

static void
note_verdict(struct run *run)
{
	struct buf value;

	if (run->r->verdict.signature == SIGNATURE_NONE)
		return;
	buf_init(&value, 8192);
	auth_results_format(postseal_authserv_id(run->p->common),
	    &run->r->verdict, &value);
	outcome_prepend(&run->r->outcome, RESULTS, buf_text(&value));
	buf_clear(&value);
}

/*
 * What was signed becomes the message.  Opaque content has not been
 * through a mail server: it is brought into a form that may travel.
 */
static bool
remove_signature(struct run *run, struct error *err)
{
	struct entity inner;
	bool left;

	entity_init(&inner);
	if (!entity_from_bytes(run->content.data, run->content.len, &inner,
	    err))
		goto fail;
	if (run->content.spool != NULL &&
	    (!entity_canonicalise(&inner, &run->p->place, &left, err) ||
	    !entity_clean(&inner, &run->p->place, err)))
		goto fail;
	entity_clear(&run->entity);
	run->entity = inner;
	run->changed = true;
	run->r->removed_signature = true;
	return true;
fail:
	entity_clear(&inner);
	return false;
}

static bool
carry_out(struct run *run, const struct delivery *d, struct error *err)
{
	if (d->verify)
		note_verdict(run);
	/* What cannot be unwrapped is delivered as it came (S14). */
	if (d->remove_signature && !remove_signature(run, err) &&
	    err->kind == ERROR_TEMP)
		return false;
	if (d->sign && !sign(run, d, err))
		return error_prefix(err, "S/MIME signing (profile %s)",
		    d->profile);
	if (run->changed)
		outcome_set_entity(&run->r->outcome, run->m, &run->entity);
	return true;
}

/* One delivery is carried out in place; several cannot be, here. */
static bool
decide(struct run *run, struct error *err)
{
	struct plan_facts *f = &run->r->facts;
	struct plan *plan = &run->r->plan;

	facts_find(run->p->settings, run->m,
	    run->from_error.kind == ERROR_NONE ? &run->from : NULL,
	    run->r->outgoing, f);
	f->is_signed = smime_kind_is_signed(&run->kind);
	f->is_encrypted = smime_kind_is_encrypted(&run->kind);
	f->verify = run->r->flow.settings->smime_decrypt_verify;
	f->verified = run->r->verdict.signature == SIGNATURE_PASS;
	f->remove_signature = run->r->flow.settings->smime_signature ==
	    SIGNATURE_REMOVE;
	plan_make(f, plan);
	if (plan->n > 1)
		return error_perm(err, "the recipients need %zu different "
		    "S/MIME treatments; send to them separately", plan->n);
	return plan->n == 0 || carry_out(run, &plan->deliveries[0], err);
}

static void
answer(struct run *run, const struct error *err)
{
	for (size_t i = 0; i < run->r->plan.n; i++)
		run->r->plan.deliveries[i].disposition = DISPOSITION_BOUNCE;
	if (err->kind == ERROR_TEMP)
		outcome_tempfail(&run->r->outcome, "4.3.0", "%s", err->text);
	else
		outcome_reject(&run->r->outcome, "5.7.1", "%s", err->text);
}

void
pipeline_run(struct pipeline *p, const struct message *m,
    const struct pipeline_options *options, struct report *r)
{
	struct run run = {.p = p, .m = m, .options = options, .r = r};
	struct client client = message_client(m);
	struct error err = {0};

	memset(r, 0, sizeof(*r));
	entity_init(&run.entity);
	flow_policy_find(p->settings, &client, &r->flow);
	r->outgoing = options->direction == DIRECTION_BY_CLIENT ?
	    r->flow.outgoing : options->direction == FORCE_OUTGOING;
	if (!message_from(m, &run.from, &run.from_error))
		memset(&run.from, 0, sizeof(run.from));
	remove_forged(&run);
	if (!entity_from_message(m, &run.entity, &run.entity_error))
		entity_clear(&run.entity);
	if (!examine(&run, &err) || !decide(&run, &err))
		answer(&run, &err);
	entity_clear(&run.entity);
	smime_kind_clear(&run.kind);
	mailaddr_clear(&run.from);
	/* The outcome's body may lie in what was signed. */
	if (run.content.spool != NULL)
		pieces_own_spool(&r->outcome.body, &run.content.spool);
	signed_content_clear(&run.content);
}

void
report_clear(struct report *r)
{
	verdict_clear(&r->verdict);
	plan_clear(&r->plan);
	facts_clear(&r->facts);
	outcome_clear(&r->outcome);
	free(r->certificate);
	memset(r, 0, sizeof(*r));
}

static const char *
action_name(const struct report *r)
{
	if (r->outcome.kind == OUTCOME_REJECT)
		return "bounce";
	if (r->outcome.kind == OUTCOME_TEMPFAIL)
		return "defer";
	if (r->certificate != NULL)
		return "sign";
	if (r->verdict.signature != SIGNATURE_NONE)
		return "verify";
	return "pass";
}

void
report_log_line(const struct report *r, const struct message *m,
    struct buf *line)
{
	const struct verdict *v = &r->verdict;

	buf_printf(line, "from=%s action=%s direction=%s", m->sender_text,
	    action_name(r), r->outgoing ? "outgoing" : "incoming");
	if (r->flow.group != NULL)
		buf_printf(line, " group=%s", r->flow.group);
	if (r->plan.n == 1 && r->plan.deliveries[0].sign)
		buf_printf(line, " profile=%s", r->plan.deliveries[0].profile);
	if (r->certificate != NULL)
		buf_printf(line, " certificate=%s sign_mode=%s",
		    r->certificate, r->signed_as);
	if (v->gateway_message)
		buf_printf(line, " signature=%s gateway_verified=%s",
		    verdict_signature_name(v->signature),
		    v->gateway_verified ? "yes" : "no");
	for (size_t i = 0; i < v->nsigners; i++)
		buf_printf(line, " signer=%s", v->signers[i].address == NULL ?
		    "unknown" : v->signers[i].address);
	if (r->removed_signature)
		buf_puts(line, " removed=signature");
	if (r->forged > 0)
		buf_printf(line, " forged_results_removed=%u", r->forged);
	if (v->reason[0] != '\0')
		buf_printf(line, " reason=\"%s\"", v->reason);
	if (r->outcome.kind != OUTCOME_PASS)
		buf_printf(line, " reply=\"%s %s %s\"", r->outcome.code,
		    r->outcome.status, r->outcome.text);
	buf_printf(line, " recipients=%zu deliveries=%zu", m->nrecipients,
	    r->plan.n);
}
