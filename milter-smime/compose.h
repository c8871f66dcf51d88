/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_COMPOSE_H
#define MILTER_SMIME_COMPOSE_H

/*
 * Makes what one delivery's recipients get: the steps of its plan, one
 * after the other, on a view of the message's layers.
 */

#include <stdbool.h>

#include "gateway.h"
#include "report.h"

/* What there is to make it of; borrowed. */
struct composer {
	const struct gateway *gateway;
	const struct message *m;
	const struct report *r;
	const struct claimed_sender *from;
	const char *no_entity; /* why S/MIME cannot be made of it, or NULL */
};

/*
 * copy is zeroed but for `delivery`; clear its outcome in any case.  PERM:
 * these recipients' mail must bounce (S6), with the rule in err.
 */
bool compose(const struct composer *c, const struct delivery *d,
    struct copy *copy, struct error *err)
    __attribute__((warn_unused_result));

#endif
