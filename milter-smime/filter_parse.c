/* SPDX-License-Identifier: BSD-2-Clause */
#include "filter_parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/client_pattern.h"
#include "common/conf.h"
#include "common/mailaddr.h"
#include "common/mem.h"
#include "filter_lex.h"

#define FILTERS_MAX 10000
#define NAME_MAX_BYTES 100
#define CHAIN_MAX 5000 /* who runs or frees a chain recurses along it */

struct parser {
	struct lexer lexer;
	struct token token; /* the next one, not yet taken */
	struct filter_set *set;
	const struct filter_names *names;
	struct error *err;
	unsigned depth;
};

/* ---- tokens ---- */

static bool __attribute__((format(printf, 4, 5)))
wrong(struct parser *p, const struct token *at, size_t offset,
    const char *fmt, ...)
{
	char text[sizeof(p->err->text)];
	unsigned column = offset == 0 ? at->column :
	    token_column(at, offset);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return lexer_error(&p->lexer, at->line, column, p->err, "%s", text);
}

static bool
expected(struct parser *p, const char *what)
{
	struct buf found;

	buf_init(&found, 500);
	token_describe(&p->token, &found);
	wrong(p, &p->token, 0, "expected %s, found %s", what,
	    buf_text(&found));
	buf_clear(&found);
	return false;
}

static bool
next(struct parser *p)
{
	token_clear(&p->token);
	return lexer_next(&p->lexer, &p->token, p->err);
}

/* The token becomes the caller's; the one behind it is read. */
static bool
take(struct parser *p, struct token *t)
{
	*t = p->token;
	p->token = (struct token){.kind = TOKEN_END};
	return lexer_next(&p->lexer, &p->token, p->err);
}

static bool
want(struct parser *p, char symbol, const char *where)
{
	char what[80];

	if (token_is(&p->token, symbol))
		return next(p);
	snprintf(what, sizeof(what), "\"%c\" %s", symbol, where);
	return expected(p, what);
}

static bool
want_string(struct parser *p, struct token *t, const char *what)
{
	if (p->token.kind != TOKEN_STRING)
		return expected(p, what);
	return take(p, t);
}

static bool
enter(struct parser *p)
{
	return ++p->depth <= FILTER_MAX_DEPTH || wrong(p, &p->token, 0,
	    "more than %d levels of parentheses, nots and ifs",
	    FILTER_MAX_DEPTH);
}

/* What was meant by an unknown name; the names are freed. */
static bool
unknown(struct parser *p, const struct token *at, const char *kind,
    const char *name, const char **names)
{
	const char *near = conf_nearest(name, names);

	free(names);
	return wrong(p, at, 0, "unknown %s \"%.60s\"%s%s%s", kind, name,
	    near == NULL ? "" : "; did you mean ", near == NULL ? "" : near,
	    near == NULL ? "" : "?");
}

static const char **
names_of(const struct strvec *list)
{
	const char **names = mem_array(list->n + 1, sizeof(*names));

	for (size_t i = 0; i < list->n; i++)
		names[i] = list->v[i];
	return names;
}

/* ---- arguments ---- */

static bool
parse_regex(struct parser *p, struct regex **r)
{
	struct token t = {0};
	struct error why;
	size_t at = 0;
	bool ok = want_string(p, &t, "a regular expression in quotes");

	if (ok && t.text[0] == '\0')
		ok = wrong(p, &t, 0, "an empty regular expression matches "
		    "everything; an empty text is \"^$\"");
	if (ok) {
		*r = regex_new(t.text, strlen(t.text), &at, &why);
		ok = *r != NULL || wrong(p, &t, at, "regular expression: %s",
		    why.text);
	}
	token_clear(&t);
	return ok;
}

static bool
parse_number(struct parser *p, int64_t *number, const char *what)
{
	if (p->token.kind != TOKEN_NUMBER)
		return expected(p, what);
	*number = p->token.number;
	return next(p);
}

static bool
parse_text(struct parser *p, bool groups, struct filter_text **text)
{
	struct token t = {0};
	struct error why;
	size_t at = 0;
	bool ok = want_string(p, &t, "a text in quotes");

	if (ok) {
		*text = filter_text_new(t.text, strlen(t.text), groups, &at,
		    &why);
		ok = *text != NULL || wrong(p, &t, at, "%s", why.text);
	}
	token_clear(&t);
	return ok;
}

