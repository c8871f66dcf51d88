/* SPDX-License-Identifier: BSD-2-Clause */
#include "mail_parts.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "header_parameter.h"
#include "text_writer.h"
#include "transfer.h"

#define TYPES_MAX 4	/* Content-Type fields that are believed */
#define BOUNDARIES_MAX 8

/* A part to be read: where it stands decides what it is. */
struct part {
	struct mail_view head, body;
	bool embedded;	/* in a message or digest in the message */
	bool in_digest; /* a message, unless it says otherwise */
};

struct finder {
	struct mail_parts *m;
	const struct spool_place *place;
	struct error *err;
	size_t again; /* bytes that may still be read once more */
	unsigned level;
	bool loosely; /* any line that starts with a boundary delimits */
	bool ok;
};

static void read_entity(struct finder *f, const struct part *part);
static void read_message(struct finder *f, const struct part *carrier,
    struct mail_view text);

static void
add_part(struct finder *f, const struct part *part, struct mail_view type)
{
	mail_leaves_add_part(&f->m->leaves, part->head, type, part->body,
	    part->embedded);
}

static void
add_message(struct finder *f, const struct part *carrier,
    struct mail_view head)
{
	mail_leaves_add_message(&f->m->leaves, carrier->head, carrier->body,
	    head);
}

static void
add_rest(struct finder *f, struct mail_view text, bool embedded)
{
	mail_leaves_add_rest(&f->m->leaves, text, embedded);
}

/* ---- other readings ---- */

/* May these bytes be read once more?  Counts them. */
static bool
may_read(struct finder *f, size_t n)
{
	if (!f->ok || f->level >= MAIL_PARTS_MAX_LEVEL || n > f->again) {
		f->m->sound = false;
		f->m->limited = true;
		return false;
	}
	f->again -= n;
	return true;
}

/* The body decoded, when its encoding changes it; NULL p when not. */
static struct mail_view
decode_body(struct finder *f, const struct part *part,
    enum mime_encoding encoding)
{
	struct mail_view text = {NULL, 0};
	struct spool *s;
	bool good;

	if (encoding <= MIME_BINARY || !may_read(f, part->body.n))
		return text;
	s = spool_new(f->place);
	spool_set_secret(s);
	if (transfer_decode_all(part->body.p, part->body.n, encoding, false, s,
	    &good, f->err) && spool_finish(s, f->err)) {
		text = (struct mail_view){spool_data(s), spool_len(s)};
		pieces_own_spool(&f->m->kept, &s);
	} else {
		f->ok = false;
		spool_free(&s);
	}
	return text;
}

/* A CR that no LF follows ends a line for some readers. */
static const char *
find_bare_cr(const char *p, const char *end)
{
	while ((p = memchr(p, '\r', (size_t)(end - p))) != NULL) {
		if (end - p > 1 && p[1] != '\n')
			return p;
		p++;
	}
	return NULL;
}

/* Is there one before what could be a delimiter? */
static bool
has_cr_delimiter(struct mail_view text)
{
	const char *p = text.p, *end = p + text.n;

	while ((p = memchr(p, '-', (size_t)(end - p))) != NULL) {
		if (p > text.p && p[-1] == '\r' && end - p > 2 &&
		    p[1] == '-')
			return true;
		p++;
	}
	return false;
}

/* With CRLF for every CR alone; NULL p when out of room. */
static struct mail_view
with_lines(struct finder *f, struct mail_view text)
{
	struct mail_view lines = {NULL, 0};
	const char *p = text.p, *end = p + text.n, *cr;
	struct spool *s = spool_new(f->place);
	struct text_writer w;

	spool_set_secret(s);
	text_writer_to_spool(&w, s, f->err);
	while ((cr = find_bare_cr(p, end)) != NULL) {
		text_writer_put(&w, p, (size_t)(cr - p));
		text_writer_put(&w, "\r\n", 2);
		p = cr + 1;
	}
	text_writer_put(&w, p, (size_t)(end - p));
	if (text_writer_end(&w) && spool_finish(s, f->err)) {
		lines = (struct mail_view){spool_data(s), spool_len(s)};
		pieces_own_spool(&f->m->kept, &s);
	} else {
		f->ok = false;
		spool_free(&s);
	}
	return lines;
}

