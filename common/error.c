/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void __attribute__((format(printf, 3, 0)))
set(struct error *err, enum error_kind kind, const char *fmt, va_list ap)
{
	err->kind = kind;
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
}

bool
error_temp(struct error *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set(err, ERROR_TEMP, fmt, ap);
	va_end(ap);
	return false;
}

bool
error_perm(struct error *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set(err, ERROR_PERM, fmt, ap);
	va_end(ap);
	return false;
}

bool
error_errno(struct error *err, const char *fmt, ...)
{
	int saved = errno;
	size_t len;
	va_list ap;

	va_start(ap, fmt);
	set(err, ERROR_TEMP, fmt, ap);
	va_end(ap);
	len = strlen(err->text);
	snprintf(err->text + len, sizeof(err->text) - len, ": %s",
	    strerror(saved));
	return false;
}

bool
error_prefix(struct error *err, const char *fmt, ...)
{
	char old[sizeof(err->text)];
	size_t len;
	va_list ap;

	memcpy(old, err->text, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	len = strlen(err->text);
	snprintf(err->text + len, sizeof(err->text) - len, ": %s", old);
	return false;
}
