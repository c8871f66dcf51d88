/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/smtp_client.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/smtp_reply.h"

/* RFC 5321 section 4.5.3.1.4, with room for DSN and UTF-8 parameters. */
#define COMMAND_MAX 8192
#define OUT_SIZE 65536
#define QUIT_TIMEOUT_MS 2000
#define IN_SIZE 4096

struct smtp_client {
	int fd;
	char *url;
	int64_t timeout_ms;
	/*
	 * The two sides may no longer agree where they are: nothing more may
	 * be said, not even QUIT, which could become part of a message.
	 */
	bool broken;
	struct strvec keywords; /* the EHLO reply's lines after the first */
	struct smtp_reply reply;
	char in[IN_SIZE];
	size_t in_at, in_len;
	size_t out_len;
	char out[OUT_SIZE];
};

static bool
wait_for(
    struct smtp_client *c, short events, int64_t deadline, struct error *err)
{
	for (;;) {
		struct pollfd p = {.fd = c->fd, .events = events};
		int64_t left = deadline - clock_monotonic_ms();
		int n;

		if (left <= 0)
			return error_temp(err, "%s: no answer in %lld seconds",
			    c->url, (long long)(c->timeout_ms / 1000));
		n = poll(&p, 1, left > 60000 ? 60000 : (int)left);
		if (n > 0)
			return true;
		if (n < 0 && errno != EINTR)
			return error_errno(err, "%s: poll", c->url);
	}
}

static bool
flush(struct smtp_client *c, struct error *err)
{
	int64_t deadline = clock_monotonic_ms() + c->timeout_ms;
	size_t at = 0;

	while (at < c->out_len) {
		ssize_t n = send(c->fd, c->out + at, c->out_len - at,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0)
			at += (size_t)n;
		else if (errno == EAGAIN) {
			if (!wait_for(c, POLLOUT, deadline, err))
				goto fail;
		} else if (errno != EINTR) {
			error_errno(err, "%s: cannot send", c->url);
			goto fail;
		}
	}
	c->out_len = 0;
	return true;
fail:
	c->broken = true;
	return false;
}

static bool
put(struct smtp_client *c, const char *data, size_t n, struct error *err)
{
	while (n > 0) {
		size_t room = OUT_SIZE - c->out_len;
		size_t part = n < room ? n : room;

		memcpy(c->out + c->out_len, data, part);
		c->out_len += part;
		data += part;
		n -= part;
		if (c->out_len == OUT_SIZE && !flush(c, err))
			return false;
	}
	return true;
}

static bool
fill_in(struct smtp_client *c, int64_t deadline, struct error *err)
{
	ssize_t n;

	do {
		if (!wait_for(c, POLLIN, deadline, err))
			return false;
		n = recv(c->fd, c->in, sizeof(c->in), MSG_DONTWAIT);
	} while (n < 0 && (errno == EINTR || errno == EAGAIN));
	if (n < 0)
		return error_errno(err, "%s: cannot receive", c->url);
	if (n == 0)
		return error_temp(err, "%s: connection closed", c->url);
	c->in_at = 0;
	c->in_len = (size_t)n;
	return true;
}

/* Reads one reply, whatever it says; `after` is for the error text. */
static bool
read_reply(struct smtp_client *c, const char *after, struct error *err)
{
	int64_t deadline = clock_monotonic_ms() + c->timeout_ms;
	size_t used;

	smtp_reply_clear(&c->reply);
	while (!c->reply.done) {
		if (c->in_at == c->in_len && !fill_in(c, deadline, err)) {
			error_prefix(err, "after %.128s", after);
			goto fail;
		}
		if (!smtp_reply_feed(&c->reply, c->in + c->in_at,
			c->in_len - c->in_at, &used, err)) {
			error_prefix(err, "%s: after %.128s", c->url, after);
			goto fail;
		}
		c->in_at += used;
	}
	/* RFC 5321 section 3.8: the server will close the connection. */
	if (c->reply.code == 421)
		c->broken = true;
	return true;
fail:
	c->broken = true;
	return false;
}

