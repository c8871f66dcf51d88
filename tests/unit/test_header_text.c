/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter-smime/header_text.h"

#include <stdlib.h>
#include <time.h>

#include "common/mem.h"
#include "milter-smime/header_parameter.h"
#include "tap.h"

static const struct spool_place place = {"/tmp", 1 << 20};

/* --- decoding ------------------------------------------------------------ */

static const struct {
	const char *value, *want, *says;
} decoded[] = {
	{" Hello", "Hello", "the blank behind the colon goes"},
	{"", "", "nothing is nothing"},
	{"  a  b \t", "a  b", "blanks stay inside, and only there"},
	{" a\n b\n\tc", "a b c", "a fold is its blank"},
	{" a\r\n b", "a b", "be it CRLF"},
	{" a\nb\r", "a b", "a line end that is no fold is a blank"},
	{" a\001b\x7f""c", "a b c", "control characters are blanks"},
	{" gr\xc3\xbc\xc3\x9f""e", "gr\xc3\xbc\xc3\x9f""e",
	    "raw UTF-8 stays"},
	{" gr\xfc\xdf""e \x80", "gr\xc3\xbc\xc3\x9f""e \xe2\x82\xac",
	    "other 8-bit bytes are Windows-1252"},
	{" a\xc2\x85""b\xe2\x80\xa8""c", "a b c",
	    "what ends lines elsewhere is a blank"},

	{" =?utf-8?Q?caf=C3=A9?=", "caf\xc3\xa9", "Q is decoded"},
	{" =?utf-8?q?a=20b_c?=", "a b c", "with blanks in both forms"},
	{" =?UTF-8?B?Y2Fmw6k=?=", "caf\xc3\xa9", "B is decoded"},
	{" =?utf-8?b?Y2Fmw6k?=", "caf\xc3\xa9",
	    "without its padding, in lower case"},
	{" =?utf-8?B?Y2Fm?= =?utf-8?B?w6k=?=", "caf\xc3\xa9",
	    "blanks between words go"},
	{" =?utf-8?Q?a?=\n =?utf-8?Q?b?=", "ab", "folds too"},
	{" =?utf-8?Q?a?= b =?utf-8?Q?c?=", "a b c",
	    "blanks beside text stay"},
	{" =?iso-8859-1?Q?caf=E9?= =?utf-8?Q?=C3=A9?=",
	    "caf\xc3\xa9\xc3\xa9", "charsets may differ from word to word"},
	{" =?utf-8*de-DE?Q?gr=C3=BC=C3=9Fe?=", "gr\xc3\xbc\xc3\x9f""e",
	    "a language is passed over (RFC 2231)"},
	{" =?koi8-r?B?8NLJ18XU?=",
	    "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82",
	    "KOI8-R is converted"},
	{" =?iso-2022-jp?B?GyRCJDMkcyRLJEEkTxsoQg==?=",
	    "\xe3\x81\x93\xe3\x82\x93\xe3\x81\xab\xe3\x81\xa1\xe3\x81\xaf",
	    "so is ISO-2022-JP"},
	{" =?gb2312?B?xOO6ww==?=", "\xe4\xbd\xa0\xe5\xa5\xbd",
	    "so is GB2312"},
	{" =?utf-7?Q?con+AGYAaQBk-ential?=", "confidential",
	    "so is UTF-7"},
	{" =?utf-16?B?/v8AYwBvAG4=?=", "con", "so is UTF-16"},
	{" =?x-none?Q?a=C3=A9?= =?x-none?Q?=E9?=",
	    "a\xc3\x83\xc2\xa9\xc3\xa9",
	    "an unknown charset is Windows-1252"},
	{" =?utf-16?B?/v8AYw==?= =?utf-16?B?/v8Abw==?= \xef\xbb\xbfn", "co n",
	    "byte order marks are no text"},
	{" =?x-none?Q?a=C3=A9?=", "a\xc3\xa9", "unless it is UTF-8"},
	{" =?utf-8?Q?a=FFb?=", "a\xef\xbf\xbd""b",
	    "a byte that is none becomes U+FFFD"},

	/* What a filter must not miss. */
	{" =?utf-8?Q?caf=C3?= =?utf-8?Q?=A9?=", "caf\xc3\xa9",
	    "a character cut between words is whole"},
	{" =?utf-8?B?Y2Fmww==?=\n =?UTF-8?Q?=A9?=", "caf\xc3\xa9",
	    "though their encodings differ"},
	{" =?utf-8?B?Y29uZ?= =?utf-8?B?mlkZW50aWFs?=", "confidential",
	    "base64 cut between words is whole"},
	{" =?utf-8?B?Y29uZg?= =?utf-8?B?aWRlbnRpYWw?=", "confidential",
	    "base64 without padding in each word too"},
	{" con=?utf-8?Q?fid?=ential", "confidential",
	    "words glued to text are words"},
	{" =?utf-8?Q?con?==?utf-8?Q?fidential?=", "confidential",
	    "as are words glued together"},
	{" \"=?utf-8?Q?con?=\" (=?utf-8?Q?fid?=)", "\"con\" (fid)",
	    "and those in quotes and comments"},
	{" =?utf-8?Q?con fidential?=", "con fidential",
	    "a blank in a word is one"},
	{" =?utf-8?B?Y29u ZmlkZW50\n aWFs?=", "confidential",
	    "blanks in base64 are nothing"},
	{" =?utf-8?B?Y29u*!ZmlkZW50aWFs?=", "confidential",
	    "nor is what is no base64"},
	{" =?utf-8?B?Y28=bmZpZGVudGlhbA==?=", "confidential",
	    "base64 goes on behind its padding"},
	{" =?utf-8?B?Y29uZmlkZW50aWFs", "confidential",
	    "a word without its end is decoded"},
	{" =?utf-8?Q?con=66 x", "conf x", "up to the next blank"},
	{" =?utf-8?Q?con=?utf-8?Q?fidential?=", "confidential",
	    "or the next word"},
	{" =?utf-8?Q?con=6Z=?=", "con=6Z=", "half a code stays"},
	{" =?utf-8?Q?" "?= x", "x", "an empty word is empty"},
	{" =??Q?con?=", "con", "a charset may lack its name"},
	{" =?utf-8?Q?a=0D=0ABcc:_x?=", "a  Bcc: x",
	    "an encoded line end is no line end"},
	{" =?utf-8?Q?=3D=3Futf-8=3FQ=3Fx=3F=3D?=", "=?utf-8?Q?x?=",
	    "what was decoded is not decoded again"},

	{" =?utf-8?X?abc?=", "=?utf-8?X?abc?=", "no such encoding: stays"},
	{" =?utf-8?Q", "=?utf-8?Q", "half a start stays"},
	{" =?=?=?", "=?=?=?", "so does what only looks like one"},
	{" a=?b c?=", "a=?b c?=", "a charset has no blanks"},
};

