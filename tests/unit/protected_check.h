/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_PROTECTED_CHECK_H
#define TESTS_UNIT_PROTECTED_CHECK_H

/*
 * What holds for every header that is protected and comes back: shared by
 * unit tests and the fuzz target.
 */

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/mem.h"
#include "milter-smime/mime.h"
#include "milter-smime/protected_headers.h"

/* May the value stand in a header, in the form of struct header? */
static inline bool
is_safe_value(const char *value)
{
	for (const char *p = value; *p != '\0'; p++)
		if (*p == '\r' || *p == 0x7f ||
		    (*p == '\n' && p[1] != ' ' && p[1] != '\t') ||
		    ((unsigned char)*p < ' ' && *p != '\n' && *p != '\t'))
			return false;
	return true;
}

/* As people read it: blanks and folds are one blank. */
static inline char *
unfolded(const char *value)
{
	char *text = mem_strdup(value);
	size_t n = 0;

	for (const char *p = value; *p != '\0'; p++) {
		bool blank = (unsigned char)*p <= ' ' || *p == 0x7f;

		if (!blank)
			text[n++] = *p;
		else if (n > 0 && text[n - 1] != ' ')
			text[n++] = ' ';
	}
	while (n > 0 && text[n - 1] == ' ')
		n--;
	text[n] = '\0';
	return text;
}

static inline bool
reads_alike(const char *a, const char *b)
{
	char *one = unfolded(a), *two = unfolded(b);
	bool same = strcmp(one, two) == 0;

	free(one);
	free(two);
	return same;
}

/* The header as a message of its own; the caller's. */
static inline struct message *
fields_message(const struct fields *f, const struct spool_place *place)
{
	struct message *m = message_new(place);
	struct error err;

	for (size_t i = 0; i < f->n; i++)
		if (!message_add_header(m, f->v[i].name, f->v[i].value, &err))
			abort();
	return m;
}

/* Does every field that may be protected read as it did in the message? */
static inline const char *
header_broken(const struct fields *f, const struct message *m)
{
	for (size_t i = 0; i < m->nheaders; i++) {
		const char *name = m->headers[i].name;
		const struct field *got;
		size_t n = 0, count = 0;

		for (size_t j = 0; j < i; j++)
			n += strcasecmp(m->headers[j].name, name) == 0;
		got = fields_find(f, name, n);
		if (got == NULL)
			return "a field is missing";
		if (strcasecmp(name, "Content-Type") != 0 &&
		    !reads_alike(got->value, m->headers[i].value))
			return "a field reads otherwise";
		while (fields_find(f, name, count) != NULL)
			count++;
		if (count != message_header_count(m, name))
			return "a field came up";
	}
	return f->n == m->nheaders ? NULL : "there are other fields";
}

static inline const char *
came_back_broken(const struct message *m, const struct message *sent,
    const struct payload *p, bool encrypts)
{
	struct protected_headers h;
	struct fields f;
	const char *why = NULL;

	protected_headers_find(p, sent, &h);
	fields_init(&f, sent);
	if (h.kind != (encrypts ? HEADERS_CIPHER : HEADERS_CLEAR))
		why = "the protection is not found";
	else if (h.differ.n > 0)
		why = "it differs at once";
	for (size_t i = 0; i < h.n && why == NULL; i++)
		if (!is_safe_value(h.v[i].value))
			why = "a value may not stand in a header";
	protected_headers_restore(&h, &f);
	if (why == NULL)
		why = header_broken(&f, m);
	fields_clear(&f);
	protected_headers_clear(&h);
	return why;
}

static inline bool
is_marked(const struct entity *e)
{
	const char *head = buf_text(&e->head);
	struct mime_span line, value, hp;

	return mime_find_field(head, e->head.len, "Content-Type", &line,
	    &value) && mime_find_parameter(head + value.off, value.len, "hp",
	    &hp);
}

/*
 * Protects a message's header and has it come back.  NULL: it did; it is
 * also when the header cannot be protected, then *refused is set.
 */
static inline const char *
round_trip_broken(const struct message *m, const struct spool_place *place,
    bool encrypts, enum header_confidentiality policy, bool *refused)
{
	struct payload p = {.decrypted = encrypts, .verified = !encrypts};
	struct message *sent = NULL;
	struct error err = {0};
	const char *why = NULL;
	struct fields f;
	struct entity e;
	bool eight_bit;
	char *text;

	fields_init(&f, m);
	entity_init(&e);
	*refused = !entity_from_message(m, &e, &err) ||
	    protected_headers_is_layer(&e) || !protected_headers_add(&f, &e,
	    encrypts, policy, &eight_bit, &err);
	if (*refused)
		goto out;
	text = mem_printf("%s\r\n", buf_text(&e.head));
	p.data = text;
	p.len = strlen(text);
	sent = fields_message(&f, place);
	why = came_back_broken(m, sent, &p, encrypts);
	protected_headers_unmark(&e);
	if (why == NULL && is_marked(&e))
		why = "hp stays";
	free(text);
out:
	message_free(&sent);
	entity_clear(&e);
	fields_clear(&f);
	return why;
}

#endif
