/* SPDX-License-Identifier: BSD-2-Clause */
#include "filter_rules.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <openssl/rand.h>

#include "common/client_pattern.h"
#include "common/clock.h"
#include "common/mem.h"
#include "header_text.h"
#include "visible_text.h"

#define FIELD_MAX (256 << 10) /* of one decoded header field */

void
filter_context_clear(struct filter_context *c)
{
	mail_text_free(&c->text);
}

char *
filter_address(const char *text, const struct mailaddr *a)
{
	size_t n = strlen(text);

	if (a->local != NULL && a->local[0] != '\0')
		return mailaddr_format(a);
	if (n >= 2 && text[0] == '<' && text[n - 1] == '>')
		return mem_dup(text + 1, n - 2);
	return mem_strdup(text);
}

struct mail_text *
filter_context_text(struct filter_context *c, struct error *err)
{
	if (c->text == NULL && c->no_content != NULL)
		error_perm(err, "the message cannot be searched: %s",
		    c->no_content);
	else if (c->text == NULL)
		c->text = mail_text_new(c->content, c->place, err);
	return c->text;
}

size_t
filter_message_size(const struct message *m)
{
	/* header_bytes counts colon and line end of each; then a blank line. */
	return m->header_bytes + 2 + spool_len(m->body);
}

/* ---- comparing ---- */

struct question {
	const struct filter_rule *rule;
	struct filter_context *c;
	const struct filter_state *s;
	struct error *err;
	bool found; /* what the rule looks for, whatever its operator */
};

/* Of all searches of the message: one is bounded, but may be of many. */
static bool
has_time(struct question *q)
{
	struct timespec t;
	int64_t now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	now = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
	if (q->c->cpu_end == 0)
		q->c->cpu_end = now + FILTER_MAX_SECONDS * 1000;
	return now < q->c->cpu_end || error_temp(q->err, "all searches of "
	    "this message take more than %d s", FILTER_MAX_SECONDS);
}

/* Who is in the envelope is no content. */
static bool
is_of_envelope(enum filter_rule_kind kind)
{
	return kind == RULE_MAIL_FROM || kind == RULE_RCPT_TO ||
	    kind == RULE_SENDERGROUP || kind == RULE_RECV_LISTENER ||
	    kind == RULE_AUTHENTICATED;
}

/* Does the rule's expression match? Remembers what did. */
static bool
match(struct question *q, const char *p, size_t n)
{
	struct regex_match m;
	bool found;
	size_t len;

	if (q->found)
		return true;
	if (!has_time(q) ||
	    !regex_find(q->rule->regex, p, n, 0, &found, &m, q->err))
		return false;
	if (found && is_of_envelope(q->rule->kind)) {
		q->found = true;
	} else if (found) {
		len = m.groups[0].len < FILTER_MAX_MATCHED ?
		    m.groups[0].len : FILTER_MAX_MATCHED;
		memcpy(q->c->matched, p + m.groups[0].off, len);
		q->c->matched[len] = '\0';
		q->found = true;
	}
	return true;
}

static bool
match_text(struct question *q, const char *text)
{
	return match(q, text, strlen(text));
}

static bool
compare(enum filter_operator op, int64_t a, int64_t b)
{
	switch (op) {
	case OPERATOR_EQUAL:
		return a == b;
	case OPERATOR_NOT_EQUAL:
		return a != b;
	case OPERATOR_LESS:
		return a < b;
	case OPERATOR_LESS_EQUAL:
		return a <= b;
	case OPERATOR_GREATER:
		return a > b;
	case OPERATOR_GREATER_EQUAL:
		return a >= b;
	case OPERATOR_NONE:
		break;
	}
	return false;
}

/* ---- envelope and header ---- */

/* As it was written, and as we read it: either may be what was meant. */
static bool
match_address(struct question *q, const char *text, const struct mailaddr *a)
{
	char *address = filter_address(text, a);
	size_t n = strlen(text);
	bool bracketed = n >= 2 && text[0] == '<' && text[n - 1] == '>';
	bool ok = match_text(q, address) && match(q, text + bracketed,
	    n - 2 * (size_t)bracketed);

	free(address);
	return ok;
}

