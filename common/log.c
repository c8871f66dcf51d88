/* SPDX-License-Identifier: BSD-2-Clause */
#include <stddef.h>

/* syslog.h has macros named as our functions would be; only here. */
#define SYSLOG_NAMES
#include <syslog.h>

#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"

#define LINE_MAX_BYTES 8192

static bool use_stderr = true;
static char program_name[64] = "postseal";

bool
log_open(const char *program, const char *facility, bool to_stderr)
{
	int code = -1;

	for (const CODE *c = facilitynames; c->c_name != NULL; c++)
		if (strcmp(c->c_name, facility) == 0)
			code = c->c_val;
	if (code < 0)
		return false;
	snprintf(program_name, sizeof(program_name), "%s", program);
	use_stderr = to_stderr;
	if (!to_stderr)
		openlog(program_name, LOG_PID | LOG_NDELAY, code);
	return true;
}

/* Length of the valid UTF-8 sequence at s, 0 when there is none. */
static size_t
utf8_length(const unsigned char *s, size_t n)
{
	size_t len;
	unsigned value;

	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (len > n)
		return 0;
	value = s[0] & (0x7f >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (s[i] & 0x3f);
	}
	/* C1 controls, overlong forms, surrogates, beyond Unicode. */
	if (value < 0xa0 || (len == 3 && value < 0x800) ||
	    (len == 4 && (value < 0x10000 || value > 0x10ffff)) ||
	    (value >= 0xd800 && value <= 0xdfff))
		return 0;
	return len;
}

void
log_escape(struct buf *out, const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;

	for (size_t i = 0; i < n;) {
		size_t len = s[i] >= 0x20 && s[i] < 0x7f ?
		    1 : s[i] >= 0x80 ? utf8_length(s + i, n - i) : 0;

		if (len > 0) {
			buf_append(out, s + i, len);
			i += len;
		} else {
			buf_printf(out, "\\x%02x", s[i++]);
		}
	}
}

static void __attribute__((format(printf, 3, 0)))
write_line(int priority, const char *severity, const char *fmt, va_list ap)
{
	struct buf raw, line;

	buf_init(&raw, LINE_MAX_BYTES);
	buf_init(&line, 4 * LINE_MAX_BYTES);
	buf_puts(&line, severity);
	if (!buf_vprintf(&raw, fmt, ap))
		buf_printf(&raw, "(a log line over %d bytes left out: %.64s)",
		    LINE_MAX_BYTES, fmt);
	log_escape(&line, buf_text(&raw), raw.len);
	if (use_stderr)
		fprintf(stderr, "%s: %s\n", program_name, buf_text(&line));
	else
		syslog(priority, "%s", buf_text(&line));
	buf_clear(&raw);
	buf_clear(&line);
}

void
log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(LOG_INFO, "", fmt, ap);
	va_end(ap);
}

void
log_warning(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(LOG_WARNING, "warning: ", fmt, ap);
	va_end(ap);
}

void
log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(LOG_ERR, "error: ", fmt, ap);
	va_end(ap);
}

void
log_fatal(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(LOG_CRIT, "fatal: ", fmt, ap);
	va_end(ap);
	exit(code);
}

void
log_panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(LOG_CRIT, "panic: ", fmt, ap);
	va_end(ap);
	abort();
}
