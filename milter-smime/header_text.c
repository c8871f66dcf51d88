/* SPDX-License-Identifier: BSD-2-Clause */
#include "header_text.h"

#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "charset.h"
#include "common/ascii.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "text_writer.h"

#define CHARSET_MAX 80		/* RFC 2047 gives a whole word 75 */
#define FIELD_BLOCK (1 << 20)	/* longer fields are decoded in parts */
#define LINE_LIMIT 76		/* RFC 2047 section 2 */
#define WORD_FRAME (sizeof("=?UTF-8?Q?" "?=") - 1)
#define CHARACTER_MAX 12	/* four bytes in Q */
#define UNIT_LIMIT 900		/* what can stand on a line of 998 */
#define PIECES_MAX 128		/* RFC 2231 section 3 */
#define BYTE_ORDER_MARK 0xfeff
#define EXPANSION 16		/* bytes of UTF-8 for one; TSCII has nine */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int
hex_value(char c)
{
	c = ascii_lower(c);
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A byte behind a sign: "=41" or "%41". */
static bool
is_coded(const char *p, size_t n, char sign)
{
	return n >= 3 && p[0] == sign && hex_value(p[1]) >= 0 &&
	    hex_value(p[2]) >= 0;
}

static char
coded_byte(const char *p)
{
	return (char)(hex_value(p[1]) << 4 | hex_value(p[2]));
}

/* ---- one line of UTF-8 ---- */

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

static void
put_line(const char *p, size_t n, struct buf *out)
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
		put_line(p + from, i - from, out);
		from = i + 1;
	}
	put_line(p + from, n - from, out);
}

