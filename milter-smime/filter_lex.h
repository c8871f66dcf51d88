/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_FILTER_LEX_H
#define MILTER_SMIME_FILTER_LEX_H

/*
 * The words of the filter language, with their places.  The text is the
 * administrator's but treated as hostile: control characters, bytes that
 * are no UTF-8 and a byte order mark are errors.
 *
 * Comments run from `#` to the end of the line.  A line with only a dot is
 * passed over: the appliance's command line ends its input so.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "filter_set.h"

enum token_kind {
	TOKEN_END,	/* of the file */
	TOKEN_WORD,	/* a letter, then letters, digits, `-`, `_` */
	TOKEN_STRING,	/* 'text' or "text" */
	TOKEN_NUMBER,	/* 12, 4K, 5M */
	TOKEN_OPERATOR, /* == != < <= > >= */
	TOKEN_SYMBOL,	/* ( ) { } , ; : ! */
};

struct token {
	enum token_kind kind;
	unsigned line, column; /* from 1; columns in bytes */
	const char *start;     /* as it stands; borrowed from the text */
	size_t len;
	char *text; /* of STRING: without quotes and escapes (owned) */
	int64_t number;
	enum filter_operator op;
};

struct lexer {
	const char *file; /* for messages */
	const char *p, *end, *line_start;
	unsigned line;
};

/* PERM: the text as a whole is none we read. */
bool lexer_init(struct lexer *l, const char *file, const char *text, size_t n,
    struct error *err) __attribute__((warn_unused_result));

/* t is zeroed or cleared; PERM with the place. */
bool lexer_next(struct lexer *l, struct token *t, struct error *err)
    __attribute__((warn_unused_result));
void token_clear(struct token *t);

bool token_is(const struct token *t, char symbol);
/* A word, in any case of its letters. */
bool token_is_word(const struct token *t, const char *word);

/* The column at which byte `offset` of a string's text stands. */
unsigned token_column(const struct token *t, size_t offset);

/* Appends how a message calls it: "{", a string, the end of the file. */
void token_describe(const struct token *t, struct buf *out);

/* Sets err to PERM "FILE:LINE:COLUMN: text"; returns false. */
bool lexer_error(const struct lexer *l, unsigned line, unsigned column,
    struct error *err, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

#endif
