/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_PLAN_H
#define MILTER_SMIME_PLAN_H

/*
 * From facts to deliveries; the heart, and pure.  A delivery is a set of
 * recipients who get the same message, the steps that make it, and what
 * becomes of it.  All splits are the same thing: more than one delivery.
 */

#include <stdbool.h>
#include <stddef.h>

#include "smime_settings.h"

/* What is known of one recipient. */
struct recipient_facts {
	const char *policy; /* the mail policy that holds; NULL: none */
	const char *profile; /* its sending profile; NULL: none */
	const struct sending_profile_settings *settings;
};

/* What is known of the message. */
struct plan_facts {
	struct recipient_facts *recipients;
	size_t nrecipients;
	bool is_signed;	       /* S/MIME signed as it came */
	bool is_encrypted;
	bool verify;	       /* the mail flow policy wants it verified */
	bool verified;	       /* and it was */
	bool remove_signature; /* the mail flow policy's wish */
};

enum disposition {
	DISPOSITION_PASS,
	DISPOSITION_BOUNCE,
};

struct delivery {
	size_t *recipients; /* indexes, ascending */
	size_t nrecipients;
	bool verify;		/* the verdict goes into the header */
	bool remove_signature;	/* after verification succeeded */
	bool sign;
	const char *profile; /* borrowed from the facts */
	const struct sending_profile_settings *settings;
	enum disposition disposition;
};

struct plan {
	struct delivery *deliveries;
	size_t n;
};

/*
 * Recipients whose treatment is the same share a delivery, in the order
 * of their first recipient.  Every recipient is in exactly one.
 */
void plan_make(const struct plan_facts *f, struct plan *p);
void plan_clear(struct plan *p);

#endif