/* RFC 5322 2.2. */
static bool
is_field_name(const char *name)
{
	for (const char *c = name; *c != '\0'; c++)
		if (*c <= ' ' || *c >= 0x7f || *c == ':')
			return false;
	return name[0] != '\0' && strlen(name) <= NAME_MAX_BYTES;
}

static bool
parse_field_name(struct parser *p, char **name)
{
	struct token t = {0};
	bool ok = want_string(p, &t, "the name of a header field in quotes");

	if (ok && !is_field_name(t.text))
		ok = wrong(p, &t, 0, "\"%.60s\" is no name of a header field",
		    t.text);
	if (ok)
		*name = mem_strdup(t.text);
	token_clear(&t);
	return ok;
}

/* ---- rules ---- */

enum rule_form {
	FORM_ALONE,
	FORM_OPTIONAL_REGEX,
	FORM_HEADER,
	FORM_CERTIFICATE,
	FORM_REGEX,
	FORM_CONTAINS,
	FORM_ADDRESSES,
	FORM_DATE,
	FORM_RANDOM,
	FORM_NUMBER,
};

static enum rule_form
form_of(enum filter_rule_kind kind)
{
	switch (kind) {
	case RULE_TRUE:
	case RULE_VALID:
	case RULE_ENCRYPTED:
	case RULE_SIGNED:
	case RULE_SMIME_GATEWAY_MESSAGE:
	case RULE_SMIME_GATEWAY_VERIFIED:
		return FORM_ALONE;
	case RULE_AUTHENTICATED:
		return FORM_OPTIONAL_REGEX;
	case RULE_HEADER:
		return FORM_HEADER;
	case RULE_SIGNED_CERTIFICATE:
		return FORM_CERTIFICATE;
	case RULE_SUBJECT:
	case RULE_MAIL_FROM:
	case RULE_RCPT_TO:
	case RULE_SENDERGROUP:
	case RULE_RECV_LISTENER:
	case RULE_ATTACHMENT_FILENAME:
	case RULE_ATTACHMENT_TYPE:
		return FORM_REGEX;
	case RULE_BODY_CONTAINS:
	case RULE_ONLY_BODY_CONTAINS:
	case RULE_ATTACHMENT_CONTAINS:
		return FORM_CONTAINS;
	case RULE_REMOTE_IP:
		return FORM_ADDRESSES;
	case RULE_DATE:
		return FORM_DATE;
	case RULE_RANDOM:
		return FORM_RANDOM;
	case RULE_RCPT_COUNT:
	case RULE_BODY_SIZE:
		return FORM_NUMBER;
	}
	return FORM_ALONE;
}

#define RULE_KINDS (RULE_BODY_SIZE + 1)

static bool
find_rule(struct parser *p, enum filter_rule_kind *kind)
{
	char *word = mem_dup(p->token.start, p->token.len);
	bool found = false, ok = true;

	for (int k = 0; k < RULE_KINDS && !found; k++) {
		found = strcmp(word, filter_rule_name(
		    (enum filter_rule_kind)k)) == 0;
		*kind = (enum filter_rule_kind)k;
	}
	/* What the appliance's manual calls the rule. */
	if (!found && strcmp(word, "smime-gateway") == 0) {
		*kind = RULE_SMIME_GATEWAY_MESSAGE;
		found = true;
	}
	if (!found) {
		const char **names = mem_array(RULE_KINDS + 1,
		    sizeof(*names));

		for (int k = 0; k < RULE_KINDS; k++)
			names[k] = filter_rule_name((enum filter_rule_kind)k);
		ok = unknown(p, &p->token, "rule", word, names);
	}
	free(word);
	return ok;
}

static bool
is_equality(const struct token *t)
{
	return t->kind == TOKEN_OPERATOR && (t->op == OPERATOR_EQUAL ||
	    t->op == OPERATOR_NOT_EQUAL);
}

/* == or !=, or any comparison. */
static bool
parse_operator(struct parser *p, struct filter_rule *r, bool any)
{
	char what[80];

	if (p->token.kind != TOKEN_OPERATOR ||
	    (!any && !is_equality(&p->token))) {
		snprintf(what, sizeof(what), "%s behind %s", any ?
		    "a comparison" : "== or !=", filter_rule_name(r->kind));
		return expected(p, what);
	}
	r->op = p->token.op;
	return next(p);
}

