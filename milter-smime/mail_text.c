/* SPDX-License-Identifier: BSD-2-Clause */
#include "mail_text.h"

#include <stdlib.h>
#include <string.h>

#include "charset.h"
#include "cms_walk.h"
#include "common/ascii.h"
#include "common/mem.h"
#include "header_text.h"
#include "html_text.h"
#include "transfer.h"
#include "visible_text.h"

#define CHARSETS_MAX 8 /* that a part is read in */
#define CHARSET_NAME_MAX 64
#define READINGS_MIN 65536 /* bytes that even a short mail may come to */

struct content {
	struct pieces text;
	bool made;
};

struct mail_text {
	struct entity entity; /* one piece */
	struct spool_place place;
	struct mail_parts parts;
	struct content *contents; /* of each part */
	size_t room; /* bytes of readings that may still be made */
};

/* A part's content while it is made. */
struct maker {
	const struct spool_place *place;
	const struct mail_leaf *leaf;
	struct pieces *out;
	bool any; /* there is a reading already, be it empty */
	size_t *room; /* for more of them, of the whole mail */
	bool full;    /* some found no room */
	struct error *err;
};

/* ---- readings ---- */

/* Another reading behind those that are there. */
static void
add_reading(struct maker *k, const char *p, size_t n)
{
	if (k->any && n > *k->room) {
		k->full = true;
		return;
	}
	*k->room -= n < *k->room ? n : *k->room;
	if (k->any)
		pieces_add(k->out, MAIL_TEXT_NEXT, sizeof(MAIL_TEXT_NEXT) - 1);
	pieces_add(k->out, p, n);
	k->any = true;
}

static struct spool *
new_spool(const struct maker *k)
{
	struct spool *s = spool_new(k->place);

	spool_set_secret(s);
	return s;
}

/* Takes s; false when it failed, or fails now. */
static bool
finish(struct maker *k, bool ok, struct spool *s, const char **p, size_t *n)
{
	if (!ok || !spool_finish(s, k->err)) {
		spool_free(&s);
		return false;
	}
	*p = spool_data(s);
	*n = spool_len(s);
	pieces_own_spool(k->out, &s);
	return true;
}

static bool
add_without_markup(struct maker *k, const char *p, size_t n, bool outlook)
{
	struct spool *s = new_spool(k);
	bool ok = html_text_write(p, n, outlook, s, k->err);

	if (!finish(k, ok, s, &p, &n))
		return false;
	add_reading(k, p, n);
	return true;
}

static bool
add_visible(struct maker *k, const char *p, size_t n)
{
	struct spool *s = new_spool(k);
	bool ok = visible_text_write(p, n, s, k->err);

	if (!finish(k, ok, s, &p, &n))
		return false;
	add_reading(k, p, n);
	return true;
}

/* Text in UTF-8, and what is seen of it. */
static bool
add_text(struct maker *k, const char *p, size_t n)
{
	add_reading(k, p, n);
	if (k->full)
		return true;
	if (k->leaf->kind == MAIL_LEAF_HTML)
		return add_without_markup(k, p, n, false) &&
		    (!html_text_has_conditions(p, n) ||
		    add_without_markup(k, p, n, true));
	return visible_text_is_all(p, n) || add_visible(k, p, n);
}

static bool
add_converted(struct maker *k, const char *charset, const char *p, size_t n)
{
	struct spool *s;
	bool ok;

	if (!charset_is_same(charset, p, n)) {
		s = new_spool(k);
		ok = charset_convert(charset, p, n, s, k->err);
		if (!finish(k, ok, s, &p, &n))
			return false;
	}
	return add_text(k, p, n);
}

/* ---- charsets ---- */

static bool
has_utf16_mark(const char *p, size_t n)
{
	return n >= 2 && (memcmp(p, "\xff\xfe", 2) == 0 ||
	    memcmp(p, "\xfe\xff", 2) == 0);
}

static void
add_charset(struct strvec *all, const char *name)
{
	if (all->n < CHARSETS_MAX && !strvec_hascase(all, name))
		strvec_add(all, name);
}

/* All that readers could take the text to be in. */
static void
find_charsets(const struct mail_leaf *leaf, const char *p, size_t n,
    struct strvec *all)
{
	bool marked = has_utf16_mark(p, n);
	struct buf meta;

