/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text of a mail, header lines up to the first empty line: every part
 * can be read, within bounds, and what HTML comes to is text.  The whole
 * input is read as HTML too.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"
#include "milter-smime/html_text.h"
#include "milter-smime/mail_text.h"
#include "milter-smime/visible_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct spool_place place = {"/tmp", 1 << 20};

static void
must(bool good, const char *why)
{
	if (good)
		return;
	fprintf(stderr, "%s\n", why);
	abort();
}

static void
read_html(const char *text, size_t n, bool outlook)
{
	struct spool *s = spool_new(&place);
	struct error err = {0};
	const char *p;
	size_t len;

	if (!html_text_write(text, n, outlook, s, &err) ||
	    !spool_finish(s, &err))
		abort();
	p = spool_data(s);
	len = spool_len(s);
	/* A byte that is no UTF-8 may meet others when tags go. */
	must(utf8_span(text, n) < n || visible_text_is_all(p, len),
	    "HTML leaves what is not seen");
	must(len <= 3 * n, "HTML grows");
	for (size_t i = 0; i < len; i++)
		must((p[i] != ' ' && p[i] != '\n') || (i > 0 && i + 1 < len &&
		    p[i + 1] != ' ' && p[i + 1] != '\n'),
		    "HTML leaves a blank too many");
	spool_free(&s);
}

static size_t
read_parts(struct mail_text *t)
{
	struct error err = {0};
	const char *p, *again;
	size_t n, total = 0;

	must(mail_text_count(t) <= MAIL_LEAVES_MAX, "too many parts");
	for (size_t i = 0; i < mail_text_count(t); i++) {
		const struct mail_part *part = mail_text_part(t, i);

		if (!mail_text_content(t, i, &p, &n, &err) ||
		    !mail_text_content(t, i, &again, &n, &err))
			abort();
		must(p == again, "a part is decoded twice");
		must(strchr(part->type, '/') != NULL, "a part has no type");
		must(part->attachment || part->filenames.n == 0,
		    "a body has a file name");
		for (size_t k = 0; k < part->filenames.n; k++)
			must(utf8_span(part->filenames.v[k],
			    strlen(part->filenames.v[k])) ==
			    strlen(part->filenames.v[k]),
			    "a file name is no UTF-8");
		total += n;
	}
	return total;
}

static void
read_mail(const char *text, size_t n)
{
	struct mime_span head, body;
	struct error err = {0};
	struct mail_text *t;
	struct entity e;
	size_t total;
	bool valid, encrypted;

	mime_divide(text, n, &head, &body);
	entity_init(&e);
	buf_append(&e.head, text, head.len);
	pieces_add(&e.body, text + body.off, body.len);
	t = mail_text_new(&e, &place, &err);
	if (t == NULL)
		abort();
	valid = mail_text_is_valid(t);
	total = read_parts(t);
	/* One reading of each byte, of three bytes at most, and more. */
	must(!valid || total <= (MAIL_TEXT_AGAIN + 4) * n + 65536,
	    "a valid mail is read in too many ways");
	must(mail_text_is_valid(t) == valid, "valid, and then not");
	(void)!mail_text_has_encrypted(t, &encrypted, &err);
	mail_text_free(&t);
	entity_clear(&e);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size > 0 ? size : 1);

	if (text == NULL)
		abort();
	memcpy(text, data, size);
	read_html(text, size, false);
	read_html(text, size, true);
	read_mail(text, size);
	free(text);
	return 0;
}
