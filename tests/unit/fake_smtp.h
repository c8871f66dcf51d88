/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_FAKE_SMTP_H
#define TESTS_UNIT_FAKE_SMTP_H

/*
 * An SMTP server in a thread that says what a test tells it to, as often
 * as somebody connects, one connection at a time.  It keeps what it heard:
 * commands as lines in `heard`, what came after DATA, raw, in `data`.
 *
 * fake_smtp_start(), connect to fake.url, fake_smtp_stop(), look.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/buf.h"

/* Instead of a reply: */
#define FAKE_CUT "\001cut"         /* close the connection */
#define FAKE_SILENCE "\001silence" /* say nothing until it goes away */
#define FAKE_NAP "\001nap"         /* 3 seconds, then cut */
#define FAKE_ENDLESS "\001endless" /* a line without end */
#define FAKE_MANY "\001many"       /* 100,000 lines */
#define FAKE_TRICKLE "\001trickle" /* a byte each 100 ms */
#define FAKE_SPLIT "\001split"     /* a good reply, byte by byte */

struct fake_smtp {
	/* What to say; NULL: what a good server says. */
	const char *greeting, *ehlo, *helo, *mail, *rcpt, *data_reply, *end,
	    *rset, *quit;
	const char *refuse; /* recipients with this in them get… */
	const char *refuse_reply;
	bool stop_reading; /* after DATA, for two seconds; then cut */
	/* Out: */
	char url[64];
	struct buf heard, data;
	int connections;
	/* Private: */
	int listener;
	pthread_t thread;
};

#define FAKE_EHLO                                                  \
	"250-fake.example\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n" \
	"250-SMTPUTF8\r\n250 DSN\r\n"

static inline bool
fake_put(int fd, const char *s, size_t n)
{
	while (n > 0) {
		ssize_t done = send(fd, s, n, MSG_NOSIGNAL);

		if (done <= 0)
			return false;
		s += done;
		n -= (size_t)done;
	}
	return true;
}

/* True when the conversation goes on. */
static inline bool
fake_say(int fd, const char *reply)
{
	char c, x[1024];

	if (strcmp(reply, FAKE_CUT) == 0)
		return false;
	if (strcmp(reply, FAKE_NAP) == 0)
		return sleep(3) > 3;
	if (strcmp(reply, FAKE_SILENCE) == 0) {
		while (recv(fd, x, sizeof(x), 0) > 0)
			;
		return false;
	}
	if (strcmp(reply, FAKE_ENDLESS) == 0) {
		memset(x, 'x', sizeof(x));
		memcpy(x, "250 ", 4);
		while (fake_put(fd, x, sizeof(x)))
			;
		return false;
	}
	if (strcmp(reply, FAKE_MANY) == 0) {
		for (int i = 0; i < 100000; i++)
			if (!fake_put(fd, "250-again\r\n", 11))
				return false;
		return fake_put(fd, "250 enough\r\n", 12);
	}
	if (strcmp(reply, FAKE_TRICKLE) == 0) {
		c = '2';
		while (fake_put(fd, &c, 1))
			usleep(100000);
		return false;
	}
	if (strcmp(reply, FAKE_SPLIT) == 0) {
		reply = "250-one\r\n250-two\r\n250 three\r\n";
		for (; *reply != '\0'; reply++, usleep(500))
			if (!fake_put(fd, reply, 1))
				return false;
		return true;
	}
	return fake_put(fd, reply, strlen(reply));
}

static inline const char *
fake_or(const char *given, const char *usual)
{
	return given == NULL ? usual : given;
}

/* Reads into b until it ends with `end`; nobody here sends ahead. */
static inline bool
fake_read(int fd, struct buf *b, const char *end)
{
	size_t len = strlen(end);
	char x[16384];

	while (b->len < len || memcmp(b->data + b->len - len, end, len) != 0) {
		ssize_t n = recv(fd, x, sizeof(x), 0);

		if (n <= 0 || !buf_append(b, x, (size_t)n))
			return false;
	}
	return true;
}

