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
outcome_init(struct outcome *o, const struct message *m)
{
	memset(o, 0, sizeof(*o));
	fields_init(&o->header, m);
}

void
outcome_clear(struct outcome *o)
{
	fields_clear(&o->header);
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
count_before(const struct fields *header, size_t at)
{
	size_t n = 0;

	for (size_t i = 0; i < at; i++)
		if (strcasecmp(header->v[i].name, header->v[at].name) == 0)
			n++;
	return n;
}

static void
set_head(struct fields *header, const struct strvec *wanted_fields)
{
	/* Backwards, so that deleting never moves what comes after. */
	for (size_t i = header->n; i-- > 0;) {
		const struct field *h = &header->v[i];
		const char *value;

		if (strncasecmp(h->name, "Content-", 8) != 0)
			continue;
		value = wanted(wanted_fields, h->name,
		    count_before(header, i));
		if (value == NULL)
			fields_delete(header, i);
		else if (strcmp(value, h->value) != 0)
			fields_change(header, i, value);
	}
	if (fields_find(header, "MIME-Version", 0) == NULL)
		fields_append(header, "MIME-Version", " 1.0");
	for (size_t i = 0; i + 1 < wanted_fields->n; i += 2) {
		const char *name = wanted_fields->v[i];
		size_t n = 0;

		for (size_t j = 0; j < i; j += 2)
			if (strcasecmp(wanted_fields->v[j], name) == 0)
				n++;
		if (fields_find(header, name, n) == NULL)
			fields_append(header, name, wanted_fields->v[i + 1]);
	}
}

void
outcome_set_entity(struct outcome *o, struct entity *e)
{
	struct strvec wanted_fields = {0};

	split_head(&e->head, &wanted_fields);
	set_head(&o->header, &wanted_fields);
	strvec_clear(&wanted_fields);
	pieces_clear(&o->body);
	o->body = e->body;
	memset(&e->body, 0, sizeof(e->body));
	o->replace_body = true;
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
	struct buf head;

	/* The fields of the message are bounded; ours are few. */
	buf_init(&head, SIZE_MAX / 2);
	for (size_t i = 0; i < o->header.n; i++)
		put_field(&head, o->header.v[i].name, o->header.v[i].value);
	buf_puts(&head, "\r\n");
	pieces_keep_text(p, &head);
	if (!o->replace_body)
		pieces_add(p, spool_data(m->body), spool_len(m->body));
	else
		for (size_t i = 0; i < o->body.n; i++)
			pieces_add(p, o->body.v[i].data, o->body.v[i].len);
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
