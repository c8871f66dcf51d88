/* SPDX-License-Identifier: BSD-2-Clause */
#include "entity.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mime.h"
#include "text_scan.h"
#include "transfer.h"

#define FIELDS_MAX 200 /* of Content-*; mail has five */
#define LABEL_MAX 128  /* what relabelling adds to header lines */

/* ---- making entities ---- */

void
entity_init(struct entity *e)
{
	memset(e, 0, sizeof(*e));
	buf_init(&e->head, 2 * MESSAGE_MAX_HEADER_BYTES);
}

void
entity_clear(struct entity *e)
{
	buf_clear(&e->head);
	pieces_clear(&e->body);
}

void
entity_borrow(struct entity *e, const struct entity *from)
{
	entity_init(e);
	buf_append(&e->head, buf_text(&from->head), from->head.len);
	for (size_t i = 0; i < from->body.n; i++)
		pieces_add(&e->body, from->body.v[i].data,
		    from->body.v[i].len);
}

/* Folds come as LF; the entity has CRLF. */
static void
add_field(struct buf *head, const char *name, const char *value)
{
	buf_printf(head, "%s:", name);
	for (const char *p = value; *p != '\0'; p++) {
		if (*p == '\r')
			continue;
		if (*p == '\n')
			buf_putc(head, '\r');
		buf_putc(head, *p);
	}
	buf_puts(head, "\r\n");
}

bool
entity_from_message(const struct message *m, struct entity *e,
    struct error *err)
{
	const char *body = spool_data(m->body);
	size_t n = spool_len(m->body), fields = 0;

	if (message_header(m, "Content-Type", 0) == NULL)
		buf_printf(&e->head, "Content-Type: text/plain; charset=%s\r\n",
		    text_is_ascii(body, n) ? "us-ascii" : "unknown-8bit");
	for (size_t i = 0; i < m->nheaders; i++) {
		if (strncasecmp(m->headers[i].name, "Content-", 8) != 0)
			continue;
		add_field(&e->head, m->headers[i].name, m->headers[i].value);
		fields++;
	}
	if (e->head.overflow || fields > FIELDS_MAX)
		return error_perm(err, "more than %d Content- header fields, "
		    "or too long ones", FIELDS_MAX);
	pieces_add(&e->body, body, n);
	return true;
}

static bool
is_blank_line(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strchr(" \t\r\n", p[i]) == NULL)
			return false;
	return true;
}

/*
 * A header field of unknown origin: CRLF line ends, no CR or NUL alone, no
 * continuation of blanks only, where some readers end the header.
 */
static void
add_clean(struct buf *head, const char *p, size_t n)
{
	size_t off = 0;

	while (off < n) {
		const char *nl = memchr(p + off, '\n', n - off);
		size_t next = nl == NULL ? n : (size_t)(nl - p) + 1;

		if (!is_blank_line(p + off, next - off)) {
			for (size_t i = off; i < next; i++)
				if (p[i] != '\r' && p[i] != '\n' &&
				    p[i] != '\0')
					buf_putc(head, p[i]);
			buf_puts(head, "\r\n");
		}
		off = next;
	}
}

/* Is a field of the name of the one at p there already? */
static bool
has_field(const struct buf *head, const char *p, size_t n)
{
	const char *colon = memchr(p, ':', n);
	struct mime_span line, value;
	size_t len = colon == NULL ? 0 : (size_t)(colon - p);
	char name[80];

	while (len > 0 && (p[len - 1] == ' ' || p[len - 1] == '\t'))
		len--;
	if (len == 0 || len >= sizeof(name))
		return true; /* none that we could pass on */
	memcpy(name, p, len);
	name[len] = '\0';
	return mime_find_field(buf_text(head), head->len, name, &line,
	    &value);
}

bool
entity_from_bytes(const char *p, size_t n, struct entity *e,
    struct error *err)
{
	struct mime_span head, body;
	size_t off = 0, fields = 0;

