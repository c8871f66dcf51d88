/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_FILTERING_H
#define MILTER_SMIME_FILTERING_H

/*
 * Filters and mail policies over one message (mission S15, S16): message
 * filters see it once, with all its recipients; then each mail policy's
 * filters see it for the recipients of that policy.  What they say becomes
 * facts, by which the plan is made; there is no other way.
 */

#include <stdbool.h>

#include "facts.h"
#include "filter_eval.h"
#include "filters.h"
#include "plan.h"

/* One message's; what it owns, facts and plan borrow. */
struct filtering {
	struct filters *filters;
	const struct filter_program *program; /* held until clear */
	struct filter_context context;
	struct filter_state message;
	struct filter_state **policies; /* of those that changed anything */
	size_t npolicies;
	/* Whom the message goes to when its own filters are through. */
	const struct recipient **to;
	size_t nto;
};

/*
 * Takes the filters as they are now.  The members of context that say what
 * the message is are the caller's to fill; then:
 */
void filtering_begin(struct filtering *f, struct filters *filters,
    const struct message *m);
void filtering_clear(struct filtering *f);

/* Message filters; sets f->to.  Errors as filter_eval(). */
bool filtering_run_message(struct filtering *f, struct error *err)
    __attribute__((warn_unused_result));

/*
 * Facts with recipients and their policies become facts with what all
 * filters say: recipients changed and added, profiles, dispositions.
 */
bool filtering_run_policies(struct filtering *f, const struct facts_question
    *q, struct plan_facts *facts, struct error *err)
    __attribute__((warn_unused_result));

/* The i-th state that filters have left, NULL at the end. */
const struct filter_state *filtering_state(const struct filtering *f,
    size_t i);

#endif
