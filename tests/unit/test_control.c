/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/control.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "tap.h"

static char dir[64];
static char path[80];

static void
answer(void *context, const char *request, struct buf *out)
{
	int *count = context;

	(*count)++;
	if (strcmp(request, "big") == 0)
		for (int i = 0; i < 100000; i++)
			buf_puts(out, "0123456789");
	else if (strcmp(request, "nothing") != 0)
		buf_printf(
		    out, "you said %zu: %.20s\n", strlen(request), request);
}

static int
raw_connect(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(un.sun_path, path, strlen(path));
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Sends bytes as they are, reads to the end; false: error. */
static bool
raw_ask(const char *data, size_t n, struct buf *got)
{
	char x[1000];
	ssize_t r = -1;
	int fd = raw_connect();

	buf_init(got, 1 << 20);
	if (send(fd, data, n, MSG_NOSIGNAL) >= 0)
		while ((r = recv(fd, x, sizeof(x), 0)) > 0)
			buf_append(got, x, (size_t)r);
	close(fd);
	return r == 0;
}

static void
test_ask(void)
{
	struct error err = {0};
	struct stat st = {0};
	struct buf b;
	int count = 0;
	struct control *c;

	umask(077);
	c = control_open(path, answer, &count, &err);
	umask(022);
	check(c != NULL, "a control socket opens");
	check(stat(path, &st) == 0 && S_ISSOCK(st.st_mode) &&
		  (st.st_mode & 07777) == 0660,
	    "its mode is 0660 whatever the umask");
	buf_init(&b, 100);
	check(
	    control_ask(path, "status all", &b, &err), "a request is answered");
	check_str(buf_text(&b), "you said 10: status all\n",
	    "with what the daemon says");
	buf_clear(&b);
	check(control_ask(path, "", &b, &err) && b.len == 13,
	    "an empty line is a request");
	buf_clear(&b);
	check(control_ask(path, "nothing", &b, &err) && b.len == 0,
	    "an answer may be empty");
	check(!control_ask(path, "big", &b, &err) && err.kind == ERROR_PERM,
	    "an answer too large for its buffer is PERM");
	buf_clear(&b);
	buf_init(&b, 2000000);
	check(control_ask(path, "big", &b, &err) && b.len == 1000000,
	    "a large answer comes whole");
	buf_clear(&b);
	check(!control_ask(path, "two\nlines", &b, &err) &&
		  err.kind == ERROR_PERM,
	    "two lines are PERM");
	check(count == 5, "each request is answered once (%d)", count);
	control_close(&c);
	check(
	    c == NULL && access(path, F_OK) != 0, "closing removes the socket");
	check(!control_ask(path, "x", &b, &err) && err.kind == ERROR_TEMP,
	    "asking nobody is TEMP");
	control_close(&c);
}

static void
test_limits(void)
{
	struct error err = {0};
	char *line = mem_alloc(5000);
	struct buf got;
	int count = 0, fd;
	struct control *c = control_open(path, answer, &count, &err);

	memset(line, 'x', 4999);
	line[4096] = '\n';
	check(raw_ask(line, 4097, &got) &&
		  strncmp(buf_text(&got), "you said 4096: ", 15) == 0,
	    "a line of 4,096 bytes is answered");
	buf_clear(&got);
	line[4096] = 'x';
	line[4097] = '\n';
	raw_ask(line, 4098, &got);
	check(got.len == 0, "a line of 4,097 bytes is not");
	buf_clear(&got);
	raw_ask("a\0b\n", 4, &got);
	check(got.len == 0, "a line with a NUL is not");
	buf_clear(&got);
	check(raw_ask("one\ntwo\n", 8, &got) &&
		  strcmp(buf_text(&got), "you said 3: one\n") == 0,
	    "only the first line is answered");
	buf_clear(&got);
	fd = raw_connect();
	check(send(fd, "st", 2, 0) == 2 && usleep(50000) == 0 &&
		  send(fd, "op\n", 3, 0) == 3 && recv(fd, line, 100, 0) == 17 &&
		  memcmp(line, "you said 4: stop\n", 17) == 0,
	    "a line in two parts is one request");
	close(fd);
	fd = raw_connect();
	close(fd);
	fd = raw_connect();
	check(send(fd, "big\n", 4, 0) == 4, "a client asks for much");
	close(fd);
	check(raw_ask("x\n", 2, &got) && got.len > 0,
	    "clients that go away harm nobody");
	buf_clear(&got);
	control_close(&c);
	free(line);
}

static void
test_silent_clients(void)
{
	struct error err = {0};
	int count = 0, fds[20];
	struct control *c = control_open(path, answer, &count, &err);
	int64_t begin;
	struct buf b;
	char x;

	for (int i = 0; i < 20; i++)
		fds[i] = raw_connect();
	check(fds[19] >= 0, "20 clients connect and say nothing");
	buf_init(&b, 1000);
	begin = clock_monotonic_ms();
	check(control_ask(path, "hello", &b, &err),
	    "another one is answered all the same");
	begin = clock_monotonic_ms() - begin;
	check(begin > 3000 && begin < 8000,
	    "as soon as their five seconds are over (%lld ms)",
	    (long long)begin);
	check(recv(fds[0], &x, 1, 0) == 0, "they are cut off");
	buf_clear(&b);
	begin = clock_monotonic_ms();
	control_close(&c);
	check(clock_monotonic_ms() - begin < 500,
	    "closing does not wait for those left");
	for (int i = 0; i < 20; i++)
		close(fds[i]);
}

static void
test_old_sockets(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct error err = {0};
	int count = 0, fd;
	char x[300];
	struct control *c, *second;
	FILE *f;

	memcpy(un.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	check(bind(fd, (struct sockaddr *)&un, sizeof(un)) == 0,
	    "a dead process leaves a socket");
	close(fd);
	c = control_open(path, answer, &count, &err);
	check(c != NULL, "it is replaced");
	second = control_open(path, answer, &count, &err);
	check(second == NULL && err.kind == ERROR_PERM &&
		  strstr(err.text, "another process") != NULL,
	    "a live one is not");
	fd = raw_connect();
	check(fd >= 0, "the live one still listens");
	close(fd);
	control_close(&c);

	f = fopen(path, "w");
	fclose(f);
	check(control_open(path, answer, &count, &err) == NULL &&
		  err.kind == ERROR_PERM && access(path, F_OK) == 0,
	    "what is no socket is not removed");
	unlink(path);
	memset(x, 'x', sizeof(x) - 1);
	x[sizeof(x) - 1] = '\0';
	check(control_open(x, answer, &count, &err) == NULL &&
		  err.kind == ERROR_PERM && strstr(err.text, "107") != NULL,
	    "a path that is too long is PERM and says the limit");
	check(
	    control_open("/nonexistent/dir/s", answer, &count, &err) == NULL &&
		err.kind == ERROR_TEMP,
	    "a directory that is not there is TEMP");
}

int
main(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, sizeof(dir), "%.40s/ps-test-XXXXXX",
	    tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(dir) == NULL)
		return 99;
	snprintf(path, sizeof(path), "%s/sock", dir);
	test_ask();
	test_limits();
	test_old_sockets();
	test_silent_clients();
	check(rmdir(dir) == 0, "nothing is left behind");
	return tap_done();
}
