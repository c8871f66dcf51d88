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

static void __attribute__((noreturn))
become(const char *path, char *const argv[], int out, int err)
{
	int null = open("/dev/null", O_RDONLY);

	/* Its own group, so that what it starts ends with it. */
	setpgid(0, 0);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
		_exit(EXEC_FAILED);
	execv(path, argv);
	_exit(EXEC_FAILED);
}

static bool
start(const char *path, char *const argv[], pid_t *pid, int fds[2],
    struct error *err)
{
	int out[2] = {-1, -1}, errors[2] = {-1, -1};
	bool ok = false;

	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(errors, O_CLOEXEC) < 0) {
		error_errno(err, "pipe");
		goto out;
	}
	*pid = fork();
	if (*pid < 0) {
		error_errno(err, "fork");
		goto out;
	}
	if (*pid == 0)
		become(path, argv, out[1], errors[1]);
	setpgid(*pid, *pid);
	fds[0] = out[0];
	fds[1] = errors[0];
	out[0] = errors[0] = -1;
	ok = true;
out:
	for (int i = 0; i < 2; i++) {
		if (out[i] >= 0)
			close(out[i]);
		if (errors[i] >= 0)
			close(errors[i]);
	}
	return ok;
}

/* False: the output grew beyond its maximum. */
static bool
collect(struct pollfd *p, struct buf *to, bool keep_all)
{
	char some[4096];
	ssize_t n = read(p->fd, some, sizeof(some));

	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0) {
		p->fd = -1; /* poll(2) passes over it */
		return true;
	}
	return buf_append(to, some, (size_t)n) || !keep_all;
}

static bool
too_late(const char *path, struct error *err)
{
	return error_temp(err, "%s: took too long and was ended", path);
}

/* Until both ends are closed. */
static bool
gather(const char *path, const int fds[2], int64_t end,
    struct child_result *result, struct error *err)
{
	struct pollfd p[2] = {{.fd = fds[0], .events = POLLIN},
	    {.fd = fds[1], .events = POLLIN}};

	while (p[0].fd >= 0 || p[1].fd >= 0) {
		int64_t left = end - clock_monotonic_ms();
		int n = left <= 0 ? 0 : poll(p, 2, (int)left);

		if (n < 0 && errno != EINTR)
			return error_errno(err, "poll");
		if (n == 0)
			return too_late(path, err);
		if (n < 0)
			continue;
		if (p[0].revents != 0 && !collect(&p[0], &result->out, true))
			return error_perm(err, "%s: writes more than %zu "
			    "bytes", path, result->out.max);
		if (p[1].revents != 0)
			collect(&p[1], &result->err, false);
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
child_run(const char *path, char *const argv[], int timeout, size_t max,
    struct child_result *result, struct error *err)
{
	int64_t end = clock_monotonic_ms() + (int64_t)timeout * 1000;
	int fds[2] = {-1, -1};
	pid_t pid = -1;
	bool ok;

	*result = (struct child_result){0};
	buf_init(&result->out, max);
	buf_init(&result->err, ERR_MAX);
	if (access(path, X_OK) < 0)
		return error_errno(err, "%s", path);
	if (!start(path, argv, &pid, fds, err))
		return false;
	ok = gather(path, fds, end, result, err) &&
	    await(path, pid, end, &result->status, err);
	close(fds[0]);
	close(fds[1]);
	if (!ok) {
		kill(-pid, SIGKILL);
		while (waitpid(pid, &result->status, 0) < 0 && errno == EINTR)
			;
	}
	return ok;
}