/* As a multipart with that boundary; false when it has no parts. */
static bool
read_by_boundary(struct finder *f, const struct part *part,
    struct mail_view body, const char *boundary, const char *type)
{
	struct part again = *part;
	struct buf head;
	bool closed, found;

	found = boundary[0] != '\0' && strlen(boundary) <= MIME_MAX_BOUNDARY &&
	    mime_split(body.p, body.n, boundary, NULL, 0, &closed) > 0 &&
	    may_read(f, body.n);
	if (!found)
		return false;
	buf_init(&head, 4 * MIME_MAX_BOUNDARY);
	buf_printf(&head, "Content-Type: %s; boundary=\"",
	    strcmp(type, "multipart/digest") == 0 ? type : "multipart/mixed");
	for (; *boundary != '\0'; boundary++) {
		if (*boundary == '"' || *boundary == '\\')
			buf_putc(&head, '\\');
		buf_putc(&head, *boundary);
	}
	buf_puts(&head, "\"\r\n");
	again.head = (struct mail_view){buf_text(&head), head.len};
	again.body = body;
	again.in_digest = false;
	f->level++;
	read_entity(f, &again);
	f->level--;
	buf_clear(&head);
	return true;
}

/* The first line that could be a delimiter, behind its hyphens. */
static void
guess_boundary(struct mail_view body, struct strvec *all)
{
	const char *p = body.p, *end = body.p + body.n, *at;

	while ((at = memchr(p, '-', (size_t)(end - p))) != NULL) {
		size_t n = 0;

		p = at + 1;
		if (p == end || *p != '-' ||
		    (at > body.p && at[-1] != '\n'))
			continue;
		p++;
		while (n <= MIME_MAX_BOUNDARY && p + n < end &&
		    (unsigned char)p[n] > ' ')
			n++;
		if (n == 0 || n > MIME_MAX_BOUNDARY)
			continue;
		strvec_addn(all, p, n);
		return;
	}
}

static bool
read_by_boundaries(struct finder *f, const struct part *part,
    struct mail_view body, const struct strvec *boundaries, const char *type)
{
	struct strvec guessed = {0};
	bool found = false;

	for (size_t i = 0; i < boundaries->n && i < BOUNDARIES_MAX; i++)
		found |= read_by_boundary(f, part, body, boundaries->v[i],
		    type);
	if (!found) {
		guess_boundary(body, &guessed);
		if (guessed.n > 0)
			found = read_by_boundary(f, part, body, guessed.v[0],
			    type);
		strvec_clear(&guessed);
	}
	return found;
}

/* In each encoding that it could be in.  False when no parts were found. */
static bool
read_multipart(struct finder *f, const struct part *part,
    struct mail_view value, const char *type)
{
	enum mime_encoding encoding = mime_encoding(part->head.p,
	    part->head.n);
	struct strvec boundaries = {0};
	struct mail_view text;
	bool found;

	(void)header_parameter_all(value.p, value.n, "boundary",
	    &boundaries);
	found = read_by_boundaries(f, part, part->body, &boundaries, type);
	for (enum mime_encoding e = MIME_QUOTED_PRINTABLE; e <= MIME_BASE64;
	    e++) {
		if (encoding != e && encoding != MIME_OTHER)
			continue;
		text = decode_body(f, part, e);
		if (text.p != NULL)
			found |= read_by_boundaries(f, part, text,
			    &boundaries, type);
	}
	strvec_clear(&boundaries);
	return found;
}

static bool
begins_with_header(struct mail_view text)
{
	struct mime_span head, body;

	mime_divide(text.p, text.n, &head, &body);
	return head.len > 0;
}