static bool
parse_comparison(struct parser *p, struct filter_rule *r)
{
	return parse_operator(p, r, false) && parse_regex(p, &r->regex);
}

static bool
parse_optional_comparison(struct parser *p, struct filter_rule *r)
{
	return p->token.kind != TOKEN_OPERATOR || parse_comparison(p, r);
}

static bool
parse_header(struct parser *p, struct filter_rule *r)
{
	return want(p, '(', "behind header") &&
	    parse_field_name(p, &r->name) &&
	    want(p, ')', "behind the name") && parse_optional_comparison(p, r);
}

static bool
parse_certificate(struct parser *p, struct filter_rule *r)
{
	struct token t = {0};
	bool ok = want(p, '(', "behind signed-certificate") &&
	    want_string(p, &t, "\"issuer\" or \"signer\"");

	if (ok && strcasecmp(t.text, "issuer") != 0 &&
	    strcasecmp(t.text, "signer") != 0)
		ok = wrong(p, &t, 0, "\"%.60s\" is nothing of a certificate; "
		    "write \"issuer\" or \"signer\"", t.text);
	if (ok)
		r->name = mem_strdup(strcasecmp(t.text, "issuer") == 0 ?
		    "issuer" : "signer");
	token_clear(&t);
	return ok && parse_optional_comparison(p, r) &&
	    want(p, ')', "to end signed-certificate");
}

static bool
parse_contains(struct parser *p, struct filter_rule *r)
{
	int64_t threshold = 1;
	struct token at;

	if (!want(p, '(', "before the regular expression") ||
	    !parse_regex(p, &r->regex))
		return false;
	if (token_is(&p->token, ',')) {
		if (!next(p))
			return false;
		at = p->token;
		at.text = NULL;
		if (!parse_number(p, &threshold, "how often it must match"))
			return false;
		if (threshold < 1 || threshold > 1000000)
			return wrong(p, &at, 0, "a threshold is from 1 to "
			    "1000000");
	}
	r->threshold = (size_t)threshold;
	return want(p, ')', "behind the regular expression");
}

/* `192.0.2.` and `192.0.2.1-9` are the appliance's ways to say it. */
static char *
address_pattern(const char *word)
{
	size_t n = strlen(word), dots = 0;
	const char *dash = strchr(word, '-'), *last = NULL;

	for (const char *c = word; *c != '\0'; c++) {
		dots += *c == '.';
		if (*c == '.' && (dash == NULL || c < dash))
			last = c;
	}
	if (n > 0 && word[n - 1] == '.' && dots <= 3)
		return mem_printf("%.*s%s/%zu", (int)n - 1, word,
		    &".0.0.0"[2 * (dots - 1)], 8 * dots);
	if (dash != NULL && dots == 3 && last != NULL)
		return mem_printf("%.*s-%.*s%s", (int)(dash - word), word,
		    (int)(last - word) + 1, word, dash + 1);
	return mem_strdup(word);
}

static bool
parse_addresses(struct parser *p, struct filter_rule *r)
{
	struct token t = {0};
	char *word, *state = NULL;
	struct error why;
	bool ok = parse_operator(p, r, false) &&
	    want_string(p, &t, "addresses in quotes");

	for (word = ok ? strtok_r(t.text, ", ", &state) : NULL;
	    ok && word != NULL; word = strtok_r(NULL, ", ", &state)) {
		char *pattern = address_pattern(word);

		if (strchr("0123456789abcdefABCDEF:", word[0]) == NULL ||
		    strpbrk(word, ".:") == NULL)
			ok = wrong(p, &t, 0, "\"%.60s\" is no address", word);
		else if (!client_pattern_check(pattern, &why))
			ok = wrong(p, &t, 0, "%s", why.text);
		strvec_take(&r->addresses, pattern);
	}
	if (ok && r->addresses.n == 0)
		ok = wrong(p, &t, 0, "no address; write an address, a network "
		    "such as 192.0.2.0/24, or a range");
	token_clear(&t);
	return ok;
}

