/* SPDX-License-Identifier: BSD-2-Clause */
#include "protected_headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/ascii.h"
#include "common/mem.h"
#include "header_policy.h"
#include "mime.h"

#define HP_OUTER "HP-Outer"
#define LINE_LIMIT 998 /* RFC 5322 2.1.1 without CRLF */

/* The milter protocol cuts values at 60,000, and carries no longer ones. */
#define VALUE_MAX 59000
/* Of one message, sent; what is believed has HP-Outer fields besides. */
#define FIELDS_MAX 200
#define BYTES_MAX (256 << 10)

/*
 * What a sender composes (RFC 5322 3.6, and what mail programs write
 * besides).  Not: List-* and Archived-At, which mailing lists add (RFC 9788
 * 7.1), Resent-*, which are trace fields (RFC 5322 3.6.6), Auto-Submitted,
 * which may be added to stop loops.
 */
static const struct {
	const char *name;
	bool servers_add; /* one that is only outside may well stay */
} names[] = {
	{"From", true},
	{"Sender", true},
	{"Reply-To", false},
	{"To", false},
	{"Cc", false},
	{"Subject", false},
	{"Date", true},
	{"Message-ID", true},
	{"In-Reply-To", false},
	{"References", false},
	{"Comments", false},
	{"Keywords", false},
	{"Mail-Followup-To", false},
	{"Mail-Reply-To", false},
	{"Disposition-Notification-To", false},
	{"Organization", false},
	{"Importance", false},
	{"Priority", false},
	{"Sensitivity", false},
	{"X-Priority", false},
	{"X-MSMail-Priority", false},
	{"Thread-Topic", false},
	{"User-Agent", false},
	{"X-Mailer", false},
};

#define COUNT (sizeof(names) / sizeof(names[0]))

/* The table's spelling, whose address stands for the name; or NULL. */
static const char *
find_name(const char *p, size_t n)
{
	for (size_t i = 0; i < COUNT; i++)
		if (strlen(names[i].name) == n &&
		    strncasecmp(names[i].name, p, n) == 0)
			return names[i].name;
	return NULL;
}

/* ---- values ---- */

/* Control characters are none that a header field may hold. */
static bool
is_blank(char c)
{
	return (unsigned char)c <= ' ' || c == 0x7f;
}

/*
 * Where a line too long is to end: before the last blank that fits, else
 * before the first; 0 when there is none.
 */
static size_t
find_break(const char *p, size_t n, size_t room)
{
	size_t found = 0;

	for (size_t i = 1; i < n && (found == 0 || i <= room); i++)
		if (is_blank(p[i]) && !is_blank(p[i - 1]))
			found = i;
	return found;
}

static void
put_line(const char *p, size_t n, size_t column, struct buf *out)
{
	while (n > 0) {
		size_t take = n;

		if (column + n > LINE_LIMIT)
			take = find_break(p, n, LINE_LIMIT > column ?
			    LINE_LIMIT - column : 0);
		if (take == 0)
			take = n;
		for (size_t i = 0; i < take; i++)
			buf_putc(out, p[i] != '\t' && is_blank(p[i]) ? ' ' :
			    p[i]);
		if (take < n)
			buf_putc(out, '\n');
		p += take;
		n -= take;
		column = 0;
	}
}

/*
 * A value in the form of struct header, whatever it was: one blank in front,
 * folds as they were, lines of at most 998 where blanks allow, nothing blank
 * at their ends, no control characters.  column is where it begins.
 */
static void
tidy(const char *p, size_t n, size_t column, struct buf *out)
{
	size_t off = 0;

	while (off < n) {
		const char *nl = memchr(p + off, '\n', n - off);
		size_t next = nl == NULL ? n : (size_t)(nl - p) + 1;
		size_t start = off, end = next;
		bool first = out->len == 0;

		off = next;
		while (end > start && is_blank(p[end - 1]))
			end--;
		while (first && start < end && is_blank(p[start]))
			start++;
		if (start == end)
			continue;
		if (!first)
			buf_putc(out, '\n');
		if (first || !is_blank(p[start]))
			buf_putc(out, ' ');
		put_line(p + start, end - start, first ? column + 1 : 1, out);
	}
}

