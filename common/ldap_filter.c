/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/ldap_filter.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ascii.h"
#include "common/conf.h"
#include "common/mem.h"

/* Literal text, and then the token, if any. */
struct piece {
	size_t offset, length; /* in text */
	int token;             /* -1: none */
};

struct ldap_filter {
	const char *const *tokens;
	struct buf text; /* what is literal, one piece behind the other */
	struct piece pieces[LDAP_FILTER_TOKENS_MAX + 1];
	size_t n;
	struct strvec attributes;
};

struct parser {
	struct ldap_filter *f;
	const char *start, *at;
	size_t literal; /* where the piece begins in f->text */
	struct error *err;
};

static bool parse_filter(struct parser *p, int depth);

static bool __attribute__((format(printf, 2, 3)))
wrong(struct parser *p, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return error_perm(p->err, "filter, column %zu: %s",
	    (size_t)(p->at - p->start) + 1, text);
}

static void
skip_blanks(struct parser *p)
{
	p->at += strspn(p->at, " \t");
}

static void
literal(struct parser *p, const char *text, size_t n)
{
	buf_append(&p->f->text, text, n);
}

static void
end_piece(struct parser *p, int token)
{
	struct piece *piece = &p->f->pieces[p->f->n++];

	piece->offset = p->literal;
	piece->length = p->f->text.len - p->literal;
	piece->token = token;
	p->literal = p->f->text.len;
}

static int
find_token(const struct ldap_filter *f, const char *name, size_t n)
{
	for (int i = 0; f->tokens[i] != NULL; i++)
		if (strlen(f->tokens[i]) == n &&
		    memcmp(f->tokens[i], name, n) == 0)
			return i;
	return -1;
}

static bool
unknown_token(struct parser *p, const char *name, size_t n)
{
	char *word = mem_dup(name, n);
	const char *near = conf_nearest(word, p->f->tokens);

	if (near != NULL)
		wrong(p, "{%.64s} is unknown; did you mean {%s}?", word, near);
	else
		wrong(p,
		    "{%.64s} is unknown; a brace that is no token is "
		    "written \\7b",
		    word);
	free(word);
	return false;
}

static bool
parse_token(struct parser *p)
{
	const char *name = p->at + 1;
	size_t n = strcspn(name, "{}()=");
	int token;

	if (name[n] != '}')
		return wrong(p, "the token has no end; write {NAME}, or "
				"\\7b for a brace");
	token = find_token(p->f, name, n);
	if (token < 0)
		return unknown_token(p, name, n);
	if (p->f->n >= LDAP_FILTER_TOKENS_MAX)
		return wrong(p, "more than %d tokens", LDAP_FILTER_TOKENS_MAX);
	end_piece(p, token);
	p->at = name + n + 1;
	return true;
}

/* assertionvalue, and `*` where the operator is `=` (RFC 4515 section 3). */
static bool
parse_value(struct parser *p, bool stars)
{
	for (;;) {
		unsigned char c = (unsigned char)*p->at;

		if (c == ')')
			return true;
		if (c == '\0')
			return wrong(p, "it ends too early; a ) is missing");
		if (c == '{') {
			if (!parse_token(p))
				return false;
			continue;
		}
		if (c == '}')
			return wrong(p, "no token begins before this brace; "
					"write \\7d for one in a value");
		if (c == '(')
			return wrong(p, "a ) is missing before this, or "
					"write \\28 for one in a value");
		if (c == '*' && !stars)
			return wrong(p, "a * stands only behind =; write "
					"\\2a for one in a value");
		if (c < ' ' || c == 0x7f)
			return wrong(p, "write \\%02x for this character", c);
		if (c == '\\' && (ascii_hex_value(p->at[1]) < 0 ||
				     ascii_hex_value(p->at[2]) < 0))
			return wrong(p, "two hexadecimal digits follow a "
					"\\; write \\5c for one in a value");
		literal(p, p->at, c == '\\' ? 3 : 1);
		p->at += c == '\\' ? 3 : 1;
	}
}

static bool
is_name_char(char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '.' || c == ';' ||
	       c == '_';
}

