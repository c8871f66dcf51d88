/* SPDX-License-Identifier: BSD-2-Clause */
#include "text_scan.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>

#define BLOCK (16 * 1024) /* looked at twice while in the cache */

typedef unsigned char lanes __attribute__((vector_size(16)));
typedef signed char signed_lanes __attribute__((vector_size(16)));

/* ---- lines in order ---- */

/* Below a blank, as signed bytes are: control characters and 8-bit ones. */
static signed_lanes
unprintable(const char *p)
{
	signed_lanes v;

	memcpy(&v, p, sizeof(v));
	return (signed_lanes)(v < ' ');
}

/* At least one vector of bytes; the last one may overlap. */
static bool
is_printable(const char *p, size_t n)
{
	signed_lanes found = unprintable(p + n - sizeof(found));
	uint64_t halves[2];

	for (size_t i = 0; i + sizeof(found) <= n; i += sizeof(found))
		found |= unprintable(p + i);
	memcpy(halves, &found, sizeof(halves));
	return (halves[0] | halves[1]) == 0;
}

/* US-ASCII with control characters, but none that mail forbids. */
static bool
is_harmless(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((signed char)p[i] <= 0 || p[i] == '\r' || p[i] == '\n')
			return false;
	return true;
}

static bool
ends_in_blank(const char *p, size_t n)
{
	return n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t');
}

static bool
is_from_line(const char *p, size_t n)
{
	return n >= 5 && p[0] == 'F' && memcmp(p, "From ", 5) == 0;
}

/* Is the text of a line, without its end, in order? */
static bool
is_in_order(const char *p, size_t n)
{
	return n <= TEXT_LINE_MAX && !ends_in_blank(p, n) &&
	    !is_from_line(p, n) &&
	    ((n >= sizeof(lanes) && is_printable(p, n)) || is_harmless(p, n));
}

/*
 * Base64 is lines of one length: are the len bytes at p one more, and in
 * order?  Where nothing is unprintable, no line ends before.
 */
static bool
is_such_a_line(const char *p, size_t len)
{
	return p[len - 1] == '\n' && p[len - 2] == '\r' &&
	    p[len - 3] != ' ' && is_printable(p, len - 2) &&
	    !is_from_line(p, len - 2);
}

/* Passes over the line at off if it is in order. */
static size_t
pass_line(const char *p, size_t n, size_t off)
{
	size_t most = n - off, len;
	const char *nl;

	if (most > TEXT_LINE_MAX + 2)
		most = TEXT_LINE_MAX + 2;
	nl = memchr(p + off, '\n', most);
	if (nl == NULL)
		return is_in_order(p + off, n - off) ? n : off;
	len = (size_t)(nl - p) - off;
	if (len == 0 || nl[-1] != '\r' || !is_in_order(p + off, len - 1))
		return off;
	return off + len + 1;
}

size_t
text_pass(const char *p, size_t n, size_t off, int mark)
{
	size_t len = 0, next;

	while (off < n && (unsigned char)p[off] != mark) {
		next = off + len;
		if (len < 2 + sizeof(lanes) || n - off < len ||
		    !is_such_a_line(p + off, len)) {
			next = pass_line(p, n, off);
			len = next - off;
		}
		if (next == off)
			break;
		off = next;
	}
	return off;
}

/* ---- all others ---- */

/* How many bytes of each kind; counted in vectors, for bodies are long. */
struct tally {
	size_t high, nul, cr, lf;
};

static size_t
sum(lanes v)
{
	size_t n = 0;

	for (size_t i = 0; i < sizeof(v); i++)
		n += v[i];
	return n;
}

/* As many vectors as a lane can count. */
static void
tally_vectors(const char *p, size_t nvectors, struct tally *t)
{
	lanes high = {0}, nul = {0}, cr = {0}, lf = {0}, v;

	for (size_t i = 0; i < nvectors; i++) {
		memcpy(&v, p + i * sizeof(v), sizeof(v));
		high += v >> 7;
		nul -= (lanes)(v == 0);
		cr -= (lanes)(v == '\r');
		lf -= (lanes)(v == '\n');
	}
	t->high += sum(high);
	t->nul += sum(nul);
	t->cr += sum(cr);
	t->lf += sum(lf);
}

static void
tally_bytes(const char *p, size_t n, struct tally *t)
{
	memset(t, 0, sizeof(*t));
	while (n >= sizeof(lanes)) {
		size_t nvectors = n / sizeof(lanes);

		if (nvectors > UCHAR_MAX)
			nvectors = UCHAR_MAX;
		tally_vectors(p, nvectors, t);
		p += nvectors * sizeof(lanes);
		n -= nvectors * sizeof(lanes);
	}
	for (size_t i = 0; i < n; i++) {
		t->high += (unsigned char)p[i] >> 7;
		t->nul += p[i] == '\0';
		t->cr += p[i] == '\r';
		t->lf += p[i] == '\n';
	}
}

/* The lines that begin in a block; returns where they end. */
static size_t
scan_lines(const char *p, size_t n, size_t off, struct text_scan *s,
    size_t *ncrlf)
{
	size_t stop = n - off < BLOCK ? n : off + BLOCK, next;

	*ncrlf = 0;
	for (; off < stop; off = next) {
		const char *nl = memchr(p + off, '\n', n - off);
		size_t text = nl == NULL ? n - off : (size_t)(nl - p) - off;

		next = nl == NULL ? n : off + text + 1;
		if (nl != NULL && text > 0 && nl[-1] == '\r') {
			++*ncrlf;
			text--;
		}
		s->long_line |= text > TEXT_LINE_MAX;
		s->blank_end |= ends_in_blank(p + off, text);
		s->from_line |= is_from_line(p + off, text);
	}
	return off;
}

void
text_scan(const char *p, size_t n, struct text_scan *s)
{
	size_t off, end, ncrlf;
	struct tally t;

	memset(s, 0, sizeof(*s));
	for (off = text_pass(p, n, 0, TEXT_NO_MARK); off < n;
	    off = text_pass(p, n, end, TEXT_NO_MARK)) {
		end = scan_lines(p, n, off, s, &ncrlf);
		tally_bytes(p + off, end - off, &t);
		s->count8 += t.high;
		s->nul |= t.nul > 0;
		s->bare_cr |= t.cr > ncrlf;
		s->bare_lf |= t.lf > ncrlf;
	}
	s->eight_bit = s->count8 > 0;
}

bool
text_is_hard(const struct text_scan *s)
{
	return s->eight_bit || s->nul || s->bare_cr || s->bare_lf ||
	    s->long_line;
}

bool
text_is_ascii(const char *p, size_t n)
{
	struct tally t;

	tally_bytes(p, n, &t);
	return t.high == 0;
}
