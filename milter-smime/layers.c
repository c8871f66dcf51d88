/* SPDX-License-Identifier: BSD-2-Clause */
#include "layers.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "smime_decrypt.h"

void
layers_init(struct layers *l)
{
	memset(l, 0, sizeof(*l));
	l->last_opened = -1;
	entity_init(&l->innermost);
}

void
layers_clear(struct layers *l)
{
	for (size_t i = 0; i < l->n; i++) {
		entity_clear(&l->v[i].entity);
		smime_kind_clear(&l->v[i].kind);
		verdict_clear(&l->v[i].verdict);
		signed_content_clear(&l->v[i].content);
		spool_free(&l->v[i].plain);
	}
	entity_clear(&l->innermost);
	layers_init(l);
}

static bool
verify(struct layer *l, const struct gateway *g,
    const struct claimed_sender *from, struct error *err)
{
	struct verify_rules rules = {
		.ca = g->ca,
		.known = g->known,
		.trust = (enum trust_rule)g->own->trust,
		.rsa_minimum = g->own->rsa_minimum,
		.check_revocation = g->crl->smime,
		.missing_crl_rejects =
		    g->crl->missing_crl == MISSING_CRL_REJECT,
		.at = clock_now(),
	};

	return smime_verify(&rules, &l->entity, &l->kind, from->address,
	    from->problem, &g->place, &l->verdict, &l->content, err);
}

/*
 * With a wrong key, one padding in 256 is right by chance; what comes out
 * then does not start like text, as header fields do.
 */
static bool
is_plausible(const char *p, size_t n)
{
	for (size_t i = 0; i < n && i < 256; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c == '\n' && (i == 0 || p[i - 1] == '\n' ||
		    (p[i - 1] == '\r' && (i == 1 || p[i - 2] == '\n'))))
			return true; /* the blank line: any bytes follow */
		if (c != '\t' && c != '\r' && c != '\n' &&
		    (c < ' ' || c == 0x7f))
			return false;
	}
	return true;
}

/* Opens one layer; next is what it carries, unless it stays closed. */
static bool
open_layer(struct layer *l, const struct gateway *g,
    const struct claimed_sender *from, struct entity *next, bool *opened,
    struct error *err)
{
	struct error ignored;

	if (smime_kind_is_encrypted(&l->kind)) {
		if (!smime_decrypt(g->keyring, &l->kind, &g->place,
		    &l->plain, err))
			return false;
		*opened = l->plain != NULL &&
		    is_plausible(spool_data(l->plain), spool_len(l->plain)) &&
		    entity_from_bytes(spool_data(l->plain),
		    spool_len(l->plain), next, &ignored);
		if (!*opened) /* like what no key opened (no oracle) */
			spool_free(&l->plain);
		return true;
	}
	if (!verify(l, g, from, err))
		return false;
	*opened = l->content.data != NULL && entity_from_bytes(
	    l->content.data, l->content.len, next, &ignored);
	return true;
}

/*
 * What a signature is around, unjudged: is it encrypted already?  What came
 * encrypted stays closed.
 */
static bool
look_inside(struct layer *l, const struct gateway *g, struct entity *next,
    bool *opened, struct error *err)
{
	struct error ignored;

	if (!smime_kind_is_signed(&l->kind))
		return true;
	if (!smime_signed_content(&l->entity, &l->kind, &g->place,
	    &l->content, err))
		return false;
	*opened = entity_from_bytes(l->content.data, l->content.len, next,
	    &ignored);
	return true;
}

/*
 * What is innermost by now.  A signature in parts that no mail server has
 * seen is judged as it would be delivered: some encrypt with LF for line
 * ends what they have signed with CRLF (RFC 8551 3.1.1).
 */
static bool
find_kind(struct layers *l, const struct gateway *g, struct smime_kind *k,
    struct error *err)
{
	if (!smime_kind_find(&l->innermost, &g->place, k, err))
		return false;
	if (l->n == 0 || k->form != SMIME_MULTIPART_SIGNED)
		return true;
	smime_kind_clear(k);
	return entity_clean(&l->innermost, &g->place, err) &&
	    smime_kind_find(&l->innermost, &g->place, k, err);
}

/* One more layer, when what is innermost by now is one. */
static bool
peel(struct layers *l, const struct gateway *g,
    const struct claimed_sender *from, bool judge, bool *opened,
    struct error *err)
{
	struct layer *layer = &l->v[l->n];
	struct entity next;
	bool ok;

