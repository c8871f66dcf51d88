/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Outcomes are tried on a model of the milter protocol that knows nothing
 * of how they were made: fields change, go and come by name and number.
 */
#include "milter-smime/outcome.h"

#include <stdint.h>
#include <stdlib.h>

#include "common/mem.h"
#include "tap.h"

static const struct spool_place place = {"/tmp", 1 << 20};

static struct message *
message(const char *text)
{
	struct message *m = message_new(&place);
	struct error err;
	FILE *f = fmemopen((char *)(uintptr_t)text, strlen(text), "r");

	if (!message_read(m, f, &err))
		abort();
	fclose(f);
	return m;
}

static char *
written(const struct outcome *o, const struct message *m)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	if (!outcome_write(o, m, f))
		abort();
	fclose(f);
	return text;
}

static void
becomes(const char *before, const char *head, const char *body,
    const char *after, const char *says)
{
	struct message *m = message(before);
	struct outcome o;
	struct entity e;
	char *text;

	outcome_init(&o, m);
	entity_init(&e);
	buf_puts(&e.head, head);
	pieces_add(&e.body, body, strlen(body));
	outcome_set_entity(&o, &e);
	text = written(&o, m);
	check_str(text, after, says);
	check(e.body.n == 0 && o.replace_body, "and the body was taken");
	free(text);
	outcome_clear(&o);
	entity_clear(&e);
	message_free(&m);
}

static void
test_set_entity(void)
{
	becomes("A: b\r\nContent-Type: a/b\r\nMIME-Version: 1.0\r\nC: d\r\n"
	    "\r\nold\r\n", "Content-Type: c/d\r\n", "new\r\n",
	    "A: b\r\nContent-Type: c/d\r\nMIME-Version: 1.0\r\nC: d\r\n"
	    "\r\nnew\r\n", "a field that differs is changed where it stands");
	becomes("A: b\r\n\r\nold", "Content-Type: c/d\r\n", "new",
	    "A: b\r\nMIME-Version: 1.0\r\nContent-Type: c/d\r\n\r\nnew",
	    "what is missing is added, MIME-Version too");
	becomes("content-ID: x\r\ncontent-TYPE: a/b\r\nmime-version: 1.0\r\n"
	    "\r\n", "Content-Type: a/b;\r\n\tc=d\r\n", "x",
	    "content-TYPE: a/b;\r\n\tc=d\r\nmime-version: 1.0\r\n\r\nx",
	    "names compare in any case; what is not wanted goes");
	becomes("Content-Type: a/b\r\nX: y\r\nContent-Type: c/d\r\n"
	    "MIME-Version: 1.0\r\nContent-Type: e/f\r\n\r\n",
	    "Content-Type: g/h\r\n", "x",
	    "Content-Type: g/h\r\nX: y\r\nMIME-Version: 1.0\r\n\r\nx",
	    "of three fields one is left");
	becomes("Content-Type: a/b\r\nMIME-Version: 1.0\r\n\r\n",
	    "Content-Type: a/b\r\nContent-Type: c/d\r\nContent-ID: x\r\n",
	    "x", "Content-Type: a/b\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: c/d\r\nContent-ID: x\r\n\r\nx",
	    "and of one two become");
	becomes("Content-Type:a/b\r\nMIME-Version: 1.0\r\n\r\n",
	    "Content-Type : c/d\r\n", "x",
	    "Content-Type: c/d\r\nMIME-Version: 1.0\r\n\r\nx",
	    "a blank before the colon is no part of the name");
	becomes("Content-Type: a/b\r\nMIME-Version: 1.0\r\n\r\nold", "",
	    "new", "MIME-Version: 1.0\r\n\r\nnew",
	    "an entity may have no fields");
}

static void
test_all_together(void)
{
	struct message *m = message("Content-Type: a/b\r\nR: 1\r\n"
	    "Content-Type: c/d\r\nR: 22\r\n\r\nold");
	struct outcome o;
	struct entity e;
	char *text;

	outcome_init(&o, m);
	entity_init(&e);
	buf_puts(&e.head, "Content-Type: e/f\r\n");
	fields_delete_named(&o.header, "R", NULL, NULL);
	fields_prepend(&o.header, "R", " 3");
	fields_prepend(&o.header, "Q", " 4");
	outcome_set_entity(&o, &e);
	text = written(&o, m);
	check_str(text, "Q: 4\r\nR: 3\r\nContent-Type: e/f\r\n"
	    "MIME-Version: 1.0\r\n\r\n",
	    "edits of several kinds do not disturb each other");
	free(text);
	outcome_clear(&o);
	entity_clear(&e);
	message_free(&m);
}

static void
test_refusals(void)
{
	struct outcome o = {0};
	char *text = mem_alloc(2001);

	fields_prepend(&o.header, "A", " b");
	outcome_reject(&o, "5.7.1", "no %s", "way");
	check(o.kind == OUTCOME_REJECT && o.header.nedits == 0 &&
	    strcmp(o.code, "550") == 0 && strcmp(o.status, "5.7.1") == 0 &&
	    strcmp(o.text, "no way") == 0,
	    "a refusal forgets what was to be edited");
	memset(text, 'x', 2000);
	outcome_tempfail(&o, "4.3.0", "%s", text);
	check(o.kind == OUTCOME_TEMPFAIL && strcmp(o.code, "451") == 0 &&
	    strlen(o.text) == sizeof(o.text) - 1, "a long text is cut");
	outcome_clear(&o);
	check(o.kind == OUTCOME_PASS, "cleared it passes");
	free(text);
}

static void
test_full_disk(void)
{
	struct message *m = message("A: b\r\n\r\nbody");
	struct outcome o = {0};
	FILE *f = fopen("/dev/full", "w");

	if (f == NULL) {
		tap_skip("a file that cannot be written is told",
		    "no /dev/full");
	} else {
		setvbuf(f, NULL, _IONBF, 0);
		check(!outcome_write(&o, m, f),
		    "a file that cannot be written is told");
		fclose(f);
	}
	message_free(&m);
}

int
main(void)
{
	test_set_entity();
	test_all_together();
	test_refusals();
	test_full_disk();
	return tap_done();
}