static bool
parse_time(const char *text, time_t *time)
{
	static const char *const formats[] = {"%m/%d/%Y %H:%M:%S",
		"%m/%d/%Y %H:%M", "%m/%d/%Y", "%Y-%m-%d %H:%M:%S",
		"%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M",
		"%Y-%m-%d", NULL};

	for (size_t i = 0; formats[i] != NULL; i++) {
		struct tm tm = {.tm_isdst = -1}, day;
		const char *end = strptime(text, formats[i], &tm);

		if (end == NULL || *end != '\0')
			continue;
		day = tm;
		*time = mktime(&tm);
		/* 02/30 would become another day. */
		return *time != (time_t)-1 && tm.tm_mday == day.tm_mday;
	}
	return false;
}

static bool
parse_date(struct parser *p, struct filter_rule *r)
{
	struct token t = {0};
	bool ok = parse_operator(p, r, true) &&
	    want_string(p, &t, "a date in quotes");

	if (ok && !parse_time(t.text, &r->time))
		ok = wrong(p, &t, 0, "\"%.60s\" is no date; write "
		    "\"MM/DD/YYYY HH:MM\" or \"YYYY-MM-DD HH:MM\"", t.text);
	token_clear(&t);
	return ok;
}

static bool
parse_random(struct parser *p, struct filter_rule *r)
{
	struct token at;

	if (!want(p, '(', "behind random"))
		return false;
	at = p->token;
	at.text = NULL;
	if (!parse_number(p, &r->range, "how many numbers there are"))
		return false;
	if (r->range < 1)
		return wrong(p, &at, 0, "random needs at least 1");
	return want(p, ')', "behind the number") &&
	    parse_operator(p, r, true) &&
	    parse_number(p, &r->number, "a number");
}

/* `true()` is as good as `true`. */
static bool
parse_alone(struct parser *p)
{
	return !token_is(&p->token, '(') ||
	    (next(p) && want(p, ')', "behind the empty parenthesis"));
}

static bool
parse_rule(struct parser *p, struct filter_rule *r)
{
	if (p->token.kind != TOKEN_WORD)
		return expected(p, "a rule");
	if (!find_rule(p, &r->kind) || !next(p))
		return false;
	r->threshold = 1;
	switch (form_of(r->kind)) {
	case FORM_ALONE:
		return parse_alone(p);
	case FORM_OPTIONAL_REGEX:
		return parse_optional_comparison(p, r);
	case FORM_HEADER:
		return parse_header(p, r);
	case FORM_CERTIFICATE:
		return parse_certificate(p, r);
	case FORM_REGEX:
		return parse_comparison(p, r);
	case FORM_CONTAINS:
		return parse_contains(p, r);
	case FORM_ADDRESSES:
		return parse_addresses(p, r);
	case FORM_DATE:
		return parse_date(p, r);
	case FORM_RANDOM:
		return parse_random(p, r);
	case FORM_NUMBER:
		return parse_operator(p, r, true) &&
		    parse_number(p, &r->number, "a number");
	}
	return true;
}

/* ---- expressions: not binds closest, then and, then or ---- */

static struct filter_expr *parse_or(struct parser *p);

static struct filter_expr *
new_expr(enum filter_expr_kind kind, struct filter_expr *left)
{
	struct filter_expr *e = mem_alloc(sizeof(*e));

	e->kind = kind;
	e->left = left;
	return e;
}

static struct filter_expr *
parse_unary(struct parser *p)
{
	struct filter_expr *e = NULL;
	bool ok = enter(p);

	if (ok && token_is_word(&p->token, "not")) {
		e = new_expr(EXPR_NOT, NULL);
		ok = next(p) && (e->left = parse_unary(p)) != NULL;
	} else if (ok && token_is(&p->token, '(')) {
		ok = next(p) && (e = parse_or(p)) != NULL &&
		    want(p, ')', "to end the parenthesis");
	} else if (ok) {
		e = new_expr(EXPR_RULE, NULL);
		ok = parse_rule(p, &e->rule);
	}
	p->depth--;
	if (!ok)
		filter_expr_free(&e);
	return e;
}

static struct filter_expr *
parse_chain(struct parser *p, const char *word, enum filter_expr_kind kind,
    struct filter_expr *(*parse)(struct parser *))
{
	struct filter_expr *first = parse(p), **at = &first;