static void
add_attribute(struct parser *p, const char *name, size_t n)
{
	const char *option = memchr(name, ';', n);
	char *base = mem_dup(name, option ? (size_t)(option - name) : n);

	if (strvec_hascase(&p->f->attributes, base))
		free(base);
	else
		strvec_take(&p->f->attributes, base);
}

/* `:dn`, `:RULE` and the colon of `:=` (RFC 4515: extensible). */
static bool
parse_extensible(struct parser *p, bool named)
{
	bool rule = false;

	while (*p->at == ':' && p->at[1] != '=') {
		const char *name = ++p->at;

		while (is_name_char(*p->at))
			p->at++;
		if (p->at == name)
			return wrong(p, "a matching rule is missing between "
					"the colons");
		rule = rule || p->at - name != 2 || strncmp(name, "dn", 2) != 0;
		literal(p, name - 1, (size_t)(p->at - name) + 1);
	}
	if (strncmp(p->at, ":=", 2) != 0)
		return wrong(p, "write := behind a matching rule");
	if (!named && !rule)
		return wrong(p, "an attribute or a matching rule is missing");
	literal(p, ":=", 2);
	p->at += 2;
	return parse_value(p, false);
}

static bool
parse_item(struct parser *p)
{
	const char *name = p->at;
	size_t n;

	while (is_name_char(*p->at))
		p->at++;
	n = (size_t)(p->at - name);
	if (*p->at == '{')
		return wrong(p, "a token stands only behind the operator, "
				"as in (uid={u})");
	if (n == 0 && *p->at != ':')
		return wrong(p, "an attribute name is missing, as in "
				"(uid={u})");
	if (n > 0 && !ascii_is_alnum(*name))
		return wrong(p, "\"%.*s\" is no attribute name",
		    n > 64 ? 64 : (int)n, name);
	literal(p, name, n);
	if (n > 0)
		add_attribute(p, name, n);
	skip_blanks(p);
	if (*p->at == ':')
		return parse_extensible(p, n > 0);
	if (*p->at == '=') {
		literal(p, p->at++, 1);
		return parse_value(p, true);
	}
	if (strchr("<>~", *p->at) != NULL && *p->at != '\0' &&
	    p->at[1] == '=') {
		literal(p, p->at, 2);
		p->at += 2;
		return parse_value(p, false);
	}
	return wrong(p, "an operator is missing; write =, >=, <= or ~= "
			"behind the attribute");
}

/* The end of the filter that begins at text, or NULL. */
static const char *
filter_end(const char *text)
{
	int depth = 0;

	for (const char *c = text; *c != '\0'; c++) {
		if (*c == '(')
			depth++;
		else if (*c == ')' && --depth == 0)
			return c + 1;
	}
	return NULL;
}

/*
 * `(!(a)(b)(c))`, as some manuals print it, is no filter: ! takes one.
 * What is meant is nearly always one of a not, b, c.
 */
static bool
not_with_several(struct parser *p, const char *first, const char *others)
{
	const char *end = others;
	size_t n = (size_t)(filter_end(first) - first);

	for (const char *next = others; next != NULL && *next == '(';) {
		end = next;
		next = filter_end(next);
		if (next != NULL) {
			end = next;
			next += strspn(next, " \t");
		}
	}
	if (n > 150 || end - others > 150)
		return wrong(p, "! takes one filter; write (|(!(A))(B)(C)) "
				"for (!(A)(B)(C))");
	return wrong(p, "! takes one filter; write (|(!%.*s)%.*s)", (int)n,
	    first, (int)(end - others), others);
}

static bool
parse_not(struct parser *p, int depth)
{
	const char *first;

	literal(p, p->at++, 1);
	skip_blanks(p);
	first = p->at;
	if (*first != '(')
		return wrong(p, "a filter in parentheses follows !");
	if (!parse_filter(p, depth + 1))
		return false;
	skip_blanks(p);
	return *p->at == '(' ? not_with_several(p, first, p->at) : true;
}

static bool
parse_list(struct parser *p, int depth)
{
	literal(p, p->at++, 1);
	skip_blanks(p);
	if (*p->at != '(')
		return wrong(p, "filters in parentheses follow & and |");
	while (*p->at == '(') {
		if (!parse_filter(p, depth + 1))
			return false;
		skip_blanks(p);
	}
	return true;
}

