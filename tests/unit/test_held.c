/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * With commands of ours in Postfix's place, for what its own seldom do.
 */
#include "milter-smime/held.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"
#include "tap.h"

#define ID "mx.example.com"
#define ENTRY(queue, id) "echo '{\"queue_name\": \"" queue "\", " \
    "\"queue_id\": \"" id "\", \"arrival_time\": 1, \"message_size\": 2, " \
    "\"sender\": \"s\", \"recipients\": [{\"address\": \"r\"}]}'\n"

/*
 * postcat: MESSAGE marks when several are asked for, the last argument's
 * header when one is.  Files named after ids say what the header is.
 */
static const char postcat[] =
    "#!/bin/sh\n"
    "echo \"$@\" >>@/calls\n"
    "all=false\n"
    "while [ $# -gt 0 ]; do case $1 in\n"
    "-c) shift ;; -e) all=true ;; -*) ;; *) break ;; esac; shift; done\n"
    "for id; do\n"
    "test -e @/$id || { echo \"postcat: fatal: open $id: none\" >&2; "
    "exit 1; }\n"
    "$all && printf '*** %s hold/%s ***\\n' 'ENVELOPE RECORDS' $id "
    "'MESSAGE CONTENTS' $id\n"
    "cat @/$id\n"
    "$all && printf '*** %s hold/%s ***\\n' 'HEADER EXTRACTED' $id "
    "'MESSAGE FILE END' $id\n"
    "done\n"
    "exit 0\n";

static char directory[] = "/tmp/test_held.XXXXXX";
static struct postfix_queue queue = {.commands = directory};

static char *
place(const char *name)
{
	return mem_printf("%s/%s", directory, name);
}

/* A file in which each @ becomes the directory. */
static void
put(const char *name, const char *text)
{
	char *path = place(name);
	FILE *f = fopen(path, "w");

	for (; f != NULL && *text != '\0'; text++) {
		if (*text == '@')
			fputs(directory, f);
		else
			putc(*text, f);
	}
	if (f == NULL || fclose(f) != 0 || chmod(path, 0755) != 0)
		printf("# cannot write %s\n", path);
	free(path);
}

static void
put_header(const char *id, const char *name)
{
	char *text = mem_printf("X-Quarantine: %s; by=" ID "\nSubject: %s\n",
	    name, id);

	put(id, text);
	free(text);
}

static void
put_queue(const char *script)
{
	char *text = mem_printf("#!/bin/sh\n%s", script);

	put("postqueue", text);
	free(text);
}

static void
drop(const char *name)
{
	char *path = place(name);

	unlink(path);
	free(path);
}

/* How often was postcat called since the last time this was asked? */
static size_t
calls(void)
{
	char *path = place("calls");
	FILE *f = fopen(path, "r");
	size_t n = 0;
	int c;

	while (f != NULL && (c = getc(f)) != EOF)
		n += c == '\n';
	if (f != NULL)
		fclose(f);
	unlink(path);
	free(path);
	return n;
}

static bool
note(void *context, const struct held *h, struct error *err)
{
	struct buf *seen = context;

	buf_printf(seen, "%s=%s ", h->entry.id, h->ours ?
	    h->quarantine.name : "-");
	return seen->len < 10000 ? true : error_perm(err, "enough");
}

/* Walks, and compares what was met. */
static struct held_walk
walks(const struct strvec *only, const char *want, const char *says)
{
	struct held_walk w = {.queue = &queue, .authserv_id = ID,
		.ids = only};
	struct error err = {0};
	struct buf seen;

	buf_init(&seen, 20000);
	if (!held_walk(&w, note, &seen, &err))
		buf_printf(&seen, "failed: %s", err.text);
	check_str(buf_text(&seen), want, says);
	buf_clear(&seen);
	return w;
}

static void
test_walk(void)
{
	struct strvec only = {0};
	struct held_walk w;

	put_header("AAAAA1", "P");
	put_header("BBBBB2", "Q");
	put("CCCCC3", "Subject: none of ours\n");
	put_queue(ENTRY("active", "EEEEE5") ENTRY("hold", "AAAAA1")
	    ENTRY("hold", "BBBBB2") ENTRY("hold", "CCCCC3")
	    ENTRY("deferred", "DDDDD4"));
	walks(NULL, "AAAAA1=P BBBBB2=Q CCCCC3=- ",
	    "what is on hold is met, what is elsewhere not");
	check(calls() == 1, "one postcat reads all headers");
	strvec_add(&only, "BBBBB2");
	walks(&only, "BBBBB2=Q ", "one alone can be asked for");
	strvec_add(&only, "FFFFF6");
	walks(&only, "BBBBB2=Q ", "one that is not there is not met");
	strvec_clear(&only);
	calls();
	put("AAAAA1", "X-Quarantine: P; by=" ID "\n*** : a field\n");
	walks(NULL, "AAAAA1=P BBBBB2=Q CCCCC3=- ",
	    "where marks are doubtful nothing is lost");
	check(calls() == 4, "then each is read by itself");
	put_header("AAAAA1", "P");
	drop("BBBBB2");
	w = walks(NULL, "AAAAA1=P CCCCC3=- ", "one that left is passed over");
	check(w.gone == 1 && strstr(w.why.text, "open BBBBB2") != NULL,
	    "and counted, with the reason");
}

