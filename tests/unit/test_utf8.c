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
	return tap_done();
}
