/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/child.h"
#include "common/mem.h"
#include "crl_settings.h"

#define OUTPUT_MAX (64 << 10)

struct hooks {
	struct strvec commands;
	int timeout;
	int fd; /* to the process that is root; -1: we run them */
};

/* What goes back for a number. */
struct answer {
	bool ok;
	char text[sizeof(((struct error *)NULL)->text)];
};

static pid_t child; /* of the process that is root, for its handler */

static void
collect(struct strvec *to, const struct strvec *from)
{
	for (size_t i = 0; i < from->n; i++)
		if (!strvec_has(to, from->v[i]))
			strvec_add(to, from->v[i]);
}

static void
collect_all(struct strvec *to, const struct settings *s)
{
	const struct crl_fetcher_settings *own =
	    settings_get(s, "crl-fetcher");
	size_t n = settings_count(s, "crl-source");
	const char *name;

	collect(to, &own->reload);
	for (size_t i = 0; i < n; i++) {
		const struct crl_source_settings *v =
		    settings_at(s, "crl-source", i, &name);

		collect(to, &v->reload);
	}
}

static bool
run(const char *command, int timeout, struct error *err)
{
	struct child_result result;
	struct strvec argv = {0};
	bool ok;

	crl_settings_split(command, &argv);
	ok = child_run(argv.v[0], argv.v, timeout, OUTPUT_MAX, &result, err);
	if (ok && (!WIFEXITED(result.status) ||
		      WEXITSTATUS(result.status) != 0)) {
		size_t first = strcspn(buf_text(&result.err), "\n");

		ok = error_temp(err, "%.100s: %s %d%s%.*s", command,
		    WIFEXITED(result.status) ? "exit code" : "signal",
		    WIFEXITED(result.status) ? WEXITSTATUS(result.status)
					     : WTERMSIG(result.status),
		    first == 0 ? "" : ": ",
		    (int)(first > 200 ? 200 : first),
		    buf_text(&result.err));
	}
	child_result_clear(&result);
	strvec_clear(&argv);
	return ok;
}

/* ---- the process that stays root ---- */

static void
forward(int signal)
{
	kill(child, signal);
}

static void
serve(const struct hooks *h, int fd)
{
	struct answer answer;
	struct error err;
	uint32_t number;

	while (recv(fd, &number, sizeof(number), MSG_WAITALL) ==
	       sizeof(number)) {
		memset(&answer, 0, sizeof(answer));
		memset(&err, 0, sizeof(err));
		answer.ok = number < h->commands.n &&
			    run(h->commands.v[number], h->timeout, &err);
		memcpy(answer.text, err.text, sizeof(answer.text));
		if (send(fd, &answer, sizeof(answer), MSG_NOSIGNAL) !=
		    sizeof(answer))
			break;
	}
}

static void __attribute__((noreturn))
stay(struct hooks *h, int fd)
{
	struct sigaction act = {.sa_handler = forward};
	int status = 0;

	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
	serve(h, fd);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE);
}

static bool
divide(struct hooks *h, struct error *err)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		return error_errno(err, "socketpair");
	child = fork();
	if (child < 0)
		return error_errno(err, "fork");
	if (child > 0) {
		close(fds[0]);
		stay(h, fds[1]);
	}
	close(fds[1]);
	h->fd = fds[0];
	return true;
}

/* ---- for the one that downloads ---- */

struct hooks *
hooks_start(const struct settings *s, struct error *err)
{
	const struct crl_fetcher_settings *own =
	    settings_get(s, "crl-fetcher");
	struct hooks *h = mem_alloc(sizeof(*h));

	h->fd = -1;
	h->timeout = (int)own->reload_timeout;
	collect_all(&h->commands, s);
	if (h->commands.n > 0 && geteuid() == 0 && !divide(h, err))
		hooks_stop(&h);
	return h;
}

void
hooks_stop(struct hooks **h)
{
	if (*h == NULL)
		return;
	if ((*h)->fd >= 0)
		close((*h)->fd);
	strvec_clear(&(*h)->commands);
	free(*h);
	*h = NULL;
}

bool
hooks_has(const struct hooks *h, const char *command)
{
	return strvec_has(&h->commands, command);
}

bool
hooks_run(struct hooks *h, const char *command, struct error *err)
{
	struct answer answer;
	uint32_t number = 0;

	while (number < h->commands.n &&
	       strcmp(h->commands.v[number], command) != 0)
		number++;
	if (number == h->commands.n)
		return error_perm(err, "%.100s: no such command", command);
	if (h->fd < 0)
		return run(command, h->timeout, err);
	if (send(h->fd, &number, sizeof(number), MSG_NOSIGNAL) !=
		sizeof(number) ||
	    recv(h->fd, &answer, sizeof(answer), MSG_WAITALL) !=
		sizeof(answer))
		return error_temp(err, "%.100s: the process that runs "
		    "commands is gone", command);
	if (answer.ok)
		return true;
	answer.text[sizeof(answer.text) - 1] = '\0';
	return error_temp(err, "%s", answer.text);
}
