/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_ALERT_MAIL_H
#define COMMON_ALERT_MAIL_H

/*
 * An alert as a mail message (RFC 5322).  Texts may hold what an attacker
 * chose: none of it ends a header line or the message, and the whole is
 * ASCII except for the addresses the administrator gave.  Pure.
 */

#include <stdint.h>
#include <time.h>

#include "common/strvec.h"

struct alert_mail {
	const char *class, *name, *severity;
	const char *text; /* may have several lines; the first is the subject */
	const char *host, *program;
	const char *from; /* NULL: MAILER-DAEMON at host */
	const struct strvec *to;
	time_t now, since;
	unsigned times;  /* raised since then */
	uint64_t unique; /* for Message-ID, any random number */
};

/* The message, lines ended by LF; free(3). */
char *alert_mail_format(const struct alert_mail *m);

#endif