static void
test_decode(void)
{
	struct buf out;

	buf_init(&out, 4096);
	for (size_t i = 0; i < sizeof(decoded) / sizeof(decoded[0]); i++) {
		buf_reset(&out);
		header_text_decode(decoded[i].value, strlen(decoded[i].value),
		    &out);
		check_str(buf_text(&out), decoded[i].want, decoded[i].says);
	}
	buf_reset(&out);
	buf_puts(&out, "x ");
	header_text_decode(" ", 1, &out);
	check_str(buf_text(&out), "x ", "what is there already stays");
	buf_reset(&out);
	header_text_decode("a\0b", 3, &out);
	check_str(buf_text(&out), "a b", "NUL is a blank");
	buf_clear(&out);
	buf_init(&out, 4);
	header_text_decode(" =?utf-8?Q?=C3=A9=C3=A9=C3=A9?=", 31, &out);
	check(out.overflow && out.len <= 4, "the maximum is kept, and noted");
	buf_clear(&out);
}

static double
seconds(const char *unit, size_t times)
{
	struct buf text, out;
	struct timespec from, to;

	buf_init(&text, 64 << 20);
	buf_init(&out, 256 << 20);
	for (size_t i = 0; i < times; i++)
		buf_puts(&text, unit);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	header_text_decode(buf_text(&text), text.len, &out);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	buf_clear(&text);
	buf_clear(&out);
	return (double)(to.tv_sec - from.tv_sec) +
	    (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

/* Eight times as much takes eight times as long, not sixty-four. */
static void
test_linear(void)
{
	static const char *const units[] = {"=?utf-8?Q?a ", "=?", "=?a?B?",
	    "=?utf-8?B?YQ==?=", " =?big5?Q?a?= =?koi8-r?Q?b?= ", "\xff ",
	    "\n", "=?utf-8?B?=", "=?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
	bool linear = true;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		double few, many;
		int tries = 0;

		/* Other work on the machine disturbs some, not all. */
		do {
			few = seconds(units[i], 20000);
			many = seconds(units[i], 160000);
		} while (many > 20 * few + 0.05 && ++tries < 5);
		if (tries == 5) {
			linear = false;
			printf("# %s: %.4f s, then %.4f s\n", units[i], few,
			    many);
		}
	}
	check(linear, "time grows as the text does, whatever is in it");
}

static void
test_block(void)
{
	static const char head[] = "Subject: =?utf-8?Q?con?=\r\n"
	    " =?utf-8?Q?fid?=\r\nX: a\r\n\tb\r\nno field\r\nLast: =?";
	struct spool *s = spool_new(&place);
	struct error err = {0};
	char *text;

	if (!header_text_block(head, sizeof(head) - 1, s, &err) ||
	    !spool_finish(s, &err))
		abort();
	text = mem_dup(spool_data(s), spool_len(s));
	check_str(text, "Subject: confid\nX: a b\nno field\nLast: =?\n",
	    "a block of header lines is decoded field by field");
	free(text);
	spool_free(&s);
}

static void
test_long_field(void)
{
	struct spool *s = spool_new(&place);
	struct error err = {0};
	struct buf head;

	buf_init(&head, 16 << 20);
	buf_puts(&head, "X:");
	for (int i = 0; i < 500000; i++)
		buf_puts(&head, " aaaaaa\n");
	buf_puts(&head, " =?utf-8?Q?=65nd?=\n");
	check(header_text_block(buf_text(&head), head.len, s, &err) &&
	    spool_finish(s, &err) && spool_len(s) > 3000000 &&
	    memcmp(spool_data(s) + spool_len(s) - 5, " end\n", 5) == 0,
	    "a field of megabytes is decoded to its end");
	spool_free(&s);
	buf_clear(&head);
}

/* --- encoding ------------------------------------------------------------ */

static char *
encode(const char *text, size_t n, size_t name_length)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	header_text_encode(text, n, name_length, &out);
	return buf_take(&out);
}

static void
encodes(const char *text, const char *want, const char *says)
{
	char *got = encode(text, strlen(text), 7);

	check_str(got, want, says);
	free(got);
}

/* May the lines travel, and do they say the same? */
static const char *
encoding_fault(const char *text, size_t n, size_t name_length, size_t limit)
{
	char *value = encode(text, n, name_length);
	size_t column = name_length + 1;
	const char *why = value[0] == ' ' ? NULL : "no blank in front";
	bool blank = false; /* the line so far; the first has a name */
	struct buf once, again;

	for (const char *p = value; why == NULL; p++) {
		if (*p == '\n' || *p == '\0') {
			if (column > limit)
				why = "a line is too long";
			if (blank)
				why = "a line is blank";
			if (*p == '\0')
				break;
			if (p[1] != ' ')
				why = "a fold without a blank";
			column = 0;
			blank = true;
			continue;
		}
		column++;
		blank = blank && *p == ' ';
		if (*p < ' ' || *p >= 0x7f)
			why = "a byte that cannot travel";
	}
	buf_init(&once, 1 << 20);
	buf_init(&again, 1 << 20);
	header_text_decode(text, n, &once);
	header_text_decode(value, strlen(value), &again);
	if (why == NULL && strstr(text, "=?") == NULL &&
	    strcmp(buf_text(&once), buf_text(&again)) != 0)
		why = "it says something else";
	buf_clear(&once);
	buf_clear(&again);
	free(value);
	return why;
}

static void
travels(const char *unit, int times, size_t name_length, size_t limit,
    const char *says)
{
	const char *why;
	struct buf text;

	buf_init(&text, 1 << 20);
	for (int i = 0; i < times; i++)
		buf_puts(&text, unit);
	why = encoding_fault(buf_text(&text), text.len, name_length, limit);
	check(why == NULL, "%s", says);
	if (why != NULL)
		printf("# %s\n", why);
	buf_clear(&text);
}

static void
test_encode(void)
{
	encodes("Hello", " Hello", "US-ASCII stays");
	encodes("", " ", "nothing is a blank");
	encodes("  a  b  ", " a  b", "blanks around go, inside stay");
	encodes("a\r\nBcc: x", " a  Bcc: x", "a line end becomes blanks");
	encodes("caf\xc3\xa9", " =?UTF-8?Q?caf=C3=A9?=",
	    "what is mostly US-ASCII becomes Q");
	encodes("\xe3\x81\x93\xe3\x82\x93", " =?UTF-8?B?44GT44KT?=",
	    "what is not becomes B");
	encodes("caf\xe9", " =?UTF-8?Q?caf=C3=A9?=",
	    "bytes that are no UTF-8 count as Windows-1252");
	encodes("=?utf-8?Q?x?=", " =?UTF-8?Q?=3D=3Futf-8=3FQ=3Fx=3F=3D?=",
	    "what would be read as a word becomes one");
	travels("word ", 200, 7, 76, "long text is folded at 76");
	travels("a   ", 200, 7, 76, "runs of blanks too");
	travels("caf\xc3\xa9 ", 100, 7, 76, "words of Q keep to 76");
	travels("\xf0\x9f\x93\xa7", 100, 7, 76,
	    "words of B never cut a character");
	travels("\xc3\xa9", 100, 60, 76, "behind a long name too");
	travels("x", 5000, 7, 998, "a word of 5,000 characters keeps to 998");
	travels("x", 800, 7, 998, "one of 800 may stand");
	travels("a                                                  ", 1, 7,
	    76, "blanks at the end go");
	travels("\xc3\xa9", 100, 300, 400, "a name of 300 does no harm");
}

static void
test_blank_runs(void)
{
	char *text = mem_alloc(5001);

	memset(text, ' ', 5000);
	text[0] = 'a';
	text[4999] = 'b';
	check(encoding_fault(text, 5000, 7, 998) == NULL,
	    "5,000 blanks in a row make no blank line");
	free(text);
}

/* --- parameters ---------------------------------------------------------- */

static const struct {
	const char *value, *want, *says;
} parameters[] = {
	{" attachment; filename=a.exe", "a.exe", "a plain value is read"},
	{" attachment; FileName=\"a b.exe\"", "a b.exe",
	    "a quoted one, its name in any case"},
	{" attachment; filename=\"=?utf-8?B?ZXZpbC5leGU=?=\"", "evil.exe",
	    "encoded words in quotes are decoded"},
	{" attachment; filename==?utf-8?Q?evil=2Eexe?=", "evil.exe",
	    "and without quotes"},
	{" attachment; filename*=utf-8''caf%C3%A9.txt", "caf\xc3\xa9.txt",
	    "RFC 2231 is decoded"},
	{" attachment; filename*=iso-8859-1'fr'caf%E9.txt",
	    "caf\xc3\xa9.txt", "in its charset"},
	{" attachment; filename*=\"utf-8''a%2eexe\"", "a.exe",
	    "quoted too"},
	{" attachment; filename*=a%2eexe", "a.exe", "without a charset too"},
	{" attachment; filename*0=ev; filename*1=il.exe", "evil.exe",
	    "pieces are joined"},
	{" attachment; filename*1=il.exe; filename*0=ev", "evil.exe",
	    "in whatever order they stand"},
	{" attachment; filename*0*=utf-8''ev%C3; filename*1*=%A9; "
	    "filename*2=\".exe\"", "ev\xc3\xa9.exe",
	    "a character cut between pieces is whole"},
	{" attachment; filename*0=\"=?utf-8?B?ZXZp\"; "
	    "filename*1=\"bC5leGU=?=\"", "evil.exe",
	    "encoded words cut into pieces are decoded"},
	{" attachment; filename=a.txt; filename*=utf-8''b.exe", "b.exe",
	    "RFC 2231 comes before the plain value"},
	{" attachment; filename=gr\xfc\xdf""e", "gr\xc3\xbc\xc3\x9f""e",
	    "raw 8-bit bytes are read"},
	{" attachment; filename=\"a\001b\"", "a b",
	    "control characters are blanks"},
	{" attachment; x=y", NULL, "another parameter is none"},
	{" attachment; filenames=y", NULL, "nor is one with a longer name"},
	{" attachment; filename", NULL, "nor one without a value"},
	{" attachment; filename=", NULL, "nor an empty one"},
	{" attachment", NULL, "nor none"},
};

static void
test_parameters(void)
{
	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]);
	    i++) {
		struct buf out;
		bool found;

		buf_init(&out, 4096);
		found = header_text_parameter(parameters[i].value,
		    strlen(parameters[i].value), "filename", &out);
		check_str(found ? buf_text(&out) : NULL, parameters[i].want,
		    parameters[i].says);
		buf_clear(&out);
	}
}