/* An embedded message that is encoded, or too deep. */
static bool
read_encoded_message(struct finder *f, const struct part *part)
{
	enum mime_encoding encoding = mime_encoding(part->head.p,
	    part->head.n);
	bool found = false;
	struct mail_view text;

	if ((encoding <= MIME_BINARY || begins_with_header(part->body)) &&
	    may_read(f, part->body.n)) {
		read_message(f, part, part->body);
		found = true;
	}
	for (enum mime_encoding e = MIME_QUOTED_PRINTABLE; e <= MIME_BASE64;
	    e++) {
		if (encoding != e && encoding != MIME_OTHER)
			continue;
		text = decode_body(f, part, e);
		if (text.p != NULL) {
			read_message(f, part, text);
			found = true;
		}
	}
	return found;
}

/* ---- what mime.c calls a leaf ---- */

static bool
is_message_type(const char *type)
{
	return strcmp(type, "message/rfc822") == 0 ||
	    strcmp(type, "message/global") == 0 ||
	    strcmp(type, "message/news") == 0;
}

static void
read_as(struct finder *f, const struct part *part, struct mail_view value)
{
	char *type = mail_leaf_type(value);
	bool found = false;

	if (strncmp(type, "multipart/", 10) == 0) {
		found = read_multipart(f, part, value, type);
		f->m->encrypted |= strcmp(type, "multipart/encrypted") == 0;
		f->m->sound = false;
	} else if (is_message_type(type)) {
		found = read_encoded_message(f, part);
		/* RFC 6532 3.5 lets these be encoded; mime.c passes news. */
		f->m->sound &= strcmp(type, "message/global") == 0 ||
		    (strcmp(type, "message/news") == 0 &&
		    mime_encoding(part->head.p, part->head.n) <= MIME_BINARY);
	}
	if (!found)
		add_part(f, part, value);
	free(type);
}

static void
read_leaf(struct finder *f, const struct part *part)
{
	static const char message[] = "message/rfc822";
	struct mail_view values[TYPES_MAX], value;
	size_t n = 0, off = 0;

	while (mail_leaf_field(part->head, "Content-Type", &off, &value)) {
		bool known = false;

		for (size_t i = 0; i < n; i++)
			known |= values[i].n == value.n &&
			    memcmp(values[i].p, value.p, value.n) == 0;
		if (known)
			continue;
		/* The first and the last are what readers take. */
		if (n == TYPES_MAX)
			n--;
		values[n++] = value;
	}
	for (size_t i = 0; i < n; i++)
		read_as(f, part, values[i]);
	if (n == 0 && part->in_digest)
		read_as(f, part, (struct mail_view){message, sizeof(message) - 1});
	else if (n == 0)
		add_part(f, part, (struct mail_view){"", 0});
}

/* ---- other ends of header lines ---- */

/* A line of blanks only, where some readers end the header. */
static bool
find_blank_line(struct mail_view head, struct mail_view *before, size_t *next)
{
	for (size_t off = 0; off < head.n; off = *next) {
		const char *nl = memchr(head.p + off, '\n', head.n - off);
		size_t i = off;

		*next = nl == NULL ? head.n : (size_t)(nl - head.p) + 1;
		while (i < *next && strchr(" \t\r\n", head.p[i]) != NULL &&
		    head.p[i] != '\0')
			i++;
		if (i == *next) {
			*before = (struct mail_view){head.p, off};
			return true;
		}
	}
	return false;
}

/* All up to the first empty line, past lines that are no header lines. */
static bool
find_empty_line(struct mail_view text, struct mail_view *before, size_t *next)
{
	for (size_t off = 0; off < text.n; off = *next) {
		const char *nl = memchr(text.p + off, '\n', text.n - off);
		size_t end = nl == NULL ? text.n : (size_t)(nl - text.p);

		*next = nl == NULL ? text.n : end + 1;
		if (end == off || (end == off + 1 && text.p[off] == '\r')) {
			*before = (struct mail_view){text.p, off};
			return nl != NULL;
		}
	}
	return false;
}