	mime_divide(p, n, &head, &body);
	if (head.len > MESSAGE_MAX_HEADER_BYTES)
		return error_perm(err, "the header lines inside the signature "
		    "are too long");
	while (off < head.len) {
		size_t next = off;

		do {
			const char *nl = memchr(p + next, '\n',
			    head.len - next);

			next = nl == NULL ? head.len : (size_t)(nl - p) + 1;
		} while (next < head.len && (p[next] == ' ' ||
		    p[next] == '\t'));
		if (next - off > 8 &&
		    strncasecmp(p + off, "Content-", 8) == 0) {
			if (++fields > FIELDS_MAX)
				return error_perm(err, "more than %d Content- "
				    "header fields inside the signature",
				    FIELDS_MAX);
			if (!has_field(&e->head, p + off, next - off))
				add_clean(&e->head, p + off, next - off);
		}
		off = next;
	}
	if (e->head.len > 0 && e->head.data[e->head.len - 1] != '\n')
		buf_puts(&e->head, "\r\n");
	pieces_add(&e->body, p + body.off, body.len);
	return true;
}

/* ---- canonical form ---- */

struct canon {
	const char *p; /* the body */
	const struct mime *m;
	const struct spool_place *place;
	struct pieces out;
	struct buf head; /* the new head of the entity itself */
	bool keep_labels; /* "8bit" stays on what holds parts */
	bool left;
	struct error *err;
};

/* Unchanged bytes: grows the last piece when they follow it. */
static void
copy_span(struct canon *c, size_t off, size_t len)
{
	struct piece *last = c->out.n > 0 ? &c->out.v[c->out.n - 1] : NULL;

	if (last != NULL && last->data + last->len == c->p + off) {
		last->len += len;
		c->out.len += len;
	} else {
		pieces_add(&c->out, c->p + off, len);
	}
}

/* Bytes that must stay as they are: can they travel? */
static void
copy_checked(struct canon *c, size_t off, size_t len)
{
	struct text_scan s;

	text_scan(c->p + off, len, &s);
	c->left |= text_is_hard(&s);
	copy_span(c, off, len);
}

/* Small writes, in blocks. */
struct block {
	struct spool *out;
	struct error *err;
	char data[16384];
	size_t n;
	bool ok;
};

static void
put_block(struct block *b, const char *p, size_t n)
{
	if (b->n + n > sizeof(b->data)) {
		b->ok = b->ok && spool_write(b->out, b->data, b->n, b->err);
		b->n = 0;
	}
	if (n > sizeof(b->data)) {
		b->ok = b->ok && spool_write(b->out, p, n, b->err);
		return;
	}
	memcpy(b->data + b->n, p, n);
	b->n += n;
}

/* Lines (their ends are CRLF) without the blanks at their ends. */
static struct spool *
trim_lines(struct canon *c, const char *p, size_t n)
{
	struct spool *s = spool_new(c->place);
	struct block b = {.out = s, .err = c->err, .ok = true};

	for (size_t off = 0; off < n;) {
		const char *cr = memchr(p + off, '\r', n - off);
		size_t end = cr == NULL ? n : (size_t)(cr - p), text = end;

		while (text > off && (p[text - 1] == ' ' ||
		    p[text - 1] == '\t'))
			text--;
		put_block(&b, p + off, text - off);
		if (cr != NULL)
			put_block(&b, "\r\n", 2);
		off = cr == NULL ? n : end + 2;
	}
	if (b.ok && spool_write(s, b.data, b.n, c->err) &&
	    spool_finish(s, c->err))
		return s;
	spool_free(&s);
	return NULL;
}

/*
 * Preamble, delimiter lines, epilogue: they mean nothing, so blanks at
 * line ends (transport padding) go before a server takes them.
 */
static bool
put_between(struct canon *c, size_t off, size_t len)
{
	struct spool *trimmed;
	struct text_scan s;

	text_scan(c->p + off, len, &s);
	c->left |= text_is_hard(&s) || s.from_line;
	if (text_is_hard(&s) || !s.blank_end) {
		copy_span(c, off, len);
		return true;
	}
	trimmed = trim_lines(c, c->p + off, len);
	if (trimmed == NULL)
		return false;
	pieces_keep_spool(&c->out, &trimmed);
	return true;
}

static bool
is_wide(enum mime_encoding encoding)
{
	return encoding == MIME_8BIT || encoding == MIME_BINARY;
}

/*
 * Does any line look like the label of 8-bit content?  A server without
 * 8BITMIME encodes what is labelled so, be it 7-bit.
 */
