/* SPDX-License-Identifier: BSD-2-Clause */
#include "report.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/mem.h"
#include "facts.h"

void
report_forget_copies(struct report *r)
{
	for (size_t i = 0; i < r->ncopies; i++) {
		outcome_clear(&r->copies[i].outcome);
		free(r->copies[i].certificate);
	}
	for (size_t i = 0; i < r->nnotices; i++)
		message_free(&r->notices[i].m);
	free(r->copies);
	free(r->notices);
	r->copies = NULL;
	r->notices = NULL;
	r->ncopies = r->nnotices = 0;
	r->split = false;
}

void
report_clear(struct report *r)
{
	verdict_clear(&r->verdict);
	protected_headers_clear(&r->protected_headers);
	report_forget_copies(r);
	plan_clear(&r->plan);
	facts_clear(&r->facts);
	outcome_clear(&r->outcome);
	filtering_clear(&r->filtering);
	layers_clear(&r->layers);
}

/* ` key="text"`: a quote in the text, a stranger's perhaps, ends nothing. */
static void
put_quoted(struct buf *line, const char *key, const char *text)
{
	buf_printf(line, " %s=\"", key);
	for (; *text != '\0'; text++)
		buf_putc(line, *text == '"' ? '\'' : *text);
	buf_putc(line, '"');
}

static const char *
delivery_action(const struct delivery *d)
{
	if (d->disposition != DISPOSITION_PASS)
		return disposition_name(d->disposition);
	if (d->sign_outside)
		return "triple";
	if (d->encrypt)
		return d->sign ? "sign-encrypt" : "encrypt";
	return d->sign ? "sign" : NULL;
}

static const char *
action(const struct report *r)
{
	const char *name = NULL;

	if (r->outcome.kind == OUTCOME_REJECT)
		return "bounce";
	if (r->outcome.kind == OUTCOME_TEMPFAIL)
		return "defer";
	if (r->plan.n > 1)
		return r->ncopies > 0 ? "split" : "drop";
	if (r->plan.n == 1)
		name = delivery_action(&r->plan.deliveries[0]);
	if (name != NULL)
		return name;
	if (r->verdict.decrypted)
		return "decrypt";
	return r->verdict.signature != SIGNATURE_NONE ? "verify" : "pass";
}

static void
put_delivery(const struct report *r, const struct delivery *d,
    const struct copy *c, struct buf *line)
{
	if (d->sign || d->encrypt || !disposition_is_sent(d->disposition))
		buf_printf(line, " profile=%s",
		    d->profile == NULL ? "-" : d->profile);
	if (d->disposition == DISPOSITION_HOLD)
		buf_printf(line, " quarantine=%s by=%s",
		    d->filters->quarantine, d->filters->quarantined_by);
	if (d->copy != NULL)
		buf_printf(line, " copy_by=%s", d->copy->filter);
	if (c != NULL && c->certificate != NULL)
		buf_printf(line, " certificate=%s sign_mode=%s",
		    c->certificate, c->signed_as);
	if (d->encrypt)
		buf_printf(line, " keys=%d", sk_X509_num(d->certs));
	if (d->decrypt && r->verdict.decrypted)
		buf_puts(line, " decrypted=yes");
	if (d->remove_signature)
		buf_puts(line, " removed=signature");
}

static void
put_verdict(const struct report *r, struct buf *line)
{
	const struct verdict *v = &r->verdict;

	if (!v->gateway_message)
		return;
	if (!r->judged) {
		buf_puts(line, " signature=unchecked");
		return;
	}
	buf_printf(line, " signature=%s gateway_verified=%s",
	    verdict_signature_name(v->signature),
	    v->gateway_verified ? "yes" : "no");
	for (size_t i = 0; i < v->nsigners; i++)
		buf_printf(line, " signer=%s", v->signers[i].address == NULL ?
		    "unknown" : v->signers[i].address);
	if (v->reason[0] != '\0')
		put_quoted(line, "reason", v->reason);
}

