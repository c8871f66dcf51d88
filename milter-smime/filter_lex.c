/* SPDX-License-Identifier: BSD-2-Clause */
#include "filter_lex.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/ascii.h"
#include "common/buf.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/utf8.h"

#define SHOWN_MAX 40 /* bytes of a token in a message */
#define STRING_MAX 65536

bool
lexer_error(const struct lexer *l, unsigned line, unsigned column,
    struct error *err, const char *fmt, ...)
{
	char text[sizeof(err->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return error_perm(err, "%s:%u:%u: %s", l->file, line, column, text);
}

static unsigned
column_of(const struct lexer *l, const char *p)
{
	return (unsigned)(p - l->line_start) + 1;
}

/* Text all of it, or where it is none. */
bool
lexer_init(struct lexer *l, const char *file, const char *text, size_t n,
    struct error *err)
{
	const char *p = text, *end = text + n;

	*l = (struct lexer){.file = file, .p = text, .end = end,
		.line_start = text, .line = 1};
	if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		return lexer_error(l, 1, 1, err, "byte order mark; save the "
		    "file as UTF-8 without one");
	while (p < end) {
		uint32_t cp;
		size_t len = utf8_decode(p, (size_t)(end - p), &cp);
		bool plain = len > 1 || (*p >= ' ' && *p < 0x7f) ||
		    *p == '\t' || *p == '\n' ||
		    (*p == '\r' && p + 1 < end && p[1] == '\n');

		if (len == 0)
			return lexer_error(l, l->line, column_of(l, p), err,
			    "byte 0x%02x is no UTF-8", (unsigned char)*p);
		if (!plain)
			return lexer_error(l, l->line, column_of(l, p), err,
			    "control character 0x%02x", (unsigned char)*p);
		if (*p == '\n') {
			l->line++;
			l->line_start = p + 1;
		}
		p += len;
	}
	l->line = 1;
	l->line_start = text;
	return true;
}

/* Is there nothing but a dot on this line? */
static bool
is_lone_dot(const struct lexer *l)
{
	const char *before = l->line_start, *after = l->p + 1;

	while (before < l->p && (*before == ' ' || *before == '\t'))
		before++;
	while (after < l->end && (*after == ' ' || *after == '\t' ||
	    *after == '\r'))
		after++;
	return before == l->p && (after == l->end || *after == '\n');
}

static void
skip_blanks(struct lexer *l)
{
	for (; l->p < l->end; l->p++) {
		if (*l->p == '#')
			while (l->p + 1 < l->end && l->p[1] != '\n')
				l->p++;
		else if (*l->p == '\n') {
			l->line++;
			l->line_start = l->p + 1;
		} else if (strchr(" \t\r", *l->p) == NULL &&
		    !(*l->p == '.' && is_lone_dot(l)))
			return;
	}
}

/* How many bytes of a string's source stand for one byte of its text. */
static size_t
escape_length(const char *p, const char *end)
{
	/* `\.` stays as it is, so that one backslash is as good as two. */
	return *p == '\\' && p + 1 < end && strchr("\\\"'", p[1]) != NULL ?
	    2 : 1;
}

static bool
read_string(struct lexer *l, struct token *t, struct error *err)
{
	char quote = *l->p++;
	struct buf text;
	size_t n;

	buf_init(&text, STRING_MAX);
	while (l->p < l->end && *l->p != quote && *l->p != '\n') {
		n = escape_length(l->p, l->end);
		buf_putc(&text, l->p[n - 1]);
		l->p += n;
	}
	if (l->p == l->end || *l->p == '\n' || text.overflow) {
		buf_clear(&text);
		return lexer_error(l, t->line, t->column, err, "%s",
		    l->p < l->end && *l->p != '\n' ? "the text is too long" :
		    "the text that begins here does not end on its line");
	}
	l->p++;
	t->kind = TOKEN_STRING;
	t->text = buf_take(&text);
	return true;
}

static bool
read_number(struct lexer *l, struct token *t, struct error *err)
{
	int64_t unit = 1;

	t->kind = TOKEN_NUMBER;
	for (; l->p < l->end && ascii_is_digit(*l->p); l->p++) {
		if (t->number > (INT64_MAX - 9) / 10)
			return lexer_error(l, t->line, t->column, err,
			    "the number is too large");
		t->number = 10 * t->number + (*l->p - '0');
	}
	if (l->p < l->end && strchr("KkMm", *l->p) != NULL) {
		unit = *l->p == 'K' || *l->p == 'k' ? 1024 : 1024 * 1024;
		l->p++;
	}
	if (l->p < l->end && ascii_is_alnum(*l->p))
		return lexer_error(l, t->line, column_of(l, l->p), err,
		    "\"%c\" behind a number; write digits, then K, M or "
		    "nothing", *l->p);
	if (t->number > INT64_MAX / unit)
		return lexer_error(l, t->line, t->column, err,
		    "the number is too large");
	t->number *= unit;
	return true;
}

static bool
read_operator(struct lexer *l, struct token *t)
{
	static const struct {
		const char *text;
		enum filter_operator op;
	} operators[] = { /* the longer ones first */
		{"==", OPERATOR_EQUAL}, {"!=", OPERATOR_NOT_EQUAL},
		{"<=", OPERATOR_LESS_EQUAL}, {">=", OPERATOR_GREATER_EQUAL},
		{"<", OPERATOR_LESS}, {">", OPERATOR_GREATER},
	};

	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]);
	    i++) {
		size_t n = strlen(operators[i].text);

		if ((size_t)(l->end - l->p) < n ||
		    memcmp(l->p, operators[i].text, n) != 0)
			continue;
		t->kind = TOKEN_OPERATOR;
		t->op = operators[i].op;
		l->p += n;
		return true;
	}
	return false;
}

