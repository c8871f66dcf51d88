/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter-smime/charset.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/mem.h"
#include "tap.h"

static const struct spool_place place = {"/tmp", 1 << 20};

#define N(literal) (literal), sizeof(literal) - 1

static const struct {
	const char *charset, *text;
	size_t n;
	const char *want, *says;
} texts[] = {
	{"utf-8", N("caf\xc3\xa9"), "caf\xc3\xa9", "UTF-8 stays"},
	{"utf-8", N("a\xe9z\xc3"), "a\xef\xbf\xbdz\xef\xbf\xbd",
	    "what is no UTF-8 becomes U+FFFD"},
	{"UTF8", N("\xed\xa0\x80"),
	    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", "so do surrogates"},
	{"utf-8", N("\xef\xbb\xbf""a"), "a", "a byte order mark is no text"},
	{"us-ascii", N("caf\xc3\xa9"), "caf\xc3\xa9",
	    "UTF-8 that is called US-ASCII is read as UTF-8"},
	{"us-ascii", N("caf\xe9"), "caf\xc3\xa9",
	    "other bytes are Windows-1252"},
	{NULL, N("caf\xc3\xa9"), "caf\xc3\xa9", "without a name too: UTF-8"},
	{NULL, N("caf\xe9 \x80"), "caf\xc3\xa9 \xe2\x82\xac",
	    "or Windows-1252"},
	{"x-nobody-knows", N("caf\xe9"), "caf\xc3\xa9",
	    "and with a name that nobody knows"},
	{"", N("caf\xe9"), "caf\xc3\xa9", "or none at all"},
	{"iso-8859-1", N("\x93q\x94 \xe9"),
	    "\xe2\x80\x9cq\xe2\x80\x9d \xc3\xa9",
	    "ISO-8859-1 is what everybody takes it for"},
	{"windows-1252", N("\x80\x81"), "\xe2\x82\xac\xc2\x81",
	    "all bytes of Windows-1252 are something"},
	{"iso-8859-15", N("\xa4"), "\xe2\x82\xac", "ISO-8859-15 is itself"},
	{"koi8-r", N("\xf0\xd2\xc9"), "\xd0\x9f\xd1\x80\xd0\xb8",
	    "KOI8-R is read"},
	{"windows-1251", N("\xcf\xf0\xe8"), "\xd0\x9f\xd1\x80\xd0\xb8",
	    "Windows-1251 is read"},
	{"shift_jis", N("\x82\xb1\x82\xf1 a"), "\xe3\x81\x93\xe3\x82\x93 a",
	    "Shift_JIS is read"},
	{"x-sjis", N("\x87\x40\\"), "\xe2\x91\xa0\\",
	    "with what Windows added to it"},
	{"euc-jp", N("\xa4\xb3"), "\xe3\x81\x93", "EUC-JP is read"},
	{"iso-2022-jp", N("\x1b$B$3$s\x1b(B a"),
	    "\xe3\x81\x93\xe3\x82\x93 a", "ISO-2022-JP is read"},
	{"ks_c_5601-1987", N("\xb0\xa1"), "\xea\xb0\x80",
	    "Korean is, by the name that mail has for it"},
	{"gb2312", N("\xc4\xe3\x81\x30\x81\x30"), "\xe4\xbd\xa0\xc2\x80",
	    "GB2312 is read as GB18030"},
	{"big5", N("\xa7\x41"), "\xe4\xbd\xa0", "Big5 is read"},
	{"utf-7", N("con+AGYAaQBk-ential +- 1"), "confidential + 1",
	    "UTF-7 is read"},
	{"unicode-1-1-utf-7", N("+AGE-"), "a", "by its old name too"},
	{"utf-16", N("\xfe\xff\0a\0b"), "ab", "UTF-16 with a mark is read"},
	{"utf-16", N("\xff\xfe""a\0b\0"), "ab", "in both orders"},
	{"utf-16", N("\0a\0b"), "ab", "without a mark too"},
	{"utf-16", N("a\0b\0"), "ab", "by where the zeros are"},
	{"utf-16", N("\x4f\x60"), "\xe4\xbd\xa0",
	    "big-endian when that does not tell"},
	{"utf-16le", N("\xff\xfe""a\0"), "a", "a mark goes from UTF-16LE"},
	{"utf-16le", N("\xfe\xff\0a"), "a", "and is believed before it"},
	{"utf-16be", N("\xd8\0\0a"), "\xef\xbf\xbd""a",
	    "half a surrogate does not shift the rest"},
	{"utf-16be", N("\0a\0"), "a\xef\xbf\xbd", "nor does half a unit"},
	{"us-ascii", N("\xff\xfe""a\0b\0"), "ab",
	    "a mark of UTF-16 tells what US-ASCII does not"},
	{"tis-620", N("\xa1"), "\xe0\xb8\x81", "TIS-620 is read"},
	{"ibm037", N("\x83\x96\x95"), "con", "EBCDIC is read"},
	{"\"UTF-8\" ", N("\xc3\xa9"), "\xc3\xa9",
	    "quotes and blanks around a name are not of it"},
	{"utf-8//TRANSLIT", N("caf\xe9"), "caf\xc3\xa9",
	    "what iconv(3) adds to names is no name"},
	{"INTERNAL", N("a\0\0\0"), "a", "nor are glibc's inner forms"},
	{"shift_jis", N("\x82"), "\xef\xbf\xbd",
	    "half a character at the end is U+FFFD"},
	{"big5", N("\x81\xff""ab"), "\xef\xbf\xbd\xef\xbf\xbd""ab",
	    "a byte that is none takes no other with it"},
};

static void
test_texts(void)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct spool *s = spool_new(&place);
		struct error err = {0};
		struct buf out;

		buf_init(&out, 1024);
		charset_to_utf8(texts[i].charset, texts[i].text, texts[i].n,
		    &out);
		/* One test has a NUL to keep. */
		check(out.len >= strlen(texts[i].want) &&
		    memcmp(buf_text(&out), texts[i].want,
		    strlen(texts[i].want)) == 0 &&
		    (out.len == strlen(texts[i].want) ||
		    memchr(buf_text(&out), '\0', out.len) != NULL), "%s",
		    texts[i].says);
		if (!charset_convert(texts[i].charset, texts[i].text,
		    texts[i].n, s, &err) || !spool_finish(s, &err))
			abort();
		if (spool_len(s) != out.len ||
		    memcmp(spool_data(s), buf_text(&out), out.len) != 0)
			check(false, "and in blocks");
		spool_free(&s);
		buf_clear(&out);
	}
}

