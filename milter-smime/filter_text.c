/* SPDX-License-Identifier: BSD-2-Clause */
#include "filter_text.h"

#include <stdlib.h>
#include <string.h>

#include "common/ascii.h"
#include "common/conf.h"
#include "common/mem.h"

#define NAME_MAX_SHOWN 60

enum piece_kind { PIECE_LITERAL, PIECE_VARIABLE, PIECE_GROUP };

struct text_piece {
	enum piece_kind kind;
	enum filter_variable variable;
	unsigned group;
	char *text; /* of LITERAL; the name of VARIABLE_HEADER; else NULL */
};

struct filter_text {
	struct text_piece *v;
	size_t n;
};

static const struct {
	const char *name;
	enum filter_variable variable;
} variables[] = {
	{"AllHeaders", VARIABLE_ALL_HEADERS},
	{"BodySize", VARIABLE_BODY_SIZE},
	{"CertificateSigners", VARIABLE_CERTIFICATE_SIGNERS},
	{"Date", VARIABLE_DATE},
	{"EnvelopeFrom", VARIABLE_ENVELOPE_FROM},
	{"EnvelopeRecipients", VARIABLE_ENVELOPE_RECIPIENTS},
	{"EnvelopeSender", VARIABLE_ENVELOPE_FROM},
	{"filenames", VARIABLE_FILE_NAMES},
	{"filesizes", VARIABLE_FILE_SIZES},
	{"filetypes", VARIABLE_FILE_TYPES},
	{"FilterName", VARIABLE_FILTER_NAME},
	{"GMTTimestamp", VARIABLE_GMT_TIMESTAMP},
	{"Group", VARIABLE_GROUP},
	{"Header", VARIABLE_HEADER},
	{"Hostname", VARIABLE_HOSTNAME},
	{"MatchedContent", VARIABLE_MATCHED_CONTENT},
	{"MID", VARIABLE_MID},
	{"Policy", VARIABLE_POLICY},
	{"RecvListener", VARIABLE_RECV_LISTENER},
	{"RemoteHost", VARIABLE_REMOTE_HOST},
	{"RemoteIP", VARIABLE_REMOTE_IP},
	{"Subject", VARIABLE_SUBJECT},
	{"Time", VARIABLE_TIME},
	{"Timestamp", VARIABLE_TIMESTAMP},
};

#define COUNT (sizeof(variables) / sizeof(variables[0]))

/* Text being compiled. */
struct compiler {
	struct filter_text *t;
	const char *text;
	size_t n, at;
	bool groups;
	struct buf literal; /* not yet a piece */
	struct error *err;
};

static struct text_piece *
add(struct filter_text *t, enum piece_kind kind)
{
	t->v = mem_resize(t->v, t->n + 1, sizeof(*t->v));
	t->v[t->n] = (struct text_piece){.kind = kind};
	return &t->v[t->n++];
}

static void
end_literal(struct compiler *c)
{
	if (c->literal.len > 0)
		add(c->t, PIECE_LITERAL)->text = mem_strdup(
		    buf_text(&c->literal));
	buf_reset(&c->literal);
}

static bool
unknown(struct compiler *c, const char *name)
{
	const char *names[COUNT + 1] = {NULL}, *near;

	for (size_t i = 0; i < COUNT; i++)
		names[i] = variables[i].name;
	near = conf_nearest(name, names);
	return error_perm(c->err, "unknown variable $%.*s%s%s; write $$ for a "
	    "dollar sign", NAME_MAX_SHOWN, name, near == NULL ? "" :
	    "; did you mean $", near == NULL ? "" : near);
}

static bool
is_field_name(const char *name)
{
	for (const char *p = name; *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f || *p == ':')
			return false;
	return name[0] != '\0';
}

/* Behind `$Header`: ['X-Name'] or ["X-Name"]. */
static bool
read_header_name(struct compiler *c, struct text_piece *p)
{
	const char *rest = c->text + c->at;
	size_t left = c->n - c->at, n = 0;
	char quote = left > 1 ? rest[1] : '\0';

	if (left > 2 && rest[0] == '[' && (quote == '\'' || quote == '"'))
		while (2 + n < left && rest[2 + n] != quote)
			n++;
	if (n == 0 || 3 + n >= left || rest[3 + n] != ']')
		return error_perm(c->err, "write $Header['NAME']");
	p->text = mem_dup(rest + 2, n);
	c->at += n + 4;
	return is_field_name(p->text) || error_perm(c->err, "\"%.*s\" is no "
	    "name of a header field", NAME_MAX_SHOWN, p->text);
}

/* At a dollar sign before a letter. */
static bool
read_variable(struct compiler *c)
{
	size_t n = 1, i = 0;
	struct text_piece *p;
	char *name;
	bool ok;

	while (c->at + n < c->n && ascii_is_alnum(c->text[c->at + n]))
		n++;
	name = mem_dup(c->text + c->at + 1, n - 1);
	while (i < COUNT && !ascii_equal_nocase(variables[i].name, name))
		i++;
	ok = i < COUNT || unknown(c, name);
	free(name);
	if (!ok)
		return false;
	end_literal(c);
	c->at += n;
	p = add(c->t, PIECE_VARIABLE);
	p->variable = variables[i].variable;
	return p->variable != VARIABLE_HEADER || read_header_name(c, p);
}

static bool
read_piece(struct compiler *c)
{
	const char *p = c->text + c->at;
	char next = c->at + 1 < c->n ? p[1] : '\0';

	if (*p == '$' && ascii_is_alpha(next))
		return read_variable(c);
	if (c->groups && *p == '\\' && ascii_is_digit(next)) {
		end_literal(c);
		add(c->t, PIECE_GROUP)->group = (unsigned)(next - '0');
		c->at += 2;
		return true;
	}
	buf_putc(&c->literal, *p);
	c->at += *p == '$' && next == '$' ? 2 : 1;
	return true;
}

struct filter_text *
filter_text_new(const char *text, size_t n, bool groups, size_t *at,
    struct error *err)
{
	struct compiler c = {.t = mem_alloc(sizeof(*c.t)), .text = text,
		.n = n, .groups = groups, .err = err};
	bool ok = true;

	buf_init(&c.literal, n);
	*at = 0;
	while (ok && c.at < n) {
		*at = c.at;
		ok = read_piece(&c);
	}
	end_literal(&c);
	buf_clear(&c.literal);
	if (!ok)
		filter_text_free(&c.t);
	return c.t;
}

void
filter_text_free(struct filter_text **tp)
{
	struct filter_text *t = *tp;

	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i].text);
	free(t->v);
	free(t);
	*tp = NULL;
}

void
filter_text_expand(const struct filter_text *t, filter_variable_value *value,
    filter_group_value *group, void *context, struct buf *out)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct text_piece *p = &t->v[i];

		if (p->kind == PIECE_LITERAL)
			buf_puts(out, p->text);
		else if (p->kind == PIECE_VARIABLE)
			value(context, p->variable, p->text, out);
		else if (group != NULL)
			group(context, p->group, out);
	}
}

const char *
filter_text_constant(const struct filter_text *t)
{
	if (t->n == 0)
		return "";
	return t->n == 1 && t->v[0].kind == PIECE_LITERAL ? t->v[0].text :
							    NULL;
}

bool
filter_text_is_variable(const struct filter_text *t, enum filter_variable v)
{
	return t->n == 1 && t->v[0].kind == PIECE_VARIABLE &&
	    t->v[0].variable == v;
}
