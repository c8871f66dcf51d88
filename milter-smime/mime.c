/* SPDX-License-Identifier: BSD-2-Clause */
#include "mime.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/mem.h"
#include "text_scan.h"

/* ---- values of structured fields ---- */

struct cursor {
	const char *p, *end;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* RFC 2045 token characters. */
static bool
is_token(char c)
{
	return (unsigned char)c > ' ' && (unsigned char)c < 0x7f &&
	    strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

/* Blanks, folds and (nested) comments. */
static void
skip_cfws(struct cursor *c)
{
	unsigned depth = 0;

	for (; c->p < c->end; c->p++) {
		if (*c->p == '\\' && depth > 0 && c->p + 1 < c->end)
			c->p++;
		else if (*c->p == '(')
			depth++;
		else if (*c->p == ')' && depth > 0)
			depth--;
		else if (depth == 0 && !is_blank(*c->p))
			return;
	}
}

static bool
take_char(struct cursor *c, char want)
{
	skip_cfws(c);
	if (c->p >= c->end || *c->p != want)
		return false;
	c->p++;
	return true;
}

static bool
take_token(struct cursor *c, struct buf *out)
{
	skip_cfws(c);
	while (c->p < c->end && is_token(*c->p))
		buf_putc(out, *c->p++);
	return out->len > 0;
}

static bool
take_quoted(struct cursor *c, struct buf *out)
{
	for (c->p++; c->p < c->end && *c->p != '"'; c->p++) {
		if (*c->p == '\\' && c->p + 1 < c->end)
			c->p++;
		else if (*c->p == '\r' || *c->p == '\n')
			continue; /* a fold inside quotes */
		buf_putc(out, *c->p);
	}
	if (c->p >= c->end)
		return false;
	c->p++;
	return true;
}

static bool
take_value(struct cursor *c, struct buf *out)
{
	skip_cfws(c);
	if (c->p < c->end && *c->p == '"')
		return take_quoted(c, out);
	/* Unquoted values with "/" or "=" in them are common; be lenient. */
	while (c->p < c->end && !is_blank(*c->p) && *c->p != ';' &&
	    *c->p != '(' && *c->p != '"')
		buf_putc(out, *c->p++);
	return out->len > 0;
}

static void
lower(char *s)
{
	for (; *s != '\0'; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s += 'a' - 'A';
}

static void
add_parameter(struct mime_value *v, struct buf *name, struct buf *value)
{
	char *key = buf_take(name);
	struct mime_parameter *p;

	lower(key);
	if (strchr(key, '*') != NULL)
		v->ambiguous = true;
	for (size_t i = 0; i < v->nparameters; i++)
		if (strcmp(v->parameters[i].name, key) == 0)
			v->ambiguous = true;
	if (v->parameters == NULL)
		v->parameters = mem_array(MIME_MAX_PARAMETERS, sizeof(*p));
	p = &v->parameters[v->nparameters++];
	/* A NUL ends the value for one reader and not for the next. */
	p->broken = strlen(buf_text(value)) != value->len;
	v->ambiguous |= p->broken;
	p->name = key;
	p->value = buf_take(value);
}

/* True when a parameter was read and more may follow. */
static bool
parse_parameter(struct cursor *c, struct mime_value *v)
{
	struct buf name, value;
	bool more = false;

	buf_init(&name, 256);
	buf_init(&value, 4096);
	while (take_char(c, ';'))
		;
	if (!take_token(c, &name) || !take_char(c, '=') ||
	    !take_value(c, &value) || name.overflow || value.overflow)
		goto out;
	if (v->nparameters == MIME_MAX_PARAMETERS) {
		v->ambiguous = v->crowded = true;
		goto out;
	}
	add_parameter(v, &name, &value);
	/* Anything else up to the next semicolon makes no sense: skip it. */
	skip_cfws(c);
	while (c->p < c->end && *c->p != ';')
		c->p++;
	more = c->p < c->end;
out:
	buf_clear(&name);
	buf_clear(&value);
	return more;
}

void
mime_value_parse(const char *text, size_t n, struct mime_value *v)
{
	struct cursor c = {text, text + n};
	struct buf type, sub;

	memset(v, 0, sizeof(*v));
	buf_init(&type, 256);
	buf_init(&sub, 128);
	if (take_token(&c, &type)) {
		/* A disposition is one token, a type is two. */
		if (take_char(&c, '/') && take_token(&c, &sub)) {
			buf_putc(&type, '/');
			buf_puts(&type, buf_text(&sub));
		}
		while (parse_parameter(&c, v))
			;
	}
	v->type = buf_take(&type);
	lower(v->type);
	buf_clear(&sub);
}

void
mime_value_clear(struct mime_value *v)
{
	for (size_t i = 0; i < v->nparameters; i++) {
		free(v->parameters[i].name);
		free(v->parameters[i].value);
	}
	free(v->parameters);
	free(v->type);
	memset(v, 0, sizeof(*v));
}

const char *
mime_value_get(const struct mime_value *v, const char *name)
{
	const char *found = NULL;
	size_t len = strlen(name);

	if (v->crowded)
		return NULL;
	for (size_t i = 0; i < v->nparameters; i++) {
		const char *key = v->parameters[i].name;

		if (strncmp(key, name, len) == 0 && key[len] == '*')
			return NULL;
		if (strcmp(key, name) != 0)
			continue;
		if (found != NULL || v->parameters[i].broken)
			return NULL;
		found = v->parameters[i].value;
	}
	return found;
}

size_t
mime_type_end(const char *text, size_t n)
{
	struct cursor c = {text, text + n};
	struct buf token;
	size_t end = 0;

	buf_init(&token, 256);
	if (take_token(&c, &token) && take_char(&c, '/')) {
		buf_reset(&token);
		if (take_token(&c, &token))
			end = (size_t)(c.p - text);
	}
	buf_clear(&token);
	return end;
}

/* Goes to the next semicolon that stands in no comment and no quotes. */
static void
skip_segment(struct cursor *c)
{
	while (c->p < c->end && *c->p != ';') {
		if (*c->p == '(') {
			skip_cfws(c);
			continue;
		}
		if (*c->p == '"')
			for (c->p++; c->p < c->end && *c->p != '"'; c->p++)
				if (*c->p == '\\' && c->p + 1 < c->end)
					c->p++;
		if (c->p < c->end)
			c->p++;
	}
}

bool
mime_find_parameter(const char *text, size_t n, const char *name,
    struct mime_span *parameter)
{
	struct cursor c = {text, text + n};
	size_t start, len = strlen(name);
	bool found = false;

	for (skip_segment(&c); !found && c.p < c.end;) {
		start = (size_t)(c.p - text);
		c.p++;
		skip_cfws(&c);
		found = (size_t)(c.end - c.p) > len &&
		    strncasecmp(c.p, name, len) == 0 &&
		    (c.p[len] == '*' || !is_token(c.p[len]));
		skip_segment(&c);
		if (found)
			*parameter = (struct mime_span){start,
			    (size_t)(c.p - text) - start};
	}
	return found;
}

/* ---- lines ---- */

/* Where the line at off ends: *text excludes CR LF, the result includes. */
static size_t
line_end(const char *p, size_t n, size_t off, size_t *text)
{
	const char *nl = memchr(p + off, '\n', n - off);
	size_t end = nl == NULL ? n : (size_t)(nl - p);

	*text = end > off && nl != NULL && p[end - 1] == '\r' ? end - 1 : end;
	return nl == NULL ? n : end + 1;
}

/*
 * Of the lines from off on, the first that starts with a hyphen: the only
 * ones that can delimit anything, and few in what is long.
 */
static size_t
next_hyphen_line(const char *p, size_t n, size_t off)
{
	size_t at = off;

	while (at < n) {
		const char *hyphen = memchr(p + at, '-', n - at);

		if (hyphen == NULL)
			return n;
		at = (size_t)(hyphen - p);
		if (at == off || p[at - 1] == '\n')
			return at;
		at++;
	}
	return n;
}

static bool
is_header_line(const char *p, size_t len)
{
	size_t i = 0;

	if (len > 0 && (p[0] == ' ' || p[0] == '\t'))
		return true;
	while (i < len && p[i] > ' ' && p[i] < 0x7f && p[i] != ':')
		i++;
	/* RFC 822 allowed blanks before the colon. */
	while (i > 0 && i < len && (p[i] == ' ' || p[i] == '\t'))
		i++;
	return i > 0 && i < len && p[i] == ':';
}

bool
mime_find_field(const char *head, size_t n, const char *name,
    struct mime_span *line, struct mime_span *value)
{
	size_t len = strlen(name), off = 0, text, next;

	while (off < n) {
		next = line_end(head, n, off, &text);
		/* Continuation lines belong to their field. */
		while (next < n && (head[next] == ' ' || head[next] == '\t'))
			next = line_end(head, n, next, &text);
		if (text - off > len &&
		    strncasecmp(head + off, name, len) == 0) {
			size_t colon = off + len;

			while (colon < text &&
			    (head[colon] == ' ' || head[colon] == '\t'))
				colon++;
			if (colon < text && head[colon] == ':') {
				*line = (struct mime_span){off, next - off};
				*value = (struct mime_span){colon + 1,
				    text - colon - 1};
				return true;
			}
		}
		off = next;
	}
	return false;
}

bool
mime_has_two(const char *head, size_t n, const char *name)
{
	struct mime_span line, value;
	size_t off;

	if (!mime_find_field(head, n, name, &line, &value))
		return false;
	off = line.off + line.len;
	return mime_find_field(head + off, n - off, name, &line, &value);
}

void
mime_divide(const char *part, size_t n, struct mime_span *head,
    struct mime_span *body)
{
	size_t off = 0, text, next;

	while (off < n) {
		next = line_end(part, n, off, &text);
		if (text == off) { /* the empty line */
			*head = (struct mime_span){0, off};
			*body = (struct mime_span){next, n - next};
			return;
		}
		if (!is_header_line(part + off, text - off))
			break;
		off = next;
	}
	*head = (struct mime_span){0, off};
	*body = (struct mime_span){off, n - off};
}

static enum mime_encoding
encoding_of(const char *text, size_t n)
{
	static const struct {
		const char *name;
		enum mime_encoding encoding;
	} names[] = {
		{"7bit", MIME_7BIT}, {"8bit", MIME_8BIT},
		{"binary", MIME_BINARY}, {"base64", MIME_BASE64},
		{"quoted-printable", MIME_QUOTED_PRINTABLE},
	};
	struct mime_value v;
	enum mime_encoding encoding = MIME_OTHER;

	mime_value_parse(text, n, &v);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(v.type, names[i].name) == 0)
			encoding = names[i].encoding;
	mime_value_clear(&v);
	return encoding;
}

enum mime_encoding
mime_encoding(const char *head, size_t n)
{
	static const char name[] = "Content-Transfer-Encoding";
	enum mime_encoding encoding = MIME_7BIT, next;
	struct mime_span line, value;
	bool first = true;

	while (mime_find_field(head, n, name, &line, &value)) {
		next = encoding_of(head + value.off, value.len);
		if (!first && next != encoding)
			return MIME_OTHER;
		encoding = next;
		first = false;
		head += line.off + line.len;
		n -= line.off + line.len;
	}
	return encoding;
}

enum delimiter { NO_DELIMITER, LOOSE_DELIMITER, DELIMITER, LAST_DELIMITER };

/* Ends a multipart for who looks only at how a line starts? */
static bool
is_last(const char *line, size_t len, size_t nboundary)
{
	return len >= nboundary + 4 && line[2 + nboundary] == '-' &&
	    line[3 + nboundary] == '-';
}

static enum delimiter
match_delimiter(const char *line, size_t len, const char *boundary,
    size_t nboundary)
{
	enum delimiter found = DELIMITER;
	size_t i = 2 + nboundary;

	if (len < i || line[0] != '-' || line[1] != '-' ||
	    memcmp(line + 2, boundary, nboundary) != 0)
		return NO_DELIMITER;
	if (is_last(line, len, nboundary)) {
		found = LAST_DELIMITER;
		i += 2;
	}
	while (i < len && (line[i] == ' ' || line[i] == '\t'))
		i++;
	return i == len ? found : LOOSE_DELIMITER;
}

/* The line end in front of a delimiter belongs to the delimiter. */
static size_t
before_line_end(const char *p, size_t start, size_t off)
{
	if (off > start && p[off - 1] == '\n')
		off--;
	else
		return off;
	if (off > start && p[off - 1] == '\r')
		off--;
	return off;
}

size_t
mime_split(const char *body, size_t n, const char *boundary,
    struct mime_span *parts, size_t max, bool *closed)
{
	size_t nboundary = strlen(boundary), count = 0, start = 0;
	size_t off, text, next;
	bool inside = false;

	*closed = false;
	for (off = next_hyphen_line(body, n, 0); off < n && !*closed;
	    off = next_hyphen_line(body, n, next)) {
		enum delimiter d;

		next = line_end(body, n, off, &text);
		d = match_delimiter(body + off, text - off, boundary,
		    nboundary);
		if (d == NO_DELIMITER || d == LOOSE_DELIMITER)
			continue;
		if (inside) {
			size_t end = before_line_end(body, start, off);

			if (count < max)
				parts[count] =
				    (struct mime_span){start, end - start};
			count++;
		}
		inside = true;
		start = next;
		*closed = d == LAST_DELIMITER;
	}
	if (inside && !*closed) {
		if (count < max)
			parts[count] = (struct mime_span){start, n - start};
		count++;
	}
	return count;
}

/* ---- the tree ---- */

/*
 * One pass over the lines with a stack of what is open.  A part is open
 * from the line behind its delimiter to the delimiter that ends it.
 */
struct walk {
	const char *p;
	size_t n;
	struct mime *m;
	int open[2 * MIME_MAX_DEPTH + 2]; /* indexes of parts, outermost first */
	size_t nopen;
	bool in_head; /* of the innermost */
	bool all;     /* into multipart/signed too */
	bool loosely;
};

static struct mime_part *
add_part(struct walk *w, int parent, size_t off)
{
	struct mime *m = w->m;
	struct mime_part *p;

	if ((m->nparts & (m->nparts - 1)) == 0)
		m->parts = mem_resize(m->parts, 2 * m->nparts + 1,
		    sizeof(*p));
	p = &m->parts[m->nparts++];
	memset(p, 0, sizeof(*p));
	p->parent = parent;
	p->depth = parent < 0 ? 0 : m->parts[parent].depth + 1;
	p->whole.off = p->head.off = off;
	return p;
}

static bool
is_embedded(const char *type)
{
	return strcmp(type, "message/rfc822") == 0 ||
	    strcmp(type, "message/global") == 0;
}

/* What a part is, by its header lines, else by its parent's type. */
static void
classify(struct mime_part *part, bool in_digest, bool all, const char *head,
    size_t n)
{
	struct mime_span line, value;
	struct mime_value v;
	const char *boundary;

	if (mime_has_two(head, n, "Content-Type"))
		return;
	/* RFC 2046 5.1.5: in a digest messages need no type. */
	if (mime_find_field(head, n, "Content-Type", &line, &value))
		mime_value_parse(head + value.off, value.len, &v);
	else if (in_digest)
		mime_value_parse("message/rfc822", 14, &v);
	else
		return;
	boundary = mime_value_get(&v, "boundary");
	if (strncmp(v.type, "multipart/", 10) == 0 && boundary != NULL &&
	    boundary[0] != '\0' && strlen(boundary) <= MIME_MAX_BOUNDARY) {
		part->kind = !all && strcmp(v.type, "multipart/signed") == 0 ?
		    MIME_SIGNED : MIME_MULTIPART;
		part->boundary = mem_strdup(boundary);
		part->is_digest = strcmp(v.type, "multipart/digest") == 0;
	} else if (is_embedded(v.type)) {
		part->is_message = true;
		if (mime_encoding(head, n) <= MIME_BINARY)
			part->kind = MIME_MESSAGE;
	}
	mime_value_clear(&v);
}

static bool
has_room(struct walk *w)
{
	struct mime_part *top = &w->m->parts[w->open[w->nopen - 1]];

	if (top->depth + 1 < MIME_MAX_DEPTH && w->m->nparts < MIME_MAX_PARTS)
		return true;
	w->m->limited = true;
	return false;
}

/* The header of the innermost part ends; its body starts at off. */
static void
begin_body(struct walk *w, const char *head, size_t nhead, size_t off)
{
	int index = w->open[w->nopen - 1];
	struct mime_part *part = &w->m->parts[index];

	w->in_head = false;
	part->has_body = part->in_order = true;
	part->body.off = off;
	classify(part, part->parent >= 0 &&
	    w->m->parts[part->parent].is_digest, w->all, head, nhead);
	if (part->kind == MIME_LEAF || part->kind == MIME_SIGNED)
		return;
	if (!has_room(w)) {
		part->kind = MIME_LEAF;
		return;
	}
	if (part->kind == MIME_MESSAGE) {
		add_part(w, index, off);
		w->open[w->nopen++] = (int)w->m->nparts - 1;
		w->in_head = true;
	}
}

/* A part may end inside its header lines, or at their blank line. */
static void
end_part(struct mime_part *part, size_t end)
{
	/* Its first line end may be the delimiter's already. */
	if (part->whole.off > end)
		part->whole.off = part->head.off = end;
	part->whole.len = end - part->whole.off;
	if (!part->has_body) {
		part->head.len = end - part->head.off;
		part->body.off = end;
	}
	if (part->body.off > end)
		part->body.off = end;
	part->body.len = end - part->body.off;
	if (part->parent >= 0 && part->head.off + part->head.len > end)
		part->head.len = end - part->head.off;
}

/* Ends everything opened inside w->open[level], all at one place. */
static void
close_above(struct walk *w, size_t level, size_t line_start)
{
	size_t end;

	if (w->nopen > level + 1) {
		end = before_line_end(w->p,
		    w->m->parts[w->open[level + 1]].whole.off, line_start);
		while (w->nopen > level + 1)
			end_part(&w->m->parts[w->open[--w->nopen]], end);
	}
	w->in_head = false;
}

/* The line that begins at off is of the innermost part's body. */
static void
pass_body_line(struct walk *w, size_t off, size_t next)
{
	struct mime_part *part = &w->m->parts[w->open[w->nopen - 1]];

	part->in_order = part->in_order &&
	    text_pass(w->p, next, off, TEXT_NO_MARK) == next;
}

/* All lines from off on are, up to one that starts with a hyphen. */
static size_t
pass_body(struct walk *w, size_t off)
{
	struct mime_part *part = &w->m->parts[w->open[w->nopen - 1]];

	if (part->in_order) {
		off = text_pass(w->p, w->n, off, '-');
		part->in_order = off == w->n || w->p[off] == '-';
	}
	return next_hyphen_line(w->p, w->n, off);
}

/* Which open multipart does this line delimit? The innermost that fits. */
static enum delimiter
find_delimiter(struct walk *w, size_t off, size_t text, size_t *level)
{
	enum delimiter found = NO_DELIMITER;

	for (size_t i = w->nopen; i-- > 0;) {
		const struct mime_part *part = &w->m->parts[w->open[i]];
		enum delimiter d;

		if (part->boundary == NULL || part->closed)
			continue;
		if (part->kind != MIME_MULTIPART && part->kind != MIME_SIGNED)
			continue;
		d = match_delimiter(w->p + off, text - off, part->boundary,
		    strlen(part->boundary));
		if (d == LOOSE_DELIMITER && found == NO_DELIMITER) {
			*level = i;
			found = is_last(w->p + off, text - off,
			    strlen(part->boundary)) ? LAST_DELIMITER :
						      DELIMITER;
		} else if (d == DELIMITER || d == LAST_DELIMITER) {
			*level = i;
			return d;
		}
	}
	if (found != NO_DELIMITER)
		w->m->loose = true;
	return w->loosely ? found : NO_DELIMITER;
}

static void
on_delimiter(struct walk *w, enum delimiter d, size_t level, size_t off,
    size_t next)
{
	int index = w->open[level];
	struct mime_part *part = &w->m->parts[index];

	if (part->kind == MIME_SIGNED) {
		/* Not looked into; but its end ends what is behind it. */
		part->closed = d == LAST_DELIMITER;
		return;
	}
	close_above(w, level, off);
	if (d == LAST_DELIMITER) {
		part->closed = true;
		return;
	}
	if (!has_room(w))
		return;
	add_part(w, index, next);
	w->open[w->nopen++] = (int)w->m->nparts - 1;
	w->in_head = true;
}

static void
on_line(struct walk *w, size_t off, size_t text, size_t next)
{
	struct mime_part *part;
	enum delimiter d = NO_DELIMITER;
	size_t level;

	if (text - off >= 3 && w->p[off] == '-' && w->p[off + 1] == '-')
		d = find_delimiter(w, off, text, &level);
	if (d != NO_DELIMITER) {
		on_delimiter(w, d, level, off, next);
		return;
	}
	if (!w->in_head) {
		pass_body_line(w, off, next);
		return;
	}
	part = &w->m->parts[w->open[w->nopen - 1]];
	if (text == off) {
		part->head.len = off - part->head.off;
		begin_body(w, w->p + part->head.off, part->head.len, next);
	} else if (!is_header_line(w->p + off, text - off)) {
		/* No blank line: the body begins with this one. */
		part->head.len = off - part->head.off;
		begin_body(w, w->p + part->head.off, part->head.len, off);
		on_line(w, off, text, next);
	}
}

static void
parse(const char *head, size_t nhead, const char *body, size_t nbody,
    bool all, bool loosely, struct mime *m)
{
	struct walk w = {.p = body, .n = nbody, .m = m, .all = all,
		.loosely = loosely};
	size_t off, text, next;

	memset(m, 0, sizeof(*m));
	add_part(&w, -1, 0);
	m->parts[0].head.len = nhead;
	w.open[w.nopen++] = 0;
	begin_body(&w, head, nhead, 0);
	for (off = 0; off < nbody; off = next) {
		if (!w.in_head)
			off = pass_body(&w, off);
		if (off == nbody)
			break;
		next = line_end(body, nbody, off, &text);
		on_line(&w, off, text, next);
	}
	while (w.nopen > 0)
		end_part(&m->parts[w.open[--w.nopen]], nbody);
}

void
mime_parse(const char *head, size_t nhead, const char *body, size_t nbody,
    struct mime *m)
{
	parse(head, nhead, body, nbody, false, false, m);
}

void
mime_parse_all(const char *head, size_t nhead, const char *body,
    size_t nbody, bool loosely, struct mime *m)
{
	parse(head, nhead, body, nbody, true, loosely, m);
}

void
mime_clear(struct mime *m)
{
	for (size_t i = 0; i < m->nparts; i++)
		free(m->parts[i].boundary);
	free(m->parts);
	memset(m, 0, sizeof(*m));
}
