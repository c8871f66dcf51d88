/* SPDX-License-Identifier: BSD-2-Clause */
#include "html_text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/ascii.h"
#include "common/utf8.h"
#include "html_entity.h"
#include "text_writer.h"
#include "visible_text.h"

#define NAME_MAX_LENGTH 15 /* no element we know is longer */
#define CONDITION "<!--[if"
#define CDATA "<![cdata["
#define META_LOOK 4096	   /* browsers look at 1024 */

/* What an element's tags do to the text. */
enum effect {
	EFFECT_NONE,
	EFFECT_LINE,	/* a line end before and behind */
	EFFECT_CELL,	/* a blank */
	EFFECT_PRE,	/* as LINE; line ends inside stay */
	EFFECT_GONE,	/* no text, and no markup, up to the end tag */
	EFFECT_RCDATA,	/* text without tags up to the end tag */
	EFFECT_VERBATIM, /* the same without character references */
	EFFECT_REST,	/* the same to the end of all */
};

/* In strcmp order. */
static const struct element {
	const char *name;
	enum effect effect;
} elements[] = {
	{"address", EFFECT_LINE}, {"article", EFFECT_LINE},
	{"aside", EFFECT_LINE}, {"blockquote", EFFECT_LINE},
	{"body", EFFECT_LINE}, {"br", EFFECT_LINE},
	{"caption", EFFECT_LINE}, {"center", EFFECT_LINE},
	{"dd", EFFECT_LINE}, {"details", EFFECT_LINE},
	{"dialog", EFFECT_LINE}, {"dir", EFFECT_LINE},
	{"div", EFFECT_LINE}, {"dl", EFFECT_LINE},
	{"dt", EFFECT_LINE}, {"fieldset", EFFECT_LINE},
	{"figcaption", EFFECT_LINE}, {"figure", EFFECT_LINE},
	{"footer", EFFECT_LINE}, {"form", EFFECT_LINE},
	{"h1", EFFECT_LINE}, {"h2", EFFECT_LINE}, {"h3", EFFECT_LINE},
	{"h4", EFFECT_LINE}, {"h5", EFFECT_LINE}, {"h6", EFFECT_LINE},
	{"head", EFFECT_LINE}, {"header", EFFECT_LINE},
	{"hr", EFFECT_LINE}, {"html", EFFECT_LINE},
	{"iframe", EFFECT_GONE}, {"legend", EFFECT_LINE},
	{"li", EFFECT_LINE}, {"listing", EFFECT_PRE},
	{"main", EFFECT_LINE}, {"menu", EFFECT_LINE},
	{"nav", EFFECT_LINE}, {"noembed", EFFECT_GONE},
	{"noframes", EFFECT_GONE}, {"ol", EFFECT_LINE},
	{"optgroup", EFFECT_LINE}, {"option", EFFECT_LINE},
	{"p", EFFECT_LINE}, {"plaintext", EFFECT_REST},
	{"pre", EFFECT_PRE}, {"script", EFFECT_GONE},
	{"section", EFFECT_LINE}, {"select", EFFECT_LINE},
	{"style", EFFECT_GONE}, {"summary", EFFECT_LINE},
	{"table", EFFECT_LINE}, {"tbody", EFFECT_LINE},
	{"td", EFFECT_CELL}, {"textarea", EFFECT_RCDATA},
	{"tfoot", EFFECT_LINE}, {"th", EFFECT_CELL},
	{"thead", EFFECT_LINE}, {"title", EFFECT_GONE},
	{"tr", EFFECT_LINE}, {"ul", EFFECT_LINE},
	{"xmp", EFFECT_VERBATIM},
};

/* What is owed before the next character. */
enum gap { GAP_NONE, GAP_BLANK, GAP_LINE };

struct html {
	const char *p, *end;
	struct text_writer w;
	enum gap gap;
	bool any;     /* something was written */
	unsigned pre; /* how many are open */
	bool outlook;
};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

static bool
is_letter(char c)
{
	c = ascii_lower(c);
	return c >= 'a' && c <= 'z';
}

/* ---- text ---- */

static void
owe(struct html *h, enum gap gap)
{
	if (gap > h->gap)
		h->gap = gap;
}

static void
pay(struct html *h)
{
	if (h->gap != GAP_NONE && h->any)
		text_writer_putc(&h->w, h->gap == GAP_LINE ? '\n' : ' ');
	h->gap = GAP_NONE;
	h->any = true;
}

static bool
is_wide_space(uint32_t cp)
{
	return cp == 0xa0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200a) ||
	    cp == 0x202f || cp == 0x205f || cp == 0x3000;
}