static bool
is_word_char(char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_';
}

static bool
unexpected(const struct lexer *l, const struct token *t, struct error *err)
{
	uint32_t cp;
	size_t n = utf8_decode(l->p, (size_t)(l->end - l->p), &cp);

	const char *hint = *l->p == '=' ? "; write == to compare" :
	    *l->p == '&' ? "; write and" : *l->p == '|' ? "; write or" : "";

	return lexer_error(l, t->line, t->column, err, "unexpected \"%.*s\"%s",
	    (int)n, l->p, hint);
}

bool
lexer_next(struct lexer *l, struct token *t, struct error *err)
{
	bool ok = true;

	skip_blanks(l);
	*t = (struct token){.line = l->line, .column = column_of(l, l->p),
		.start = l->p};
	if (l->p == l->end) {
		t->kind = TOKEN_END;
	} else if (*l->p == '"' || *l->p == '\'') {
		ok = read_string(l, t, err);
	} else if (ascii_is_digit(*l->p)) {
		ok = read_number(l, t, err);
	} else if (is_word_char(*l->p) && *l->p != '-') {
		t->kind = TOKEN_WORD;
		while (l->p < l->end && is_word_char(*l->p))
			l->p++;
	} else if (!read_operator(l, t)) {
		t->kind = TOKEN_SYMBOL;
		if (strchr("(){},;:!", *l->p) == NULL)
			ok = unexpected(l, t, err);
		l->p++;
	}
	t->len = (size_t)(l->p - t->start);
	return ok;
}

void
token_clear(struct token *t)
{
	free(t->text);
	*t = (struct token){.kind = TOKEN_END};
}

bool
token_is(const struct token *t, char symbol)
{
	return t->kind == TOKEN_SYMBOL && *t->start == symbol;
}

bool
token_is_word(const struct token *t, const char *word)
{
	return t->kind == TOKEN_WORD && t->len == strlen(word) &&
	    strncasecmp(t->start, word, t->len) == 0;
}

unsigned
token_column(const struct token *t, size_t offset)
{
	const char *p = t->start + 1, *end = t->start + t->len;

	for (; offset > 0 && p < end; offset--)
		p += escape_length(p, end);
	return t->column + (unsigned)(p - t->start);
}

void
token_describe(const struct token *t, struct buf *out)
{
	size_t n = t->len < SHOWN_MAX ? t->len : SHOWN_MAX;

	if (t->kind == TOKEN_END) {
		buf_puts(out, "the end of the file");
		return;
	}
	/* Characters stay whole. */
	while (n < t->len && n > 0 &&
	    ((unsigned char)t->start[n] & 0xc0) == 0x80)
		n--;
	if (t->kind != TOKEN_STRING)
		buf_putc(out, '"');
	log_escape(out, t->start, n);
	if (n < t->len)
		buf_puts(out, "...");
	if (t->kind != TOKEN_STRING)
		buf_putc(out, '"');
}