/* Makes an error of the reply just read; its kind is the reply's. */
static bool
refused(struct smtp_client *c, const char *after, struct error *err)
{
	char text[256];

	smtp_reply_format(&c->reply, text, sizeof(text));
	if (c->reply.code >= 500)
		return error_perm(
		    err, "%s: after %.128s: %s", c->url, after, text);
	/* No refusal: it understood something else than we said. */
	if (c->reply.code < 400)
		c->broken = true;
	return error_temp(err, "%s: after %.128s: %s", c->url, after, text);
}

/*
 * Sends what is in c->out and reads the reply.  A server that said more
 * than it was asked for is not believed any further: its next reply would
 * be taken for that of another command.
 */
static bool
ask(struct smtp_client *c, const char *what, struct error *err)
{
	if (c->in_at != c->in_len) {
		c->broken = true;
		return error_temp(err,
		    "%s: a reply nobody asked for before %.128s", c->url, what);
	}
	return flush(c, err) && read_reply(c, what, err);
}

static bool
command(struct smtp_client *c, const char *line, struct error *err)
{
	if (c->broken)
		return error_temp(err, "%s: the connection is gone", c->url);
	return put(c, line, strlen(line), err) && put(c, "\r\n", 2, err) &&
	       ask(c, line, err);
}

/*
 * Addresses
 */

static bool
connect_to(struct smtp_client *c, const struct sockaddr *addr, socklen_t len,
    struct error *err)
{
	int64_t deadline = clock_monotonic_ms() + c->timeout_ms;
	int problem = 0;
	socklen_t size = sizeof(problem);

	c->fd = socket(
	    addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return error_errno(err, "%s: socket", c->url);
	if (connect(c->fd, addr, len) == 0)
		return true;
	if (errno == EINPROGRESS) {
		if (!wait_for(c, POLLOUT, deadline, err))
			goto fail;
		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &problem, &size);
		if (problem == 0)
			return true;
		errno = problem;
	}
	error_errno(err, "%s: cannot connect", c->url);
fail:
	close(c->fd);
	c->fd = -1;
	return false;
}

static bool
is_socket_path(const char *path)
{
	return path[0] == '/' &&
	    strlen(path) < sizeof(((struct sockaddr_un *)NULL)->sun_path);
}

static bool
connect_unix(struct smtp_client *c, const char *path, struct error *err)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	if (!is_socket_path(path))
		return error_perm(err,
		    "%s: needs an absolute path of at most %zu bytes", c->url,
		    sizeof(un.sun_path) - 1);
	memcpy(un.sun_path, path, strlen(path));
	return connect_to(c, (struct sockaddr *)&un, sizeof(un), err);
}

/* Splits HOST:PORT or [v6]:PORT; host has room for what is given. */
static bool
split_host_port(const char *text, char *host, char *port)
{
	const char *colon = strrchr(text, ':');
	size_t digits;
	long number;

	if (colon == NULL || colon == text)
		return false;
	digits = strspn(colon + 1, "0123456789");
	if (digits == 0 || digits > 5 || colon[1 + digits] != '\0')
		return false;
	number = strtol(colon + 1, NULL, 10);
	if (number < 1 || number > 65535)
		return false;
	memcpy(port, colon + 1, digits + 1);
	if (text[0] == '[') {
		if (colon[-1] != ']' || colon - text < 3)
			return false;
		text++;
		colon--;
	} else if (memchr(text, ':', (size_t)(colon - text)) != NULL) {
		return false;
	}
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	return host[strcspn(host, "[]/@ ")] == '\0';
}

static bool
connect_inet(struct smtp_client *c, const char *text, struct error *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	char *host = mem_alloc(strlen(text) + 1), port[8];
	bool ok = false;
	int rc;

	if (!split_host_port(text, host, port)) {
		error_perm(err, "%s: not HOST:PORT", c->url);
		goto out;
	}
	rc = getaddrinfo(host, port, &hints, &list);
	if (rc != 0) {
		error_temp(err, "%s: %s", c->url, gai_strerror(rc));
		goto out;
	}
	for (const struct addrinfo *a = list; a != NULL && !ok; a = a->ai_next)
		ok = connect_to(c, a->ai_addr, a->ai_addrlen, err);
out:
	if (list != NULL)
		freeaddrinfo(list);
	free(host);
	return ok;
}

