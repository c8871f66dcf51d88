/* SPDX-License-Identifier: BSD-2-Clause */
#include "held.h"

#include <stdlib.h>
#include <string.h>

#include "header_facts.h"
#include "postcat.h"

#define HOLD	 "hold"
#define BATCH	 50 /* messages read by one postcat */
#define PART	 4096 /* of a long line */

static const char *const many[] = {"-e", "-h", NULL};
static const char *const one[] = {"-h", NULL};

struct walk {
	struct held_walk *what;
	held_take *take;
	void *context;
	struct queue_entry entries[BATCH];
	size_t n;
	size_t wanted; /* of what->ids, not met yet */
	bool middle;   /* the next part of the line is passed over */
	bool enough;   /* all ids were met */
};

static void
clear_batch(struct walk *w)
{
	for (size_t i = 0; i < w->n; i++)
		queue_entry_clear(&w->entries[i]);
	w->n = 0;
}

/* All headers of the batch at once; false when that told nothing sure. */
static bool
read_many(const struct walk *w, struct header_facts *facts)
{
	char *ids[BATCH];
	struct postcat p = {.ids = ids, .n = w->n, .facts = facts};
	struct lines lines;
	struct error ignored;
	bool ok;

	for (size_t i = 0; i < w->n; i++)
		ids[i] = w->entries[i].id;
	lines_init(&lines, PART, postcat_line, &p);
	ok = postfix_queue_read(w->what->queue, many, ids, w->n, lines_add,
		 &lines, &ignored) &&
	    lines_end(&lines, &ignored) && postcat_is_sure(&p);
	lines_clear(&lines);
	return ok;
}

static bool
take_header_line(void *context, const char *text, size_t n, bool ends,
    struct error *err)
{
	struct header_facts *f = context;

	(void)err;
	header_facts_line(f, text, n, ends);
	return true;
}

/* One header; false when it cannot be read, as when the message left. */
static bool
read_one(const struct walk *w, char *id, struct header_facts *f)
{
	struct error *why = &w->what->why;
	struct lines lines;
	bool ok;

	lines_init(&lines, PART, take_header_line, f);
	ok = postfix_queue_read(w->what->queue, one, &id, 1, lines_add,
		 &lines, why) &&
	    lines_end(&lines, why);
	lines_clear(&lines);
	return ok;
}

static bool
hand_on(struct walk *w, struct queue_entry *entry,
    const struct header_facts *f, struct error *err)
{
	struct held h = {.entry = *entry};
	bool ok;

	h.ours = header_facts_quarantine(f, w->what->authserv_id,
	    &h.quarantine);
	h.subject = header_facts_subject(f);
	ok = w->take(w->context, &h, err);
	quarantine_clear(&h.quarantine);
	free(h.subject);
	return ok;
}

/* Ends with an empty batch. */
static bool
finish_batch(struct walk *w, struct error *err)
{
	struct header_facts facts[BATCH];
	bool sure, ok = true;

	if (w->n == 0)
		return true;
	for (size_t i = 0; i < w->n; i++)
		header_facts_init(&facts[i]);
	sure = w->n > 1 && read_many(w, facts);
	for (size_t i = 0; ok && i < w->n; i++) {
		if (!sure) {
			header_facts_clear(&facts[i]);
			header_facts_init(&facts[i]);
		}
		if (sure || read_one(w, w->entries[i].id, &facts[i]))
			ok = hand_on(w, &w->entries[i], &facts[i], err);
		else
			w->what->gone++;
	}
	for (size_t i = 0; i < w->n; i++)
		header_facts_clear(&facts[i]);
	clear_batch(w);
	return ok;
}

/* Does the batch take the entry? It is the batch's then. */
static bool
is_wanted(struct walk *w, const struct queue_entry *e)
{
	if (strcmp(e->queue, HOLD) != 0)
		return false;
	if (w->what->ids == NULL)
		return true;
	if (!strvec_has(w->what->ids, e->id))
		return false;
	w->wanted -= w->wanted > 0;
	return true;
}

static bool
take_line(void *context, const char *text, size_t n, bool ends,
    struct error *err)
{
	struct walk *w = context;
	bool starts = !w->middle;
	struct queue_entry *e = &w->entries[w->n];

	w->middle = !ends;
	if (!starts || queue_entry_elsewhere(text, n, HOLD))
		return true;
	if (!queue_entry_parse(text, n, ends, e)) {
		w->what->unread++;
		return true;
	}
	if (!is_wanted(w, e)) {
		queue_entry_clear(e);
		return true;
	}
	w->n++;
	w->enough = w->what->ids != NULL && w->wanted == 0;
	if (w->enough)
		return false; /* the rest of the queue is of no interest */
	return w->n < BATCH || finish_batch(w, err);
}

bool
held_walk(struct held_walk *what, held_take *take, void *context,
    struct error *err)
{
	struct walk w = {.what = what, .take = take, .context = context,
		.wanted = what->ids == NULL ? 0 : what->ids->n};
	bool ok;

	what->gone = what->unread = 0;
	ok = postfix_queue_list(what->queue, take_line, &w, err);
	ok = (ok || w.enough) && finish_batch(&w, err);
	clear_batch(&w);
	return ok;
}
