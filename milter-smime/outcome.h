/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_OUTCOME_H
#define MILTER_SMIME_OUTCOME_H

/*
 * What is to become of a message, as a value: made by the pipeline,
 * carried out by writeback (milter protocol) or written to a file (dry
 * run).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "common/error.h"
#include "entity.h"
#include "fields.h"
#include "message.h"
#include "pieces.h"

enum outcome_kind {
	OUTCOME_PASS,	  /* with the edits, if any */
	OUTCOME_REJECT,	  /* bounce: the sender gets it back */
	OUTCOME_TEMPFAIL, /* try later */
	OUTCOME_DISCARD,  /* dropped, or sent on as copies */
};

struct outcome {
	enum outcome_kind kind;
	char code[4];	/* "550" */
	char status[12]; /* "5.7.1" */
	char text[400]; /* of a reply: what, and what to do */
	struct fields header; /* as it will be, and the edits to that */
	bool replace_body;
	struct pieces body;
	/*
	 * Was decrypted: should it bounce, only its header may go back, or
	 * whoever sends us other people's mail again would read it there.
	 */
	bool return_header_only;
	/*
	 * And not even that: what was encrypted stands in it, and who would be
	 * notified is not who wrote it.
	 */
	bool notify_nobody;
	const char *quarantine; /* to be held under that name; NULL: not */
};

/* The message passes as it is, so far. */
void outcome_init(struct outcome *o, const struct message *m);
void outcome_clear(struct outcome *o);

void outcome_reject(struct outcome *o, const char *status, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));
void outcome_tempfail(struct outcome *o, const char *status,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * The message becomes e: Content-* fields that differ are changed where
 * they stand, others deleted or added; MIME-Version is added when missing;
 * the body is replaced.  Takes e's body.
 */
void outcome_set_entity(struct outcome *o, struct entity *e);

/*
 * The message as it will be, CRLF: borrows from o and m, and keeps its
 * header in p.
 */
void outcome_render(const struct outcome *o, const struct message *m,
    struct pieces *p);

/*
 * Writes the message as it will be (CRLF): for dry runs and tests.
 * Returns false when f fails.
 */
bool outcome_write(const struct outcome *o, const struct message *m,
    FILE *f);

#endif
