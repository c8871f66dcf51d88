/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/mailaddr.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/ascii.h"
#include "common/buf.h"
#include "common/domain.h"
#include "common/mem.h"
#include "common/utf8.h"

/*
 * RFC 5321 wants 64; bounce and forwarding addresses (VERP, SRS) are longer
 * and Postfix carries them.
 */
#define LOCAL_MAX 512
#define ADDRESSES_MAX 10000

enum { T_END = 0, T_ATOM = 'a', T_QUOTED = 'q', T_LITERAL = 'l' };

/*
 * A token is one of the kinds above or one of the characters <>@,;:. with
 * the bytes it was written with (quoted strings without their quotes).
 */
struct token {
	int kind;
	const char *text;
	size_t n;
	bool gap; /* blanks or comments stood before it */
};

/*
 * header: an address list, with comments, blanks and folds between tokens,
 * and stricter about what readers may show.  Otherwise an envelope address.
 * Copying the struct is going back.
 */
struct lexer {
	const char *start, *p, *end;
	bool header;
	struct token tok;
	struct error *err;
};

static const char *
text_or_empty(const char *s)
{
	return s == NULL ? "" : s;
}

/* RFC 5322 3.2.3, with RFC 6532 3.2. */
static bool
is_atext(char c)
{
	return ascii_is_alnum(c) || (unsigned char)c >= 0x80 ||
	    (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/*
 * Characters that are no part of a name a human could check: blanks other
 * than U+0020, what turns the direction of writing, what shows as nothing,
 * and the wide and small forms of ASCII (a wide `@` reads as `@`).
 */
static bool
is_treacherous(uint32_t cp)
{
	static const uint32_t ranges[][2] = {
		{ 0x00a0, 0x00a0 }, { 0x00ad, 0x00ad }, { 0x061c, 0x061c },
		{ 0x1680, 0x1680 }, { 0x180e, 0x180e }, { 0x2000, 0x200b },
		{ 0x200e, 0x200f }, { 0x2024, 0x2024 }, { 0x2028, 0x202f },
		{ 0x205f, 0x206f }, { 0x3000, 0x3000 }, { 0xfe50, 0xfe6f },
		{ 0xfeff, 0xfeff }, { 0xff01, 0xff5e }, { 0xfff9, 0xffff },
		{ 0xe0000, 0xe0fff },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (cp >= ranges[i][0] && cp <= ranges[i][1])
			return true;
	return false;
}

/* ---- Tokens ---- */

static bool __attribute__((format(printf, 3, 4)))
fail_at(const struct lexer *lx, const char *where, const char *fmt, ...)
{
	struct buf text;
	va_list ap;

	buf_init(&text, sizeof(lx->err->text) - 1);
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	error_perm(lx->err, "%s (at byte %zu)", buf_text(&text),
	    (size_t)(where - lx->start) + 1);
	buf_clear(&text);
	return false;
}

#define fail(lx, ...) fail_at((lx), (lx)->tok.text, __VA_ARGS__)

/*
 * A line end and the blank after it.  A line of blanks only ends the
 * header for some readers and not for others (RFC 5322 4.2).
 */
static const char *
check_fold(const struct lexer *lx, const char *p)
{
	const char *at = p;

	if (*p == '\r')
		p++;
	if (p == lx->end || *p != '\n') {
		fail_at(lx, at, "carriage return without line feed");
		return NULL;
	}
	p++;
	if (p == lx->end)
		return p;
	if (*p != ' ' && *p != '\t') {
		fail_at(lx, at, "line end without a blank after it");
		return NULL;
	}
	while (p < lx->end && (*p == ' ' || *p == '\t'))
		p++;
	if (p == lx->end || *p == '\r' || *p == '\n') {
		fail_at(lx, at, "line of blanks only");
		return NULL;
	}
	return p;
}

/*
 * What no mail address and no name beside one may hold.  Text that is not
 * UTF-8 is refused: in some older character sets the bytes of `@`, `<` and
 * `\` are halves of other characters.
 */
static bool
check_text(const struct lexer *lx)
{
	const char *p = lx->p;
	uint32_t cp;
	size_t len;

	while (p < lx->end) {
		if (lx->header && (*p == '\r' || *p == '\n')) {
			p = check_fold(lx, p);
			if (p == NULL)
				return false;
			continue;
		}
		len = utf8_decode(p, (size_t)(lx->end - p), &cp);
		if (len == 0)
			return fail_at(lx, p, "bytes that are not UTF-8");
		if (cp == 0)
			return fail_at(lx, p, "NUL");
		if ((cp < 0x20 && !(cp == '\t' && lx->header)) ||
		    (cp >= 0x7f && cp < 0xa0) || cp == 0x2028 || cp == 0x2029)
			return fail_at(lx, p, "control character U+%04X",
			    (unsigned)cp);
		p += len;
	}
	return true;
}

/* Past `\x`; check_text() has refused what must not be quoted, but folds. */
static bool
skip_pair(struct lexer *lx)
{
	if (lx->end - lx->p < 2 || lx->p[1] == '\r' || lx->p[1] == '\n')
		return fail_at(lx, lx->p, "backslash with nothing after it");
	lx->p += 2;
	return true;
}

/* RFC 5322 3.2.2; comments nest. */
static bool
skip_comment(struct lexer *lx)
{
	const char *open = lx->p;
	size_t depth = 0;

	do {
		if (lx->p == lx->end)
			return fail_at(lx, open, "comment that does not end");
		if (*lx->p == '\\') {
			if (!skip_pair(lx))
				return false;
			continue;
		}
		if (*lx->p == '(')
			depth++;
		else if (*lx->p == ')')
			depth--;
		lx->p++;
	} while (depth > 0);
	return true;
}

static bool
skip_cfws(struct lexer *lx)
{
	while (lx->p < lx->end) {
		if (strchr(" \t\r\n", *lx->p) != NULL)
			lx->p++;
		else if (*lx->p != '(')
			break;
		else if (!skip_comment(lx))
			return false;
	}
	return true;
}

static bool
lex_quoted(struct lexer *lx)
{
	const char *open = lx->p++;

	while (lx->p < lx->end && *lx->p != '"') {
		if (*lx->p != '\\')
			lx->p++;
		else if (!skip_pair(lx))
			return false;
	}
	if (lx->p == lx->end)
		return fail_at(lx, open, "quote that does not end");
	lx->tok.kind = T_QUOTED;
	lx->tok.text = open + 1;
	lx->tok.n = (size_t)(lx->p - lx->tok.text);
	lx->p++;
	return true;
}

static bool
lex_literal(struct lexer *lx)
{
	const char *open = lx->p;
	const char *close = memchr(open, ']', (size_t)(lx->end - open));

	if (close == NULL)
		return fail_at(lx, open, "bracket that does not end");
	lx->p = close + 1;
	lx->tok.kind = T_LITERAL;
	lx->tok.n = (size_t)(lx->p - open);
	return true;
}

static bool
lex_atom(struct lexer *lx)
{
	while (lx->p < lx->end && is_atext(*lx->p))
		lx->p++;
	if (lx->p == lx->tok.text)
		return fail_at(lx, lx->p, "\"%c\" where it must not stand",
		    *lx->p);
	lx->tok.kind = T_ATOM;
	lx->tok.n = (size_t)(lx->p - lx->tok.text);
	return true;
}

static bool
next(struct lexer *lx)
{
	const char *before = lx->p;

	if (lx->header && !skip_cfws(lx))
		return false;
	lx->tok.gap = lx->p != before;
	lx->tok.text = lx->p;
	lx->tok.n = 0;
	lx->tok.kind = T_END;
	if (lx->p == lx->end)
		return true;
	if (*lx->p == '"')
		return lex_quoted(lx);
	if (*lx->p == '[')
		return lex_literal(lx);
	if (strchr("<>@,;:.", *lx->p) == NULL)
		return lex_atom(lx);
	lx->tok.kind = (unsigned char)*lx->p++;
	lx->tok.n = 1;
	return true;
}

static bool
lexer_start(struct lexer *lx, const char *text, size_t n, bool header,
    struct error *err)
{
	memset(lx, 0, sizeof(*lx));
	if (text == NULL)
		n = 0;
	lx->start = lx->p = text == NULL ? "" : text;
	lx->end = lx->start + n;
	lx->header = header;
	lx->err = err;
	return check_text(lx) && next(lx);
}

/* ---- Addresses ---- */

/*
 * A quoted word of a local part.  In a header the special characters are
 * refused: simple readers do not know that quotes may stand before an `@`
 * and show what is between them as the address.
 */
static bool
append_quoted(const struct lexer *lx, struct buf *local)
{
	const struct token *t = &lx->tok;

	for (size_t i = 0; i < t->n; i++) {
		if (lx->header && strchr("@<>()[],;:\\", t->text[i]) != NULL)
			return fail_at(lx, t->text + i,
			    "\"%c\" inside a quoted local part", t->text[i]);
		if (strchr("\t\r\n", t->text[i]) != NULL)
			return fail_at(lx, t->text + i,
			    "tab or line end inside a local part");
		if (t->text[i] == '\\')
			i++;
		if (!buf_putc(local, t->text[i]))
			return fail(lx, "local part too long");
	}
	return true;
}

static bool
append_word(const struct lexer *lx, struct buf *local)
{
	if (lx->tok.kind == T_QUOTED)
		return append_quoted(lx, local);
	if (!buf_append(local, lx->tok.text, lx->tok.n))
		return fail(lx, "local part too long");
	return true;
}

/* What a reader might show as something else, in a header's local part. */
static bool
check_shown(const struct lexer *lx, const struct buf *local)
{
	const char *s = buf_text(local);
	uint32_t cp = 0;
	size_t len;

	/* RFC 2047 5: never here; some readers decode it all the same. */
	if (strstr(s, "=?") != NULL)
		return fail(lx, "encoded word inside an address");
	for (size_t i = 0; i < local->len; i += len) {
		len = utf8_decode(s + i, local->len - i, &cp);
		if (len == 0)
			return fail(lx, "bytes that are not UTF-8");
		if (is_treacherous(cp))
			return fail(lx, "character U+%04X inside an address",
			    (unsigned)cp);
	}
	return true;
}

/*
 * word *("." word), words quoted or not (RFC 5322 4.4).  Empty words such
 * as in `a..b` exist in envelopes; in a header they are refused.
 */
static bool
local_part(struct lexer *lx, struct buf *local)
{
	int last = '.';

	for (;;) {
		int kind = lx->tok.kind;

		if (kind == T_ATOM || kind == T_QUOTED) {
			if (last != '.')
				return fail(lx, "two words without a dot");
			if (!append_word(lx, local))
				return false;
		} else if (kind == '.') {
			if (lx->header && last == '.')
				return fail(lx, "misplaced dot");
			if (!buf_putc(local, '.'))
				return fail(lx, "local part too long");
		} else {
			break;
		}
		last = kind;
		if (!next(lx))
			return false;
	}
	if (local->len == 0)
		return fail(lx, "address without a local part");
	if (lx->header && last == '.')
		return fail(lx, "misplaced dot");
	return !lx->header || check_shown(lx, local);
}

/* dot-atom, obs-domain or an address literal (RFC 5321 4.1.3). */
static bool
domain_part(struct lexer *lx, char **domain)
{
	struct lexer mark = *lx;
	struct buf text;
	int last = '.';

	*domain = NULL;
	buf_init(&text, DOMAIN_TEXT_MAX);
	if (lx->tok.kind == T_LITERAL) {
		*domain = domain_literal(lx->tok.text, lx->tok.n);
		if (*domain != NULL && !next(lx))
			goto out;
	} else {
		while ((lx->tok.kind == T_ATOM && last == '.') ||
		    lx->tok.kind == '.') {
			buf_append(&text, lx->tok.text, lx->tok.n);
			last = lx->tok.kind;
			if (!next(lx))
				goto out;
		}
		if (!text.overflow)
			*domain = domain_canonical(buf_text(&text), text.len);
	}
	if (*domain == NULL)
		fail(&mark, "no domain name after the \"@\"");
	buf_clear(&text);
	return *domain != NULL;
out:
	buf_clear(&text);
	free(*domain);
	*domain = NULL;
	return false;
}

/* `@a,@b:` before an address (RFC 5321 C, RFC 5322 4.4): read, not kept. */
static bool
skip_route(struct lexer *lx)
{
	char *domain = NULL;

	while (lx->tok.kind == '@') {
		if (!next(lx) || !domain_part(lx, &domain))
			return false;
		free(domain);
		while (lx->tok.kind == ',')
			if (!next(lx))
				return false;
		if (lx->tok.kind == ':')
			return next(lx);
	}
	return fail(lx, "route without its colon");
}

/*
 * An address without brackets.  bare_ok: a local name alone will do.  The
 * token behind it is the current one afterwards.
 */
static bool
addr_spec(struct lexer *lx, bool bare_ok, struct mailaddr *a)
{
	struct buf local;
	char *domain = NULL;
	bool ok = false;

	buf_init(&local, LOCAL_MAX);
	if (!local_part(lx, &local))
		goto out;
	if (lx->tok.kind == '@') {
		if (!next(lx) || !domain_part(lx, &domain))
			goto out;
	} else if (bare_ok) {
		domain = mem_strdup("");
	} else {
		fail(lx, "address without a domain");
		goto out;
	}
	if (lx->tok.kind == '@') {
		fail(lx, "second \"@\" in an address");
		goto out;
	}
	a->local = buf_take(&local);
	a->domain = domain;
	domain = NULL;
	ok = true;
out:
	buf_clear(&local);
	free(domain);
	return ok;
}

/* From `<` to behind `>`. */
static bool
angle_addr(struct lexer *lx, bool bare_ok, struct mailaddr *a)
{
	if (!next(lx))
		return false;
	if (lx->tok.kind == '@' && !skip_route(lx))
		return false;
	if (!addr_spec(lx, bare_ok, a))
		return false;
	if (lx->tok.kind != '>')
		return fail(lx, "angle bracket that does not end");
	return next(lx);
}

/* ---- Header fields ---- */

static int
hex_value(char c)
{
	c = ascii_lower(c);
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* NUL, CR and LF end the field for readers that are careless. */
static bool
is_cut(int c)
{
	return c == 0 || c == '\r' || c == '\n';
}

static bool
q_cuts(const char *s, const char *end)
{
	for (; end - s >= 3; s++)
		if (*s == '=' && hex_value(s[1]) >= 0 &&
		    hex_value(s[2]) >= 0 &&
		    is_cut(hex_value(s[1]) << 4 | hex_value(s[2])))
			return true;
	return false;
}

static bool
b_cuts(const char *s, const char *end)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";
	unsigned bits = 0, have = 0;

	for (; s < end; s++) {
		const char *digit = memchr(digits, *s, sizeof(digits) - 1);

		if (digit == NULL)
			continue;
		bits = (bits << 6 | (unsigned)(digit - digits)) & 0xffff;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		if (is_cut((int)(bits >> have & 0xff)))
			return true;
	}
	return false;
}

/*
 * Display names count for nothing, but an encoded word (RFC 2047) in one
 * that hides NUL or a line end makes some readers stop there and show what
 * came before as the address.  Such readers decode before they parse, so
 * the whole field is looked at, comments and all.
 */
static bool
check_encoded(const struct lexer *lx)
{
	const char *p = lx->start;

	while ((p = memmem(p, (size_t)(lx->end - p), "=?", 2)) != NULL) {
		const char *set = p += 2;
		const char *q = memchr(set, '?', (size_t)(lx->end - set));
		const char *stop;
		char enc;

		if (q == NULL || lx->end - q < 3 || q[2] != '?')
			continue;
		enc = ascii_lower(q[1]);
		stop = memmem(q + 3, (size_t)(lx->end - q - 3), "?=", 2);
		if (stop == NULL)
			stop = lx->end;
		if ((enc == 'q' && q_cuts(q + 3, stop)) ||
		    (enc == 'b' && b_cuts(q + 3, stop)))
			return fail_at(lx, set - 2,
			    "encoded word that hides a line end");
		p = stop;
	}
	return true;
}

/*
 * Words and dots: a display name, a group's name, or a local part, which
 * only the token behind them tells (RFC 5322 3.2.5, 4.1).
 */
static bool
skip_phrase(struct lexer *lx, bool *empty)
{
	bool after_word = false;

	*empty = true;
	for (;;) {
		bool word = lx->tok.kind == T_ATOM ||
		    lx->tok.kind == T_QUOTED;

		if (!word && lx->tok.kind != '.')
			return true;
		if (word && after_word && !lx->tok.gap)
			return fail(lx, "quotes inside a word");
		if (!word && *empty)
			return fail(lx, "misplaced dot");
		*empty = false;
		after_word = word;
		if (!next(lx))
			return false;
	}
}

static bool
add_address(struct lexer *lx, struct mailaddr *a, struct strvec *addresses)
{
	if (addresses->n >= ADDRESSES_MAX)
		return fail(lx, "more than %d addresses", ADDRESSES_MAX);
	strvec_take(addresses, mailaddr_format(a));
	return true;
}

/*
 * One mailbox, or the name of a group with its colon; *group tells whether
 * we are in one and is set when one begins.
 */
static bool
list_element(struct lexer *lx, bool *group, struct strvec *addresses)
{
	struct lexer mark = *lx;
	struct mailaddr a = { NULL, NULL };
	bool empty, ok = false;

	if (!skip_phrase(lx, &empty))
		return false;
	switch (lx->tok.kind) {
	case '<':
		ok = angle_addr(lx, false, &a) &&
		    add_address(lx, &a, addresses);
		break;
	case '@':
		*lx = mark;
		ok = addr_spec(lx, false, &a) &&
		    add_address(lx, &a, addresses);
		break;
	case ':':
		if (empty || *group)
			return fail(lx, "misplaced colon");
		*group = true;
		return next(lx);
	case T_LITERAL:
		return fail(lx, "bracket where it must not stand");
	default:
		return fail(lx, empty ? "misplaced \">\"" :
					"name without an address");
	}
	if (ok && lx->tok.kind != ',' && lx->tok.kind != T_END &&
	    !(lx->tok.kind == ';' && *group))
		ok = fail(lx, "text after an address");
	mailaddr_clear(&a);
	return ok;
}

static bool
end_group(struct lexer *lx, bool *group)
{
	if (!*group)
		return fail(lx, "misplaced semicolon");
	*group = false;
	if (!next(lx))
		return false;
	if (lx->tok.kind != ',' && lx->tok.kind != T_END)
		return fail(lx, "text after a group");
	return true;
}

/* ---- Public functions ---- */

/* What a, and to below, held is not freed: they may be uninitialised. */
bool
mailaddr_parse(const char *text, size_t n, struct mailaddr *a,
    struct error *err)
{
	struct lexer lx;
	bool ok;

	memset(a, 0, sizeof(*a));
	if (text == NULL || n == 0 ||
	    (n == 2 && memcmp(text, "<>", 2) == 0)) {
		a->local = mem_strdup("");
		a->domain = mem_strdup("");
		return true;
	}
	if (!lexer_start(&lx, text, n, false, err))
		return false;
	if (lx.tok.kind == '<')
		ok = angle_addr(&lx, true, a);
	else
		ok = (lx.tok.kind != '@' || skip_route(&lx)) &&
		    addr_spec(&lx, true, a);
	if (ok && lx.tok.kind != T_END)
		ok = fail(&lx, "text after an address");
	if (!ok)
		mailaddr_clear(a);
	return ok;
}

void
mailaddr_copy(struct mailaddr *to, const struct mailaddr *from)
{
	to->local = mem_strdup(from->local);
	to->domain = mem_strdup(from->domain);
}

bool
mailaddr_is_null(const struct mailaddr *a)
{
	return *text_or_empty(a->local) == '\0' &&
	    *text_or_empty(a->domain) == '\0';
}

void
mailaddr_clear(struct mailaddr *a)
{
	free(a->local);
	free(a->domain);
	memset(a, 0, sizeof(*a));
}

char *
mailaddr_format(const struct mailaddr *a)
{
	const char *local = text_or_empty(a->local);
	const char *domain = text_or_empty(a->domain);
	bool dot_string = true;
	struct buf out;

	for (const char *p = local; *p != '\0'; p++)
		if (!is_atext(*p) &&
		    (*p != '.' || p == local || p[1] == '.' || p[1] == '\0'))
			dot_string = false;
	buf_init(&out, 2 * strlen(local) + strlen(domain) + 3);
	if (!dot_string)
		buf_putc(&out, '"');
	for (const char *p = local; *p != '\0'; p++) {
		if (!dot_string && (*p == '"' || *p == '\\'))
			buf_putc(&out, '\\');
		buf_putc(&out, *p);
	}
	if (!dot_string)
		buf_putc(&out, '"');
	if (*domain != '\0')
		buf_printf(&out, "@%s", domain);
	return buf_take(&out);
}

bool
mailaddr_equal(const struct mailaddr *a, const struct mailaddr *b)
{
	return ascii_equal_nocase(text_or_empty(a->domain),
		   text_or_empty(b->domain)) &&
	    ascii_equal_nocase(text_or_empty(a->local), text_or_empty(b->local));
}

/* What a pattern is made of; false when it is none.  all: `ALL`. */
static bool
parse_pattern(const char *pattern, struct mailaddr *a, bool *below,
    bool *all, struct error *err)
{
	const char *at = strchr(pattern, '@');
	const char *domain = pattern;

	memset(a, 0, sizeof(*a));
	*all = strcmp(pattern, "ALL") == 0;
	*below = pattern[0] == '.';
	if (*all)
		return true;
	if (pattern[0] == '<')
		return error_perm(err, "an address without <> is wanted");
	if (at != NULL && at != pattern) {
		if (!mailaddr_parse(pattern, strlen(pattern), a, err))
			return false;
		if (*a->domain != '\0')
			return true;
		mailaddr_clear(a);
		return error_perm(err, "no domain after the address");
	}
	if (at == pattern || *below)
		domain++;
	if (ascii_equal_nocase(pattern, "all"))
		return error_perm(err, "write ALL in capitals");
	if (strchr(pattern, '*') != NULL)
		return error_perm(err, "no stars here: .example.com stands "
				       "for every subdomain");
	a->domain = domain_canonical(domain, strlen(domain));
	if (a->domain == NULL)
		return error_perm(err, "neither an address, a domain, "
				       ".domain nor ALL");
	return true;
}

bool
mailaddr_match(const char *pattern, const struct mailaddr *a)
{
	const char *domain = text_or_empty(a->domain);
	struct mailaddr p;
	struct error err;
	bool below, all, match = false;
	size_t have, want;

	if (!parse_pattern(pattern, &p, &below, &all, &err))
		return false;
	if (all) {
		match = true;
	} else if (p.local != NULL) {
		match = mailaddr_equal(&p, a);
	} else if (!below) {
		match = ascii_equal_nocase(p.domain, domain);
	} else {
		have = strlen(domain);
		want = strlen(p.domain);
		match = have > want + 1 && domain[have - want - 1] == '.' &&
		    ascii_equal_nocase(domain + have - want, p.domain);
	}
	mailaddr_clear(&p);
	return match;
}

bool
mailaddr_check_pattern(const char *pattern, struct error *err)
{
	struct mailaddr p;
	bool below, all;

	if (!parse_pattern(pattern, &p, &below, &all, err))
		return false;
	mailaddr_clear(&p);
	return true;
}

bool
mailaddr_list(const char *value, size_t n, struct strvec *addresses,
    struct error *err)
{
	struct lexer lx;
	size_t before = addresses->n;
	bool group = false;
	bool ok = true;

	if (!lexer_start(&lx, value, n, true, err) || !check_encoded(&lx))
		return false;
	while (ok && lx.tok.kind != T_END) {
		if (lx.tok.kind == ',')
			ok = next(&lx);
		else if (lx.tok.kind == ';')
			ok = end_group(&lx, &group);
		else
			ok = list_element(&lx, &group, addresses);
	}
	if (ok && group)
		ok = fail(&lx, "group without its semicolon");
	while (!ok && addresses->n > before) {
		free(addresses->v[--addresses->n]);
		addresses->v[addresses->n] = NULL;
	}
	return ok;
}