	for (int n = 0; *at != NULL && token_is_word(&p->token, word); n++) {
		bool ok = n < CHAIN_MAX || wrong(p, &p->token, 0, "more than "
		    "%d rules joined by %s", CHAIN_MAX, word);

		*at = new_expr(kind, *at);
		if (!ok || !next(p) || ((*at)->right = parse(p)) == NULL) {
			filter_expr_free(&first);
			return NULL;
		}
		at = &(*at)->right;
	}
	return first;
}

static struct filter_expr *
parse_and(struct parser *p)
{
	return parse_chain(p, "and", EXPR_AND, parse_unary);
}

static struct filter_expr *
parse_or(struct parser *p)
{
	return parse_chain(p, "or", EXPR_OR, parse_and);
}

/* ---- actions ---- */

/*
 * Arguments by letter: p a sending profile, q a quarantine, h a header
 * field that may be edited, r a regular expression, t a text, g one with
 * groups, a an address, A one or $EnvelopeRecipients, s a sender.  What
 * stands behind ? may be left out.
 */
static const char *const signatures[] = {
	[ACTION_SMIME_GATEWAY] = "p",
	[ACTION_DROP] = "",
	[ACTION_BOUNCE] = "?t",
	[ACTION_DELIVER] = "",
	[ACTION_SKIP_FILTERS] = "",
	[ACTION_SMIME_GATEWAY_DEFERRED] = "p",
	[ACTION_QUARANTINE] = "q",
	[ACTION_INSERT_HEADER] = "ht",
	[ACTION_STRIP_HEADER] = "h",
	[ACTION_EDIT_HEADER_TEXT] = "hrg",
	[ACTION_TAG_MESSAGE] = "t",
	[ACTION_LOG_ENTRY] = "t",
	[ACTION_NOTIFY] = "A?ts",
	[ACTION_BCC] = "a?ts",
	[ACTION_ALT_RCPT_TO] = "a",
	[ACTION_NO_OP] = "",
};

#define ACTION_KINDS (ACTION_NO_OP + 1)

/* As the settings write it; NULL when they do not. */
static const char *
find_name(const struct strvec *known, const char *name, bool any_case)
{
	for (size_t i = 0; i < known->n; i++)
		if (strcmp(known->v[i], name) == 0 ||
		    (any_case && strcasecmp(known->v[i], name) == 0))
			return known->v[i];
	return NULL;
}

static bool
parse_name(struct parser *p, const char *kind, const struct strvec *known,
    bool any_case, char **name)
{
	struct token t = {0};
	char what[80];
	bool ok;

	snprintf(what, sizeof(what), "the name of a %s in quotes", kind);
	ok = want_string(p, &t, what);
	if (ok) {
		*name = mem_strdup(find_name(known, t.text, any_case));
		ok = *name != NULL ||
		    unknown(p, &t, kind, t.text, names_of(known));
	}
	token_clear(&t);
	return ok;
}

/* What holds the message together, or is the gateway's own to say. */
static bool
may_edit(const char *name)
{
	static const char *const ours[] = {"MIME-Version", "Received",
		"Return-Path", "Authentication-Results", "X-Quarantine", NULL};

	for (size_t i = 0; ours[i] != NULL; i++)
		if (strcasecmp(name, ours[i]) == 0)
			return false;
	return strncasecmp(name, "Content-", 8) != 0;
}

static bool
parse_edited_field(struct parser *p, char **name)
{
	struct token at = p->token;

	at.text = NULL;
	if (!parse_field_name(p, name))
		return false;
	return may_edit(*name) || wrong(p, &at, 0, "filters cannot change %s: "
	    "it holds the message together, or is the gateway's own", *name);
}

static bool
check_address(const char *text, struct error *why)
{
	struct mailaddr a = {0};
	bool ok = mailaddr_parse(text, strlen(text), &a, why);

	if (ok && a.domain[0] == '\0')
		ok = error_perm(why, "\"%.100s\" is no full address; write "
		    "user@domain", text);
	mailaddr_clear(&a);
	return ok;
}

/*
 * One address, or one variable that gives some; another text with
 * variables in it could be anything.
 */
