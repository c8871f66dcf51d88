/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_VERDICT_H
#define MILTER_SMIME_VERDICT_H

/*
 * What we found out about a message's S/MIME protection: values only.
 *
 * The four checks are kept apart from the signature's own verdict, because
 * people ask different questions of them: was it changed (digest), who
 * vouches for the signer (chain), does that still hold (revocation), is
 * the signer the sender (identity).
 */

#include <stdbool.h>
#include <stddef.h>

/* RFC 7281 result names. */
enum signature_verdict {
	SIGNATURE_NONE,	     /* not signed */
	SIGNATURE_PASS,	     /* everything holds */
	SIGNATURE_FAIL,	     /* something is wrong: see reason */
	SIGNATURE_POLICY,    /* correct, but our rules do not accept it */
	SIGNATURE_NEUTRAL,   /* an algorithm or form we cannot judge */
	SIGNATURE_TEMPERROR, /* could not be found out now */
};

enum check_result {
	CHECK_NONE,    /* not looked at */
	CHECK_GOOD,
	CHECK_BAD,
	CHECK_UNKNOWN, /* looked, cannot say */
};

struct verdict_signer {
	char *address; /* the identity that matched, else the first; or NULL */
	char *serial;
	char *issuer;
	char *subject;
};

struct verdict {
	bool gateway_message;  /* signed, encrypted or both */
	bool gateway_verified; /* verified, decrypted or both */
	bool decrypted;
	enum signature_verdict signature;
	enum check_result digest, chain, revocation, identity;
	char reason[256]; /* "" when all is well */
	struct verdict_signer *signers;
	size_t nsigners;
};

/* Zeroed memory is a verdict of an ordinary message. */
void verdict_clear(struct verdict *v);

/* Adds an empty signer and returns it; the strings are freed by clear. */
struct verdict_signer *verdict_add_signer(struct verdict *v);

/* "pass", "good"…: as in JSON, headers and the log. */
const char *verdict_signature_name(enum signature_verdict s);
const char *verdict_check_name(enum check_result c);

#endif
