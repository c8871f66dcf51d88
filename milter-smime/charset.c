/* SPDX-License-Identifier: BSD-2-Clause */
#include "charset.h"

#include <errno.h>
#include <iconv.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/ascii.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "text_writer.h"

#define NAME_MAX_LENGTH 40
#define WINDOW 4096		/* bytes given to iconv(3) at once */
#define UTF16_LOOK (64 * 1024) /* bytes that tell the byte order */
#define UTF8_MARK "\xef\xbb\xbf"
#define PINS_MAX 2048	       /* glibc knows some 1,200 names */

enum how {
	HOW_GUESS, /* not known */
	HOW_ASCII, /* guessed too, when it is not that */
	HOW_UTF8,
	HOW_1252,
	HOW_UTF16,
	HOW_ICONV,
};

struct charset {
	enum how how;
	char name[NAME_MAX_LENGTH + 1]; /* for iconv(3) */
	bool ascii_based;
};

/* Names that iconv(3) does not know, or takes more narrowly than readers. */
static const struct {
	const char *name;
	enum how how;
	const char *iconv_name;
} aliases[] = {
	{"us-ascii", HOW_ASCII, NULL},
	{"ascii", HOW_ASCII, NULL},
	{"ansi_x3.4-1968", HOW_ASCII, NULL},
	{"iso646-us", HOW_ASCII, NULL},
	{"utf-8", HOW_UTF8, NULL},
	{"utf8", HOW_UTF8, NULL},
	{"x-utf-8", HOW_UTF8, NULL},
	{"unicode-1-1-utf-8", HOW_UTF8, NULL},
	{"cp65001", HOW_UTF8, NULL},
	{"iso-8859-1", HOW_1252, NULL},
	{"iso_8859-1", HOW_1252, NULL},
	{"iso8859-1", HOW_1252, NULL},
	{"iso88591", HOW_1252, NULL},
	{"latin1", HOW_1252, NULL},
	{"latin-1", HOW_1252, NULL},
	{"l1", HOW_1252, NULL},
	{"windows-1252", HOW_1252, NULL},
	{"cp1252", HOW_1252, NULL},
	{"x-cp1252", HOW_1252, NULL},
	{"x-ansi", HOW_1252, NULL},
	{"utf-16", HOW_UTF16, NULL},
	{"utf16", HOW_UTF16, NULL},
	{"ucs-2", HOW_UTF16, NULL},
	{"iso-10646-ucs-2", HOW_UTF16, NULL},
	{"csunicode", HOW_UTF16, NULL},
	{"unicode", HOW_UTF16, NULL},
	{"utf-7", HOW_ICONV, "UTF-7"},
	{"unicode-1-1-utf-7", HOW_ICONV, "UTF-7"},
	{"unicode-2-0-utf-7", HOW_ICONV, "UTF-7"},
	{"x-unicode-2-0-utf-7", HOW_ICONV, "UTF-7"},
	{"csunicode11utf7", HOW_ICONV, "UTF-7"},
	{"iso-8859-8-i", HOW_ICONV, "ISO-8859-8"},
	{"iso-8859-8-e", HOW_ICONV, "ISO-8859-8"},
	{"iso-8859-9", HOW_ICONV, "CP1254"},
	{"latin5", HOW_ICONV, "CP1254"},
	{"iso-8859-11", HOW_ICONV, "CP874"},
	{"tis-620", HOW_ICONV, "CP874"},
	{"shift_jis", HOW_ICONV, "CP932"},
	{"shift-jis", HOW_ICONV, "CP932"},
	{"sjis", HOW_ICONV, "CP932"},
	{"x-sjis", HOW_ICONV, "CP932"},
	{"ms_kanji", HOW_ICONV, "CP932"},
	{"csshiftjis", HOW_ICONV, "CP932"},
	{"windows-31j", HOW_ICONV, "CP932"},
	{"euc-jp", HOW_ICONV, "EUC-JP-MS"},
	{"x-euc-jp", HOW_ICONV, "EUC-JP-MS"},
	{"euc-kr", HOW_ICONV, "CP949"},
	{"ks_c_5601-1987", HOW_ICONV, "CP949"},
	{"ks_c_5601-1989", HOW_ICONV, "CP949"},
	{"ksc_5601", HOW_ICONV, "CP949"},
	{"ksc5601", HOW_ICONV, "CP949"},
	{"korean", HOW_ICONV, "CP949"},
	{"windows-949", HOW_ICONV, "CP949"},
	{"gb2312", HOW_ICONV, "GB18030"},
	{"gb_2312-80", HOW_ICONV, "GB18030"},
	{"csgb2312", HOW_ICONV, "GB18030"},
	{"chinese", HOW_ICONV, "GB18030"},
	{"euc-cn", HOW_ICONV, "GB18030"},
	{"gbk", HOW_ICONV, "GB18030"},
	{"x-gbk", HOW_ICONV, "GB18030"},
	{"cp936", HOW_ICONV, "GB18030"},
	{"big5", HOW_ICONV, "BIG5-HKSCS"},
	{"cn-big5", HOW_ICONV, "BIG5-HKSCS"},
	{"x-x-big5", HOW_ICONV, "BIG5-HKSCS"},
	{"x-mac-roman", HOW_ICONV, "MACINTOSH"},
	{"x-mac-cyrillic", HOW_ICONV, "MAC-CYRILLIC"},
};

