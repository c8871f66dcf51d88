/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/utf8.h"

#include "tests/unit/tap.h"

static void
is(const char *text, size_t len, uint32_t want, const char *name)
{
	uint32_t cp = 0;
	size_t n = strlen(text);

	check(utf8_decode(text, n == 0 ? 1 : n, &cp) == len && cp == want,
	    "%s", name);
}

static void
test_encode(void)
{
	static const uint32_t points[] = {0, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff,
	    0xe000, 0xffff, 0x10000, 0x10ffff};
	char out[UTF8_MAX];
	bool same = true;
	uint32_t cp;

	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		size_t n = utf8_encode(points[i], out);

		same = same && utf8_decode(out, n, &cp) == n &&
		    cp == points[i];
	}
	check(same, "what is written is read again");
	check(utf8_encode(0xd800, out) == 3 &&
	    memcmp(out, "\xef\xbf\xbd", 3) == 0,
	    "a surrogate is written as U+FFFD");
	check(utf8_encode(0x110000, out) == 3 &&
	    memcmp(out, "\xef\xbf\xbd", 3) == 0,
	    "so is what lies beyond Unicode");
}

static void
test_span(void)
{
	char text[200];
	bool right = true;

	check(utf8_span("", 0) == 0, "nothing is as long as it is");
	check(utf8_span("a\xc3\xa9\xe2\x82\xac!", 7) == 7,
	    "text in UTF-8 is UTF-8 to its end");
	check(utf8_span("ab\xe9zz", 5) == 2, "Latin-1 ends it");
	check(utf8_span("ab\xc3", 3) == 2, "so does half a character");
	memset(text, 'a', sizeof(text));
	for (size_t i = 0; i < sizeof(text); i++) {
		text[i] = (char)0xff;
		right = right && utf8_span(text, sizeof(text)) == i &&
		    utf8_span_ascii(text, sizeof(text)) == i;
		text[i] = 'a';
	}
	check(right && utf8_span_ascii(text, 200) == 200,
	    "the first byte that is none is found wherever it stands");
	check(utf8_span_ascii("a\xc3\xa9", 3) == 1,
	    "UTF-8 that is no US-ASCII ends US-ASCII");
}

int
main(void)
{
	is("", 1, 0, "NUL is a code point");
	is("ab", 1, 'a', "ASCII is one byte");
	is("\xc3\xa9x", 2, 0xe9, "two bytes are read");
	is("\xe2\x82\xac", 3, 0x20ac, "three bytes are read");
	is("\xf0\x9f\x93\xa7", 4, 0x1f4e7, "four bytes are read");
	is("\xf4\x8f\xbf\xbf", 4, 0x10ffff, "the last code point is read");
	is("\xf4\x90\x80\x80", 0, 0, "what lies beyond it is not");
	is("\xc1\xbf", 0, 0, "an overlong form of two bytes is refused");
	is("\xe0\x9f\xbf", 0, 0, "of three bytes");
	is("\xf0\x8f\xbf\xbf", 0, 0, "of four bytes");
	is("\xed\xa0\x80", 0, 0, "the first surrogate is refused");
	is("\xed\xbf\xbf", 0, 0, "the last surrogate is refused");
	is("\xee\x80\x80", 3, 0xe000, "the code point after is read");
	is("\xe2\x82", 0, 0, "a sequence cut off is refused");
	is("\xe2\x82x", 0, 0, "a sequence broken off is refused");
	is("\x80", 0, 0, "a lone continuation is refused");
	is("\xff", 0, 0, "0xff is refused");
	test_encode();
	test_span();
	return tap_done();
}
