/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_SMIME_ENCRYPT_H
#define MILTER_SMIME_SMIME_ENCRYPT_H

/*
 * Makes an encrypted entity of an entity: EnvelopedData (RFC 5652) with
 * AES-CBC, AuthEnvelopedData (RFC 5083, 5084) with AES-GCM.  The content
 * is encrypted where it lies, in blocks; only ciphertext is kept.
 */

#include <stdbool.h>

#include <openssl/x509.h>

#include "entity.h"
#include "smime_settings.h"

struct encryption {
	enum cipher cipher;
	enum key_transport key_transport;
	STACK_OF(X509) *recipients; /* borrowed; at most CMS_MAX_RECIPIENTS */
};

/* Replaces e.  PERM: a certificate's key cannot be used so. */
bool smime_encrypt(struct entity *e, const struct encryption *how,
    const struct spool_place *place, struct error *err)
    __attribute__((warn_unused_result));

#endif
