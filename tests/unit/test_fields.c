/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What fields_*() say the header is, and what a mail server makes of the
 * edits, must be the same: the server is a model that only knows names,
 * numbers and order.
 */
#include "milter-smime/fields.h"

#include <stdlib.h>
#include <strings.h>

#include "common/mem.h"
#include "tap.h"

static const struct spool_place place = {"/tmp", 1 << 20};

#define MAX 600

struct model {
	char *v[MAX][2];
	size_t n;
};

static void
model_put(struct model *s, size_t at, const char *name, const char *value)
{
	memmove(s->v + at + 1, s->v + at, (s->n - at) * sizeof(s->v[0]));
	s->v[at][0] = mem_strdup(name);
	s->v[at][1] = mem_strdup(value);
	s->n++;
}

/* As Postfix does it: counts the fields of that name as they are now. */
static void
model_apply(struct model *s, const struct edit *e)
{
	unsigned index = e->index;

	if (e->kind == EDIT_APPEND || e->kind == EDIT_PREPEND) {
		model_put(s, e->kind == EDIT_APPEND ? s->n : 0, e->name,
		    e->value);
		return;
	}
	for (size_t i = 0; i < s->n; i++) {
		if (strcasecmp(s->v[i][0], e->name) != 0 || --index > 0)
			continue;
		free(s->v[i][1]);
		s->v[i][1] = mem_strdup(e->value);
		if (e->kind == EDIT_DELETE) {
			free(s->v[i][0]);
			memmove(s->v + i, s->v + i + 1, (s->n - i - 1) *
			    sizeof(s->v[0]));
			s->n--;
		}
		return;
	}
	abort();
}

static bool
same(const struct fields *f, const struct message *m)
{
	struct model s = {.n = 0};
	bool good;

	for (size_t i = 0; i < m->nheaders; i++)
		model_put(&s, s.n, m->headers[i].name, m->headers[i].value);
	for (size_t i = 0; i < f->nedits; i++)
		model_apply(&s, &f->edits[i]);
	good = s.n == f->n;
	for (size_t i = 0; good && i < s.n; i++)
		good = strcasecmp(s.v[i][0], f->v[i].name) == 0 &&
		    strcmp(s.v[i][1], f->v[i].value) == 0;
	for (size_t i = 0; i < s.n; i++) {
		free(s.v[i][0]);
		free(s.v[i][1]);
	}
	return good;
}

static struct message *
message(const char *const *fields, size_t n)
{
	struct message *m = message_new(&place);
	struct error err;

	for (size_t i = 0; i < n; i += 2)
		if (!message_add_header(m, fields[i], fields[i + 1], &err))
			abort();
	return m;
}

static bool
is_long(const void *context, const char *value)
{
	return strlen(value) > *(const size_t *)context;
}

static void
test_delete_named(void)
{
	static const char *const in[] = {"R", "1", "X", "22", "r", "333", "R",
		"4444"};
	struct message *m = message(in, 8);
	struct fields f;
	size_t limit = 2;

	fields_init(&f, m);
	check(fields_delete_named(&f, "R", is_long, &limit) == 2 &&
	    f.nedits == 2 && f.edits[0].index == 3 && f.edits[1].index == 2,
	    "fields are deleted from the last");
	check(f.n == 2 && strcmp(f.v[0].value, "1") == 0 && same(&f, m),
	    "those that were picked");
	fields_prepend(&f, "R", " new");
	check(fields_delete_named(&f, "R", NULL, NULL) == 2 && f.n == 1 &&
	    same(&f, m), "without a choice all are, new ones too");
	check(fields_delete_named(&f, "Y", NULL, NULL) == 0 && same(&f, m),
	    "what is not there needs no edit");
	fields_clear(&f);
	message_free(&m);
}

static void
test_find(void)
{
	static const char *const in[] = {"A", "1", "b", "2", "a", "3"};
	struct message *m = message(in, 6);
	struct fields f;

	fields_init(&f, m);
	check(fields_find(&f, "A", 1) == &f.v[2] &&
	    fields_find(&f, "B", 0) == &f.v[1] &&
	    fields_find(&f, "B", 1) == NULL,
	    "a field is found by name in any case, and number");
	fields_append(&f, "A", "4");
	check(strcmp(fields_find(&f, "A", 2)->value, "4") == 0,
	    "and so is a new one");
	fields_change(&f, 3, "5");
	check(f.nedits == 1 && strcmp(f.edits[0].value, "5") == 0 &&
	    same(&f, m), "changing a new one is no edit more");
	fields_change(&f, 0, "6");
	fields_change(&f, 0, "7");
	check(f.nedits == 2 && same(&f, m), "nor is changing one twice");
	fields_clear(&f);
	message_free(&m);
}

/* One edit, chosen by numbers. */
static void
any_edit(struct fields *f, unsigned what, unsigned where)
{
	static const char *const names[] = {"A", "a", "B", "Content-Type"};
	static const char *const values[] = {"x", "yy", "zzz", ""};
	const char *name = names[where % 4], *value = values[where / 4 % 4];
	size_t limit = where % 3;

	if (what % 6 == 0)
		fields_append(f, name, value);
	else if (what % 6 == 1)
		fields_prepend(f, name, value);
	else if (what % 6 == 2)
		fields_delete_named(f, name, is_long, &limit);
	else if (f->n > 0 && what % 6 == 3)
		fields_delete(f, where % f->n);
	else if (f->n > 0)
		fields_change(f, where % f->n, value);
}

static void
test_any_order(void)
{
	static const char *const in[] = {"A", "1", "B", "2", "a", "3", "A",
		"4", "Content-Type", "5"};
	struct message *m = message(in, 10);
	unsigned random = 1, wrong = 0, copies = 0;

	for (int i = 0; i < 20000; i++) {
		struct fields f, copy;
		unsigned edits = (unsigned)i % 12;

		fields_init(&f, m);
		for (unsigned n = 0; n < edits; n++) {
			random = random * 1664525 + 1013904223;
			any_edit(&f, random >> 8, random >> 16);
		}
		wrong += same(&f, m) ? 0 : 1;
		fields_copy(&copy, &f);
		fields_clear(&f);
		any_edit(&copy, random >> 4, random >> 12);
		copies += same(&copy, m) ? 0 : 1;
		fields_clear(&copy);
	}
	check(wrong == 0, "edits in any order lead the server to the same "
	    "header (%u differ)", wrong);
	check(copies == 0, "a copy outlives what it was made of, and goes on "
	    "(%u differ)", copies);
	message_free(&m);
}

int
main(void)
{
	test_find();
	test_delete_named();
	test_any_order();
	return tap_done();
}
