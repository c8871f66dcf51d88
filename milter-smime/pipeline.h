/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_PIPELINE_H
#define MILTER_SMIME_PIPELINE_H

/*
 * What happens to a message, from top to bottom: the page to read first.
 *
 *	client → mail flow policy → layers (decrypt, verify) → verdict
 *	message filters → mail policies and their filters → keys → facts
 *	facts → plan → compose → outcome, copies, notices
 *
 * The milter and the dry run (`postseal smime test`) run the same
 * function.  It decides and composes; nothing has left the process when it
 * returns.
 */

#include <stdbool.h>

#include "gateway.h"
#include "message.h"
#include "report.h"

enum direction_choice { DIRECTION_BY_CLIENT, FORCE_OUTGOING, FORCE_INCOMING };

/* What only a dry run asks for; zeroed memory is the milter. */
struct pipeline_options {
	enum direction_choice direction;
	bool always_judge; /* verdict whatever the mail flow policy says */
};

/*
 * Never fails: what goes wrong is an outcome.  r borrows from the settings
 * and from m; free with report_clear() before m.
 */
void pipeline_run(const struct gateway *g, const struct message *m,
    const struct pipeline_options *options, struct report *r);

#endif