static bool
match_recipients(struct question *q)
{
	for (size_t i = 0; i < q->c->nto; i++)
		if (!match_address(q, q->c->to[i]->text,
		    &q->c->to[i]->address))
			return false;
	return true;
}

/* With and without characters that nobody sees. */
static bool
match_seen(struct question *q, const struct buf *text)
{
	struct buf visible;
	bool ok = match(q, buf_text(text), text->len);

	if (!ok || q->found || visible_text_is_all(buf_text(text), text->len))
		return ok;
	buf_init(&visible, text->len);
	visible_text_append(buf_text(text), text->len, &visible);
	ok = match(q, buf_text(&visible), visible.len);
	buf_clear(&visible);
	return ok;
}

static bool
match_fields(struct question *q, const char *name)
{
	const struct field *field;
	struct buf text;
	bool ok = true;

	buf_init(&text, FIELD_MAX);
	for (size_t n = 0; ok && !q->found &&
	    (field = fields_find(&q->s->header, name, n)) != NULL; n++) {
		if (q->rule->regex == NULL) {
			q->found = true;
			break;
		}
		buf_reset(&text);
		header_text_decode(field->value, strlen(field->value), &text);
		ok = match_seen(q, &text);
		/* What was too long to decode is searched as it is. */
		if (ok && text.overflow)
			ok = match_text(q, field->value);
		text.overflow = false;
	}
	buf_clear(&text);
	return ok;
}

static bool
match_authenticated(struct question *q)
{
	const char *login = q->c->m->authenticated;

	if (login == NULL)
		return true;
	if (q->rule->regex != NULL)
		return match_text(q, login);
	q->found = true;
	return true;
}

static void
match_client(struct question *q)
{
	struct client client = message_client(q->c->m);

	for (size_t i = 0; i < q->rule->addresses.n; i++)
		if (client_pattern_match(q->rule->addresses.v[i], &client))
			q->found = true;
}

/* ---- S/MIME ---- */

/* Without a name: either of the two. */
static bool
match_certificates(struct question *q)
{
	const struct verdict *v = q->c->verdict;
	const char *name = q->rule->name;
	bool issuer = name == NULL || strcmp(name, "issuer") == 0;
	bool signer = name == NULL || strcmp(name, "signer") == 0;

	for (size_t i = 0; i < v->nsigners; i++) {
		const struct verdict_signer *one = &v->signers[i];

		if (q->rule->regex == NULL)
			q->found = true;
		else if ((issuer && one->issuer != NULL &&
		    !match_text(q, one->issuer)) ||
		    (signer && one->address != NULL &&
		    !match_text(q, one->address)) ||
		    (signer && one->subject != NULL &&
		    !match_text(q, one->subject)))
			return false;
	}
	return true;
}

/* ---- text ---- */

/*
 * Nothing found: was all of it searched?  Who hides text beyond what we
 * read must not pass for somebody without.
 */
static bool
is_complete(struct question *q, const struct mail_text *t)
{
	return q->found || !mail_text_is_limited(t) || error_perm(q->err,
	    "the message has too many or too deeply nested parts to be "
	    "searched completely");
}

static bool
is_searched(enum filter_rule_kind kind, const struct mail_part *part)
{
	return kind == RULE_BODY_CONTAINS ||
	    part->attachment == (kind == RULE_ATTACHMENT_CONTAINS);
}

/* The readings that a part may have (mail_text.h), one after the other. */
struct readings {
	const char *rest, *end; /* rest NULL: no more */
};

/* Its middle byte is so rare that looking for it alone is faster. */
static const char *
find_mark(const char *p, const char *end)
{
	const char *at = p;

	while ((at = memchr(at, MAIL_TEXT_NEXT[1], (size_t)(end - at))) !=
	    NULL) {
		if (at > p && at + 1 < end && at[-1] == MAIL_TEXT_NEXT[0] &&
		    at[1] == MAIL_TEXT_NEXT[2])
			return at - 1;
		at++;
	}
	return NULL;
}

