/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/sendmail.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"

#define WAIT_STEP_US 10000
#define COMPLAINT_MAX 256

/* A file in memory: a pipe could fill up and hold both sides. */
static int
message_file(const char *message, size_t n)
{
	int fd = memfd_create("mail", MFD_CLOEXEC);

	while (fd >= 0 && n > 0) {
		ssize_t done = write(fd, message, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0) {
			close(fd);
			return -1;
		}
		message += done;
		n -= (size_t)done;
	}
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

/* Standard signals, our files closed; returns an errno. */
static int
spawn(pid_t *pid, char *const *argv, int in, int complaints)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, dfl;
	int rc;

	sigemptyset(&none);
	sigemptyset(&dfl);
	sigaddset(&dfl, SIGPIPE);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &dfl);
	posix_spawnattr_setflags(
	    &attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, complaints, STDERR_FILENO);
	posix_spawn_file_actions_addopen(
	    &files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
	rc = posix_spawn(pid, argv[0], &files, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return rc;
}

/* False when it had to be killed. */
static bool
wait_for(pid_t pid, int *status, int64_t timeout)
{
	int64_t deadline = clock_monotonic_ms() + timeout * 1000;
	pid_t rc;

	while ((rc = waitpid(pid, status, WNOHANG)) == 0 ||
	       (rc < 0 && errno == EINTR)) {
		if (clock_monotonic_ms() >= deadline) {
			kill(pid, SIGKILL);
			while (waitpid(pid, status, 0) < 0 && errno == EINTR)
				;
			return false;
		}
		usleep(WAIT_STEP_US);
	}
	return true;
}

/* What it wrote to its standard error, for the error text. */
static void
read_complaint(int fd, char *text, size_t size)
{
	ssize_t n = pread(fd, text, size - 1, 0);

	text[n < 0 ? 0 : n] = '\0';
	for (char *s = text; *s != '\0'; s++)
		if (*s == '\n')
			*s = s[1] == '\0' ? '\0' : ' ';
}

static bool
report(const char *command, int status, int complaints, struct error *err)
{
	char text[COMPLAINT_MAX];

	read_complaint(complaints, text, sizeof(text));
	if (WIFSIGNALED(status))
		return error_temp(err, "%s: died of signal %d: %s", command,
		    WTERMSIG(status), text);
	switch (WEXITSTATUS(status)) {
	case EX_USAGE:
	case EX_DATAERR:
	case EX_NOUSER:
	case EX_NOHOST:
		return error_perm(err, "%s: exit status %d: %s", command,
		    WEXITSTATUS(status), text);
	}
	return error_temp(
	    err, "%s: exit status %d: %s", command, WEXITSTATUS(status), text);
}

bool
sendmail_submit(const char *command, const char *sender,
    const struct strvec *recipients, const char *message, size_t n,
    int64_t timeout, struct error *err)
{
	struct strvec argv = {0};
	bool ok = false;
	int in = -1, complaints = -1, status = 0, rc;
	pid_t pid;

	strvec_add(&argv, command);
	strvec_add(&argv, "-i");
	strvec_add(&argv, "-f");
	strvec_add(&argv, sender[0] == '\0' ? "<>" : sender);
	strvec_add(&argv, "--");
	for (size_t i = 0; i < recipients->n; i++)
		strvec_add(&argv, recipients->v[i]);
	in = message_file(message, n);
	complaints = memfd_create("stderr", MFD_CLOEXEC);
	if (in < 0 || complaints < 0) {
		error_errno(err, "%s: no room for its message", command);
		goto out;
	}
	rc = spawn(&pid, argv.v, in, complaints);
	if (rc != 0) {
		errno = rc;
		error_errno(err, "%s: cannot run", command);
		goto out;
	}
	if (!wait_for(pid, &status, timeout)) {
		error_temp(err, "%s: killed after %lld seconds", command,
		    (long long)timeout);
		goto out;
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		report(command, status, complaints, err);
		goto out;
	}
	ok = true;
out:
	if (in >= 0)
		close(in);
	if (complaints >= 0)
		close(complaints);
	strvec_clear(&argv);
	return ok;
}
