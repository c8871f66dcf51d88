/* SPDX-License-Identifier: BSD-2-Clause */
#include "header_line.h"

#include <string.h>

#include "base64.h"
#include "charset.h"
#include "common/ascii.h"
#include "common/utf8.h"

#define CHARSET_MAX 80 /* RFC 2047 gives a whole word 75 */
#define BYTE_ORDER_MARK 0xfeff

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* "=41" */
static bool
is_coded(const char *p, size_t n)
{
	return n >= 3 && p[0] == '=' && ascii_hex_value(p[1]) >= 0 &&
	    ascii_hex_value(p[2]) >= 0;
}

/* Line ends and what terminals obey: C0, DEL, C1, U+2028, U+2029. */
static bool
is_control(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x2028 ||
	    cp == 0x2029;
}

static size_t
span_printable(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] >= ' ' && p[i] < 0x7f)
		i++;
	return i;
}

void
header_line_put(const char *p, size_t n, struct buf *out)
{
	char coded[UTF8_MAX];
	uint32_t cp;

	for (size_t i = 0, len; i < n; i += len) {
		len = span_printable(p + i, n - i);
		if (len > 0) {
			buf_append(out, p + i, len);
			continue;
		}
		len = utf8_decode(p + i, n - i, &cp);
		if (len == 0) {
			cp = charset_windows_1252((unsigned char)p[i]);
			len = 1;
		}
		if (is_control(cp))
			buf_putc(out, ' ');
		else if (cp != BYTE_ORDER_MARK) /* each word may have one */
			buf_append(out, coded, utf8_encode(cp, coded));
	}
}

/* A fold is a line end before a blank; the blank stays. */
static void
put_unfolded(const char *p, size_t n, struct buf *out)
{
	size_t from = 0;

	for (size_t i = 0; i + 1 < n; i++) {
		if ((p[i] != '\r' && p[i] != '\n') || !is_blank(p[i + 1]))
			continue;
		header_line_put(p + from, i - from, out);
		from = i + 1;
	}
	header_line_put(p + from, n - from, out);
}

struct word {
	const char *charset;
	size_t ncharset; /* without the language of RFC 2231 section 5 */
	bool base64;
	const char *text;
	size_t ntext;
};

struct decoder {
	struct buf *out;
	struct buf bytes; /* of adjacent words, not yet converted */
	char charset[CHARSET_MAX + 1];
	struct base64_decoder base64; /* what the last word left over */
};

/* "=?charset?B?", up to where its text starts. */
static bool
parse_start(const char *p, size_t n, struct word *w)
{
	size_t i = 2, end;

	if (n < 2 || p[0] != '=' || p[1] != '?')
		return false;
	while (i < n && i - 2 <= CHARSET_MAX && p[i] > ' ' && p[i] < 0x7f &&
	    p[i] != '?' && p[i] != '=')
		i++;
	end = i;
	if (end - 2 > CHARSET_MAX || n - i < 3 || p[i] != '?' ||
	    p[i + 2] != '?' || strchr("bBqQ", p[i + 1]) == NULL ||
	    p[i + 1] == '\0')
		return false;
	w->charset = p + 2;
	w->ncharset = end - 2;
	for (size_t k = 0; k < w->ncharset; k++)
		if (w->charset[k] == '*')
			w->ncharset = k;
	w->base64 = ascii_lower(p[i + 1]) == 'b';
	w->text = p + i + 3;
	return true;
}

/* The word that starts at p; *length is of all of it. */
static bool
parse_word(const char *p, size_t n, struct word *w, size_t *length)
{
	const char *end = p + n;
	struct word next;
	size_t i, left;

	if (!parse_start(p, n, w))
		return false;
	left = (size_t)(end - w->text);
	for (i = 0; i < left; i++) {
		const char *at = w->text + i;

		if (at[0] == '?' && left - i >= 2 && at[1] == '=') {
			w->ntext = i;
			*length = (size_t)(at - p) + 2;
			return true;
		}
		if (at[0] == '=' && parse_start(at, left - i, &next))
			break;
	}
	/* No end: it ends where a reader gives up. */
	w->ntext = 0;
	while (w->ntext < i && !is_blank(w->text[w->ntext]))
		w->ntext++;
	*length = (size_t)(w->text - p) + w->ntext;
	return true;
}

