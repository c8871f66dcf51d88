/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands in bytes, quickly: against a reference that looks at one
 * byte after the other.
 */
#include "milter-smime/text_scan.h"

#include <stdlib.h>

#include "common/mem.h"
#include "tap.h"

/* ---- the reference ---- */

/* One line, its end included. */
static void
add_line(const char *p, size_t n, struct text_scan *s)
{
	bool ended = n > 0 && p[n - 1] == '\n';
	bool pair = ended && n > 1 && p[n - 2] == '\r';
	size_t text = n - (ended ? 1 : 0) - (pair ? 1 : 0);

	for (size_t i = 0; i < text; i++) {
		s->count8 += (unsigned char)p[i] >= 0x80;
		s->nul |= p[i] == '\0';
		s->bare_cr |= p[i] == '\r';
	}
	s->bare_lf |= ended && !pair;
	s->long_line |= text > 998;
	s->blank_end |= text > 0 && strchr(" \t", p[text - 1]) != NULL &&
	    p[text - 1] != '\0';
	s->from_line |= text >= 5 && strncmp(p, "From ", 5) == 0;
	s->eight_bit = s->count8 > 0;
}

static size_t
line_length(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] != '\n')
		i++;
	return i < n ? i + 1 : n;
}

static void
scan_slowly(const char *p, size_t n, struct text_scan *s)
{
	size_t len;

	memset(s, 0, sizeof(*s));
	for (; n > 0; p += len, n -= len) {
		len = line_length(p, n);
		add_line(p, len, s);
	}
}

static bool
finds_nothing(const struct text_scan *s)
{
	return !text_is_hard(s) && !s->blank_end && !s->from_line;
}

static size_t
pass_slowly(const char *p, size_t n, int mark)
{
	size_t off = 0, len;
	struct text_scan s;

	for (; off < n && (unsigned char)p[off] != mark; off += len) {
		len = line_length(p + off, n - off);
		scan_slowly(p + off, len, &s);
		if (!finds_nothing(&s))
			break;
	}
	return off;
}

static bool
same(const struct text_scan *a, const struct text_scan *b)
{
	return a->eight_bit == b->eight_bit && a->nul == b->nul &&
	    a->bare_cr == b->bare_cr && a->bare_lf == b->bare_lf &&
	    a->long_line == b->long_line && a->blank_end == b->blank_end &&
	    a->from_line == b->from_line && a->count8 == b->count8;
}

/* n bytes in memory of their own, so that reading around them is seen. */
static bool
agrees(const char *text, size_t n)
{
	char *p = malloc(n > 0 ? n : 1);
	struct text_scan quick, slow;
	bool good;

	if (p == NULL)
		abort();
	memcpy(p, text, n);
	text_scan(p, n, &quick);
	scan_slowly(p, n, &slow);
	good = same(&quick, &slow) &&
	    text_is_ascii(p, n) == (slow.count8 == 0) &&
	    text_pass(p, n, 0, '-') == pass_slowly(p, n, '-') &&
	    text_pass(p, n, 0, TEXT_NO_MARK) ==
	    pass_slowly(p, n, TEXT_NO_MARK);
	free(p);
	return good;
}

/* ---- texts ---- */

/* Every text of so many of these bytes. */
static void
test_all_short(void)
{
	static const char bytes[] = "aF-\r\n\t \0\x80";
	size_t kinds = sizeof(bytes) - 1, wrong = 0, combinations = 1;
	char text[6];

	for (size_t n = 0; n <= sizeof(text); n++, combinations *= kinds)
		for (size_t i = 0; i < combinations; i++) {
			for (size_t k = 0, rest = i; k < n; k++) {
				text[k] = bytes[rest % kinds];
				rest /= kinds;
			}
			wrong += !agrees(text, n);
		}
	check(wrong == 0, "every text of up to %zu bytes is scanned right",
	    sizeof(text));
}

/* One odd byte at each place of a line, in lines before and behind. */
static void
test_each_place(void)
{
	static const char odd[] = "\r\n\t \0\x80\xff\x1b\x7f-F";
	enum { LINE = 78, LINES = 4 };
	char text[LINE * LINES];
	size_t wrong = 0;

	for (size_t at = 0; at < sizeof(text); at++)
		for (size_t k = 0; k < sizeof(odd) - 1; k++) {
			memset(text, 'x', sizeof(text));
			for (size_t i = 1; i <= LINES; i++)
				memcpy(text + i * LINE - 2, "\r\n", 2);
			text[at] = odd[k];
			wrong += !agrees(text, sizeof(text)) ||
			    !agrees(text, at + 1);
		}
	check(wrong == 0, "an odd byte is seen wherever it stands in lines "
	    "of one length");
}