static bool
next_reading(struct readings *r, const char **p, size_t *n)
{
	const char *mark;

	if (r->rest == NULL)
		return false;
	mark = find_mark(r->rest, r->end);
	*p = r->rest;
	*n = (size_t)((mark == NULL ? r->end : mark) - r->rest);
	r->rest = mark == NULL ? NULL : mark + strlen(MAIL_TEXT_NEXT);
	return true;
}

/* How often a part matches: in the reading that matches most often. */
static bool
count_matches(struct question *q, struct readings *r, size_t enough,
    size_t *most)
{
	const char *p;
	size_t n, found;

	*most = 0;
	while (*most < enough && next_reading(r, &p, &n)) {
		if (!has_time(q) || !regex_count(q->rule->regex, p, n, enough, &found,
		    q->err))
			return false;
		if (found > *most)
			*most = found;
	}
	return true;
}

static bool
match_readings(struct question *q, struct readings *r)
{
	const char *p;
	size_t n;

	while (!q->found && next_reading(r, &p, &n))
		if (!match(q, p, n))
			return false;
	return true;
}

/* Matches count together over all parts that the rule looks at. */
static bool
search_text(struct question *q)
{
	const struct filter_rule *rule = q->rule;
	struct mail_text *t = filter_context_text(q->c, q->err);
	size_t total = 0;

	for (size_t i = 0; t != NULL && i < mail_text_count(t) && !q->found;
	    i++) {
		struct readings r;
		const char *p;
		size_t n, found = 0;

		if (!is_searched(rule->kind, mail_text_part(t, i)))
			continue;
		if (!mail_text_content(t, i, &p, &n, q->err))
			return false;
		r.rest = n == 0 ? "" : p;
		r.end = r.rest + n;
		if (rule->threshold == 1) {
			if (!match_readings(q, &r))
				return false;
			continue;
		}
		if (!count_matches(q, &r, rule->threshold - total, &found))
			return false;
		total += found;
		q->found = total >= rule->threshold;
	}
	return t != NULL && is_complete(q, t);
}

/* A part may have several names, as readers may understand them. */
static bool
match_part(struct question *q, const struct mail_part *part)
{
	if (q->rule->kind == RULE_ATTACHMENT_TYPE)
		return match_text(q, part->type);
	for (size_t i = 0; i < part->filenames.n; i++)
		if (!match_text(q, part->filenames.v[i]))
			return false;
	return true;
}

static bool
match_attachments(struct question *q)
{
	struct mail_text *t = filter_context_text(q->c, q->err);

	for (size_t i = 0; t != NULL && i < mail_text_count(t); i++) {
		const struct mail_part *part = mail_text_part(t, i);

		if (part->attachment && !match_part(q, part))
			return false;
	}
	return t != NULL && is_complete(q, t);
}

static bool
is_valid(struct question *q)
{
	struct mail_text *t = q->c->no_content != NULL ? NULL :
	    filter_context_text(q->c, q->err);

	q->found = t != NULL && mail_text_is_valid(t);
	return t != NULL || q->c->no_content != NULL;
}

static bool
is_encrypted(struct question *q)
{
	struct mail_text *t;

	q->found = q->c->is_encrypted;
	if (q->found)
		return true;
	t = filter_context_text(q->c, q->err);
	return t != NULL && mail_text_has_encrypted(t, &q->found, q->err) &&
	    is_complete(q, t);
}

/* ---- numbers ---- */

static bool
draw(struct question *q, int64_t *number)
{
	uint64_t random;

	if (RAND_bytes((unsigned char *)&random, sizeof(random)) != 1)
		return error_temp(q->err, "no random bytes");
	*number = (int64_t)(random % (uint64_t)q->rule->range);
	return true;
}