static bool
connect_url(struct smtp_client *c, struct error *err)
{
	if (strncmp(c->url, "smtp://", 7) == 0)
		return connect_inet(c, c->url + 7, err);
	if (strncmp(c->url, "inet:", 5) == 0)
		return connect_inet(c, c->url + 5, err);
	if (strncmp(c->url, "unix:", 5) == 0)
		return connect_unix(c, c->url + 5, err);
	return error_perm(err,
	    "%s: not smtp://HOST:PORT, inet:HOST:PORT or unix:/PATH", c->url);
}

/* A server that does not know EHLO gets HELO (RFC 5321 section 3.2). */
static bool
greet(struct smtp_client *c, const char *helo, struct error *err)
{
	char *line = mem_printf("EHLO %s", helo);
	bool ok = false;

	if (!read_reply(c, "connecting", err))
		goto out;
	if (c->reply.code != 220) {
		refused(c, "connecting", err);
		goto out;
	}
	if (!command(c, line, err))
		goto out;
	if (c->reply.code == 250) {
		for (size_t i = 1; i < c->reply.lines.n; i++)
			strvec_add(&c->keywords, c->reply.lines.v[i]);
	} else if (c->reply.code >= 500 && c->reply.code <= 504) {
		memcpy(line, "HELO", 4);
		if (!command(c, line, err))
			goto out;
	}
	if (c->reply.code != 250) {
		refused(c, line, err);
		goto out;
	}
	ok = true;
out:
	free(line);
	return ok;
}

/*
 * What may be said
 */

/* Is it safe between < and >?  RFC 5321 section 4.1.2, not its lengths. */
static bool
check_address(const char *address, bool utf8, struct error *err)
{
	bool quoted = false;

	for (const char *s = address; *s != '\0'; s++) {
		unsigned char ch = (unsigned char)*s;

		if (ch < 0x20 || ch == 0x7f)
			return error_perm(
			    err, "an address with a control character");
		if (ch >= 0x80 && !utf8)
			return error_perm(
			    err, "<%s>: needs SMTPUTF8 (RFC 6531)", address);
		if (ch == '"')
			quoted = !quoted;
		else if (quoted && ch == '\\' && s[1] != '\0' &&
			 (unsigned char)s[1] >= 0x20)
			s++;
		else if (!quoted && strchr(" <>\\", ch) != NULL)
			return error_perm(
			    err, "an address with '%c' outside quotes", ch);
	}
	if (quoted)
		return error_perm(err, "<%s>: a quote is not closed", address);
	return true;
}

/* The EHLO keyword that a parameter of MAIL or RCPT belongs to. */
static const char *
extension_of(const char *name)
{
	static const char *const table[][2] = {
	    {"BODY", "8BITMIME"}, /* RFC 6152 */
	    {"RET", "DSN"},       /* RFC 3461 */
	    {"ENVID", "DSN"}, {"NOTIFY", "DSN"}, {"ORCPT", "DSN"},
	    {"BY", "DELIVERBY"}, /* RFC 2852 */
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcasecmp(name, table[i][0]) == 0)
			return table[i][1];
	return name;
}

static bool
check_parameter(const struct smtp_client *c, const char *p, size_t n, bool utf8,
    struct error *err)
{
	char name[64];
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char ch = (unsigned char)p[i];

		if (ch < 0x20 || ch == 0x7f || (ch >= 0x80 && !utf8))
			return error_perm(
			    err, "a parameter with a bad character");
	}
	while (len < n && p[len] != '=')
		len++;
	if (len == 0 || len >= sizeof(name))
		return error_perm(err, "a parameter without a name");
	memcpy(name, p, len);
	name[len] = '\0';
	/* RFC 3030 section 3: never with DATA, and we have no BDAT. */
	if (n == strlen("BODY=BINARYMIME") &&
	    strncasecmp(p, "BODY=BINARYMIME", n) == 0)
		return error_perm(err, "BODY=BINARYMIME cannot be sent");
	if (!smtp_client_offers(c, extension_of(name)))
		return error_perm(err, "%s does not offer %s, which %s needs",
		    c->url, extension_of(name), name);
	return true;
}

