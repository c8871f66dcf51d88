/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `postseal check` and `postseal status` ask about quarantines.
 */
#include "quarantine_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <jansson.h>

#include "common/ascii.h"
#include "common/clock.h"
#include "common/mem.h"

struct count {
	char *name;
	size_t held;
	time_t oldest; /* 0: none */
};

struct tally {
	struct count *counts; /* those of the settings first */
	size_t n;
	struct count all; /* without a name */
	size_t others;	  /* on hold, but in no quarantine */
};

static struct count *
add_count(struct tally *t, const char *name)
{
	t->counts = mem_resize(t->counts, t->n + 1, sizeof(*t->counts));
	t->counts[t->n] = (struct count){.name = mem_strdup(name)};
	return &t->counts[t->n++];
}

static struct count *
find_count(struct tally *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (ascii_equal_nocase(t->counts[i].name, name))
			return &t->counts[i];
	return add_count(t, name);
}

static void
count_one(struct count *c, time_t arrival)
{
	c->held++;
	if (c->oldest == 0 || arrival < c->oldest)
		c->oldest = arrival;
}

static bool
take(void *context, const struct held *h, struct error *err)
{
	struct tally *t = context;

	(void)err;
	if (h->ours) {
		count_one(&t->all, h->entry.arrival);
		count_one(find_count(t, h->quarantine.name),
		    h->entry.arrival);
	} else {
		t->others++;
	}
	return true;
}

static bool
count_all(const struct quarantine_request *r, struct tally *t,
    struct error *err)
{
	if (geteuid() != 0)
		return error_perm(err, "needs root");
	for (size_t i = 0; i < r->own->quarantine.n; i++)
		add_count(t, r->own->quarantine.v[i]);
	return quarantine_walk(r, take, t, err);
}

static void
clear_tally(struct tally *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->counts[i].name);
	free(t->counts);
}

static void
put_count(json_t *j, const struct count *c)
{
	char when[24];

	json_object_set_new(j, "held", json_integer((json_int_t)c->held));
	if (c->held == 0)
		return;
	clock_format(c->oldest, when, sizeof(when));
	json_object_set_new(j, "oldest", json_string(when));
	json_object_set_new(j, "oldest_age",
	    json_integer((json_int_t)(clock_now() - c->oldest)));
}

int
quarantine_status(const struct quarantine_request *r)
{
	struct tally t = {0};
	struct error err = {0};
	json_t *j = json_object(), *each = json_object();

	if (count_all(r, &t, &err)) {
		put_count(j, &t.all);
		for (size_t i = 0; i < t.n; i++) {
			json_t *one = json_object();

			put_count(one, &t.counts[i]);
			json_object_set_new(each, t.counts[i].name, one);
		}
		json_object_set(j, "quarantines", each);
		json_object_set_new(j, "other_on_hold",
		    json_integer((json_int_t)t.others));
	} else {
		char *text = mem_printf("unknown: %s", err.text);

		json_object_set_new(j, "held", json_string(text));
		free(text);
	}
	json_dumpf(j, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(each);
	json_decref(j);
	clear_tally(&t);
	return EX_OK;
}

static void
tell(json_t *findings, const char *id, const char *severity,
    const char *text, const char *fix)
{
	json_array_append_new(findings, json_pack("{s:s, s:s, s:s, s:s, s:s}",
	    "id", id, "severity", severity, "text", text, "fix", fix, "where",
	    "quarantine"));
}

static void
tell_count(const struct quarantine_request *r, const struct count *c,
    json_t *findings)
{
	bool known = strvec_hascase(&r->own->quarantine, c->name);
	char *text, when[24];

	if (c->held == 0)
		return;
	clock_format(c->oldest, when, sizeof(when));
	text = mem_printf("%zu messages in quarantine %s%s, the oldest of %s",
	    c->held, c->name, known ? "" : ", which the settings do not have",
	    when);
	tell(findings, "quarantine-held", known ? "ok" : "warning", text,
	    known ? "" : "release or delete them, or put the name into the "
	    "setting quarantine of milter-smime");
	free(text);
}

int
quarantine_self_check(const struct quarantine_request *r,
    const char *problem)
{
	json_t *findings = json_array();
	struct tally t = {0};
	struct error err = {0};

	if (r->settings == NULL) {
		tell(findings, "quarantine-settings", "critical", problem,
		    "correct the file");
	} else if (!postfix_queue_check(&r->queue, &err)) {
		tell(findings, "quarantine-postfix", "critical", err.text,
		    "install Postfix");
	} else if (geteuid() == 0) {
		/* `postseal check` itself says what it cannot see. */
		if (!count_all(r, &t, &err))
			tell(findings, "quarantine-postfix", "critical",
			    err.text, "held messages cannot be looked at; see "
			    "the mail log");
		for (size_t i = 0; i < t.n; i++)
			tell_count(r, &t.counts[i], findings);
	}
	json_dumpf(findings, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(findings);
	clear_tally(&t);
	return EX_OK;
}