static bool
compare_number(struct question *q)
{
	int64_t wanted = q->rule->number, number = 0;
	bool ok = true;

	switch (q->rule->kind) {
	case RULE_DATE:
		number = clock_now();
		wanted = q->rule->time;
		break;
	case RULE_RANDOM:
		ok = draw(q, &number);
		break;
	case RULE_RCPT_COUNT:
		number = (int64_t)q->c->nto;
		break;
	default:
		number = (int64_t)filter_message_size(q->c->m);
		break;
	}
	q->found = compare(q->rule->op, number, wanted);
	return ok;
}

/* What the rule looks for, before == and != are told apart. */
static bool
look(struct question *q)
{
	const struct filter_context *c = q->c;

	switch (q->rule->kind) {
	case RULE_TRUE:
		q->found = true;
		return true;
	case RULE_VALID:
		return is_valid(q);
	case RULE_ENCRYPTED:
		return is_encrypted(q);
	case RULE_SIGNED:
		q->found = c->is_signed;
		return true;
	case RULE_SMIME_GATEWAY_MESSAGE:
		q->found = c->verdict->gateway_message;
		return true;
	case RULE_SMIME_GATEWAY_VERIFIED:
		q->found = c->verdict->gateway_verified;
		return true;
	case RULE_AUTHENTICATED:
		return match_authenticated(q);
	case RULE_HEADER:
		return match_fields(q, q->rule->name);
	case RULE_SUBJECT:
		return match_fields(q, "Subject");
	case RULE_SIGNED_CERTIFICATE:
		return match_certificates(q);
	case RULE_MAIL_FROM:
		return match_address(q, c->m->sender_text, &c->m->sender);
	case RULE_RCPT_TO:
		return match_recipients(q);
	case RULE_SENDERGROUP:
		return match_text(q, c->flow->group == NULL ? "" :
		    c->flow->group);
	case RULE_RECV_LISTENER:
		return match_text(q, c->m->listener);
	case RULE_ATTACHMENT_FILENAME:
	case RULE_ATTACHMENT_TYPE:
		return match_attachments(q);
	case RULE_BODY_CONTAINS:
	case RULE_ONLY_BODY_CONTAINS:
	case RULE_ATTACHMENT_CONTAINS:
		return search_text(q);
	case RULE_REMOTE_IP:
		match_client(q);
		return true;
	case RULE_DATE:
	case RULE_RANDOM:
	case RULE_RCPT_COUNT:
	case RULE_BODY_SIZE:
		return compare_number(q);
	}
	return true;
}

static bool
is_number(enum filter_rule_kind kind)
{
	return kind == RULE_DATE || kind == RULE_RANDOM ||
	    kind == RULE_RCPT_COUNT || kind == RULE_BODY_SIZE;
}

static bool
rule_eval(const struct filter_rule *rule, struct filter_context *c,
    const struct filter_state *s, bool *result, struct error *err)
{
	struct question q = {.rule = rule, .c = c, .s = s, .err = err};

	if (!look(&q))
		return error_prefix(err, "rule %s",
		    filter_rule_name(rule->kind));
	/* != is true exactly where == is not. */
	*result = q.found != (rule->op == OPERATOR_NOT_EQUAL &&
	    !is_number(rule->kind));
	return true;
}

bool
filter_expr_eval(const struct filter_expr *e, struct filter_context *c,
    const struct filter_state *s, bool *result, struct error *err)
{
	switch (e->kind) {
	case EXPR_RULE:
		return rule_eval(&e->rule, c, s, result, err);
	case EXPR_NOT:
		if (!filter_expr_eval(e->left, c, s, result, err))
			return false;
		*result = !*result;
		return true;
	case EXPR_AND:
	case EXPR_OR:
		if (!filter_expr_eval(e->left, c, s, result, err))
			return false;
		if (*result == (e->kind == EXPR_OR))
			return true;
		return filter_expr_eval(e->right, c, s, result, err);
	}
	return true;
}
