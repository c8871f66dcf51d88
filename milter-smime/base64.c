/* SPDX-License-Identifier: BSD-2-Clause */
#include "base64.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define LINE_BYTES 57
#define LINE_CHARS 76

/*
 * A character's value where it belongs in 24 bits, with a mark in the top
 * byte that says "in the alphabet": four look-ups joined by OR give three
 * bytes and, in 0x0f000000, whether all four were good.
 */
/* clang-format off */
#define ENTRY(c, v, s) \
	[c] = (uint32_t)(v) << (s) | (uint32_t)1 << (24 + (s) / 6)
#define ENTRIES4(c, v, s) \
	ENTRY(c, v, s), ENTRY((c) + 1, (v) + 1, s), \
	ENTRY((c) + 2, (v) + 2, s), ENTRY((c) + 3, (v) + 3, s)
#define ENTRIES26(c, v, s) \
	ENTRIES4(c, v, s), ENTRIES4((c) + 4, (v) + 4, s), \
	ENTRIES4((c) + 8, (v) + 8, s), ENTRIES4((c) + 12, (v) + 12, s), \
	ENTRIES4((c) + 16, (v) + 16, s), ENTRIES4((c) + 20, (v) + 20, s), \
	ENTRY((c) + 24, (v) + 24, s), ENTRY((c) + 25, (v) + 25, s)
#define ALPHABET(s) { \
	ENTRIES26('A', 0, s), ENTRIES26('a', 26, s), \
	ENTRIES4('0', 52, s), ENTRIES4('4', 56, s), ENTRY('8', 60, s), \
	ENTRY('9', 61, s), ENTRY('+', 62, s), ENTRY('/', 63, s) }
#define ALL_GOOD 0x0f

static const uint32_t values[4][256] = {
    ALPHABET(18), ALPHABET(12), ALPHABET(6), ALPHABET(0)};

/* The two characters of each 12 bits: half the look-ups of one by one. */
#define PAIRS5(a, b) \
	{ a, b }, { a, (b) + 1 }, { a, (b) + 2 }, { a, (b) + 3 }, { a, (b) + 4 }
#define PAIRS26(a, b) \
	PAIRS5(a, b), PAIRS5(a, (b) + 5), PAIRS5(a, (b) + 10), \
	PAIRS5(a, (b) + 15), PAIRS5(a, (b) + 20), { a, (b) + 25 }
#define ROW(a) \
	PAIRS26(a, 'A'), PAIRS26(a, 'a'), PAIRS5(a, '0'), PAIRS5(a, '5'), \
	{ a, '+' }, { a, '/' }
#define ROWS5(a) \
	ROW(a), ROW((a) + 1), ROW((a) + 2), ROW((a) + 3), ROW((a) + 4)
#define ROWS26(a) \
	ROWS5(a), ROWS5((a) + 5), ROWS5((a) + 10), ROWS5((a) + 15), \
	ROWS5((a) + 20), ROW((a) + 25)
/* clang-format on */

static const char pairs[4096][2] = {
    ROWS26('A'), ROWS26('a'), ROWS5('0'), ROWS5('5'), ROW('+'), ROW('/')};

static inline uint32_t
four(const unsigned char *p)
{
	return values[0][p[0]] | values[1][p[1]] | values[2][p[2]] |
	       values[3][p[3]];
}

static inline void
put_three(unsigned char *out, uint32_t v)
{
	out[0] = (unsigned char)(v >> 16);
	out[1] = (unsigned char)(v >> 8);
	out[2] = (unsigned char)v;
}

/* Whole quads of the alphabet, as far as they go; returns characters. */
static size_t
decode_run(const unsigned char *in, size_t n, unsigned char *out)
{
	size_t i = 0;

	/* Six bytes are stored as eight: more than two will follow. */
	for (; n - i >= 12; i += 8, out += 6) {
		uint32_t a = four(in + i), b = four(in + i + 4);
		uint64_t both;

		if ((a & b) >> 24 != ALL_GOOD)
			break;
		both = (uint64_t)a << 40 | (uint64_t)(b & 0xffffff) << 16;
		both = htobe64(both);
		memcpy(out, &both, sizeof(both));
	}
	for (; n - i >= 4; i += 4, out += 3) {
		uint32_t a = four(in + i);

		if (a >> 24 != ALL_GOOD)
			break;
		put_three(out, a);
	}
	return i;
}