/* Each must be among what a reader could take. */
static const struct {
	const char *value, *want, *says;
} evasions[] = {
	{" attachment; filename=a.txt; filename=evil.exe", "evil.exe",
	    "the second of two is seen"},
	{" attachment; filename=evil.exe; filename=a.txt", "evil.exe",
	    "and the first"},
	{" attachment; filename=a.txt; filename*=utf-8''evil.exe", "a.txt",
	    "the plain one beside RFC 2231"},
	{" attachment; filename=my evil.exe", "my evil.exe",
	    "a blank without quotes"},
	{" attachment; filename=report(1).exe", "report(1).exe",
	    "parentheses in a name"},
	{" attachment; filename=\"evil.exe", "evil.exe",
	    "a quote that is not closed"},
	{" attachment; filename=\"evil\".exe", "evil.exe",
	    "quotes around a half"},
	{" attachment; filename=\"evil\\.exe\"", "evil.exe",
	    "a backslash before a character"},
	{" attachment; filename=\"C:\\dir\\evil.exe\"", "C:\\dir\\evil.exe",
	    "backslashes that are meant"},
	{" attachment; filename=\"evil.exe. . \"", "evil.exe",
	    "dots and blanks that Windows drops"},
	{" attachment; foo; filename=evil.exe", "evil.exe",
	    "one behind a word that is no parameter"},
	{" attachment; =x; filename=evil.exe", "evil.exe",
	    "behind a value without a name"},
	{" attachment; (; filename=evil.exe)", "evil.exe)",
	    "one in a comment, for who knows no comments"},
	{" attachment; (\") filename=evil.exe", "evil.exe",
	    "one behind a quote in a comment"},
	{" attachment; (a (b) \\) ;) filename (c) = (d) evil.exe", "evil.exe",
	    "one among comments"},
	{" attachment filename=evil.exe", "evil.exe",
	    "one without its semicolon"},
	{" filename=evil.exe", "evil.exe", "one without the type"},
	{" attachment; x=\"; filename=evil.exe", "; filename=evil.exe",
	    "nothing of an open quote, but see next"},
	{" attachment; filename*0=evil; filename*2=.exe", "evil.exe",
	    "pieces with a gap"},
	{" attachment; filename*0=evil; filename*2=.exe", "evil",
	    "and up to the gap"},
	{" attachment; filename*0=a; filename*0=evil; filename*1=.exe",
	    "evil.exe", "the second of two pieces"},
	{" attachment; filename*0=evil; filename*0=a; filename*1=.exe",
	    "evil.exe", "and the first"},
	{" attachment; filename*00=evil; filename*01=.exe", "evil.exe",
	    "pieces with zeros in front"},
	{" attachment; filename*0*=x-none''evil; filename*1*=%2Eexe",
	    "evil.exe", "an unknown charset"},
	{" attachment;\r\n\tfilename\r\n =\r\n \"evil.\r\n exe\"",
	    "evil. exe", "folds everywhere"},
};

