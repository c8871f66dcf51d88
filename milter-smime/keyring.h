/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_KEYRING_H
#define MILTER_SMIME_KEYRING_H

/*
 * The only door to private keys.  Who asks gets a signature, never a key;
 * drawn so that it can become a process of its own.
 *
 * Rules for our own signing certificates (mission S7, S8; RFC 8550):
 * valid now; keyUsage, when present, digitalSignature or nonRepudiation
 * (strict: both); extended key usage, when present, emailProtection; RSA
 * not below `rsa_minimum`; the certificate names the sender, by rfc822Name
 * or by dNSName of the domain.  Refusals say which rule.
 */

#include <stdbool.h>
#include <time.h>

#include <openssl/cms.h>

#include "common/cert_store.h"
#include "common/error.h"
#include "common/mailaddr.h"
#include "smime_settings.h"

struct keyring;

struct keyring *keyring_open(const struct settings *s, struct error *err);
void keyring_close(struct keyring **k);

/*
 * Can every sending profile sign?  A profile that names its certificate
 * needs it to keep all rules now (but the sender's); one with `auto` needs
 * one such certificate at least.  Run at start.
 */
bool keyring_check(struct keyring *k, const struct settings *s,
    struct error *err) __attribute__((warn_unused_result));

/* A certificate and its key, held until keyring_put(). */
struct signer {
	const struct cert_entry *entry;
	const struct cert_snapshot *snapshot;
};

/*
 * The certificate a profile signs with for this sender.  PERM: the rule
 * that none keeps.
 */
bool keyring_find_signer(struct keyring *k,
    const struct sending_profile_settings *profile,
    const struct mailaddr *from, time_t now, struct signer *s,
    struct error *err) __attribute__((warn_unused_result));
void keyring_put(struct keyring *k, struct signer *s);

/*
 * Adds the signer to a SignedData in the making (CMS_PARTIAL), with
 * signing time and certificate chain; returns it for more attributes,
 * NULL on failure.
 */
CMS_SignerInfo *keyring_sign(const struct signer *s, CMS_ContentInfo *cms,
    const EVP_MD *digest, enum rsa_signature rsa, struct error *err);

/*
 * Unwraps the session key of an (Auth)EnvelopedData with the first of our
 * keys that one of its recipients names; expired certificates serve, too.
 * False when there is none.  A key that does not fit is true: OpenSSL goes
 * on with a random session key, so that nobody learns from the answer
 * where decryption failed (Bleichenbacher, RFC 3218).
 */
bool keyring_unwrap(struct keyring *k, CMS_ContentInfo *cms);

#endif