static bool
says_more(struct mail_view head, struct mail_view than)
{
	static const char *const names[] = {"Content-Type",
	    "Content-Transfer-Encoding", "Content-Disposition"};

	head.p += than.n;
	head.n -= than.n;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct mail_view value;
		size_t off = 0;

		if (mail_leaf_field(head, names[i], &off, &value))
			return true;
	}
	return false;
}

static void
read_with_head(struct finder *f, const struct part *part, struct mail_view text,
    struct mail_view head, size_t body, const struct part *carrier)
{
	struct part again = *part;

	again.head = head;
	again.body = (struct mail_view){text.p + body, text.n - body};
	f->m->sound = false;
	if (!may_read(f, again.body.n))
		return;
	if (carrier != NULL)
		add_message(f, carrier, head);
	f->level++;
	read_entity(f, &again);
	f->level--;
}

/*
 * text is all of a part whose header mime.c ended where part says; carrier
 * is what it is the message of, or NULL.  (The entity itself has header
 * lines that a mail server has read.)
 */
static void
read_other_heads(struct finder *f, const struct part *part,
    struct mail_view text, const struct part *carrier)
{
	struct mail_view head;
	size_t next;

	if (part->head.n > 0 && find_blank_line(part->head, &head, &next))
		read_with_head(f, part, text, head, next, carrier);
	if (part->body.n == 0 || part->body.p != part->head.p + part->head.n)
		return;
	f->m->sound = false; /* no empty line */
	if (find_empty_line(text, &head, &next) && head.n > part->head.n &&
	    says_more(head, part->head))
		read_with_head(f, part, text, head, next, carrier);
}

/* ---- the tree ---- */

static struct mail_view
cut(struct mail_view from, const struct mime_span *span)
{
	return (struct mail_view){from.p + span->off, span->len};
}

/* What stands before the first delimiter of a multipart. */
static void
add_preamble(struct finder *f, struct mail_view body, size_t first,
    bool embedded)
{
	size_t n = first;

	/* Without the line of the delimiter. */
	if (n > 0)
		n--;
	while (n > 0 && body.p[n - 1] != '\n')
		n--;
	add_rest(f, (struct mail_view){body.p, n}, embedded);
}

/* Where a line is that opens a part, even behind one that ends them all. */
static size_t
find_opening(struct mail_view text, const char *boundary)
{
	const char *p = text.p, *end = p + text.n, *at;
	size_t n = strlen(boundary), left;

	while ((at = memchr(p, '-', (size_t)(end - p))) != NULL) {
		left = (size_t)(end - at);
		p = at + 1;
		if ((at == text.p || at[-1] == '\n') && left >= n + 2 &&
		    at[1] == '-' && memcmp(at + 2, boundary, n) == 0 &&
		    (left < n + 4 || memcmp(at + 2 + n, "--", 2) != 0))
			return (size_t)(at - text.p);
	}
	return text.n;
}

/* "--boundary--", with the line end before it: not text. */
static void
skip_delimiter(struct mail_view *text, const char *boundary)
{
	const char *p = text->p, *nl;
	size_t n = strlen(boundary) + 4, skip = 0;

	if (text->n > 0 && p[0] == '\r')
		skip++;
	if (text->n > skip && p[skip] == '\n')
		skip++;
	if (text->n - skip < n || memcmp(p + skip, "--", 2) != 0 ||
	    memcmp(p + skip + 2, boundary, n - 4) != 0 ||
	    memcmp(p + skip + n - 2, "--", 2) != 0)
		return;
	nl = memchr(p + skip, '\n', text->n - skip);
	skip = nl == NULL ? text->n : (size_t)(nl - p) + 1;
	text->p += skip;
	text->n -= skip;
}

/*
 * What stands behind its last part: nothing that counts, or parts too, when
 * it ends twice or there are too many.
 */
