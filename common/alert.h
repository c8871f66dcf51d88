/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_ALERT_H
#define COMMON_ALERT_H

/*
 * Conditions an administrator must hear about.  A condition has a class
 * and a name, is raised, and later cleared; raising it again while it
 * stands mails again only after `repeat_after`, or with another severity.
 * Clearing sends no mail, so one that comes and goes mails no more often
 * than one that stays.  Raising and clearing also log one line (raising
 * again only with news in it).
 *
 * A class with recipients of its own mails to those, else to `recipients`;
 * with neither alerts are only logged.
 *
 * Mail goes out from a thread of its own (so nobody waits for it), through
 * `submit`: smtp://host:port or the sendmail command (execve, no shell),
 * never through our own milter; null sender or `from`; subject
 * `[WARNING] HOST: text`; `Auto-Submitted: auto-generated` and
 * `X-Postseal-Alert: CLASS NAME` against loops.  Mail that cannot be sent
 * is logged and tried again at the next raise.  At most 1,000 conditions
 * are kept and 100 mails wait; what is beyond is only logged.
 *
 * Thread safe after alert_start(). Before it, raising only logs.
 */

#include <stdbool.h>

#include "common/settings.h"

/* Sections alerts and postseal. Starts the thread. */
void alert_start(const struct settings *s, const char *program);

/* Sends what waits, at most two seconds, ends the thread. */
void alert_stop(void);

/* class: smime, tls, dane, crl, certificates. severity: "WARNING" … */
void alert_raise(const char *class, const char *name, const char *severity,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void alert_clear(const char *class, const char *name);

/* Conditions that stand now, as lines "class name since text"; free(3). */
char *alert_status(void);

#endif