static bool
parse_address(struct parser *p, char kind, struct filter_text **text)
{
	struct token at = p->token;
	const char *constant;
	struct error why;

	at.text = NULL;
	if (!parse_text(p, false, text))
		return false;
	constant = filter_text_constant(*text);
	if (constant != NULL)
		return (kind == 's' && constant[0] == '\0') ||
		    check_address(constant, &why) ||
		    wrong(p, &at, 0, "%s", why.text);
	if (filter_text_is_variable(*text, VARIABLE_ENVELOPE_FROM) ||
	    (kind == 'A' &&
	    filter_text_is_variable(*text, VARIABLE_ENVELOPE_RECIPIENTS)))
		return true;
	return wrong(p, &at, 0, "an address here is plain text or "
	    "$EnvelopeFrom%s", kind == 'A' ? " or $EnvelopeRecipients" : "");
}

static bool
parse_argument(struct parser *p, char kind, struct filter_action *a,
    size_t *ntexts)
{
	switch (kind) {
	case 'p':
		return parse_name(p, "sending profile", p->names->profiles,
		    false, &a->name);
	case 'q':
		return parse_name(p, "quarantine", p->names->quarantines,
		    true, &a->name);
	case 'h':
		return parse_edited_field(p, &a->name);
	case 'r':
		return parse_regex(p, &a->regex);
	case 't':
	case 'g':
		return parse_text(p, kind == 'g', &a->texts[(*ntexts)++]);
	default:
		return parse_address(p, kind, &a->texts[(*ntexts)++]);
	}
}

static bool
parse_arguments(struct parser *p, struct filter_action *a)
{
	const char *signature = signatures[a->kind];
	size_t ntexts = 0;
	bool optional = false, first = true;

	if (!want(p, '(', "behind the action"))
		return false;
	for (; *signature != '\0'; signature++) {
		if (*signature == '?') {
			optional = true;
			continue;
		}
		if (optional && token_is(&p->token, ')'))
			break;
		if (!first && !want(p, ',', "before the next argument"))
			return false;
		first = false;
		if (!parse_argument(p, *signature, a, &ntexts))
			return false;
	}
	return want(p, ')', "behind the arguments");
}

static bool
parse_action(struct parser *p, struct filter_action *a)
{
	char *word = mem_dup(p->token.start, p->token.len);
	bool found = false, ok = true;

	for (int k = 0; k < ACTION_KINDS && !found; k++) {
		a->kind = (enum filter_action_kind)k;
		found = strcmp(word, filter_action_name(a->kind)) == 0;
	}
	if (!found) {
		const char **names = mem_array(ACTION_KINDS + 1,
		    sizeof(*names));

		for (int k = 0; k < ACTION_KINDS; k++)
			names[k] = filter_action_name(
			    (enum filter_action_kind)k);
		ok = unknown(p, &p->token, "action", word, names);
	}
	free(word);
	return ok && next(p) && parse_arguments(p, a);
}

/* ---- statements ---- */

static bool parse_block(struct parser *p, struct filter_block *b);

static struct filter_block *
new_block(void)
{
	return mem_alloc(sizeof(struct filter_block));
}

static bool
at_else_if(const struct parser *p)
{
	return token_is_word(&p->token, "elseif") ||
	    token_is_word(&p->token, "elif");
}

/* At `if`, `elseif`: the condition and all that hangs on it. */
static bool
parse_if(struct parser *p, struct filter_statement *s)
{
	bool ok;

	s->is_if = true;
	/* Its parentheses are those of the condition: `if (a) and (b) {`. */
	ok = enter(p) && next(p) && (s->condition = parse_or(p)) != NULL;
	if (ok) {
		s->then = new_block();
		ok = parse_block(p, s->then);
	}
	if (ok && (token_is_word(&p->token, "else") || at_else_if(p))) {
		bool else_if = at_else_if(p) || (next(p) &&
		    token_is_word(&p->token, "if"));

		s->otherwise = new_block();
		if (else_if) {
			s->otherwise->v = mem_alloc(
			    sizeof(struct filter_statement));
			s->otherwise->n = 1;
			ok = parse_if(p, s->otherwise->v);
		} else {
			ok = p->err->kind == ERROR_NONE &&
			    parse_block(p, s->otherwise);
		}
	}
	p->depth--;
	return ok;
}

/* A word and a colon, which no action has: a brace was forgotten. */
static bool
at_next_filter(const struct parser *p)
{
	const char *c = p->lexer.p;

	if (p->token.kind != TOKEN_WORD)
		return false;
	while (c < p->lexer.end && (*c == ' ' || *c == '\t' || *c == '!'))
		c++;
	return c < p->lexer.end && *c == ':';
}

