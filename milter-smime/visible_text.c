/* SPDX-License-Identifier: BSD-2-Clause */
#include "visible_text.h"

#include <string.h>

#include "common/utf8.h"
#include "text_writer.h"

#define BLOCK 256

/* Default_Ignorable_Code_Point (Unicode, DerivedCoreProperties.txt). */
static const struct {
	uint32_t first, last;
} ignorable[] = {
	{0x00ad, 0x00ad}, {0x034f, 0x034f}, {0x061c, 0x061c},
	{0x115f, 0x1160}, {0x17b4, 0x17b5}, {0x180b, 0x180f},
	{0x200b, 0x200f}, {0x202a, 0x202e}, {0x2060, 0x206f},
	{0x3164, 0x3164}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff},
	{0xffa0, 0xffa0}, {0xfff0, 0xfff8}, {0x1bca0, 0x1bca3},
	{0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

/* C0 but for tab and line ends, and DEL; without a branch. */
static inline bool
is_plain_control(unsigned char c)
{
	return (c < 0x20) & ((unsigned char)(c - '\t') > '\r' - '\t') ||
	    c == 0x7f;
}

bool
visible_text_is_invisible(uint32_t cp)
{
	if (cp < 0x80)
		return is_plain_control((unsigned char)cp);
	if (cp < 0xa0)
		return cp != 0x85; /* C1; that one is a line end */
	for (size_t i = 0; i < sizeof(ignorable) / sizeof(ignorable[0]); i++)
		if (cp <= ignorable[i].last)
			return cp >= ignorable[i].first;
	return false;
}

typedef unsigned char lanes __attribute__((vector_size(16)));

/*
 * First bytes of what is not seen: C1 and the soft hyphen, then those of
 * the table above.
 */
static const unsigned char leads[] = {
	0xc2, 0xcd, 0xd8, 0xe1, 0xe2, 0xe3, 0xef, 0xf0, 0xf3};

static bool
may_begin(unsigned char c)
{
	return c < 0x80 ? is_plain_control(c) :
			  memchr(leads, c, sizeof(leads)) != NULL;
}

static bool
any_of(lanes found)
{
	uint64_t half[2];

	memcpy(half, &found, sizeof(half));
	return (half[0] | half[1]) != 0;
}

/* Does none of BLOCK bytes begin one? */
static bool
is_plain(const char *p)
{
	lanes control = {0}, high = {0}, lead = {0}, v;

	for (size_t i = 0; i < BLOCK; i += sizeof(v)) {
		memcpy(&v, p + i, sizeof(v));
		/* 9 to 13 are blanks. */
		control |= (lanes)((lanes)(v < 0x20) & (lanes)((v - 9) > 4)) |
		    (lanes)(v == 0x7f);
		high |= v;
	}
	if (!any_of(high >> 7))
		return !any_of(control);
	for (size_t i = 0; i < BLOCK; i += sizeof(v)) {
		memcpy(&v, p + i, sizeof(v));
		for (size_t k = 0; k < sizeof(leads); k++)
			lead |= (lanes)(v == leads[k]);
	}
	return !any_of(control | lead);
}

/* Is what begins at p not seen?  *len is how long it is. */
static bool
is_hidden(const char *p, size_t n, size_t *len)
{
	uint32_t cp;

	*len = 1;
	if (!may_begin((unsigned char)p[0]))
		return false;
	*len = utf8_decode(p, n, &cp);
	if (*len > 0)
		return visible_text_is_invisible(cp);
	*len = 1;
	return false;
}

bool
visible_text_is_all(const char *p, size_t n)
{
	size_t i = 0, len;

	while (i < n) {
		size_t end = n - i < BLOCK ? n : i + BLOCK;

		if (n - i >= BLOCK && is_plain(p + i)) {
			i = end;
			continue;
		}
		for (; i < end; i += len)
			if (is_hidden(p + i, n - i, &len))
				return false;
	}
	return true;
}

static void
write_visible(const char *p, size_t n, struct text_writer *w)
{
	size_t from = 0, len;

	for (size_t i = 0; i < n; i += len) {
		if (!is_hidden(p + i, n - i, &len))
			continue;
		text_writer_put(w, p + from, i - from);
		from = i + len;
	}
	text_writer_put(w, p + from, n - from);
}

void
visible_text_append(const char *p, size_t n, struct buf *out)
{
	struct text_writer w;

	text_writer_to_buf(&w, out);
	write_visible(p, n, &w);
	(void)!text_writer_end(&w);
}

bool
visible_text_write(const char *p, size_t n, struct spool *out,
    struct error *err)
{
	struct text_writer w;

	text_writer_to_spool(&w, out, err);
	write_visible(p, n, &w);
	return text_writer_end(&w);
}
