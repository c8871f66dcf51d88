/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

/*
 * A growing run of bytes that cannot be made without its maximum.  What
 * would pass the maximum is left out whole, the call returns false, and
 * `overflow` stays set, so a long composition may check once at its end.
 *
 * `data` is always followed by a NUL that `len` does not count; it is NULL
 * only before the first append.  One owner, one thread at a time.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data;
	size_t len;
	size_t cap;
	size_t max; /* bytes; 0 means nothing fits */
	bool overflow;
};

void buf_init(struct buf *b, size_t max);
void buf_clear(struct buf *b); /* frees; the maximum stays */
void buf_reset(struct buf *b); /* empties, keeps the memory */
void buf_wipe(struct buf *b);  /* overwrites, then frees */

bool buf_append(struct buf *b, const void *p, size_t n);
bool buf_puts(struct buf *b, const char *s);
bool buf_putc(struct buf *b, char c);
bool buf_printf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
bool buf_vprintf(struct buf *b, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* Makes room for n more bytes without adding them. */
bool buf_reserve(struct buf *b, size_t n);

/* The text, "" when empty; borrowed until the next change. */
const char *buf_text(const struct buf *b);

/* Hands the memory over (never NULL, free(3)); the buffer is empty after. */
char *buf_take(struct buf *b);

#endif
