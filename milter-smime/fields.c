/* SPDX-License-Identifier: BSD-2-Clause */
#include "fields.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/mem.h"

void
fields_init(struct fields *f, const struct message *m)
{
	memset(f, 0, sizeof(*f));
	f->v = mem_array(m->nheaders, sizeof(*f->v));
	f->n = m->nheaders;
	for (size_t i = 0; i < m->nheaders; i++) {
		f->v[i].name = m->headers[i].name;
		f->v[i].value = m->headers[i].value;
	}
}

/* The texts of a field that an edit made lie in that edit. */
static void
point(struct fields *f, struct field *field)
{
	const struct edit *e = &f->edits[field->edit - 1];

	field->value = e->value;
	if (e->kind != EDIT_CHANGE)
		field->name = e->name;
}

void
fields_copy(struct fields *to, const struct fields *from)
{
	memset(to, 0, sizeof(*to));
	to->n = from->n;
	to->nedits = from->nedits;
	to->v = mem_array(from->n, sizeof(*to->v));
	to->edits = mem_array(2 * from->nedits + 1, sizeof(*to->edits));
	for (size_t i = 0; i < from->nedits; i++) {
		to->edits[i] = from->edits[i];
		to->edits[i].name = mem_strdup(from->edits[i].name);
		to->edits[i].value = mem_strdup(from->edits[i].value);
	}
	for (size_t i = 0; i < from->n; i++) {
		to->v[i] = from->v[i];
		if (to->v[i].edit > 0)
			point(to, &to->v[i]);
	}
}

void
fields_clear(struct fields *f)
{
	for (size_t i = 0; i < f->nedits; i++) {
		free(f->edits[i].name);
		free(f->edits[i].value);
	}
	free(f->edits);
	free(f->v);
	memset(f, 0, sizeof(*f));
}

const struct field *
fields_find(const struct fields *f, const char *name, size_t n)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcasecmp(f->v[i].name, name) == 0 && n-- == 0)
			return &f->v[i];
	return NULL;
}

static struct edit *
add_edit(struct fields *f, enum edit_kind kind, const char *name,
    const char *value, unsigned index)
{
	struct edit *e;

	/* Room grows by powers of two. */
	if ((f->nedits & (f->nedits - 1)) == 0)
		f->edits = mem_resize(f->edits, 2 * f->nedits + 1, sizeof(*e));
	e = &f->edits[f->nedits++];
	e->kind = kind;
	e->name = mem_strdup(name);
	e->value = mem_strdup(value);
	e->index = index;
	return e;
}

/* Which of its name it is, from 1. */
static unsigned
index_of(const struct fields *f, size_t at)
{
	unsigned n = 1;

	for (size_t i = 0; i < at; i++)
		if (strcasecmp(f->v[i].name, f->v[at].name) == 0)
			n++;
	return n;
}

void
fields_change(struct fields *f, size_t at, const char *value)
{
	struct field *field = &f->v[at];
	struct edit *e;

	if (field->edit > 0) {
		/* The edit that made it may as well say the new value. */
		e = &f->edits[field->edit - 1];
		free(e->value);
		e->value = mem_strdup(value);
	} else {
		e = add_edit(f, EDIT_CHANGE, field->name, value,
		    index_of(f, at));
		field->edit = f->nedits;
	}
	field->value = e->value;
}

void
fields_delete(struct fields *f, size_t at)
{
	add_edit(f, EDIT_DELETE, f->v[at].name, NULL, index_of(f, at));
	f->n--;
	memmove(f->v + at, f->v + at + 1, (f->n - at) * sizeof(*f->v));
}

static void
insert(struct fields *f, size_t at, enum edit_kind kind, const char *name,
    const char *value)
{
	const struct edit *e = add_edit(f, kind, name, value, 1);

	f->v = mem_resize(f->v, f->n + 1, sizeof(*f->v));
	memmove(f->v + at + 1, f->v + at, (f->n - at) * sizeof(*f->v));
	f->v[at].name = e->name;
	f->v[at].value = e->value;
	f->v[at].edit = f->nedits;
	f->n++;
}

void
fields_append(struct fields *f, const char *name, const char *value)
{
	insert(f, f->n, EDIT_APPEND, name, value);
}

void
fields_prepend(struct fields *f, const char *name, const char *value)
{
	insert(f, 0, EDIT_PREPEND, name, value);
}

size_t
fields_delete_named(struct fields *f, const char *name,
    bool (*pick)(const void *context, const char *value),
    const void *context)
{
	size_t kept = f->n, gone;
	unsigned index = 0;

	for (size_t i = 0; i < f->n; i++)
		if (strcasecmp(f->v[i].name, name) == 0)
			index++;
	/* From the last: deleted fields stop counting. */
	for (size_t i = f->n; i-- > 0;) {
		bool named = strcasecmp(f->v[i].name, name) == 0;

		if (named && (pick == NULL || pick(context, f->v[i].value)))
			add_edit(f, EDIT_DELETE, f->v[i].name, NULL, index);
		else
			f->v[--kept] = f->v[i];
		if (named)
			index--;
	}
	gone = kept;
	f->n -= gone;
	memmove(f->v, f->v + gone, f->n * sizeof(*f->v));
	return gone;
}
