/* SPDX-License-Identifier: BSD-2-Clause */
#include "outcome.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/mem.h"
#include "common/strvec.h"

void
outcome_clear(struct outcome *o)
{
	for (size_t i = 0; i < o->nedits; i++) {
		free(o->edits[i].name);
		free(o->edits[i].value);
	}
	free(o->edits);
	pieces_clear(&o->body);
	memset(o, 0, sizeof(*o));
}

static void __attribute__((format(printf, 5, 0)))
refuse(struct outcome *o, enum outcome_kind kind, const char *code,
    const char *status, const char *fmt, va_list ap)
{
	outcome_clear(o);
	o->kind = kind;
	snprintf(o->code, sizeof(o->code), "%s", code);
	snprintf(o->status, sizeof(o->status), "%s", status);
	vsnprintf(o->text, sizeof(o->text), fmt, ap);
}

void
outcome_reject(struct outcome *o, const char *status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	refuse(o, OUTCOME_REJECT, "550", status, fmt, ap);
	va_end(ap);
}

void
outcome_tempfail(struct outcome *o, const char *status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	refuse(o, OUTCOME_TEMPFAIL, "451", status, fmt, ap);
	va_end(ap);
}

static void
add_edit(struct outcome *o, enum edit_kind kind, const char *name,
    const char *value, unsigned index)
{
	struct edit *e;

	o->edits = mem_resize(o->edits, o->nedits + 1, sizeof(*e));
	e = &o->edits[o->nedits++];
	e->kind = kind;
	e->name = mem_strdup(name);
	e->value = mem_strdup(value);
	e->index = index;
}

void
outcome_delete_fields(struct outcome *o, const struct message *m,
    const char *name, bool (*pick)(const void *context, const char *value),
    const void *context)
{
	unsigned index = (unsigned)message_header_count(m, name);

	/* From the last: deleted fields stop counting. */
	for (size_t i = m->nheaders; i-- > 0;) {
		if (strcasecmp(m->headers[i].name, name) != 0)
			continue;
		if (pick == NULL || pick(context, m->headers[i].value))
			add_edit(o, EDIT_DELETE, m->headers[i].name, NULL,
			    index);
		index--;
	}
}

void
outcome_prepend(struct outcome *o, const char *name, const char *value)
{
	add_edit(o, EDIT_PREPEND, name, value, 1);
}

/* The entity's head as fields: name, value, name, value … */
static void
split_head(const struct buf *head, struct strvec *fields)
{
	const char *p = buf_text(head), *end = p + head->len;

	while (p < end) {
		const char *next = p, *colon;
		struct buf value;

		do {
			next = memchr(next, '\n', (size_t)(end - next));
			next = next == NULL ? end : next + 1;
		} while (next < end && (*next == ' ' || *next == '\t'));
		colon = memchr(p, ':', (size_t)(next - p));
		if (colon != NULL) {
			const char *name_end = colon;

			while (name_end > p && (name_end[-1] == ' ' ||
			    name_end[-1] == '\t'))
				name_end--;
			strvec_addn(fields, p, (size_t)(name_end - p));
			buf_init(&value, head->max);
			for (const char *q = colon + 1; q < next; q++)
				if (*q != '\r' && !(*q == '\n' &&
				    q + 1 == next))
					buf_putc(&value, *q);
			strvec_take(fields, buf_take(&value));
		}
		p = next;
	}
}

/* The n-th wanted value of a name; NULL when there are fewer. */
static const char *
wanted(const struct strvec *fields, const char *name, size_t n)
{
	for (size_t i = 0; i + 1 < fields->n; i += 2)
		if (strcasecmp(fields->v[i], name) == 0 && n-- == 0)
			return fields->v[i + 1];
	return NULL;
}

static size_t
count_before(const struct message *m, size_t at)
{
	size_t n = 0;

	for (size_t i = 0; i < at; i++)
		if (strcasecmp(m->headers[i].name, m->headers[at].name) == 0)
			n++;
	return n;
}

