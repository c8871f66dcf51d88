/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MIME locator: header lines up to the first empty line, a body behind.
 * Every span lies where it may, and cutting by one boundary agrees.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/mime_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(const char *why)
{
	if (why == NULL)
		return;
	fprintf(stderr, "%s\n", why);
	abort();
}

static void
split(const char *body, size_t n, const char *boundary)
{
	struct mime_span parts[8], few[1];
	bool closed, again;
	size_t count = mime_split(body, n, boundary, parts, 8, &closed);
	size_t end = 0;

	for (size_t i = 0; i < count && i < 8; i++) {
		if (parts[i].off < end || span_end(&parts[i]) > n)
			must("the cuts overlap");
		end = span_end(&parts[i]);
	}
	if (mime_split(body, n, boundary, few, 1, &again) != count ||
	    closed != again)
		must("the cuts depend on how many are asked for");
}

/* The parts of the entity itself, by both ways. */
static void
compare(const struct mime *m, const char *body, size_t n)
{
	struct mime_span parts[MIME_MAX_PARTS];
	size_t count, k = 0;
	bool closed;

	if (m->parts[0].kind != MIME_MULTIPART || m->limited)
		return;
	/* Only without nesting can no inner delimiter take part. */
	for (size_t i = 1; i < m->nparts; i++)
		if (m->parts[i].kind != MIME_LEAF)
			return;
	count = mime_split(body, n, m->parts[0].boundary, parts,
	    MIME_MAX_PARTS, &closed);
	for (size_t i = 1; i < m->nparts; i++, k++)
		if (k >= count || parts[k].off != m->parts[i].whole.off ||
		    parts[k].len != m->parts[i].whole.len)
			must("cutting and parsing disagree");
	if (k != count || closed != m->parts[0].closed)
		must("cutting and parsing disagree about the end");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = mem_dup(data, size), *part;
	struct mime_span head, body, line, value;
	struct mime_value v;
	struct mime m;

	mime_divide(text, size, &head, &body);
	if (head.off != 0 || span_end(&head) > body.off ||
	    span_end(&body) != size)
		must("header lines and body overlap");
	if (mime_find_field(text, head.len, "Content-Type", &line, &value) &&
	    (span_end(&line) > head.len || value.off < line.off ||
	    span_end(&value) > span_end(&line)))
		must("a field lies outside");
	mime_value_parse(text, size, &v);
	(void)mime_value_get(&v, "boundary");
	if (v.nparameters > MIME_MAX_PARAMETERS)
		must("too many parameters");
	mime_value_clear(&v);
	/* A copy of its own, so that its end is guarded. */
	part = malloc(body.len > 0 ? body.len : 1);
	if (part == NULL)
		abort();
	memcpy(part, text + body.off, body.len);
	mime_parse(text, head.len, part, body.len, &m);
	must(mime_broken(&m, part, body.len));
	compare(&m, part, body.len);
	split(part, body.len, "b");
	split(part, body.len, "");
	mime_clear(&m);
	for (int loosely = 0; loosely <= 1; loosely++) {
		mime_parse_all(text, head.len, part, body.len, loosely == 1,
		    &m);
		must(mime_broken(&m, part, body.len));
		mime_clear(&m);
	}
	free(part);
	free(text);
	return 0;
}
