/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_PLAN_H
#define MILTER_SMIME_PLAN_H

/*
 * From facts to deliveries; the heart, and pure.  A delivery is a set of
 * recipients who get the same message, the steps that make it, and what
 * becomes of it.  Splits by missing key, by mail policy, by what filters
 * say and by hidden recipient are the same thing: more than one delivery.
 */

#include <stdbool.h>
#include <stddef.h>

#include <openssl/x509.h>

#include "filter_state.h"
#include "message.h"
#include "smime_settings.h"

enum disposition {
	DISPOSITION_PASS,
	DISPOSITION_HOLD,   /* into Postfix's hold queue: quarantine */
	DISPOSITION_BOUNCE, /* goes back to the sender */
	DISPOSITION_DROP,   /* discarded */
};

/* What is known of one recipient. */
struct recipient_facts {
	const struct recipient *to;
	const char *policy; /* the mail policy that holds; NULL: none */
	const char *profile; /* its sending profile; NULL: none */
	const struct sending_profile_settings *settings;
	X509 *cert;	   /* to encrypt to; NULL: none (owned) */
	char *fingerprint; /* of cert (owned) */
	char *no_cert;	   /* why there is none (owned) */
	bool hidden;	   /* named in no To or Cc field */
	const struct filter_state *filters; /* what they left; never NULL */
	const struct filter_mail *copy; /* one that a filter asks for */
	enum disposition disposition; /* as filters say */
	char *reason;		      /* of BOUNCE and DROP (owned) */
};

/* What is known of the message. */
struct plan_facts {
	struct recipient_facts *recipients;
	size_t nrecipients;
	/* Still, when the envelopes that we open are opened: */
	bool is_signed;
	bool is_encrypted;
	bool verify;	       /* the mail flow policy wants it verified */
	bool verified;	       /* its signatures hold */
	bool decrypted;
	bool remove_signature; /* the mail flow policy's wish */
	bool moved; /* filters put others in the recipients' place */
};

/* Most certificates that one CMS object is made for. */
#define PLAN_MAX_CERTIFICATES 1000

struct delivery {
	size_t *recipients; /* indexes into the facts', ascending */
	size_t nrecipients;
	bool verify;		/* the verdict goes into the header */
	bool decrypt;		/* what was inside becomes the message */
	bool remove_signature;	/* after verification succeeded */
	bool sign;
	bool encrypt;
	bool sign_outside;	/* triple: sign the encrypted again */
	STACK_OF(X509) *certs;	/* to encrypt to, each once; or NULL */
	const char *profile;	/* borrowed from the facts; or NULL */
	const struct sending_profile_settings *settings;
	const struct filter_state *filters; /* header, quarantine: borrowed */
	const struct filter_mail *copy; /* is one that a filter asks for */
	enum disposition disposition;
	char *reason;		/* of BOUNCE and DROP; else NULL */
};

struct plan {
	struct delivery *deliveries;
	size_t n;
};

/*
 * Recipients whose treatment is the same share a delivery, in the order
 * of their first recipient.  Every recipient is in exactly one.
 *
 * no_key bounce and drop hold for all recipients of the profile as soon as
 * one of them has no key; split encrypts to those who have one (mission
 * S5).  Hidden recipients (hidden_recipients = separate) are encrypted
 * apart from the named ones unless the same certificate serves a named
 * one, those served by the same certificate together.
 *
 * False: more than max deliveries would be needed (the plan is empty).
 */
bool plan_make(const struct plan_facts *f, size_t max, struct plan *p)
    __attribute__((warn_unused_result));
void plan_clear(struct plan *p);

/* Is what comes out, for whomever, without the envelope or signature? */
bool plan_unwraps(const struct plan_facts *f);

const char *disposition_name(enum disposition d);

/* Goes on its way, now or when it is released. */
bool disposition_is_sent(enum disposition d);

#endif
