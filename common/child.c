/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

#define ERR_MAX	    4096
#define EXEC_FAILED 127

void
child_result_clear(struct child_result *result)
{
	buf_clear(&result->out);
	buf_clear(&result->err);
}

/* Our ends of its three files; -1: closed. */
struct pipes {
	int in, out, err;
};

/* One child being talked with. */
struct talk {
	const char *path;
	const struct child_talk *how;
	struct child_result *result;
	struct pollfd p[3]; /* its output, its standard error, its input */
	size_t fed;	    /* bytes of the input */
	int64_t timeout, end; /* milliseconds */
};

static void __attribute__((noreturn))
become(const char *path, char *const argv[], const struct pipes *its)
{
	int in = its->in >= 0 ? its->in : open("/dev/null", O_RDONLY);

	/* Its own group, so that what it starts ends with it. */
	setpgid(0, 0);
	if (in < 0 || dup2(in, STDIN_FILENO) < 0 ||
	    dup2(its->out, STDOUT_FILENO) < 0 ||
	    dup2(its->err, STDERR_FILENO) < 0 ||
	    signal(SIGPIPE, SIG_DFL) == SIG_ERR)
		_exit(EXEC_FAILED);
	execv(path, argv);
	_exit(EXEC_FAILED);
}

static void
close_all(struct pipes *p)
{
	if (p->in >= 0)
		close(p->in);
	if (p->out >= 0)
		close(p->out);
	if (p->err >= 0)
		close(p->err);
	*p = (struct pipes){-1, -1, -1};
}

/* One pipe; `from` is the end that is read. */
static bool
make_pipe(int *from, int *to)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	*from = ends[0];
	*to = ends[1];
	return true;
}

static bool
start(const char *path, char *const argv[], const struct child_talk *how,
    pid_t *pid, struct pipes *ours, struct error *err)
{
	struct pipes its = {-1, -1, -1};
	bool ok = false;

	if (!make_pipe(&ours->out, &its.out) ||
	    !make_pipe(&ours->err, &its.err) ||
	    (how->input != NULL && !make_pipe(&its.in, &ours->in)) ||
	    (ours->in >= 0 && fcntl(ours->in, F_SETFL, O_NONBLOCK) < 0)) {
		error_errno(err, "pipe");
		goto out;
	}
	*pid = fork();
	if (*pid < 0) {
		error_errno(err, "fork");
		goto out;
	}
	if (*pid == 0)
		become(path, argv, &its);
	setpgid(*pid, *pid);
	ok = true;
out:
	close_all(&its);
	if (!ok)
		close_all(ours);
	return ok;
}

/* False: the output grew beyond its maximum, or nobody wants more. */
static bool
take_output(struct talk *t, const char *some, size_t n, struct error *err)
{
	bool ok;

	if (t->how->sink == NULL)
		return buf_append(&t->result->out, some, n) ? true :
		    error_perm(err, "%s: writes more than %zu bytes", t->path,
		    t->result->out.max);
	ok = t->how->sink(t->how->context, some, n, err);
	/* However long that took. */
	t->end = clock_monotonic_ms() + t->timeout;
	return ok;
}

static bool
collect(struct talk *t, struct pollfd *p, struct error *err)
{
	char some[4096];
	ssize_t n = read(p->fd, some, sizeof(some));

	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0) {
		p->fd = -1; /* poll(2) passes over it */
		return true;
	}
	if (p == &t->p[0] || t->how->with_err)
		return take_output(t, some, (size_t)n, err);
	buf_append(&t->result->err, some, (size_t)n);
	return true;
}

/* Some of the input, and its end behind the last of it. */
static void
feed(struct talk *t)
{
	size_t left = t->how->ninput - t->fed;
	ssize_t n = left == 0 ? 0 : write(t->p[2].fd, t->how->input + t->fed,
	    left);

	if (n > 0)
		t->fed += (size_t)n;
	if (t->fed < t->how->ninput &&
	    (n > 0 || errno == EINTR || errno == EAGAIN))
		return;
	close(t->p[2].fd);
	t->p[2].fd = -1;
}

static bool
too_late(const char *path, struct error *err)
{
	return error_temp(err, "%s: took too long and was ended", path);
}

/* Until both its outputs are closed. */
static bool
gather(struct talk *t, struct error *err)
{
	while (t->p[0].fd >= 0 || t->p[1].fd >= 0) {
		int64_t left = t->end - clock_monotonic_ms();
		int n = left <= 0 ? 0 : poll(t->p, 3, (int)left);

		if (n < 0 && errno != EINTR)
			return error_errno(err, "poll");
		if (n == 0)
			return too_late(t->path, err);
		if (n < 0)
			continue;
		if (t->p[2].revents != 0)
			feed(t);
		for (int i = 0; i < 2; i++)
			if (t->p[i].revents != 0 && !collect(t, &t->p[i], err))
				return false;
	}
	return true;
}

/* A program may close its output and go on. */
static bool
await(const char *path, pid_t pid, int64_t end, int *status,
    struct error *err)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	pid_t done;

	while ((done = waitpid(pid, status, WNOHANG)) != pid) {
		if (done < 0 && errno != EINTR)
			return error_errno(err, "%s: waitpid", path);
		if (clock_monotonic_ms() >= end)
			return too_late(path, err);
		nanosleep(&pause, NULL);
	}
	return true;
}

bool
child_talk(const char *path, char *const argv[], int timeout, size_t max,
    const struct child_talk *how, struct child_result *result,
    struct error *err)
{
	struct talk t = {.path = path, .how = how, .result = result,
		.timeout = (int64_t)timeout * 1000};
	struct pipes ours = {-1, -1, -1};
	pid_t pid = -1;
	bool ok;

	*result = (struct child_result){0};
	buf_init(&result->out, max);
	buf_init(&result->err, ERR_MAX);
	if (access(path, X_OK) < 0)
		return error_errno(err, "%s", path);
	if (!start(path, argv, how, &pid, &ours, err))
		return false;
	t.p[0] = (struct pollfd){.fd = ours.out, .events = POLLIN};
	t.p[1] = (struct pollfd){.fd = ours.err, .events = POLLIN};
	t.p[2] = (struct pollfd){.fd = ours.in, .events = POLLOUT};
	t.end = clock_monotonic_ms() + t.timeout;
	ok = gather(&t, err) && await(path, pid, t.end, &result->status, err);
	ours.in = t.p[2].fd; /* feed() may have closed it */
	close_all(&ours);
	if (!ok) {
		kill(-pid, SIGKILL);
		while (waitpid(pid, &result->status, 0) < 0 && errno == EINTR)
			;
	}
	return ok;
}

bool
child_run(const char *path, char *const argv[], int timeout, size_t max,
    struct child_result *result, struct error *err)
{
	const struct child_talk plain = {0};

	return child_talk(path, argv, timeout, max, &plain, result, err);
}