static bool
has_wide_label(const char *p, size_t n)
{
	struct mime_span line, value;
	bool wide = false;

	while (!wide && mime_find_field(p, n, "Content-Transfer-Encoding",
	    &line, &value)) {
		wide = is_wide(mime_encoding(p + line.off, line.len));
		p += line.off + line.len;
		n -= line.off + line.len;
	}
	return wide;
}

/* Parts that were not looked for stand there too: a server may see them. */
static void
copy_unknown(struct canon *c, size_t off, size_t len)
{
	struct text_scan s;

	text_scan(c->p + off, len, &s);
	c->left |= text_is_hard(&s) || s.blank_end || s.from_line ||
	    has_wide_label(c->p + off, len);
	copy_span(c, off, len);
}

/* Header lines: raw 8-bit bytes in them pass every hop we know of. */
static void
check_head(struct canon *c, const char *head, size_t n)
{
	struct text_scan s;

	text_scan(head, n, &s);
	c->left |= s.nul || s.bare_cr || s.bare_lf || s.long_line;
}

static const char *
encoding_name(enum mime_encoding encoding)
{
	static const char *const names[] = {
		"7bit", "8bit", "binary", "quoted-printable", "base64", ""};

	return names[encoding];
}

/* head with its Content-Transfer-Encoding fields replaced by one. */
static void
relabel(const char *head, size_t n, enum mime_encoding encoding,
    struct buf *out)
{
	struct mime_span line, value;
	size_t off = 0;
	bool done = false;

	while (mime_find_field(head + off, n - off,
	    "Content-Transfer-Encoding", &line, &value)) {
		buf_append(out, head + off, line.off);
		if (!done)
			buf_printf(out, "Content-Transfer-Encoding: %s\r\n",
			    encoding_name(encoding));
		done = true;
		off += line.off + line.len;
	}
	buf_append(out, head + off, n - off);
	if (out->len > 0 && out->data[out->len - 1] != '\n')
		buf_puts(out, "\r\n");
	if (!done)
		buf_printf(out, "Content-Transfer-Encoding: %s\r\n",
		    encoding_name(encoding));
}

/*
 * Emits a part's header lines and blank line; encoding says what they must
 * say, MIME_OTHER that they stay.
 */
static void
put_head(struct canon *c, const struct mime_part *part,
    enum mime_encoding encoding)
{
	bool is_top = part->parent < 0;
	size_t head_end = part->head.off + part->head.len;
	struct mime_span line, value;
	struct buf text;

	if (is_top && encoding != MIME_OTHER) {
		buf_init(&text, c->head.max + LABEL_MAX);
		relabel(buf_text(&c->head), c->head.len, encoding, &text);
		buf_clear(&c->head);
		c->head = text;
	}
	if (is_top) {
		check_head(c, buf_text(&c->head), c->head.len);
		return;
	}
	if (encoding == MIME_OTHER) {
		check_head(c, c->p + part->head.off, part->head.len);
		copy_span(c, part->head.off, part->head.len);
		if (part->body.off == head_end + 2)
			copy_span(c, head_end, 2);
		else if (part->body.off + part->body.len > head_end)
			/* No proper empty line: what follows could join. */
			pieces_add(&c->out, "\r\n", 2);
		return;
	}
	buf_init(&text, part->head.len + LABEL_MAX);
	relabel(c->p + part->head.off, part->head.len, encoding, &text);
	if (c->m->parts[part->parent].kind == MIME_MESSAGE &&
	    !mime_find_field(buf_text(&text), text.len, "MIME-Version",
	    &line, &value))
		buf_puts(&text, "MIME-Version: 1.0\r\n");
	check_head(c, buf_text(&text), text.len);
	buf_puts(&text, "\r\n");
	pieces_keep_text(&c->out, &text);
}

/* Decodes p by one encoding and writes it in another. */
static struct spool *
recode(struct canon *c, const char *p, size_t n, enum mime_encoding from,
    enum mime_encoding to)
{
	struct spool *plain = NULL, *coded = spool_new(c->place);
	bool ok = true;

	if (from == MIME_BASE64) {
		ok = transfer_rewrap(p, n, coded, c->err) &&
		    spool_finish(coded, c->err);
		goto out;
	}
	if (from == MIME_QUOTED_PRINTABLE) {
		plain = spool_new(c->place);
		ok = transfer_decode(p, n, from, plain, c->err) &&
		    spool_finish(plain, c->err);
		if (ok) {
			p = spool_data(plain);
			n = spool_len(plain);
		}
	}
	ok = ok && transfer_encode(p, n, to, coded, c->err) &&
	    spool_finish(coded, c->err);
	spool_free(&plain);
out:
	if (!ok)
		spool_free(&coded);
	return coded;
}

