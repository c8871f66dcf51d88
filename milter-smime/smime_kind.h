/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_SMIME_KIND_H
#define MILTER_SMIME_SMIME_KIND_H

/*
 * Is a message S/MIME, by its top level alone (RFC 8551 3.8)?  S/MIME
 * parts deeper in a multipart are never looked at: that is how content is
 * stolen (EFAIL) and how signatures are made to cover something else.
 */

#include <stdbool.h>

#include "cms_walk.h"
#include "entity.h"

enum smime_form {
	SMIME_NOT,
	SMIME_MULTIPART_SIGNED, /* detached signature */
	SMIME_CMS,		/* one CMS object is the whole body */
};

struct smime_kind {
	enum smime_form form;
	/* Why a message that claims to be S/MIME cannot be taken apart. */
	char malformed[160];

	/* SMIME_MULTIPART_SIGNED: spans of the body. */
	size_t signed_off, signed_len; /* exactly what was signed */
	struct spool *cms;	       /* the decoded CMS object */
	struct cms_walk walk;	       /* of it */
};

/*
 * Decodes and walks the CMS object too.  A message that only looks like
 * S/MIME (its body is no CMS object at all, or application/octet-stream
 * named .p7m holds something else) is SMIME_NOT; one that claims to be and
 * is broken has its form and `malformed` set.  Fails only with TEMP (no
 * room).  The body of e must be one piece.
 */
bool smime_kind_find(const struct entity *e, const struct spool_place *place,
    struct smime_kind *k, struct error *err)
    __attribute__((warn_unused_result));
void smime_kind_clear(struct smime_kind *k);

/* Signed, encrypted or both (mission: smime-gateway-message)? */
bool smime_kind_is_gateway(const struct smime_kind *k);
/* Carries a well-formed signature with at least one signer? */
bool smime_kind_is_signed(const struct smime_kind *k);
/* Claims to be encrypted, well formed or not. */
bool smime_kind_is_encrypted(const struct smime_kind *k);
/* Is a well-formed envelope with content and somebody to open it. */
bool smime_kind_is_sealed(const struct smime_kind *k);

#endif