static void
add_tail(struct finder *f, const struct part *part, struct mail_view tail,
    const struct mime_part *multipart)
{
	struct mail_view more;
	size_t opening;

	skip_delimiter(&tail, multipart->boundary);
	opening = find_opening(tail, multipart->boundary);
	more = (struct mail_view){tail.p + opening, tail.n - opening};
	if (more.n > 0 && read_by_boundary(f, part, more,
	    multipart->boundary, multipart->is_digest ? "multipart/digest" :
	    "")) {
		f->m->sound = false;
		tail.n = opening;
	}
	add_rest(f, tail, part->embedded);
}

struct tree {
	struct mail_view body;
	struct mime m;
	bool bare_cr;	/* that some readers would find parts by */
	size_t *end;	/* of the last child of each part, or 0 */
	bool *embedded; /* each part */
};

static struct part
part_of(const struct tree *t, size_t i, const struct part *all)
{
	const struct mime_part *p = &t->m.parts[i];
	struct part part;

	if (i == 0)
		return *all;
	part.head = cut(t->body, &p->head);
	part.body = cut(t->body, &p->body);
	part.embedded = t->embedded[i];
	part.in_digest = t->m.parts[p->parent].is_digest;
	return part;
}

static void
read_node(struct finder *f, struct tree *t, size_t i, const struct part *all)
{
	const struct mime_part *p = &t->m.parts[i];
	struct part part = part_of(t, i, all);
	struct part parent = {0};
	bool is_message = i > 0 &&
	    t->m.parts[p->parent].kind == MIME_MESSAGE;
	struct mime_value v;
	struct mail_view value;
	size_t off = 0;

	f->m->sound &= mail_leaf_is_sound_head(part.head);
	if (is_message) {
		parent = part_of(t, (size_t)p->parent, all);
		add_message(f, &parent, part.head);
	}
	if (i > 0) {
		t->bare_cr |= find_bare_cr(part.head.p, part.head.p +
		    part.head.n) != NULL;
		read_other_heads(f, &part, cut(t->body, &p->whole),
		    is_message ? &parent : NULL);
	}
	switch (p->kind) {
	case MIME_LEAF:
		read_leaf(f, &part);
		break;
	case MIME_MULTIPART:
	case MIME_SIGNED:
		if (t->end[i] == 0) {
			read_leaf(f, &part);
			break;
		}
		f->m->sound &= p->closed;
		if (mail_leaf_field(part.head, "Content-Type", &off, &value)) {
			mime_value_parse(value.p, value.n, &v);
			f->m->encrypted |= strcmp(v.type,
			    "multipart/encrypted") == 0;
			mime_value_clear(&v);
		}
		add_preamble(f, part.body, t->m.parts[i + 1].whole.off -
		    p->body.off, part.embedded);
		break;
	case MIME_MESSAGE:
		break;
	}
}

/* When the last part in it has been read. */
static void
end_node(struct finder *f, const struct tree *t, size_t i,
    const struct part *all)
{
	const struct mime_part *p = &t->m.parts[i];
	struct part part = part_of(t, i, all);
	enum mime_encoding encoding = mime_encoding(part.head.p, part.head.n);
	size_t end = p->body.off + p->body.len;
	struct mail_view text, value = {"", 0};
	struct strvec boundaries = {0};
	size_t off = 0;

	if (p->kind != MIME_MULTIPART || t->end[i] == 0)
		return;
	add_tail(f, &part, (struct mail_view){t->body.p + t->end[i],
	    end - t->end[i]}, p);
	if (encoding <= MIME_BINARY)
		return;
	/* Not to be encoded (RFC 2045 6.4), but who knows. */
	f->m->sound = false;
	mail_leaf_field(part.head, "Content-Type", &off, &value);
	(void)header_parameter_all(value.p, value.n, "boundary",
	    &boundaries);
	for (enum mime_encoding e = MIME_QUOTED_PRINTABLE; e <= MIME_BASE64;
	    e++) {
		if (encoding != e && encoding != MIME_OTHER)
			continue;
		text = decode_body(f, &part, e);
		if (text.p != NULL)
			read_by_boundaries(f, &part, text, &boundaries, "");
	}
	strvec_clear(&boundaries);
}