/* Equal but for blanks and folds. */
static bool
same_text(const char *a, const char *b)
{
	bool gap_a, gap_b, first = true;

	for (;; first = false) {
		gap_a = is_blank(*a);
		gap_b = is_blank(*b);
		while (*a != '\0' && is_blank(*a))
			a++;
		while (*b != '\0' && is_blank(*b))
			b++;
		if (*a == '\0' || *b == '\0')
			return *a == *b;
		if (*a != *b || (gap_a != gap_b && !first))
			return false;
		a++;
		b++;
	}
}

/* The one address of a value; false when there is none, or are several. */
static bool
single_address(const char *value, struct mailaddr *address)
{
	struct strvec list = {0};
	struct error ignored;
	bool ok;

	memset(address, 0, sizeof(*address));
	ok = mailaddr_list(value, strlen(value), &list, &ignored) &&
	    list.n == 1 && mailaddr_parse(list.v[0], strlen(list.v[0]),
	    address, &ignored);
	strvec_clear(&list);
	return ok;
}

/* RFC 9788 4.4.5: of one address each, and that the same. */
static bool
same_address(const char *a, const char *b)
{
	struct mailaddr first, second;
	bool same = single_address(a, &first);

	if (same) {
		same = single_address(b, &second) &&
		    mailaddr_equal(&first, &second);
		mailaddr_clear(&second);
	}
	mailaddr_clear(&first);
	return same;
}

/* ---- reading what is inside ---- */

/* Fields of the table, in their order. */
struct list {
	struct protected_field *v;
	size_t n, bytes;
};

static void
list_clear(struct list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].value);
	free(l->v);
	memset(l, 0, sizeof(*l));
}

/* The n-th value (from 0) of a name of the table; NULL: there are fewer. */
static const char *
list_value(const struct protected_field *v, size_t count, const char *name,
    size_t n)
{
	for (size_t i = 0; i < count; i++)
		if (v[i].name == name && n-- == 0)
			return v[i].value;
	return NULL;
}

/* False: more than anybody composes. */
static bool
list_add(struct list *l, const char *name, const char *p, size_t n)
{
	struct buf value;
	bool ok;

	buf_init(&value, VALUE_MAX);
	tidy(p, n, strlen(name) + 1, &value);
	l->bytes += value.len;
	ok = !value.overflow && l->n < FIELDS_MAX && l->bytes <= BYTES_MAX;
	if (!ok) {
		buf_clear(&value);
		return false;
	}
	if ((l->n & (l->n - 1)) == 0)
		l->v = mem_resize(l->v, 2 * l->n + 1, sizeof(*l->v));
	l->v[l->n].name = name;
	l->v[l->n].confidential = false;
	l->v[l->n++].value = buf_take(&value);
	return true;
}

/* Where a field's name ends, blanks before the colon left out. */
static size_t
name_length(const char *p, const char *colon)
{
	while (colon > p && (colon[-1] == ' ' || colon[-1] == '\t'))
		colon--;
	return (size_t)(colon - p);
}

/* One field; HP-Outer holds the name and value of another (2.2.1). */
static bool
read_field(const char *p, size_t n, struct list *inside, struct list *outer)
{
	const char *end = p + n, *colon = memchr(p, ':', n), *name;
	struct list *to = inside;
	size_t len;

	if (colon == NULL)
		return true;
	len = name_length(p, colon);
	if (len == strlen(HP_OUTER) && strncasecmp(p, HP_OUTER, len) == 0) {
		to = outer;
		p = colon + 1;
		while (p < end && is_blank(*p))
			p++;
		colon = memchr(p, ':', (size_t)(end - p));
		if (colon == NULL)
			return true;
		len = name_length(p, colon);
	}
	name = find_name(p, len);
	return name == NULL || list_add(to, name, colon + 1,
	    (size_t)(end - colon) - 1);
}

static bool
read_fields(const char *head, size_t n, struct list *inside,
    struct list *outer)
{
	size_t off = 0, next;

	for (; off < n; off = next) {
		next = off;
		do {
			const char *nl = memchr(head + next, '\n', n - next);

			next = nl == NULL ? n : (size_t)(nl - head) + 1;
		} while (next < n && (head[next] == ' ' ||
		    head[next] == '\t'));
		if (!read_field(head + off, next - off, inside, outer))
			return false;
	}
	return true;
}

/* The Content-Type in some header lines; false: none, or two. */
static bool
find_type(const char *head, size_t n, struct mime_span *value,
    struct mime_value *type)
{
	struct mime_span line;

	memset(type, 0, sizeof(*type));
	if (!mime_find_field(head, n, "Content-Type", &line, value) ||
	    mime_has_two(head, n, "Content-Type"))
		return false;
	mime_value_parse(head + value->off, value->len, type);
	return true;
}

