/* SPDX-License-Identifier: BSD-2-Clause */
#include "header_facts.h"

#include <string.h>
#include <strings.h>

#include "common/ascii.h"
#include "header_text.h"

#define SUBJECT_MAX	 2048
#define SUBJECT_TEXT_MAX (8 * SUBJECT_MAX) /* decoded */

void
header_facts_init(struct header_facts *f)
{
	*f = (struct header_facts){0};
	buf_init(&f->quarantine, QUARANTINE_VALUE_MAX);
	buf_init(&f->subject, SUBJECT_MAX);
}

void
header_facts_clear(struct header_facts *f)
{
	buf_clear(&f->quarantine);
	buf_clear(&f->subject);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_named(const char *text, size_t n, const char *name)
{
	while (n > 0 && is_blank(text[n - 1]))
		n--;
	return n == strlen(name) && strncasecmp(text, name, n) == 0;
}

/* The place of a field that was not seen yet, or NULL. */
static struct buf *
open_field(struct header_facts *f, const char *name, size_t n)
{
	if (!f->has_quarantine && is_named(name, n, QUARANTINE_FIELD)) {
		f->has_quarantine = true;
		return &f->quarantine;
	}
	if (!f->has_subject && is_named(name, n, "Subject")) {
		f->has_subject = true;
		return &f->subject;
	}
	return NULL;
}

/* As much as fits; the buffer knows that it was not all. */
static void
add(struct buf *to, const char *text, size_t n)
{
	size_t room = to->max - to->len;

	if (n > room) {
		buf_append(to, text, room);
		to->overflow = true;
	} else {
		buf_append(to, text, n);
	}
}

void
header_facts_line(struct header_facts *f, const char *text, size_t n,
    bool ends)
{
	bool starts = !f->middle;
	const char *colon;

	f->middle = !ends;
	if (starts && (n == 0 || !is_blank(text[0]))) {
		colon = memchr(text, ':', n);
		f->open = colon == NULL ? NULL :
		    open_field(f, text, (size_t)(colon - text));
		if (f->open != NULL) {
			n -= (size_t)(colon + 1 - text);
			text = colon + 1;
		}
	}
	if (f->open != NULL)
		add(f->open, text, n);
}

bool
header_facts_quarantine(const struct header_facts *f,
    const char *authserv_id, struct quarantine *q)
{
	*q = (struct quarantine){0};
	if (f->quarantine.overflow ||
	    !quarantine_parse(buf_text(&f->quarantine), f->quarantine.len, q))
		return false;
	if (ascii_equal_nocase(q->by, authserv_id))
		return true;
	quarantine_clear(q);
	return false;
}

char *
header_facts_subject(const struct header_facts *f)
{
	struct buf text;

	buf_init(&text, SUBJECT_TEXT_MAX);
	header_text_decode(buf_text(&f->subject), f->subject.len, &text);
	return buf_take(&text);
}