	for (size_t i = 0; i < leaf->charsets.n; i++) {
		const char *name = leaf->charsets.v[i];

		/* Without a mark some take one order, and some the other. */
		if (!marked && (ascii_equal_nocase(name, "utf-16") ||
		    ascii_equal_nocase(name, "utf16"))) {
			add_charset(all, "utf-16le");
			add_charset(all, "utf-16be");
		} else {
			add_charset(all, name);
		}
	}
	/* Browsers believe a mark before a name (WHATWG Encoding 6). */
	if (marked)
		add_charset(all, "utf-16");
	if (all->n > 0 || leaf->kind != MAIL_LEAF_HTML)
		return;
	buf_init(&meta, CHARSET_NAME_MAX);
	if (html_text_charset(p, n, &meta))
		add_charset(all, buf_text(&meta));
	buf_clear(&meta);
}

static bool
add_all_charsets(struct maker *k, const char *p, size_t n)
{
	struct strvec all = {0};
	bool want_bytes = false, have_bytes = false, ok = true;

	find_charsets(k->leaf, p, n, &all);
	for (size_t i = 0; i < all.n && ok && !k->full; i++) {
		bool same = charset_is_same(all.v[i], p, n);

		want_bytes |= !charset_is_ascii_based(all.v[i]);
		if (!same || !have_bytes)
			ok = add_converted(k, all.v[i], p, n);
		have_bytes |= same;
	}
	if (all.n == 0)
		ok = add_converted(k, NULL, p, n);
	else if (ok && want_bytes && !have_bytes)
		ok = add_text(k, p, n);
	strvec_clear(&all);
	return ok;
}

static bool
add_header_lines(struct maker *k, const char *p, size_t n)
{
	struct spool *s = new_spool(k);
	bool ok = header_text_block(p, n, s, k->err);

	return finish(k, ok, s, &p, &n) && add_text(k, p, n);
}

/* ---- contents ---- */

static bool
add_bytes(struct maker *k, const char *p, size_t n)
{
	switch (k->leaf->kind) {
	case MAIL_LEAF_BYTES:
		add_reading(k, p, n);
		break;
	case MAIL_LEAF_TEXT:
	case MAIL_LEAF_HTML:
		return add_all_charsets(k, p, n);
	case MAIL_LEAF_HEADERS:
		return add_header_lines(k, p, n);
	}
	return true;
}

static bool
add_decoded(struct maker *k, enum mime_encoding encoding, bool join)
{
	const struct mail_leaf *leaf = k->leaf;
	const char *p = leaf->body.p;
	size_t n = leaf->body.n;
	bool ok, good = true;
	struct spool *s;

	if (encoding > MIME_BINARY) {
		s = new_spool(k);
		ok = transfer_decode_all(p, n, encoding, join, s, &good,
		    k->err);
		if (!finish(k, ok, s, &p, &n))
			return false;
	}
	if (!add_bytes(k, p, n))
		return false;
	/* Some show what is no base64 as it stands. */
	return good || join || k->full || leaf->nreadings > 1 ||
	    add_bytes(k, leaf->body.p, leaf->body.n);
}

/* Of a single reading, what it was made from is not needed any more. */
static void
drop_sources(struct pieces *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->nspools; i++) {
		if (p->n == 1 && spool_data(p->spools[i]) != p->v[0].data)
			spool_free(&p->spools[i]);
		else
			p->spools[n++] = p->spools[i];
	}
	p->nspools = n;
}

static bool
make_content(struct maker *k)
{
	const struct mail_leaf *leaf = k->leaf;

	for (size_t i = 0; i < leaf->nreadings && !k->full; i++) {
		enum mime_encoding encoding = leaf->readings[i];

		if (!add_decoded(k, encoding, false) ||
		    (transfer_is_ambiguous(leaf->body.p, leaf->body.n,
		    encoding) && !add_decoded(k, encoding, true)))
			return false;
	}
	drop_sources(k->out);
	return pieces_flatten(k->out, k->place, k->err);
}

bool
mail_text_content(struct mail_text *t, size_t i, const char **p, size_t *n,
    struct error *err)
{
	struct content *c = &t->contents[i];
	struct maker k = {.place = &t->place, .leaf = &t->parts.leaves.v[i],
		.out = &c->text, .room = &t->room, .err = err};

	if (!c->made) {
		c->text.secret = true;
		if (!make_content(&k)) {
			pieces_clear(&c->text);
			return false;
		}
		c->made = true;
		if (k.full) {
			t->parts.sound = false;
			t->parts.limited = true;
		}
	}
	*p = c->text.n == 0 ? "" : c->text.v[0].data;
	*n = c->text.len;
	return true;
}

/* ---- the whole ---- */

struct mail_text *
mail_text_new(const struct entity *e, const struct spool_place *place,
    struct error *err)
{
	struct mail_text *t = mem_alloc(sizeof(*t));
	const char *body;