/* What a byte from 0x80 to 0x9f is in Windows-1252. */
static const uint16_t windows_1252[32] = {
	0x20ac, 0x0081, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
	0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x008d, 0x017d, 0x008f,
	0x0090, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
	0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x009d, 0x017e, 0x0178,
};

/* ---- names ---- */

/*
 * One open converter for each charset ever used, so that its code stays
 * loaded.  Sorted by name; never shrinks.
 */
struct pin {
	char *name;
	bool ascii_based;
	iconv_t converter;
};

static struct {
	pthread_mutex_t lock;
	struct pin *v;
	size_t n;
} pins = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool
stays_same(iconv_t converter, char *text, size_t n)
{
	char result[1024], *in = text, *out = result;
	size_t left = n, room = sizeof(result);
	bool whole;

	iconv(converter, NULL, NULL, NULL, NULL);
	whole = iconv(converter, &in, &left, &out, &room) == 0 &&
	    iconv(converter, NULL, NULL, &out, &room) == 0;
	return whole && (size_t)(out - result) == n &&
	    memcmp(text, result, n) == 0;
}

/* Do all US-ASCII bytes stand for themselves, and do so always? */
static bool
probe_ascii(iconv_t converter)
{
	/* What shifts ISO-2022-JP, -KR and -CN (RFC 1468, 1557, 1922). */
	char shifts[] = "\033$B!!\033$)C\033$)A\016!!\017";
	char all[0x7f];

	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)(i + 1);
	return stays_same(converter, all, sizeof(all)) &&
	    stays_same(converter, shifts, sizeof(shifts) - 1);
}

