/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_FACTS_H
#define MILTER_SMIME_FACTS_H

/*
 * Collects per recipient what the plan decides by: which mail policy
 * holds, its sending profile, the certificate to encrypt to, and whether
 * the recipient is named in the header.
 *
 * Mail policies are tried in file order, the first match wins;
 * default-outgoing and default-incoming come last wherever they stand.
 * `senders` match when the envelope sender or the From address does: a
 * policy for example.com must not be missed because the envelope carries a
 * bounce address.  A policy without profile exempts only when both match;
 * where one does and it has filters, these hold, and the profile is the
 * next policy's that has one and matches.  A From field that cannot be read
 * counts as matching wherever the pattern stands in it.
 */

#include <stdbool.h>

#include "certs.h"
#include "common/settings.h"
#include "message.h"
#include "plan.h"

/* What does not differ between recipients. */
struct facts_question {
	const struct settings *settings; /* borrowed, as the next two are */
	const struct message *m;
	const struct mailaddr *from; /* may be NULL */
	bool outgoing;
	struct strvec named; /* addresses in To and Cc fields, sorted */
};

/* Fills in `named`; the others are the caller's. */
void facts_question_open(struct facts_question *q);
void facts_question_close(struct facts_question *q);

/*
 * PERM: a recipient is written in a way that Postfix and we may read
 * differently, and mail of this direction may have to be protected: by a
 * policy's profile, or otherwise.
 */
bool facts_check_recipients(const struct facts_question *q, bool otherwise,
    struct error *err) __attribute__((warn_unused_result));

/*
 * One recipient more, with policy and profile, borrowing from the settings
 * and to.  Borrowed until the next is added.
 */
struct recipient_facts *facts_add_recipient(const struct facts_question *q,
    struct plan_facts *f, const struct recipient *to);

/* The same for one that stands there: another takes its place. */
void facts_set_recipient(const struct facts_question *q,
    struct recipient_facts *r, const struct recipient *to);

/*
 * The certificates, for recipients whose profile encrypts.  False: TEMP, a
 * store cannot be asked now.
 */
bool facts_find_keys(const struct certs_rules *rules, struct plan_facts *f,
    struct error *err) __attribute__((warn_unused_result));

void facts_clear(struct plan_facts *f);

#endif
