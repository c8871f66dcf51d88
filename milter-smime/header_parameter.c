/* SPDX-License-Identifier: BSD-2-Clause */
#include "header_parameter.h"

#include <stdlib.h>
#include <string.h>

#include "charset.h"
#include "common/ascii.h"
#include "common/buf.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "header_line.h"

#define CHARSET_MAX 80
#define PIECES_MAX 128 /* RFC 2231 section 3 */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* "%41" */
static bool
is_coded(const char *p, size_t n)
{
	return n >= 3 && p[0] == '%' && ascii_hex_value(p[1]) >= 0 &&
	    ascii_hex_value(p[2]) >= 0;
}

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
	size_t cut = n > HEADER_PARAMETER_MAX_LENGTH ?
	    n - HEADER_PARAMETER_MAX_LENGTH : 0;

	return (struct raw){p + cut, n - cut};
}

/* The same of a value that may stand in quotes. */
static struct raw
shortened_value(struct raw v)
{
	if (v.n <= HEADER_PARAMETER_MAX_LENGTH)
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

	buf_init(&text, CHARSET_EXPANSION * r.n);
	header_line_decode(r.p, r.n, &text);
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
		bool coded = is_coded(p + i, n - i);

		buf_putc(out, !coded ? p[i] : (char)(
		    ascii_hex_value(p[i + 1]) << 4 |
		    ascii_hex_value(p[i + 2])));
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

	buf_init(&text, CHARSET_EXPANSION * r.n);
	charset_to_utf8(charset, r.p, r.n, &text);
	buf_init(&line, 3 * text.len);
	header_line_put(buf_text(&text), text.len, &line);
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

	buf_init(&bytes, PIECES_MAX * HEADER_PARAMETER_MAX_LENGTH);
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
		if (++s->seen <= HEADER_PARAMETER_MAX)
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
	if (s->seen > HEADER_PARAMETER_MAX) {
		s->crowded = true;
		use_parameter(s, &s->last, coded_ones);
	}
	if (coded_ones)
		add_pieces(s);
}

bool
header_parameter_all(const char *value, size_t n, const char *name,
    struct strvec *all)
{
	struct scan *s = mem_alloc(sizeof(*s));
	bool complete;

	s->name = name;
	s->all = all;
	s->room = all->n < HEADER_PARAMETER_MAX ?
	    HEADER_PARAMETER_MAX - all->n : 0;
	for (int comments = 1; comments >= 0; comments--) {
		s->comments = comments == 1;
		scan_parameters(s, value, n, true);
		scan_parameters(s, value, n, false);
	}
	complete = !s->crowded;
	free(s);
	return complete;
}
