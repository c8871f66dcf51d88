/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_CRL_SIGNATURE_H
#define CRL_FETCHER_CRL_SIGNATURE_H

/*
 * Does a key's signature hold over a CRL?  The signed bytes are hashed
 * where they lie (d2i_X509_CRL() of 290,000 entries takes 180 ms and 81
 * MiB).  RSA (PKCS #1 v1.5 and PSS), DSA, ECDSA, Ed25519, Ed448, as far as
 * OpenSSL has them; digests that can be forged (MD5, SHA-1) are PERM.
 */

#include <openssl/evp.h>

#include "common/error.h"
#include "crl_walk.h"

struct crl_algorithm {
	const EVP_MD *digest; /* NULL: the signature scheme has its own */
	const EVP_MD *mgf1;   /* RSA-PSS alone */
	int salt_len;	      /* RSA-PSS alone */
	int key_type;	      /* EVP_PKEY_… of keys it goes with */
	bool pss;
};

/* PERM: unknown, weak, or not the one that the signed part names. */
bool crl_signature_algorithm(const struct crl_walk *w,
    struct crl_algorithm *a, struct error *err)
    __attribute__((warn_unused_result));

/* Thread safe; key is borrowed. */
bool crl_signature_holds(const struct crl_walk *w,
    const struct crl_algorithm *a, EVP_PKEY *key);

#endif
