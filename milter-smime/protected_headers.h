/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_PROTECTED_HEADERS_H
#define MILTER_SMIME_PROTECTED_HEADERS_H

/*
 * Header protection (RFC 9788): copies of header fields inside of what is
 * signed or encrypted, told by the parameter hp of its Content-Type.
 *
 * Only fields that a sender composes count (From, To, Subject, Date …); see
 * the table in the source.  Trace fields and results change on the way or
 * are believed by those behind us, Bcc reveals whom it was hidden from:
 * these are never copied inside, and never believed from inside.
 *
 * Pure: bytes and values in, values out.  What comes from inside a message
 * is its sender's, or anybody's who can encrypt: bounded in number and size,
 * cleaned before it is a header field again.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/mailaddr.h"
#include "common/strvec.h"
#include "entity.h"
#include "fields.h"
#include "message.h"
#include "smime_settings.h"

/* ---- what came ---- */

enum header_protection {
	HEADERS_UNPROTECTED,
	/* Signed; also where hp="cipher" was not encrypted (10.2). */
	HEADERS_CLEAR,
	/* hp="cipher", and encrypted; perhaps not signed. */
	HEADERS_CIPHER,
	/* The form of RFC 8551 3.1, message/rfc822 (4.10); never restored. */
	HEADERS_WRAPPED,
};

/* The Cryptographic Payload: what is inside all layers. */
struct payload {
	const char *data; /* header lines, blank line, body; NULL: none */
	size_t len;
	bool decrypted; /* we have opened an envelope around it */
	bool verified;	/* a signature inside all envelopes holds */
};

struct protected_field {
	const char *name;  /* static, in its usual spelling */
	char *value;	   /* as in struct header; no control characters */
	bool confidential; /* its sender did not show it outside */
};

struct protected_headers {
	enum header_protection kind;
	bool is_signed; /* else only encrypted: anybody may have written it */
	struct protected_field *v;
	size_t n;
	/* Names of fields of which the header says what was not put there. */
	struct strvec differ;
	struct strvec confidential;
};

/*
 * Looks for header protection and compares it with the message's header.
 * What neither a signature nor our decryption protects is unprotected.
 * Never fails; h is overwritten.
 */
void protected_headers_find(const struct payload *p, const struct message *m,
    struct protected_headers *h);
void protected_headers_clear(struct protected_headers *h);

/* "clear", "cipher", "wrapped"; NULL: unprotected. */
const char *protected_headers_kind_name(enum header_protection kind);

/*
 * Has the header say what the fields inside say, for mail whose layers go.
 * Fields that only stand outside go, but those that servers add (Date,
 * Message-ID, Sender).  The address of From never changes (RFC 9788 4.4 and
 * 10.1), only the name before it.  Returns whether anything changed.
 */
bool protected_headers_restore(const struct protected_headers *h,
    struct fields *header);

/*
 * Would a notification to that envelope sender tell a stranger what was
 * hidden?  It carries the header; only the From and Sender inside say who
 * wrote it.  text is as it was given, address what was read of it.
 */
bool protected_headers_hide_from(const struct protected_headers *h,
    const char *text, const struct mailaddr *address);

/* ---- what is sent ---- */

/* Does the entity's type say that it is signed or encrypted itself? */
bool protected_headers_is_layer(const struct entity *e);

/*
 * Puts the header fields into an entity that is to be signed or (encrypts)
 * encrypted, and hp on its Content-Type; e must be no layer itself.  With
 * encrypts, the policy edits the header, and HP-Outer fields inside say so.
 * *eight_bit: raw UTF-8 is among them, which is for opaque signatures only.
 * PERM: cannot be done with this header; header and e may have changed.
 */
bool protected_headers_add(struct fields *header, struct entity *e,
    bool encrypts, enum header_confidentiality policy, bool *eight_bit,
    struct error *err) __attribute__((warn_unused_result));

/* Takes hp off an entity that is inside of nothing any more. */
void protected_headers_unmark(struct entity *e);

#endif
