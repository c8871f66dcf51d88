/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/alert_mail.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"

#define MAIL_MAX (1 << 20)
#define SUBJECT_BYTES_MAX 200
/* RFC 2047 section 2: 75 characters, less "=?UTF-8?Q?" and "?=", less room. */
#define ENCODED_WORD_MAX 54
/* RFC 2045 section 6.7: lines of 76, with a soft break's "=". */
#define QP_LINE_MAX 75
/* RFC 5322 section 2.1.1. */
#define LINE_MAX_7BIT 998

static bool
is_ascii(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s >= 0x80)
			return false;
	return true;
}

/* Printable ASCII as it is, everything else as \xNN. */
static void
put_ascii(struct buf *out, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s >= 0x20 && *s < 0x7f)
			buf_putc(out, *s);
		else
			buf_printf(out, "\\x%02x", (unsigned char)*s);
	}
}

/* Length of the UTF-8 character at s, which is known to be valid. */
static size_t
character(const char *s)
{
	size_t n = 1;

	while (((unsigned char)s[n] & 0xc0) == 0x80)
		n++;
	return n;
}

/* RFC 2047 section 5 (3), the strictest set. */
static bool
is_q_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c != '\0' && strchr("!*+-/", c));
}

static size_t
q_length(const char *s)
{
	return *s == ' ' || is_q_plain(*s) ? 1 : 3 * character(s);
}

/* RFC 2047 "Q", on lines of its own; never cuts a character. */
static void
put_encoded_words(struct buf *out, const char *s)
{
	while (*s != '\0') {
		size_t room = ENCODED_WORD_MAX;

		buf_puts(out, "\n =?UTF-8?Q?");
		while (*s != '\0' && room >= q_length(s)) {
			room -= q_length(s);
			for (size_t n = character(s); n > 0; n--, s++) {
				if (*s == ' ')
					buf_putc(out, '_');
				else if (is_q_plain(*s))
					buf_putc(out, *s);
				else
					buf_printf(
					    out, "=%02X", (unsigned char)*s);
			}
		}
		buf_puts(out, "?=");
	}
}

static void
put_subject(struct buf *out, const struct alert_mail *m)
{
	struct buf line;

	buf_init(&line, MAIL_MAX);
	log_escape(&line, m->text, strcspn(m->text, "\r\n"));
	if (line.len > SUBJECT_BYTES_MAX) {
		line.len = SUBJECT_BYTES_MAX;
		while (((unsigned char)line.data[line.len] & 0xc0) == 0x80)
			line.len--;
		line.data[line.len] = '\0';
		buf_puts(&line, "...");
	}
	buf_puts(out, "Subject: [");
	put_ascii(out, m->severity);
	buf_puts(out, "] ");
	put_ascii(out, m->host);
	buf_putc(out, ':');
	if (is_ascii(buf_text(&line)) && strstr(buf_text(&line), "=?") == NULL)
		buf_printf(out, " %s", buf_text(&line));
	else
		put_encoded_words(out, buf_text(&line));
	buf_putc(out, '\n');
	buf_clear(&line);
}

static void
put_headers(struct buf *out, const struct alert_mail *m)
{
	char date[CLOCK_MAIL_SIZE];

	clock_format_mail(m->now, date, sizeof(date));
	buf_printf(out, "Date: %s\nFrom: \"Postseal ", date);
	put_ascii(out, m->program);
	buf_puts(out, "\" <");
	if (m->from != NULL) {
		log_escape(out, m->from, strlen(m->from));
	} else {
		buf_puts(out, "MAILER-DAEMON@");
		put_ascii(out, m->host);
	}
	buf_puts(out, ">\nTo: ");
	for (size_t i = 0; i < m->to->n; i++) {
		buf_puts(out, i == 0 ? "<" : ",\n\t<");
		log_escape(out, m->to->v[i], strlen(m->to->v[i]));
		buf_putc(out, '>');
	}
	buf_putc(out, '\n');
	put_subject(out, m);
	buf_printf(out, "Message-ID: <%lld.%016llx@", (long long)m->now,
	    (unsigned long long)m->unique);
	put_ascii(out, m->host);
	/* RFC 3834 section 5. */
	buf_puts(out, ">\nAuto-Submitted: auto-generated\n"
		      "X-Postseal-Alert: ");
	put_ascii(out, m->class);
	buf_putc(out, ' ');
	put_ascii(out, m->name);
	buf_puts(out, "\nMIME-Version: 1.0\n");
}

static void
put_text(struct buf *out, const char *s)
{
	while (*s != '\0') {
		size_t n = strcspn(s, "\n");

		log_escape(out, s, n);
		buf_putc(out, '\n');
		s += n;
		if (*s == '\n')
			s++;
	}
}

static void
put_body(struct buf *out, const struct alert_mail *m)
{
	char since[32];

	clock_format(m->since, since, sizeof(since));
	put_text(out, m->text);
	buf_puts(out, "\nCondition: ");
	log_escape(out, m->class, strlen(m->class));
	buf_putc(out, ' ');
	log_escape(out, m->name, strlen(m->name));
	buf_puts(out, "\nSeverity: ");
	log_escape(out, m->severity, strlen(m->severity));
	buf_printf(out, "\nHost: %s\nProgram: %s\nSince: %s\nRaised: %u %s\n",
	    m->host, m->program, since, m->times,
	    m->times == 1 ? "time" : "times");
}

static bool
needs_encoding(const char *s)
{
	bool long_line = false;

	for (const char *p = s; *p != '\0' && !long_line;) {
		size_t n = strcspn(p, "\n");

		long_line = n > LINE_MAX_7BIT;
		p += n + (p[n] == '\n');
	}
	return long_line || !is_ascii(s);
}

/* RFC 2045 section 6.7. */
static void
put_quoted_printable(struct buf *out, const char *s)
{
	size_t column = 0;

	for (; *s != '\0'; s++) {
		bool plain = *s > 0x20 && *s < 0x7f && *s != '=';

		if (*s == '\n') {
			buf_putc(out, '\n');
			column = 0;
			continue;
		}
		if (*s == ' ' && s[1] != '\n' && s[1] != '\0')
			plain = true;
		if (column + (plain ? 1 : 3) > QP_LINE_MAX) {
			buf_puts(out, "=\n");
			column = 0;
		}
		if (plain)
			buf_putc(out, *s);
		else
			buf_printf(out, "=%02X", (unsigned char)*s);
		column += plain ? 1 : 3;
	}
}

char *
alert_mail_format(const struct alert_mail *m)
{
	struct buf out, body;

	buf_init(&out, 4 * MAIL_MAX);
	buf_init(&body, MAIL_MAX);
	put_headers(&out, m);
	put_body(&body, m);
	if (needs_encoding(buf_text(&body))) {
		buf_puts(&out, "Content-Type: text/plain; charset=utf-8\n"
			       "Content-Transfer-Encoding: quoted-printable\n"
			       "\n");
		put_quoted_printable(&out, buf_text(&body));
	} else {
		buf_puts(&out, "Content-Type: text/plain; charset=us-ascii\n"
			       "Content-Transfer-Encoding: 7bit\n\n");
		buf_append(&out, buf_text(&body), body.len);
	}
	buf_clear(&body);
	return buf_take(&out);
}