/* ---- encoded words ---- */

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
		if (is_coded(p + i, n - i, '=')) {
			buf_putc(out, coded_byte(p + i));
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
		buf_init(&text, EXPANSION * d->bytes.len);
		charset_to_utf8(d->charset, d->bytes.data, d->bytes.len,
		    &text);
		put_line(buf_text(&text), text.len, d->out);
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

/* Words may bring blanks of their own. */
static void
trim(struct buf *out, size_t start)
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
header_text_decode(const char *value, size_t n, struct buf *out)
{
	size_t start = out->len;

	while (n > 0 && is_blank(value[0])) {
		value++;
		n--;
	}
	while (n > 0 && is_blank(value[n - 1]))
		n--;
	decode(value, n, out);
	trim(out, start);
}

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

bool
header_text_block(const char *head, size_t n, struct spool *out,
    struct error *err)
{
	struct text_writer w;
	struct buf line;

	text_writer_to_spool(&w, out, err);
	buf_init(&line, EXPANSION * 2 * FIELD_BLOCK);
	for (size_t off = 0, end; off < n && w.ok; off = end) {
		end = field_end(head, n, off);
		buf_reset(&line);
		header_text_decode(head + off, end - off, &line);
		text_writer_put(&w, buf_text(&line), line.len);
		text_writer_putc(&w, '\n');
	}
	buf_clear(&line);
	return text_writer_end(&w);
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
may_stand(const struct buf *text)
{
	const char *p = buf_text(text);

	if (span_printable(p, text->len) != text->len ||
	    strstr(p, "=?") != NULL)
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
header_text_encode(const char *text, size_t n, size_t name_length,
    struct buf *out)
{
	size_t column = name_length + sizeof(": ") - 1;
	struct buf line;

	buf_init(&line, 3 * n + UTF8_MAX);
	put_line(text, n, &line);
	trim(&line, 0);
	buf_putc(out, ' ');
	if (may_stand(&line))
		put_folded(buf_text(&line), column, out);
	else
		put_words(&line, column, out);
	buf_clear(&line);
}

/* ---- parameters ---- */

/* One value as it stands, borrowed from the field. */
struct raw {
	const char *p;
	size_t n;
};

/* `name*1*=`: number 1, coded. */
struct piece {
	unsigned number;
	bool coded;
	struct raw value;
};

struct scan {
	const char *p, *end;
	bool comments; /* as RFC 822 has them, else text like any other */
	const char *name;
	struct strvec *all;
	size_t room; /* candidates that may still be added */
	size_t seen; /* parameters of ours in this pass */
	struct piece last;
	struct piece pieces[PIECES_MAX];
	size_t npieces;
	bool crowded; /* some were left out */
};

/* Keeps what is short, and of what is long the end, where its type is. */
static struct raw
shortened(const char *p, size_t n)
{
	size_t cut = n > HEADER_TEXT_MAX_PARAMETER ?
	    n - HEADER_TEXT_MAX_PARAMETER : 0;

	return (struct raw){p + cut, n - cut};
}

/* The same of a value that may stand in quotes. */
static struct raw
shortened_value(struct raw v)
{
	if (v.n <= HEADER_TEXT_MAX_PARAMETER)
		return v;
	if (v.p[0] == '"' && v.p[v.n - 1] == '"')
		v.n--;
	return shortened(v.p, v.n);
}

static void
add_text(struct scan *s, const char *p, size_t n)
{
	char *text = mem_dup(p, n);

	if (n == 0 || strvec_has(s->all, text)) {
		free(text);
		return;
	}
	/* The first and the last are what readers take. */
	if (s->room == 0) {
		free(s->all->v[--s->all->n]);
		s->crowded = true;
	} else {
		s->room--;
	}
	strvec_take(s->all, text);
}

static void
add_variants(struct scan *s, const struct buf *text)
{
	const char *p = buf_text(text);
	size_t n = text->len;

	add_text(s, p, n);
	while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '.'))
		n--;
	add_text(s, p, n);
}

static void
add_words(struct scan *s, const char *p, size_t n)
{
	struct raw r = shortened(p, n);
	struct buf text;

	buf_init(&text, EXPANSION * r.n);
	header_text_decode(r.p, r.n, &text);
	add_variants(s, &text);
	buf_clear(&text);
}

/* All up to a NUL too, where some readers end. */
static void
add_plain(struct scan *s, const char *p, size_t n)
{
	add_words(s, p, n);
	if (memchr(p, '\0', n) != NULL)
		add_words(s, p, strlen(p));
}

/* A quoted value without the quotes, and its backslashes' meaning. */
static void
unquote(struct raw v, struct buf *out)
{
	bool quoted = v.n > 0 && v.p[0] == '"';

	buf_init(out, v.n);
	for (size_t i = quoted; i < v.n && !(quoted && v.p[i] == '"'); i++) {
		if (quoted && v.p[i] == '\\' && i + 1 < v.n)
			i++;
		buf_putc(out, v.p[i]);
	}
}

static bool
has_token_end(char c)
{
	return is_blank(c) || c == '(' || c == '"';
}

/* Everything that `name=` could say; v is all up to the semicolon. */
static void
add_readings(struct scan *s, struct raw v)
{
	size_t token = 0;
	struct buf text;

	unquote(v, &text);
	add_plain(s, buf_text(&text), text.len);
	buf_clear(&text);
	if (v.n > 0 && v.p[0] != '"') {
		while (token < v.n && !has_token_end(v.p[token]))
			token++;
		add_plain(s, v.p, token);
	}
	/* Quotes left out, backslashes kept, and what stands behind. */
	buf_init(&text, v.n);
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] != '"')
			buf_putc(&text, v.p[i]);
	add_plain(s, buf_text(&text), text.len);
	buf_clear(&text);
}

static void
percent_decode(const char *p, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		bool coded = is_coded(p + i, n - i, '%');

		buf_putc(out, coded ? coded_byte(p + i) : p[i]);
		i += coded ? 2 : 0;
	}
}

