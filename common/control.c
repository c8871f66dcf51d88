/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/control.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"

#define REQUEST_MAX 4096
#define ANSWER_MAX (4 << 20)
#define CONNECTIONS_MAX 16
#define CONNECTION_MS 5000
#define ACCEPT_PAUSE_MS 100
#define ASK_SECONDS 10
#define SOCKET_MODE 0660

struct connection {
	int fd; /* -1: free */
	int64_t deadline;
	struct buf in;
	struct buf out;
	size_t sent;
	bool answering;
};

struct control {
	char *path;
	int listener;
	int wake; /* eventfd: something to read means end */
	control_answer *answer;
	void *context;
	pthread_t thread;
	int64_t accept_after; /* when accept(2) failed: not at once again */
	struct connection connections[CONNECTIONS_MAX];
};

static bool
set_address(struct sockaddr_un *un, const char *path, struct error *err)
{
	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	if (path[0] == '\0' || strlen(path) >= sizeof(un->sun_path))
		return error_perm(err,
		    "%s: a socket's path has at most %zu bytes", path,
		    sizeof(un->sun_path) - 1);
	memcpy(un->sun_path, path, strlen(path));
	return true;
}

/*
 * The thread
 */

static void
connection_close(struct connection *c)
{
	close(c->fd);
	c->fd = -1;
	buf_clear(&c->in);
	buf_clear(&c->out);
}