static bool
parse_statement(struct parser *p, struct filter_block *b)
{
	struct filter_statement *s;
	struct token at = p->token;

	at.text = NULL;
	if (at_next_filter(p))
		return expected(p, "\"}\" before the next filter");
	if (b->n > 0 && !b->v[b->n - 1].is_if &&
	    filter_action_is_final(b->v[b->n - 1].action.kind))
		return wrong(p, &at, 0, "nothing runs behind %s()",
		    filter_action_name(b->v[b->n - 1].action.kind));
	b->v = mem_resize(b->v, b->n + 1, sizeof(*b->v));
	s = &b->v[b->n++];
	memset(s, 0, sizeof(*s));
	if (token_is_word(&p->token, "if"))
		return parse_if(p, s);
	if (p->token.kind != TOKEN_WORD)
		return expected(p, "an action, \"if\" or \"}\"");
	if (!parse_action(p, &s->action))
		return false;
	if (token_is(&p->token, '}'))
		return true;
	return want(p, ';', "behind the action");
}

static bool
parse_block(struct parser *p, struct filter_block *b)
{
	if (!want(p, '{', "before the actions"))
		return false;
	while (!token_is(&p->token, '}')) {
		if (p->token.kind == TOKEN_END)
			return expected(p, "an action or \"}\"");
		if (!parse_statement(p, b))
			return false;
	}
	if (b->n == 0)
		return expected(p, "an action (no-op() does nothing)");
	return next(p);
}

/* ---- filters ---- */

static bool
parse_filter_name(struct parser *p, struct filter *f)
{
	char *name;
	const struct filter *other;

	if (p->token.kind != TOKEN_WORD)
		return expected(p, "the name of a filter");
	if (p->token.len > NAME_MAX_BYTES)
		return wrong(p, &p->token, 0, "the name is longer than %d "
		    "bytes", NAME_MAX_BYTES);
	name = mem_dup(p->token.start, p->token.len);
	other = filter_set_find(p->set, name);
	f->name = name;
	f->line = p->token.line;
	if (other != NULL)
		return wrong(p, &p->token, 0, "filter %s stands at %s:%u "
		    "already", name, other->file, other->line);
	return next(p);
}

static bool
parse_filter(struct parser *p, struct filter *f)
{
	if (!parse_filter_name(p, f))
		return false;
	f->active = !token_is(&p->token, '!');
	if (!f->active && !next(p))
		return false;
	if (!want(p, ':', "behind the name of the filter"))
		return false;
	if (!token_is_word(&p->token, "if"))
		return expected(p, "\"if\"");
	f->body.v = mem_alloc(sizeof(*f->body.v));
	f->body.n = 1;
	return parse_if(p, f->body.v);
}

static bool
parse_filters(struct parser *p, const char *file)
{
	struct filter_set *s = p->set;
	size_t before = s->n;

	while (p->token.kind != TOKEN_END) {
		struct filter f = {.file = file};
		bool ok = s->n < FILTERS_MAX || wrong(p, &p->token, 0,
		    "more than %d filters", FILTERS_MAX);

		ok = ok && parse_filter(p, &f);
		if ((s->n & (s->n - 1)) == 0 || s->n == before)
			s->v = mem_resize(s->v, 2 * s->n + 1, sizeof(*s->v));
		s->v[s->n++] = f;
		if (!ok)
			return false;
	}
	return true;
}

bool
filter_parse(struct filter_set *s, const char *file, const char *text,
    size_t n, const struct filter_names *names, struct error *err)
{
	struct parser p = {.set = s, .names = names, .err = err};
	size_t filters = s->n, files = s->files.n;
	bool ok;

	memset(err, 0, sizeof(*err));
	strvec_add(&s->files, file);
	file = s->files.v[files];
	ok = n <= FILTER_MAX_FILE || error_perm(err, "%s: larger than %d "
	    "bytes; split it into several files", file, FILTER_MAX_FILE);
	ok = ok && lexer_init(&p.lexer, file, text, n, err) && next(&p) &&
	    parse_filters(&p, file);
	token_clear(&p.token);
	if (!ok)
		filter_set_cut(s, filters, files);
	return ok;
}
