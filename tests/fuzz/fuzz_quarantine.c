/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The field of a quarantined message: what is read can be written and is
 * read as the same, whatever text is written is one safe field that is
 * read again; and a whole output of postcat(1) with such fields.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "milter-smime/lines.h"
#include "milter-smime/postcat.h"
#include "milter-smime/quarantine.h"

#define HOST "mx.example.com"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool good)
{
	if (!good)
		abort();
}

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
fits(const char *text, size_t max)
{
	return text == NULL || strlen(text) <= max;
}

static void
check_field(const struct buf *field)
{
	size_t column = sizeof(QUARANTINE_FIELD);

	for (const char *p = buf_text(field); *p != '\0'; p++) {
		column = *p == '\n' ? 0 : column + 1;
		must(column < 998);
		must(*p == '\n' ? p[1] == '\t' : *p == '\t' ||
		    (*p >= ' ' && *p <= '~'));
	}
	must(strlen(buf_text(field)) == field->len);
}

/* Tabs in quotes are read, and written as blanks. */
static bool
has_tab(const char *text)
{
	return text != NULL && strchr(text, '\t') != NULL;
}

static void
read_and_write(const char *value, size_t n)
{
	struct quarantine q, again;
	struct buf out;

	if (!quarantine_parse(value, n, &q))
		return;
	must(quarantine_is_name(q.name));
	buf_init(&out, QUARANTINE_VALUE_MAX);
	must(quarantine_format(&out, q.name, q.filter, q.reason, q.by));
	check_field(&out);
	must(quarantine_parse(buf_text(&out), out.len, &again));
	must(same(q.name, again.name));
	must(!fits(q.filter, QUARANTINE_FILTER_MAX) || has_tab(q.filter) ||
	    same(q.filter, again.filter));
	must(!fits(q.reason, QUARANTINE_REASON_MAX) || has_tab(q.reason) ||
	    same(q.reason, again.reason));
	quarantine_clear(&q);
	quarantine_clear(&again);
	buf_clear(&out);
}

static void
write_and_read(const char *text)
{
	struct quarantine q;
	struct buf out;

	buf_init(&out, QUARANTINE_VALUE_MAX);
	must(quarantine_format(&out, "Policy", text, text, HOST));
	check_field(&out);
	must(quarantine_parse(buf_text(&out), out.len, &q));
	must(strcmp(q.by, HOST) == 0 && q.filter != NULL && q.reason != NULL);
	quarantine_clear(&q);
	buf_clear(&out);
}

/* What is sure is sure however the output comes in pieces. */
static void
read_postcat(const char *text, size_t n, size_t part, char *subjects[2],
    bool *sure)
{
	char one[] = "AAAAA1", two[] = "BBBBB2";
	char *ids[] = {one, two};
	struct header_facts facts[2];
	struct postcat p = {.ids = ids, .n = 2, .facts = facts};
	struct quarantine q;
	struct error err;
	struct lines lines;

	header_facts_init(&facts[0]);
	header_facts_init(&facts[1]);
	lines_init(&lines, 4096, postcat_line, &p);
	for (size_t i = 0; i < n; i += part)
		must(lines_add(&lines, text + i, n - i < part ? n - i : part,
		    &err));
	must(lines_end(&lines, &err));
	*sure = postcat_is_sure(&p);
	for (int i = 0; i < 2; i++) {
		subjects[i] = header_facts_subject(&facts[i]);
		if (header_facts_quarantine(&facts[i], HOST, &q))
			quarantine_clear(&q);
		header_facts_clear(&facts[i]);
	}
	lines_clear(&lines);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = mem_dup(data, size), *a[2], *b[2];
	bool sure_a, sure_b;

	read_and_write(text, size);
	write_and_read(text);
	read_postcat(text, size, size + 1, a, &sure_a);
	read_postcat(text, size, 7, b, &sure_b);
	must(sure_a == sure_b);
	for (int i = 0; i < 2; i++) {
		must(!sure_a || same(a[i], b[i]));
		free(a[i]);
		free(b[i]);
	}
	free(text);
	return 0;
}
