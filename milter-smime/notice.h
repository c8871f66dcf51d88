/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_NOTICE_H
#define MILTER_SMIME_NOTICE_H

/*
 * The message that tells somebody about another one (filter action
 * notify): which filter matched, the envelope, the header as it came (not
 * what was hidden inside).  What strangers wrote stands in its body as text
 * and nowhere else, but for the subject.
 */

#include "common/error.h"
#include "filter_state.h"
#include "message.h"

struct notice_names {
	const char *hostname; /* ours */
	const char *from;     /* in the header; NULL: MAILER-DAEMON@hostname */
};

/* A message of our own; NULL: TEMP, no room. */
struct message *notice_make(const struct filter_mail *mail,
    const struct message *about, const struct notice_names *names,
    const struct spool_place *place, struct error *err);

#endif