static bool
is_blank(unsigned char c)
{
	return c == '\r' || c == '\n' || c == ' ' || c == '\t';
}

/* One character by itself; returns bytes written, at most one. */
static size_t
decode_one(struct base64_decoder *d, unsigned char c, unsigned char *out)
{
	uint32_t v = values[3][c];

	if (v == 0) {
		if (c == '=')
			d->ended = true;
		else if (!is_blank(c))
			d->garbage = true;
		return 0;
	}
	d->bits = (d->bits << 6 | (v & 0x3f)) & 0xfff;
	d->nbits += 6;
	if (d->nbits < 8)
		return 0;
	d->nbits -= 8;
	*out = (unsigned char)(d->bits >> d->nbits);
	return 1;
}

/* Four pairs: 48 bits; the last 16 of the eight bytes are not used. */
static inline void
encode_six(const unsigned char *in, char *out)
{
	uint64_t x;

	memcpy(&x, in, sizeof(x));
	x = be64toh(x);
	memcpy(out, pairs[x >> 52], 2);
	memcpy(out + 2, pairs[x >> 40 & 0xfff], 2);
	memcpy(out + 4, pairs[x >> 28 & 0xfff], 2);
	memcpy(out + 6, pairs[x >> 16 & 0xfff], 2);
}

static size_t
encode_line(const unsigned char *in, char *out)
{
	uint32_t last;

	for (size_t i = 0; i < 9; i++)
		encode_six(in + 6 * i, out + 8 * i);
	last = (uint32_t)in[54] << 16 | (uint32_t)in[55] << 8 | in[56];
	memcpy(out + 72, pairs[last >> 12], 2);
	memcpy(out + 74, pairs[last & 0xfff], 2);
	memcpy(out + LINE_CHARS, "\r\n", 2);
	return LINE_CHARS + 2;
}

/* Less than a line, padded. */
static size_t
encode_rest(const unsigned char *in, size_t n, char *out)
{
	unsigned char whole[LINE_BYTES] = {0};
	char line[LINE_CHARS + 2];
	size_t chars = (n * 4 + 2) / 3, len = (n + 2) / 3 * 4;

	memcpy(whole, in, n);
	encode_line(whole, line);
	memset(line + chars, '=', len - chars);
	memcpy(out, line, len);
	return len;
}

size_t
base64_decode(
    struct base64_decoder *d, const char *in, size_t n, unsigned char *out)
{
	const unsigned char *p = (const unsigned char *)in;
	unsigned char *start = out;
	size_t i = 0;

	while (i < n && !d->ended) {
		if (d->nbits == 0) {
			size_t run = decode_run(p + i, n - i, out);

			i += run;
			out += run / 4 * 3;
			if (i == n)
				break;
			if (n - i >= 2 && p[i] == '\r' && p[i + 1] == '\n') {
				i += 2;
				continue;
			}
		}
		out += decode_one(d, p[i++], out);
	}
	return (size_t)(out - start);
}

size_t
base64_encode(
    struct base64_encoder *e, const unsigned char *in, size_t n, char *out)
{
	char *start = out;

	if (e->nrest > 0) {
		size_t fill = LINE_BYTES - e->nrest;

		if (fill > n)
			fill = n;
		if (fill > 0)
			memcpy(e->rest + e->nrest, in, fill);
		e->nrest += fill;
		in += fill;
		n -= fill;
		if (e->nrest < LINE_BYTES)
			return 0;
		out += encode_line(e->rest, out);
		e->nrest = 0;
	}
	for (; n >= LINE_BYTES; n -= LINE_BYTES, in += LINE_BYTES)
		out += encode_line(in, out);
	if (n > 0)
		memcpy(e->rest, in, n);
	e->nrest = n;
	return (size_t)(out - start);
}

size_t
base64_encode_end(struct base64_encoder *e, char *out)
{
	size_t n = 0;

	if (e->nrest > 0) {
		n = encode_rest(e->rest, e->nrest, out);
		out[n++] = '\r';
		out[n++] = '\n';
	}
	e->nrest = 0;
	return n;
}
