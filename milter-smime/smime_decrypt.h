/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_SMIME_DECRYPT_H
#define MILTER_SMIME_SMIME_DECRYPT_H

/*
 * Opens an EnvelopedData or AuthEnvelopedData with whichever of our keys
 * fits.  No oracle: every way of failing is one answer, after the same
 * work.  Nothing of the plaintext is given out before all of it was
 * decrypted and, for AES-GCM, its tag was checked.
 */

#include <stdbool.h>

#include "keyring.h"
#include "smime_kind.h"

/*
 * k is encrypted.  *plain is the content, or NULL when it cannot be
 * decrypted.  Fails only with TEMP (no room).
 */
bool smime_decrypt(struct keyring *keyring, const struct smime_kind *k,
    const struct spool_place *place, struct spool **plain,
    struct error *err) __attribute__((warn_unused_result));

#endif
