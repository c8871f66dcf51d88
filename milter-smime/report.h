/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_REPORT_H
#define MILTER_SMIME_REPORT_H

/*
 * What was found and decided about one message, and what is to be done.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/flow_policy.h"
#include "filtering.h"
#include "layers.h"
#include "message.h"
#include "outcome.h"
#include "plan.h"
#include "protected_headers.h"
#include "verdict.h"

/* What one delivery's recipients get. */
struct copy {
	size_t delivery; /* index in the plan */
	struct outcome outcome;
	char *certificate;     /* signed with; NULL: not signed */
	const char *signed_as; /* "detached", "opaque", NULL */
};

/* A message of our own about this one. */
struct notice {
	const struct filter_mail *mail;
	const char *policy; /* whose filter asks for it; NULL: none's */
	struct message *m;
};

struct report {
	struct flow flow;
	bool outgoing;
	bool judged; /* verdict looked for, not only S/MIME recognised */
	struct verdict verdict;
	struct protected_headers protected_headers; /* unjudged: none */
	bool restored; /* fields of the header are those from inside */
	struct plan_facts facts;
	struct plan plan;
	/*
	 * What becomes of the message itself: when its plan has several
	 * deliveries it is discarded once all copies were sent on.
	 */
	struct outcome outcome;
	struct copy *copies;
	size_t ncopies;
	bool split; /* copies are sent on, the message itself is discarded */
	struct notice *notices;
	size_t nnotices;
	struct filtering filtering; /* what the facts borrow */
	struct layers layers; /* what the outcomes' bytes may lie in */
};

/* Nothing is to be sent: no copies, no notices. */
void report_forget_copies(struct report *r);
void report_clear(struct report *r);

/* `from=<…> action=… …`: the one log line about a message. */
void report_log_line(const struct report *r, const struct message *m,
    struct buf *line);

/*
 * Of a split message, one line for each delivery: `delivery=2/3 …`.  False
 * when there is no i-th, or the message was not split, or comes again.
 */
bool report_log_delivery(const struct report *r, size_t i,
    struct buf *line);

/* The i-th entry that filters want in the log (log-entry), or NULL. */
const char *report_log_entry(const struct report *r, size_t i);

#endif
