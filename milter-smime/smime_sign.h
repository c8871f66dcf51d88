/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_SMIME_SIGN_H
#define MILTER_SMIME_SMIME_SIGN_H

/*
 * Makes a signed entity of an entity (RFC 8551 3.5).  The content is
 * hashed where it lies; a detached signature adds text around it, an
 * opaque one encodes it once.
 */

#include <stdbool.h>

#include "entity.h"
#include "keyring.h"

struct signing {
	enum sign_mode mode;
	enum digest digest;
	enum rsa_signature rsa;
};

/*
 * Canonicalises e (see entity.h), signs it with s and replaces it by the
 * result.  An entity that cannot be made 7-bit is signed opaque whatever
 * the mode says; *used tells.  PERM: the message must bounce.
 */
bool smime_sign(struct entity *e, const struct signer *s,
    const struct signing *how, const struct spool_place *place,
    enum sign_mode *used, struct error *err)
    __attribute__((warn_unused_result));

#endif
