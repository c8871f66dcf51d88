/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_QUARANTINE_COMMAND_H
#define MILTER_SMIME_QUARANTINE_COMMAND_H

/*
 * The words of `postseal quarantine`.  Each gets what the command line
 * says, prints to standard output, and returns a sysexits(3) code.
 */

#include <stdbool.h>

#include "common/settings.h"
#include "common/strvec.h"
#include "held.h"
#include "postfix_queue.h"
#include "smime_settings.h"

struct quarantine_request {
	const struct settings *settings; /* NULL: they could not be read */
	const struct milter_smime_settings *own;
	const char *authserv_id;
	struct postfix_queue queue;
	const char *name;  /* of a quarantine; NULL: none was named */
	struct strvec ids; /* each could be one, none twice */
	bool json, header, raw, yes, force;
};

int quarantine_list(const struct quarantine_request *r);
int quarantine_show(const struct quarantine_request *r);
int quarantine_release(const struct quarantine_request *r);
int quarantine_delete(const struct quarantine_request *r);
int quarantine_status(const struct quarantine_request *r);
/* problem: why there are no settings. */
int quarantine_self_check(const struct quarantine_request *r,
    const char *problem);

/* For the words: */

/* Every message on hold, or those of r->ids; warns of what it missed. */
bool quarantine_walk(const struct quarantine_request *r, held_take *take,
    void *context, struct error *err) __attribute__((warn_unused_result));

/* Is it ours, and in the quarantine that was named, if one was? */
bool quarantine_is_asked_for(const struct quarantine_request *r,
    const struct held *h);

/*
 * Nothing was found under r->name: an error line and its code if no such
 * quarantine is known, else EX_OK.
 */
int quarantine_nothing(const struct quarantine_request *r);

/* One line to standard error; returns the code that fits err. */
int quarantine_failed(const struct error *err);

#endif