static void
put_char(struct html *h, uint32_t cp)
{
	if (cp == '\n' && h->pre > 0) {
		owe(h, GAP_LINE);
	} else if (cp == ' ' || (cp >= '\t' && cp <= '\r') ||
	    is_wide_space(cp)) {
		owe(h, GAP_BLANK);
	} else if (cp == 0x85 || cp == 0x2028 || cp == 0x2029) {
		owe(h, GAP_LINE);
	} else if (!visible_text_is_invisible(cp)) {
		pay(h);
		text_writer_put_char(&h->w, cp);
	}
}

/* Text at h->p up to the next `<` or `&`, at least one byte of it. */
static void
take_text(struct html *h)
{
	const char *from = h->p;
	uint32_t cp;
	size_t len;

	while (h->p < h->end && *h->p > ' ' && *h->p < 0x7f &&
	    (h->p == from || (*h->p != '<' && *h->p != '&')))
		h->p++;
	if (h->p > from) {
		pay(h);
		text_writer_put(&h->w, from, (size_t)(h->p - from));
		return;
	}
	if (*h->p == ' ') {
		owe(h, GAP_BLANK);
		h->p++;
		return;
	}
	len = utf8_decode(h->p, (size_t)(h->end - h->p), &cp);
	if (len > 0) {
		put_char(h, cp);
		h->p += len;
	} else {
		pay(h);
		text_writer_putc(&h->w, *h->p++);
	}
}

static void
take_reference(struct html *h)
{
	uint32_t cp;
	size_t len = html_entity_decode(h->p, (size_t)(h->end - h->p), &cp);

	if (len == 0) {
		take_text(h);
		return;
	}
	put_char(h, cp);
	h->p += len;
}

/* Up to `to` no markup counts, and references only when so said. */
static void
take_verbatim(struct html *h, const char *to, bool references)
{
	const char *end = h->end;

	h->end = to;
	while (h->p < h->end) {
		if (*h->p == '&' && references)
			take_reference(h);
		else
			take_text(h);
	}
	h->end = end;
}

/* ---- markup ---- */

/* Behind the next c, or the end. */
static const char *
behind(const struct html *h, const char *p, char c)
{
	const char *found = memchr(p, c, (size_t)(h->end - p));

	return found == NULL ? h->end : found + 1;
}

static bool
starts(const struct html *h, const char *p, const char *with)
{
	for (; *with != '\0'; p++, with++)
		if (p >= h->end || ascii_lower(*p) != *with)
			return false;
	return true;
}

/* `<!-->` and `<!--->` are comments too, and `--!>` ends one. */
static const char *
behind_comment(const struct html *h, const char *p)
{
	if (starts(h, p, ">"))
		return p + 1;
	if (starts(h, p, "->"))
		return p + 2;
	while ((p = memchr(p, '-', (size_t)(h->end - p))) != NULL) {
		if (starts(h, p, "-->"))
			return p + 3;
		if (starts(h, p, "--!>"))
			return p + 4;
		p++;
	}
	return h->end;
}

static void
take_declaration(struct html *h)
{
	if (starts(h, h->p, "<!--") &&
	    !(h->outlook && starts(h, h->p, CONDITION)))
		h->p = behind_comment(h, h->p + 4);
	else if (h->outlook && starts(h, h->p, CDATA))
		h->p += sizeof(CDATA) - 1;
	else
		h->p = behind(h, h->p, '>');
}

static const char *
behind_value(const struct html *h, const char *p)
{
	while (p < h->end && is_space(*p))
		p++;
	if (p < h->end && (*p == '"' || *p == '\''))
		return behind(h, p + 1, *p);
	while (p < h->end && !is_space(*p) && *p != '>')
		p++;
	return p;
}

/* From behind a tag's name to behind the tag. */
static const char *
behind_attributes(const struct html *h, const char *p)
{
	while (p < h->end) {
		while (p < h->end && (is_space(*p) || *p == '/'))
			p++;
		if (p == h->end || *p == '>')
			break;
		/* A quote here, or a first "=", is part of the name. */
		for (p++; p < h->end && !is_space(*p) && *p != '/' &&
		    *p != '>' && *p != '='; p++)
			;
		while (p < h->end && is_space(*p))
			p++;
		if (p < h->end && *p == '=')
			p = behind_value(h, p + 1);
	}
	return p < h->end ? p + 1 : p;
}

static int
compare(const void *key, const void *element)
{
	return strcmp(key, ((const struct element *)element)->name);
}

/* The name at p, lower case; a longer one is none that we know. */
static enum effect
find_effect(const struct html *h, const char *p, char *name,
    const char **behind_name)
{
	const struct element *e;
	size_t n = 0;

	for (; p < h->end && !is_space(*p) && *p != '/' && *p != '>'; p++)
		if (n <= NAME_MAX_LENGTH)
			name[n++] = ascii_lower(*p);
	*behind_name = p;
	if (n > NAME_MAX_LENGTH)
		return EFFECT_NONE;
	name[n] = '\0';
	e = bsearch(name, elements, sizeof(elements) / sizeof(elements[0]),
	    sizeof(elements[0]), compare);
	return e == NULL ? EFFECT_NONE : e->effect;
}

