/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `postseal quarantine show`: one message on hold, for people.
 */
#include "quarantine_command.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/table.h"

#define PART 16384 /* of a long line */

struct show {
	const struct quarantine_request *r;
	bool found;
};

static void
print_envelope(const struct held *h)
{
	const struct quarantine *q = &h->quarantine;
	struct table t = {.columns = 2};
	char arrived[24], size[24];

	clock_format(h->entry.arrival, arrived, sizeof(arrived));
	snprintf(size, sizeof(size), "%lld", (long long)h->entry.size);
	table_row(&t, "queue id", h->entry.id);
	table_row(&t, "quarantine", h->ours ? q->name :
	    "none: no filter put it on hold");
	if (q->filter != NULL)
		table_row(&t, "filter", q->filter);
	if (q->reason != NULL)
		table_row(&t, "reason", q->reason);
	table_row(&t, "arrived", arrived);
	table_row(&t, "size", size);
	table_row(&t, "sender", h->entry.sender);
	for (size_t i = 0; i < h->entry.recipients.n; i++)
		table_row(&t, "recipient", h->entry.recipients.v[i]);
	if (h->entry.cut)
		table_row(&t, "recipient", "(too many to list)");
	table_print(&t, stdout);
	table_clear(&t);
	putchar('\n');
}

static bool
take(void *context, const struct held *h, struct error *err)
{
	struct show *s = context;

	(void)err;
	s->found = true;
	if (!s->r->raw)
		print_envelope(h);
	return true;
}

static bool
written(struct error *err)
{
	return !ferror(stdout) ||
	    error_temp(err, "cannot write to standard output");
}

static bool
write_raw(void *context, const char *bytes, size_t n, struct error *err)
{
	(void)context;
	fwrite(bytes, 1, n, stdout);
	return written(err);
}

/* Lines and tabs as they are, no other control character. */
static bool
write_line(void *context, const char *text, size_t n, bool ends,
    struct error *err)
{
	const char *end = text + n;
	struct buf b;

	(void)context;
	buf_init(&b, 4 * PART + 1);
	while (text < end) {
		const char *tab = memchr(text, '\t', (size_t)(end - text));

		log_escape(&b, text, (size_t)((tab == NULL ? end : tab) -
		    text));
		if (tab != NULL)
			buf_putc(&b, '\t');
		text = tab == NULL ? end : tab + 1;
	}
	if (ends)
		buf_putc(&b, '\n');
	fwrite(buf_text(&b), 1, b.len, stdout);
	buf_clear(&b);
	return written(err);
}

static bool
print_message(const struct quarantine_request *r, struct error *err)
{
	static const char *const all[] = {"-b", "-h", NULL};
	static const char *const header[] = {"-h", NULL};
	const char *const *what = r->header ? header : all;
	struct lines lines;
	bool ok;

	if (r->raw)
		return postfix_queue_read(&r->queue, what, r->ids.v, 1,
		    write_raw, NULL, err);
	lines_init(&lines, PART, write_line, NULL);
	ok = postfix_queue_read(&r->queue, what, r->ids.v, 1, lines_add,
		 &lines, err) &&
	    lines_end(&lines, err);
	lines_clear(&lines);
	return ok;
}

int
quarantine_show(const struct quarantine_request *r)
{
	struct show s = {.r = r};
	struct error err = {0};

	if (r->raw && isatty(STDOUT_FILENO)) {
		log_error("--raw is not for a terminal, whose user the message "
		    "could deceive; write it to a file or a pipe");
		return EX_USAGE;
	}
	if (!quarantine_walk(r, take, &s, &err))
		return quarantine_failed(&err);
	if (!s.found) {
		log_error("%s: no such message on hold", r->ids.v[0]);
		return EX_NOINPUT;
	}
	return print_message(r, &err) ? EX_OK : quarantine_failed(&err);
}
