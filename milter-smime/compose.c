/* SPDX-License-Identifier: BSD-2-Clause */
#include "compose.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "header_text.h"
#include "quarantine.h"
#include "smime_encrypt.h"
#include "smime_sign.h"

/* ---- who may sign? ---- */

/* Is the authenticated client the owner of the From address (S7)? */
static bool
is_owner(const struct composer *c)
{
	const char *login = c->m->authenticated;
	const char *domain = c->gateway->own->login_domain;
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
	    owner.domain[0] != '\0' && mailaddr_equal(&owner, c->from->address);
	mailaddr_clear(&owner);
	free(text);
	return same;
}

static bool
may_sign(const struct composer *c, struct error *err)
{
	if (c->from->address == NULL)
		return error_perm(err, "%s", c->from->problem);
	if (c->r->flow.trusted || is_owner(c))
		return true;
	if (c->m->authenticated == NULL)
		return error_perm(err, "the client is neither authenticated "
		    "nor in a trusted sender group");
	return error_perm(err, "login %.100s does not own the From address "
	    "and its sender group is not trusted", c->m->authenticated);
}

static bool
sign(const struct composer *c, const struct delivery *d, bool opaque,
    struct entity *e, struct copy *copy, struct error *err)
{
	struct signing how = {
		.mode = opaque ? SIGN_OPAQUE :
		    (enum sign_mode)d->settings->sign_mode,
		.digest = (enum digest)d->settings->digest,
		.rsa = (enum rsa_signature)d->settings->rsa_signature,
	};
	struct signer signer = {0};
	enum sign_mode used;
	bool ok;

	if (!may_sign(c, err) || !keyring_find_signer(c->gateway->keyring,
	    d->settings, c->from->address, clock_now(), &signer, err))
		return false;
	ok = smime_sign(e, &signer, &how, &c->gateway->place, &used, err);
	if (ok && copy->certificate == NULL) {
		copy->certificate = mem_strdup(signer.entry->name);
		copy->signed_as = used == SIGN_OPAQUE ? "opaque" :
							"detached";
	}
	keyring_put(c->gateway->keyring, &signer);
	return ok;
}

static bool
encrypt(const struct composer *c, const struct delivery *d, struct entity *e,
    struct error *err)
{
	struct encryption how = {
		.cipher = (enum cipher)d->settings->cipher,
		.key_transport =
		    (enum key_transport)d->settings->key_transport,
		.recipients = d->certs,
	};
	bool left;

	/* Unsigned content, too, is to arrive as it was (RFC 8551 3.1). */
	return (d->sign ||
	    entity_canonicalise(e, &c->gateway->place, &left, err)) &&
	    smime_encrypt(e, &how, &c->gateway->place, err);
}

/* ---- steps of a delivery ---- */

/* Is what the delivery starts from, once unwrapped, inside of no layer? */
static bool
is_bare(const struct composer *c, const struct delivery *d)
{
	const struct layers *l = &c->r->layers;

	return l->n == 0 || (l->v[l->n - 1].opened && (d->remove_signature ||
	    (d->decrypt && (size_t)l->last_opened + 1 == l->n)));
}

static void
set_subject(struct outcome *o, const char *text)
{
	struct buf value;

	buf_init(&value, 1 << 20);
	header_text_encode(text, strlen(text), strlen("Subject"), &value);
	fields_delete_named(&o->header, "Subject", NULL, NULL);
	fields_append(&o->header, "Subject", buf_text(&value));
	buf_clear(&value);
}

/*
 * What the message is after decryption and, where wanted, without its
 * signatures.  Content that came encrypted or opaque has not been through
 * a mail server: it is brought into a form that may travel.
 */
static bool
unwrap(const struct composer *c, const struct delivery *d, struct entity *e,
    bool *changed, struct error *err)
{
	const struct layers *l = &c->r->layers;
	const struct entity *from = &l->innermost;
	bool fresh = true, left;

	if (d->remove_signature) {
		fresh = l->last_opened >= 0 ||
		    l->v[l->n - 1].content.spool != NULL;
	} else if (d->decrypt && (size_t)l->last_opened + 1 < l->n) {
		/* Still signed inside: that signature stays. */
		from = &l->v[l->last_opened + 1].entity;
	} else if (!d->decrypt) {
		return true;
	}
	*changed = true;
	entity_clear(e);
	entity_borrow(e, from);
	if (!fresh)
		return true;
	if (from == &l->innermost &&
	    !entity_canonicalise(e, &c->gateway->place, &left, err))
		return false;
	return entity_clean(e, &c->gateway->place, err);
}