static void
test_from_lines(void)
{
	enum { LINE = 40, LINES = 5 };
	char text[LINE * LINES];
	size_t wrong = 0;

	for (size_t at = 0; at < LINES; at++) {
		memset(text, 'F', sizeof(text));
		for (size_t i = 1; i <= LINES; i++)
			memcpy(text + i * LINE - 2, "\r\n", 2);
		memcpy(text + at * LINE, "From ", 5);
		wrong += !agrees(text, sizeof(text)) ||
		    text_pass(text, sizeof(text), 0, '-') != at * LINE;
	}
	check(wrong == 0, "a line that starts with From is seen among lines "
	    "of its length");
}

static void
test_line_lengths(void)
{
	size_t wrong = 0;
	char *text = mem_alloc(3 * 1002);

	for (size_t len = 0; len <= 1000; len++) {
		for (size_t i = 0; i < 3; i++) {
			memset(text + i * (len + 2), 'x', len);
			memcpy(text + i * (len + 2) + len, "\r\n", 2);
		}
		wrong += !agrees(text, 3 * (len + 2)) ||
		    !agrees(text, 2 * (len + 2) + len) ||
		    (text_pass(text, 3 * (len + 2), 0, TEXT_NO_MARK) ==
		    3 * (len + 2)) != (len <= TEXT_LINE_MAX);
	}
	free(text);
	check(wrong == 0, "lines of all lengths are in order up to 998, and "
	    "no further");
}

/* What a line is made of; the first ones are usual, so that they repeat. */
static const struct {
	const char *text;
	size_t n;
} tokens[] = {
	{"abcdefghijklmnopqrstuvwxyz", 26}, {"\r\n", 2}, {"From ", 5},
	{" ", 1}, {"\t", 1}, {"-", 1}, {"\xc3\xbc", 2}, {"\0", 1}, {"\r", 1},
	{"\n", 1}, {"\x1b$B", 3}, {"F", 1}, {"x", 1},
};

/* Lines as base64 has them, and now and then something else. */
static size_t
make_mosaic(char *text, size_t max, unsigned odd)
{
	size_t n = 0, line = 20 + (size_t)rand() % 90;

	while (n + line + 2 + 8 * 26 < max) {
		memset(text + n, 'A' + rand() % 26, line);
		n += line;
		for (int k = rand() % (int)odd == 0 ? rand() % 8 : 0; k > 0;
		    k--) {
			size_t i = (size_t)rand() %
			    (sizeof(tokens) / sizeof(tokens[0]));

			memcpy(text + n, tokens[i].text, tokens[i].n);
			n += tokens[i].n;
		}
		memcpy(text + n, "\r\n", 2);
		n += 2;
		if (rand() % 50 == 0)
			line = 1 + (size_t)rand() % 1100;
	}
	return n - (size_t)rand() % 3;
}

static void
test_mosaics(void)
{
	enum { MAX = 80000 };
	char *text = mem_alloc(MAX);
	size_t wrong = 0, orderly = 0;

	srand(1);
	for (int i = 0; i < 1500; i++) {
		size_t n = make_mosaic(text, 300 + (size_t)rand() %
		    (i % 10 == 0 ? MAX - 300 : 3000), 1u << rand() % 12);

		wrong += !agrees(text, n);
		orderly += text_pass(text, n, 0, TEXT_NO_MARK) == n;
	}
	free(text);
	check(wrong == 0 && orderly > 100 && orderly < 1400, "random texts of "
	    "many blocks are scanned right, in order or not");
}

int
main(void)
{
	struct text_scan s;

	test_all_short();
	test_each_place();
	test_from_lines();
	test_line_lengths();
	test_mosaics();
	text_scan("\xc3\xbc\0 \r\n", 6, &s);
	check(s.count8 == 2 && s.eight_bit && s.nul && s.blank_end &&
	    !s.bare_cr && !s.bare_lf && !s.long_line && !s.from_line,
	    "what is found is told apart");
	check(text_pass("a\r\n-b\r\nc", 8, 0, '-') == 3 &&
	    text_pass("a\r\n-b\r\nc", 8, 0, TEXT_NO_MARK) == 8 &&
	    text_pass("a\r\n-b\r\nc", 8, 3, '-') == 3 &&
	    text_pass("a\r\n-b\r\nc", 8, 8, '-') == 8,
	    "passing stops at the mark, or at the end");
	return tap_done();
}