static bool
is_layer_type(const char *type)
{
	return strcmp(type, "multipart/signed") == 0 ||
	    strcmp(type, "multipart/encrypted") == 0 ||
	    strcmp(type, "application/pkcs7-mime") == 0 ||
	    strcmp(type, "application/x-pkcs7-mime") == 0;
}

/* What the parameter hp says, of a part that is no layer. */
enum mark { MARK_NONE, MARK_CLEAR, MARK_CIPHER, MARK_OTHER };

static enum mark
read_mark(const char *head, size_t n, char *type_name, size_t size)
{
	enum mark mark = MARK_NONE;
	struct mime_value type;
	struct mime_span value, ignored;
	const char *hp;

	type_name[0] = '\0';
	if (!find_type(head, n, &value, &type))
		return MARK_NONE;
	hp = mime_value_get(&type, "hp");
	if (hp != NULL && strcmp(hp, "clear") == 0)
		mark = MARK_CLEAR;
	else if (hp != NULL && strcmp(hp, "cipher") == 0)
		mark = MARK_CIPHER;
	else if (mime_find_parameter(head + value.off, value.len, "hp",
	    &ignored))
		mark = MARK_OTHER;
	snprintf(type_name, size, "%s", type.type);
	mime_value_clear(&type);
	return mark;
}

/*
 * RFC 9788 4.10.1: a message as the whole payload, no layer itself, and no
 * hp on either.  *head is set to the message's header lines.
 */
static bool
is_wrapped(const char *p, const struct mime_span *outer_head,
    const struct mime_span *body, struct mime_span *head)
{
	struct mime_span inner;
	char type[64];

	if (read_mark(p + outer_head->off, outer_head->len, type,
	    sizeof(type)) != MARK_NONE || strcmp(type, "message/rfc822") != 0 ||
	    mime_encoding(p + outer_head->off, outer_head->len) > MIME_BINARY)
		return false;
	mime_divide(p + body->off, body->len, head, &inner);
	head->off += body->off;
	return read_mark(p + head->off, head->len, type, sizeof(type)) ==
	    MARK_NONE && !is_layer_type(type);
}

/* Which protection the payload has, and where its fields are. */
static enum header_protection
find_kind(const struct payload *p, struct mime_span *head)
{
	struct mime_span outer_head, body;
	enum mark mark;
	char type[64];

	if (p->data == NULL || (!p->decrypted && !p->verified))
		return HEADERS_UNPROTECTED;
	mime_divide(p->data, p->len, &outer_head, &body);
	*head = outer_head;
	mark = read_mark(p->data + head->off, head->len, type, sizeof(type));
	/* What hp claims gives no protection (RFC 9788 2.1.1, 10.2). */
	if (mark == MARK_CIPHER && p->decrypted)
		return HEADERS_CIPHER;
	if (mark == MARK_CLEAR || mark == MARK_CIPHER)
		return p->verified ? HEADERS_CLEAR : HEADERS_UNPROTECTED;
	if (is_wrapped(p->data, &outer_head, &body, head))
		return HEADERS_WRAPPED;
	return HEADERS_UNPROTECTED;
}

/* ---- comparing ---- */

static const char *
outside_value(const struct message *m, const char *name, size_t n)
{
	const struct header *h = message_header(m, name, n);

	return h == NULL ? NULL : h->value;
}

/* Does the header say of a name just what the list does? */
static bool
is_as_listed(const struct protected_field *v, size_t n, const char *name,
    const struct message *m)
{
	const char *wanted, *got;

	for (size_t i = 0;; i++) {
		wanted = list_value(v, n, name, i);
		got = outside_value(m, name, i);
		if (wanted == NULL || got == NULL)
			return wanted == NULL && got == NULL;
		if (!same_text(wanted, got))
			return false;
	}
}

/* RFC 9788 4.4.1.1: by the address, whatever HP-Outer says. */
static bool
from_differs(const struct protected_headers *h, const struct message *m)
{
	const char *name = names[0].name, *inside, *outside;

	for (size_t i = 0;; i++) {
		inside = list_value(h->v, h->n, name, i);
		outside = outside_value(m, name, i);
		if (inside == NULL || outside == NULL)
			return inside != NULL || outside != NULL;
		if (!same_text(inside, outside) &&
		    !same_address(inside, outside))
			return true;
	}
}