/* Where `</name` stands next, or the end. */
static const char *
find_end_tag(const struct html *h, const char *name)
{
	const char *p = h->p;
	size_t len = strlen(name);

	while ((p = memchr(p, '<', (size_t)(h->end - p))) != NULL) {
		if (starts(h, p, "</") && starts(h, p + 2, name) &&
		    (size_t)(h->end - p) > 2 + len &&
		    (is_space(p[2 + len]) || p[2 + len] == '/' ||
		    p[2 + len] == '>'))
			return p;
		p++;
	}
	return h->end;
}

static enum gap
gap_of(enum effect effect)
{
	if (effect == EFFECT_NONE || effect == EFFECT_GONE)
		return GAP_NONE;
	return effect == EFFECT_CELL ? GAP_BLANK : GAP_LINE;
}

static void
take_start_tag(struct html *h)
{
	char name[NAME_MAX_LENGTH + 1];
	const char *p;
	enum effect effect = find_effect(h, h->p + 1, name, &p);

	h->p = behind_attributes(h, p);
	if (effect == EFFECT_GONE)
		h->p = find_end_tag(h, name);
	else
		owe(h, gap_of(effect));
	if (effect == EFFECT_PRE)
		h->pre++;
	else if (effect == EFFECT_RCDATA || effect == EFFECT_VERBATIM)
		take_verbatim(h, find_end_tag(h, name),
		    effect == EFFECT_RCDATA);
	else if (effect == EFFECT_REST)
		take_verbatim(h, h->end, false);
}

static void
take_end_tag(struct html *h)
{
	char name[NAME_MAX_LENGTH + 1];
	const char *p;
	enum effect effect = find_effect(h, h->p + 2, name, &p);

	h->p = behind_attributes(h, p);
	if (effect == EFFECT_PRE && h->pre > 0)
		h->pre--;
	owe(h, gap_of(effect));
}

/* What begins with `<`; by itself it is text. */
static void
take_markup(struct html *h)
{
	char next = h->end - h->p > 1 ? h->p[1] : '\0';

	if (is_letter(next))
		take_start_tag(h);
	else if (next == '!')
		take_declaration(h);
	else if (next == '?')
		h->p = behind(h, h->p, '>');
	else if (next != '/' || h->end - h->p < 3)
		take_text(h);
	else if (is_letter(h->p[2]))
		take_end_tag(h);
	else
		h->p = behind(h, h->p, '>');
}

bool
html_text_has_conditions(const char *p, size_t n)
{
	struct html h = {.end = p + n};

	while ((p = memchr(p, '<', (size_t)(h.end - p))) != NULL) {
		if (starts(&h, p, CONDITION) || starts(&h, p, CDATA))
			return true;
		p++;
	}
	return false;
}

bool
html_text_write(const char *p, size_t n, bool outlook, struct spool *out,
    struct error *err)
{
	struct html h;

	h.p = p;
	h.end = p + n;
	h.gap = GAP_NONE;
	h.any = false;
	h.pre = 0;
	h.outlook = outlook;
	text_writer_to_spool(&h.w, out, err);
	while (h.p < h.end && h.w.ok) {
		if (*h.p == '<')
			take_markup(&h);
		else if (*h.p == '&')
			take_reference(&h);
		else
			take_text(&h);
	}
	return text_writer_end(&h.w);
}

/* ---- charset ---- */

/* In `charset = "x"`, p behind the word. */
static bool
read_charset(const struct html *h, const char *p, struct buf *out)
{
	size_t before = out->len;

	while (p < h->end && is_space(*p))
		p++;
	if (p == h->end || *p != '=')
		return false;
	for (p++; p < h->end && (is_space(*p) || *p == '"' || *p == '\''); p++)
		;
	while (p < h->end && (ascii_is_alnum(*p) ||
	    (*p != '\0' && strchr("-_.:", *p) != NULL)))
		buf_putc(out, *p++);
	return out->len > before;
}

bool
html_text_charset(const char *p, size_t n, struct buf *out)
{
	struct html h = {.end = p + (n < META_LOOK ? n : META_LOOK)};

	while ((p = memchr(p, '<', (size_t)(h.end - p))) != NULL) {
		const char *to;

		if (!starts(&h, p++, "<meta"))
			continue;
		for (to = behind(&h, p, '>'); p < to; p++)
			if (starts(&h, p, "charset") &&
			    read_charset(&h, p + 7, out))
				return true;
	}
	return false;
}