static inline bool
fake_data(struct fake_smtp *f, int fd)
{
	struct buf b;
	bool ok;

	if (!fake_say(fd, fake_or(f->data_reply, "354 go on\r\n")))
		return false;
	if (f->data_reply != NULL && strncmp(f->data_reply, "354", 3) != 0)
		return true;
	if (f->stop_reading)
		return sleep(2) > 2;
	/* So that an empty message's end is one, too. */
	buf_init(&b, 64 << 20);
	buf_puts(&b, "\r\n");
	ok = fake_read(fd, &b, "\r\n.\r\n");
	buf_append(&f->data, b.data + 2, b.len - 2);
	buf_clear(&b);
	return ok && fake_say(fd, fake_or(f->end, "250 2.0.0 queued\r\n"));
}

static inline bool
fake_answer(struct fake_smtp *f, int fd, const char *line)
{
	const char *reply = "500 5.5.2 what?\r\n";

	if (strncmp(line, "EHLO ", 5) == 0)
		reply = fake_or(f->ehlo, FAKE_EHLO);
	else if (strncmp(line, "HELO ", 5) == 0)
		reply = fake_or(f->helo, "250 fake.example\r\n");
	else if (strncmp(line, "MAIL FROM:", 10) == 0)
		reply = fake_or(f->mail, "250 2.1.0 Ok\r\n");
	else if (strncmp(line, "RCPT TO:", 8) == 0 && f->refuse != NULL &&
		 strstr(line, f->refuse) != NULL)
		reply = f->refuse_reply;
	else if (strncmp(line, "RCPT TO:", 8) == 0)
		reply = fake_or(f->rcpt, "250 2.1.5 Ok\r\n");
	else if (strcmp(line, "DATA\r\n") == 0)
		return fake_data(f, fd);
	else if (strcmp(line, "RSET\r\n") == 0)
		reply = fake_or(f->rset, "250 2.0.0 Ok\r\n");
	else if (strcmp(line, "QUIT\r\n") == 0)
		reply = fake_or(f->quit, "221 2.0.0 Bye\r\n");
	return fake_say(fd, reply);
}

static inline void *
fake_run(void *arg)
{
	struct fake_smtp *f = arg;
	int fd;

	while ((fd = accept(f->listener, NULL, NULL)) >= 0) {
		struct buf line;

		f->connections++;
		buf_init(&line, 1 << 20);
		if (fake_say(fd, fake_or(f->greeting, "220 fake ESMTP\r\n")))
			while (fake_read(fd, &line, "\n") &&
			       buf_append(&f->heard, line.data, line.len) &&
			       fake_answer(f, fd, line.data))
				buf_reset(&line);
		buf_clear(&line);
		close(fd);
	}
	return NULL;
}

static inline void
fake_smtp_start(struct fake_smtp *f)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t len = sizeof(sin);

	buf_init(&f->heard, 64 << 20);
	buf_init(&f->data, 64 << 20);
	f->connections = 0;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (f->listener < 0 ||
	    bind(f->listener, (struct sockaddr *)&sin, sizeof(sin)) != 0 ||
	    listen(f->listener, 16) != 0 ||
	    getsockname(f->listener, (struct sockaddr *)&sin, &len) != 0)
		abort();
	snprintf(
	    f->url, sizeof(f->url), "smtp://127.0.0.1:%d", ntohs(sin.sin_port));
	pthread_create(&f->thread, NULL, fake_run, f);
}

/* Waits until the connection under way is over. */
static inline void
fake_smtp_stop(struct fake_smtp *f)
{
	shutdown(f->listener, SHUT_RDWR);
	pthread_join(f->thread, NULL);
	close(f->listener);
}

static inline void
fake_smtp_clear(struct fake_smtp *f)
{
	buf_clear(&f->heard);
	buf_clear(&f->data);
}

#endif