static void
set_head(struct outcome *o, const struct message *m,
    const struct strvec *fields)
{
	/* Backwards, so that deleting never moves what comes after. */
	for (size_t i = m->nheaders; i-- > 0;) {
		const struct header *h = &m->headers[i];
		const char *value;
		size_t n;

		if (strncasecmp(h->name, "Content-", 8) != 0)
			continue;
		n = count_before(m, i);
		value = wanted(fields, h->name, n);
		if (value == NULL)
			add_edit(o, EDIT_DELETE, h->name, NULL,
			    (unsigned)n + 1);
		else if (strcmp(value, h->value) != 0)
			add_edit(o, EDIT_CHANGE, h->name, value,
			    (unsigned)n + 1);
	}
	if (message_header(m, "MIME-Version", 0) == NULL)
		add_edit(o, EDIT_APPEND, "MIME-Version", " 1.0", 0);
	for (size_t i = 0; i + 1 < fields->n; i += 2) {
		size_t n = 0;

		for (size_t j = 0; j < i; j += 2)
			if (strcasecmp(fields->v[j], fields->v[i]) == 0)
				n++;
		if (message_header(m, fields->v[i], n) == NULL)
			add_edit(o, EDIT_APPEND, fields->v[i],
			    fields->v[i + 1], 0);
	}
}

void
outcome_set_entity(struct outcome *o, const struct message *m,
    struct entity *e)
{
	struct strvec fields = {0};

	split_head(&e->head, &fields);
	set_head(o, m, &fields);
	strvec_clear(&fields);
	pieces_clear(&o->body);
	o->body = e->body;
	memset(&e->body, 0, sizeof(e->body));
	o->replace_body = true;
}

/* Fields in their order while edits are tried on them. */
struct field_list {
	const char **names, **values;
	size_t n;
};

static size_t
find_field(const struct field_list *l, const char *name, unsigned index)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcasecmp(l->names[i], name) == 0 && --index == 0)
			return i;
	return l->n;
}

static void
apply(struct field_list *l, const struct edit *e)
{
	size_t at = e->kind == EDIT_APPEND ? l->n :
	    e->kind == EDIT_PREPEND ? 0 : find_field(l, e->name, e->index);
	size_t rest = l->n - at;

	switch (e->kind) {
	case EDIT_CHANGE:
		if (rest > 0)
			l->values[at] = e->value;
		break;
	case EDIT_DELETE:
		if (rest == 0)
			break;
		memmove(l->names + at, l->names + at + 1,
		    (rest - 1) * sizeof(*l->names));
		memmove(l->values + at, l->values + at + 1,
		    (rest - 1) * sizeof(*l->values));
		l->n--;
		break;
	case EDIT_APPEND:
	case EDIT_PREPEND:
		memmove(l->names + at + 1, l->names + at,
		    rest * sizeof(*l->names));
		memmove(l->values + at + 1, l->values + at,
		    rest * sizeof(*l->values));
		l->names[at] = e->name;
		l->values[at] = e->value;
		l->n++;
		break;
	}
}

static void
put_field(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "%s:", name);
	for (; *value != '\0'; value++) {
		if (*value == '\n')
			buf_putc(out, '\r');
		buf_putc(out, *value);
	}
	buf_puts(out, "\r\n");
}

void
outcome_render(const struct outcome *o, const struct message *m,
    struct pieces *p)
{
	struct field_list l = {
		.names = mem_array(m->nheaders + o->nedits, sizeof(char *)),
		.values = mem_array(m->nheaders + o->nedits, sizeof(char *)),
		.n = m->nheaders,
	};
	struct buf head;

	for (size_t i = 0; i < m->nheaders; i++) {
		l.names[i] = m->headers[i].name;
		l.values[i] = m->headers[i].value;
	}
	for (size_t i = 0; i < o->nedits; i++)
		apply(&l, &o->edits[i]);
	/* The fields of the message are bounded; ours are few. */
	buf_init(&head, SIZE_MAX / 2);
	for (size_t i = 0; i < l.n; i++)
		put_field(&head, l.names[i], l.values[i]);
	buf_puts(&head, "\r\n");
	pieces_keep_text(p, &head);
	if (!o->replace_body)
		pieces_add(p, spool_data(m->body), spool_len(m->body));
	else
		for (size_t i = 0; i < o->body.n; i++)
			pieces_add(p, o->body.v[i].data, o->body.v[i].len);
	free(l.names);
	free(l.values);
}

bool
outcome_write(const struct outcome *o, const struct message *m, FILE *f)
{
	struct pieces p = {0};

	outcome_render(o, m, &p);
	for (size_t i = 0; i < p.n; i++)
		fwrite(p.v[i].data, 1, p.v[i].len, f);
	pieces_clear(&p);
	return ferror(f) == 0;
}