static void
test_evasions(void)
{
	for (size_t i = 0; i < sizeof(evasions) / sizeof(evasions[0]); i++) {
		const char *value = evasions[i].value;
		struct strvec all = {0};
		bool x = strstr(value, " x=\"") != NULL;

		header_parameter_all(value, strlen(value),
		    x ? "x" : "filename", &all);
		check(strvec_has(&all, evasions[i].want), "file name: %s",
		    evasions[i].says);
		for (size_t k = 0; !strvec_has(&all, evasions[i].want) &&
		    k < all.n; k++)
			printf("# %s\n", all.v[k]);
		strvec_clear(&all);
	}
}

static void
test_crowds(void)
{
	static const char nul[] = " a; filename=\"evil.exe\0.txt\"";
	struct strvec all = {0};
	struct buf text;
	size_t len;

	check(header_parameter_all(nul, sizeof(nul) - 1, "filename", &all) &&
	    strvec_has(&all, "evil.exe") && strvec_has(&all, "evil.exe .txt"),
	    "file name: up to a NUL, and all");
	strvec_clear(&all);
	buf_init(&text, 1 << 20);
	buf_puts(&text, " attachment");
	for (int i = 0; i < 1000; i++)
		buf_printf(&text, "; filename=a%d", i);
	check(!header_parameter_all(buf_text(&text), text.len, "filename",
	    &all) && all.n == HEADER_PARAMETER_MAX &&
	    strvec_has(&all, "a0") && strvec_has(&all, "a999"),
	    "of a thousand names the first and the last are kept, and it is "
	    "said");
	strvec_clear(&all);
	buf_reset(&text);
	buf_puts(&text, " attachment; filename=\"");
	for (int i = 0; i < 80000; i++)
		buf_putc(&text, ' ');
	buf_puts(&text, ".exe\"");
	header_parameter_all(buf_text(&text), text.len, "filename", &all);
	len = all.n == 0 ? 0 : strlen(all.v[0]);
	check(len >= 4 && strcmp(all.v[0] + len - 4, ".exe") == 0,
	    "of a name of 80,000 characters the end is kept");
	strvec_clear(&all);
	buf_clear(&text);
}

int
main(void)
{
	test_decode();
	test_linear();
	test_block();
	test_long_field();
	test_encode();
	test_blank_runs();
	test_parameters();
	test_evasions();
	test_crowds();
	return tap_done();
}