/* Does the list show the field outside, name and value? */
static bool
is_shown(const struct protected_field *f, const struct list *outer)
{
	for (size_t i = 0; i < outer->n; i++)
		if (outer->v[i].name == f->name &&
		    same_text(outer->v[i].value, f->value))
			return true;
	return false;
}

static bool
stands_outside(const struct protected_field *f, const struct message *m)
{
	const char *value;

	for (size_t i = 0; i < FIELDS_MAX; i++) {
		value = outside_value(m, f->name, i);
		if (value == NULL)
			return false;
		if (same_text(value, f->value))
			return true;
	}
	return false;
}

/*
 * RFC 9788 4.3.1: confidential is what HP-Outer does not show; without it
 * (4.10.2), what is not outside.
 */
static void
find_confidential(struct protected_headers *h, const struct list *outer,
    const struct message *m)
{
	for (size_t i = 0; i < h->n; i++) {
		struct protected_field *f = &h->v[i];

		f->confidential = h->kind == HEADERS_CIPHER ?
		    !is_shown(f, outer) : !stands_outside(f, m);
		if (f->confidential && !strvec_has(&h->confidential, f->name))
			strvec_add(&h->confidential, f->name);
	}
}

/*
 * The header should say what the sender put there: what HP-Outer lists,
 * else the same as inside.  A wrapped message that is encrypted does not
 * tell; what is only outside was not its sender's in any case.
 */
static void
compare(struct protected_headers *h, const struct list *outer, bool untold,
    const struct message *m)
{
	bool listed = h->kind == HEADERS_CIPHER;

	for (size_t i = 0; i < COUNT; i++) {
		const char *name = names[i].name;
		bool same = untold && list_value(h->v, h->n, name, 0) != NULL;

		same = same || is_as_listed(listed ? outer->v : h->v,
		    listed ? outer->n : h->n, name, m);
		if (!same || (i == 0 && from_differs(h, m)))
			strvec_add(&h->differ, name);
	}
}

void
protected_headers_find(const struct payload *p, const struct message *m,
    struct protected_headers *h)
{
	struct list inside = {0}, outer = {0};
	struct mime_span head;

	memset(h, 0, sizeof(*h));
	h->kind = find_kind(p, &head);
	if (h->kind == HEADERS_UNPROTECTED)
		return;
	if (!read_fields(p->data + head.off, head.len, &inside, &outer)) {
		h->kind = HEADERS_UNPROTECTED;
		goto out;
	}
	h->is_signed = p->verified;
	h->v = inside.v;
	h->n = inside.n;
	memset(&inside, 0, sizeof(inside));
	if (h->kind == HEADERS_CIPHER ||
	    (h->kind == HEADERS_WRAPPED && p->decrypted))
		find_confidential(h, &outer, m);
	compare(h, &outer, h->kind == HEADERS_WRAPPED && p->decrypted, m);
out:
	list_clear(&inside);
	list_clear(&outer);
}

void
protected_headers_clear(struct protected_headers *h)
{
	struct list fields = {h->v, h->n, 0};

	list_clear(&fields);
	strvec_clear(&h->differ);
	strvec_clear(&h->confidential);
	memset(h, 0, sizeof(*h));
}

const char *
protected_headers_kind_name(enum header_protection kind)
{
	static const char *const kinds[] = {NULL, "clear", "cipher",
		"wrapped"};

	return kinds[kind];
}

/* ---- restoring ---- */

/* The index of the n-th field of a name; false: there are fewer. */
static bool
find_outside(const struct fields *header, const char *name, size_t n,
    size_t *at)
{
	const struct field *f = fields_find(header, name, n);

	if (f != NULL)
		*at = (size_t)(f - header->v);
	return f != NULL;
}

/* The last ones go, as many as *left says. */
static bool
is_surplus(const void *context, const char *value)
{
	size_t *const *left = context;

	(void)value;
	if (**left == 0)
		return false;
	(**left)--;
	return true;
}

static size_t
count_outside(const struct fields *header, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < header->n; i++)
		n += strcasecmp(header->v[i].name, name) == 0 ? 1 : 0;
	return n;
}

/* To the milter protocol, no value at all means deletion. */
static const char *
never_empty(const char *value)
{
	return value[0] == '\0' ? " " : value;
}

/* All fields of one name; keep: if none is inside, those outside stay. */
static bool
restore_name(const struct protected_headers *h, const char *name, bool keep,
    struct fields *header)
{
	size_t n = 0, at = 0, left, *counter = &left;
	const char *value;
	bool changed = false;