/* The header as filters left it, with what the delivery adds. */
static void
begin(const struct composer *c, const struct delivery *d, struct outcome *o)
{
	const struct filter_state *s = d->filters;
	struct buf value;

	/* What goes back is what came: nothing that was inside. */
	if (!disposition_is_sent(d->disposition)) {
		outcome_init(o, c->m);
		return;
	}
	memset(o, 0, sizeof(*o));
	fields_copy(&o->header, &s->header);
	if (d->copy != NULL && d->copy->subject != NULL)
		set_subject(o, d->copy->subject);
	if (d->disposition != DISPOSITION_HOLD)
		return;
	buf_init(&value, QUARANTINE_VALUE_MAX);
	quarantine_format(&value, s->quarantine, s->quarantined_by,
	    s->quarantine_reason, postseal_authserv_id(c->gateway->common));
	fields_prepend(&o->header, QUARANTINE_FIELD, buf_text(&value));
	buf_clear(&value);
	o->quarantine = s->quarantine;
}

/*
 * The header is what was inside already (see pipeline.c); what said so
 * goes, and nobody else is told of it.
 */
static void
finish_header(const struct composer *c, const struct delivery *d,
    struct entity *e, struct outcome *o)
{
	const struct protected_headers *h = &c->r->protected_headers;

	if (!d->decrypt && !d->remove_signature)
		return;
	o->notify_nobody = c->r->restored && d->decrypt &&
	    protected_headers_hide_from(h, c->m->sender_text, &c->m->sender);
	if (h->kind != HEADERS_UNPROTECTED && is_bare(c, d))
		protected_headers_unmark(e);
}

/*
 * Header fields go inside before anything is made.  Into what is signed
 * already, and stays so, nothing can be put.
 */
static bool
protect_header(const struct composer *c, const struct delivery *d,
    struct entity *e, struct outcome *o, bool *opaque, struct error *err)
{
	if (!(d->sign || d->encrypt) || !d->settings->protected_headers ||
	    !is_bare(c, d) || protected_headers_is_layer(e))
		return true;
	return protected_headers_add(&o->header, e, d->encrypt,
	    (enum header_confidentiality)d->settings->header_confidentiality,
	    opaque, err);
}

/* Everything the delivery's plan says, in its order. */
static bool
take_steps(const struct composer *c, const struct delivery *d,
    struct entity *e, struct copy *copy, bool *changed, struct error *err)
{
	bool makes = d->sign || d->encrypt || d->sign_outside;
	bool opaque = false;

	if (!unwrap(c, d, e, changed, err))
		return false;
	if (makes && c->no_entity != NULL)
		return error_perm(err, "%s", c->no_entity);
	*changed |= makes;
	finish_header(c, d, e, &copy->outcome);
	if (!protect_header(c, d, e, &copy->outcome, &opaque, err))
		return error_prefix(err, "protected headers (profile %s)",
		    d->profile);
	if (d->sign && !sign(c, d, opaque, e, copy, err))
		return error_prefix(err, "S/MIME signing (profile %s)",
		    d->profile);
	if (d->encrypt && !encrypt(c, d, e, err))
		return error_prefix(err, "S/MIME encryption (profile %s)",
		    d->profile);
	if (d->sign_outside && !sign(c, d, false, e, copy, err))
		return error_prefix(err, "S/MIME signing (profile %s)",
		    d->profile);
	return true;
}

bool
compose(const struct composer *c, const struct delivery *d, struct copy *copy,
    struct error *err)
{
	struct entity e;
	bool changed = false, ok;

	begin(c, d, &copy->outcome);
	entity_borrow(&e, layers_outermost(&c->r->layers));
	ok = !disposition_is_sent(d->disposition) ||
	    take_steps(c, d, &e, copy, &changed, err);
	copy->outcome.return_header_only = d->decrypt;
	if (ok && changed)
		outcome_set_entity(&copy->outcome, &e);
	entity_clear(&e);
	return ok;
}