static void
decode_q(const char *p, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		if (is_coded(p + i, n - i)) {
			buf_putc(out, (char)(ascii_hex_value(p[i + 1]) << 4 |
			    ascii_hex_value(p[i + 2])));
			i += 2;
		} else {
			buf_putc(out, p[i] == '_' ? ' ' : p[i]);
		}
	}
}

/* Some go on behind a pad, as if a new text began. */
static void
decode_b(struct base64_decoder *d, const char *p, size_t n, struct buf *out)
{
	unsigned char block[3 * 256 + 3];

	for (size_t i = 0; i < n;) {
		size_t take = n - i < 1024 ? n - i : 1024;
		const char *pad = memchr(p + i, '=', take);

		if (pad == p + i) {
			*d = (struct base64_decoder){0};
			i++;
			continue;
		}
		if (pad != NULL)
			take = (size_t)(pad - (p + i));
		buf_append(out, block, base64_decode(d, p + i, take, block));
		i += take;
	}
}

/*
 * Bits that no encoder leaves over: the text goes on in the next word.
 * (Zero bits are those of a text without its padding.)
 */
static bool
is_cut(const struct base64_decoder *d)
{
	unsigned mask = (1u << d->nbits) - 1;

	return d->nbits == 6 || (d->bits & mask) != 0;
}

static void
flush_words(struct decoder *d)
{
	struct buf text;

	if (d->bytes.len > 0) {
		buf_init(&text, CHARSET_EXPANSION * d->bytes.len);
		charset_to_utf8(d->charset, d->bytes.data, d->bytes.len,
		    &text);
		header_line_put(buf_text(&text), text.len, d->out);
		buf_clear(&text);
	}
	buf_reset(&d->bytes);
	d->base64 = (struct base64_decoder){0};
}

static bool
same_charset(const struct decoder *d, const struct word *w)
{
	size_t i = 0;

	while (i < w->ncharset &&
	    ascii_lower(w->charset[i]) == ascii_lower(d->charset[i]))
		i++;
	return i == w->ncharset && d->charset[i] == '\0';
}

static void
add_word(struct decoder *d, const struct word *w)
{
	if (!same_charset(d, w)) {
		flush_words(d);
		memcpy(d->charset, w->charset, w->ncharset);
		d->charset[w->ncharset] = '\0';
	}
	if (!w->base64 || !is_cut(&d->base64))
		d->base64 = (struct base64_decoder){0};
	if (w->base64)
		decode_b(&d->base64, w->text, w->ntext, &d->bytes);
	else
		decode_q(w->text, w->ntext, &d->bytes);
}

static const char *
find_start(const char *p, const char *end)
{
	while ((p = memchr(p, '=', (size_t)(end - p))) != NULL) {
		if (end - p > 1 && p[1] == '?')
			return p;
		p++;
	}
	return NULL;
}

static bool
all_blank(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!is_blank(p[i]))
			return false;
	return true;
}

/* With encoded words, and with folds. */
static void
decode(const char *p, size_t n, struct buf *out)
{
	struct decoder d = {.out = out};
	size_t from = 0, at = 0, length;
	bool behind_word = false;
	const char *found;
	struct word w;

	buf_init(&d.bytes, n);
	while ((found = find_start(p + at, p + n)) != NULL) {
		at = (size_t)(found - p);
		if (!parse_word(found, n - at, &w, &length)) {
			at += 2;
			continue;
		}
		if (!behind_word || !all_blank(p + from, at - from)) {
			flush_words(&d);
			put_unfolded(p + from, at - from, out);
		}
		add_word(&d, &w);
		behind_word = true;
		at += length;
		from = at;
	}
	flush_words(&d);
	put_unfolded(p + from, n - from, out);
	buf_clear(&d.bytes);
}

void
header_line_trim(struct buf *out, size_t start)
{
	size_t blanks = 0;

	while (out->len > start && out->data[out->len - 1] == ' ')
		out->data[--out->len] = '\0';
	while (start + blanks < out->len && out->data[start + blanks] == ' ')
		blanks++;
	if (blanks == 0)
		return;
	out->len -= blanks;
	memmove(out->data + start, out->data + start + blanks,
	    out->len - start + 1);
}

void
header_line_decode(const char *value, size_t n, struct buf *out)
{
	size_t start = out->len;

	while (n > 0 && is_blank(value[0])) {
		value++;
		n--;
	}
	while (n > 0 && is_blank(value[n - 1]))
		n--;
	decode(value, n, out);
	header_line_trim(out, start);
}