/* Cuts charset'language' off; the charset is "" when there is none. */
static size_t
cut_charset(const struct buf *value, char charset[CHARSET_MAX + 1])
{
	const char *p = buf_text(value);
	const char *first = strchr(p, '\''), *second;

	charset[0] = '\0';
	second = first == NULL ? NULL : strchr(first + 1, '\'');
	if (second == NULL)
		return 0;
	if (first - p <= CHARSET_MAX) {
		memcpy(charset, p, (size_t)(first - p));
		charset[first - p] = '\0';
	}
	return (size_t)(second + 1 - p);
}

static void
add_converted(struct scan *s, const char *charset, const struct buf *bytes)
{
	struct raw r = shortened(buf_text(bytes), bytes->len);
	struct buf text, line;

	buf_init(&text, EXPANSION * r.n);
	charset_to_utf8(charset, r.p, r.n, &text);
	buf_init(&line, 3 * text.len);
	put_line(buf_text(&text), text.len, &line);
	add_variants(s, &line);
	buf_clear(&line);
	buf_clear(&text);
}

/* Pieces in their order, as one value: RFC 2231 sections 3 and 4. */
static void
add_joined(struct scan *s, const struct piece *v, size_t n)
{
	char charset[CHARSET_MAX + 1] = "";
	struct buf bytes, value;
	bool coded = false;

	buf_init(&bytes, PIECES_MAX * HEADER_TEXT_MAX_PARAMETER);
	for (size_t i = 0; i < n; i++) {
		size_t cut = 0;

		unquote(v[i].value, &value);
		if (v[i].coded && i == 0)
			cut = cut_charset(&value, charset);
		if (v[i].coded)
			percent_decode(buf_text(&value) + cut,
			    value.len - cut, &bytes);
		else
			buf_append(&bytes, buf_text(&value), value.len);
		coded |= v[i].coded;
		buf_clear(&value);
	}
	if (coded)
		add_converted(s, charset, &bytes);
	else
		add_plain(s, buf_text(&bytes), bytes.len);
	buf_clear(&bytes);
}

static int
compare_pieces(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	/* Of the same number, as they stand. */
	return x->value.p < y->value.p ? -1 : x->value.p > y->value.p;
}

/* The first of each number up to a gap; the last of each, gap or not. */
static void
add_pieces(struct scan *s)
{
	struct piece first[PIECES_MAX], last[PIECES_MAX];
	size_t nfirst = 0, nlast = 0;

	qsort(s->pieces, s->npieces, sizeof(s->pieces[0]), compare_pieces);
	for (size_t i = 0; i < s->npieces; i++) {
		const struct piece *p = &s->pieces[i];

		if (nlast > 0 && last[nlast - 1].number == p->number)
			nlast--;
		else if (p->number == nfirst)
			first[nfirst++] = *p;
		last[nlast++] = *p;
	}
	if (nfirst > 0)
		add_joined(s, first, nfirst);
	if (nlast > 0)
		add_joined(s, last, nlast);
}

/* A nested comment at p, or nothing: where it ends. */
static const char *
behind_comment(const struct scan *s, const char *p)
{
	unsigned depth = 0;

	if (!s->comments || p == s->end || *p != '(')
		return p;
	for (; p < s->end; p++) {
		if (*p == '\\' && p + 1 < s->end)
			p++;
		else if (*p == '(')
			depth++;
		else if (*p == ')' && --depth == 0)
			return p + 1;
	}
	return p;
}

static void
skip_blanks(struct scan *s)
{
	const char *before;

	do {
		before = s->p;
		while (s->p < s->end && is_blank(*s->p))
			s->p++;
		s->p = behind_comment(s, s->p);
	} while (s->p != before);
}

static const char *
behind_quotes(const struct scan *s, const char *p)
{
	for (p++; p < s->end && *p != '"'; p++)
		if (*p == '\\' && p + 1 < s->end)
			p++;
	return p < s->end ? p + 1 : p;
}

/* All up to the next semicolon that is one, without blanks at its end. */
static struct raw
take_segment(struct scan *s)
{
	const char *from = s->p, *to;

	if (s->p < s->end && *s->p == '"')
		s->p = behind_quotes(s, s->p);
	while (s->p < s->end && *s->p != ';') {
		const char *next = behind_comment(s, s->p);

		s->p = next > s->p ? next : s->p + 1;
	}
	to = s->p;
	while (to > from && is_blank(to[-1]))
		to--;
	return (struct raw){from, (size_t)(to - from)};
}