static bool
check_parameters(
    const struct smtp_client *c, const char *text, bool utf8, struct error *err)
{
	while (*text != '\0') {
		size_t n = strcspn(text, " ");

		if (n > 0 && !check_parameter(c, text, n, utf8, err))
			return false;
		text += n;
		text += strspn(text, " ");
	}
	return true;
}

static bool
has_parameter(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (; *text != '\0'; text += strspn(text, " ")) {
		size_t n = strcspn(text, " ");

		if (n == len && strncasecmp(text, name, n) == 0)
			return true;
		text += n;
	}
	return false;
}

/* RFC 5321 section 2.3.8: CR and LF only together. */
static bool
check_line_ends(const struct smtp_message *m, struct error *err)
{
	size_t offset = 0;
	bool cr = false;

	for (size_t i = 0; i < m->npieces; i++) {
		const char *s = m->pieces[i].data;
		size_t n = m->pieces[i].len;

		for (size_t k = 0; k < n; k++) {
			if (cr != (s[k] == '\n'))
				return error_perm(err,
				    "a bare %s before byte %zu of the message",
				    cr ? "CR" : "LF", offset + k + 1);
			cr = s[k] == '\r';
		}
		offset += n;
	}
	if (cr)
		return error_perm(err, "a bare CR ends the message");
	return true;
}

static bool
check_message(const struct smtp_client *c, const struct smtp_message *m,
    struct error *err)
{
	bool utf8 = has_parameter(m->parameters, "SMTPUTF8");

	if (m->nrecipients == 0)
		return error_perm(err, "a message without recipients");
	if (!check_address(m->sender, utf8, err) ||
	    !check_parameters(c, m->parameters, utf8, err))
		return error_prefix(err, "sender");
	for (size_t i = 0; i < m->nrecipients; i++) {
		const struct smtp_recipient *r = &m->recipients[i];

		if (r->address[0] == '\0')
			return error_perm(err, "an empty recipient");
		if (!check_address(r->address, utf8, err) ||
		    !check_parameters(c, r->parameters, utf8, err))
			return error_prefix(err, "recipient");
	}
	return check_line_ends(m, err);
}

/*
 * The transaction
 */

/* "VERB:<address> parameters"; accepted when the reply is 2xx. */
static bool
say_path(struct smtp_client *c, const char *verb, const char *address,
    const char *parameters, struct error *err)
{
	struct buf line;
	bool ok = false;

	smtp_reply_clear(&c->reply);
	buf_init(&line, COMMAND_MAX);
	buf_printf(&line, "%s:<%s>%s%s", verb, address,
	    parameters[0] == '\0' ? "" : " ", parameters);
	if (line.overflow) {
		error_perm(err, "%s: address and parameters of over %d bytes",
		    verb, COMMAND_MAX);
		goto out;
	}
	if (!command(c, buf_text(&line), err))
		goto out;
	if (c->reply.code >= 300) {
		refused(c, buf_text(&line), err);
		goto out;
	}
	ok = true;
out:
	buf_clear(&line);
	return ok;
}

static bool
say_recipients(struct smtp_client *c, struct smtp_message *m, struct error *err)
{
	bool ok = true;

	for (size_t i = 0; i < m->nrecipients && ok; i++) {
		struct smtp_recipient *r = &m->recipients[i];

		ok = say_path(c, "RCPT TO", r->address, r->parameters, err);
		if (!c->reply.done)
			continue;
		r->code = c->reply.code;
		smtp_reply_format(&c->reply, r->reply, sizeof(r->reply));
	}
	return ok;
}

/* RFC 5321 section 4.5.2: a dot more before a dot that starts a line. */
static bool
put_message(
    struct smtp_client *c, const struct smtp_message *m, struct error *err)
{
	bool line_start = true;

