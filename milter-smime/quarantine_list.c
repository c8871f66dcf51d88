/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `postseal quarantine list`.
 */
#include "quarantine_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <jansson.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/table.h"

#define ADDRESS_WIDTH 40
#define TEXT_WIDTH    50
#define PROGRESS      500 /* messages between two signs of life */

enum {
	COLUMN_ID,
	COLUMN_QUARANTINE,
	COLUMN_ARRIVED,
	COLUMN_SIZE,
	COLUMN_SENDER,
	COLUMN_RECIPIENTS,
	COLUMN_SUBJECT,
	COLUMN_FILTER,
	COLUMN_REASON,
	COLUMNS,
};

struct row {
	time_t arrival;
	char *cells[COLUMNS];
};

struct list {
	const struct quarantine_request *r;
	struct row *rows;
	size_t nrows, nmax;
	size_t found, others, looked_at;
	bool progress;
};

/* What a terminal may see of it, and no wider. New memory. */
static char *
shorten(const char *text, size_t width)
{
	struct buf b;
	size_t columns = 0;

	buf_init(&b, 4 * strlen(text) + 4);
	log_escape(&b, text, strlen(text));
	for (size_t i = 0; i < b.len; i++) {
		columns += ((unsigned char)b.data[i] & 0xc0) != 0x80;
		if (columns <= width)
			continue;
		b.len = i;
		b.data[i] = '\0';
		buf_puts(&b, "...");
		break;
	}
	return buf_take(&b);
}

/* The first of them, and how many more. */
static char *
name_recipients(const struct queue_entry *e)
{
	char *first = shorten(e->recipients.n == 0 ? "" : e->recipients.v[0],
	    ADDRESS_WIDTH), *text;

	if (e->cut)
		text = mem_strdup("(too many to list)");
	else if (e->recipients.n > 1)
		text = mem_printf("%s +%zu", first, e->recipients.n - 1);
	else
		text = mem_strdup(first);
	free(first);
	return text;
}

static void
add_row(struct list *l, const struct held *h)
{
	const struct quarantine *q = &h->quarantine;
	struct row *row;
	char arrived[24];

	if (l->nrows == l->nmax) {
		l->nmax = l->nmax == 0 ? 64 : 2 * l->nmax;
		l->rows = mem_resize(l->rows, l->nmax, sizeof(*l->rows));
	}
	row = &l->rows[l->nrows++];
	row->arrival = h->entry.arrival;
	clock_format(h->entry.arrival, arrived, sizeof(arrived));
	row->cells[COLUMN_ID] = mem_strdup(h->entry.id);
	row->cells[COLUMN_QUARANTINE] = mem_strdup(q->name);
	row->cells[COLUMN_ARRIVED] = mem_strdup(arrived);
	row->cells[COLUMN_SIZE] = mem_printf("%lld", (long long)h->entry.size);
	row->cells[COLUMN_SENDER] = shorten(h->entry.sender, ADDRESS_WIDTH);
	row->cells[COLUMN_RECIPIENTS] = name_recipients(&h->entry);
	row->cells[COLUMN_SUBJECT] = shorten(h->subject, TEXT_WIDTH);
	row->cells[COLUMN_FILTER] = shorten(q->filter == NULL ? "" :
	    q->filter, TEXT_WIDTH);
	row->cells[COLUMN_REASON] = shorten(q->reason == NULL ? "" :
	    q->reason, TEXT_WIDTH);
}

/* JSON is UTF-8; what is not, and what a terminal obeys, is escaped. */
static json_t *
text_json(const char *text)
{
	struct buf b;
	json_t *j;

	if (text == NULL)
		return json_null();
	buf_init(&b, 4 * strlen(text) + 1);
	log_escape(&b, text, strlen(text));
	j = json_string(buf_text(&b));
	buf_clear(&b);
	return j;
}

