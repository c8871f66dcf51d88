/* SPDX-License-Identifier: BSD-2-Clause */
#include "quoted_printable.h"

#include <string.h>

#define LINE 76
#define BLOCK 16384

/* Collects output so that the spool is written in blocks. */
struct writer {
	struct spool *out;
	struct error *err;
	char block[BLOCK];
	size_t n;
	size_t column; /* of the encoded line */
	bool ok;
};

static void
flush(struct writer *w)
{
	if (w->ok && w->n > 0)
		w->ok = spool_write(w->out, w->block, w->n, w->err);
	w->n = 0;
}

static void
put(struct writer *w, const char *p, size_t n)
{
	if (w->n + n > BLOCK)
		flush(w);
	memcpy(w->block + w->n, p, n);
	w->n += n;
}

static void
put_byte(struct writer *w, unsigned char c, bool literal)
{
	static const char hex[] = "0123456789ABCDEF";
	char coded[3] = {'=', hex[c >> 4], hex[c & 15]};
	size_t need = literal ? 1 : 3;

	/* One column stays free for the soft line break's "=". */
	if (w->column + need > LINE - 1) {
		put(w, "=\r\n", 3);
		w->column = 0;
		/* The break may have made a new line start; see may_stand. */
		if (literal && (c == '.' || c == '-' || c == 'F')) {
			literal = false;
			need = 3;
		}
	}
	if (literal)
		put(w, (const char *)&c, 1);
	else
		put(w, coded, 3);
	w->column += need;
}

static bool
at_line_end(const char *p, size_t n, size_t i)
{
	return i >= n || (p[i] == '\r' && i + 1 < n && p[i + 1] == '\n');
}

/* May this byte stand as it is, at this place of its line? */
static bool
may_stand(const char *p, size_t n, size_t i, size_t column)
{
	unsigned char c = (unsigned char)p[i];

	if (c == ' ' || c == '\t')
		return !at_line_end(p, n, i + 1);
	if (c <= ' ' || c >= 0x7f || c == '=')
		return false;
	if (column > 0)
		return true;
	if (c == '.')
		return false;
	if (c == '-')
		return !(i + 1 < n && p[i + 1] == '-');
	return !(n - i >= 5 && memcmp(p + i, "From ", 5) == 0);
}

bool
quoted_printable_encode(const char *p, size_t n, struct spool *out,
    struct error *err)
{
	struct writer w = {.out = out, .err = err, .ok = true};

	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\r' && i + 1 < n && p[i + 1] == '\n') {
			put(&w, "\r\n", 2);
			w.column = 0;
			i++;
		} else {
			put_byte(&w, (unsigned char)p[i],
			    may_stand(p, n, i, w.column));
		}
	}
	flush(&w);
	return w.ok;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Blanks at the end of an encoded line were added on the way. */
static size_t
trimmed(const char *p, size_t start, size_t end)
{
	while (end > start && (p[end - 1] == ' ' || p[end - 1] == '\t'))
		end--;
	return end;
}

/* Lines may be longer than a block. */
static void
put_plain(struct writer *w, const char *p, size_t n)
{
	for (size_t take; n > 0; p += take, n -= take) {
		take = n < BLOCK ? n : BLOCK;
		put(w, p, take);
	}
}

static void
decode_line(struct writer *w, const char *p, size_t n)
{
	const char *end = p + n;

	while (p < end) {
		const char *sign = memchr(p, '=', (size_t)(end - p));
		size_t plain = (size_t)((sign == NULL ? end : sign) - p);
		char c = '=';

		put_plain(w, p, plain);
		p += plain;
		if (p == end)
			break;
		if (end - p > 2 && hex_value(p[1]) >= 0 &&
		    hex_value(p[2]) >= 0) {
			c = (char)(hex_value(p[1]) << 4 | hex_value(p[2]));
			p += 2;
		}
		put(w, &c, 1);
		p++;
	}
}

bool
quoted_printable_decode(const char *p, size_t n, struct spool *out,
    struct error *err)
{
	struct writer w = {.out = out, .err = err, .ok = true};
	size_t off = 0;

	while (off < n) {
		const char *nl = memchr(p + off, '\n', n - off);
		size_t next = nl == NULL ? n : (size_t)(nl - p) + 1;
		size_t end = nl == NULL ? n : next - 1;
		bool soft;

		if (nl != NULL && end > off && p[end - 1] == '\r')
			end--;
		end = trimmed(p, off, end);
		soft = end > off && p[end - 1] == '=';
		decode_line(&w, p + off, end - off - (soft ? 1 : 0));
		if (nl != NULL && !soft)
			put(&w, "\r\n", 2);
		off = next;
	}
	flush(&w);
	return w.ok;
}
