/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_REINJECT_H
#define MILTER_SMIME_REINJECT_H

/*
 * Sends the copies of a split message back into Postfix, each with its
 * recipients and their DSN parameters, over the listeners that do not
 * have us as a milter.
 *
 * A copy that went out leaves a mark (SHA-256 of message, sender,
 * recipients and treatment) in the state directory, so that when a later
 * one fails and the client sends the whole message again, nobody gets it
 * twice.  Marks go when Postfix has heard that all is done, and after
 * six days at the latest.
 */

#include <stdbool.h>

#include "common/error.h"
#include "common/settings.h"
#include "common/strvec.h"
#include "message.h"
#include "report.h"

struct reinjector;

struct reinjector *reinject_open(const struct settings *s,
    struct error *err);
void reinject_close(struct reinjector **r);

/* Tells the client that we are at work; false: it no longer waits. */
typedef bool reinject_progress(void *context);

/*
 * Sends all copies of the report (when the message is split) and all
 * notices, or fails: then the whole message must be
 * tempfailed, whatever the kind of err.  Adds the marks to `marks`.  A
 * client that gave up in between is a failure: it will come again.
 */
bool reinject_send(struct reinjector *r, const struct message *m,
    const struct report *report, reinject_progress *progress,
    void *context, struct strvec *marks, struct error *err)
    __attribute__((warn_unused_result));

/*
 * The message was tempfailed after all: the client will come again, so the
 * marks must outlast this connection.  Empties the list.
 */
void reinject_keep(struct reinjector *r, struct strvec *marks);

/* Postfix knows: the marks have done their work. Empties the list. */
void reinject_forget(struct reinjector *r, struct strvec *marks);

#endif