/* Where the name is, or belongs. */
static size_t
pin_index(const char *name, bool *found)
{
	size_t low = 0, high = pins.n;

	*found = false;
	while (low < high && !*found) {
		size_t middle = (low + high) / 2;
		int order = strcmp(pins.v[middle].name, name);

		if (order == 0)
			*found = true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return high;
}

static void
add_pin(size_t at, const char *name, iconv_t converter)
{
	pins.v = mem_resize(pins.v, pins.n + 1, sizeof(*pins.v));
	memmove(&pins.v[at + 1], &pins.v[at], (pins.n - at) *
	    sizeof(*pins.v));
	pins.v[at].name = mem_strdup(name);
	pins.v[at].ascii_based = probe_ascii(converter);
	pins.v[at].converter = converter;
	pins.n++;
}

/* False when iconv(3) does not know it. */
static bool
find_pin(const char *name, bool *ascii_based)
{
	iconv_t converter;
	bool found;
	size_t at;

	pthread_mutex_lock(&pins.lock);
	at = pin_index(name, &found);
	if (!found && pins.n < PINS_MAX) {
		converter = iconv_open("UTF-8", name);
		found = converter != (iconv_t)-1;
		if (found)
			add_pin(at, name, converter);
	}
	*ascii_based = found && pins.v[at].ascii_based;
	pthread_mutex_unlock(&pins.lock);
	return found;
}

/*
 * Lower case without quotes and blanks around it; false when no charset
 * could be called so.  iconv(3) gives "/" a meaning of its own.
 */
static bool
tidy_name(const char *name, char out[NAME_MAX_LENGTH + 1])
{
	static const char around[] = " \t\r\n\"'";
	size_t n;

	name += strspn(name, around);
	n = strlen(name);
	while (n > 0 && strchr(around, name[n - 1]) != NULL)
		n--;
	if (n == 0 || n > NAME_MAX_LENGTH)
		return false;
	for (size_t i = 0; i < n; i++) {
		out[i] = ascii_lower(name[i]);
		if (!ascii_is_alnum(out[i]) && strchr("-_.:",
		    out[i]) == NULL)
			return false;
	}
	out[n] = '\0';
	/* Names of glibc's inner forms: text in no charset of anybody's. */
	return strcmp(out, "internal") != 0 && strcmp(out, "wchar_t") != 0;
}

static bool
use_iconv(struct charset *c, const char *name)
{
	size_t n = 0;

	for (; n < NAME_MAX_LENGTH && name[n] != '\0'; n++)
		c->name[n] = name[n] >= 'a' && name[n] <= 'z' ?
		    (char)(name[n] - 'a' + 'A') : name[n];
	c->name[n] = '\0';
	c->how = HOW_ICONV;
	return find_pin(c->name, &c->ascii_based);
}

static void
resolve(const char *name, struct charset *c)
{
	char tidy[NAME_MAX_LENGTH + 1];

	*c = (struct charset){.how = HOW_GUESS, .ascii_based = true};
	if (name == NULL || !tidy_name(name, tidy))
		return;
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		if (strcmp(tidy, aliases[i].name) != 0)
			continue;
		c->how = aliases[i].how;
		c->ascii_based = c->how != HOW_UTF16;
		if (c->how != HOW_ICONV ||
		    use_iconv(c, aliases[i].iconv_name))
			return;
		break; /* as it is called, then */
	}
	if (use_iconv(c, tidy) ||
	    (strncmp(tidy, "x-", 2) == 0 && use_iconv(c, tidy + 2)))
		return;
	*c = (struct charset){.how = HOW_GUESS, .ascii_based = true};
}

/* ---- conversion ---- */

static bool
has_mark(const char *p, size_t n, const char *mark)
{
	size_t len = strlen(mark);

	return n >= len && memcmp(p, mark, len) == 0;
}

static void
from_1252(const char *p, size_t n, struct text_writer *w)
{
	size_t i = 0;

	while (i < n) {
		size_t plain = utf8_span_ascii(p + i, n - i);

		text_writer_put(w, p + i, plain);
		for (i += plain; i < n && (unsigned char)p[i] >= 0x80; i++)
			text_writer_put_char(w,
			    charset_windows_1252((unsigned char)p[i]));
	}
}

static void
from_utf8(const char *p, size_t n, struct text_writer *w)
{
	size_t i = has_mark(p, n, UTF8_MARK) ? 3 : 0;

	while (i < n) {
		size_t good = utf8_span(p + i, n - i);

		text_writer_put(w, p + i, good);
		i += good;
		if (i < n) {
			text_writer_put_char(w, UTF8_REPLACEMENT);
			i++;
		}
	}
}

/* Bytes of its smallest character, to go on behind a bad one. */
static size_t
unit_of(const char *name)
{
	if (strncmp(name, "UTF-16", 6) == 0 ||
	    strncmp(name, "UCS-2", 5) == 0 || strncmp(name, "UCS2", 4) == 0 ||
	    strncmp(name, "UTF16", 5) == 0 || strncmp(name, "UNICODE", 7) == 0)
		return 2;
	if (strncmp(name, "UTF-32", 6) == 0 || strncmp(name, "UTF32", 5) == 0 ||
	    strncmp(name, "UCS-4", 5) == 0 || strncmp(name, "UCS4", 4) == 0)
		return 4;
	return 1;
}

/* What iconv(3) keeps back until it has seen more. */
static void
finish_iconv(iconv_t converter, struct text_writer *w)
{
	size_t room;
	char *out;

	text_writer_flush(w);
	out = w->block;
	room = sizeof(w->block);
	iconv(converter, NULL, NULL, &out, &room);
	w->n = sizeof(w->block) - room;
}

