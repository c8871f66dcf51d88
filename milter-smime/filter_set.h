/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_FILTER_SET_H
#define MILTER_SMIME_FILTER_SET_H

/*
 * Compiled message filters, as a value: made by filter_parse, run by
 * filter_eval, immutable in between and read by any thread.  The language:
 * filters(5).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "common/strvec.h"
#include "filter_text.h"
#include "regex.h"

enum filter_rule_kind {
	/* Alone. */
	RULE_TRUE,
	RULE_VALID,
	RULE_ENCRYPTED,
	RULE_SIGNED,
	RULE_SMIME_GATEWAY_MESSAGE,
	RULE_SMIME_GATEWAY_VERIFIED,
	/* Alone, or compared with a regular expression. */
	RULE_AUTHENTICATED,
	RULE_HEADER,		 /* name */
	RULE_SIGNED_CERTIFICATE, /* name: "issuer" or "signer", or NULL */
	/* Compared with a regular expression. */
	RULE_SUBJECT,
	RULE_MAIL_FROM,
	RULE_RCPT_TO,
	RULE_SENDERGROUP,
	RULE_RECV_LISTENER,
	RULE_ATTACHMENT_FILENAME,
	RULE_ATTACHMENT_TYPE,
	/* Holding a regular expression and how often it must match. */
	RULE_BODY_CONTAINS,
	RULE_ONLY_BODY_CONTAINS,
	RULE_ATTACHMENT_CONTAINS,
	/* Compared with something else. */
	RULE_REMOTE_IP, /* addresses: patterns of client_pattern.h */
	RULE_DATE,	/* time */
	RULE_RANDOM,	/* a number from 0 to below `range` with `number` */
	RULE_RCPT_COUNT, /* number */
	RULE_BODY_SIZE,	/* number */
};

enum filter_operator {
	OPERATOR_NONE, /* the rule stands alone */
	OPERATOR_EQUAL, /* of regular expressions: matches */
	OPERATOR_NOT_EQUAL,
	OPERATOR_LESS,
	OPERATOR_LESS_EQUAL,
	OPERATOR_GREATER,
	OPERATOR_GREATER_EQUAL,
};

struct filter_rule {
	enum filter_rule_kind kind;
	enum filter_operator op;
	char *name;
	struct regex *regex;
	size_t threshold; /* of the …-contains rules; at least 1 */
	int64_t number, range;
	time_t time;
	struct strvec addresses;
};

enum filter_expr_kind { EXPR_RULE, EXPR_NOT, EXPR_AND, EXPR_OR };

struct filter_expr {
	enum filter_expr_kind kind;
	struct filter_expr *left;  /* of NOT, the only one */
	struct filter_expr *right; /* of AND and OR */
	struct filter_rule rule;   /* of RULE */
};

enum filter_action_kind {
	/* Final: no further filter runs. */
	ACTION_SMIME_GATEWAY, /* name: the sending profile */
	ACTION_DROP,
	ACTION_BOUNCE,	      /* texts[0]: the reply, or NULL */
	ACTION_DELIVER,
	ACTION_SKIP_FILTERS,
	/* The others let filters go on. */
	ACTION_SMIME_GATEWAY_DEFERRED, /* name: the sending profile */
	ACTION_QUARANTINE,	       /* name */
	ACTION_INSERT_HEADER, /* name, texts[0]: the value */
	ACTION_STRIP_HEADER,  /* name */
	ACTION_EDIT_HEADER_TEXT, /* name, regex, texts[0]: what replaces */
	ACTION_TAG_MESSAGE,   /* texts[0] */
	ACTION_LOG_ENTRY,     /* texts[0] */
	ACTION_NOTIFY,	/* texts: address, subject, return path; NULL: not */
	ACTION_BCC,	/* the same */
	ACTION_ALT_RCPT_TO, /* texts[0]: address */
	ACTION_NO_OP,
};

#define FILTER_ACTION_TEXTS 3

struct filter_action {
	enum filter_action_kind kind;
	char *name;
	struct regex *regex;
	struct filter_text *texts[FILTER_ACTION_TEXTS];
};

/* What stands between braces; an `if` may stand among actions. */
struct filter_statement {
	bool is_if;
	struct filter_action action;	  /* without is_if */
	struct filter_expr *condition;	  /* with is_if, as the two below */
	struct filter_block *then;
	struct filter_block *otherwise; /* NULL: no else */
};

struct filter_block {
	struct filter_statement *v;
	size_t n;
};

struct filter {
	char *name;
	const char *file; /* borrowed from the set */
	unsigned line;
	bool active; /* `name!:` is not */
	struct filter_block body; /* one statement, an `if` */
};

struct filter_set {
	struct filter *v; /* in file order */
	size_t n;
	struct strvec files;
};

/* Zeroed memory is no filters. */
void filter_set_clear(struct filter_set *s);

/* Leaves the first so many filters and files. */
void filter_set_cut(struct filter_set *s, size_t filters, size_t files);

/* Parts, for who puts a set together. */
void filter_expr_free(struct filter_expr **e);
void filter_block_clear(struct filter_block *b);

/* By name in exact case, or NULL. */
const struct filter *filter_set_find(const struct filter_set *s,
    const char *name);

/* As written in the language: "body-contains", "smime-gateway". */
const char *filter_rule_name(enum filter_rule_kind k);
const char *filter_action_name(enum filter_action_kind k);
bool filter_action_is_final(enum filter_action_kind k);

#endif
