/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_HELD_H
#define MILTER_SMIME_HELD_H

/*
 * The messages that are on hold, one after the other: what postqueue(1)
 * says of each, and whether it is in a quarantine of ours, which its
 * header says.  However many there are, only a few are in memory.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/strvec.h"
#include "postfix_queue.h"
#include "quarantine.h"
#include "queue_entry.h"

struct held {
	struct queue_entry entry;
	bool ours; /* in a quarantine */
	struct quarantine quarantine;
	char *subject; /* decoded */
};

/* Borrows h for the call. False, with err set, when no more is wanted. */
typedef bool held_take(void *context, const struct held *h,
    struct error *err);

/* Which messages, and how many could not be looked at. */
struct held_walk {
	const struct postfix_queue *queue;
	const char *authserv_id;
	const struct strvec *ids; /* only these; NULL: all */
	size_t gone;	  /* could not be read when their turn came */
	struct error why; /* the last of them; mostly they had left */
	size_t unread;	  /* postqueue wrote what cannot be understood */
};

/*
 * Gives each message on hold to take, those that are not ours too.  Needs
 * root.
 */
bool held_walk(struct held_walk *w, held_take *take, void *context,
    struct error *err) __attribute__((warn_unused_result));

#endif
