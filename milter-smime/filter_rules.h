/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_FILTER_RULES_H
#define MILTER_SMIME_FILTER_RULES_H

/*
 * Is a rule of a filter true of a message?  Rules look at the message as
 * it came, at the header as filters have edited it, and at the text inside
 * all S/MIME layers that were opened.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/flow_policy.h"
#include "filter_set.h"
#include "filter_state.h"
#include "mail_text.h"
#include "message.h"
#include "verdict.h"

#define FILTER_MAX_MATCHED 200 /* bytes kept for $MatchedContent */
/* CPU time of a message after which no other search begins. */
#define FILTER_MAX_SECONDS 60

/* The message; borrowed, but for what is made on the way. */
struct filter_context {
	const struct message *m;
	const struct flow *flow;
	const struct verdict *verdict;
	bool is_signed;	   /* S/MIME, outermost or further in */
	bool is_encrypted; /* and not opened by us */
	bool decrypted; /* the sender may not be who wrote what was inside */
	const struct entity *content; /* inside what was opened */
	const char *no_content; /* why there is none; else NULL */
	const struct spool_place *place;
	const char *hostname;
	/* Whom this is about: all recipients, or those of one policy. */
	const struct recipient *const *to;
	size_t nto;
	struct mail_text *text; /* of content; made when first asked for */
	char matched[FILTER_MAX_MATCHED + 1]; /* by the last regex that did */
	int64_t cpu_end; /* milliseconds of this thread; 0: not begun */
};

void filter_context_clear(struct filter_context *c);

/*
 * The address of an envelope as rules and variables have it: without
 * brackets, the domain canonical when it can be read; free(3).
 */
char *filter_address(const char *text, const struct mailaddr *a);

/* The text of the message; NULL: TEMP, or PERM when it cannot be had. */
struct mail_text *filter_context_text(struct filter_context *c,
    struct error *err);

/* Header and body as they came, in bytes. */
size_t filter_message_size(const struct message *m);

/* False: TEMP, a limit or no room; PERM, the text cannot be read. */
bool filter_expr_eval(const struct filter_expr *e, struct filter_context *c,
    const struct filter_state *s, bool *result, struct error *err)
    __attribute__((warn_unused_result));

#endif