/* Is it `name`, `name*`, `name*0`, `name*0*`?  Other parameters are not. */
static bool
is_named(const struct scan *s, const char *p, size_t n, bool *numbered,
    struct piece *piece)
{
	size_t len = strlen(s->name), i = 0;

	while (i < len && i < n && ascii_lower(p[i]) == s->name[i])
		i++;
	if (i < len)
		return false;
	*numbered = false;
	piece->number = 0;
	piece->coded = n > len && p[n - 1] == '*';
	if (piece->coded)
		n--;
	if (i + 1 < n && p[i] == '*') {
		*numbered = true;
		for (i++; i < n && p[i] >= '0' && p[i] <= '9'; i++)
			piece->number = piece->number > 100000 ? 100000 :
			    piece->number * 10 + (unsigned)(p[i] - '0');
	}
	return i == n;
}

static void
use_parameter(struct scan *s, const struct piece *p, bool coded_ones)
{
	if (p->coded && coded_ones)
		add_joined(s, p, 1);
	else if (!p->coded && !coded_ones)
		add_readings(s, p->value);
}

/*
 * One parameter, or a word that is none.  Behind that a parameter may
 * stand without a semicolon.
 */
static void
read_parameter(struct scan *s, bool coded_ones)
{
	struct piece piece;
	const char *name;
	bool ours, numbered = false;

	skip_blanks(s);
	name = s->p;
	while (s->p < s->end && !has_token_end(*s->p) && *s->p != ';' &&
	    *s->p != '=')
		s->p++;
	ours = is_named(s, name, (size_t)(s->p - name), &numbered, &piece);
	skip_blanks(s);
	if (s->p == s->end || *s->p != '=')
		return;
	s->p++;
	skip_blanks(s);
	piece.value = take_segment(s);
	if (!ours)
		return;
	piece.value = shortened_value(piece.value);
	if (numbered && s->npieces < PIECES_MAX) {
		s->pieces[s->npieces++] = piece;
	} else if (numbered) {
		s->crowded = true;
	} else {
		if (++s->seen <= HEADER_TEXT_MAX_CANDIDATES)
			use_parameter(s, &piece, coded_ones);
		s->last = piece;
	}
}

/* First those in RFC 2231's forms, which readers prefer, or the others. */
static void
scan_parameters(struct scan *s, const char *value, size_t n, bool coded_ones)
{
	s->p = value;
	s->end = value + n;
	s->npieces = s->seen = 0;
	while (s->p < s->end) {
		const char *before = s->p;

		read_parameter(s, coded_ones);
		if (s->p == before || (s->p < s->end && *s->p == ';'))
			s->p++;
	}
	if (s->seen > HEADER_TEXT_MAX_CANDIDATES) {
		s->crowded = true;
		use_parameter(s, &s->last, coded_ones);
	}
	if (coded_ones)
		add_pieces(s);
}

bool
header_text_candidates(const char *value, size_t n, const char *name,
    struct strvec *all)
{
	struct scan *s = mem_alloc(sizeof(*s));
	bool complete;

	s->name = name;
	s->all = all;
	s->room = HEADER_TEXT_MAX_CANDIDATES;
	for (int comments = 1; comments >= 0; comments--) {
		s->comments = comments == 1;
		scan_parameters(s, value, n, true);
		scan_parameters(s, value, n, false);
	}
	complete = !s->crowded;
	free(s);
	return complete;
}

bool
header_text_parameter(const char *value, size_t n, const char *name,
    struct buf *out)
{
	struct strvec all = {0};
	bool found;

	header_text_candidates(value, n, name, &all);
	found = all.n > 0;
	if (found)
		buf_puts(out, all.v[0]);
	strvec_clear(&all);
	return found;
}