	for (size_t i = 0; i < m->npieces; i++) {
		const char *s = m->pieces[i].data;
		size_t left = m->pieces[i].len;

		while (left > 0) {
			const char *lf = memchr(s, '\n', left);
			size_t n = lf == NULL ? left : (size_t)(lf - s) + 1;

			if (line_start && s[0] == '.' && !put(c, ".", 1, err))
				return false;
			if (!put(c, s, n, err))
				return false;
			line_start = lf != NULL;
			s += n;
			left -= n;
		}
	}
	return line_start || put(c, "\r\n", 2, err);
}

static bool
say_data(struct smtp_client *c, const struct smtp_message *m, struct error *err)
{
	if (!command(c, "DATA", err))
		return false;
	if (c->reply.code != 354)
		return refused(c, "DATA", err);
	if (!put_message(c, m, err) || !put(c, ".\r\n", 3, err) ||
	    !ask(c, "the end of the message", err))
		return false;
	if (c->reply.code >= 300)
		return refused(c, "the end of the message", err);
	return true;
}

bool
smtp_client_check_url(const char *url, struct error *err)
{
	const char *text = NULL;
	char *host, port[8];
	bool ok;

	if (strncmp(url, "smtp://", 7) == 0)
		text = url + 7;
	else if (strncmp(url, "inet:", 5) == 0)
		text = url + 5;
	else if (strncmp(url, "unix:", 5) == 0 && is_socket_path(url + 5))
		return true;
	host = mem_alloc(strlen(url) + 1);
	ok = text != NULL && split_host_port(text, host, port) &&
	    host[0] != '\0';
	free(host);
	return ok ? true : error_perm(err, "\"%.64s\" cannot be used; write "
	    "smtp://HOST:PORT, inet:HOST:PORT or unix:/PATH", url);
}

struct smtp_client *
smtp_client_open(
    const char *url, const char *helo, int64_t timeout, struct error *err)
{
	struct smtp_client *c;

	if (helo[0] == '\0' || strpbrk(helo, " \t\r\n") != NULL) {
		error_perm(err, "'%s' cannot be our name in EHLO", helo);
		return NULL;
	}
	c = mem_alloc(sizeof(*c));
	c->fd = -1;
	c->url = mem_strdup(url);
	c->timeout_ms = timeout * 1000;
	smtp_reply_init(&c->reply);
	if (connect_url(c, err)) {
		if (greet(c, helo, err))
			return c;
		/* 5xx here is about us or the server, not about a mail. */
		err->kind = ERROR_TEMP;
	}
	smtp_client_close(&c);
	return NULL;
}

bool
smtp_client_offers(const struct smtp_client *c, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i < c->keywords.n; i++) {
		const char *line = c->keywords.v[i];

		if (strncasecmp(line, word, len) == 0 &&
		    (line[len] == '\0' || line[len] == ' '))
			return true;
	}
	return false;
}

bool
smtp_client_send(
    struct smtp_client *c, struct smtp_message *m, struct error *err)
{
	struct error ignored;

	for (size_t i = 0; i < m->nrecipients; i++) {
		m->recipients[i].code = 0;
		m->recipients[i].reply[0] = '\0';
	}
	if (!check_message(c, m, err))
		return false;
	if (say_path(c, "MAIL FROM", m->sender, m->parameters, err) &&
	    say_recipients(c, m, err) && say_data(c, m, err))
		return true;
	/* The next message starts afresh, or not at all. */
	if (!c->broken &&
	    (!command(c, "RSET", &ignored) || c->reply.code != 250))
		c->broken = true;
	return false;
}

void
smtp_client_close(struct smtp_client **client)
{
	struct smtp_client *c = *client;
	struct error ignored;

	if (c == NULL)
		return;
	if (c->fd >= 0) {
		/* All is said: a slow goodbye is not worth a wait. */
		if (c->timeout_ms > QUIT_TIMEOUT_MS)
			c->timeout_ms = QUIT_TIMEOUT_MS;
		if (!c->broken)
			(void)!command(c, "QUIT", &ignored);
		close(c->fd);
	}
	smtp_reply_clear(&c->reply);
	strvec_clear(&c->keywords);
	free(c->url);
	free(c);
	*client = NULL;
}