static bool
is_text(const char *head, size_t n)
{
	struct mime_span line, value;
	struct mime_value v;
	bool text;

	if (!mime_find_field(head, n, "Content-Type", &line, &value))
		return true;
	mime_value_parse(head + value.off, value.len, &v);
	text = v.type[0] == '\0' || strncmp(v.type, "text/", 5) == 0 ||
	    strncmp(v.type, "message/", 8) == 0;
	mime_value_clear(&v);
	return text;
}

/* A leaf's body in an encoding that travels; false when out of room. */
static bool
put_recoded(struct canon *c, const struct mime_part *part, const char *p,
    enum mime_encoding from, enum mime_encoding to)
{
	struct spool *s = recode(c, p, part->body.len, from, to);
	size_t n;

	if (s == NULL)
		return false;
	put_head(c, part, to);
	n = spool_len(s);
	pieces_keep_spool(&c->out, &s);
	/* In a multipart the delimiter brings the last line end. */
	if (to == MIME_BASE64 && part->parent >= 0 && n > 2) {
		c->out.v[c->out.n - 1].len -= 2;
		c->out.len -= 2;
	}
	return true;
}

/*
 * No leaf, though no parts were found: a multipart without usable boundary,
 * too deep ones, and messages of any kind, which take no encoding (RFC
 * 2045 6.4; RFC 6532 3.5 lifts it for message/global).  Two Content-Type
 * fields may say anything.
 */
static bool
is_composite(const char *head, size_t n)
{
	struct mime_span line, value;
	struct mime_value v;
	bool composite = false;

	if (mime_find_field(head, n, "Content-Type", &line, &value)) {
		mime_value_parse(head + value.off, value.len, &v);
		composite = strncmp(v.type, "multipart/", 10) == 0 ||
		    (strncmp(v.type, "message/", 8) == 0 &&
		    strncmp(v.type, "message/global-", 15) != 0) ||
		    mime_has_two(head, n, "Content-Type");
		mime_value_clear(&v);
	}
	return composite;
}

static bool
put_leaf(struct canon *c, const struct mime_part *part)
{
	const char *head = part->parent < 0 ? buf_text(&c->head) :
	    c->p + part->head.off;
	size_t nhead = part->parent < 0 ? c->head.len : part->head.len;
	const char *body = c->p + part->body.off;
	enum mime_encoding from = mime_encoding(head, nhead), to;
	struct text_scan s = {0};
	bool clean, composite;

	if (!part->has_body) {
		/* Header lines alone: a new one would give them a body. */
		put_head(c, part, MIME_OTHER);
		c->left |= is_wide(from);
		return true;
	}
	if (!part->in_order)
		text_scan(body, part->body.len, &s);
	clean = !text_is_hard(&s) && !s.blank_end && !s.from_line;
	/* A message is never encoded (RFC 2046 5.2.1). */
	composite = part->is_message || is_composite(head, nhead);
	if (clean && !composite) {
		put_head(c, part, is_wide(from) ? MIME_7BIT : MIME_OTHER);
		copy_span(c, part->body.off, part->body.len);
		return true;
	}
	if (from == MIME_OTHER || composite) {
		put_head(c, part, clean && is_wide(from) ? MIME_7BIT :
							   MIME_OTHER);
		copy_unknown(c, part->body.off, part->body.len);
		return true;
	}
	if (from == MIME_BASE64 || from == MIME_QUOTED_PRINTABLE)
		to = from;
	else
		to = is_text(head, nhead) && !s.nul &&
		    s.count8 <= part->body.len / 3 ?
		    MIME_QUOTED_PRINTABLE : MIME_BASE64;
	return put_recoded(c, part, body, from, to);
}

static bool put_part(struct canon *c, size_t index);

/*
 * A multipart or embedded message: its children, and between them the
 * delimiter lines, preamble and epilogue as they are.
 */
