/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/child.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "tests/unit/tap.h"

#define MANY 3000000 /* more than pipes hold */

static bool
run(const char *script, int timeout, size_t max, const struct child_talk *how,
    struct child_result *result, struct error *err)
{
	char *const argv[] = {(char *)"sh", (char *)"-c", (char *)script,
		NULL};

	return child_talk("/bin/sh", argv, timeout, max, how, result, err);
}

static void
test_run(void)
{
	char *const argv[] = {(char *)"sh", (char *)"-c",
		(char *)"echo out; echo err >&2; read x && echo $x; exit 3",
		NULL};
	struct child_result r;
	struct error err = {0};

	check(child_run("/bin/sh", argv, 10, 4096, &r, &err),
	    "a program is run");
	check_str(buf_text(&r.out), "out\n", "its output is there");
	check_str(buf_text(&r.err), "err\n", "what it complains of, too");
	check(WIFEXITED(r.status) && WEXITSTATUS(r.status) == 3,
	    "its status is there");
	child_result_clear(&r);
	check(!child_run("/nonexistent/sh", argv, 10, 4096, &r, &err) &&
	    strstr(err.text, "/nonexistent/sh") != NULL,
	    "one that does not exist is an error that names it");
	child_result_clear(&r);
}

static void
test_limits(void)
{
	const struct child_talk plain = {0};
	int64_t start = clock_monotonic_ms();
	struct child_result r;
	struct error err = {0};

	check(!run("echo; exec sleep 100", 1, 4096, &plain, &r, &err) &&
	    err.kind == ERROR_TEMP, "one that takes too long is ended");
	child_result_clear(&r);
	check(!run("exec >&- 2>&-; exec sleep 100", 1, 4096, &plain, &r,
	    &err), "also when it has closed its output");
	child_result_clear(&r);
	check(clock_monotonic_ms() - start < 20000, "and waited for no longer");
	check(!run("while :; do echo a lot; done", 60, 4096, &plain, &r,
	    &err) && err.kind == ERROR_PERM && r.out.len <= 4096,
	    "one that writes too much is ended");
	child_result_clear(&r);
}

static void
test_input(void)
{
	char *many = mem_alloc(MANY + 1);
	struct child_talk how = {.input = many, .ninput = MANY};
	struct child_result r;
	struct error err = {0};

	memset(many, 'x', MANY);
	check(run("cat", 60, MANY, &how, &r, &err) && r.out.len == MANY &&
	    memcmp(r.out.data, many, MANY) == 0,
	    "3,000,000 bytes go in and come out");
	child_result_clear(&r);
	check(run("exit 5", 60, 4096, &how, &r, &err) &&
	    WEXITSTATUS(r.status) == 5,
	    "one that does not read its input is none the worse");
	child_result_clear(&r);
	check(run("exec <&-; sleep 0.2; echo done", 60, 4096, &how, &r,
	    &err) && strcmp(buf_text(&r.out), "done\n") == 0,
	    "nor one that closes it");
	child_result_clear(&r);
	how = (struct child_talk){.input = ""};
	check(run("wc -c", 60, 4096, &how, &r, &err) &&
	    atoi(buf_text(&r.out)) == 0, "input may be empty");
	child_result_clear(&r);
	free(many);
}

struct seen {
	struct buf bytes;
	size_t enough; /* 0: never */
	unsigned pause; /* seconds */
};

static bool
see(void *context, const char *bytes, size_t n, struct error *err)
{
	struct seen *s = context;

	sleep(s->pause);
	s->pause = 0;
	buf_append(&s->bytes, bytes, n);
	return s->enough == 0 || s->bytes.len < s->enough ? true :
	    error_perm(err, "that is enough");
}

static void
test_sink(void)
{
	struct seen s = {.pause = 2};
	struct child_talk how = {.sink = see, .context = &s};
	struct child_result r;
	struct error err = {0};

	buf_init(&s.bytes, MANY);
	check(run("echo a; echo b >&2; echo c; exit 2", 1, 0, &how, &r,
	    &err) && strcmp(buf_text(&s.bytes), "a\nc\n") == 0 &&
	    strcmp(buf_text(&r.err), "b\n") == 0 &&
	    WEXITSTATUS(r.status) == 2,
	    "a sink takes the output, in its own time");
	child_result_clear(&r);
	buf_reset(&s.bytes);
	how.with_err = true;
	check(run("echo a; echo b >&2; echo c", 10, 0, &how, &r, &err) &&
	    s.bytes.len == 6 && strstr(s.bytes.data, "b\n") != NULL,
	    "with standard error if wanted");
	child_result_clear(&r);
	buf_reset(&s.bytes);
	s.enough = 100;
	check(!run("while :; do echo a lot; done", 60, 0, &how, &r, &err) &&
	    strcmp(err.text, "that is enough") == 0,
	    "a sink that wants no more ends the program");
	child_result_clear(&r);
	s.enough = 0;
	check(!run("echo; exec sleep 100", 1, 0, &how, &r, &err) &&
	    err.kind == ERROR_TEMP, "one that falls silent is ended");
	child_result_clear(&r);
	buf_clear(&s.bytes);
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	test_run();
	test_limits();
	test_input();
	test_sink();
	return tap_done();
}
