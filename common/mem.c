/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *
or_die(void *p)
{
	if (p == NULL) {
		fputs("panic: out of memory\n", stderr);
		abort();
	}
	return p;
}

void *
mem_alloc(size_t n)
{
	return or_die(calloc(1, n == 0 ? 1 : n));
}

void *
mem_array(size_t n, size_t size)
{
	return or_die(calloc(n == 0 ? 1 : n, size == 0 ? 1 : size));
}

void *
mem_resize(void *p, size_t n, size_t size)
{
	if (size != 0 && n > SIZE_MAX / size)
		abort();
	return or_die(realloc(p, n * size == 0 ? 1 : n * size));
}

char *
mem_strdup(const char *s)
{
	return s == NULL ? NULL : mem_dup(s, strlen(s));
}

void *
mem_dup(const void *p, size_t n)
{
	char *copy;

	if (p == NULL)
		return NULL;
	copy = mem_alloc(n + 1);
	memcpy(copy, p, n);
	return copy;
}

char *
mem_printf(const char *fmt, ...)
{
	va_list ap;
	char *text = NULL;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	return or_die(n < 0 ? NULL : text);
}

void
mem_wipe_free(void *p, size_t n)
{
	if (p == NULL)
		return;
	explicit_bzero(p, n);
	free(p);
}