/* Filters that did something, message filters first. */
static void
put_filters(const struct report *r, struct buf *line)
{
	const struct filter_state *s;
	const char *before = " filters=";

	for (size_t i = 0; (s = filtering_state(&r->filtering, i)) != NULL;
	    i++) {
		for (size_t n = 0; n < s->matched.n; n++) {
			buf_printf(line, "%s%s", before, s->matched.v[n]);
			before = ",";
		}
	}
	if (r->nnotices > 0)
		buf_printf(line, " notices=%zu", r->nnotices);
}

/* Only what is not as its sender sent it. */
static void
put_differences(const struct protected_headers *h, struct buf *line)
{
	for (size_t i = 0; i < h->differ.n; i++)
		buf_printf(line, "%s%s", i == 0 ?
		    " protected_headers_differ=" : ",", h->differ.v[i]);
}

static unsigned
forged_fields(const struct outcome *o)
{
	const struct edit *edits = o->header.edits;
	unsigned n = 0;

	for (size_t i = 0; i < o->header.nedits; i++)
		if (edits[i].kind == EDIT_DELETE && strcasecmp(edits[i].name,
		    "Authentication-Results") == 0)
			n++;
	return n;
}

void
report_log_line(const struct report *r, const struct message *m,
    struct buf *line)
{
	bool bare = m->sender_text[0] != '<';
	unsigned forged = forged_fields(&r->outcome);

	buf_printf(line, "from=%s%s%s action=%s direction=%s",
	    bare ? "<" : "", m->sender_text, bare ? ">" : "", action(r),
	    r->outgoing ? "outgoing" : "incoming");
	if (r->flow.group != NULL)
		buf_printf(line, " group=%s", r->flow.group);
	if (r->plan.n == 1)
		put_delivery(r, &r->plan.deliveries[0],
		    r->ncopies > 0 ? &r->copies[0] : NULL, line);
	put_verdict(r, line);
	put_filters(r, line);
	put_differences(&r->protected_headers, line);
	if (r->outcome.notify_nobody)
		buf_puts(line, " notifications=none");
	if (forged > 0)
		buf_printf(line, " forged_results_removed=%u", forged);
	if (r->outcome.kind == OUTCOME_REJECT ||
	    r->outcome.kind == OUTCOME_TEMPFAIL) {
		char *reply = mem_printf("%s %s %s", r->outcome.code,
		    r->outcome.status, r->outcome.text);

		put_quoted(line, "reply", reply);
		free(reply);
	} else if (r->plan.n == 1 && r->plan.deliveries[0].reason != NULL) {
		put_quoted(line, "reason", r->plan.deliveries[0].reason);
	}
	buf_printf(line, " recipients=%zu deliveries=%zu", m->nrecipients,
	    r->plan.n);
}

bool
report_log_delivery(const struct report *r, size_t i, struct buf *line)
{
	const struct delivery *d;
	const struct copy *c = NULL;

	if (i >= r->plan.n || r->plan.n < 2 ||
	    r->outcome.kind == OUTCOME_TEMPFAIL)
		return false;
	d = &r->plan.deliveries[i];
	for (size_t n = 0; n < r->ncopies; n++)
		if (r->copies[n].delivery == i)
			c = &r->copies[n];
	buf_printf(line, "delivery=%zu/%zu action=%s", i + 1, r->plan.n,
	    delivery_action(d) == NULL ? "pass" : delivery_action(d));
	put_delivery(r, d, c, line);
	if (d->reason != NULL)
		put_quoted(line, "reason", d->reason);
	buf_printf(line, " recipients=%zu to=%s", d->nrecipients,
	    r->facts.recipients[d->recipients[0]].to->text);
	return true;
}

const char *
report_log_entry(const struct report *r, size_t i)
{
	const struct filter_state *s;

	for (size_t n = 0; (s = filtering_state(&r->filtering, n)) != NULL;
	    n++) {
		if (i < s->log.n)
			return s->log.v[i];
		i -= s->log.n;
	}
	return NULL;
}
