/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter-smime/quoted_printable.h"

#include <stdlib.h>

#include "common/mem.h"
#include "milter-smime/transfer.h"
#include "tap.h"

static const struct spool_place place = {"/tmp", 1 << 20};

typedef bool transform(const char *p, size_t n, struct spool *out,
    struct error *err);

static char *
run(transform *f, const char *p, size_t n, size_t *len)
{
	struct spool *s = spool_new(&place);
	struct error err;
	char *text;

	if (!f(p, n, s, &err) || !spool_finish(s, &err))
		abort();
	*len = spool_len(s);
	text = mem_dup(spool_data(s), *len);
	spool_free(&s);
	return text;
}

static void
gives(transform *f, const char *in, const char *want, const char *says)
{
	size_t n;
	char *got = run(f, in, strlen(in), &n);

	check_str(got, want, says);
	free(got);
}

#define X25 "xxxxxxxxxxxxxxxxxxxxxxxxx"
#define X74 X25 X25 "xxxxxxxxxxxxxxxxxxxxxxxx"

static void
test_encode(void)
{
	transform *f = quoted_printable_encode;

	gives(f, "", "", "nothing encodes to nothing");
	gives(f, "Hello\r\n", "Hello\r\n", "plain text stays");
	gives(f, "a=b\r\n", "a=3Db\r\n", "= is encoded");
	gives(f, "a \r\nb\t\r\n c ", "a=20\r\nb=09\r\n c=20",
	    "blanks are encoded at line ends only");
	gives(f, "a\rb\nc\r\r\n", "a=0Db=0Ac=0D\r\n",
	    "a CR or LF alone is data");
	gives(f, "\xff\x7f\x01", "=FF=7F=01", "so are other odd bytes");
	gives(f, "From me\r\n>From\r\nFrom", "=46rom me\r\n>From\r\nFrom",
	    "From at a line start is encoded");
	gives(f, ".\r\na.\r\n", "=2E\r\na.\r\n",
	    "so is a dot at a line start");
	gives(f, "--b\r\n-b\r\n", "=2D-b\r\n-b\r\n",
	    "and what could be a delimiter");
	gives(f, X74 "yz\r\n", X74 "y=\r\nz\r\n",
	    "a line has 76 characters with its soft break");
	gives(f, X74 "\xe9z\r\n", X74 "=\r\n=E9z\r\n",
	    "an escape is not divided");
	gives(f, X74 "y--b\r\n", X74 "y=\r\n=2D-b\r\n",
	    "no delimiter begins behind a soft break");
	gives(f, X74 "yFrom z\r\n", X74 "y=\r\n=46rom z\r\n",
	    "nor a From line");
	gives(f, X74 "y.\r\n", X74 "y=\r\n=2E\r\n", "nor a dot");
	gives(f, X74 "y z", X74 "y=\r\n z",
	    "a blank may stand behind a soft break");
}

static void
test_decode(void)
{
	transform *f = quoted_printable_decode;

	gives(f, "", "", "nothing decodes to nothing");
	gives(f, "Gr=C3=BC=c3=9fe\r\n", "Gr\xc3\xbc\xc3\x9f" "e\r\n",
	    "hexadecimal digits may be small");
	gives(f, "a=\r\nb= \r\nc=\nd", "abcd", "soft breaks join lines");
	gives(f, "a \t\r\nb ", "a\r\nb",
	    "blanks at line ends were added on the way");
	gives(f, "a=20 \r\n", "a \r\n", "unless they are encoded");
	gives(f, "=XY =4 =\r\n=", "=XY =4 ",
	    "what is no escape passes as it is");
	gives(f, "=3", "=3", "also at the end");
	gives(f, "=3D=\r\n", "=", "a soft break may be the last");
	gives(f, "a\nb\r\n", "a\r\nb\r\n", "line ends become CRLF");
	gives(f, "\xe9\r\n", "\xe9\r\n", "8-bit bytes pass");
}

static bool
lines_are_strict(const char *p, size_t n)
{
	size_t start = 0;

	for (size_t i = 0; i <= n; i++) {
		if (i < n && (unsigned char)p[i] >= 0x7f)
			return false;
		if (i < n && p[i] != '\r')
			continue;
		if (i - start > 76 || (i > start && (p[i - 1] == ' ' ||
		    p[i - 1] == '\t')))
			return false;
		if (i - start >= 2 && memcmp(p + start, "--", 2) == 0)
			return false;
		if (i - start >= 5 && memcmp(p + start, "From ", 5) == 0)
			return false;
		if (i > start && p[start] == '.')
			return false;
		start = i + 2;
		i++;
	}
	return true;
}

/* Pseudo-random bytes of few kinds, so that odd neighbours are common. */
static void
test_round_trip(void)
{
	static const char kinds[] = "\r\n \t=-.Fromx\xe9\0\r\nx";
	bool same = true, strict = true;
	char data[300];
	unsigned seed = 1;

	for (int round = 0; round < 20000 && same && strict; round++) {
		size_t n = (size_t)round % sizeof(data), len, back;
		char *coded, *plain;

		for (size_t i = 0; i < n; i++) {
			seed = seed * 1103515245 + 12345;
			data[i] = kinds[(seed >> 16) % sizeof(kinds)];
		}
		coded = run(quoted_printable_encode, data, n, &len);
		plain = run(quoted_printable_decode, coded, len, &back);
		same = back == n && memcmp(plain, data, n) == 0;
		strict = lines_are_strict(coded, len);
		free(coded);
		free(plain);
	}
	check(same, "any bytes come back as they were");
	check(strict, "and every line is in the strict form");
}

static void
test_transfer(void)
{
	struct spool *s;
	struct error err;
	char *text = mem_alloc(1000001), *back;
	size_t n, len;

	memset(text, 'A', 1000000);
	back = run(transfer_rewrap, text, 1000000, &n);
	for (len = 0; len + 78 <= n && memcmp(back + len + 76, "\r\n", 2) == 0;
	    len += 78)
		;
	check(n - len < 78 && n == 1000000 + 2 * (1000000 / 76 + 1),
	    "base64 of 1,000,000 characters gets lines of 76");
	free(back);
	free(text);
	gives(transfer_rewrap, "QU\xe9I=\r\n \0-", "QUI=\r\n",
	    "what is not base64 goes");
	gives(transfer_rewrap, "QUI=QUI=", "QUI=QUI=\r\n",
	    "text behind a pad stays");
	gives(transfer_rewrap, "--\r\n", "", "nothing stays nothing");

	s = spool_new(&place);
	check(transfer_decode("=41", 3, MIME_OTHER, s, &err) &&
	    spool_finish(s, &err) && spool_len(s) == 3,
	    "an unknown encoding passes as it is");
	spool_free(&s);
	s = spool_new(&place);
	check(transfer_decode("QUI", 3, MIME_BASE64, s, &err) &&
	    spool_finish(s, &err) && spool_len(s) == 2 &&
	    memcmp(spool_data(s), "AB", 2) == 0,
	    "base64 may lack its pad");
	spool_free(&s);
	s = spool_new(&place);
	check(transfer_encode("AB", 2, MIME_BASE64, s, &err) &&
	    spool_finish(s, &err) && spool_len(s) == 6 &&
	    memcmp(spool_data(s), "QUI=\r\n", 6) == 0,
	    "base64 ends with its line");
	spool_free(&s);
}

int
main(void)
{
	test_encode();
	test_decode();
	test_round_trip();
	test_transfer();
	return tap_done();
}