static void
test_names(void)
{
	static const char *const based[] = {"utf-8", "us-ascii", "iso-8859-1",
	    "koi8-r", "windows-1251", "shift_jis", "euc-kr", "gb18030",
	    "big5", "x-nobody-knows"};
	static const char *const not_based[] = {"utf-7", "utf-16",
	    "utf-16le", "iso-2022-jp", "iso-2022-kr", "ibm037", "utf-32be"};
	bool right = true;

	check(charset_is_utf8("UTF-8") && charset_is_utf8("us-ascii") &&
	    !charset_is_utf8("iso-8859-1") && !charset_is_utf8(NULL) &&
	    !charset_is_utf8("utf-16"),
	    "UTF-8 and US-ASCII are UTF-8, nothing else is");
	for (size_t i = 0; i < sizeof(based) / sizeof(based[0]); i++)
		right = right && charset_is_ascii_based(based[i]);
	check(right, "most charsets have US-ASCII in them");
	for (size_t i = 0; i < sizeof(not_based) / sizeof(not_based[0]); i++)
		right = right && !charset_is_ascii_based(not_based[i]);
	check(right, "those with shifts, and wide ones, do not");
}

static void
test_same(void)
{
	check(charset_is_same("utf-8", N("caf\xc3\xa9")) &&
	    charset_is_same("us-ascii", N("caf\xc3\xa9")) &&
	    charset_is_same(NULL, N("caf\xc3\xa9")),
	    "UTF-8 need not be converted");
	check(charset_is_same("koi8-r", N("abc")) &&
	    charset_is_same("iso-8859-1", N("abc")) &&
	    charset_is_same("gb2312", N("abc")),
	    "nor need US-ASCII in what has it");
	check(!charset_is_same("iso-8859-1", N("caf\xc3\xa9")) &&
	    !charset_is_same("utf-7", N("a+AGE-")) &&
	    !charset_is_same("utf-8", N("\xe9")) &&
	    !charset_is_same("utf-8", N("\xef\xbb\xbf""a")) &&
	    !charset_is_same("iso-2022-jp", N("\x1b$B$3")),
	    "all else must be");
}

static void
test_large(void)
{
	size_t n = 3 << 20;
	char *text = mem_alloc(n);
	struct spool *s = spool_new(&place);
	struct error err = {0};
	bool right;

	memset(text, 0xe9, n);
	right = charset_convert("koi8-r", text, n, s, &err) &&
	    spool_finish(s, &err) && spool_len(s) == 2 * n;
	for (size_t i = 0; right && i < n; i++)
		right = memcmp(spool_data(s) + 2 * i, "\xd0\x98", 2) == 0;
	check(right, "three megabytes are converted whole");
	spool_free(&s);
	s = spool_new(&place);
	memset(text, 0xff, 300000);
	right = charset_convert("shift_jis", text, 300000, s, &err) &&
	    spool_finish(s, &err) && spool_len(s) == 900000;
	check(right, "so are 300,000 bytes of nothing good");
	spool_free(&s);
	s = spool_new(&place);
	text[0] = 'a';
	for (size_t i = 1; i + 1 < n; i += 2)
		memcpy(text + i, "\x82\xb1", 2);
	right = charset_convert("shift_jis", text, n - 1, s, &err) &&
	    spool_finish(s, &err) && spool_len(s) == 1 + (n - 2) / 2 * 3;
	for (size_t i = 1; right && i + 3 <= spool_len(s); i += 3)
		right = memcmp(spool_data(s) + i, "\xe3\x81\x93", 3) == 0;
	check(right, "no character is cut between blocks");
	spool_free(&s);
	free(text);
}

/* Converts with all charsets there are here; counts what went wrong. */
static void *
convert_many(void *count)
{
	size_t wrong = 0;

	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
			struct buf out;

			buf_init(&out, 1024);
			charset_to_utf8(texts[i].charset, texts[i].text,
			    texts[i].n, &out);
			wrong += memcmp(buf_text(&out), texts[i].want,
			    strlen(texts[i].want)) != 0;
			buf_clear(&out);
		}
	}
	*(size_t *)count = wrong;
	return NULL;
}

static void
test_threads(void)
{
	pthread_t threads[4];
	size_t wrong[4], sum = 0;

	for (size_t i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, convert_many,
		    &wrong[i]) != 0)
			abort();
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		sum += wrong[i];
	}
	check(sum == 0, "four threads at once convert alike");
}

int
main(void)
{
	test_threads();
	test_texts();
	test_names();
	test_same();
	test_large();
	return tap_done();
}