static json_t *
held_json(const struct held *h)
{
	json_t *j = json_object(), *to = json_array();
	char arrived[24];

	clock_format(h->entry.arrival, arrived, sizeof(arrived));
	for (size_t i = 0; i < h->entry.recipients.n; i++)
		json_array_append_new(to,
		    text_json(h->entry.recipients.v[i]));
	json_object_set_new(j, "queue_id", json_string(h->entry.id));
	json_object_set_new(j, "quarantine", json_string(h->quarantine.name));
	json_object_set_new(j, "arrived", json_string(arrived));
	json_object_set_new(j, "size", json_integer(h->entry.size));
	json_object_set_new(j, "sender", text_json(h->entry.sender));
	json_object_set_new(j, "recipients", to);
	json_object_set_new(j, "recipients_cut", json_boolean(h->entry.cut));
	json_object_set_new(j, "subject", text_json(h->subject));
	json_object_set_new(j, "filter", text_json(h->quarantine.filter));
	json_object_set_new(j, "reason", text_json(h->quarantine.reason));
	return j;
}

static void
print_json(const struct list *l, const struct held *h)
{
	json_t *j = held_json(h);

	fputs(l->found == 1 ? "\n" : ",\n", stdout);
	json_dumpf(j, stdout, JSON_COMPACT);
	json_decref(j);
}

static bool
take(void *context, const struct held *h, struct error *err)
{
	struct list *l = context;

	if (++l->looked_at % PROGRESS == 0 && l->progress)
		fprintf(stderr, "\r%zu", l->looked_at);
	l->others += !h->ours;
	if (!quarantine_is_asked_for(l->r, h))
		return true;
	l->found++;
	if (l->r->json)
		print_json(l, h);
	else
		add_row(l, h);
	return !ferror(stdout) ||
	    error_temp(err, "cannot write to standard output");
}

/* Within a second queue ids count the microseconds, in either form. */
static int
by_arrival(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->arrival != y->arrival ?
	    (x->arrival > y->arrival) - (x->arrival < y->arrival) :
	    strcmp(x->cells[COLUMN_ID], y->cells[COLUMN_ID]);
}

static void
print_table(struct list *l)
{
	struct table t = {.columns = COLUMNS};

	if (l->nrows > 0)
		qsort(l->rows, l->nrows, sizeof(*l->rows), by_arrival);
	table_row(&t, "QUEUE ID", "QUARANTINE", "ARRIVED", "SIZE", "SENDER",
	    "RECIPIENTS", "SUBJECT", "FILTER", "REASON");
	for (size_t i = 0; i < l->nrows; i++) {
		char **c = l->rows[i].cells;

		table_row(&t, c[COLUMN_ID], c[COLUMN_QUARANTINE],
		    c[COLUMN_ARRIVED], c[COLUMN_SIZE], c[COLUMN_SENDER],
		    c[COLUMN_RECIPIENTS], c[COLUMN_SUBJECT], c[COLUMN_FILTER],
		    c[COLUMN_REASON]);
	}
	table_print(&t, stdout);
	table_clear(&t);
}

static void
clear(struct list *l)
{
	for (size_t i = 0; i < l->nrows; i++)
		for (size_t j = 0; j < COLUMNS; j++)
			free(l->rows[i].cells[j]);
	free(l->rows);
}

int
quarantine_list(const struct quarantine_request *r)
{
	struct list l = {.r = r, .progress = isatty(STDERR_FILENO)};
	struct error err = {0};
	int code = EX_OK;

	if (r->json)
		putchar('[');
	if (!quarantine_walk(r, take, &l, &err))
		code = quarantine_failed(&err);
	if (l.progress && l.looked_at >= PROGRESS)
		fprintf(stderr, "\r%*s\r", 20, "");
	if (code == EX_OK && l.found == 0)
		code = quarantine_nothing(r);
	if (r->json)
		fputs(l.found > 0 ? "\n]\n" : "]\n", stdout);
	else if (code == EX_OK)
		print_table(&l);
	if (l.others > 0 && r->name == NULL && l.progress)
		fprintf(stderr, "%zu more on hold that no filter put there: "
		    "see mailq\n", l.others);
	clear(&l);
	return code;
}