	*opened = false;
	if (!find_kind(l, g, &layer->kind, err))
		return false;
	if (!smime_kind_is_gateway(&layer->kind)) {
		smime_kind_clear(&layer->kind);
		return true;
	}
	layer->entity = l->innermost;
	l->n++;
	entity_init(&next);
	ok = judge ? open_layer(layer, g, from, &next, opened, err) :
	    look_inside(layer, g, &next, opened, err);
	if (!ok) {
		entity_init(&l->innermost);
		entity_clear(&next);
		return false;
	}
	layer->opened = *opened;
	if (*opened)
		l->innermost = next;
	else /* what stays closed is innermost itself */
		entity_borrow(&l->innermost, &layer->entity);
	if (*opened && layer->plain != NULL)
		l->last_opened = (int)l->n - 1;
	return true;
}

/* Does all hold, but for the signer being somebody else? */
static bool
is_of_another(const struct verdict *v)
{
	return v->digest == CHECK_GOOD && v->chain == CHECK_GOOD &&
	    v->revocation != CHECK_BAD && v->signature == SIGNATURE_FAIL &&
	    v->identity == CHECK_BAD;
}

/*
 * All signatures must hold, one must be the sender's: but who signs what is
 * sealed, having signed nothing inside, may never have seen it.
 */
static void
add_signature(struct verdict *sum, struct layer *layer, bool sealed)
{
	struct verdict *v = &layer->verdict;

	if (v->signature == SIGNATURE_NONE)
		return;
	if (sum->signature == SIGNATURE_NONE ||
	    (!sealed && is_of_another(sum) && !is_of_another(v))) {
		verdict_clear(sum);
		*sum = *v;
		memset(v, 0, sizeof(*v));
	} else if (sum->signature == SIGNATURE_PASS &&
	    v->signature != SIGNATURE_PASS && !is_of_another(v)) {
		sum->signature = v->signature;
		snprintf(sum->reason, sizeof(sum->reason),
		    "outer signature: %.230s", v->reason);
	}
}

static void
sum_up(struct layers *l, bool judge, struct verdict *v)
{
	bool closed = false, sealed = false;

	for (size_t i = l->n; i-- > 0;) {
		struct layer *layer = &l->v[i];

		add_signature(v, layer, sealed);
		sealed |= smime_kind_is_encrypted(&layer->kind) &&
		    v->signature != SIGNATURE_NONE;
		closed |= smime_kind_is_encrypted(&layer->kind) &&
		    layer->plain == NULL;
	}
	v->gateway_message = l->n > 0;
	v->decrypted = l->last_opened >= 0;
	v->gateway_verified = v->signature == SIGNATURE_PASS ||
	    (v->signature == SIGNATURE_NONE && v->decrypted);
	/* One text for every way to fail (no oracle). */
	if (judge && closed && v->reason[0] == '\0')
		snprintf(v->reason, sizeof(v->reason),
		    "cannot be decrypted with our keys");
	if (closed && !v->decrypted)
		v->gateway_verified = false;
}

bool
layers_take_apart(struct layers *l, const struct gateway *g,
    struct entity *message, const struct claimed_sender *from, bool judge,
    struct verdict *v, struct error *err)
{
	bool opened = true;

	l->innermost = *message;
	entity_init(message);
	while (opened && l->n < LAYERS_MAX)
		if (!peel(l, g, from, judge, &opened, err))
			return false;
	sum_up(l, judge, v);
	return true;
}

const struct entity *
layers_outermost(const struct layers *l)
{
	return l->n > 0 ? &l->v[0].entity : &l->innermost;
}

void
layers_payload(const struct layers *l, const struct verdict *v,
    struct payload *p)
{
	const struct layer *last;

	memset(p, 0, sizeof(*p));
	/* What is inside so many layers was not looked at. */
	if (l->n == 0 || l->n == LAYERS_MAX || !l->v[l->n - 1].opened)
		return;
	last = &l->v[l->n - 1];
	p->data = last->plain != NULL ? spool_data(last->plain) :
	    last->content.data;
	p->len = last->plain != NULL ? spool_len(last->plain) :
	    last->content.len;
	p->decrypted = l->last_opened >= 0;
	p->verified = v->signature == SIGNATURE_PASS &&
	    layers_have_signature(l, (size_t)(l->last_opened + 1));
}

bool
layers_have_signature(const struct layers *l, size_t from)
{
	for (size_t i = from; i < l->n; i++)
		if (smime_kind_is_signed(&l->v[i].kind))
			return true;
	return false;
}

bool
layers_have_envelope(const struct layers *l, size_t from)
{
	for (size_t i = from; i < l->n; i++)
		if (smime_kind_is_sealed(&l->v[i].kind))
			return true;
	return false;
}
