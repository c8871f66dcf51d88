/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Filters, and behind a line with only %% a message that they run on.  What
 * is refused has a place and leaves nothing; whatever filters write into a
 * header, a log, a reply or an envelope stays what it is.
 */
#include "milter-smime/filter_parse.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "milter-smime/filter_eval.h"
#include "tests/unit/protected_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DIVIDER "\n%%\n"
#define NOW 1795608000 /* 2026-11-25 12:00:00 UTC */

static const struct spool_place place = {"/tmp", 1 << 20};
static char *words[] = {(char *)"bank", (char *)"strong", (char *)"Policy",
	(char *)"Review"};
static const struct strvec profiles = {.v = words, .n = 2};
static const struct strvec quarantines = {.v = words + 2, .n = 2};
static const struct filter_names names = {&profiles, &quarantines};

static void
must(bool good, const char *why)
{
	if (good)
		return;
	fprintf(stderr, "%s\n", why);
	abort();
}

/* ---- the language ---- */

/* "f:LINE:COLUMN: " and one line of text. */
static void
must_explain(const struct error *err)
{
	unsigned line = 0, column = 0;
	int n = 0;

	must(err->kind == ERROR_PERM, "filters are refused for a while");
	must(sscanf(err->text, "f:%u:%u: %n", &line, &column, &n) == 2 &&
	    n > 0 && err->text[n] != '\0' && line > 0 && column > 0,
	    "an error without its place");
	for (const char *c = err->text; *c != '\0'; c++)
		must((unsigned char)*c >= ' ' || *c == '\t',
		    "an error of several lines");
}

/* Behind a filter that is there already. */
static bool
compile(struct filter_set *set, const char *text, size_t n)
{
	static const char kept[] = "kept!: if (true) { no-op(); }";
	struct error err = {0};
	bool ok;

	must(filter_parse(set, "k", kept, strlen(kept), &names, &err),
	    "the first filter is refused");
	ok = filter_parse(set, "f", text, n, &names, &err);
	if (!ok) {
		must_explain(&err);
		must(set->n == 1 && set->files.n == 1 &&
		    filter_set_find(set, "kept") == set->v,
		    "something is left of what was refused");
	}
	for (size_t i = 0; ok && i < set->n; i++)
		must(filter_set_find(set, set->v[i].name) == &set->v[i],
		    "a name stands twice");
	return ok;
}

/* ---- filters at work ---- */

static struct flow flow = {.group = "partners", .policy = "RELAYED"};
static struct verdict_signer signer = {.address = (char *)"alice@a.example",
	.issuer = (char *)"CN=Issuing CA,O=A", .subject = (char *)"CN=Alice"};
static struct verdict verdict = {.gateway_message = true,
	.gateway_verified = true, .signers = &signer, .nsigners = 1};

static void
replace(char **text, const char *by)
{
	free(*text);
	*text = mem_strdup(by);
}

/* NULL: no message. */
static struct message *
read_message(const char *text, size_t n)
{
	FILE *f = n == 0 ? NULL : fmemopen((char *)(uintptr_t)text, n, "r");
	struct message *m = message_new(&place);
	struct error err = {0};

	if (f == NULL || !message_read(m, f, &err))
		message_free(&m);
	if (f != NULL)
		fclose(f);
	if (m == NULL)
		return NULL;
	message_set_sender(m, "<alice@A.example>", "");
	message_add_recipient(m, "<Bob@B.example>", "");
	message_add_recipient(m, "<carol@c.example>", "");
	replace(&m->client_address, "192.0.2.10");
	replace(&m->listener, "submission");
	replace(&m->queue_id, "4F1A");
	replace(&m->authenticated, "alice");
	return m;
}

static bool
is_one_line(const char *text)
{
	return text == NULL || strpbrk(text, "\r\n") == NULL;
}

static void
check_mail(const struct filter_mail *mail)
{
	if (mail == NULL)
		return;
	must(mail->nto > 0, "mail to nobody");
	for (size_t i = 0; i < mail->nto; i++)
		must(is_one_line(mail->to[i].text), "a recipient of lines");
	must(is_one_line(mail->sender), "a sender of several lines");
}

static void
check_state(const struct filter_state *s)
{
	for (size_t i = 0; i < s->header.n; i++)
		must(s->header.v[i].edit == 0 ||
		    is_safe_value(s->header.v[i].value),
		    "a field may not stand in a header");
	for (size_t i = 0; i < s->log.n; i++)
		for (const char *c = s->log.v[i]; *c != '\0'; c++)
			must((unsigned char)*c >= ' ' && *c != 0x7f,
			    "a log entry of several lines");
	must((s->end == FILTER_GOES_ON) == (s->ended_by == NULL),
	    "an end without a filter");
	must(s->end != FILTER_SENT || s->profile != NULL,
	    "sent without a profile");
	must((s->quarantine == NULL) == (s->quarantined_by == NULL),
	    "a quarantine without a filter");
	must(s->changed || (s->header.nedits == 0 &&
	    s->end == FILTER_GOES_ON && s->profile == NULL &&
	    s->quarantine == NULL && s->alternative == NULL &&
	    s->notify == NULL && s->bcc == NULL), "changed unnoticed");
	must(s->alternative == NULL || is_one_line(s->alternative->text),
	    "another recipient of lines");
	check_mail(s->notify);
	check_mail(s->bcc);
}

static void
run_filters(const struct filter_set *set, struct filter_context *c)
{
	struct filter_state s, next;
	struct error err = {0};
	bool ok = true;

	filter_state_init(&s, c->m);
	for (size_t i = 0; ok && i < set->n; i++) {
		ok = filter_eval(&set->v[i], c, &s, &err);
		must(ok || (err.kind != ERROR_NONE &&
		    strncmp(err.text, "filter ", 7) == 0),
		    "a failure without a filter");
	}
	if (ok)
		check_state(&s);
	filter_state_continue(&next, &s);
	filter_state_clear(&next);
	filter_state_clear(&s);
}

static void
run(const struct filter_set *set, const char *text, size_t n)
{
	struct message *m = read_message(text, n);
	struct filter_context c;
	const struct recipient *to[2];
	struct entity e;
	struct error err = {0};

	if (m == NULL)
		return;
	entity_init(&e);
	for (size_t i = 0; i < 2; i++)
		to[i] = &m->recipients[i];
	c = (struct filter_context){
		.m = m, .flow = &flow, .verdict = &verdict, .content = &e,
		.place = &place, .hostname = "gw.a.example", .to = to,
		.nto = 2,
	};
	if (!entity_from_message(m, &e, &err))
		c.no_content = err.text;
	run_filters(set, &c);
	filter_context_clear(&c);
	entity_clear(&e);
	message_free(&m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *behind;
	struct filter_set set = {0};
	size_t n = size;

	setenv("TZ", "UTC", 1);
	clock_set(NOW);
	behind = size == 0 ? NULL : memmem(text, size, DIVIDER,
	    strlen(DIVIDER));
	if (behind != NULL)
		n = (size_t)(behind - text);
	if (compile(&set, text, n) && behind != NULL)
		run(&set, behind + strlen(DIVIDER), size - n -
		    strlen(DIVIDER));
	filter_set_clear(&set);
	return 0;
}