static bool
put_composite(struct canon *c, size_t index)
{
	const struct mime_part *part = &c->m->parts[index];
	size_t end = part->body.off + part->body.len, pos = part->body.off;
	bool childless = true;
	const char *head = part->parent < 0 ? buf_text(&c->head) :
	    c->p + part->head.off;
	enum mime_encoding from = mime_encoding(head,
	    part->parent < 0 ? c->head.len : part->head.len);

	put_head(c, part, is_wide(from) && !c->keep_labels ? MIME_7BIT :
							     MIME_OTHER);
	for (size_t i = index + 1; i < c->m->nparts; i++) {
		const struct mime_part *child = &c->m->parts[i];

		if (child->parent != (int)index)
			continue;
		if (!put_between(c, pos, child->whole.off - pos) ||
		    !put_part(c, i))
			return false;
		pos = child->whole.off + child->whole.len;
		childless = false;
	}
	if (!childless && !c->m->limited)
		return put_between(c, pos, end - pos);
	copy_unknown(c, pos, end - pos);
	return true;
}

/* Signed already, so not a byte may change. */
static void
copy_signed(struct canon *c, const struct mime_part *part)
{
	put_head(c, part, MIME_OTHER);
	copy_checked(c, part->body.off, part->body.len);
	c->left |= has_wide_label(c->p + part->body.off, part->body.len);
}

static bool
put_part(struct canon *c, size_t index)
{
	const struct mime_part *part = &c->m->parts[index];

	switch (part->kind) {
	case MIME_LEAF:
		return put_leaf(c, part);
	case MIME_SIGNED:
		copy_signed(c, part);
		return true;
	case MIME_MULTIPART:
	case MIME_MESSAGE:
		return put_composite(c, index);
	}
	return true;
}

static bool
put_all(struct canon *c, const struct buf *head)
{
	pieces_clear(&c->out);
	buf_clear(&c->head);
	buf_init(&c->head, head->max);
	buf_append(&c->head, buf_text(head), head->len);
	return put_part(c, 0);
}

bool
entity_canonicalise(struct entity *e, const struct spool_place *place,
    bool *left, struct error *err)
{
	struct canon c = {.place = place, .err = err};
	struct mime m = {0};
	struct buf old;
	bool ok = false;

	*left = false;
	if (!pieces_flatten(&e->body, place, err))
		return false;
	c.p = e->body.n == 0 ? "" : e->body.v[0].data;
	mime_parse(buf_text(&e->head), e->head.len, c.p, e->body.len, &m);
	c.m = &m;
	if (!put_all(&c, &e->head))
		goto out;
	if (c.left) {
		/* 8-bit bytes may stay somewhere, so the labels above do. */
		c.keep_labels = true;
		if (!put_all(&c, &e->head))
			goto out;
	}
	pieces_keep_sources(&c.out, &e->body);
	e->body = c.out;
	memset(&c.out, 0, sizeof(c.out));
	old = e->head;
	e->head = c.head;
	c.head = old;
	*left = c.left;
	ok = true;
out:
	pieces_clear(&c.out);
	buf_clear(&c.head);
	mime_clear(&m);
	return ok;
}

bool
entity_clean(struct entity *e, const struct spool_place *place,
    struct error *err)
{
	struct spool *s;
	struct text_scan found;
	const char *p;
	size_t n, from = 0;

	if (!pieces_flatten(&e->body, place, err))
		return false;
	n = e->body.len;
	p = n == 0 ? "" : e->body.v[0].data;
	text_scan(p, n, &found);
	if (!found.nul && !found.bare_cr && !found.bare_lf)
		return true;
	s = spool_new(place);
	for (size_t i = 0; i < n; i++) {
		bool pair = p[i] == '\r' && i + 1 < n && p[i + 1] == '\n';

		if (pair)
			i++;
		else if (p[i] == '\0' || p[i] == '\r' || p[i] == '\n') {
			if (!spool_write(s, p + from, i - from, err) ||
			    !spool_write(s, p[i] == '\0' ? " " : "\r\n",
			    p[i] == '\0' ? 1 : 2, err))
				goto fail;
			from = i + 1;
		}
	}
	if (!spool_write(s, p + from, n - from, err) || !spool_finish(s, err))
		goto fail;
	pieces_clear(&e->body);
	pieces_keep_spool(&e->body, &s);
	return true;
fail:
	spool_free(&s);
	return false;
}