	for (; (value = list_value(h->v, h->n, name, n)) != NULL; n++) {
		if (!find_outside(header, name, n, &at)) {
			fields_append(header, name, never_empty(value));
			changed = true;
		} else if (!same_text(header->v[at].value, value)) {
			fields_change(header, at, never_empty(value));
			changed = true;
		}
	}
	left = count_outside(header, name);
	if (left <= n || (n == 0 && keep))
		return changed;
	left -= n;
	fields_delete_named(header, name, is_surplus, &counter);
	return true;
}

/* Names before the same address come back, nothing else. */
static bool
restore_from(const struct protected_headers *h, struct fields *header)
{
	const char *name = names[0].name, *value;
	bool changed = false;
	size_t at;

	for (size_t i = 0; (value = list_value(h->v, h->n, name, i)) != NULL;
	    i++) {
		if (!find_outside(header, name, i, &at) ||
		    same_text(header->v[at].value, value) ||
		    !same_address(header->v[at].value, value))
			continue;
		fields_change(header, at, value);
		changed = true;
	}
	return changed;
}

bool
protected_headers_restore(const struct protected_headers *h,
    struct fields *header)
{
	bool complete, changed;

	if (h->kind != HEADERS_CLEAR && h->kind != HEADERS_CIPHER)
		return false;
	/* Who protects a header protects its From; else hp is an accident. */
	complete = list_value(h->v, h->n, names[0].name, 0) != NULL;
	changed = restore_from(h, header);
	for (size_t i = 1; i < COUNT; i++)
		changed |= restore_name(h, names[i].name,
		    names[i].servers_add || !complete, header);
	return changed;
}

bool
protected_headers_hide_from(const struct protected_headers *h,
    const char *text, const struct mailaddr *address)
{
	bool known = text[0] == '\0' || strcmp(text, "<>") == 0;
	struct mailaddr author;

	for (size_t i = 0; !known && i < h->n; i++) {
		/* The first two of the table are who writes. */
		if (h->v[i].name != names[0].name &&
		    h->v[i].name != names[1].name)
			continue;
		known = single_address(h->v[i].value, &author) &&
		    mailaddr_equal(&author, address);
		mailaddr_clear(&author);
	}
	return h->confidential.n > 0 && !known;
}

/* ---- sending ---- */

bool
protected_headers_is_layer(const struct entity *e)
{
	struct mime_value type;
	struct mime_span value;
	bool layer;

	if (!find_type(buf_text(&e->head), e->head.len, &value, &type))
		return false;
	layer = is_layer_type(type.type);
	mime_value_clear(&type);
	return layer;
}

/* A field of the entity: `prefix` is "", or "HP-Outer: ". */
static void
put_field(struct buf *out, const char *prefix, const char *name,
    const char *value)
{
	struct buf text;

	buf_init(&text, 2 * VALUE_MAX);
	tidy(value, strlen(value), strlen(prefix) + strlen(name) + 1, &text);
	buf_printf(out, "%s%s:", prefix, name);
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '\n')
			buf_putc(out, '\r');
		buf_putc(out, text.data[i]);
	}
	buf_puts(out, "\r\n");
	buf_clear(&text);
}

static bool
has_long_line(const char *name, const char *value)
{
	size_t column = strlen(name) + 1;

	for (; *value != '\0'; value++) {
		column = *value == '\n' ? 0 : column + 1;
		if (column > LINE_LIMIT)
			return true;
	}
	return false;
}

/* What servers would fold on their way, anywhere, is folded as inside. */
static void
fold_outside(struct fields *header, size_t at)
{
	const struct field *f = &header->v[at];
	struct buf text;

	if (!has_long_line(f->name, f->value))
		return;
	buf_init(&text, 2 * VALUE_MAX);
	tidy(f->value, strlen(f->value), strlen(f->name) + 1, &text);
	fields_change(header, at, buf_text(&text));
	buf_clear(&text);
}

/*
 * What the policy leaves of a field outside, and HP-Outer says so.  Returns
 * whether the field is still there.
 */
static bool
show_outside(struct fields *header, size_t at,
    enum header_confidentiality policy, struct buf *outer)
{
	const struct field *f = &header->v[at];
	struct buf other;
	enum header_show show;