static void
from_iconv(const char *name, const char *p, size_t n, struct text_writer *w)
{
	iconv_t converter = iconv_open("UTF-8", name);
	char *in = (char *)p; /* iconv(3) does not write there */
	size_t unit = unit_of(name), step;

	if (converter == (iconv_t)-1) {
		/* No memory, though it was there before: lose nothing. */
		from_utf8(p, n, w);
		return;
	}
	while (n > 0 && w->ok) {
		size_t window = n < WINDOW ? n : WINDOW, left = window;
		size_t room = sizeof(w->block) - w->n;
		char *out = w->block + w->n;
		int why = iconv(converter, &in, &left, &out, &room) ==
		    (size_t)-1 ? errno : 0;

		w->n = sizeof(w->block) - room;
		n -= window - left;
		if (why == E2BIG && w->n > 0)
			text_writer_flush(w);
		else if (why != 0 && (why != EINVAL || left == window ||
		    left == n)) {
			/* No character, or half of one at the end. */
			text_writer_put_char(w, UTF8_REPLACEMENT);
			step = n < unit ? n : unit;
			in += step;
			n -= step;
		}
	}
	finish_iconv(converter, w);
	iconv_close(converter);
}

static bool
has_utf16_mark(const char *p, size_t n)
{
	return has_mark(p, n, "\xff\xfe") || has_mark(p, n, "\xfe\xff");
}

static void
from_utf16(const char *p, size_t n, struct text_writer *w)
{
	size_t look = n < UTF16_LOOK ? n & ~(size_t)1 : UTF16_LOOK;
	size_t zeros[2] = {0, 0};
	bool little;

	if (has_utf16_mark(p, n)) {
		little = (unsigned char)p[0] == 0xff;
		p += 2;
		n -= 2;
	} else {
		for (size_t i = 0; i < look; i++)
			zeros[i & 1] += p[i] == '\0';
		little = zeros[1] > zeros[0];
	}
	from_iconv(little ? "UTF-16LE" : "UTF-16BE", p, n, w);
}

static void
from_unknown(const char *p, size_t n, struct text_writer *w)
{
	if (has_utf16_mark(p, n))
		from_utf16(p, n, w);
	else if (utf8_span(p, n) == n)
		from_utf8(p, n, w);
	else
		from_1252(p, n, w);
}

static void
convert(const char *name, const char *p, size_t n, struct text_writer *w)
{
	struct charset c;

	resolve(name, &c);
	switch (c.how) {
	case HOW_GUESS:
	case HOW_ASCII:
		from_unknown(p, n, w);
		break;
	case HOW_UTF8:
		from_utf8(p, n, w);
		break;
	case HOW_1252:
		from_1252(p, n, w);
		break;
	case HOW_UTF16:
		from_utf16(p, n, w);
		break;
	case HOW_ICONV:
		if (unit_of(c.name) == 2 && has_utf16_mark(p, n))
			from_utf16(p, n, w);
		else
			from_iconv(c.name, p, n, w);
		break;
	}
}

bool
charset_is_utf8(const char *name)
{
	struct charset c;

	resolve(name, &c);
	return c.how == HOW_UTF8 || c.how == HOW_ASCII;
}

bool
charset_is_ascii_based(const char *name)
{
	struct charset c;

	resolve(name, &c);
	return c.ascii_based;
}

bool
charset_is_same(const char *name, const char *p, size_t n)
{
	struct charset c;

	resolve(name, &c);
	if (!c.ascii_based || has_mark(p, n, UTF8_MARK))
		return false;
	if (c.how == HOW_1252 || c.how == HOW_ICONV)
		return utf8_span_ascii(p, n) == n;
	return utf8_span(p, n) == n;
}

uint32_t
charset_windows_1252(unsigned char c)
{
	return c >= 0x80 && c < 0xa0 ? windows_1252[c - 0x80] : c;
}

void
charset_to_utf8(const char *charset, const char *p, size_t n, struct buf *out)
{
	struct text_writer w;

	text_writer_to_buf(&w, out);
	convert(charset, p, n, &w);
	(void)!text_writer_end(&w);
}

bool
charset_convert(const char *charset, const char *p, size_t n,
    struct spool *out, struct error *err)
{
	struct text_writer w;

	text_writer_to_spool(&w, out, err);
	convert(charset, p, n, &w);
	return text_writer_end(&w);
}