	t->place = *place;
	entity_borrow(&t->entity, e);
	t->entity.body.secret = true;
	if (!pieces_flatten(&t->entity.body, place, err)) {
		mail_text_free(&t);
		return NULL;
	}
	body = t->entity.body.n == 0 ? "" : t->entity.body.v[0].data;
	if (!mail_parts_find(&t->parts, buf_text(&t->entity.head),
	    t->entity.head.len, body, t->entity.body.len, place, err)) {
		mail_text_free(&t);
		return NULL;
	}
	t->room = MAIL_TEXT_AGAIN * t->entity.body.len + READINGS_MIN;
	t->contents = mem_array(t->parts.leaves.n, sizeof(*t->contents));
	return t;
}

void
mail_text_free(struct mail_text **tp)
{
	struct mail_text *t = *tp;

	if (t == NULL)
		return;
	for (size_t i = 0; t->contents != NULL && i < t->parts.leaves.n; i++)
		pieces_clear(&t->contents[i].text);
	free(t->contents);
	mail_parts_clear(&t->parts);
	entity_clear(&t->entity);
	free(t);
	*tp = NULL;
}

size_t
mail_text_count(const struct mail_text *t)
{
	return t->parts.leaves.n;
}

const struct mail_part *
mail_text_part(const struct mail_text *t, size_t i)
{
	return &t->parts.leaves.v[i].part;
}

bool
mail_text_is_valid(struct mail_text *t)
{
	for (size_t i = 0; i < t->parts.leaves.n && t->parts.sound; i++) {
		const struct mail_leaf *leaf = &t->parts.leaves.v[i];

		t->parts.sound = transfer_is_well_formed(leaf->body.p,
		    leaf->body.n, leaf->encoding);
	}
	return t->parts.sound;
}

/* ---- encrypted? ---- */

static bool
has_name_ending(const struct mail_leaf *leaf, const char *ending)
{
	size_t n = strlen(ending);

	for (size_t i = 0; i < leaf->part.filenames.n; i++) {
		const char *name = leaf->part.filenames.v[i];
		size_t len = strlen(name);

		if (len >= n && ascii_equal_nocase(name + len - n, ending))
			return true;
	}
	return false;
}

static bool
is_envelope(const char *p, size_t n)
{
	struct cms_walk w = {0};
	struct error why = {0};

	/* Well formed or not: it says what it is in front. */
	(void)!cms_walk((const unsigned char *)p, n, &w, &why);
	return w.type == CMS_TYPE_ENVELOPED ||
	    w.type == CMS_TYPE_AUTH_ENVELOPED || w.type == CMS_TYPE_ENCRYPTED;
}

/* RFC 9580 6.2, at the start of a line. */
static bool
has_pgp_armour(const char *p, size_t n)
{
	static const char line[] = "-----BEGIN PGP MESSAGE-----";
	const char *at = p, *end = p + n;

	while ((at = memchr(at, '-', (size_t)(end - at))) != NULL) {
		if ((at == p || at[-1] == '\n') &&
		    (size_t)(end - at) >= sizeof(line) - 1 &&
		    memcmp(at, line, sizeof(line) - 1) == 0)
			return true;
		at++;
	}
	return false;
}

/* *says it, or not; false: it cannot be decoded now. */
static bool
says_encrypted(struct mail_text *t, size_t i, bool *says, struct error *err)
{
	const struct mail_leaf *leaf = &t->parts.leaves.v[i];
	const char *type = leaf->type, *p;
	bool octets = strcmp(type, "application/octet-stream") == 0;
	bool cms, armour;
	size_t n;

	*says = strcmp(type, "application/pgp-encrypted") == 0 ||
	    has_name_ending(leaf, ".pgp") || has_name_ending(leaf, ".gpg");
	cms = strcmp(type, "application/pkcs7-mime") == 0 ||
	    strcmp(type, "application/x-pkcs7-mime") == 0 ||
	    (octets && has_name_ending(leaf, ".p7m"));
	armour = leaf->kind != MAIL_LEAF_BYTES ||
	    has_name_ending(leaf, ".asc") ||
	    strcmp(type, "application/pgp") == 0;
	if (*says || (!cms && !armour))
		return true;
	if (!mail_text_content(t, i, &p, &n, err))
		return false;
	*says = cms ? is_envelope(p, n) : has_pgp_armour(p, n);
	return true;
}

bool
mail_text_is_limited(const struct mail_text *t)
{
	return t->parts.limited || t->parts.leaves.full;
}

bool
mail_text_has_encrypted(struct mail_text *t, bool *found, struct error *err)
{
	*found = t->parts.encrypted;
	for (size_t i = 0; i < t->parts.leaves.n && !*found; i++)
		if (!says_encrypted(t, i, found, err))
			return false;
	return true;
}
