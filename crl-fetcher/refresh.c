/* SPDX-License-Identifier: BSD-2-Clause */
#include "refresh.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "common/atomic_file.h"
#include "common/mem.h"
#include "crl_check.h"
#include "crl_pem.h"

#define READ_MAX ((size_t)1 << 30)

/* One CRL on its way. */
struct candidate {
	struct crl_walk crl;
	uint8_t digest[32];
	struct der digest_der;
	X509 *issuer; /* borrowed */
	bool mapped;  /* and unchanged: DER */
	struct publish_held held;
};

/* The delta CRL that goes with it. */
struct delta {
	struct fetch_reply reply;
	struct crl_walk crl;
	uint8_t digest[32];
	const char *url;
	bool have;
};

/* Everything about one source while it is refreshed. */
struct work {
	struct refresh *r;
	const struct source *source;
	struct state_source *state;
	struct downloader *d;
	struct refresh_report *report;
	struct candidate *c;
	size_t n;
	bool one_of_many; /* being repaired, of those of the source */
	bool sole;	  /* the source has this one CRL */
	bool anew;	  /* what is on the disk may not be what we think */
	struct delta delta;
};

static void
hash(const struct der *crl, uint8_t digest[32])
{
	EVP_Digest(crl->p, crl->n, digest, NULL, EVP_sha256(), NULL);
}