	buf_init(&other, 2 * VALUE_MAX);
	show = header_policy(policy, f->name, f->value, &other);
	if (show == SHOW_NONE)
		fields_delete(header, at);
	else if (show == SHOW_OTHER && !same_text(buf_text(&other), f->value))
		fields_change(header, at, buf_text(&other));
	if (show != SHOW_NONE)
		put_field(outer, HP_OUTER ": ", header->v[at].name,
		    header->v[at].value);
	buf_clear(&other);
	return show != SHOW_NONE;
}

static bool
is_eight_bit(const struct buf *b)
{
	for (size_t i = 0; i < b->len; i++)
		if ((unsigned char)b->data[i] > 0x7f)
			return true;
	return false;
}

/* The fields to protect into inner, and HP-Outer fields into outer. */
static bool
copy_fields(struct fields *header, bool encrypts,
    enum header_confidentiality policy, struct buf *inner,
    struct buf *outer, struct error *err)
{
	size_t n = 0;

	for (size_t i = 0; i < header->n;) {
		const struct field *f = &header->v[i];

		if (find_name(f->name, strlen(f->name)) == NULL) {
			i++;
			continue;
		}
		if (strlen(f->value) > VALUE_MAX - LINE_LIMIT)
			return error_perm(err, "header field %.60s is too "
			    "long to be protected", f->name);
		if (++n > FIELDS_MAX)
			return error_perm(err, "more than %d header fields to "
			    "protect", FIELDS_MAX);
		put_field(inner, "", f->name, f->value);
		fold_outside(header, i);
		i += !encrypts || show_outside(header, i, policy, outer);
	}
	if (inner->len > BYTES_MAX)
		return error_perm(err, "more than %d bytes of header fields "
		    "to protect", BYTES_MAX);
	return true;
}

/* A value without the parameter hp. */
static void
put_unmarked(const char *p, size_t n, struct buf *out)
{
	struct mime_span hp;

	while (mime_find_parameter(p, n, "hp", &hp)) {
		buf_append(out, p, hp.off);
		p += hp.off + hp.len;
		n -= hp.off + hp.len;
	}
	buf_append(out, p, n);
}

/*
 * The entity's header lines with hp on their Content-Type: right behind the
 * type, where no odd parameter can hide it.
 */
static void
put_marked(const struct buf *head, const char *hp, struct buf *out)
{
	const char *p = buf_text(head);
	struct mime_span line, value;
	size_t end;

	if (!mime_find_field(p, head->len, "Content-Type", &line, &value)) {
		buf_printf(out, "Content-Type: text/plain;\r\n\thp=\"%s\"; "
		    "charset=us-ascii\r\n", hp);
		buf_append(out, p, head->len);
		return;
	}
	end = mime_type_end(p + value.off, value.len);
	buf_append(out, p, value.off + end);
	buf_printf(out, ";\r\n\thp=\"%s\"", hp);
	p += value.off + end;
	put_unmarked(p, value.len - end, out);
	p += value.len - end;
	buf_append(out, p, head->len - value.off - value.len);
}

static void
set_head(struct entity *e, struct buf *head)
{
	buf_clear(&e->head);
	e->head = *head;
	buf_init(head, 0);
}

bool
protected_headers_add(struct fields *header, struct entity *e, bool encrypts,
    enum header_confidentiality policy, bool *eight_bit, struct error *err)
{
	struct buf head, outer;
	char type[64];
	bool ok;

	buf_init(&head, e->head.max);
	buf_init(&outer, e->head.max);
	ok = copy_fields(header, encrypts, policy, &head, &outer, err);
	if (ok) {
		*eight_bit = is_eight_bit(&head);
		buf_append(&head, buf_text(&outer), outer.len);
		put_marked(&e->head, encrypts ? "cipher" : "clear", &head);
		/* In a broken field readers may find another hp, or none. */
		if (head.overflow || read_mark(head.data, head.len, type,
		    sizeof(type)) != (encrypts ? MARK_CIPHER : MARK_CLEAR))
			ok = error_perm(err, "the Content-Type field cannot "
			    "be read");
	}
	if (ok)
		set_head(e, &head);
	buf_clear(&head);
	buf_clear(&outer);
	return ok;
}

void
protected_headers_unmark(struct entity *e)
{
	const char *p = buf_text(&e->head);
	struct mime_span line, value;
	struct buf head;

	if (!mime_find_field(p, e->head.len, "Content-Type", &line, &value))
		return;
	buf_init(&head, e->head.max);
	buf_append(&head, p, value.off);
	put_unmarked(p + value.off, value.len, &head);
	p += value.off + value.len;
	buf_append(&head, p, e->head.len - value.off - value.len);
	set_head(e, &head);
}
