/* SPDX-License-Identifier: BSD-2-Clause */
#include "postfix_queue.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/mem.h"

#define SILENCE	  120 /* seconds without output */
#define PART	  65536
#define ORDER_MAX 500 /* ids for one postsuper */

bool
postfix_queue_check(const struct postfix_queue *q, struct error *err)
{
	static const char *const names[] = {"postqueue", "postcat",
		"postsuper"};
	bool ok = true;

	for (size_t i = 0; ok && i < sizeof(names) / sizeof(names[0]); i++) {
		char *path = mem_printf("%s/%s", q->commands, names[i]);

		if (access(path, X_OK) != 0) {
			error_errno(err, "%s", path);
			err->kind = ERROR_PERM;
			ok = false;
		}
		free(path);
	}
	return ok;
}

static void
begin_command(const struct postfix_queue *q, const char *name,
    struct strvec *argv)
{
	strvec_take(argv, mem_printf("%s/%s", q->commands, name));
	if (q->config_dir != NULL) {
		strvec_add(argv, "-c");
		strvec_add(argv, q->config_dir);
	}
}

/* The last line of its complaints says why it ended. */
static bool
complain(const char *path, int status, const char *text, size_t n,
    struct error *err)
{
	const char *name = strrchr(path, '/') + 1, *start;

	while (n > 0 && text[n - 1] == '\n')
		n--;
	start = n == 0 ? NULL : memrchr(text, '\n', n);
	start = start == NULL ? text : start + 1;
	n -= (size_t)(start - text);
	if (n > 0 && (strncmp(start, name, strlen(name)) == 0 ||
	    strncmp(start, path, strlen(path)) == 0))
		return error_temp(err, "%.*s", (int)n, start);
	if (n > 0)
		return error_temp(err, "%s: %.*s", path, (int)n, start);
	if (WIFSIGNALED(status))
		return error_temp(err, "%s: killed by signal %d", path,
		    WTERMSIG(status));
	return error_temp(err, "%s: exit status %d", path,
	    WEXITSTATUS(status));
}

/* Runs argv; any end but a good one is a failure. */
static bool
run(const struct strvec *argv, const struct child_talk *talk,
    struct error *err)
{
	struct child_result result = {0};
	bool ok = child_talk(argv->v[0], argv->v, SILENCE, PART, talk,
	    &result, err);

	if (ok && result.status != 0)
		ok = complain(argv->v[0], result.status,
		    buf_text(&result.err), result.err.len, err);
	child_result_clear(&result);
	return ok;
}

bool
postfix_queue_list(const struct postfix_queue *q, lines_take *take,
    void *context, struct error *err)
{
	struct strvec argv = {0};
	struct lines lines;
	struct child_talk talk = {.sink = lines_add, .context = &lines};
	bool ok;

	begin_command(q, "postqueue", &argv);
	strvec_add(&argv, "-j");
	lines_init(&lines, POSTFIX_QUEUE_LINE_MAX, take, context);
	ok = run(&argv, &talk, err) && lines_end(&lines, err);
	lines_clear(&lines);
	strvec_clear(&argv);
	return ok;
}

bool
postfix_queue_read(const struct postfix_queue *q, const char *const options[],
    char *const *ids, size_t n, child_sink *sink, void *context,
    struct error *err)
{
	const struct child_talk talk = {.sink = sink, .context = context};
	struct strvec argv = {0};
	bool ok;

	begin_command(q, "postcat", &argv);
	strvec_add(&argv, "-q");
	for (size_t i = 0; options[i] != NULL; i++)
		strvec_add(&argv, options[i]);
	for (size_t i = 0; i < n; i++)
		strvec_add(&argv, ids[i]);
	ok = run(&argv, &talk, err);
	strvec_clear(&argv);
	return ok;
}

/* What postsuper is told to do, and says. */
struct order {
	const char *said; /* behind the id, when it was done */
	struct strvec *done;
	struct buf last; /* its last other line */
};

/* `postsuper: ID: released from hold` */
static bool
hear(void *context, const char *text, size_t n, bool ends, struct error *err)
{
	struct order *o = context;
	const char *start = "postsuper: ";
	size_t skip = strlen(start), said = strlen(o->said);

	(void)err;
	(void)ends;
	if (n > skip + said && memcmp(text, start, skip) == 0 &&
	    memcmp(text + n - said, o->said, said) == 0) {
		strvec_addn(o->done, text + skip, n - skip - said);
		return true;
	}
	buf_reset(&o->last);
	buf_append(&o->last, text, n);
	return true;
}

/* ids[from] and those behind it, as many as one postsuper gets. */
static bool
order(const struct strvec *argv, const struct strvec *ids, size_t from,
    struct order *o, struct error *err)
{
	struct child_result result = {0};
	struct lines lines;
	struct child_talk talk = {.with_err = true, .sink = lines_add,
		.context = &lines};
	struct buf input;
	bool ok;

	buf_init(&input, (size_t)ORDER_MAX * 256);
	for (size_t i = from; i < ids->n && i < from + ORDER_MAX; i++)
		buf_printf(&input, "%s\n", ids->v[i]);
	talk.input = buf_text(&input);
	talk.ninput = input.len;
	lines_init(&lines, 1024, hear, o);
	ok = child_talk(argv->v[0], argv->v, SILENCE, PART, &talk, &result,
		 err) &&
	    lines_end(&lines, err);
	if (ok && result.status != 0)
		ok = complain(argv->v[0], result.status, buf_text(&o->last),
		    o->last.len, err);
	child_result_clear(&result);
	lines_clear(&lines);
	buf_clear(&input);
	return ok;
}

static bool
order_all(const struct postfix_queue *q, const char *option,
    const char *queue, const char *said, const struct strvec *ids,
    struct strvec *done, struct error *err)
{
	struct order o = {.said = said, .done = done};
	struct strvec argv = {0};
	bool ok = true;

	buf_init(&o.last, 1024);
	begin_command(q, "postsuper", &argv);
	strvec_add(&argv, option);
	strvec_add(&argv, "-");
	strvec_add(&argv, queue);
	for (size_t i = 0; ok && i < ids->n; i += ORDER_MAX)
		ok = order(&argv, ids, i, &o, err);
	strvec_clear(&argv);
	buf_clear(&o.last);
	return ok;
}

bool
postfix_queue_release(const struct postfix_queue *q, const struct strvec *ids,
    struct strvec *done, struct error *err)
{
	return order_all(q, "-H", "hold", ": released from hold", ids, done,
	    err);
}

bool
postfix_queue_delete(const struct postfix_queue *q, const struct strvec *ids,
    struct strvec *done, struct error *err)
{
	return order_all(q, "-d", "hold", ": removed", ids, done, err);
}

bool
postfix_queue_deliver(const struct postfix_queue *q, const char *id,
    struct error *err)
{
	const struct child_talk talk = {0};
	struct strvec argv = {0};
	bool ok;

	begin_command(q, "postqueue", &argv);
	strvec_add(&argv, "-i");
	strvec_add(&argv, id);
	ok = run(&argv, &talk, err);
	strvec_clear(&argv);
	return ok;
}