static void
accept_one(struct control *c)
{
	int fd = accept4(c->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		/* Out of descriptors: waiting clients must not make us spin. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS)
			c->accept_after =
			    clock_monotonic_ms() + ACCEPT_PAUSE_MS;
		return;
	}
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *n = &c->connections[i];

		if (n->fd >= 0)
			continue;
		memset(n, 0, sizeof(*n));
		n->fd = fd;
		n->deadline = clock_monotonic_ms() + CONNECTION_MS;
		buf_init(&n->in, REQUEST_MAX);
		buf_init(&n->out, ANSWER_MAX);
		return;
	}
	close(fd);
}

/* False when the connection is over. */
static bool
send_answer(struct connection *n)
{
	ssize_t done;

	while (n->sent < n->out.len) {
		done = send(n->fd, n->out.data + n->sent, n->out.len - n->sent,
		    MSG_NOSIGNAL);
		if (done < 0)
			return errno == EAGAIN || errno == EINTR;
		n->sent += (size_t)done;
	}
	return false;
}

/* Takes what came; once the line is whole the answer starts. */
static bool
read_request(struct control *c, struct connection *n)
{
	char x[REQUEST_MAX];
	const char *lf;
	ssize_t got = recv(n->fd, x, sizeof(x), 0);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	if (got == 0)
		return false;
	lf = memchr(x, '\n', (size_t)got);
	if (!buf_append(&n->in, x, lf == NULL ? (size_t)got : (size_t)(lf - x)))
		return false;
	if (lf == NULL)
		return true;
	if (strlen(buf_text(&n->in)) != n->in.len)
		return false;
	n->answering = true;
	c->answer(c->context, buf_text(&n->in), &n->out);
	/* Its time may have gone into the answer, which is not its fault. */
	n->deadline = clock_monotonic_ms() + CONNECTION_MS;
	return send_answer(n);
}

static void
serve_connection(struct control *c, struct connection *n, short events)
{
	bool more = true;

	if (events != 0)
		more = n->answering ? send_answer(n) : read_request(c, n);
	if (!more || clock_monotonic_ms() >= n->deadline)
		connection_close(n);
}

/* Fills in whom to wait for; returns for how long, in ms, -1 for ever. */
static int
prepare(const struct control *c, struct pollfd *p)
{
	int64_t now = clock_monotonic_ms(), next = -1;
	size_t used = 0;

	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		const struct connection *n = &c->connections[i];

		p[i].fd = n->fd;
		p[i].events = n->answering ? POLLOUT : POLLIN;
		p[i].revents = 0;
		if (n->fd < 0)
			continue;
		used++;
		if (next < 0 || n->deadline < next)
			next = n->deadline;
	}
	p[CONNECTIONS_MAX] = (struct pollfd){.fd = c->wake, .events = POLLIN};
	p[CONNECTIONS_MAX + 1] =
	    (struct pollfd){.fd = c->listener, .events = POLLIN};
	/* The others wait in the kernel's queue. */
	if (used == CONNECTIONS_MAX)
		p[CONNECTIONS_MAX + 1].fd = -1;
	if (now < c->accept_after) {
		p[CONNECTIONS_MAX + 1].fd = -1;
		if (next < 0 || c->accept_after < next)
			next = c->accept_after;
	}
	if (next < 0)
		return -1;
	return next <= now ? 0 : (int)(next - now) + 1;
}

static void *
run(void *arg)
{
	struct control *c = arg;
	struct pollfd p[CONNECTIONS_MAX + 2];

	for (;;) {
		int timeout = prepare(c, p);

		if (poll(p, CONNECTIONS_MAX + 2, timeout) < 0)
			continue;
		if (p[CONNECTIONS_MAX].revents != 0)
			break;
		for (size_t i = 0; i < CONNECTIONS_MAX; i++)
			if (c->connections[i].fd >= 0)
				serve_connection(
				    c, &c->connections[i], p[i].revents);
		if (p[CONNECTIONS_MAX + 1].revents != 0)
			accept_one(c);
	}
	return NULL;
}

/*
 * Opening
 */

/* Makes room for our socket: only a dead one may be removed. */
static bool
remove_old(const struct sockaddr_un *un, struct error *err)
{
	struct stat st;
	bool ok = false;
	int fd = -1;

	if (lstat(un->sun_path, &st) != 0)
		return errno == ENOENT ? true
				       : error_errno(err, "%s", un->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return error_perm(
		    err, "%s: is there and not a socket", un->sun_path);
	/* Non-blocking: EAGAIN is a live one whose queue is full. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_errno(err, "socket");
	if (connect(fd, (const struct sockaddr *)un, sizeof(*un)) == 0 ||
	    errno == EAGAIN) {
		error_perm(
		    err, "%s: another process listens there", un->sun_path);
		goto out;
	}
	if (errno != ECONNREFUSED && errno != ENOENT) {
		error_errno(
		    err, "%s: cannot tell whether it is in use", un->sun_path);
		goto out;
	}
	if (unlink(un->sun_path) != 0 && errno != ENOENT) {
		error_errno(
		    err, "%s: cannot remove the old socket", un->sun_path);
		goto out;
	}
	ok = true;
out:
	close(fd);
	return ok;
}

static int
open_listener(const char *path, struct error *err)
{
	struct sockaddr_un un;
	int fd = -1;

	if (!set_address(&un, path, err) || !remove_old(&un, err))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/*
	 * Linux gives the file the mode of the socket, less the umask: before
	 * bind(2) so that it is never open wider, after it against the umask.
	 */
	if (fd < 0 || fchmod(fd, SOCKET_MODE) != 0 ||
	    bind(fd, (struct sockaddr *)&un, sizeof(un)) != 0) {
		error_errno(err, "%s: cannot listen", un.sun_path);
		goto fail;
	}
	if (chmod(path, SOCKET_MODE) != 0 || listen(fd, CONNECTIONS_MAX) != 0) {
		error_errno(err, "%s: cannot listen", un.sun_path);
		unlink(path);
		goto fail;
	}
	return fd;
fail:
	if (fd >= 0)
		close(fd);
	return -1;
}

struct control *
control_open(
    const char *path, control_answer *answer, void *context, struct error *err)
{
	struct control *c = mem_alloc(sizeof(*c));
	int rc;

	c->path = mem_strdup(path);
	c->answer = answer;
	c->context = context;
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		c->connections[i].fd = -1;
	c->wake = -1;
	c->listener = open_listener(path, err);
	if (c->listener < 0)
		goto fail;
	c->wake = eventfd(0, EFD_CLOEXEC);
	if (c->wake < 0) {
		error_errno(err, "eventfd");
		goto fail;
	}
	rc = pthread_create(&c->thread, NULL, run, c);
	if (rc != 0) {
		errno = rc;
		error_errno(err, "%s: no thread", path);
		goto fail;
	}
	return c;
fail:
	if (c->listener >= 0) {
		close(c->listener);
		unlink(path);
	}
	if (c->wake >= 0)
		close(c->wake);
	free(c->path);
	free(c);
	return NULL;
}

void
control_close(struct control **control)
{
	struct control *c = *control;
	uint64_t one = 1;
	ssize_t n;

	if (c == NULL)
		return;
	n = write(c->wake, &one, sizeof(one));
	assert(n == sizeof(one));
	pthread_join(c->thread, NULL);
	/* First the name, so that nobody takes it for a dead socket. */
	unlink(c->path);
	close(c->listener);
	close(c->wake);
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (c->connections[i].fd >= 0)
			connection_close(&c->connections[i]);
	free(c->path);
	free(c);
	*control = NULL;
}

/*
 * Asking
 */

/* Blocking: non-blocking connect(2) fails when the queue is just full. */
static int
connect_to(const char *path, struct error *err)
{
	const struct timeval limit = {.tv_sec = ASK_SECONDS};
	struct sockaddr_un un;
	int fd;

	if (!set_address(&un, path, err))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    connect(fd, (struct sockaddr *)&un, sizeof(un)) != 0) {
		error_errno(err, "%s: nobody answers there", path);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static bool
send_line(int fd, const char *path, const char *request, struct error *err)
{
	char line[REQUEST_MAX + 1];
	size_t len = strlen(request);
	ssize_t n;

	memcpy(line, request, len);
	line[len++] = '\n';
	for (size_t at = 0; at < len; at += (size_t)n) {
		n = send(fd, line + at, len - at, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			n = 0;
		if (n < 0)
			return error_errno(err, "%s: cannot ask", path);
	}
	return true;
}

static bool
read_answer(int fd, const char *path, struct buf *answer, struct error *err)
{
	int64_t deadline = clock_monotonic_ms() + ASK_SECONDS * 1000;
	char x[8192];
	ssize_t n;

	while ((n = recv(fd, x, sizeof(x), 0)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, "%s: no answer", path);
		if (!buf_append(answer, x, (size_t)n))
			return error_perm(err,
			    "%s: an answer of over %zu bytes", path,
			    answer->max);
		if (clock_monotonic_ms() > deadline)
			return error_temp(err,
			    "%s: no end of the answer in "
			    "%d seconds",
			    path, ASK_SECONDS);
	}
	return true;
}

bool
control_ask(const char *path, const char *request, struct buf *answer,
    struct error *err)
{
	bool ok;
	int fd;

	if (strlen(request) > REQUEST_MAX || strchr(request, '\n') != NULL)
		return error_perm(err,
		    "a request is one line of at most %d "
		    "bytes",
		    REQUEST_MAX);
	fd = connect_to(path, err);
	if (fd < 0)
		return false;
	ok = send_line(fd, path, request, err) &&
	     read_answer(fd, path, answer, err);
	close(fd);
	return ok;
}
