/* SPDX-License-Identifier: BSD-2-Clause */
#include "quarantine.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/ascii.h"
#include "common/mem.h"
#include "common/utf8.h"

#define LINE	  76
#define BY_MAX	  255
#define CHARSET	  "UTF-8''"
#define HEX	  "0123456789ABCDEF"
#define TSPECIALS "()<>@,;:\\\"/[]?="

bool
quarantine_is_name(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > QUARANTINE_NAME_MAX || !ascii_is_alnum(name[0]))
		return false;
	for (size_t i = 1; i < n; i++)
		if (!ascii_is_alnum(name[i]) && strchr("_.-", name[i]) == NULL)
			return false;
	return true;
}

void
quarantine_clear(struct quarantine *q)
{
	free(q->name);
	free(q->by);
	free(q->filter);
	free(q->reason);
	*q = (struct quarantine){0};
}

/* C0, DEL and C1. */
static bool
is_control(uint32_t cp)
{
	return cp < ' ' || (cp >= 0x7f && cp < 0xa0);
}

/* Whole characters that fit; what is no text becomes a question mark. */
static void
clean(struct buf *out, const char *text)
{
	for (size_t left = strlen(text); left > 0;) {
		uint32_t cp;
		size_t n = utf8_decode(text, left, &cp);
		bool good = n > 0 && !is_control(cp);
		char other = strchr("\t\r\n", *text) != NULL ? ' ' : '?';

		if (n == 0)
			n = 1;
		if (!buf_append(out, good ? text : &other, good ? n : 1))
			return;
		text += n;
		left -= n;
	}
}

static bool
is_ascii(const char *text)
{
	while (*text != '\0' && (unsigned char)*text < 0x80)
		text++;
	return *text == '\0';
}

static bool
is_token_char(char c)
{
	return c > ' ' && c < 0x7f && strchr(TSPECIALS, c) == NULL;
}

static bool
is_token(const char *text)
{
	const char *p = text;

	while (is_token_char(*p))
		p++;
	return p > text && *p == '\0';
}

static void
put_quoted(struct buf *word, const char *text)
{
	buf_putc(word, '"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			buf_putc(word, '\\');
		buf_putc(word, *text);
	}
	buf_putc(word, '"');
}

/* RFC 2231 section 4. */
static void
put_extended(struct buf *word, const char *text)
{
	buf_puts(word, CHARSET);
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x80 && is_token_char(*text) &&
		    strchr("*'%", *text) == NULL)
			buf_putc(word, *text);
		else
			buf_printf(word, "%%%c%c", HEX[c >> 4], HEX[c & 15]);
	}
}

/* `; key=text`, on a new line where it would pass the usual width. */
static void
put_parameter(struct buf *out, size_t *column, const char *key,
    const char *text, size_t max)
{
	struct buf plain, word;

	if (text == NULL)
		return;
	buf_init(&plain, max);
	buf_init(&word, QUARANTINE_VALUE_MAX);
	clean(&plain, text);
	text = buf_text(&plain);
	buf_printf(&word, "%s%s=", key, is_ascii(text) ? "" : "*");
	if (!is_ascii(text))
		put_extended(&word, text);
	else if (is_token(text))
		buf_puts(&word, text);
	else
		put_quoted(&word, text);
	*column += strlen("; ") + word.len;
	buf_puts(out, *column > LINE ? ";\n\t" : "; ");
	if (*column > LINE)
		*column = 8 + word.len;
	buf_puts(out, buf_text(&word));
	buf_clear(&plain);
	buf_clear(&word);
}

bool
quarantine_format(struct buf *out, const char *name, const char *filter,
    const char *reason, const char *authserv_id)
{
	size_t column = strlen(QUARANTINE_FIELD ": ") + strlen(name);

	buf_printf(out, " %s", name);
	put_parameter(out, &column, "by", authserv_id, BY_MAX);
	put_parameter(out, &column, "filter", filter, QUARANTINE_FILTER_MAX);
	put_parameter(out, &column, "reason", reason, QUARANTINE_REASON_MAX);
	return !out->overflow;
}

/* What is left to read. */
struct input {
	const char *p, *end;
};

static bool
take(struct input *in, char c)
{
	if (in->p == in->end || *in->p != c)
		return false;
	in->p++;
	return true;
}