static void
test_many(void)
{
	struct held_walk w = {.queue = &queue, .authserv_id = ID};
	struct strvec only = {0};
	struct error err = {0};
	struct buf seen;
	char script[512];

	put_header("AAAAA1", "P");
	snprintf(script, sizeof(script), "for i in $(seq 120); do\n%sdone\n",
	    ENTRY("hold", "AAAAA1"));
	put_queue(script);
	calls();
	buf_init(&seen, 20000);
	check(held_walk(&w, note, &seen, &err) && seen.len == 120 * 9,
	    "120 messages are met");
	check(calls() == 3, "fifty for each postcat");
	buf_clear(&seen);
	strvec_add(&only, "AAAAA1");
	put_queue(ENTRY("hold", "AAAAA1") "exec sleep 100\n");
	walks(&only, "AAAAA1=P ",
	    "when all that were asked for are met the rest is not read");
	strvec_clear(&only);
}

static void
test_faults(void)
{
	struct held_walk w;
	char *want;

	put_header("AAAAA1", "P");
	put_queue("echo nonsense\n" ENTRY("hold", "AAAAA1") "echo '{}'\n");
	w = walks(NULL, "AAAAA1=P ", "lines that are nonsense hide nothing");
	check(w.unread == 2, "and are counted");
	put_queue("printf '{\"queue_name\": \"hold\", "
	    "\"queue_id\": \"AAAAA1\", \"arrival_time\": 1, "
	    "\"message_size\": 2, \"sender\": \"s\", \"recipients\": ['\n"
	    "yes '{\"address\": \"r@x\"}, ' | head -c 3000000 | tr -d '\\n'\n"
	    "echo '{\"address\": \"r\"}]}'\n");
	w = walks(NULL, "AAAAA1=P ", "a message with very many recipients");
	check(w.unread == 0, "is met all the same");
	put_queue("echo 'postqueue: warning: x' >&2\n"
	    "echo 'postqueue: fatal: the mail system is on fire' >&2\n"
	    "exit 69\n");
	walks(NULL, "failed: postqueue: fatal: the mail system is on fire",
	    "why postqueue failed is told");
	put_queue("echo 'on fire' >&2; exit 1\n");
	want = mem_printf("failed: %s/postqueue: on fire", directory);
	walks(NULL, want, "who says so as well");
	free(want);
	put_queue("kill -9 $$\n");
	want = mem_printf("failed: %s/postqueue: killed by signal 9",
	    directory);
	walks(NULL, want, "so is its death");
	free(want);
}

static struct strvec
list(const char *const ids[])
{
	struct strvec l = {0};

	for (size_t i = 0; ids[i] != NULL; i++)
		strvec_add(&l, ids[i]);
	return l;
}

static void
test_orders(void)
{
	static const char *const two[] = {"AAAAA1", "BBBBB2", NULL};
	struct strvec ids = list(two), done = {0}, many = {0};
	struct error err = {0};

	put("postsuper", "#!/bin/sh\necho \"$@\" >@/calls\n"
	    "while read -r id; do\n"
	    "test $id = BBBBB2 || echo \"postsuper: $id: released from hold\" "
	    ">&2\ndone\necho 'postsuper: Released: many' >&2\n");
	check(postfix_queue_release(&queue, &ids, &done, &err) &&
	    done.n == 1 && strcmp(done.v[0], "AAAAA1") == 0,
	    "only what postsuper says it did was done");
	strvec_clear(&done);
	put("postsuper", "#!/bin/sh\nread -r id\n"
	    "echo \"postsuper: $id: removed\" >&2\n"
	    "echo 'postsuper: fatal: no log' >&2\nexit 1\n");
	check(!postfix_queue_delete(&queue, &ids, &done, &err) &&
	    done.n == 1 && strcmp(err.text, "postsuper: fatal: no log") == 0,
	    "also when it fails in between");
	strvec_clear(&done);
	for (int i = 0; i < 1200; i++)
		strvec_take(&many, mem_printf("AAAA%05d", i));
	put("postsuper", "#!/bin/sh\necho x >>@/calls\n"
	    "sed 's/.*/postsuper: &: removed/' >&2\n");
	calls();
	check(postfix_queue_delete(&queue, &many, &done, &err) &&
	    done.n == 1200 && strcmp(done.v[1199], many.v[1199]) == 0,
	    "1,200 are deleted in order");
	check(calls() == 3, "five hundred by each postsuper");
	strvec_clear(&ids);
	strvec_clear(&done);
	strvec_clear(&many);
}

static void
test_check(void)
{
	struct error err = {0};

	check(postfix_queue_check(&queue, &err), "all commands are there");
	drop("postsuper");
	check(!postfix_queue_check(&queue, &err) &&
	    strstr(err.text, "/postsuper: ") != NULL,
	    "one that is missing is named");
}

int
main(void)
{
	char *command;

	signal(SIGPIPE, SIG_IGN);
	if (mkdtemp(directory) == NULL)
		return 1;
	put("postcat", postcat);
	test_walk();
	test_many();
	test_faults();
	test_orders();
	test_check();
	command = mem_printf("rm -r '%s'", directory);
	if (system(command) != 0)
		printf("# cannot remove %s\n", directory);
	free(command);
	return tap_done();
}
