/* SPDX-License-Identifier: BSD-2-Clause */
#include "header_policy.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/ascii.h"
#include "common/mailaddr.h"

#define LINE 76

/* ---- dates ---- */

/* Blanks, folds and comments; a cursor to what follows. */
static const char *
skip_blanks(const char *p)
{
	unsigned depth = 0;

	for (; *p != '\0'; p++) {
		if (*p == '\\' && depth > 0 && p[1] != '\0')
			p++;
		else if (*p == '(')
			depth++;
		else if (*p == ')' && depth > 0)
			depth--;
		else if (depth == 0 && strchr(" \t\r\n", *p) == NULL)
			break;
	}
	return p;
}

/* A number of min to max digits; false when there is none. */
static bool
take_number(const char **p, unsigned min, unsigned max, int *value)
{
	unsigned n = 0;

	*value = 0;
	while (n < max && (*p)[n] >= '0' && (*p)[n] <= '9')
		*value = 10 * *value + ((*p)[n++] - '0');
	if (n < min || ((*p)[n] >= '0' && (*p)[n] <= '9'))
		return false;
	*p += n;
	return true;
}

/* Which of the words, three letters each, stands here; -1: none. */
static int
take_word(const char **p, const char *words)
{
	for (int i = 0; words[3 * i] != '\0'; i++) {
		int same = 0;

		while (same < 3 && ascii_lower((*p)[same]) ==
		    ascii_lower(words[3 * i + same]))
			same++;
		if (same == 3 && !ascii_is_alnum((*p)[3])) {
			*p += 3;
			return i;
		}
	}
	return -1;
}

static bool
take_char(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

/* Minutes east of Greenwich (RFC 5322 3.3 and 4.3). */
static bool
take_zone(const char **p, int *minutes)
{
	/* Hours west, in the order of the words. */
	static const char words[] = "GMTESTEDTCSTCDTMSTMDTPSTPDT";
	static const int west[] = {0, 5, 4, 6, 5, 7, 6, 8, 7};
	bool negative = **p == '-';
	int digits, word;

	if (negative || **p == '+') {
		(*p)++;
		if (!take_number(p, 4, 4, &digits) || digits % 100 > 59 ||
		    digits / 100 > 23)
			return false;
		*minutes = digits / 100 * 60 + digits % 100;
		if (negative)
			*minutes = -*minutes;
		return true;
	}
	*minutes = 0;
	if (ascii_lower((*p)[0]) == 'u' && ascii_lower((*p)[1]) == 't' &&
	    !ascii_is_alnum((*p)[2])) {
		*p += 2;
		return true;
	}
	word = take_word(p, words);
	if (word >= 0)
		*minutes = -60 * west[word];
	return word >= 0;
}

static bool
take_time(const char **p, struct tm *tm)
{
	*p = skip_blanks(*p);
	if (!take_number(p, 2, 2, &tm->tm_hour) || tm->tm_hour > 23)
		return false;
	*p = skip_blanks(*p);
	if (!take_char(p, ':'))
		return false;
	*p = skip_blanks(*p);
	if (!take_number(p, 2, 2, &tm->tm_min) || tm->tm_min > 59)
		return false;
	*p = skip_blanks(*p);
	if (!take_char(p, ':'))
		return true;
	*p = skip_blanks(*p);
	return take_number(p, 2, 2, &tm->tm_sec) && tm->tm_sec <= 60;
}

static bool
take_day(const char **p, struct tm *tm)
{
	*p = skip_blanks(*p);
	if (take_word(p, "SunMonTueWedThuFriSat") >= 0) {
		*p = skip_blanks(*p);
		if (!take_char(p, ','))
			return false;
	}
	*p = skip_blanks(*p);
	if (!take_number(p, 1, 2, &tm->tm_mday) || tm->tm_mday < 1 ||
	    tm->tm_mday > 31)
		return false;
	*p = skip_blanks(*p);
	tm->tm_mon = take_word(p, "JanFebMarAprMayJunJulAugSepOctNovDec");
	*p = skip_blanks(*p);
	if (tm->tm_mon < 0 || !take_number(p, 4, 4, &tm->tm_year) ||
	    tm->tm_year < 1900)
		return false;
	tm->tm_year -= 1900;
	return true;
}

/* RFC 5322 date-time; false when it is none, or no date there is. */
static bool
parse_date(const char *text, time_t *at)
{
	struct tm tm = {0};
	int day, minutes;

	if (!take_day(&text, &tm) || !take_time(&text, &tm))
		return false;
	text = skip_blanks(text);
	if (!take_zone(&text, &minutes) || *skip_blanks(text) != '\0')
		return false;
	day = tm.tm_mday;
	*at = timegm(&tm);
	if (tm.tm_mday != day) /* 31 February */
		return false;
	*at -= 60 * (time_t)minutes;
	return true;
}

static enum header_show
show_utc(const char *value, struct buf *out)
{
	static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu",
		"Fri", "Sat"};
	static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May",
		"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct tm tm;
	time_t at;

	if (!parse_date(value, &at) || gmtime_r(&at, &tm) == NULL)
		return SHOW_SAME;
	/* strftime(3) would ask the locale. */
	buf_printf(out, " %s, %d %s %d %02d:%02d:%02d +0000",
	    days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
	    tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
	return SHOW_OTHER;
}

/* ---- addresses ---- */

static bool
is_ascii(const char *text)
{
	while (*text != '\0' && (unsigned char)*text < 0x80)
		text++;
	return *text == '\0';
}

/* The addresses without the names of people and groups. */
static enum header_show
show_addresses(const char *value, size_t name_length, size_t max,
    struct buf *out)
{
	size_t column = name_length + 1;
	struct strvec list = {0};
	struct error ignored;
	enum header_show show = SHOW_SAME;

	if (!mailaddr_list(value, strlen(value), &list, &ignored) ||
	    list.n == 0 || list.n > max)
		goto out;
	for (size_t i = 0; i < list.n; i++)
		if (!is_ascii(list.v[i]))
			goto out; /* RFC 9788 3.1: ASCII or as it is */
	for (size_t i = 0; i < list.n; i++) {
		size_t n = strlen(list.v[i]) + (i + 1 < list.n);

		if (i > 0 && column + 1 + n > LINE) {
			buf_putc(out, '\n');
			column = 0;
		}
		buf_printf(out, " %s%s", list.v[i], i + 1 < list.n ? "," : "");
		column += 1 + n;
	}
	show = SHOW_OTHER;
out:
	strvec_clear(&list);
	return show;
}

/* ---- the policies ---- */

enum header_show
header_policy(enum header_confidentiality policy, const char *name,
    const char *value, struct buf *out)
{
	if (policy == CONFIDENTIALITY_NONE)
		return SHOW_SAME;
	if (ascii_equal_nocase(name, "Subject")) {
		buf_puts(out, " [...]");
		return SHOW_OTHER;
	}
	if (ascii_equal_nocase(name, "Comments") ||
	    ascii_equal_nocase(name, "Keywords") ||
	    ascii_equal_nocase(name, "Thread-Topic"))
		return SHOW_NONE;
	if (policy == CONFIDENTIALITY_BASELINE)
		return SHOW_SAME;
	if (ascii_equal_nocase(name, "From"))
		return show_addresses(value, strlen(name), 1, out);
	if (ascii_equal_nocase(name, "To") || ascii_equal_nocase(name, "Cc"))
		return show_addresses(value, strlen(name), SIZE_MAX, out);
	if (ascii_equal_nocase(name, "Date"))
		return show_utc(value, out);
	return SHOW_SAME;
}