static bool
parse_filter(struct parser *p, int depth)
{
	bool ok;

	if (depth > LDAP_FILTER_DEPTH_MAX)
		return wrong(p, "more than %d levels of parentheses",
		    LDAP_FILTER_DEPTH_MAX);
	literal(p, p->at++, 1);
	skip_blanks(p);
	if (*p->at == '&' || *p->at == '|')
		ok = parse_list(p, depth);
	else if (*p->at == '!')
		ok = parse_not(p, depth);
	else
		ok = parse_item(p);
	if (!ok)
		return false;
	if (*p->at == '\0')
		return wrong(p, "it ends too early; a ) is missing");
	if (*p->at != ')')
		return wrong(p,
		    "\"%.16s\" cannot stand here; a ) is missing "
		    "before it",
		    p->at);
	literal(p, p->at++, 1);
	return true;
}

static bool
parse_whole(struct parser *p)
{
	skip_blanks(p);
	if (*p->at == '\0')
		return wrong(p, "it is empty; write (objectClass=*) for "
				"everything");
	if (*p->at != '(')
		return wrong(p, "it begins with a parenthesis, as in "
				"(uid={u})");
	if (!parse_filter(p, 1))
		return false;
	skip_blanks(p);
	if (*p->at != '\0')
		return wrong(p,
		    "\"%.16s\" follows its end; filters are "
		    "joined as (&(A)(B)) or (|(A)(B))",
		    p->at);
	end_piece(p, -1);
	return true;
}

struct ldap_filter *
ldap_filter_parse(
    const char *text, const char *const *tokens, struct error *err)
{
	struct parser p = {.start = text, .at = text, .err = err};
	bool ok;

	if (strlen(text) > LDAP_FILTER_MAX) {
		error_perm(err, "filter: more than %d bytes", LDAP_FILTER_MAX);
		return NULL;
	}
	p.f = mem_alloc(sizeof(*p.f));
	p.f->tokens = tokens;
	buf_init(&p.f->text, LDAP_FILTER_MAX);
	ok = parse_whole(&p);
	if (!ok) {
		ldap_filter_free(p.f);
		return NULL;
	}
	return p.f;
}

void
ldap_filter_free(struct ldap_filter *f)
{
	if (f == NULL)
		return;
	buf_clear(&f->text);
	strvec_clear(&f->attributes);
	free(f);
}

bool
ldap_filter_escape(struct buf *out, const void *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *at = p;
	bool ok = true;

	for (size_t i = 0; i < n && ok; i++) {
		char c = (char)at[i];

		if (c != '\0' &&
		    (ascii_is_alnum(c) || strchr(" .-_@+/:=,", c) != NULL)) {
			ok = buf_putc(out, c);
		} else {
			char text[3] = {'\\', hex[at[i] >> 4], hex[at[i] & 15]};

			ok = buf_append(out, text, 3);
		}
	}
	return ok;
}

bool
ldap_filter_expand(const struct ldap_filter *f,
    const struct ldap_filter_value *values, struct buf *out, struct error *err)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct piece *piece = &f->pieces[i];
		const struct ldap_filter_value *value;

		buf_append(
		    out, buf_text(&f->text) + piece->offset, piece->length);
		if (piece->token < 0)
			continue;
		value = &values[piece->token];
		if (value->p == NULL || value->n == 0)
			return error_perm(
			    err, "{%s} has no value", f->tokens[piece->token]);
		if (value->n > LDAP_FILTER_VALUE_MAX)
			return error_perm(err, "{%s} has more than %d bytes",
			    f->tokens[piece->token], LDAP_FILTER_VALUE_MAX);
		ldap_filter_escape(out, value->p, value->n);
	}
	return out->overflow ? error_perm(err,
				   "the filter would be larger than %zu "
				   "bytes",
				   out->max)
			     : true;
}

bool
ldap_filter_uses(const struct ldap_filter *f, size_t i)
{
	for (size_t k = 0; k < f->n; k++)
		if (f->pieces[k].token == (int)i)
			return true;
	return false;
}

const struct strvec *
ldap_filter_attributes(const struct ldap_filter *f)
{
	return &f->attributes;
}
