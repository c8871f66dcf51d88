/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_PIPELINE_H
#define MILTER_SMIME_PIPELINE_H

/*
 * What happens to a message, from top to bottom: the page to read first.
 *
 *	client → mail flow policy → verify → verdict
 *	recipients → mail policies → plan → steps → outcome
 *
 * The milter and the dry run (`postseal smime test`) run the same
 * function.  It decides and composes; nothing has left the process when it
 * returns.
 */

#include <stdbool.h>
#include <time.h>

#include "common/flow_policy.h"
#include "common/settings.h"
#include "message.h"
#include "outcome.h"
#include "plan.h"
#include "verdict.h"

struct pipeline; /* shared by all connections; thread safe */

/*
 * Opens keys, CA lists and the key store of the settings.  extra_trust
 * (may be NULL) is a PEM file of more trusted CAs, for dry runs.
 */
struct pipeline *pipeline_open(const struct settings *s,
    const char *extra_trust, struct error *err);
void pipeline_close(struct pipeline **p);

/* What -t and every start check beyond the settings themselves. */
bool pipeline_check(struct pipeline *p, struct error *err)
    __attribute__((warn_unused_result));

const struct spool_place *pipeline_place(const struct pipeline *p);

/* What was found and decided about one message. */
struct report {
	struct flow flow;
	bool outgoing;
	struct verdict verdict;
	struct plan_facts facts;
	struct plan plan;
	struct outcome outcome;
	char *certificate;   /* signed with; NULL: not signed */
	const char *signed_as; /* "detached", "opaque", NULL */
	bool removed_signature;
	unsigned forged; /* Authentication-Results fields removed */
};

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
void pipeline_run(struct pipeline *p, const struct message *m,
    const struct pipeline_options *options, struct report *r);
void report_clear(struct report *r);

/* `from=<…> action=… …`: the one log line about a message. */
void report_log_line(const struct report *r, const struct message *m,
    struct buf *line);

#endif
