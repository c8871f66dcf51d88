/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A message file is read, its S/MIME entity exchanged and fields deleted
 * by the edits that the milter protocol knows, written, and read again:
 * no other field may have changed, and none may have appeared.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/mem.h"
#include "milter-smime/outcome.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct spool_place place = {"/tmp", 1 << 20};

static struct message *
read_message(const void *p, size_t n)
{
	struct message *m = message_new(&place);
	struct error err = {0};
	/* fmemopen() refuses to be empty. */
	FILE *f = fmemopen((void *)(uintptr_t)p, n > 0 ? n : 1, "r");

	if (f == NULL)
		abort();
	if (n == 0)
		getc(f);
	if (!message_read(m, f, &err))
		message_free(&m);
	fclose(f);
	return m;
}

static bool
is_content(const char *name)
{
	return strncasecmp(name, "Content-", 8) == 0 ||
	    strcasecmp(name, "MIME-Version") == 0;
}

static bool
is_deleted(const void *context, const char *value)
{
	(void)context;
	return strlen(value) % 2 == 0;
}

/* The next field that no edit may touch. */
static const struct header *
next_other(const struct message *m, size_t *i, bool *deleting)
{
	for (; *i < m->nheaders; (*i)++) {
		const struct header *h = &m->headers[*i];

		if (is_content(h->name))
			continue;
		if (*deleting && strcasecmp(h->name, "X") == 0 &&
		    is_deleted(NULL, h->value))
			continue;
		(*i)++;
		return h;
	}
	return NULL;
}

/* CR is no part of a field that travels. */
static bool
same_value(const char *a, const char *b)
{
	while (*a != '\0' || *b != '\0') {
		if (*a == '\r')
			a++;
		else if (*b == '\r')
			b++;
		else if (*a++ != *b++)
			return false;
	}
	return true;
}

static void
compare(const struct message *before, const struct message *after,
    const struct entity *want)
{
	size_t i = 0, j = 0, fields = 0, wanted = 0;
	bool deleting = true, no = false;
	const struct header *a, *b;

	do {
		a = next_other(before, &i, &deleting);
		b = next_other(after, &j, &no);
		if ((a == NULL) != (b == NULL))
			abort();
		if (a != NULL && (strcmp(a->name, b->name) != 0 ||
		    !same_value(a->value, b->value)))
			abort();
	} while (a != NULL);
	for (i = 0; i < after->nheaders; i++)
		fields += strncasecmp(after->headers[i].name, "Content-", 8)
		    == 0;
	for (i = 0; i < want->head.len; i++)
		wanted += (i == 0 || want->head.data[i - 1] == '\n') &&
		    want->head.data[i] != ' ' && want->head.data[i] != '\t';
	if (fields != wanted ||
	    message_header(after, "MIME-Version", 0) == NULL)
		abort();
}

static void
edit(const struct message *m, const char *inner, size_t ninner)
{
	struct outcome o;
	struct entity e, want;
	struct message *again;
	struct error err = {0};
	char *text = NULL;
	size_t n;
	FILE *f;

	outcome_init(&o, m);
	entity_init(&e);
	entity_init(&want);
	if (!entity_from_bytes(inner, ninner, &e, &err) ||
	    !entity_from_bytes(inner, ninner, &want, &err))
		goto out;
	fields_delete_named(&o.header, "X", is_deleted, NULL);
	outcome_set_entity(&o, &e);
	f = open_memstream(&text, &n);
	if (f == NULL || !outcome_write(&o, m, f) || fclose(f) != 0)
		abort();
	again = read_message(text, n);
	/* A first field "From " would pass for an mbox line. */
	if (again != NULL && m->nheaders > 0)
		compare(m, again, &want);
	message_free(&again);
	free(text);
out:
	outcome_clear(&o);
	entity_clear(&e);
	entity_clear(&want);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mailaddr from = {0};
	struct error err = {0};
	struct message *m;
	const uint8_t *cut;
	size_t n;

	/* Message, a line of "%", the entity it is to become. */
	cut = memmem(data, size, "\n%\n", 3);
	n = cut == NULL ? size : (size_t)(cut - data) + 1;
	m = read_message(data, n);
	if (m == NULL)
		return 0;
	if (message_from(m, &from, &err))
		mailaddr_clear(&from);
	if (cut != NULL)
		edit(m, (const char *)cut + 3, size - n - 2);
	message_free(&m);
	return 0;
}
