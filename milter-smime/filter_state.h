/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_FILTER_STATE_H
#define MILTER_SMIME_FILTER_STATE_H

/*
 * What filters have made of a message so far: its header, and what is to
 * become of it.  A value; one for the whole message, and one for each mail
 * policy whose filters made a difference.  Nothing has been done yet.
 *
 * Names of filters, profiles and quarantines are borrowed from the filter
 * set, which must outlive it.
 */

#include <stdbool.h>

#include "common/strvec.h"
#include "fields.h"
#include "message.h"

enum filter_end {
	FILTER_GOES_ON,	  /* no final action: what the mail policy says */
	FILTER_SKIPPED,	  /* skip-filters(): the same */
	FILTER_DELIVERED, /* deliver(): without the policy's profile */
	FILTER_SENT,	  /* smime-gateway() */
	FILTER_DROPPED,
	FILTER_BOUNCED,
};

/* Mail that a filter asks for: a copy (bcc), a notice (notify). */
struct filter_mail {
	struct recipient *to;
	size_t nto;
	char *subject; /* NULL: bcc keeps the message's, notify has its own */
	char *sender;  /* envelope, without brackets; NULL: default */
	const char *filter;
	/*
	 * To $EnvelopeRecipients: nobody is told who else got the message.
	 * Otherwise `about` are the recipients it is about.
	 */
	bool discreet;
	struct strvec about;
};

struct filter_state {
	const char *policy; /* whose filters; NULL: the message's */
	struct fields header;
	enum filter_end end;
	const char *ended_by;
	char *reply;	     /* of FILTER_BOUNCED */
	const char *profile; /* to be sent with; NULL: not asked for */
	const char *quarantine, *quarantined_by; /* its name, the filter */
	char *quarantine_reason; /* what is wrong with S/MIME; or NULL */
	struct recipient *alternative; /* instead of the recipients */
	struct filter_mail *notify, *bcc;
	struct strvec matched; /* names of filters that took an action */
	struct strvec log;     /* entries, in order */
	bool changed;	       /* anything beyond `matched` and `log` */
};

void filter_state_init(struct filter_state *s, const struct message *m);

/* For a policy's filters: goes on from what the message's filters left. */
void filter_state_continue(struct filter_state *s,
    const struct filter_state *from);
void filter_state_clear(struct filter_state *s);

/* Zeroed memory, filled from an address; clear after use. */
bool filter_recipient_set(struct recipient *to, const char *address);
void filter_recipient_clear(struct recipient *to);

void filter_mail_free(struct filter_mail **mail);

#endif
