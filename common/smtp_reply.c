/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/smtp_reply.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"

#define LINE_BYTES_MAX 2048
#define LINES_MAX 100

static bool
is_digit(char c, char last)
{
	return c >= '0' && c <= last;
}

/* The code of RFC 5321 section 4.2.1, or 0. */
static int
line_code(const char *s, size_t n)
{
	if (n < 3 || s[0] < '2' || !is_digit(s[0], '5') ||
	    !is_digit(s[1], '9') || !is_digit(s[2], '9'))
		return 0;
	if (n > 3 && s[3] != ' ' && s[3] != '-')
		return 0;
	return (s[0] - '0') * 100 + (s[1] - '0') * 10 + (s[2] - '0');
}

static bool
add_line(struct smtp_reply *r, struct error *err)
{
	const char *s = buf_text(&r->line);
	size_t n = r->line.len;
	int code;

	if (n > 0 && s[n - 1] == '\r')
		n--;
	code = line_code(s, n);
	if (code == 0)
		return error_temp(err, "a line that is no SMTP reply");
	/* RFC 5321 section 4.2.1: the same code in every line. */
	if (r->code != 0 && r->code != code)
		return error_temp(
		    err, "a reply with codes %d and %d", r->code, code);
	if (r->lines.n == LINES_MAX)
		return error_temp(err, "a reply of over %d lines", LINES_MAX);
	r->code = code;
	strvec_addn(&r->lines, n > 4 ? s + 4 : "", n > 4 ? n - 4 : 0);
	r->done = n == 3 || s[3] == ' ';
	buf_reset(&r->line);
	return true;
}

void
smtp_reply_init(struct smtp_reply *r)
{
	memset(r, 0, sizeof(*r));
	buf_init(&r->line, LINE_BYTES_MAX);
}

void
smtp_reply_clear(struct smtp_reply *r)
{
	strvec_clear(&r->lines);
	buf_clear(&r->line);
	smtp_reply_init(r);
}

bool
smtp_reply_feed(struct smtp_reply *r, const char *data, size_t n, size_t *used,
    struct error *err)
{
	size_t at = 0;
	bool ok = false;

	assert(!r->done);
	while (at < n && !r->done) {
		const char *lf = memchr(data + at, '\n', n - at);
		size_t len = lf == NULL ? n - at : (size_t)(lf - data) - at;

		if (!buf_append(&r->line, data + at, len)) {
			error_temp(err, "a reply line of over %d bytes",
			    LINE_BYTES_MAX);
			goto out;
		}
		at += len;
		if (lf == NULL)
			break;
		at++;
		if (!add_line(r, err))
			goto out;
	}
	ok = true;
out:
	*used = at;
	return ok;
}

void
smtp_reply_format(const struct smtp_reply *r, char *text, size_t size)
{
	const char *first = r->lines.n > 0 ? r->lines.v[0] : "";
	struct buf escaped;

	buf_init(&escaped, 4 * LINE_BYTES_MAX);
	log_escape(&escaped, first, strlen(first));
	snprintf(text, size, "%d%s%s", r->code, first[0] == '\0' ? "" : " ",
	    buf_text(&escaped));
	buf_clear(&escaped);
}