static void
find_children(struct tree *t, bool embedded)
{
	t->end = mem_array(t->m.nparts, sizeof(*t->end));
	t->embedded = mem_array(t->m.nparts, sizeof(*t->embedded));
	t->embedded[0] = embedded;
	for (size_t i = 1; i < t->m.nparts; i++) {
		const struct mime_part *p = &t->m.parts[i];
		const struct mime_part *parent = &t->m.parts[p->parent];

		t->end[p->parent] = p->whole.off + p->whole.len;
		t->embedded[i] = t->embedded[p->parent] ||
		    parent->kind == MIME_MESSAGE || parent->is_digest;
	}
}

static bool
is_inside(const struct mime *m, size_t i, size_t of)
{
	int at = i < m->nparts ? m->parts[i].parent : -1;

	while (at > (int)of)
		at = m->parts[at].parent;
	return at == (int)of;
}

/* The same by who takes lines otherwise. */
static void
read_entity_again(struct finder *f, const struct part *all,
    const struct tree *t)
{
	struct part again = *all;

	f->level++;
	if (t->m.loose && !f->loosely && may_read(f, all->body.n)) {
		f->loosely = true;
		read_entity(f, all);
		f->loosely = false;
	}
	if (t->bare_cr && may_read(f, all->body.n)) {
		again.body = with_lines(f, all->body);
		if (again.body.p != NULL)
			read_entity(f, &again);
	}
	f->level--;
}

static void
read_entity(struct finder *f, const struct part *all)
{
	struct tree t = {.body = all->body};
	size_t open[MIME_MAX_DEPTH], nopen = 0;

	mime_parse_all(all->head.p, all->head.n, all->body.p, all->body.n,
	    f->loosely, &t.m);
	t.bare_cr = t.m.parts[0].kind != MIME_LEAF &&
	    has_cr_delimiter(all->body);
	find_children(&t, all->embedded);
	for (size_t i = 0; i < t.m.nparts && f->ok; i++) {
		read_node(f, &t, i, all);
		open[nopen++] = i;
		while (nopen > 0 && !is_inside(&t.m, i + 1, open[nopen - 1]))
			end_node(f, &t, open[--nopen], all);
	}
	f->m->sound &= !t.m.limited && !t.m.loose && !t.bare_cr;
	f->m->limited |= t.m.limited;
	read_entity_again(f, all, &t);
	free(t.end);
	free(t.embedded);
	mime_clear(&t.m);
}

static void
read_message(struct finder *f, const struct part *carrier,
    struct mail_view text)
{
	struct mime_span head, body;
	struct part part = {.embedded = true};

	mime_divide(text.p, text.n, &head, &body);
	part.head = cut(text, &head);
	part.body = cut(text, &body);
	f->level++;
	f->m->sound &= mail_leaf_is_sound_head(part.head);
	add_message(f, carrier, part.head);
	read_other_heads(f, &part, text, carrier);
	read_entity(f, &part);
	f->level--;
}

bool
mail_parts_find(struct mail_parts *m, const char *head, size_t nhead,
    const char *body, size_t nbody, const struct spool_place *place,
    struct error *err)
{
	struct finder f = {.m = m, .place = place, .err = err, .ok = true};
	struct part all = {.head = {head, nhead}, .body = {body, nbody}};

	m->sound = true;
	f.again = MAIL_PARTS_AGAIN * nbody;
	read_entity(&f, &all);
	if (m->leaves.full) {
		/* Instead of all that found no room. */
		mail_leaves_drop_last(&m->leaves);
		mail_leaves_add_rest(&m->leaves, all.body, false);
	}
	m->sound &= !m->leaves.full && !m->leaves.ambiguous;
	return f.ok;
}

void
mail_parts_clear(struct mail_parts *m)
{
	mail_leaves_clear(&m->leaves);
	pieces_clear(&m->kept);
	memset(m, 0, sizeof(*m));
}