static void
to_hex(const uint8_t *p, char hex[65])
{
	for (int i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", p[i]);
}

/* ---- candidates ---- */

static void
clear_candidates(struct work *w)
{
	for (size_t i = 0; i < w->n; i++)
		publish_held_clear(&w->c[i].held);
	free(w->c);
	w->c = NULL;
	w->n = 0;
}

static struct crl_check
check_of(const struct work *w, const struct crl_walk *crl,
    const struct der *digest, STACK_OF(X509) *issuers)
{
	return (struct crl_check){
		.crl = crl,
		.digest = digest,
		.issuers = issuers,
		.now = w->r->now,
		.skew = w->r->skew,
		.force = w->r->force,
	};
}

static struct publication
publication_of(const struct work *w, const struct candidate *c)
{
	return (struct publication){
		.crl = &c->crl,
		.digest = c->digest_der,
		.issuer = c->issuer,
		.source = w->source->name,
		.sole = w->sole,
		.mapped = c->mapped,
		.now = w->r->now,
	};
}

/* False: refused, or (err TEMP) the directory cannot be read. */
static bool
check_candidate(struct work *w, struct candidate *c, const struct der *der,
    struct error *err)
{
	enum crl_refusal refusal;
	STACK_OF(X509) *issuers;
	struct crl_check check;
	struct publication pub;

	if (!crl_walk(der->p, der->n, &c->crl, err))
		return false;
	hash(der, c->digest);
	c->digest_der = (struct der){c->digest, sizeof(c->digest)};
	issuers = issuers_find(w->source->issuers, &c->crl.issuer);
	check = check_of(w, &c->crl, &c->digest_der, issuers);
	refusal = crl_check(&check, &c->issuer, err);
	sk_X509_free(issuers);
	if (refusal != CRL_REFUSED_NOT)
		return false;
	/* Signature and digest were the last that looked at all of it. */
	if (c->mapped)
		fetch_let_go(der->p, der->p + der->n);
	if (publish_is_revoked(w->r->publish, c->issuer, w->r->now))
		return error_perm(err, "the certificate that signed it is "
		    "revoked");
	pub = publication_of(w, c);
	if (!publish_find(w->r->publish, &pub, &c->held, err))
		return false;
	if (c->held.other_scope && !w->r->force)
		return error_perm(err, "its scope (issuingDistributionPoint) "
		    "is not that of the CRL we hold from this source; --force "
		    "takes it");
	if (!c->held.found)
		return true;
	refusal = crl_check_newer(&check, &c->held.crl, err);
	w->report->rollback |= refusal == CRL_REFUSED_ROLLBACK;
	return refusal == CRL_REFUSED_NOT;
}

static bool
check_body(struct work *w, const struct fetch_body *body, struct error *err)
{
	struct crl_pem found;

	if (!crl_pem_find(body->p, body->n, &found, err))
		return false;
	w->n = found.n;
	w->c = mem_array(found.n, sizeof(w->c[0]));
	w->sole = found.n == 1 && !w->one_of_many;
	w->c[0].mapped = body->mapped && found.crl[0].p == body->p;
	for (size_t i = 0; i < found.n; i++) {
		if (check_candidate(w, &w->c[i], &found.crl[i], err))
			continue;
		if (found.n > 1)
			error_prefix(err, "CRL %zu", i + 1);
		return false;
	}
	return true;
}

/* ---- publishing ---- */

static bool
is_in_place(const struct work *w, const struct candidate *c)
{
	return c->held.index_whole && c->held.pem_there &&
	       der_equal(&c->held.crl.digest, &c->digest_der) &&
	       !w->delta.have && !w->anew;
}

static void
remember(struct work *w, const struct candidate *c, struct state_crl *to)
{
	const struct crl_index_file *file = &c->held.file;

	to_hex(c->digest, to->digest);
	to->size = (int64_t)c->crl.whole.n;
	to->this_update = c->crl.this_update;
	to->next_update = c->crl.next_update;
	to->entries = (int64_t)c->crl.count;
	if (w->delta.have) {
		to->entries += (int64_t)w->delta.crl.count;
		to->delta_this_update = w->delta.crl.this_update;
		to->delta_next_update = w->delta.crl.next_update;
	} else if (is_in_place(w, c)) {
		to->entries = file->count;
		to->delta_this_update = file->delta_this_update;
		to->delta_next_update = file->delta_next_update;
	}
}

/* From here on somebody must be told, even if we are killed. */
static bool
mark_unfinished(struct refresh *r, struct error *err)
{
	if (!r->marked)
		r->marked = atomic_file_write(r->unfinished, "", 0, 0644,
		    (uid_t)-1, (gid_t)-1, err);
	return r->marked;
}

static bool
put(struct work *w, const struct publication *pub, struct candidate *c,
    struct state_crl *to, struct error *err)
{
	if (w->anew)
		c->held.pem_there = false;
	return mark_unfinished(w->r, err) &&
	       publish_put(w->r->publish, pub, &c->held, to->index, to->pem,
		   err);
}

static void
keep_names(const struct candidate *c, struct state_crl *to)
{
	const X509_NAME *name = X509_get_subject_name(c->issuer);
	int ok;
	unsigned long h = X509_NAME_hash_ex(name, NULL, NULL, &ok);

	snprintf(to->index, sizeof(to->index), "%08lx.i%u", h,
	    c->held.index);
	snprintf(to->pem, sizeof(to->pem), "%08lx.r%u", h, c->held.pem);
}

static bool
publish_one(struct work *w, struct candidate *c, struct state_crl *to,
    struct error *err)
{
	struct publication pub = publication_of(w, c);
	struct der digest = {w->delta.digest, sizeof(w->delta.digest)};

	remember(w, c, to);
	if (is_in_place(w, c)) {
		keep_names(c, to);
		return true;
	}
	if (w->delta.have) {
		pub.delta = &w->delta.crl;
		pub.delta_digest = digest;
	}
	w->report->changed = true;
	return put(w, &pub, c, to, err);
}

/*
 * Where it belongs: others of the issuer may have been put since it was
 * checked, those of its own file among them.
 */
static bool
find_again(struct work *w, struct candidate *c, struct error *err)
{
	struct publication pub = publication_of(w, c);

	publish_held_clear(&c->held);
	return publish_find(w->r->publish, &pub, &c->held, err);
}

/* The state stays as it was unless all are in place. */
static bool
publish_all(struct work *w, struct error *err)
{
	struct state_crl *made = mem_array(w->n, sizeof(made[0]));
	bool ok = true;

	for (size_t i = 0; ok && i < w->n; i++)
		ok = ((i == 0 && w->source->delta_urls.n == 0) ||
			 find_again(w, &w->c[i], err)) &&
		     publish_one(w, &w->c[i], &made[i], err);
	if (ok) {
		free(w->report->before);
		w->report->nbefore = w->state->ncrls;
		w->report->before = mem_dup(w->state->crls,
		    w->state->ncrls * sizeof(made[0]));
		memcpy(w->state->crls, made, w->n * sizeof(made[0]));
		w->state->ncrls = w->n;
	} else {
		w->report->result = REFRESH_HERE;
	}
	free(made);
	return ok;
}

/* ---- delta CRLs ---- */

/* The one merged now, as crl_check_newer() wants it. */
static bool
held_delta(const struct publish_held *held, struct crl_held *delta)
{
	if (!held->index_whole || !(held->file.flags & CRL_INDEX_DELTA))
		return false;
	delta->number = held->file.field[CRL_INDEX_DELTA_NUMBER];
	delta->this_update = held->file.delta_this_update;
	delta->digest = held->file.field[CRL_INDEX_DELTA_DIGEST];
	return true;
}

static bool
check_delta(struct work *w, const struct candidate *base, struct error *err)
{
	struct fetch_body *body = &w->delta.reply.body;
	struct der digest = {w->delta.digest, sizeof(w->delta.digest)};
	struct crl_held held;
	struct crl_check check;
	struct crl_pem found;
	enum crl_refusal refusal;
	STACK_OF(X509) *issuers;
	X509 *issuer;

	if (!crl_pem_find(body->p, body->n, &found, err))
		return false;
	if (found.n != 1)
		return error_perm(err, "more than one CRL in it");
	if (!crl_walk(found.crl[0].p, found.crl[0].n, &w->delta.crl, err))
		return false;
	hash(&found.crl[0], w->delta.digest);
	issuers = issuers_find(w->source->issuers, &w->delta.crl.issuer);
	check = check_of(w, &w->delta.crl, &digest, issuers);
	refusal = crl_check_delta(&check, &base->crl, &issuer, err);
	sk_X509_free(issuers);
	if (refusal == CRL_REFUSED_NOT &&
	    EVP_PKEY_eq(X509_get0_pubkey(issuer),
		X509_get0_pubkey(base->issuer)) != 1)
		return error_perm(err, "it is a delta CRL signed with another "
		    "key than the CRL it came for (RFC 5280 5.2.4)");
	if (refusal == CRL_REFUSED_NOT && held_delta(&base->held, &held))
		refusal = crl_check_newer(&check, &held, err);
	w->report->rollback |= refusal == CRL_REFUSED_ROLLBACK;
	if (refusal != CRL_REFUSED_NOT)
		return false;
	/* Of no use to a full CRL that came after it. */
	w->delta.have = crl_walk_compare(&w->delta.crl.number,
			    &base->crl.number) > 0;
	return true;
}

static void
add_error(struct refresh_report *report, const char *url,
    const struct error *err)
{
	size_t n = strlen(report->error.text);
	size_t room = sizeof(report->error.text) - n;

	report->error.kind = err->kind;
	snprintf(report->error.text + n, room, "%s%.160s: %.200s",
	    n == 0 ? "" : "; ", url, err->text);
}

static void
note_clock(struct work *w, const struct fetch_reply *reply)
{
	if (reply->date != 0)
		w->report->clock_gap = reply->date - w->r->now;
}

/* Is the same delta merged into this very base already? */
static bool
is_merged(const struct work *w, const struct candidate *base)
{
	struct crl_held held;
	struct der digest = {w->delta.digest, sizeof(w->delta.digest)};

	return held_delta(&base->held, &held) &&
	       der_equal(&held.digest, &digest) &&
	       der_equal(&base->held.crl.digest, &base->digest_der);
}

/* The server has no other delta than the one that is merged. */
static bool
check_unchanged_delta(const struct work *w, const struct candidate *base,
    struct error *err)
{
	struct crl_held held;

	if (held_delta(&base->held, &held) &&
	    base->held.file.delta_next_update < w->r->now - w->r->skew)
		return error_perm(err, "the server has nothing newer than the "
		    "delta CRL that expired");
	return true;
}

/*
 * Gets the delta for a base that is checked.  conditional: the base is the
 * one we hold, so an unchanged delta is merged already.  False: none of the
 * URLs gave one.
 */
static bool
get_delta(struct work *w, const struct candidate *base, bool conditional)
{
	const struct strvec *urls = &w->source->delta_urls;
	struct error err = {0};
	bool ok = false;

	for (size_t i = 0; !ok && i < urls->n; i++) {
		fetch_reply_clear(&w->delta.reply);
		w->delta.have = false;
		w->delta.url = urls->v[i];
		ok = download_get(w->d, urls->v[i],
			 conditional ? &w->state->delta : NULL,
			 &w->delta.reply, &err);
		if (ok)
			note_clock(w, &w->delta.reply);
		if (ok && w->delta.reply.unchanged) {
			ok = check_unchanged_delta(w, base, &err);
		} else if (ok) {
			pthread_mutex_lock(&w->r->lock);
			ok = check_delta(w, base, &err);
			pthread_mutex_unlock(&w->r->lock);
		}
		if (!ok)
			add_error(w->report, urls->v[i], &err);
	}
	if (ok && w->delta.have && is_merged(w, base))
		w->delta.have = false;
	return ok;
}

/* Would the revocations of a delta be lost by the base alone? */
static bool
needs_delta(const struct candidate *base)
{
	struct crl_held held;

	return held_delta(&base->held, &held) &&
	       crl_walk_compare(&held.number, &base->crl.number) > 0;
}

static void
keep_delta_validators(struct work *w)
{
	const struct fetch_reply *reply = &w->delta.reply;

	if (w->delta.url != NULL && !reply->unchanged)
		state_validators_set(&w->state->delta, w->delta.url,
		    reply->etag, reply->last_modified);
}

/* ---- URLs ---- */

static bool
is_held_over(const struct work *w)
{
	for (size_t i = 0; i < w->state->ncrls; i++)
		if (w->state->crls[i].next_update < w->r->now - w->r->skew)
			return true;
	return w->state->ncrls == 0;
}

/* Reads back the full CRL we hold, to merge a new delta into it. */
static bool
load_held(struct work *w, struct buf *bytes, struct error *err)
{
	struct fetch_body body;

	if (w->state->ncrls != 1)
		return error_perm(err, "a delta CRL goes with a single CRL; "
		    "the source has %zu", w->state->ncrls);
	publish_settle(w->r->publish, 0);
	if (!publish_read(w->r->publish, w->state->crls[0].pem, bytes, err))
		return false;
	body = (struct fetch_body){(uint8_t *)bytes->data, bytes->len, false};
	return check_body(w, &body, err);
}

/* The base is as we hold it: only its delta may be new. */
static bool
refresh_delta(struct work *w, struct error *err)
{
	struct buf bytes;
	bool ok;

	if (w->source->delta_urls.n == 0)
		return true;
	buf_init(&bytes, READ_MAX);
	pthread_mutex_lock(&w->r->lock);
	ok = load_held(w, &bytes, err);
	pthread_mutex_unlock(&w->r->lock);
	if (ok && !get_delta(w, &w->c[0], true)) {
		w->report->result = REFRESH_FAILED;
	} else if (ok) {
		pthread_mutex_lock(&w->r->lock);
		ok = publish_all(w, err);
		pthread_mutex_unlock(&w->r->lock);
		if (ok)
			keep_delta_validators(w);
	}
	clear_candidates(w);
	buf_clear(&bytes);
	return ok;
}

/* A body came. */
static bool
take_body(struct work *w, const char *url, const struct fetch_reply *reply,
    struct error *err)
{
	bool ok, has_delta = w->source->delta_urls.n > 0;

	pthread_mutex_lock(&w->r->lock);
	ok = check_body(w, &reply->body, err) &&
	     (has_delta || publish_all(w, err));
	pthread_mutex_unlock(&w->r->lock);
	if (ok && has_delta && w->n != 1)
		ok = error_perm(err, "a delta CRL goes with a single CRL; "
		    "there are %zu", w->n);
	if (ok && has_delta) {
		if (!get_delta(w, &w->c[0], false)) {
			w->report->result = REFRESH_FAILED;
			if (needs_delta(&w->c[0]))
				return true;
		}
		pthread_mutex_lock(&w->r->lock);
		ok = publish_all(w, err);
		pthread_mutex_unlock(&w->r->lock);
	}
	if (ok) {
		state_validators_set(&w->state->base, url, reply->etag,
		    reply->last_modified);
		keep_delta_validators(w);
	}
	return ok;
}

static bool
try_url(struct work *w, const char *url, bool conditional, struct error *err)
{
	struct fetch_reply reply;
	bool ok;

	if (!download_get(w->d, url, conditional ? &w->state->base : NULL,
		&reply, err)) {
		if (download_failed_here(w->d))
			w->report->result = REFRESH_HERE;
		return false;
	}
	note_clock(w, &reply);
	if (!reply.unchanged)
		ok = take_body(w, url, &reply, err);
	else if (is_held_over(w))
		ok = error_perm(err, "the server has nothing newer than the "
		    "CRL that expired");
	else
		ok = refresh_delta(w, err);
	clear_candidates(w);
	fetch_reply_clear(&reply);
	return ok;
}

void
refresh_source(struct refresh *r, const struct source *source,
    struct state_source *state, bool whole, struct downloader *d,
    struct refresh_report *report)
{
	struct work w = {.r = r, .source = source, .state = state,
		.anew = !whole, .d = d, .report = report};
	bool conditional = whole && !r->force, done = false;
	struct error err = {0};

	memset(report, 0, sizeof(*report));
	for (size_t i = 0; i < source->urls.n && !done; i++) {
		done = try_url(&w, source->urls.v[i], conditional, &err);
		if (!done)
			add_error(report, source->urls.v[i], &err);
		/* No other URL makes room on a full disk. */
		if (report->result == REFRESH_HERE)
			break;
	}
	if (!done && report->result != REFRESH_HERE)
		report->result = REFRESH_FAILED;
	if (report->result == REFRESH_UNCHANGED && report->changed)
		report->result = REFRESH_CHANGED;
	if (report->result < REFRESH_FAILED)
		memset(&report->error, 0, sizeof(report->error));
	fetch_reply_clear(&w.delta.reply);
}

/* ---- repair ---- */

static bool
is_whole(const struct publish *p, const struct state_crl *c)
{
	return publish_has_pem(p, c->pem, crl_pem_size((size_t)c->size)) &&
	       publish_has_index(p, c->index, c->digest);
}

/* Everything as it was when the PEM file came, but for "never back". */
static bool
rebuild(struct work *w, size_t i, struct error *err)
{
	struct buf bytes;
	struct fetch_body body;
	bool ok;

	buf_init(&bytes, READ_MAX);
	ok = publish_read(w->r->publish, w->state->crls[i].pem, &bytes, err);
	if (ok) {
		body = (struct fetch_body){(uint8_t *)bytes.data, bytes.len,
		    false};
		ok = check_body(w, &body, err) && w->n == 1;
	}
	if (ok) {
		struct publication pub = publication_of(w, &w->c[0]);

		ok = put(w, &pub, &w->c[0], &w->state->crls[i], err);
		publish_settle(w->r->publish, 0);
	}
	clear_candidates(w);
	buf_clear(&bytes);
	return ok;
}

bool
refresh_repair(struct refresh *r, const struct source *source,
    struct state_source *state, bool *damaged)
{
	struct refresh_report unused = {0};
	struct work w = {.r = r, .source = source, .state = state,
		.report = &unused, .one_of_many = state->ncrls > 1};
	bool whole = state->ncrls > 0;
	struct error err;

	for (size_t i = 0; i < state->ncrls; i++) {
		if (is_whole(r->publish, &state->crls[i]))
			continue;
		*damaged = true;
		whole = rebuild(&w, i, &err) && whole;
	}
	/* What a delta CRL had in it is not in the PEM file. */
	if (*damaged && source->delta_urls.n > 0) {
		state_validators_set(&state->delta, NULL, NULL, NULL);
		whole = false;
	}
	return whole;
}

bool
refresh_undo(struct refresh *r, struct state_source *state,
    struct refresh_report *report, const struct error *err)
{
	bool whole = report->changed && report->before != NULL;

	if (!whole)
		return false;
	for (size_t i = 0; i < state->ncrls; i++)
		whole = whole && is_whole(r->publish, &state->crls[i]);
	if (whole)
		return false;
	memcpy(state->crls, report->before,
	    report->nbefore * sizeof(state->crls[0]));
	state->ncrls = report->nbefore;
	state_validators_set(&state->base, NULL, NULL, NULL);
	state_validators_set(&state->delta, NULL, NULL, NULL);
	report->result = REFRESH_HERE;
	report->error = *err;
	return true;
}
