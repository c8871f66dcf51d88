/* SPDX-License-Identifier: BSD-2-Clause */
#include "header_text.h"

#include <string.h>

#include "base64.h"
#include "charset.h"
#include "common/ascii.h"
#include "common/strvec.h"
#include "common/utf8.h"
#include "header_line.h"
#include "header_parameter.h"
#include "text_writer.h"

#define FIELD_BLOCK (1 << 20) /* longer fields are decoded in parts */
#define LINE_LIMIT 76	      /* RFC 2047 section 2 */
#define WORD_FRAME (sizeof("=?UTF-8?Q?" "?=") - 1)
#define CHARACTER_MAX 12 /* four bytes in Q */
#define UNIT_LIMIT 900	 /* what can stand on a line of 998 */

/* ---- blocks of header lines ---- */

static size_t
next_line(const char *p, size_t n, size_t off)
{
	const char *nl = memchr(p + off, '\n', n - off);

	return nl == NULL ? n : (size_t)(nl - p) + 1;
}

/* Where the field at off ends, or a part of one that is very long. */
static size_t
field_end(const char *p, size_t n, size_t off)
{
	size_t next = next_line(p, n, off);

	while (next < n && (p[next] == ' ' || p[next] == '\t') &&
	    next - off < FIELD_BLOCK)
		next = next_line(p, n, next);
	return next - off > 2 * FIELD_BLOCK ? off + 2 * FIELD_BLOCK : next;
}

/* ---- writing ---- */

/* A blank run and the word behind it: what a fold cannot cut. */
static size_t
unit_length(const char *p)
{
	size_t n = strspn(p, " ");

	return n + strcspn(p + n, " ");
}

static bool
is_printable(const struct buf *text)
{
	for (size_t i = 0; i < text->len; i++)
		if (text->data[i] < ' ' || text->data[i] >= 0x7f)
			return false;
	return true;
}

static bool
may_stand(const struct buf *text)
{
	const char *p = buf_text(text);

	if (!is_printable(text) || strstr(p, "=?") != NULL)
		return false;
	for (size_t n; *p != '\0'; p += n) {
		n = unit_length(p);
		if (n > UNIT_LIMIT)
			return false;
	}
	return true;
}

static void
put_folded(const char *p, size_t column, struct buf *out)
{
	for (size_t n; *p != '\0'; p += n, column += n) {
		n = unit_length(p);
		if (*p == ' ' && column + n > LINE_LIMIT) {
			buf_putc(out, '\n');
			column = 0;
		}
		buf_append(out, p, n);
	}
}

/* RFC 2047 section 5 (3), the strictest set. */
static bool
is_q_plain(char c)
{
	return ascii_is_alnum(c) || (c != '\0' && strchr("!*+-/", c) != NULL);
}

/* The character at p, of known good UTF-8, in Q. */
static size_t
q_length(const char *p, size_t nbytes)
{
	return *p == ' ' || is_q_plain(*p) ? 1 : 3 * nbytes;
}

static void
put_q(const char *p, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == ' ')
			buf_putc(out, '_');
		else if (is_q_plain(p[i]))
			buf_putc(out, p[i]);
		else
			buf_printf(out, "=%02X", (unsigned char)p[i]);
	}
}

/* Never so much that there is a second line. */
static void
put_b(const char *p, size_t n, struct buf *out)
{
	char line[BASE64_ENCODED_MAX(57)];
	struct base64_encoder e = {0};
	size_t len = base64_encode(&e, (const unsigned char *)p, n, line);

	len += base64_encode_end(&e, line + len);
	buf_append(out, line, len - 2);
}

/* How many bytes of whole characters fit into so many of a word. */
static size_t
fitting(const char *p, size_t n, bool base64, size_t room)
{
	size_t bytes = 0, used = 0, len;
	uint32_t cp;

	while (bytes < n) {
		len = utf8_decode(p + bytes, n - bytes, &cp);
		used = base64 ? (bytes + len + 2) / 3 * 4 :
				used + q_length(p + bytes, len);
		if (used > room && bytes > 0)
			break;
		bytes += len;
	}
	return bytes;
}

/* What can be read without decoding is, unless it is much longer so. */
static bool
is_better_in_base64(const struct buf *text)
{
	size_t q = 0;

	for (size_t i = 0; i < text->len; i++)
		q += q_length(text->data + i, 1);
	return q > 2 * text->len;
}

static void
put_words(const struct buf *text, size_t column, struct buf *out)
{
	bool base64 = is_better_in_base64(text);
	size_t n;

	if (column + WORD_FRAME + CHARACTER_MAX > LINE_LIMIT) {
		buf_puts(out, "\n ");
		column = 1;
	}
	for (size_t i = 0; i < text->len; i += n) {
		if (i > 0) {
			buf_puts(out, "\n ");
			column = 1;
		}
		n = fitting(text->data + i, text->len - i, base64,
		    LINE_LIMIT - column - WORD_FRAME);
		buf_puts(out, base64 ? "=?UTF-8?B?" : "=?UTF-8?Q?");
		if (base64)
			put_b(text->data + i, n, out);
		else
			put_q(text->data + i, n, out);
		buf_puts(out, "?=");
	}
}

void
header_text_decode(const char *value, size_t n, struct buf *out)
{
	header_line_decode(value, n, out);
}

bool
header_text_block(const char *head, size_t n, struct spool *out,
    struct error *err)
{
	struct text_writer w;
	struct buf line;

	text_writer_to_spool(&w, out, err);
	buf_init(&line, CHARSET_EXPANSION * 2 * FIELD_BLOCK);
	for (size_t off = 0, end; off < n && w.ok; off = end) {
		end = field_end(head, n, off);
		buf_reset(&line);
		header_line_decode(head + off, end - off, &line);
		text_writer_put(&w, buf_text(&line), line.len);
		text_writer_putc(&w, '\n');
	}
	buf_clear(&line);
	return text_writer_end(&w);
}

void
header_text_encode(const char *text, size_t n, size_t name_length,
    struct buf *out)
{
	size_t column = name_length + sizeof(": ") - 1;
	struct buf line;

	buf_init(&line, 3 * n + UTF8_MAX);
	header_line_put(text, n, &line);
	header_line_trim(&line, 0);
	buf_putc(out, ' ');
	if (may_stand(&line))
		put_folded(buf_text(&line), column, out);
	else
		put_words(&line, column, out);
	buf_clear(&line);
}

bool
header_text_parameter(const char *value, size_t n, const char *name,
    struct buf *out)
{
	struct strvec all = {0};
	bool found;

	header_parameter_all(value, n, name, &all);
	found = all.n > 0;
	if (found)
		buf_puts(out, all.v[0]);
	strvec_clear(&all);
	return found;
}