static void
skip_blanks(struct input *in)
{
	while (in->p < in->end && strchr(" \t\r\n", *in->p) != NULL &&
	    *in->p != '\0')
		in->p++;
}

static char *
take_token(struct input *in)
{
	const char *start = in->p;

	while (in->p < in->end && is_token_char(*in->p))
		in->p++;
	return mem_dup(start, (size_t)(in->p - start));
}

/* Behind the opening quote. NULL when it does not end, or is no text. */
static char *
take_quoted(struct input *in)
{
	struct buf text;

	buf_init(&text, QUARANTINE_VALUE_MAX);
	while (in->p < in->end && *in->p != '"') {
		if (*in->p == '\r' || *in->p == '\n') {
			in->p++; /* a fold; the blank behind it counts */
			continue;
		}
		if (*in->p == '\\' && ++in->p == in->end)
			break;
		if ((*in->p < ' ' || *in->p > '~') && *in->p != '\t')
			break;
		if (!buf_putc(&text, *in->p))
			break;
		in->p++;
	}
	if (take(in, '"'))
		return buf_take(&text);
	buf_clear(&text);
	return NULL;
}

static int
hex_digit(char c)
{
	const char *at = c == '\0' ? NULL :
	    strchr(HEX, c >= 'a' && c <= 'f' ? c - 'a' + 'A' : c);

	return at == NULL ? -1 : (int)(at - HEX);
}

static bool
is_text(const char *text)
{
	size_t left = strlen(text), n;
	uint32_t cp;

	for (; left > 0; left -= n, text += n) {
		n = utf8_decode(text, left, &cp);
		if (n == 0 || is_control(cp))
			return false;
	}
	return true;
}

/* UTF-8''a%20b; NULL when it is not that. Frees `token`. */
static char *
decode_extended(char *token)
{
	const size_t skip = strlen(CHARSET);
	char *text = mem_alloc(strlen(token) + 1), *to = text;
	bool good = strncasecmp(token, CHARSET, skip) == 0;
	const char *p = good ? token + skip : "";

	for (; good && *p != '\0'; p++) {
		int high, low;

		if (*p != '%') {
			*to++ = *p;
			continue;
		}
		high = hex_digit(p[1]);
		low = high < 0 ? -1 : hex_digit(p[2]);
		good = low >= 0 && high + low > 0;
		if (good) {
			*to++ = (char)(high << 4 | low);
			p += 2;
		}
	}
	free(token);
	if (good && is_text(text))
		return text;
	free(text);
	return NULL;
}

/* `key=value` or `key*=value`. */
static bool
take_parameter(struct input *in, struct quarantine *q)
{
	char *key = take_token(in), *value = NULL, **place = NULL;
	size_t n = strlen(key);
	bool extended = n > 0 && key[n - 1] == '*', ok = false;

	if (extended)
		key[--n] = '\0';
	if (n == 0 || !take(in, '='))
		goto out;
	if (extended)
		value = decode_extended(take_token(in));
	else if (take(in, '"'))
		value = take_quoted(in);
	else
		value = take_token(in);
	if (value == NULL)
		goto out;
	place = ascii_equal_nocase(key, "by")	? &q->by :
	    ascii_equal_nocase(key, "filter") ? &q->filter :
	    ascii_equal_nocase(key, "reason") ? &q->reason :
						NULL;
	if (place != NULL) {
		if (*place != NULL)
			goto out;
		*place = value;
		value = NULL;
	}
	ok = true;
out:
	free(key);
	free(value);
	return ok;
}

bool
quarantine_parse(const char *value, size_t n, struct quarantine *q)
{
	struct input in = {value, value + n};
	bool ok;

	*q = (struct quarantine){0};
	skip_blanks(&in);
	q->name = take_token(&in);
	ok = quarantine_is_name(q->name);
	skip_blanks(&in);
	while (ok && in.p < in.end) {
		ok = take(&in, ';');
		skip_blanks(&in);
		ok = ok && take_parameter(&in, q);
		skip_blanks(&in);
	}
	ok = ok && q->by != NULL && q->by[0] != '\0';
	if (!ok)
		quarantine_clear(q);
	return ok;
}
